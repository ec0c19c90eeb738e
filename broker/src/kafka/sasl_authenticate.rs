//! SaslAuthenticate (36): a token of the exchange, and the answer to it.

use bytes::Bytes;
use kafka_protocol::{
    error::ResponseError, messages::SaslAuthenticateResponse, protocol::StrBytes,
};

use super::errors;
use crate::auth::{AuthenticationError, Step};

/// The first version that tells a session's lifetime (KIP-368).
const LIFETIME_FROM: i16 = 1;

pub(super) fn answer(step: Step, version: i16) -> SaslAuthenticateResponse {
    let (bytes, lifetime_ms) = match step {
        Step::Continue(answer) => (answer, 0),
        Step::Done { answer, lifetime_ms } => (answer, lifetime_ms),
    };
    let response = SaslAuthenticateResponse::default()
        .with_error_code(errors::NONE)
        .with_auth_bytes(Bytes::from(bytes));
    match version >= LIFETIME_FROM {
        true => response.with_session_lifetime_ms(i64::try_from(lifetime_ms).unwrap_or(i64::MAX)),
        false => response,
    }
}

pub(super) fn refused(error: &AuthenticationError) -> SaslAuthenticateResponse {
    let message = format!("Authentication failed: {error}");
    SaslAuthenticateResponse::default()
        .with_error_code(errors::authentication(error).code())
        .with_error_message(Some(StrBytes::from_string(message)))
}

/// On a listener without SASL.
pub(super) fn illegal_state() -> SaslAuthenticateResponse {
    let message = "this listener does not ask for authentication by SASL";
    SaslAuthenticateResponse::default()
        .with_error_code(ResponseError::IllegalSaslState.code())
        .with_error_message(Some(StrBytes::from_static_str(message)))
}
