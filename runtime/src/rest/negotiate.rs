//! What a request may send and expect, and slashes at the end of its path.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header, uri::PathAndQuery};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::ApiError;
use super::plugin_uploads::is_upload;

/// Refuses what is sent or expected in another form than JSON, as JAX-RS does.
pub(super) async fn negotiated(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let refused = if !expects_json(headers) {
        Some((StatusCode::NOT_ACCEPTABLE, "HTTP 406 Not Acceptable"))
    } else if !is_upload(request.method(), request.uri().path())
        && headers.get(header::CONTENT_TYPE).is_some_and(|kind| !is_json(kind))
    {
        Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "HTTP 415 Unsupported Media Type"))
    } else {
        None
    };
    match refused {
        Some((status, message)) => ApiError::new(status, message).into_response(),
        None => next.run(request).await,
    }
}

/// Whether a header names JSON.
pub(super) fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn expects_json(headers: &HeaderMap) -> bool {
    let mut accepts = headers.get_all(header::ACCEPT).iter().peekable();
    if accepts.peek().is_none() {
        return true;
    }
    let ranges = accepts.filter_map(|accept| accept.to_str().ok()).flat_map(|it| it.split(','));
    let mut kinds = ranges.map(|range| range.split(';').next().unwrap_or_default().trim());
    kinds.any(|kind| {
        ["application/json", "application/*", "*/*", "*"]
            .iter()
            .any(|it| kind.eq_ignore_ascii_case(it))
    })
}

/// Takes slashes off the end of a path: with them it is the same path, as in
/// Kafka Connect.
pub(super) async fn without_slash(mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let shorter = path.trim_end_matches('/');
    if shorter.len() < path.len() && !shorter.is_empty() {
        let rest = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
        let mut parts = request.uri().clone().into_parts();
        // What was a path before is one still.
        if let Ok(path) = PathAndQuery::try_from(format!("{shorter}{rest}")) {
            parts.path_and_query = Some(path);
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
    }
    next.run(request).await
}
