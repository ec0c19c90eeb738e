//! What only the leader decides is sent on to it, as Kafka Connect's
//! `HerderRequestHandler` does: a worker that is not the leader asks the one that
//! it takes for it, and the answer is that one's. The parameter `forward` bounds
//! the hops: it is absent at first, then `true`, then `false`, which goes no further.
//!
//! What says that it was forwarded must be signed with the fleet's session key
//! (KIP-507), its method and path as well as its body or the digest in its query. The user's credentials go
//! along, as in Kafka Connect.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::internal;
use super::limits::{BODY_BYTES_MAX, REQUEST_TIME_MAX};
use super::plugin_uploads::{UPLOAD_BYTES_MAX, is_upload};
use super::settings::{RestSettings, Scheme};
use super::{ApiError, Worker};
use crate::http;
use crate::kafka::security::TlsSettings;
use crate::worker::herder::Leadership;

/// The parameter that counts hops.
const FORWARD: &str = "forward";
/// What the leader is told of the request beside its body.
const ASKED: [HeaderName; 5] = [
    header::ACCEPT,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
];
/// What the one who asked is told of the answer beside its body.
const ANSWERED: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// What forwarding works with.
#[derive(Clone)]
pub(super) struct Forwarder {
    herder: Worker,
    /// How the leader is reached: the workers of a fleet all listen alike.
    scheme: Scheme,
    tls: Option<TlsSettings>,
}

impl Forwarder {
    pub(super) fn new(herder: Worker, settings: &RestSettings) -> Self {
        let tls = settings.tls.as_ref().map(|tls| tls.client.clone());
        Self { herder, scheme: settings.advertised, tls }
    }

    /// A client for one request: its certificates are those of now, and forwarded
    /// requests are as rare as people's.
    fn client(&self) -> Result<reqwest::Client, ApiError> {
        let builder = http::client(self.tls.as_ref()).map_err(|error| failed(&error))?;
        builder.timeout(REQUEST_TIME_MAX).build().map_err(|error| failed(&error))
    }
}

/// The value of `forward`, if the request says that it was forwarded.
fn hops(uri: &Uri) -> Option<&str> {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == FORWARD).map(|it| it.1)
}

/// Whether a request says that another worker sent it on.
pub(super) fn is_forwarded(uri: &Uri) -> bool {
    hops(uri).is_some()
}

/// What is signed of a forwarded request. Of a component nothing but its digest, which
/// its query has: who did not sign that need not be read.
fn signed_text(method: &Method, path: &str, query: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path}?{query}\n").into_bytes();
    if !is_upload(method, path) {
        text.extend_from_slice(body);
    }
    text
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
            | ("PUT" | "DELETE", ["connections" | "pipelines", _])
            | ("POST", ["plugins"])
            | ("PUT", ["plugins", _, "active"])
            | ("DELETE", ["plugins", _, "versions", _])
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
    let request = match is_forwarded(request.uri()) {
        false => request,
        true => match forwarder.believed(request).await {
            Ok(request) => request,
            Err(error) => return error.into_response(),
        },
    };
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
    let Some(url) = next_hop(forwarder.scheme, &leader, request.uri()) else {
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
fn next_hop(scheme: Scheme, leader: &str, uri: &Uri) -> Option<String> {
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let is_other = |pair: &&str| pair.split_once('=').is_none_or(|(name, _)| name != FORWARD);
    let mut others: Vec<&str> = pairs.filter(is_other).collect();
    let forward = match hops(uri) {
        None => "forward=true",
        Some(value) if value.eq_ignore_ascii_case("true") => "forward=false",
        Some(_) => return None,
    };
    others.push(forward);
    Some(format!("{}://{leader}{}?{}", scheme.name(), uri.path(), others.join("&")))
}

impl Forwarder {
    /// Refuses what says that it was forwarded, and no worker of the fleet did.
    async fn believed(&self, request: Request) -> Result<Request, ApiError> {
        let (parts, body) = request.into_parts();
        // What is not even signed is not read.
        let signature = internal::signed(&parts.headers)?;
        self.herder.keyed().await;
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        // Nor is a component before its signature holds, which does not need it.
        let (signed, body) = match is_upload(&parts.method, path) {
            true => (Bytes::new(), body),
            false => {
                let body = read(&parts, body).await?;
                (body.clone(), Body::from(body))
            }
        };
        let text = signed_text(&parts.method, path, query, &signed);
        self.herder.verify(&text, Some(&signature))?;
        Ok(Request::from_parts(parts, body))
    }

    async fn ask(&self, url: &str, request: Request) -> Result<Response, ApiError> {
        let (parts, body) = request.into_parts();
        let body = read(&parts, body).await?;
        let client = self.client()?;
        let asked = client.request(parts.method.clone(), url).body(body.clone());
        let mut asked = asked.build().map_err(|error| failed(&error))?;
        // The path as it is sent, which may be spelt otherwise than it came.
        let (path, query) = (asked.url().path(), asked.url().query().unwrap_or_default());
        self.herder.keyed().await;
        let signature = self.herder.sign(&signed_text(&parts.method, path, query, &body))?;
        let mut headers: HeaderMap = internal::headers(&signature)?;
        for name in ASKED {
            if let Some(value) = parts.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        asked.headers_mut().extend(headers);
        let answer = client.execute(asked).await.map_err(|error| failed(&error))?;
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

async fn read(parts: &Parts, body: Body) -> Result<Bytes, ApiError> {
    let bytes_max = match is_upload(&parts.method, parts.uri.path()) {
        true => UPLOAD_BYTES_MAX,
        false => BODY_BYTES_MAX,
    };
    to_bytes(body, bytes_max).await.map_err(|_| {
        let message = format!("the body has more than {bytes_max} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    })
}

/// With all causes: of the client's own error the first words say little.
fn failed(error: &dyn std::error::Error) -> ApiError {
    let mut message = format!("IO Error trying to forward REST request: {error}");
    let mut cause = error.source();
    while let Some(why) = cause {
        message.push_str(&format!(": {why}"));
        cause = why.source();
    }
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_two_hops_and_no_further() {
        let hop = |uri: &str| next_hop(Scheme::Http, "w:1", &uri.parse().unwrap());
        let first = hop("/connectors/a%20b/restart?includeTasks=true").unwrap();
        assert_eq!(first, "http://w:1/connectors/a%20b/restart?includeTasks=true&forward=true");
        let second = hop("/connectors?forward=true").unwrap();
        assert_eq!(second, "http://w:1/connectors?forward=false");
        assert_eq!(hop("/connectors?forward=false"), None);
        let tls = next_hop(Scheme::Https, "w:1", &"/connectors".parse().unwrap());
        assert_eq!(tls.unwrap(), "https://w:1/connectors?forward=true");
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
            (Method::PUT, "/connections/a"),
            (Method::DELETE, "/pipelines/a"),
            (Method::POST, "/plugins"),
            (Method::PUT, "/plugins/a/active"),
            (Method::DELETE, "/plugins/a/versions/1"),
        ] {
            assert!(is(method, path), "{path}");
        }
    }
}
