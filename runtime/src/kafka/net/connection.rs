//! One socket to one broker: frames, correlation ids, versions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::limits;
use super::secure::{self, Secured};
use crate::kafka::error::ClientError;

/// A connection, with the broker's versions known. Requests may overlap; a
/// request given up half-way harms no other, but one that is not answered in time
/// ends the connection.
pub(super) struct Connection {
    address: Arc<str>,
    client_id: StrBytes,
    requests: mpsc::Sender<Bytes>,
    waiting: Arc<Waiting>,
    next_id: AtomicI32,
    versions: HashMap<i16, VersionRange>,
    /// When another one must take its place: a session that ends is cut off.
    replace_at: Option<Instant>,
    tasks: [JoinHandle<()>; 2],
}

/// The answers that are waited for, by correlation id.
#[derive(Default)]
struct Waiting {
    answers: Mutex<HashMap<i32, oneshot::Sender<Bytes>>>,
    closed: AtomicBool,
    reason: Mutex<String>,
}

impl Waiting {
    fn close(&self, reason: &str) {
        let mut first = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.closed.swap(true, Ordering::AcqRel) {
            *first = reason.into();
        }
        drop(first);
        // Dropping the senders wakes all that wait.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn reason(&self) -> String {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Connection {
    /// Connects to `address`, with TLS where it is asked for, asks for its
    /// versions, and authenticates.
    pub(super) async fn open(
        address: &str,
        client_id: &str,
        secured: &Secured,
    ) -> Result<Self, ClientError> {
        let connect = async {
            let stream = TcpStream::connect(address).await.and_then(|stream| {
                stream.set_nodelay(true)?;
                Ok(stream)
            });
            let lost = |error: std::io::Error| ClientError::Disconnected {
                address: address.into(),
                reason: error.to_string(),
            };
            secured.halves(address, stream.map_err(lost)?).await
        };
        let (read, write) =
            tokio::time::timeout(limits::CONNECT_TIMEOUT, connect).await.map_err(|_| {
                ClientError::TimedOut {
                    what: format!("connecting to {address}"),
                    after: limits::CONNECT_TIMEOUT,
                }
            })??;
        let mut connection = Self::over(address, client_id, read, write).await?;
        if let Some(sasl) = &secured.sasl {
            let begun = Instant::now();
            let lifetime = secure::authenticate(&connection, sasl).await?;
            // Early enough that a request which is under way comes to its end.
            connection.replace_at = lifetime.map(|lifetime| begun + lifetime * 4 / 5);
        }
        Ok(connection)
    }

    /// `host:port` of the broker.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The connection over a byte stream that is ready: plain TCP, or
    /// whatever security put around it.
    async fn over(
        address: &str,
        client_id: &str,
        read: impl AsyncRead + Unpin + Send + 'static,
        write: impl AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, ClientError> {
        let (requests, queued) = mpsc::channel(limits::QUEUED_REQUESTS_MAX);
        let waiting = Arc::new(Waiting::default());
        let tasks = [
            tokio::spawn(write_requests(write, queued, waiting.clone())),
            tokio::spawn(read_answers(read, waiting.clone())),
        ];
        let mut connection = Self {
            address: address.into(),
            client_id: StrBytes::from_string(client_id.into()),
            requests,
            waiting,
            next_id: AtomicI32::new(0),
            versions: HashMap::new(),
            replace_at: None,
            tasks,
        };
        connection.versions = connection.negotiate().await?;
        Ok(connection)
    }

    /// False once the socket broke, or another connection should take over.
    pub(super) fn is_open(&self) -> bool {
        !self.is_broken() && self.replace_at.is_none_or(|at| Instant::now() < at)
    }

    /// Ends it for all its users, and closes its socket.
    fn give_up(&self, reason: &str) {
        self.waiting.close(reason);
        self.tasks.iter().for_each(JoinHandle::abort);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.waiting.closed.load(Ordering::Acquire)
    }

    /// Sends the request that `make` builds for the version agreed on, and
    /// waits for its answer.
    pub(super) async fn call<R: Request>(
        &self,
        make: impl FnOnce(i16) -> R,
        timeout: Duration,
    ) -> Result<R::Response, ClientError> {
        let version = self.version::<R>()?;
        let mut body = self.exchange(&make(version), version, timeout).await?;
        R::Response::decode(&mut body, version).map_err(|error| self.malformed::<R>(&error))
    }

    fn version<R: Request>(&self) -> Result<i16, ClientError> {
        let ours = R::VERSIONS.intersect(&<R::Response as Message>::VERSIONS);
        let theirs = self.versions.get(&R::KEY);
        let common = theirs.map(|theirs| theirs.intersect(&ours));
        match common {
            Some(common) if !common.is_empty() => Ok(common.max),
            _ => Err(ClientError::Unsupported {
                address: self.address.to_string(),
                api: name(R::KEY),
                broker: theirs.map_or("no version".into(), |range| {
                    format!("versions {} to {}", range.min, range.max)
                }),
                client: format!("versions {} to {}", ours.min, ours.max),
            }),
        }
    }

    async fn negotiate(&self) -> Result<HashMap<i16, VersionRange>, ClientError> {
        let mut version = ApiVersionsRequest::VERSIONS.max.min(3);
        let answer = loop {
            let mut request = ApiVersionsRequest::default();
            if version >= 3 {
                request = request
                    .with_client_software_name(StrBytes::from_static_str("longshore"))
                    .with_client_software_version(StrBytes::from_static_str(env!(
                        "CARGO_PKG_VERSION"
                    )));
            }
            let mut body = self.exchange(&request, version, limits::REQUEST_TIMEOUT).await?;
            // An old broker answers an unknown version with a body of version 0.
            let code = body.get(..2).map(|code| i16::from_be_bytes([code[0], code[1]]));
            if code == Some(ResponseError::UnsupportedVersion.code()) && version > 0 {
                version = 0;
                continue;
            }
            break ApiVersionsResponse::decode(&mut body, version)
                .map_err(|error| self.malformed::<ApiVersionsRequest>(&error))?;
        };
        if let Some(code) = ResponseError::try_from_code(answer.error_code) {
            return Err(super::refused("asking for its versions", code, None));
        }
        Ok(answer
            .api_keys
            .iter()
            .map(|api| (api.api_key, VersionRange { min: api.min_version, max: api.max_version }))
            .collect())
    }

    /// Sends one frame, and returns the body of its answer.
    async fn exchange<R: Request>(
        &self,
        request: &R,
        version: i16,
        timeout: Duration,
    ) -> Result<Bytes, ClientError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(id)
            .with_client_id(Some(self.client_id.clone()));
        let mut frame = BytesMut::zeroed(4);
        header
            .encode(&mut frame, R::header_version(version))
            .and_then(|()| request.encode(&mut frame, version))
            .map_err(|error| ClientError::Config {
                name: name(R::KEY),
                reason: format!("it cannot be written in version {version}: {error}"),
            })?;
        let size = i32::try_from(frame.len() - 4).map_err(|_| ClientError::Config {
            name: name(R::KEY),
            reason: "it has more than 2 GiB".into(),
        })?;
        frame[..4].copy_from_slice(&size.to_be_bytes());

        let (sender, answer) = oneshot::channel();
        self.waiting.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let _forget = Forget { waiting: &self.waiting, id };
        let wait = async {
            // Checked after the entry is made: closing clears what is entered before.
            if self.is_broken() || self.requests.send(frame.freeze()).await.is_err() {
                return None;
            }
            answer.await.ok()
        };
        let mut answer = match tokio::time::timeout(timeout, wait).await {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                return Err(ClientError::Disconnected {
                    address: self.address.to_string(),
                    reason: self.waiting.reason(),
                });
            }
            Err(_) => {
                // As Kafka's own clients do: of a broker that vanished without a word the
                // system would say so only after a quarter of an hour.
                self.give_up("it gave no answer in time");
                return Err(ClientError::TimedOut {
                    what: format!("{} to {}", name(R::KEY), self.address),
                    after: timeout,
                });
            }
        };
        ResponseHeader::decode(
            &mut answer,
            <R::Response as HeaderVersion>::header_version(version),
        )
        .map_err(|error| self.malformed::<R>(&error))?;
        Ok(answer)
    }

