//! A `longshore server` process with folders of its own.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use serde_json::json;
use tempfile::TempDir;

use crate::process::{Process, Stream, tied_command};
use crate::{limits, paths};

/// What a node prints, once, when it serves: `longshore ready kafka=… rest=…`.
const READY_PREFIX: &str = "longshore ready ";

/// A broker and controller in one `longshore server` process. Its data folder
/// lives as long as this value; the process may die and come back in between,
/// on the same port.
#[derive(Debug)]
pub struct Node {
    settings: Settings,
    folder: TempDir,
    process: Option<Process>,
    kafka: SocketAddr,
    rest: Option<SocketAddr>,
}

/// What a node is started with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    program: Option<PathBuf>,
    roles: Option<String>,
    properties: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

impl Settings {
    /// Another program in the place of the binary under test.
    pub fn program(mut self, program: PathBuf) -> Self {
        self.program = Some(program);
        self
    }

    /// `process.roles`; `broker,controller` unless set.
    pub fn roles(mut self, roles: &str) -> Self {
        self.roles = Some(roles.to_owned());
        self
    }

    /// All roles, with connectors that read and write files below `folder`.
    pub fn files(self, folder: &Path) -> Self {
        let allow = json!({ "connectors": ["*"], "verbs": ["read", "write"] });
        let files = json!({ "driver": "objects", "kind": "local", "root": folder, "allow": allow });
        self.roles("broker,controller,worker")
            .property("rest.listeners", "http://127.0.0.1:0")
            .property("plugin.path", json!([paths::plugins()]))
            .property("plugin.cache.dir", folder.join("cache").display())
            .property("connections", json!({ "files": files }))
    }

    /// Runs Apache Kafka in the node's place, with the same file and ready line:
    /// what is said of a command must hold against it too.
    pub fn apache_kafka(mut self) -> Self {
        paths::installed("java");
        self.program = Some(paths::repository().join("tests/conformance/apache_kafka.sh"));
        self
    }

    /// Adds a line to the node's file, under Kafka's name for it.
    pub fn property(mut self, name: &str, value: impl Display) -> Self {
        self.properties.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets an environment variable of the process, as `LONGSHORE_CRASH_AT`.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the node and waits until it serves.
    pub fn start(self) -> Node {
        let mut node = Node {
            settings: self,
            folder: TempDir::with_prefix("longshore-").expect("a temporary folder can be made"),
            process: None,
            kafka: SocketAddr::from(([127, 0, 0, 1], 0)),
            rest: None,
        };
        node.launch();
        node.wait_ready();
        node
    }
}

impl Node {
    /// A node with the defaults, serving.
    pub fn start() -> Self {
        Settings::default().start()
    }

    /// Begins the settings of a node.
    pub fn with() -> Settings {
        Settings::default()
    }

    /// `host:port` of the Kafka listener, for clients' `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.kafka.to_string()
    }

    /// Where the Kafka listener is.
    pub fn kafka(&self) -> SocketAddr {
        self.kafka
    }

    /// Where the REST listener is, if the node is a worker.
    pub fn rest(&self) -> Option<SocketAddr> {
        self.rest
    }

    /// The folder of `log.dirs`.
    pub fn log_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder of one partition.
    pub fn partition_dir(&self, topic: &str, partition: i32) -> PathBuf {
        self.log_dir().join(format!("{topic}-{partition}"))
    }

    /// The folder that holds all of the node's files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The running process.
    ///
    /// # Panics
    /// When the node was stopped.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the node runs")
    }

    /// Stops the node in order (SIGTERM).
    pub fn stop(&mut self) -> ExitStatus {
        let status = self.process().terminate();
        self.process = None;
        status
    }

    /// Kills the node with SIGKILL.
    pub fn kill(&mut self) {
        self.process().kill();
        self.process = None;
    }

    /// Waits until the process died by itself, as at a crash point.
    pub fn died(&mut self) -> ExitStatus {
        let status = self.process().ended(limits::CLIENT);
        self.process = None;
        status
    }

    /// Starts the node again on its port and its folders, and waits until it
    /// serves.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "stop or kill the node before starting it again");
        self.launch();
        self.wait_ready();
    }

    /// Replaces an environment variable for the next start; `None` removes it.
    pub fn set_environment(&mut self, name: &str, value: Option<&str>) {
        self.settings.environment.retain(|(known, _)| known != name);
        if let Some(value) = value {
            self.settings.environment.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Starts the process without waiting; for a start that is to fail.
    pub fn launch(&mut self) {
        let file = self.folder.path().join("node.yaml");
        std::fs::write(&file, self.file()).expect("node.yaml can be written");
        let program = self.settings.program.clone().unwrap_or_else(paths::longshore);
        let mut command = tied_command(&program);
        command.arg("server").arg("-c").arg(&file).current_dir(self.folder.path());
        for (name, value) in &self.settings.environment {
            command.env(name, value);
        }
        self.process = Some(Process::spawn("longshore server", &mut command));
    }

    /// Waits for the ready line and takes the ports from it.
    pub fn wait_ready(&mut self) {
        let ready = self.process().wait_for("ready line", limits::READY, |line| {
            (line.stream == Stream::Out)
                .then(|| line.text.strip_prefix(READY_PREFIX))?
                .map(str::to_owned)
        });
        let address = |name: &str| {
            let field = ready.split_whitespace().find_map(|field| field.strip_prefix(name))?;
            Some(field.parse().unwrap_or_else(|_| panic!("{name}{field} is no address")))
        };
        self.kafka = address("kafka=").unwrap_or_else(|| panic!("no kafka= in '{ready}'"));
        self.rest = address("rest=");
    }

    /// The text of node.yaml. After the first start its port is a fixed one, so
    /// that clients find the node again.
    fn file(&self) -> String {
        let listener = format!("PLAINTEXT://{}", self.kafka);
        let roles = self.settings.roles.as_deref().unwrap_or("broker,controller");
        let mut properties = vec![
            ("process.roles".to_owned(), roles.to_owned()),
            ("node.id".to_owned(), "1".to_owned()),
            ("listeners".to_owned(), listener),
            ("log.dirs".to_owned(), self.log_dir().display().to_string()),
            // Kafka waits 3 s for a group's other first members: a test has
            // only those that it starts.
            ("group.initial.rebalance.delay.ms".to_owned(), "0".to_owned()),
        ];
        for (name, value) in &self.settings.properties {
            properties.retain(|(known, _)| known != name);
            properties.push((name.clone(), value.clone()));
        }
        properties.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }
}
