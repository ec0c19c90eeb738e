//! What workers ask of each other and nobody else may: `POST /connectors/{c}/tasks`
//! and `PUT /connectors/{c}/fence`, signed with the fleet's session key as KIP-507
//! says.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::extract::{Path, Raw, flat_config, unreadable};
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::herder::{HerderError, Object};
use crate::worker::session_key::{RequestSignature, SignatureError};

/// How much is read of a body that nobody signed, in bytes.
const UNSIGNED_BYTES_MAX: usize = 16 << 10;
/// The signature, in base64.
const SIGNATURE: HeaderName = HeaderName::from_static("x-connect-authorization");
/// The hash that it was made with.
const ALGORITHM: HeaderName = HeaderName::from_static("x-connect-request-signature-algorithm");

pub(super) fn routes() -> Routes {
    let given = About::new("Among workers: put tasks in effect that another worker planned")
        .takes::<Vec<Object>>()
        .answers_nothing(204);
    let fenced = About::new("Among workers: fence the former tasks of a source");
    Routes::default().on(Method::POST, "/connectors/{connector}/tasks", put_tasks, given).on(
        Method::PUT,
        "/connectors/{connector}/fence",
        fence,
        fenced.answers_nothing(204),
    )
}

/// Whether a request is one of these.
pub(super) fn is_internal(method: &Method, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    matches!(
        (method.as_str(), parts.as_slice()),
        ("POST", ["connectors", _, "tasks"]) | ("PUT", ["connectors", _, "fence"])
    )
}

/// The signature of a request, if it has one.
pub(super) fn signature(headers: &HeaderMap) -> Result<Option<RequestSignature>, ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(mac), Some(algorithm)) = (text(SIGNATURE), text(ALGORITHM)) else { return Ok(None) };
    let mac = STANDARD
        .decode(mac)
        .map_err(|error| ApiError::bad_request(format!("{SIGNATURE} is no base64: {error}")))?;
    Ok(Some(RequestSignature { algorithm: algorithm.to_owned(), mac }))
}

/// The same of a request that nobody but a worker sends.
pub(super) fn signed(headers: &HeaderMap) -> Result<RequestSignature, ApiError> {
    let missing = || HerderError::from(SignatureError::Missing).into();
    signature(headers)?.ok_or_else(missing)
}

/// A body with its signature, which is still to be looked at. What is not even signed is
/// read only as far as Kafka Connect's answer to what is no JSON needs it.
struct Signed(Bytes, Option<RequestSignature>);

impl<S: Send + Sync> FromRequest<S> for Signed {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let signature = signature(request.headers())?;
        let body = match signature {
            Some(_) => Raw::from_request(request, state).await?.0,
            None => to_bytes(request.into_body(), UNSIGNED_BYTES_MAX)
                .await
                .map_err(|_| ApiError::from(HerderError::from(SignatureError::Missing)))?,
        };
        Ok(Self(body, signature))
    }
}

/// The headers that carry it.
pub(super) fn headers(signature: &RequestSignature) -> Result<HeaderMap, ApiError> {
    let value = |text: String| {
        HeaderValue::try_from(text).map_err(|_| {
            let message = "the signature of a request is no text";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
        })
    };
    Ok(HeaderMap::from_iter([
        (SIGNATURE, value(STANDARD.encode(&signature.mac))?),
        (ALGORITHM, value(signature.algorithm.clone())?),
    ]))
}

async fn put_tasks(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    Signed(body, signature): Signed,
) -> Result<StatusCode, ApiError> {
    let tasks: Vec<Object> =
        serde_json::from_slice(&body).map_err(|error| unreadable(&error.to_string()))?;
    let tasks = tasks.into_iter().map(flat_config).collect::<Result<Vec<_>, _>>()?;
    herder.verify(&body, signature.as_ref())?;
    herder.put_task_configs(&name, tasks).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn fence(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    Signed(body, signature): Signed,
) -> Result<StatusCode, ApiError> {
    herder.verify(&body, signature.as_ref())?;
    herder.fence(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
