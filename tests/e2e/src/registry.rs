//! A schema registry that others wrote, and Confluent's own client of such.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::ports::free_address;
use crate::process::{Stream, tied_command};
use crate::wait::until;
use crate::{Process, limits, paths};

/// Where Confluent's API is on the server.
pub const CONFLUENT_API: &str = "/apis/ccompat/v7";

/// Apicurio Registry, which keeps all in memory. It is killed when dropped.
pub struct SchemaRegistry {
    _process: Process,
    address: SocketAddr,
    url: String,
}

impl SchemaRegistry {
    /// Starts one, empty.
    ///
    /// # Panics
    /// When it cannot be installed, or does not start.
    pub fn start() -> Self {
        let folder = paths::install("registry");
        let jar = std::fs::read_dir(folder)
            .expect("the folder can be read")
            .map(|entry| entry.expect("the folder can be read").path())
            .find(|path| path.to_string_lossy().ends_with("-runner.jar"))
            .expect("the archive has a runner");
        let address = free_address();
        let mut command = tied_command(Path::new("java"));
        command.arg("-Xmx400m").arg(format!("-Dquarkus.http.port={}", address.port()));
        let mut process = Process::spawn("Apicurio Registry", command.arg("-jar").arg(jar));
        until("the registry listens", limits::RUN, || {
            assert_eq!(process.status(), None, "Apicurio Registry ended");
            TcpStream::connect(address).ok()
        });
        Self { _process: process, address, url: format!("http://{address}{CONFLUENT_API}") }
    }

    /// The server itself, `http://host:port`.
    pub fn server(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where its Confluent API is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The values of a topic, as Confluent's client reads them; decimals are strings.
    ///
    /// # Panics
    /// When it cannot read one.
    pub fn read(&self, format: &str, bootstrap: &str, topic: &str) -> Vec<Value> {
        let mut command = self.client(&["read", &self.url, format, bootstrap, topic]);
        Process::run("Confluent's client", &mut command)
            .iter()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    /// Has Confluent's client produce values with that schema, which it registers.
    ///
    /// # Panics
    /// When it cannot.
    pub fn write(&self, format: &str, bootstrap: &str, topic: &str, schema: &str, values: &[&str]) {
        let mut command = self.client(&["write", &self.url, format, bootstrap, topic, schema]);
        let mut client = Process::spawn("Confluent's client", command.stdin(Stdio::piped()));
        let mut input = client.stdin().expect("it is piped");
        for value in values {
            writeln!(input, "{value}").expect("it reads");
        }
        drop(input);
        let status = client.ended(limits::CLIENT);
        assert!(status.success(), "{status}: {}", client.lines(Stream::Err).join("\n"));
    }

    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = tied_command(&paths::installed("registry-client").join("bin/python"));
        command.arg(paths::repository().join("tests/e2e/registry.py")).args(arguments);
        command
    }
}
