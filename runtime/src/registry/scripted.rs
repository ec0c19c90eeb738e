//! A registry whose answers a test writes down: for those that no real one gives.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Answers each connection with the next of these, then with none; what was asked comes
/// out of the channel.
pub(crate) async fn answers(all: Vec<String>) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, asks) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in all {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
            // A request is short, and its end comes with its beginning or soon after.
            while let Ok(Ok(count @ 1..)) =
                tokio::time::timeout(Duration::from_millis(20), socket.read(&mut buffer)).await
            {
                request.extend_from_slice(&buffer[..count]);
            }
            let _ = asked.send(String::from_utf8(request).unwrap());
            let _ = socket.write_all(answer.as_bytes()).await;
        }
        // From here on connections are taken, and nobody answers.
        std::future::pending::<()>().await;
    });
    (url, asks)
}

/// An answer of that status.
pub(crate) fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// An address where nobody listens.
pub(crate) fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
