//! What only the leader decides is sent on to it, as Kafka Connect's
//! `HerderRequestHandler` does: a worker that is not the leader asks the one that
//! it takes for it, and the answer is that one's. The parameter `forward` bounds
//! the hops: it is absent at first, then `true`, then `false`, which goes no further.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::limits::{BODY_BYTES_MAX, REQUEST_TIME_MAX};
use super::{ApiError, Worker};
use crate::worker::herder::Leadership;

/// The parameter that counts hops.
const FORWARD: &str = "forward";
/// What the leader is told of the request beside its body.
const ASKED: [HeaderName; 3] = [header::ACCEPT, header::AUTHORIZATION, header::CONTENT_TYPE];
/// What the one who asked is told of the answer beside its body.
const ANSWERED: [HeaderName; 2] = [header::CONTENT_TYPE, header::LOCATION];

/// What forwarding works with.
#[derive(Clone)]
pub(super) struct Forwarder {
    pub(super) herder: Worker,
    client: reqwest::Client,
}

impl Forwarder {
    pub(super) fn new(herder: Worker) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST_TIME_MAX)
            .build()
            .expect("a client without TLS has nothing to fail with");
        Self { herder, client }
    }
}

/// Whether only the leader may do this: what is read before it is written, or
/// would be lost if another worker led by then.
fn is_for_leader(method: &Method, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    matches!(
        (method.as_str(), parts.as_slice()),
        ("POST", ["connectors"] | ["connectors", _, "restart"])
            | ("POST", ["connectors", _, "tasks", _, "restart"])
            | ("DELETE", ["connectors", _] | ["connectors", _, "offsets"])
            | ("PUT", ["connectors", _, "config" | "stop"])
            | ("PATCH", ["connectors", _, "config" | "offsets"])
    )
}

/// Answers here, or has the leader answer.
pub(super) async fn to_leader(
    State(forwarder): State<Forwarder>,
    request: Request,
    next: Next,
) -> Response {
    if !is_for_leader(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    let leader = match forwarder.herder.leader() {
        Leadership::Own => return next.run(request).await,
        Leadership::Of(leader) => leader,
        Leadership::Unknown => {
            return conflict(
                "Cannot complete request momentarily due to no known leader URL, likely because \
                 a rebalance was underway.",
            );
        }
    };
    let Some(url) = next_hop(&leader, request.uri()) else {
        return conflict(
            "Cannot complete request because of a conflicting operation (e.g. worker rebalance)",
        );
    };
    match forwarder.ask(&url, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

fn conflict(message: &str) -> Response {
    ApiError::new(StatusCode::CONFLICT, message).into_response()
}

/// Where the request goes; `None` if it came too far already.
fn next_hop(leader: &str, uri: &Uri) -> Option<String> {
    let mut others = Vec::new();
    let mut hops = None;
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((FORWARD, value)) => hops = Some(value),
            _ => others.push(pair),
        }
    }
    let forward = match hops {
        None => "forward=true",
        Some(value) if value.eq_ignore_ascii_case("true") => "forward=false",
        Some(_) => return None,
    };
    others.push(forward);
    Some(format!("http://{leader}{}?{}", uri.path(), others.join("&")))
}

impl Forwarder {
    async fn ask(&self, url: &str, request: Request) -> Result<Response, ApiError> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| {
            let message = format!("the body has more than {BODY_BYTES_MAX} bytes");
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
        })?;
        let mut asked = self.client.request(parts.method, url).body(body);
        for name in ASKED {
            if let Some(value) = parts.headers.get(&name) {
                asked = asked.header(name, value);
            }
        }
        let answer = asked.send().await.map_err(|error| failed(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes: Bytes = answer.bytes().await.map_err(|error| failed(&error))?;
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = status;
        for name in ANSWERED {
            if let Some(value) = headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        Ok(response)
    }
}

fn failed(error: &reqwest::Error) -> ApiError {
    let message = format!("IO Error trying to forward REST request: {error}");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_two_hops_and_no_further() {
        let hop = |uri: &str| next_hop("w:1", &uri.parse().unwrap());
        let first = hop("/connectors/a%20b/restart?includeTasks=true").unwrap();
        assert_eq!(first, "http://w:1/connectors/a%20b/restart?includeTasks=true&forward=true");
        let second = hop("/connectors?forward=true").unwrap();
        assert_eq!(second, "http://w:1/connectors?forward=false");
        assert_eq!(hop("/connectors?forward=false"), None);
    }

    #[test]
    fn what_any_worker_can_do_stays_where_it_came() {
        let is = |method: Method, path: &str| is_for_leader(&method, path);
        for (method, path) in [
            (Method::GET, "/connectors"),
            (Method::GET, "/connectors/a/offsets"),
            (Method::PUT, "/connectors/a/pause"),
            (Method::PUT, "/connectors/a/resume"),
            (Method::PUT, "/connectors/a/topics/reset"),
            (Method::PUT, "/connector-plugins/a/config/validate"),
            (Method::PUT, "/admin/loggers/root"),
        ] {
            assert!(!is(method, path), "{path}");
        }
        for (method, path) in [
            (Method::POST, "/connectors"),
            (Method::DELETE, "/connectors/a"),
            (Method::PATCH, "/connectors/a/config"),
            (Method::PUT, "/connectors/a/stop"),
            (Method::POST, "/connectors/a/tasks/0/restart"),
            (Method::DELETE, "/connectors/a/offsets"),
        ] {
            assert!(is(method, path), "{path}");
        }
    }
}
