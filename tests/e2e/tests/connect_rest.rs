//! The worker's REST API beside Kafka Connect's own: the same requests, and the
//! answers compared field by field (`tests/conformance/connect`).
#![allow(missing_docs, reason = "tests")]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use longshore_e2e::client::java;
use longshore_e2e::process::tied_command;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, limits, paths, rest, wire};
use serde_json::json;
use tempfile::TempDir;

/// What Kafka Connect says once its REST API answers for the whole worker.
const HEALTHY: &str = "healthy";

#[test]
#[ignore = "second tier"]
fn every_request_is_answered_as_kafka_connect_answers_it() {
    let folder = TempDir::with_prefix("longshore-connect-").expect("a temporary folder");
    std::fs::create_dir(folder.path().join("ours")).expect("a folder for the sink");
    let files = json!({
        "driver": "objects",
        "kind": "local",
        "root": folder.path(),
        "allow": { "connectors": ["*"], "verbs": ["read", "write"] },
    });
    let node = Node::with()
        .roles("broker,controller,worker")
        .property("rest.listeners", "http://127.0.0.1:0")
        .property("plugin.path", json!([paths::plugins()]))
        .property("plugin.cache.dir", folder.path().join("cache").display())
        .property("offset.flush.interval.ms", 500)
        .property("connections", json!({ "files": files }))
        .start();
    for topic in ["lines-ours", "lines-theirs"] {
        wire::create_topic(node.kafka(), topic, 1, &[]);
    }
    let (address, _connect) = kafka_connect(&node.bootstrap(), folder.path());
    let ours = node.rest().expect("the node is a worker");
    let mut run = Command::new("python3");
    run.arg("-B").arg(paths::repository().join("tests/conformance/connect/run.py"));
    run.args(["--ours", &format!("http://{ours}"), "--theirs", &format!("http://{address}")]);
    run.arg("--folder").arg(folder.path());
    // It prints what differs, and fails.
    let mut compared = Process::spawn("connect/run.py", &mut run);
    let status = compared.ended(limits::RUN);
    assert!(status.success(), "some answers differ: {status}");
}

/// A distributed worker of Kafka Connect on the same cluster, ready for requests.
fn kafka_connect(bootstrap: &str, folder: &Path) -> (SocketAddr, Process) {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.expect("a free port");
    let mut properties = format!(
        "bootstrap.servers={bootstrap}\ngroup.id=theirs\nlisteners=HTTP://{address}\n\
         offset.flush.interval.ms=500\nplugin.discovery=service_load\n"
    );
    for storage in ["config", "offset", "status"] {
        properties.push_str(&format!("{storage}.storage.topic=theirs-{storage}\n"));
        properties.push_str(&format!("{storage}.storage.replication.factor=1\n"));
    }
    for side in ["key", "value"] {
        let class = "org.apache.kafka.connect.storage.StringConverter";
        properties.push_str(&format!("{side}.converter={class}\n"));
    }
    let file = folder.join("connect.properties");
    std::fs::write(&file, properties).expect("the worker's file can be written");
    let tool = java::tool("org.apache.kafka.connect.cli.ConnectDistributed");
    let mut command = tied_command(Path::new(tool.get_program()));
    command.args(tool.get_args()).arg(&file);
    let mut process = Process::spawn("Kafka Connect", &mut command);
    until("Kafka Connect answers", limits::READY, || {
        assert_eq!(process.status(), None, "Kafka Connect ended");
        TcpStream::connect(address).ok()?;
        let health = rest::get(address, "/health");
        (health.body["status"] == HEALTHY).then_some(())
    });
    (address, process)
}
