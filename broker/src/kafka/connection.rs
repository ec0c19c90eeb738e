//! One client's connection: requests in, answers out in the same order.
//!
//! Requests are begun one after another, since appends must keep their order;
//! what an answer still waits for (a flush, new records, a rebalance) is
//! awaited by the writing half, so that a waiting answer does not keep the
//! next request from being begun. It does where that would keep much memory until
//! its turn: a large request that is no Produce is read when it is the first.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use kafka_protocol::{
    error::ResponseError,
    messages::{ApiKey, RequestHeader},
    protocol::Decodable,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    Client, Reply, api_versions,
    authentication::Authentication,
    dispatch,
    frame::{Frame, FrameError, FrameReader},
    handshake::{self, HandshakeError},
    pace::Pace,
    pipeline::Pipeline,
    request_memory::RequestGrant,
    response::{EncodeError, RequestId, Response},
    shape::{self, ShapeError},
    throttle::{Mute, Toll, Tolls},
    versions,
};
use crate::{
    auth::{AuthenticationError, Principal},
    limits,
    metrics::RequestTimer,
    node::Node,
};

/// Why a connection was closed by the broker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    #[error("the client had not authenticated after {} ms", limit.as_millis())]
    SlowAuthentication { limit: Duration },
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a request header cannot be read: {reason}")]
    Header { reason: String },
    #[error("API key {key} is not served")]
    UnknownKey { key: i16 },
    #[error("version {version} of {key:?} is not served")]
    UnknownVersion { key: ApiKey, version: i16 },
    #[error("a {key:?} v{version} request cannot be read: {source}")]
    Shape { key: ApiKey, version: i16, source: ShapeError },
    #[error("a {key:?} v{version} request cannot be read: {reason}")]
    Request { key: ApiKey, version: i16, reason: String },
    #[error("a produce without acks failed ({code}): {reason}")]
    UnackedProduce { code: ResponseError, reason: String },
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("the client took {bytes} bytes of its response in {} s, and none for the last {} s", after.as_secs(), stalled.as_secs())]
    SlowReader { bytes: usize, after: Duration, stalled: Duration },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// An answer in its turn; the cost and time of its request.
type Pending<'a> = (Reply, Option<Toll>, RequestTimer<'a>);

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) listener: usize,
    /// By its certificate, or anonymous.
    pub(super) principal: Principal,
}

/// Serves a connection until either side ends it.
pub(crate) async fn serve(node: Arc<Node>, stream: TcpStream, peer: SocketAddr, listener: usize) {
    let result = tokio::select! {
        result = secure(&node, stream, peer, listener) => result,
        () = node.stopping.cancelled() => Ok(()),
    };
    match result {
        Ok(()) => tracing::debug!(%peer, "connection closed"),
        Err(error @ (ConnectionError::Io(_) | ConnectionError::Frame(FrameError::Idle { .. }))) => {
            tracing::debug!(%peer, %error, "connection closed");
        }
        Err(ConnectionError::Authentication(error)) => node.bad_connections.line(|left_out| {
            let user = error.user();
            tracing::info!(
                target: "longshore::audit", %peer, user, %error, left_out, "authentication failed"
            );
        }),
        Err(error) => node.bad_connections.line(|left_out| {
            tracing::warn!(%peer, %error, left_out, "connection closed");
        }),
    }
}

/// Does the handshake that the listener asks for, then serves requests.
async fn secure(
    node: &Arc<Node>,
    stream: TcpStream,
    address: SocketAddr,
    listener: usize,
) -> Result<(), ConnectionError> {
    match &node.listeners[listener].tls {
        None => {
            let principal = Principal::anonymous();
            let (read, write) = stream.into_split();
            exchange(node, read, write, Peer { address, listener, principal }).await
        }
        Some(tls) => {
            let idle_max = node.config.connection_idle_max;
            let (stream, principal) = handshake::accept(tls, stream, idle_max).await?;
            tracing::debug!(peer = %address, %principal, "TLS handshake done");
            let (read, write) = tokio::io::split(stream);
            exchange(node, read, write, Peer { address, listener, principal }).await
        }
    }
}

