//! What workers ask of each other and nobody else may: `POST /connectors/{c}/tasks`
//! and `PUT /connectors/{c}/fence`, signed with the fleet's session key as KIP-507
//! says: the body alone, so a signature of the empty body of a fence fits every
//! connector's. Workers of Longshore send neither, since who owns a connector writes its
//! tasks itself and the leader fences without being asked; so there is none to overhear,
//! and the shape stays Kafka Connect's.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::extract::{Path, Raw, flat_config, unreadable};
use super::routes::{About, Routes};
use super::{ApiError, Worker};
use crate::worker::herder::{HerderError, Object};
use crate::worker::session_key::{RequestSignature, SignatureError};

/// How much is read of a body that nobody signed, in bytes.
const UNSIGNED_BYTES_MAX: usize = 16 << 10;
/// Bodies with a signature that are in memory before it was looked at: anybody can write
/// one into a header.
const UNPROVEN_MAX: usize = 8;
/// The longest time for such a body: workers are near each other, and others wait.
const UNPROVEN_TIME_MAX: Duration = Duration::from_secs(10);
/// The signature, in base64.
const SIGNATURE: HeaderName = HeaderName::from_static("x-connect-authorization");
/// The hash that it was made with.
const ALGORITHM: HeaderName = HeaderName::from_static("x-connect-request-signature-algorithm");

pub(super) fn routes() -> Routes {
    let given = About::new("Among workers: put tasks in effect that another worker planned")
        .takes::<Vec<Object>>()
        .answers_nothing(204);
    let fenced = About::new("Among workers: fence the former tasks of a source");
    let mut routes = Routes::default()
        .on(Method::POST, "/connectors/{connector}/tasks", put_tasks, given)
        .on(Method::PUT, "/connectors/{connector}/fence", fence, fenced.answers_nothing(204));
    routes.router = routes.router.layer(Extension(Unproven::new(UNPROVEN_TIME_MAX)));
    routes
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

/// Places for bodies that nobody has proved yet to be a worker's.
#[derive(Clone)]
struct Unproven {
    places: Arc<Semaphore>,
    /// The longest time to read one.
    time_max: Duration,
}

impl Unproven {
    fn new(time_max: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(UNPROVEN_MAX)), time_max }
    }
}

/// A body with its signature, which is still to be looked at. What is not even signed is
/// read only as far as Kafka Connect's answer to what is no JSON needs it.
struct Signed {
    body: Bytes,
    signature: Option<RequestSignature>,
    /// Its place among those that are in memory.
    place: Option<OwnedSemaphorePermit>,
}

impl<S: Send + Sync> FromRequest<S> for Signed {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let signature = signature(request.headers())?;
        if signature.is_none() {
            let body = to_bytes(request.into_body(), UNSIGNED_BYTES_MAX)
                .await
                .map_err(|_| ApiError::from(HerderError::from(SignatureError::Missing)))?;
            return Ok(Self { body, signature, place: None });
        }
        let unproven = request.extensions().get().cloned();
        let Unproven { places, time_max } = unproven.expect("the routes of these requests have it");
        let place = places.acquire_owned().await.ok();
        let read = timeout(time_max, Raw::from_request(request, state)).await;
        let body = read.map_err(|_| {
            let message = format!("the body did not come within {time_max:?}");
            ApiError::new(StatusCode::REQUEST_TIMEOUT, message)
        })??;
        Ok(Self { body: body.0, signature, place })
    }
}

impl Signed {
    /// Refuses what no worker of the fleet has signed.
    fn prove(self, herder: &Worker) -> Result<(), ApiError> {
        herder.verify(&self.body, self.signature.as_ref())?;
        drop(self.place);
        Ok(())
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
    signed: Signed,
) -> Result<StatusCode, ApiError> {
    let tasks: Vec<Object> =
        serde_json::from_slice(&signed.body).map_err(|error| unreadable(&error.to_string()))?;
    let tasks = tasks.into_iter().map(flat_config).collect::<Result<Vec<_>, _>>()?;
    signed.prove(&herder)?;
    herder.put_task_configs(&name, tasks).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn fence(
    State(herder): State<Worker>,
    Path(name): Path<String>,
    signed: Signed,
) -> Result<StatusCode, ApiError> {
    signed.prove(&herder)?;
    herder.fence(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Body;
    use axum::response::IntoResponse as _;

    use super::*;

    const TIME: Duration = Duration::from_millis(300);

    /// A request with a signature, whose body begins and does not end, and which counts
    /// that somebody reads it.
    fn endless(unproven: &Unproven, reads: &Arc<AtomicUsize>) -> Request {
        let reads = reads.clone();
        let chunks = futures::stream::poll_fn(move |_| {
            reads.fetch_add(1, Ordering::SeqCst);
            std::task::Poll::<Option<Result<Bytes, Infallible>>>::Pending
        });
        let request = Request::builder().extension(unproven.clone());
        let request = request.header(SIGNATURE, "AAAA").header(ALGORITHM, "HmacSHA256");
        request.body(Body::from_stream(chunks)).unwrap()
    }

    #[tokio::test]
    async fn few_bodies_that_nobody_proved_are_read_at_once_and_none_for_long() {
        let (unproven, reads) = (Unproven::new(TIME), Arc::new(AtomicUsize::new(0)));
        let reading: Vec<_> = (0..2 * UNPROVEN_MAX)
            .map(|_| {
                let request = endless(&unproven, &reads);
                tokio::spawn(async move { Signed::from_request(request, &()).await.err() })
            })
            .collect();
        let read = || reads.load(Ordering::SeqCst);
        while read() < UNPROVEN_MAX {
            tokio::task::yield_now().await;
        }
        // Whoever is let in is in by now: all have had their turns.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(read(), UNPROVEN_MAX);
        for one in reading {
            let refused = one.await.unwrap().expect("it is refused");
            assert_eq!(refused.into_response().status(), StatusCode::REQUEST_TIMEOUT);
        }
        assert_eq!(unproven.places.available_permits(), UNPROVEN_MAX);
    }
}
