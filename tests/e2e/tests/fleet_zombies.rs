//! A worker that is frozen past its session, and wakes up: it writes to nothing that
//! fences, repeats nothing, and none of its commits covers what is not durable.
#![allow(missing_docs, reason = "tests")]

use longshore_e2e::fleet::{Fleet, commits, copies, tasks, ticks};
use longshore_e2e::wait::until;
use longshore_e2e::{Node, limits, wire};

const PARTITIONS: i32 = 4;
const PROBES: usize = 4;
/// Of the sink, as a rule.
const COPIES: usize = 4;
/// Those of the sources, the sink's and the processor's.
const TASKS: usize = PROBES + COPIES + 2;

#[test]
#[ignore = "second tier"]
fn a_worker_that_was_frozen_past_its_session_repeats_nothing_when_it_wakes() {
    one_is_frozen(COPIES, |_| {});
}

#[test]
#[ignore = "second tier"]
fn a_worker_with_two_hundred_tasks_that_was_frozen_past_its_session_repeats_nothing() {
    one_is_frozen(400 - PROBES - 2, |_| {});
}

#[test]
#[ignore = "second tier"]
fn a_worker_that_was_frozen_while_the_broker_was_killed_repeats_nothing_when_it_wakes() {
    one_is_frozen(COPIES, |broker| {
        broker.kill();
        broker.restart();
    });
}

#[test]
#[ignore = "second tier"]
fn a_worker_that_is_killed_with_the_broker_is_replaced_all_the_same() {
    let mut broker = Node::start();
    let (mut fleet, probes) = small(&broker, COPIES);
    let ticker = ticks::Ticker::start(&fleet.input(), &probes);
    let before = tasks::wait_even(&fleet, TASKS);
    wait_rows(&broker, &probes, ticks::now_ms());
    let heard = tasks::heard(&broker);
    let victim = fleet.worker(0).id();
    let began = std::time::Instant::now();
    fleet.worker(0).kill();
    broker.kill();
    broker.restart();
    let after = tasks::wait_even(&fleet, TASKS);
    println!("RUNNING elsewhere {:.1?} after both were killed", began.elapsed());
    wait_rows(&broker, &probes, ticks::now_ms());
    let touched = tasks::told_since(&broker, &heard);
    for (task, worker) in before.iter().filter(|(_, worker)| **worker != victim) {
        assert_eq!(after.get(task), Some(worker), "{task} moved");
        assert!(!touched.contains(task), "{task} was touched");
    }
    once(&broker, &fleet, &probes, ticker.stop());
}

/// The next leader finds what it left, and that of the owner whose producers it was
/// fencing.
#[test]
#[ignore = "second tier"]
fn a_leader_that_dies_while_it_fences_a_lost_owner_is_replaced_and_nothing_repeats() {
    let broker = Node::start();
    let mut fleet = Fleet::on(&broker);
    fleet.set("offset.flush.interval.ms", 500);
    // The first of the group leads it.
    fleet.environment("LONGSHORE_CRASH_AT", "leader-while-fencing-lost");
    fleet.add(1);
    fleet.environment("LONGSHORE_CRASH_AT", "");
    fleet.add(2);
    let probes = connectors(&broker, &fleet, COPIES);
    let ticker = ticks::Ticker::start(&fleet.input(), &probes);
    tasks::wait_even(&fleet, TASKS);
    wait_rows(&broker, &probes, ticks::now_ms());
    fleet.worker(1).kill();
    until("the leader dies of it", limits::RUN, || fleet.worker(0).has_died().then_some(()));
    tasks::wait_even(&fleet, TASKS);
    wait_rows(&broker, &probes, ticks::now_ms());
    durable(&broker, &fleet);
    once(&broker, &fleet, &probes, ticker.stop());
}

