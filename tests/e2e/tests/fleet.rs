//! Three workers with 60 connectors of 200 tasks: spread evenly; one is killed, its
//! tasks run elsewhere within 12 s at the default settings, and nobody else's are
//! touched; one is added, and only what must moves. The same while the broker is killed
//! and started again, and on Apache Kafka: a fleet needs nothing but `bootstrap.servers`.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use longshore_e2e::fleet::tasks::{self, Placement};
use longshore_e2e::fleet::{Fleet, copies, ticks};
use longshore_e2e::{Node, wire};

const PARTITIONS: i32 = 4;
const SINKS: usize = 10;
/// Sources of one task and one file that grows all the time.
const PROBES: usize = 12;
const TASKS: usize = 200;
/// From a kill to its tasks' work elsewhere.
const ELSEWHERE: Duration = Duration::from_secs(12);
/// A source that goes on looks at its file every 200 ms; the rest is for a busy
/// machine. A task that moves or starts again is told of, however short its gap.
const NO_GAP: Duration = Duration::from_secs(4);

#[test]
fn a_killed_workers_tasks_run_elsewhere_within_12_s_and_nobody_elses_are_touched() {
    one_is_killed_and_one_is_added(Node::start(), |_| {});
}

#[test]
#[ignore = "second tier"]
fn while_the_broker_is_killed_too_a_killed_workers_tasks_run_elsewhere() {
    one_is_killed_and_one_is_added(Node::start(), |broker| {
        broker.kill();
        broker.restart();
    });
}

#[test]
#[ignore = "second tier"]
fn on_apache_kafka_a_killed_workers_tasks_run_elsewhere_within_12_s() {
    one_is_killed_and_one_is_added(Node::with().apache_kafka().start(), |_| {});
}

/// `meanwhile` happens to the broker right after a worker was killed, and again while
/// another starts. As long as that takes, nobody can do anything.
fn one_is_killed_and_one_is_added(mut broker: Node, meanwhile: fn(&mut Node)) {
    let mut fleet = Fleet::on(&broker);
    fleet.add(3);
    let probes: Vec<String> = (0..PROBES).map(|at| format!("tick{at}")).collect();
    let ticker = ticks::Ticker::start(&fleet.input(), &probes);
    let began = Instant::now();
    crowd(&fleet, &broker, &probes);
    let before = tasks::wait_even(&fleet, TASKS);
    let spread = began.elapsed();
    wait_rows(&broker, &probes, ticks::now_ms());

    let heard = tasks::heard(&broker);
    let victim = fleet.worker(0).id();
    let (killed_at, began) = (ticks::now_ms(), Instant::now());
    fleet.worker(0).kill();
    meanwhile(&mut broker);
    let away = began.elapsed();
    let after = tasks::wait_even(&fleet, TASKS);
    let told = began.elapsed();
    wait_rows(&broker, &probes, killed_at);
    let lost = of(&before, &victim);
    untouched(&broker, &heard, &before, &after, &lost);
    let rows = ticks::read(&broker, "ticks", PARTITIONS);
    let (mut elsewhere, mut gap) = (Duration::ZERO, Duration::ZERO);
    for name in &probes {
        if lost.contains(&format!("{name}-0")) {
            let first = ticks::first_after(&rows[name], killed_at).expect("it was waited for");
            elsewhere = elsewhere.max(first);
        } else {
            gap = gap.max(ticks::longest_gap(&rows[name], killed_at));
        }
    }
    println!(
        "{TASKS} tasks spread in {spread:.1?}; {} of them lost: RUNNING elsewhere after \
         {told:.1?}, records of them after {elsewhere:.1?}; longest gap of the others {gap:.1?}; \
         the broker was away for {away:.1?}",
        lost.len()
    );
    assert!(told < ELSEWHERE + away, "they were RUNNING after {told:?}");
    assert!(elsewhere < ELSEWHERE + away, "their records came after {elsewhere:?}");
    assert!(gap < NO_GAP + away, "a task of another worker made a pause of {gap:?}");

    let heard = tasks::heard(&broker);
    let began = Instant::now();
    fleet.launch();
    meanwhile(&mut broker);
    fleet.worker(3).wait_ready();
    let newcomer = fleet.ids().pop().expect("it runs");
    let at_last = tasks::wait_even(&fleet, TASKS);
    let moved = of(&at_last, &newcomer);
    println!("one added: {} tasks moved in {:.1?}", moved.len(), began.elapsed());
    assert_eq!(moved.len(), TASKS / 3, "no more than it must");
    untouched(&broker, &heard, &after, &at_last, &moved);

    let count = ticker.stop();
    once(&broker, &fleet, &probes, count);
}

/// Sixty connectors of 200 tasks: sources that read all the time and others that
/// wait for files, sinks and processors of what they read.
fn crowd(fleet: &Fleet, broker: &Node, probes: &[String]) {
    wire::create_topic(broker.kafka(), "ticks", PARTITIONS, &[]);
    wire::create_topic(broker.kafka(), "words", PARTITIONS, &[]);
    let source = [("connector.class", "file-source"), ("connection", "input")];
    for name in probes {
        let path = format!("{name}.txt");
        let options = [("path", path.as_str()), ("topic", "ticks"), ("tail", "true")];
        fleet.create(name, &[&source[..], &options].concat());
    }
    for at in 0..33 {
        // One of them has a task more, for the sake of the sum.
        let count = if at == 0 { "5" } else { "4" };
        let options = [("path", "none/*"), ("topic", "ticks"), ("tasks.max", count)];
        fleet.create(&format!("idle{at}"), &[&source[..], &options].concat());
    }
    let sink = [("connector.class", "file-sink"), ("connection", "output"), ("topics", "ticks")];
    for at in 0..SINKS {
        let path = format!("copy{at}");
        let options = [
            ("path", path.as_str()),
            ("format", "lines"),
            ("tasks.max", "4"),
            ("rotate.schedule.interval.ms", "4000"),
        ];
        fleet.create(&path, &[&sink[..], &options].concat());
    }
    let processor = [("connector.class", "split-words"), ("topics", "ticks")];
    for at in 0..5 {
        let options = [("output.topic", "words"), ("tasks.max", "3")];
        fleet.create(&format!("split{at}"), &[&processor[..], &options].concat());
    }
}

fn of(placement: &Placement, worker: &str) -> BTreeSet<String> {
    let own = placement.iter().filter(|(_, runs)| *runs == worker);
    own.map(|(task, _)| task.clone()).collect()
}

/// All tasks but these are where they were, and none of them was started again.
fn untouched(
    broker: &Node,
    heard: &tasks::Heard,
    before: &Placement,
    after: &Placement,
    but: &BTreeSet<String>,
) {
    let touched = tasks::told_since(broker, heard);
    let others: Vec<_> = touched.difference(but).collect();
    assert!(others.is_empty(), "these were touched: {others:?}");
    for (task, worker) in before.iter().filter(|(task, _)| !but.contains(*task)) {
        assert_eq!(after.get(task), Some(worker), "{task} moved");
    }
}

/// Waits until each file has a row in the topic that came after `since`.
fn wait_rows(broker: &Node, names: &[String], since: i64) {
    ticks::wait_each(broker, "ticks", PARTITIONS, names, since);
}

/// Each row came once into the topic, and once into every sink's files.
fn once(broker: &Node, fleet: &Fleet, names: &[String], count: u64) {
    ticks::wait_once(broker, "ticks", PARTITIONS, names, count);
    for at in 0..SINKS {
        copies::wait_once(&fleet.output().join(format!("copy{at}")), names.len(), count);
    }
}
