//! Compaction, while clients write and read and the broker is killed: the
//! latest value of every key is there, at its offset.
#![allow(missing_docs, reason = "tests")]

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use longshore_e2e::background::Background;
use longshore_e2e::random::Random;
use longshore_e2e::wait::until;
use longshore_e2e::writer::{Records, Writer};
use longshore_e2e::{Node, limits, verify, wire};

const TOPIC: &str = "latest";
const KEYS: u64 = 50;
const SIGKILL: i32 = 9;

/// Small segments and no patience: a cleaning every few hundred records.
const EAGER: [(&str, &str); 4] = [
    ("cleanup.policy", "compact"),
    ("segment.bytes", "16384"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("delete.retention.ms", "500"),
];

#[test]
fn after_fifty_cleanings_with_a_reader_beside_the_latest_values_are_there() {
    let random = Random::announced("after_fifty_cleanings");
    let node = eager_node().start();
    wire::create_topic(node.kafka(), TOPIC, 1, &EAGER);
    let writer = Writer::start(node.kafka(), TOPIC, 1, Records::Keyed(KEYS), random);
    let address = node.kafka();
    let reader = Background::start(move |told| {
        while !told.to_end() {
            // Each reading checks that batches are whole and offsets grow.
            let log = wire::read_partition(address, TOPIC, 0);
            assert!(log.is_sorted_by(|a, b| a.offset < b.offset));
        }
    });
    wait_cleanings(&node, 50);
    reader.finish();
    let history = &writer.finish()[0];
    let log = wire::read_partition(node.kafka(), TOPIC, 0);
    assert!(log.len() < history.acked.len() / 2, "{} of {} left", log.len(), history.acked.len());
    verify::latest_of_each_key(history, &log);
}

#[test]
fn killed_after_the_cleaned_files_were_written_it_keeps_the_latest_values() {
    killed_at("clean-after-write:5");
}

#[test]
fn killed_before_the_swap_it_keeps_the_latest_values() {
    killed_at("clean-before-swap:5");
}

#[test]
fn killed_in_the_middle_of_the_swap_it_keeps_the_latest_values() {
    killed_at("clean-middle-of-swap:5");
}

#[test]
fn killed_after_the_swap_it_keeps_the_latest_values() {
    killed_at("clean-after-swap:5");
}

#[test]
#[ignore = "second tier"]
fn killed_at_twenty_seeded_moments_it_keeps_the_latest_values() {
    let mut random = Random::announced("killed_at_twenty_seeded_moments");
    let mut node = eager_node().start();
    wire::create_topic(node.kafka(), TOPIC, 1, &EAGER);
    let writer_random = Random::seeded(random.next_u64());
    let writer = Writer::start(node.kafka(), TOPIC, 1, Records::Keyed(KEYS), writer_random);
    for _ in 0..20 {
        writer.wait_progress(random.between(1, 400) as usize);
        node.kill();
        node.restart();
    }
    finish(&node, writer);
}

/// The broker dies at a crash point of the cleaner, several times in a row.
fn killed_at(point: &str) {
    let random = Random::announced(point);
    let mut node = eager_node().environment("LONGSHORE_CRASH_AT", point).start();
    wire::create_topic(node.kafka(), TOPIC, 1, &EAGER);
    let writer = Writer::start(node.kafka(), TOPIC, 1, Records::Keyed(KEYS), random);
    for _ in 0..4 {
        let status = node.died();
        assert_eq!(status.signal(), Some(SIGKILL), "it died at {point}: {status}");
        node.launch();
    }
    let status = node.died();
    assert_eq!(status.signal(), Some(SIGKILL), "it died at {point}: {status}");
    node.set_environment("LONGSHORE_CRASH_AT", None);
    node.restart();
    finish(&node, writer);
}

fn finish(node: &Node, writer: Writer) {
    wait_cleanings(node, 3);
    let history = &writer.finish()[0];
    let log = wire::read_partition(node.kafka(), TOPIC, 0);
    verify::latest_of_each_key(history, &log);
}

fn eager_node() -> longshore_e2e::node::Settings {
    Node::with().property("log.cleaner.backoff.ms", 20)
}

/// Waits until the cleaner has moved its checkpoint that many times.
fn wait_cleanings(node: &Node, cleanings: usize) {
    let checkpoint = cleaner_checkpoint(node);
    let mut seen = HashSet::new();
    until("cleaning", limits::CLIENT, || {
        // Absent before the first cleaning.
        seen.extend(std::fs::read_to_string(&checkpoint).ok());
        (seen.len() > cleanings).then_some(())
    });
}

fn cleaner_checkpoint(node: &Node) -> PathBuf {
    node.partition_dir(TOPIC, 0).join("cleaner-offset-checkpoint")
}
