//! Requests of web pages from elsewhere (`access.control.allow.*`), `OPTIONS`, and
//! headers that every answer has (`response.http.headers.config`).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::settings::{Cors, HeaderRule, RuleValue};

/// What Kafka Connect allows when `access.control.allow.methods` is empty.
const METHODS: &str = "GET, POST, HEAD";
/// The headers that a page may send beside those that it always may.
const HEADERS: HeaderValue = HeaderValue::from_static("Content-Type, Authorization");
/// How long a browser may go by an answer, in seconds.
const SECONDS: HeaderValue = HeaderValue::from_static("60");

/// Answers `OPTIONS` with the methods of the path, as JAX-RS does. The router itself
/// says which these are, of a method that it does not have.
pub(super) async fn options(request: Request, next: Next) -> Response {
    let is_asked = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    if !is_asked || response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allowed = response.headers().get(header::ALLOW).and_then(|allow| allow.to_str().ok());
    let methods = allowed.into_iter().flat_map(|it| it.split(',')).map(str::trim);
    let methods = methods.chain(["OPTIONS"]).collect::<Vec<_>>().join(", ");
    let headers = response.headers_mut();
    // It was that of the body before.
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if let Ok(methods) = HeaderValue::try_from(methods.as_str()) {
        headers.insert(header::ALLOW, methods);
    }
    *response.status_mut() = StatusCode::OK;
    *response.body_mut() = Body::from(methods);
    response
}

/// Tells browsers which pages may send which requests.
pub(super) async fn cross_origin(
    State(cors): State<Arc<Cors>>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin.filter(|origin| is_allowed(&cors, origin));
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = allowed else { return response };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if is_preflight {
        let methods = match cors.methods.is_empty() {
            true => METHODS.to_owned(),
            false => cors.methods.join(", "),
        };
        if let Ok(methods) = HeaderValue::try_from(methods) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, SECONDS);
    } else {
        let exposed = HeaderValue::from_static("Location");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    response
}

fn is_allowed(cors: &Cors, origin: &HeaderValue) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    cors.origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
}

/// Adds and sets headers of answers.
pub(super) async fn with_headers(
    State(rules): State<Arc<[HeaderRule]>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    apply(&rules, response.headers_mut(), SystemTime::now());
    response
}

fn apply(rules: &[HeaderRule], headers: &mut HeaderMap, now: SystemTime) {
    for HeaderRule { is_added, name, value } in rules {
        let name: HeaderName = name.clone();
        let Some(value) = value_at(value, now) else { continue };
        if *is_added {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }
}

/// A rule's value; `None` for a date that no calendar has.
fn value_at(value: &RuleValue, now: SystemTime) -> Option<HeaderValue> {
    /// HTTP's dates have four digits for the year.
    const YEAR_10000: u64 = 253_402_300_800;
    let millis = match value {
        RuleValue::Text(text) => return Some(text.clone()),
        RuleValue::DateIn(millis) => *millis,
    };
    let offset = Duration::from_millis(millis.unsigned_abs());
    let date = if millis < 0 { now.checked_sub(offset) } else { now.checked_add(offset) }?;
    let since = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since.as_secs() < YEAR_10000).then(|| httpdate::fmt_http_date(date).parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_so_long_after_the_answer() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        let at = |millis| value_at(&RuleValue::DateIn(millis), now);
        assert_eq!(at(3_600_000).unwrap(), "Fri, 02 Jan 1970 01:00:00 GMT");
        assert_eq!(at(-86_400_000).unwrap(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert!(at(i64::MAX).is_none() && at(i64::MIN).is_none());
    }
}
