//! What the fuzz targets drive: a request's decoders, and a connection without
//! its socket.

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use kafka_protocol::messages::{ApiKey, RequestKind};
use tokio::{
    io::{AsyncRead, ReadBuf, sink},
    time::Sleep,
};

use super::{
    connection::{self, Peer},
    frame::FrameReader,
    produce_request,
    request_memory::RequestMemory,
    versions,
};
use crate::{auth::Principal, node::Node};

/// Memory for frames, as small as an input is large.
const FRAME_BYTES_MAX: usize = 1 << 20;
const MINUTE: Duration = Duration::from_secs(60);
/// How long a client that has said all waits for its answers.
const WAIT_FOR_ANSWERS: Duration = Duration::from_millis(2);

/// Reads bytes as one request of whatever key and version they claim.
pub(crate) fn read_request(bytes: &[u8]) {
    let Some(head) = bytes.get(..8) else { return };
    let Ok(key) = ApiKey::try_from(i16::from_be_bytes([head[0], head[1]])) else { return };
    let version = i16::from_be_bytes([head[2], head[3]]);
    if !versions::is_served(key, version) {
        return;
    }
    let Ok((_, body)) = connection::split(BytesMut::from(bytes), key, version) else { return };
    match key {
        ApiKey::Produce => check_produce(body, version),
        _ => drop(RequestKind::decode(key, &mut body.freeze(), version)),
    }
}

/// Our own reader of Produce takes what the library's takes, and finds the same.
fn check_produce(body: BytesMut, version: i16) {
    let ours = produce_request::decode(body.clone(), version);
    let theirs = RequestKind::decode(ApiKey::Produce, &mut body.freeze(), version);
    let Ok(RequestKind::Produce(theirs)) = theirs else { return };
    let ours = ours.expect("the library takes it");
    assert_eq!((ours.acks, ours.timeout_ms), (theirs.acks, theirs.timeout_ms));
    assert_eq!(ours.transactional_id.as_deref(), theirs.transactional_id.as_ref().map(|id| &***id));
    assert_eq!(ours.topics.len(), theirs.topic_data.len());
    for ((name, partitions), data) in ours.topics.iter().zip(theirs.topic_data) {
        assert_eq!(*name, data.name);
        assert_eq!(partitions.len(), data.partition_data.len());
        for ((index, records), data) in partitions.iter().zip(data.partition_data) {
            assert_eq!((*index, records.as_deref()), (data.index, data.records.as_deref()));
        }
    }
}

/// Reads bytes as a connection's: frame after frame until one is bad.
pub(crate) async fn read_frames(bytes: &[u8]) {
    let memory = Arc::new(RequestMemory::new(FRAME_BYTES_MAX));
    let mut frames = FrameReader::new(bytes, FRAME_BYTES_MAX, MINUTE, memory);
    while let Ok(Some(frame)) = frames.next().await {
        read_request(&frame.bytes);
    }
}

/// Serves a client that sends these bytes, waits a moment and goes.
pub(crate) async fn serve(node: &Arc<Node>, bytes: &[u8]) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let peer = Peer { address, listener: 0, principal: Principal::anonymous() };
    let read = Sender { bytes, leaves: None };
    // However it ends: the client may have sent anything.
    let _ = connection::exchange(node, read, sink(), peer).await;
}

/// A client's half of a connection.
struct Sender<'a> {
    bytes: &'a [u8],
    leaves: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Sender<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.bytes.is_empty() {
            let leave = || Box::pin(tokio::time::sleep(WAIT_FOR_ANSWERS));
            return self.leaves.get_or_insert_with(leave).as_mut().poll(context).map(Ok);
        }
        let (now, later) = self.bytes.split_at(self.bytes.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}
