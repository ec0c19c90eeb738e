//! Connections served, within bounds that hold before anybody has proved who he is.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::places::{Place, Places};

/// The most that is read ahead of a connection, in bytes: a request's head is no longer.
const READ_AHEAD_MAX: usize = 64 << 10;

/// What the connections of one listener may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at once.
    pub connections_max: u32,
    /// Those of one address, which may be a proxy's.
    pub of_one_address_max: usize,
    /// The longest time for a request's head, and between two requests.
    pub head_time_max: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            of_one_address_max: 512,
            head_time_max: Duration::from_secs(30),
        }
    }
}

/// Serves until it is stopped, and what had begun by then is answered.
pub async fn serve<L>(mut listener: L, app: Router, stopped: CancellationToken, bounds: Bounds)
where
    L: Listener<Addr = SocketAddr>,
{
    let places = Places::new(bounds.connections_max, bounds.of_one_address_max);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped.cancelled() => break,
        };
        match places.take(peer.ip()) {
            Some(place) => {
                let (app, stopped) = (app.clone(), stopped.clone());
                let head_time_max = bounds.head_time_max;
                tokio::spawn(connection(stream, peer, app, stopped, head_time_max, place));
            }
            None => debug!(%peer, "too many connections: closed"),
        }
    }
    drop(listener);
    places.all_left().await;
}

async fn connection<S>(
    stream: S,
    peer: SocketAddr,
    app: Router,
    stopped: CancellationToken,
    head_time_max: Duration,
    _place: Place,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_time_max);
    builder.max_buf_size(READ_AHEAD_MAX);
    let service = TowerToHyperService::new(app);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = serving.as_mut() => outcome,
        () = stopped.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = outcome {
        debug!(%peer, %error, "a connection ended");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn start(bounds: Bounds) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stopped) = (listener.local_addr().unwrap(), CancellationToken::new());
        let app = Router::new().route("/", get(async || "here"));
        let serving = tokio::spawn(serve(listener, app, stopped.clone(), bounds));
        (address, stopped, serving)
    }

    /// What comes until the other side closes.
    async fn rest_of(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        let reading = stream.read_to_end(&mut text);
        // A reset is an end too.
        let _ = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it closes");
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn who_does_not_finish_a_requests_head_is_let_go() {
        let head_time_max = Duration::from_millis(100);
        let (address, ..) = start(Bounds { head_time_max, ..Bounds::default() }).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-").await.unwrap();
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(!rest_of(&mut silent).await.contains("200 OK"));
        assert!(!rest_of(&mut slow).await.contains("200 OK"));
        assert!(rest_of(&mut idle).await.contains("here"));
    }

    #[tokio::test]
    async fn a_requests_head_is_as_long_as_heads_are_and_no_longer() {
        let (address, ..) = start(Bounds::default()).await;
        let answer = async |bytes: usize| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let long = "x".repeat(bytes);
            let request = format!("GET / HTTP/1.0\r\nAuthorization: {long}\r\n\r\n");
            // It is answered before all of it is read.
            let _ = stream.write_all(request.as_bytes()).await;
            rest_of(&mut stream).await
        };
        assert!(answer(READ_AHEAD_MAX / 2).await.contains("200 OK"));
        assert!(!answer(READ_AHEAD_MAX * 2).await.contains("200 OK"));
    }

    #[tokio::test]
    async fn one_address_leaves_places_to_others_and_a_stop_waits_for_nobody_idle() {
        let bounds = Bounds { of_one_address_max: 2, ..Bounds::default() };
        let (address, stopped, serving) = start(bounds).await;
        let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut kept = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request).await.unwrap();
            let mut start = [0; 12];
            stream.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"HTTP/1.1 200");
            kept.push(stream);
        }
        let mut third = TcpStream::connect(address).await.unwrap();
        assert_eq!(rest_of(&mut third).await, "");
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut other = socket.connect(address).await.unwrap();
        other.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        assert!(rest_of(&mut other).await.contains("here"));
        stopped.cancel();
        tokio::time::timeout(Duration::from_secs(20), serving).await.expect("it ends").unwrap();
    }
}
