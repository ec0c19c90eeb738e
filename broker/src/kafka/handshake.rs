//! A connection's TLS handshake, before its first request.

use std::{io, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    auth::{Principal, TlsListener},
    limits,
};

/// Why a connection had no handshake.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the client does not speak TLS: this listener does")]
    Plaintext,
    #[error("the TLS handshake failed: {0}")]
    Tls(rustls::Error),
    #[error("the TLS handshake was not over after {} ms", limit.as_millis())]
    Slow { limit: Duration },
    #[error("{0}")]
    Certificate(String),
    #[error("the connection ended in the TLS handshake: {0}")]
    Io(io::Error),
}

/// Does the handshake; answers with the stream and who the client is by its certificate.
///
/// A handshake is bounded as a whole, not between bytes: a client that sends
/// one byte at a time is as stalled as one that sends none.
pub(super) async fn accept(
    tls: &Arc<TlsListener>,
    stream: TcpStream,
    idle_max: Duration,
) -> Result<(TlsStream<TcpStream>, Principal), HandshakeError> {
    let acceptor = TlsAcceptor::from(tls.current().await);
    let limit = limits::HANDSHAKE_MAX.min(idle_max);
    let stream = match timeout(limit, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(failed(error)),
        Err(_) => return Err(HandshakeError::Slow { limit }),
    };
    let principal = tls
        .principal(stream.get_ref().1)
        .map_err(|error| HandshakeError::Certificate(error.to_string()))?;
    Ok((stream, principal))
}

fn failed(error: io::Error) -> HandshakeError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
            HandshakeError::Plaintext
        }
        Some(error) => HandshakeError::Tls(error.clone()),
        None => HandshakeError::Io(error),
    }
}
