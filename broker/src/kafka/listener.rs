//! Accepts connections.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::connection;
use crate::{
    auth::{SaslSettings, TlsListener},
    clock,
    node::Node,
};

/// The pause after a failed accept, which is mostly a lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a listener asks of its clients.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Where its bytes are encrypted.
    pub(crate) tls: Option<Arc<TlsListener>>,
    /// Where clients prove who they are by SASL.
    pub(crate) sasl: Option<Arc<SaslSettings>>,
}

impl Listener {
    /// The largest frame before the client has authenticated, in bytes.
    pub(super) fn frame_bytes_max_before_authentication(&self) -> usize {
        self.sasl.as_ref().map_or(usize::MAX, |sasl| sasl.frame_bytes_max)
    }

    /// How long the answer to a failed authentication is held back.
    pub(super) fn failure_delay(&self) -> Duration {
        self.sasl.as_ref().map_or(Duration::ZERO, |sasl| sasl.failure_delay)
    }
}

/// Accepts until the node stops. `index` is the listener's place in the configuration.
pub(crate) async fn accept(node: Arc<Node>, socket: TcpListener, index: usize, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = node.stopping.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let bounds = node.admission.bounds(&node.config, node.image());
        let place = match node.admission.place(index, peer.ip(), &bounds) {
            Ok(place) => place,
            Err(refusal) => {
                node.bad_connections.line(|left_out| {
                    tracing::warn!(%peer, left_out, "connection refused: {refusal}");
                });
                continue;
            }
        };
        // Before what all addresses have in common is counted: who is refused for its
        // own rate costs the others none of theirs.
        if let Some(after) = node.quotas.connected(peer.ip(), clock::monotonic_ms()) {
            tracing::debug!(%peer, "connection refused: its address connects too often");
            hold(&node, stream, after, &tasks);
            continue;
        }
        prepare(&stream, peer);
        let pause = node.admission.pause(index, &bounds, clock::monotonic_ms());
        if !pause.is_zero() {
            // The system's queue holds the next ones back (KIP-612).
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = node.stopping.cancelled() => return,
            }
        }
        let node = Arc::clone(&node);
        tasks.spawn(async move {
            let open = node.metrics.connections.opened(index);
            connection::serve(node, stream, peer, index).await;
            drop((open, place));
        });
    }
}

/// Closes a connection after a while, if there is room for it until then.
fn hold(node: &Arc<Node>, stream: TcpStream, after: Duration, tasks: &TaskTracker) {
    let Some(held) = node.admission.hold() else { return };
    let node = Arc::clone(node);
    tasks.spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(after) => {}
            () = node.stopping.cancelled() => {}
        }
        drop((stream, held));
    });
}

fn prepare(stream: &TcpStream, peer: SocketAddr) {
    // Responses are written whole, so there is nothing for Nagle to gather;
    // keep-alive ends the connections of machines that vanished.
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60));
    let prepared = stream
        .set_nodelay(true)
        .and_then(|()| socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = prepared {
        tracing::debug!(%peer, %error, "socket options were not set");
    }
}