/// Reads requests and writes answers until either side ends it.
pub(super) async fn exchange(
    node: &Arc<Node>,
    read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Unpin,
    peer: Peer,
) -> Result<(), ConnectionError> {
    let pipeline = Pipeline::new(limits::PIPELINE_DEPTH_MAX);
    let mute = Mute::default();
    let reader = read_requests(node, read, peer, &pipeline, &mute);
    let writer = write_replies(node, write, &pipeline, &mute);
    pipeline.drive(reader, writer).await
}

async fn read_requests<'a>(
    node: &'a Arc<Node>,
    socket: impl AsyncRead + Unpin,
    peer: Peer,
    replies: &Pipeline<Pending<'a>>,
    mute: &Mute,
) -> Result<(), ConnectionError> {
    let config = &node.config;
    let mut frames = FrameReader::new(
        socket,
        config.request_bytes_max,
        config.connection_idle_max,
        Arc::clone(&node.request_memory),
    );
    let listener = &node.listeners[peer.listener];
    let mut authentication = Authentication::new(node, listener, peer.principal.clone());
    let mut tolls = Tolls::new(mute);
    let limit = limits::AUTHENTICATION_MAX.min(config.connection_idle_max);
    let mut deadline = Instant::now() + limit;
    loop {
        // While a client is throttled no memory is held for its next request.
        mute.over().await;
        let next = if authentication.is_done() {
            frames.expect(config.request_bytes_max, false);
            let next = frames.next_after(replies.idle()).await?;
            // For the session's renewal, should it begin with this request.
            deadline = Instant::now() + limit;
            next
        } else {
            let bytes_max = listener.frame_bytes_max_before_authentication();
            let bytes_max = bytes_max.min(config.request_bytes_max);
            frames.expect(bytes_max, authentication.expects_raw_token());
            let next = timeout_at(deadline, frames.next()).await;
            next.map_err(|_| ConnectionError::SlowAuthentication { limit })??
        };
        let Some(Frame { bytes, memory }) = next else { return Ok(()) };
        // An answer since may have throttled the client; it holds memory by now.
        tokio::select! {
            () = mute.over() => {}
            () = node.request_memory.wanted(&memory) => {}
        }
        let head = if authentication.expects_raw_token() { &[] } else { &bytes[..] };
        let timer = node.metrics.requests.arrived(head);
        let reply = begin(node, bytes, memory, &peer, &mut authentication, &mut tolls).await?;
        let is_last = matches!(reply, Reply::Last(_));
        if is_last {
            // Whoever tries passwords waits for each; nothing more is read.
            sleep(listener.failure_delay()).await;
        }
        let bytes = reply.bytes();
        replies.push((reply, tolls.take(), timer), bytes).await;
        if is_last {
            // The writing half ends the connection, once the answer is out.
            std::future::pending::<()>().await;
        }
    }
}

async fn write_replies(
    node: &Node,
    mut socket: impl AsyncWrite + Unpin,
    replies: &Pipeline<Pending<'_>>,
    mute: &Mute,
) -> Result<(), ConnectionError> {
    loop {
        let (reply, toll, timer) = replies.pop().await;
        let mut response = match reply {
            Reply::Now(response) => response,
            Reply::Later(later) => later.answer.await?,
            Reply::Never => continue,
            Reply::Last(last) => {
                let (response, error) = *last;
                if let Some(mut response) = response {
                    write_response(&mut socket, &mut response, || false).await?;
                }
                return Err(error);
            }
        };
        if let Some(toll) = toll {
            response = toll.answer(response, mute);
        }
        let holds_memory = response.holds_memory();
        let is_wanted = || {
            // A request behind this answer has a claim at most, and keeps it until its turn.
            holds_memory && node.fetch_memory.is_scarce()
                || node.request_memory.are_claims_wanted()
                    && replies.any(|(reply, ..)| reply.holds_memory())
        };
        write_response(&mut socket, &mut response, is_wanted).await?;
        timer.answered();
    }
}

