//! A server of Werkzeug's, which keeps what it took and fails as it is told.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::ports::free_address;
use crate::process::tied_command;
use crate::wait::until;
use crate::{Process, limits, paths, rest};

/// Whose requests the server takes, where it asks.
pub const CLIENT: &str = "longshore";
/// The client's secret, which is the user's password and the bearer's token too.
pub const SECRET: &str = "canary-secret-of-http";
/// What each token of the server's begins with.
pub const TOKEN: &str = "canary-token-of-http";

/// A running server. It is killed when dropped.
pub struct HttpServer {
    process: Process,
    address: SocketAddr,
    folder: TempDir,
}

/// A request that it took.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Taken {
    /// Its method.
    pub method: String,
    /// Its path below `/api/`, as it was sent.
    pub path: String,
    /// Its headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
    /// When, in seconds since the epoch.
    pub at: f64,
}

impl HttpServer {
    /// Starts one that takes everything.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let address = free_address();
        let folder = TempDir::with_prefix("longshore-http-").expect("a temporary folder");
        let process = spawn(address, journal(&folder));
        Self { process, address, folder }
    }

    /// Kills it and starts it again: it has what it took, and takes everything.
    pub fn kill_and_start_again(&mut self) {
        self.process.kill();
        self.process = spawn(self.address, journal(&self.folder));
    }

    /// What requests are beneath.
    pub fn url(&self) -> String {
        format!("http://{}/api/", self.address)
    }

    /// Where tokens are had.
    pub fn token_url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// Sets how it behaves from its next request on, which is number 1.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn set(&self, state: &Value) {
        let answer = rest::request(self.address, "PUT", "/control", Some(state));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// How often something happened: `requests`, `tokens`, `refused`.
    pub fn count(&self, what: &str) -> u64 {
        rest::get(self.address, "/control").body[what].as_u64().expect("it counts that")
    }

    /// All that it took so far, in order.
    pub fn taken(&self) -> Vec<Taken> {
        let text = std::fs::read_to_string(journal(&self.folder)).unwrap_or_default();
        // The last line may be written just now.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

fn journal(folder: &TempDir) -> PathBuf {
    folder.path().join("journal")
}

fn spawn(address: SocketAddr, journal: PathBuf) -> Process {
    // Werkzeug is among what moto is made of.
    let mut command = tied_command(&paths::installed("moto").join("bin/python"));
    command.arg(paths::repository().join("tests/e2e/http_server.py"));
    command.arg(address.port().to_string()).arg(journal);
    let mut process = Process::spawn("Werkzeug", &mut command);
    until("the server listens", limits::READY, || {
        assert_eq!(process.status(), None, "the server ended");
        TcpStream::connect(address).ok()
    });
    process
}
