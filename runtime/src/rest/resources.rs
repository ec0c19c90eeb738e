//! What connections and pipelines have in common: versions, as RFC 9110 has them
//! in `ETag`, `If-Match` and `If-None-Match`.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::ApiError;
use crate::worker::resources::Expected;

impl<S: Send + Sync> FromRequestParts<S> for Expected {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        expected(&parts.headers)
    }
}

fn expected(headers: &HeaderMap) -> Result<Expected, ApiError> {
    let none = tags(headers, &header::IF_NONE_MATCH)?;
    match (tags(headers, &header::IF_MATCH)?, none) {
        (None, None) => Ok(Expected::Any),
        (None, Some(Tags::Any)) => Ok(Expected::Absent),
        (Some(Tags::Any), None) => Ok(Expected::Present),
        (Some(Tags::These(tags)), None) => Ok(Expected::Tags(tags)),
        (None, Some(Tags::These(_))) => {
            Err(ApiError::bad_request("of `If-None-Match` only `*` is understood here"))
        }
        (Some(_), Some(_)) => {
            Err(ApiError::bad_request("`If-Match` and `If-None-Match` exclude each other"))
        }
    }
}

enum Tags {
    Any,
    These(Vec<String>),
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, ApiError> {
    let mut found = None;
    for value in headers.get_all(name) {
        let wrong = || {
            ApiError::bad_request(format!(
                "`{name}` is `*`, or ETags in quotes with commas between"
            ))
        };
        for tag in value.to_str().map_err(|_| wrong())?.split(',').map(str::trim) {
            if tag == "*" {
                found = Some(Tags::Any);
                continue;
            }
            let tag = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let tag = tag.ok_or_else(wrong)?.to_owned();
            match found.get_or_insert_with(|| Tags::These(Vec::new())) {
                Tags::These(tags) => tags.push(tag),
                Tags::Any => {}
            }
        }
    }
    Ok(found)
}

/// A resource with its tag: 201 when it was created.
pub(super) fn answer(body: impl Serialize, etag: &str, created: bool) -> Response {
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(body)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(HeaderName, &str)]) -> Result<Expected, StatusCode> {
        let pairs = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        expected(&pairs.collect()).map_err(|error| error.status)
    }

    #[test]
    fn conditions_are_read_as_rfc_9110_has_them() {
        let tags = |tags: &[&str]| Expected::Tags(tags.iter().map(|it| (*it).to_owned()).collect());
        assert_eq!(read(&[]), Ok(Expected::Any));
        assert_eq!(read(&[(header::IF_MATCH, "*")]), Ok(Expected::Present));
        assert_eq!(read(&[(header::IF_NONE_MATCH, "*")]), Ok(Expected::Absent));
        assert_eq!(read(&[(header::IF_MATCH, "\"1-a\", \"2-b\"")]), Ok(tags(&["1-a", "2-b"])));
        for wrong in [
            &[(header::IF_MATCH, "1-a")][..],
            &[(header::IF_NONE_MATCH, "\"1-a\"")],
            &[(header::IF_MATCH, "*"), (header::IF_NONE_MATCH, "*")],
        ] {
            assert_eq!(read(wrong), Err(StatusCode::BAD_REQUEST));
        }
    }
}
