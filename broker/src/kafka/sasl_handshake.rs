//! SaslHandshake (17): the client names the mechanism that it will use.

use kafka_protocol::{error::ResponseError, messages::SaslHandshakeResponse, protocol::StrBytes};

use super::errors;
use crate::auth::{AuthenticationError, Mechanism};

fn response(mechanisms: &[Mechanism]) -> SaslHandshakeResponse {
    let names = mechanisms.iter().map(|mechanism| StrBytes::from_static_str(mechanism.name()));
    SaslHandshakeResponse::default().with_mechanisms(names.collect())
}

pub(super) fn accepted(mechanisms: &[Mechanism]) -> SaslHandshakeResponse {
    response(mechanisms).with_error_code(errors::NONE)
}

/// The client learns what is enabled, and the connection ends.
pub(super) fn refused(
    error: &AuthenticationError,
    mechanisms: &[Mechanism],
) -> SaslHandshakeResponse {
    response(mechanisms).with_error_code(errors::authentication(error).code())
}

/// On a listener without SASL.
pub(super) fn illegal_state() -> SaslHandshakeResponse {
    response(&[]).with_error_code(ResponseError::IllegalSaslState.code())
}
