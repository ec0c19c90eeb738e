//! Kafka's own `kafka.tools.DumpLogSegments` reads what the broker writes.
#![allow(missing_docs, reason = "tests")]

use std::path::PathBuf;

use bytes::Bytes;
use longshore_e2e::Node;
use longshore_e2e::client::{Client, Produce, java};
use longshore_e2e::wire::{self, Connection};

/// What the tool says when a file is not as it must be.
const COMPLAINTS: [&str; 8] = [
    "Mismatches in",
    "Non-secutive offsets",
    "Non-consecutive offsets",
    "Found timestamp mismatch",
    "Found out of order timestamp",
    "isvalid: false",
    "orrupt",
    "Exception",
];

#[test]
fn it_reads_segments_indexes_and_snapshots_without_complaint() {
    let mut node = Node::start();
    write_segments(&node);
    node.stop();
    let records = dump_without_complaint(&node);
    assert_eq!(records, WRITTEN_BY_HAND + WRITTEN_BY_CLIENTS);
}

#[test]
fn it_reads_what_recovery_after_a_kill_made_anew() {
    let mut node = Node::start();
    write_segments(&node);
    node.kill();
    node.restart();
    node.stop();
    let records = dump_without_complaint(&node);
    assert_eq!(records, WRITTEN_BY_HAND + WRITTEN_BY_CLIENTS);
}

const WRITTEN_BY_HAND: usize = 3_000;
const WRITTEN_BY_CLIENTS: usize = 3 * 500;

/// Three segments of a mebibyte and more, plain and compressed batches in them.
fn write_segments(node: &Node) {
    let configs = [("segment.bytes", "1048576"), ("index.interval.bytes", "4096")];
    wire::create_topic(node.kafka(), "dumped", 1, &configs);
    let mut connection = Connection::connect(node.kafka()).expect("the broker is up");
    let producer = wire::init_producer_id(&mut connection).expect("a producer id");
    for first in (0..WRITTEN_BY_HAND).step_by(10) {
        let records: Vec<_> = (first..first + 10)
            .map(|number| {
                (Some(Bytes::from(format!("key-{number}"))), Some(Bytes::from("v".repeat(1_000))))
            })
            .collect();
        let batch = wire::batch(producer, first as i32, &records);
        let (error, _) = wire::produce(&mut connection, "dumped", 0, batch).expect("an answer");
        assert_eq!(error, 0);
    }
    for codec in ["gzip", "lz4", "zstd"] {
        let work = Produce::to("dumped", 500).setting("compression.type", codec);
        Client::Confluent.produce_all(&node.bootstrap(), &work);
    }
}

/// Dumps each kind of file and gives the number of records in the segments.
fn dump_without_complaint(node: &Node) -> usize {
    let logs = files(node, "log");
    assert!(logs.len() >= 3, "several segments: {logs:?}");
    let dumped = dump(&logs, &["--deep-iteration"]);
    let records = dumped.iter().filter(|line| line.starts_with("| offset:")).count();

    let indexes = files(node, "index");
    assert_eq!(indexes.len(), logs.len(), "an index for each segment");
    dump(&indexes, &["--index-sanity-check"]);
    let entries = dump(&indexes, &[]).iter().filter(|line| line.starts_with("offset:")).count();
    assert!(entries > indexes.len(), "the indexes have entries");

    let time_indexes = files(node, "timeindex");
    assert_eq!(time_indexes.len(), logs.len(), "a time index for each segment");
    dump(&time_indexes, &["--index-sanity-check"]);
    dump(&time_indexes, &[]);

    let snapshots = files(node, "snapshot");
    assert!(!snapshots.is_empty(), "a snapshot of the producers");
    let producers = dump(&snapshots, &[]);
    assert!(producers.iter().any(|line| line.contains("producerId:")), "{producers:?}");
    records
}

fn dump(files: &[PathBuf], arguments: &[&str]) -> Vec<String> {
    let lines = java::dump_log(files, arguments);
    for line in &lines {
        let complaint = COMPLAINTS.iter().find(|complaint| line.contains(*complaint));
        assert!(complaint.is_none(), "the tool complains of {files:?}: {line}");
    }
    lines
}

fn files(node: &Node, extension: &str) -> Vec<PathBuf> {
    let folder = node.partition_dir("dumped", 0);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}
