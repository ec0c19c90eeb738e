//! A TLS listener: handshakes beside each other, so that a slow client holds up
//! nobody; certificates that change are loaded anew.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use longshore_broker::auth::TlsListener;
use longshore_broker::http::Places;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest time for a handshake.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Handshakes under way at once.
const HANDSHAKES_MAX: u32 = 256;
/// Those of one address.
const HANDSHAKES_OF_ONE_MAX: usize = 64;

type Accepted = (TlsStream<TcpStream>, SocketAddr);

/// Connections whose handshake is done.
pub(super) struct Handshakes {
    address: SocketAddr,
    done: mpsc::Receiver<Accepted>,
    accepting: JoinHandle<()>,
}

impl Drop for Handshakes {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Handshakes {
    pub(super) fn start(listener: TcpListener, tls: Arc<TlsListener>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, done) = mpsc::channel(HANDSHAKES_MAX as usize);
        let accepting = tokio::spawn(accept(listener, tls, sender));
        Ok(Self { address, done, accepting })
    }
}

async fn accept(mut listener: TcpListener, tls: Arc<TlsListener>, done: mpsc::Sender<Accepted>) {
    let places = Places::new(HANDSHAKES_MAX, HANDSHAKES_OF_ONE_MAX);
    loop {
        // Axum's own waits when the process is out of files.
        let (stream, peer) = axum::serve::Listener::accept(&mut listener).await;
        // Nobody waits for those who say nothing.
        let Some(place) = places.take(peer.ip()) else {
            tracing::debug!(%peer, "too many handshakes: closed");
            continue;
        };
        let (tls, done) = (tls.clone(), done.clone());
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(tls.current().await);
            let handshake = acceptor.accept(stream);
            let stream = match tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "no TLS handshake");
                    return;
                }
                Err(_) => {
                    tracing::debug!(%peer, "no TLS handshake within {HANDSHAKE_TIME_MAX:?}");
                    return;
                }
            };
            drop(place);
            // Nobody takes it once the server stops.
            let _ = done.send((stream, peer)).await;
        });
    }
}

impl axum::serve::Listener for Handshakes {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        match self.done.recv().await {
            Some(accepted) => accepted,
            // Accepting never ends by itself.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