    fn malformed<R: Request>(&self, reason: &dyn std::fmt::Display) -> ClientError {
        ClientError::Malformed {
            address: self.address.to_string(),
            what: name(R::KEY),
            reason: reason.to_string(),
        }
    }
}

/// Forgets an answer that nobody waits for any more.
struct Forget<'a> {
    waiting: &'a Waiting,
    id: i32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.waiting.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

fn name(key: i16) -> String {
    ApiKey::try_from(key).map_or_else(|()| format!("request {key}"), |key| format!("{key:?}"))
}

async fn write_requests(
    mut socket: impl AsyncWrite + Unpin,
    mut queued: mpsc::Receiver<Bytes>,
    waiting: Arc<Waiting>,
) {
    while let Some(frame) = queued.recv().await {
        // TLS may keep what the socket had no room for until it is flushed.
        let written = async {
            socket.write_all(&frame).await?;
            socket.flush().await
        };
        if let Err(error) = written.await {
            waiting.close(&error.to_string());
            return;
        }
    }
}

async fn read_answers(mut socket: impl AsyncRead + Unpin, waiting: Arc<Waiting>) {
    let reason = loop {
        match read_frame(&mut socket).await {
            Ok(frame) => {
                let id = i32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]);
                let waits =
                    waiting.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                // An answer that came too late is dropped.
                if let Some(waits) = waits {
                    let _ = waits.send(frame);
                }
            }
            Err(error) => break error.to_string(),
        }
    };
    waiting.close(&reason);
}

