//! A node of OpenSearch, and what is in its indices.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ports::free_address;
use crate::process::tied_command;
use crate::rest::Answer;
use crate::wait::until;
use crate::{Process, limits, paths, rest};

/// The longest request that it takes, in bytes.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A running node. It is killed when dropped.
pub struct OpenSearch {
    process: Process,
    address: SocketAddr,
    folder: TempDir,
}

impl OpenSearch {
    /// Starts one without indices.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let address = free_address();
        let folder = TempDir::with_prefix("longshore-opensearch-").expect("a temporary folder");
        let process = spawn(address, folder.path());
        Self { process, address, folder }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, with what it acknowledged.
    pub fn start_again(&mut self) {
        self.process = spawn(self.address, self.folder.path());
    }

    /// Where it is, `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it answers.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        rest::request(self.address, method, path, body)
    }

    /// Has it do what must be done.
    ///
    /// # Panics
    /// When it refuses.
    pub fn put(&self, path: &str, body: &Value) {
        let answer = self.request("PUT", path, Some(body));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }

    /// The documents of an index, 10,000 at the most, by their ids, with their versions.
    ///
    /// # Panics
    /// When there are more, or no such index.
    pub fn documents(&self, index: &str) -> BTreeMap<String, (i64, Value)> {
        let refreshed = self.request("POST", &format!("/{index}/_refresh"), None);
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
        let query = json!({ "size": 10_000, "version": true, "track_total_hits": true });
        let found = self.request("POST", &format!("/{index}/_search"), Some(&query)).body;
        let hits = found["hits"]["hits"].as_array().expect("hits");
        assert_eq!(found["hits"]["total"]["value"], hits.len(), "there are more");
        let document = |hit: &Value| {
            let id = hit["_id"].as_str().expect("an id").to_owned();
            (id, (hit["_version"].as_i64().expect("a version"), hit["_source"].clone()))
        };
        hits.iter().map(document).collect()
    }
}

fn spawn(address: SocketAddr, folder: &Path) -> Process {
    let library = paths::installed("opensearch").join("lib");
    let mut command = tied_command(Path::new("java"));
    // It lives for seconds: what it saves by compiling more it never gets back.
    command.args(["-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
    command.arg(format!("{0}:{0}/*", library.display())).arg("OpenSearchNode").arg(folder);
    command.arg(format!("http.port={}", address.port()));
    command.arg(format!("http.max_content_length={REQUEST_BYTES_MAX}b"));
    let mut process = Process::spawn("OpenSearch", &mut command);
    until("OpenSearch is ready", limits::READY, || {
        assert_eq!(process.status(), None, "OpenSearch ended");
        std::net::TcpStream::connect(address).ok()?;
        let health = rest::get(address, "/_cluster/health");
        (health.status == 200 && health.body["status"] != "red").then_some(())
    });
    process
}
