//! What all requests of administration share: text, and errors of answers.

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

use crate::kafka::error::ClientError;
use crate::kafka::net::refused;

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// `Ok` unless `code` says otherwise.
pub(super) fn check(
    what: String,
    code: i16,
    message: Option<&StrBytes>,
) -> Result<(), ClientError> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(code) => Err(refused(what, code, message)),
    }
}

pub(super) fn unanswered(what: String) -> ClientError {
    refused(what, ResponseError::UnknownServerError, Some(&text("the answer leaves it out")))
}
