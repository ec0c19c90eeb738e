//! A worker of either kind on a broker that is there already.

use std::net::SocketAddr;
use std::path::Path;

use longshore_e2e::process::{Stream, tied_command};
use longshore_e2e::{Process, kafka_connect, limits, paths, rest};
use serde_json::json;

use crate::beside::Side;

/// A worker that answers requests.
pub(crate) struct Worker {
    pub(crate) process: Process,
    pub(crate) rest: SocketAddr,
    side: Side,
}

impl Worker {
    /// Starts a worker that reads and writes files below `folder`.
    pub(crate) fn start(side: Side, bootstrap: &str, folder: &Path) -> Self {
        let (process, rest) = match side {
            Side::Longshore | Side::Control => longshore(bootstrap, folder),
            Side::Kafka => kafka_connect::start(bootstrap, "bench", folder, ""),
        };
        Self { process, rest, side }
    }

    /// Creates a connector that reads `file` into `topic`.
    pub(super) fn create_source(&self, name: &str, topic: &str, file: &Path) {
        let path = file.display().to_string();
        match self.side {
            Side::Longshore | Side::Control => {
                let path = file.file_name().and_then(|name| name.to_str()).expect("a name");
                self.create(
                    name,
                    &[("connector.class", "file-source"), ("topic", topic), ("path", path)],
                );
            }
            Side::Kafka => {
                let class = ("connector.class", "FileStreamSource");
                self.create(name, &[class, ("topic", topic), ("file", &path)]);
            }
        }
    }

    /// Creates a connector that writes `topic` to files in `folder`, of so many records
    /// each where it begins new ones at all.
    pub(super) fn create_sink(&self, name: &str, topic: &str, folder: &Path, file_records: u64) {
        match self.side {
            Side::Longshore | Side::Control => {
                let path = folder.file_name().and_then(|name| name.to_str()).expect("a name");
                let records = file_records.to_string();
                let class = ("connector.class", "file-sink");
                let files = [("path", path), ("format", "lines"), ("flush.size", &records)];
                self.create(name, &[&[class, ("topics", topic)][..], &files].concat());
            }
            Side::Kafka => {
                let file = folder.join("out.txt").display().to_string();
                let class = ("connector.class", "FileStreamSink");
                self.create(name, &[class, ("topics", topic), ("file", &file)]);
            }
        }
    }

    fn create(&self, name: &str, config: &[(&str, &str)]) {
        rest::create(self.rest, name, &[&[("tasks.max", "1")], config].concat());
    }
}

fn longshore(bootstrap: &str, folder: &Path) -> (Process, SocketAddr) {
    let allow = json!({ "connectors": ["*"], "verbs": ["read", "write"] });
    let files = json!({ "driver": "objects", "kind": "local", "root": folder, "allow": allow });
    let settings = json!({
        "process.roles": "worker",
        "bootstrap.servers": bootstrap,
        "group.id": "bench",
        "rest.listeners": "http://127.0.0.1:0",
        "plugin.path": [paths::plugins()],
        "plugin.cache.dir": folder.join("cache"),
        "connections": { "files": files },
    });
    let file = folder.join("worker.yaml");
    std::fs::write(&file, settings.to_string()).expect("worker.yaml can be written");
    let mut command = tied_command(&paths::longshore());
    command.args(["server", "-c"]).arg(file).current_dir(folder);
    let process = Process::spawn("longshore server", &mut command);
    let rest = process.wait_for("ready line", limits::READY, |line| {
        let ready = line.text.strip_prefix("longshore ready ");
        let ready = ready.filter(|_| line.stream == Stream::Out)?;
        ready.split_whitespace().find_map(|field| field.strip_prefix("rest="))?.parse().ok()
    });
    (process, rest)
}
