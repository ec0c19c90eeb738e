//! Bodies and queries read into types; what does not fit gets Connect's error.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::ApiError;
use super::limits::BODY_BYTES_MAX;
use super::negotiate::is_json;
use crate::worker::herder::{ConnectorConfig, Object};

/// A body as it came.
pub(super) struct Raw(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| {
            let message = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    format!("the body has more than {BODY_BYTES_MAX} bytes")
                }
                _ => rejection.body_text(),
            };
            ApiError::new(rejection.status(), message)
        })
    }
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // Also what keeps a web page from posting here: browsers ask before they send JSON.
        if !request.headers().get(header::CONTENT_TYPE).is_some_and(is_json) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be JSON, with the header `Content-Type: application/json`",
            ));
        }
        let Raw(bytes) = Raw::from_request(request, state).await?;
        // Kafka Connect has one code for what cannot be read and for its own faults.
        serde_json::from_slice(&bytes).map(Self).map_err(|error| unreadable(&error.to_string()))
    }
}

/// A body that is none of those expected.
pub(super) fn unreadable(why: &str) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the body does not fit: {why}"))
}

/// The parts of a path.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> axum::extract::FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, ApiError> {
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|path| Self(path.0))
            .map_err(|rejection| ApiError::bad_request(rejection.body_text()))
    }
}

/// The parameters of a query string, repeated ones each time.
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, ApiError> {
        axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map(|query| Self(query.0))
            .map_err(|rejection| ApiError::bad_request(rejection.body_text()))
    }
}

impl Parameters {
    /// All values of one parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that is true or false; as in Java all but `true` is false.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.all(name).next().map_or(default, |text| text.eq_ignore_ascii_case("true"))
    }
}

/// Options from JSON: strings, and scalars as their text, as Connect reads
/// them, or null.
pub(super) fn flat_options(options: Object) -> Result<BTreeMap<String, Option<String>>, ApiError> {
    let flat = options.into_iter().map(|(name, value)| match value {
        Json::Null => Ok((name, None)),
        Json::String(text) => Ok((name, Some(text))),
        Json::Bool(_) | Json::Number(_) => Ok((name, Some(value.to_string()))),
        Json::Array(_) | Json::Object(_) => {
            Err(unreadable(&format!("options are flat: `{name}` must be a string, not {value}")))
        }
    });
    flat.collect()
}

/// A connector's configuration; null is an option left out.
pub(super) fn flat_config(config: Object) -> Result<ConnectorConfig, ApiError> {
    let options = flat_options(config)?.into_iter();
    Ok(options.filter_map(|(name, value)| Some((name, value?))).collect())
}
