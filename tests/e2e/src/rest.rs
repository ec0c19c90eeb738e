//! Requests to a worker's REST listener, written to the socket by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::limits;
use crate::wait::until;

/// An answer: its status code, and its body as JSON (null for none).
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Such as 201.
    pub status: u16,
    /// What came.
    pub body: Value,
}

/// `GET path`.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, None)
}

/// Sends one request on a connection of its own.
///
/// # Panics
/// When no whole answer comes within [`limits::ANSWER`].
pub fn request(address: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Answer {
    request_with(address, method, path, &[], body)
}

/// The same, with more headers.
///
/// # Panics
/// When no whole answer comes within [`limits::ANSWER`].
pub fn request_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let more = format!("Content-Type: application/json\r\n{headers}");
    exchange(address, method, path, &more, body.as_bytes())
}

/// Posts a component.
///
/// # Panics
/// When no whole answer comes within [`limits::ANSWER`].
pub fn upload(address: SocketAddr, path: &str, component: &[u8]) -> Answer {
    exchange(address, "POST", path, "Content-Type: application/wasm\r\n", component)
}

fn exchange(address: SocketAddr, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("REST accepts connections");
    stream.set_read_timeout(Some(limits::ANSWER)).expect("a time-out can be set");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         {headers}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .and_then(|()| stream.write_all(body))
    .expect("REST reads requests");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a whole answer");
    let text = String::from_utf8(bytes).expect("answers are text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = match body {
        "" => Value::Null,
        body => serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)),
    };
    Answer { status: status.expect("a status code"), body }
}

/// Creates a connector of these flat options.
///
/// # Panics
/// When the worker refuses it.
pub fn create(address: SocketAddr, name: &str, config: &[(&str, &str)]) {
    let config: serde_json::Map<_, _> =
        config.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    let body = serde_json::json!({ "name": name, "config": config });
    let answer = request(address, "POST", "/connectors", Some(&body));
    assert_eq!(answer.status, 201, "creating {name}: {}", answer.body);
}

/// Waits until the connector and all of its tasks, at least one, are in `state`,
/// and gives the status.
pub fn wait_state(address: SocketAddr, name: &str, state: &str) -> Value {
    let path = format!("/connectors/{name}/status");
    let mut last = Value::Null;
    until(&format!("state {state} of {name}"), limits::RUN, || {
        let answer = get(address, &path);
        let tasks = answer.body["tasks"].as_array().cloned().unwrap_or_default();
        let all = !tasks.is_empty() && tasks.iter().all(|task| task["state"] == state);
        if answer.body != last {
            // Shown when the test fails: the way there is the best hint.
            println!("{name}: {}", answer.body);
            last = answer.body.clone();
        }
        all.then_some(answer.body)
    })
}
