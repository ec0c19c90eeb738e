//! What an operator does after a disk was lost, as `deploy/README.md` has it.
#![allow(missing_docs, reason = "tests")]

use std::path::Path;
use std::process::Command;

use longshore_e2e::client::{Client, Produce};
use longshore_e2e::{Node, Process, cli, wire};
use tempfile::TempDir;

const RECORDS: u64 = 100;

fn copy(from: &Path, to: &Path) {
    Process::run("cp", Command::new("cp").arg("--archive").arg(from).arg(to));
}

fn records(node: &Node, topic: &str) -> usize {
    wire::read_partition(node.kafka(), topic, 0).len()
}

#[test]
fn a_broker_goes_on_from_a_copy_and_without_one_partition() {
    let mut node = Node::start();
    let bootstrap = node.bootstrap();
    for topic in ["kept", "lost"] {
        cli::run(&["topic", "create", topic, "--bootstrap-server", &bootstrap]);
        Client::Confluent.produce_all(&bootstrap, &Produce::to(topic, RECORDS));
    }
    assert!(node.stop().success());
    let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
    let saved = folder.path().join("saved");
    copy(&node.log_dir(), &saved);

    // The disk is gone, and another has the copy.
    std::fs::remove_dir_all(node.log_dir()).expect("it was there");
    copy(&saved, &node.log_dir());
    node.restart();
    assert_eq!((records(&node, "kept"), records(&node, "lost")), (100, 100));

    // One partition is moved away, for which there is no copy.
    assert!(node.stop().success());
    std::fs::remove_dir_all(node.partition_dir("lost", 0)).expect("it was there");
    node.restart();
    assert_eq!((records(&node, "kept"), records(&node, "lost")), (100, 0));
    Client::Confluent.produce_all(&bootstrap, &Produce::to("lost", RECORDS));
    assert_eq!(records(&node, "lost"), 100);
}