/// Writes a response out. One that hardly anybody takes may hold memory while nobody
/// else needs it, not longer; one that nobody takes at all ends in any case.
async fn write_response(
    socket: &mut (impl AsyncWrite + Unpin),
    response: &mut Response,
    is_wanted: impl Fn() -> bool,
) -> Result<(), ConnectionError> {
    let mut pace = Pace::begin(limits::WRITE_STALL);
    loop {
        // TLS holds what it has encrypted until it is flushed.
        let written = !response.has_remaining();
        let step = async {
            match written {
                true => socket.flush().await.map(|()| 0),
                false => socket.write_buf(response).await,
            }
        };
        let step = timeout(limits::PACE_CHECK, step).await;
        let now = Instant::now();
        match step {
            Ok(Ok(_)) if written => return Ok(()),
            Ok(Ok(0)) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            Ok(Ok(bytes)) => pace.came(bytes, now),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {}
        }
        let (bytes, after, stalled) = pace.so_far(now);
        let is_slow = |pace| pace < limits::FRAME_BYTES_PER_SECOND_MIN;
        let is_slow = pace.bytes_per_second(now).is_some_and(is_slow);
        if stalled >= limits::WRITE_STALL || is_slow && is_wanted() {
            return Err(ConnectionError::SlowReader { bytes, after, stalled });
        }
    }
}

/// Reads a request's header and begins to answer it.
async fn begin(
    node: &Arc<Node>,
    bytes: BytesMut,
    memory: RequestGrant,
    peer: &Peer,
    authentication: &mut Authentication,
    tolls: &mut Tolls<'_>,
) -> Result<Reply, ConnectionError> {
    if authentication.expects_raw_token() {
        return authentication.raw_token(node, peer.address, &bytes);
    }
    let number = i16::from_be_bytes([bytes[0], bytes[1]]);
    let version = i16::from_be_bytes([bytes[2], bytes[3]]);
    let key = ApiKey::try_from(number).map_err(|()| ConnectionError::UnknownKey { key: number })?;
    if key as i16 == ApiKey::ApiVersions as i16 && !versions::is_served(key, version) {
        // Any later version's header begins as all do, so that much is read.
        let correlation_id = i32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        return Ok(api_versions::refuse_version(correlation_id)?);
    }
    if !versions::is_served(key, version) {
        return Err(if versions::SERVED.iter().any(|served| served.key as i16 == number) {
            ConnectionError::UnknownVersion { key, version }
        } else {
            ConnectionError::UnknownKey { key: number }
        });
    }
    let principal = authentication.admit(key)?;
    let request_bytes = bytes.len();
    let (header, bytes) = split(bytes, key, version)?;
    let id = RequestId { api_version: version, correlation_id: header.correlation_id };
    let shares = tolls.shares(&node.quotas, &principal, header.client_id.as_ref());
    let begun = Instant::now();
    let client = Client {
        id: header.client_id,
        peer: peer.address,
        listener: peer.listener,
        principal,
        shares: shares.clone(),
    };
    tracing::trace!(peer = %peer.address, principal = %client.principal, ?key, version, correlation_id = id.correlation_id, "request");
    let reply = match key {
        ApiKey::SaslHandshake => authentication.handshake(id, bytes),
        ApiKey::SaslAuthenticate => authentication.authenticate(node, client.peer, id, bytes),
        _ => dispatch(node, key, id, client, bytes, memory).await,
    }?;
    if let Some(shares) = shares {
        tolls.charge(shares, key, id, request_bytes, begun.elapsed());
    }
    Ok(reply)
}

