//! The broker is killed while clients write: nothing acknowledged is lost,
//! nothing is there twice, and the log recovers by itself.
#![allow(missing_docs, reason = "tests")]

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;

use longshore_e2e::client::{Client, Produce};
use longshore_e2e::random::Random;
use longshore_e2e::writer::{History, Records, Writer};
use longshore_e2e::{Node, limits, verify, wire};

const PARTITIONS: i32 = 3;
const SIGKILL: i32 = 9;

/// Rolled after a few hundred records, so that a kill meets every stage of a
/// segment's life.
const SMALL_SEGMENTS: [(&str, &str); 2] =
    [("segment.bytes", "1048576"), ("index.interval.bytes", "1024")];

#[test]
fn killed_between_append_and_index_it_loses_nothing() {
    killed_at("log-append-before-index:150");
}

#[test]
fn killed_in_the_middle_of_a_roll_it_loses_nothing() {
    killed_at("log-roll-middle:2");
}

#[test]
fn killed_between_flush_and_its_checkpoint_it_loses_nothing() {
    killed_at("log-flush-before-checkpoint:2");
}

#[test]
fn killed_while_it_stops_it_loses_nothing() {
    let random = Random::announced("killed_while_it_stops_it_loses_nothing");
    let mut node =
        Node::with().environment("LONGSHORE_CRASH_AT", "log-close-before-marker").start();
    wire::create_topic(node.kafka(), "kept", PARTITIONS, &SMALL_SEGMENTS);
    let writer = Writer::start(node.kafka(), "kept", PARTITIONS, Records::Numbered, random);
    writer.wait_progress(100);
    let status = node.stop();
    assert_eq!(status.signal(), Some(SIGKILL), "it died at the crash point, not before: {status}");
    node.set_environment("LONGSHORE_CRASH_AT", None);
    node.restart();
    writer.wait_progress(50);
    check(&node, &writer.finish());
}

#[test]
fn at_five_seeded_kills_it_loses_nothing() {
    seeded_kills("at_five_seeded_kills_it_loses_nothing", 5);
}

#[test]
#[ignore = "second tier"]
fn at_twenty_seeded_kills_it_loses_nothing() {
    seeded_kills("at_twenty_seeded_kills_it_loses_nothing", 20);
}

#[test]
fn an_orderly_stop_needs_no_recovery_and_loses_nothing() {
    let random = Random::announced("an_orderly_stop_needs_no_recovery_and_loses_nothing");
    let mut node = Node::start();
    wire::create_topic(node.kafka(), "kept", PARTITIONS, &SMALL_SEGMENTS);
    let writer = Writer::start(node.kafka(), "kept", PARTITIONS, Records::Numbered, random);
    for _ in 0..3 {
        writer.wait_progress(30);
        let status = node.stop();
        assert!(status.success(), "an orderly stop ends with {status}");
        node.restart();
    }
    writer.wait_progress(30);
    check(&node, &writer.finish());
}

#[test]
fn a_librdkafka_producer_outlives_kills_and_its_acknowledgements_hold() {
    a_clients_acknowledgements_hold(Client::Confluent);
}

#[test]
fn a_java_producer_outlives_kills_and_its_acknowledgements_hold() {
    a_clients_acknowledgements_hold(Client::Java);
}

/// A node that dies at a crash point while it is written to.
fn killed_at(point: &str) {
    let random = Random::announced(point);
    let mut node = Node::with()
        .property("log.flush.scheduler.interval.ms", 200)
        .property("log.flush.offset.checkpoint.interval.ms", 200)
        .start();
    wire::create_topic(node.kafka(), "kept", PARTITIONS, &SMALL_SEGMENTS);
    let writer = Writer::start(node.kafka(), "kept", PARTITIONS, Records::Numbered, random);
    writer.wait_progress(20);
    node.kill();
    // Armed only now: making a topic passes some of the points as well.
    node.set_environment("LONGSHORE_CRASH_AT", Some(point));
    node.launch();
    let status = node.died();
    assert_eq!(status.signal(), Some(SIGKILL), "it died at the crash point: {status}");
    node.set_environment("LONGSHORE_CRASH_AT", None);
    node.restart();
    writer.wait_progress(50);
    check(&node, &writer.finish());
}

fn seeded_kills(test: &str, kills: usize) {
    let mut random = Random::announced(test);
    let mut node = Node::start();
    wire::create_topic(node.kafka(), "kept", PARTITIONS, &SMALL_SEGMENTS);
    let writer_random = Random::seeded(random.next_u64());
    let writer = Writer::start(node.kafka(), "kept", PARTITIONS, Records::Numbered, writer_random);
    for _ in 0..kills {
        writer.wait_progress(random.between(1, 300) as usize);
        node.kill();
        node.restart();
    }
    writer.wait_progress(50);
    check(&node, &writer.finish());
}

fn check(node: &Node, histories: &[History]) {
    for (partition, history) in (0..).zip(histories) {
        assert!(!history.acked.is_empty(), "partition {partition} was written");
        verify::nothing_lost(history, &wire::read_partition(node.kafka(), "kept", partition));
    }
}

fn a_clients_acknowledgements_hold(client: Client) {
    const RECORDS: u64 = 20_000;
    let mut random = Random::announced(&format!("{client:?}"));
    let mut node = Node::start();
    wire::create_topic(node.kafka(), "kept", PARTITIONS, &SMALL_SEGMENTS);
    let work = Produce::to("kept", RECORDS)
        // Slow enough to be met by every kill.
        .records_per_second(3_000)
        .setting("enable.idempotence", "true")
        // VerifiableProducer has 0 unless told.
        .setting("retries", "1000000")
        .setting("linger.ms", "5")
        .setting("batch.size", "1000");
    let mut producer = client.produce(&node.bootstrap(), &work);
    for _ in 0..3 {
        let goal = producer.acked().len() + random.between(1, RECORDS / 5) as usize;
        producer.wait_until("acknowledgements", limits::CLIENT, |events| events.len() > goal);
        node.kill();
        node.restart();
    }
    producer.ends_well();

    let acked = producer.acked();
    assert_eq!(acked.len() as u64, RECORDS);
    let mut in_log = HashMap::new();
    for partition in 0..PARTITIONS {
        for record in wire::read_partition(node.kafka(), "kept", partition) {
            let value = String::from_utf8(record.value.expect("a value").to_vec()).expect("digits");
            let twice = in_log.insert(value, (partition, record.offset));
            assert_eq!(twice, None, "a record is there twice");
        }
    }
    for at in &acked {
        let value = at.value.as_ref().expect("a value");
        assert_eq!(in_log.get(value), Some(&(at.partition, at.offset)), "value {value}");
    }
    assert_eq!(in_log.len() as u64, RECORDS, "nothing else is there");
}