/// Reads one answer, correlation id first.
async fn read_frame(socket: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Bytes> {
    let size = socket.read_i32().await?;
    let size = usize::try_from(size)
        .ok()
        .filter(|size| (4..=limits::RESPONSE_BYTES_MAX).contains(size))
        .ok_or_else(|| {
            // The head of a TLS alert: 21, 3, 3, 0.
            if size >> 16 == 0x1503 {
                return std::io::Error::other(
                    "it answers in TLS: set `security.protocol` to SSL or SASL_SSL",
                );
            }
            std::io::Error::other(format!(
                "an answer of {size} bytes, but 4 to {} are allowed",
                limits::RESPONSE_BYTES_MAX
            ))
        })?;
    // Grown as bytes arrive: a size alone costs no memory.
    let mut frame = Vec::new();
    let read = socket.take(size as u64).read_to_end(&mut frame).await?;
    if read < size {
        return Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            format!("the connection ended {read} bytes into an answer of {size}"),
        ));
    }
    Ok(frame.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn against(answer: &'static [u8]) -> Result<Connection, ClientError> {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let (read, write) = tokio::io::split(ours);
        let broker = tokio::spawn(async move {
            let size = theirs.read_i32().await.unwrap() as usize;
            let mut request = vec![0; size];
            theirs.read_exact(&mut request).await.unwrap();
            theirs.write_all(answer).await.unwrap();
            request
        });
        let connection = Connection::over("broker:1", "test", read, write).await;
        broker.await.unwrap();
        connection
    }

    #[tokio::test]
    async fn a_negative_size_ends_the_connection() {
        let error = against(&[0xff; 8]).await.err().unwrap();
        assert!(matches!(error, ClientError::Disconnected { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_size_of_two_gigabytes_ends_the_connection() {
        let error = against(&[0x7f, 0xff, 0xff, 0xff, 0, 0]).await.err().unwrap();
        assert!(error.to_string().contains("2147483647 bytes"), "{error}");
    }

    #[tokio::test]
    async fn a_torn_answer_ends_the_connection() {
        let error = against(&[0, 0, 0, 20, 0, 0, 0, 0, 0]).await.err().unwrap();
        assert!(error.to_string().contains("5 bytes into an answer of 20"), "{error}");
    }

    #[tokio::test]
    async fn an_answer_that_is_too_short_is_malformed() {
        let error = against(&[0, 0, 0, 5, 0, 0, 0, 0, 0]).await.err().unwrap();
        assert!(matches!(error, ClientError::Malformed { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_connection_that_left_a_request_unanswered_is_given_up() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let (read, write) = tokio::io::split(ours);
        let broker = tokio::spawn(async move {
            let size = theirs.read_i32().await.unwrap() as usize;
            theirs.read_exact(&mut vec![0; size]).await.unwrap();
            // Heartbeats in versions 0 to 4, and then nothing more.
            let versions = [0, 0, 0, 19, 0, 0, 0, 0, 0, 0, 2, 0, 12, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0];
            theirs.write_all(&versions).await.unwrap();
            theirs
        });
        let connection = Connection::over("broker:1", "test", read, write).await.unwrap();
        let _theirs = broker.await.unwrap();
        let heartbeat = |_| kafka_protocol::messages::HeartbeatRequest::default();
        let error = connection.call(heartbeat, Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
        assert!(!connection.is_open());
    }

    #[tokio::test]
    async fn a_request_that_the_broker_does_not_know_names_both_sides() {
        // Correlation id 0, no error, an empty list of versions, throttle time, tags.
        let connection = against(&[0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]).await.unwrap();
        let error = connection
            .call(|_| kafka_protocol::messages::HeartbeatRequest::default(), Duration::from_secs(1))
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains("broker:1 serves Heartbeat in no version"), "{error}");
    }
}
