//! Exactly-once with Kafka's own client, which speaks the newer protocol of
//! transactions (KIP-890): it copies a topic in transactions, some of them aborted,
//! and is killed, as the broker is.
#![allow(missing_docs, reason = "tests")]

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use longshore_e2e::client::{Client, Consume, Produce, java};
use longshore_e2e::random::Random;
use longshore_e2e::wait::until;
use longshore_e2e::wire::{self, Connection};
use longshore_e2e::{Node, Process, limits};

const RECORDS: u64 = 4_000;
/// Stands behind all copies, so that a copy too many cannot hide.
const END: &[u8] = b"end";
const SIGKILL: i32 = 9;

/// Named points of a transaction's end, and the most often that each is passed.
const POINTS: [(&str, u64); 6] = [
    ("txn-before-store", 150),
    ("txn-after-store", 150),
    ("txn-after-prepare", 100),
    ("txn-between-markers", 100),
    ("txn-before-complete", 100),
    ("group-after-store", 100),
];

#[test]
fn a_java_copier_that_is_killed_with_its_broker_copies_each_record_once() {
    let mut random = Random::announced("a_java_copier");
    copy(random.between(0, POINTS.len() as u64) as usize, &mut random);
}

#[test]
#[ignore = "second tier"]
fn killed_at_each_point_of_a_transactions_end_each_record_is_copied_once() {
    let mut random = Random::announced("a_java_copier_at_each_point");
    for number in 0..POINTS.len() {
        copy(number, &mut random);
    }
}

/// Copies all records through four kills, one of which is at a named point.
fn copy(number: usize, random: &mut Random) {
    let mut node = Node::start();
    wire::create_topic(node.kafka(), "original", 1, &[]);
    wire::create_topic(node.kafka(), "copy", 1, &[("segment.bytes", "40000")]);
    Client::Confluent.produce_all(&node.bootstrap(), &Produce::to("original", RECORDS));
    let mut copier = copier(&node);
    let mut kills = vec![Kill::Broker, Kill::Copier, Kill::BrokerAt(number), Kill::Broker];
    for at in (1..kills.len()).rev() {
        kills.swap(at, random.between(0, at as u64 + 1) as usize);
    }
    println!("point {number}: {kills:?}");
    for kill in kills {
        wait_copies(&node, &mut copier, random.between(50, 700));
        match kill {
            Kill::Copier => {
                copier.kill();
                copier = self::copier(&node);
            }
            Kill::Broker => {
                node.kill();
                node.restart();
            }
            Kill::BrokerAt(number) => die_at(&mut node, &mut copier, number, random),
        }
    }
    // It gives up when an abort fails, and is started again as any program would be.
    until("end of the copy", limits::CLIENT, || {
        let status = copier.status()?;
        if !status.success() {
            copier = self::copier(&node);
        }
        status.success().then_some(())
    });
    check(&node);
}

#[derive(Debug, Clone, Copy)]
enum Kill {
    Broker,
    BrokerAt(usize),
    Copier,
}

fn copier(node: &Node) -> Process {
    let mut command = java::tool("org.apache.kafka.tools.TransactionalMessageCopier");
    command.args(["--broker-list", &node.bootstrap(), "--transactional-id", "copier"]);
    command.args(["--consumer-group", "copiers", "--input-partition", "0"]);
    command.args(["--input-topic", "original", "--output-topic", "copy"]);
    command.args(["--transaction-size", "10", "--enable-random-aborts"]);
    Process::spawn("copier", command.stdin(Stdio::null()))
}

/// Waits until the copy has so many more records, or the copier has ended.
fn wait_copies(node: &Node, copier: &mut Process, more: u64) {
    let mut connection = Connection::connect(node.kafka()).expect("the broker serves");
    let mut end = || wire::list_offset(&mut connection, "copy", 0, wire::LATEST);
    let goal = end() + more as i64;
    until("copies", limits::CLIENT, || (end() >= goal || copier.status().is_some()).then_some(()));
}

/// The broker dies at a named point, unless all is copied before.
fn die_at(node: &mut Node, copier: &mut Process, number: usize, random: &mut Random) {
    let (point, most) = POINTS[number];
    node.kill();
    let armed = format!("{point}:{}", random.between(1, most + 1));
    node.set_environment("LONGSHORE_CRASH_AT", Some(&armed));
    node.launch();
    until("death at a named point", limits::CLIENT, || {
        (node.process().status().is_some() || copier.status().is_some()).then_some(())
    });
    match node.process().status() {
        Some(_) => {
            let status = node.died();
            assert_eq!(status.signal(), Some(SIGKILL), "it died at {armed}: {status}");
        }
        None => node.kill(),
    }
    println!("{armed}");
    node.set_environment("LONGSHORE_CRASH_AT", None);
    node.restart();
}

/// All originals once, in order, and nothing behind them.
fn check(node: &Node) {
    let mut connection = Connection::connect(node.kafka()).expect("the broker serves");
    let producer = wire::init_producer_id(&mut connection).expect("a producer id");
    let batch = wire::batch(producer, 0, &[(None, Some(END.into()))]);
    let produced = wire::produce(&mut connection, "copy", 0, batch).expect("an answer");
    assert_eq!(produced.0, 0, "the end is written");
    let work = Consume::from("copy", "check").records_max(RECORDS + 1);
    let work = work.setting("isolation.level", "read_committed");
    let copies = Client::Confluent.consume_all(&node.bootstrap(), &work);
    let mut expected: Vec<_> = (0..RECORDS).map(|number| number.to_string()).collect();
    expected.push("end".to_owned());
    let copied: Vec<_> = copies.into_iter().map(|at| at.value.unwrap_or_default()).collect();
    let same = copied.iter().zip(&expected).take_while(|(one, other)| one == other).count();
    assert_eq!(copied.get(same), expected.get(same), "after {same} records that are right");
    assert_eq!(copied.len(), expected.len());
}