/// One of two workers sleeps until the other has all of its tasks, and wakes.
fn one_is_frozen(copies: usize, meanwhile: impl FnOnce(&mut Node)) {
    let count = TASKS - COPIES + copies;
    let mut broker = Node::start();
    let (mut fleet, probes) = small(&broker, copies);
    let ticker = ticks::Ticker::start(&fleet.input(), &probes);
    tasks::wait_even(&fleet, count);
    wait_rows(&broker, &probes, ticks::now_ms());

    fleet.worker(0).freeze();
    meanwhile(&mut broker);
    tasks::wait_even(&fleet, count);
    wait_rows(&broker, &probes, ticks::now_ms());
    durable(&broker, &fleet);
    fleet.worker(0).thaw();
    // It joins again, and is given its share.
    until("both to run their share", limits::RUN, || {
        durable(&broker, &fleet);
        let running = tasks::running(fleet.rest());
        (running.len() == count && tasks::loads(&running).len() == 2).then_some(())
    });
    tasks::wait_even(&fleet, count);
    wait_rows(&broker, &probes, ticks::now_ms());
    durable(&broker, &fleet);
    once(&broker, &fleet, &probes, ticker.stop());
}

/// Two workers; sources, a processor and a sink, of so many tasks, of what they read.
fn small(broker: &Node, copies: usize) -> (Fleet, Vec<String>) {
    let mut fleet = Fleet::on(broker);
    fleet.set("offset.flush.interval.ms", 500);
    fleet.add(2);
    let probes = connectors(broker, &fleet, copies);
    (fleet, probes)
}

fn connectors(broker: &Node, fleet: &Fleet, copies: usize) -> Vec<String> {
    wire::create_topic(broker.kafka(), "ticks", PARTITIONS, &[]);
    wire::create_topic(broker.kafka(), "words", PARTITIONS, &[]);
    let probes: Vec<String> = (0..PROBES).map(|at| format!("tick{at}")).collect();
    for name in &probes {
        let path = format!("{name}.txt");
        let source = [("connector.class", "file-source"), ("connection", "input")];
        let options = [("path", path.as_str()), ("topic", "ticks"), ("tail", "true")];
        fleet.create(name, &[&source[..], &options].concat());
    }
    fleet.create(
        "copy",
        &[
            ("connector.class", "file-sink"),
            ("connection", "output"),
            ("topics", "ticks"),
            ("path", "copy"),
            ("format", "lines"),
            ("tasks.max", &copies.to_string()),
            ("rotate.schedule.interval.ms", "1000"),
        ],
    );
    fleet.create(
        "split",
        &[
            ("connector.class", "split-words"),
            ("topics", "ticks"),
            ("output.topic", "words"),
            ("tasks.max", "2"),
        ],
    );
    probes
}

fn durable(broker: &Node, fleet: &Fleet) {
    let folder = fleet.output().join("copy");
    let missing = commits::not_durable(broker, "copy", &folder, "ticks", PARTITIONS);
    assert!(missing.is_empty(), "committed, but in no file: {missing:?}");
}

fn wait_rows(broker: &Node, names: &[String], since: i64) {
    ticks::wait_each(broker, "ticks", PARTITIONS, names, since);
}

/// Each row is once in the topic and once in the sink's files, and each row's words
/// were split once.
fn once(broker: &Node, fleet: &Fleet, names: &[String], count: u64) {
    ticks::wait_once(broker, "ticks", PARTITIONS, names, count);
    copies::wait_once(&fleet.output().join("copy"), names.len(), count);
    let total = count * names.len() as u64;
    let words = || -> u64 {
        let records =
            (0..PARTITIONS).flat_map(|at| wire::read_partition(broker.kafka(), "words", at));
        let named = records.filter(|record| {
            let word = record.key.as_deref().unwrap_or_default();
            names.iter().any(|name| name.as_bytes() == word)
        });
        named.map(|record| tally(record.value.as_deref())).sum()
    };
    until("all words", limits::RUN, || (words() >= total).then_some(()));
    assert_eq!(words(), total, "each row names its file once");
}

fn tally(value: Option<&[u8]>) -> u64 {
    let bytes = value.expect("a tally is no null");
    u64::from_be_bytes(bytes.try_into().expect("a long has 8 bytes"))
}
