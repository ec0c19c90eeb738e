//! The worker's REST API beside Kafka Connect's own: the same requests, and the
//! answers compared field by field (`tests/conformance/connect`).
#![allow(missing_docs, reason = "tests")]

use std::process::Command;

use longshore_e2e::{Node, Process, kafka_connect, limits, paths, wire};
use tempfile::TempDir;

#[test]
#[ignore = "second tier"]
fn every_request_is_answered_as_kafka_connect_answers_it() {
    let folder = TempDir::with_prefix("longshore-connect-").expect("a temporary folder");
    std::fs::create_dir(folder.path().join("ours")).expect("a folder for the sink");
    let node = Node::with().files(folder.path()).property("offset.flush.interval.ms", 500).start();
    for topic in ["lines-ours", "lines-theirs"] {
        wire::create_topic(node.kafka(), topic, 1, &[]);
    }
    let more = "offset.flush.interval.ms=500\n";
    let (_connect, address) =
        kafka_connect::start(&node.bootstrap(), "theirs", folder.path(), more);
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