/// Splits a request into its header and its body, whose shape is checked.
pub(super) fn split(
    mut bytes: BytesMut,
    key: ApiKey,
    version: i16,
) -> Result<(RequestHeader, BytesMut), ConnectionError> {
    // Of a BytesMut, the decoder's slices are cut off the front and what is
    // left stays this request's own.
    let header = RequestHeader::decode(&mut bytes, key.request_header_version(version))
        .map_err(|error| ConnectionError::Header { reason: error.to_string() })?;
    shape::check(key, version, &bytes).map_err(|source| ConnectionError::Shape {
        key,
        version,
        source,
    })?;
    Ok((header, bytes))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::{kafka::request_memory::tests::whole, temporary::TemporaryBroker};

    /// Whether a client that reads nothing is cut off early, with this behind its answer.
    async fn is_cut_off(node: &Node, behind: Reply) -> bool {
        let (pipeline, mute) = (Pipeline::new(2), Mute::default());
        let (client, broker) = tokio::io::duplex(16);
        let reader = async {
            for reply in [Reply::Now(Response::raw(&[0; 1000])), behind] {
                pipeline.push((reply, None, node.metrics.requests.arrived(&[])), 0).await;
            }
            sleep(2 * limits::PACE_WINDOW).await;
            Ok(())
        };
        let ended = pipeline.drive(reader, write_replies(node, broker, &pipeline, &mute)).await;
        drop(client);
        matches!(ended, Err(ConnectionError::SlowReader { .. }))
    }

    #[tokio::test]
    async fn who_takes_a_byte_now_and_then_gives_way_to_those_who_wait_for_memory() {
        let take = async |is_wanted: bool| {
            let (mut client, mut broker) = tokio::io::duplex(1);
            let mut response = Response::raw(&[0; 20]);
            let drip = async {
                while client.read_u8().await.is_ok() {
                    sleep(limits::PACE_WINDOW / 10).await;
                }
            };
            tokio::select! {
                written = write_response(&mut broker, &mut response, || is_wanted) => written,
                () = drip => unreachable!("the broker's end is open"),
            }
        };
        let (wanted, not_wanted) = tokio::join!(take(true), take(false));
        assert!(matches!(wanted, Err(ConnectionError::SlowReader { bytes: 2.., .. })));
        assert!(not_wanted.is_ok());
    }

    #[tokio::test]
    async fn a_slow_reader_is_cut_off_early_only_for_what_is_held_behind_its_answer() {
        const ALL: usize = 16 << 20;
        let broker = TemporaryBroker::start(&[("queued.max.request.bytes", "16777216")]).await;
        let node = broker.node();
        let memory = &node.request_memory;
        let holds = || Reply::holding(std::future::pending());
        let holds_nothing = || Reply::Now(Response::raw(&[]));

        // One takes all of the memory, one goes beyond, one waits.
        let _held = (whole(memory, ALL / 2).await, whole(memory, ALL).await);
        let large = Arc::clone(memory);
        let large = tokio::spawn(async move { drop(whole(&large, ALL).await) });
        while !memory.is_wanted() {
            tokio::task::yield_now().await;
        }
        let cut_off = tokio::join!(is_cut_off(node, holds()), is_cut_off(node, holds_nothing()));
        assert_eq!(cut_off, (false, false), "what is wanted is not what is held");

        let mut claims = Vec::new();
        while !memory.are_claims_wanted() {
            let memory = Arc::clone(memory);
            claims.push(tokio::spawn(async move {
                let _claim = memory.claim(limits::FRAME_CLAIM_BYTES_MAX).await;
                std::future::pending::<()>().await;
            }));
            tokio::task::yield_now().await;
        }
        let cut_off = tokio::join!(is_cut_off(node, holds()), is_cut_off(node, holds_nothing()));
        assert_eq!(cut_off, (true, false));
        large.abort();
        claims.iter().for_each(|claim| claim.abort());
    }
}
