//! Exactly-once in the runtime under kills: seeded schedules of kills of a word
//! count, at named points of its transactions and the broker's too. Each row is in
//! the log once, each of its words is split once and counted once.
#![allow(missing_docs, reason = "tests")]

use std::ops::Range;
use std::time::{Duration, Instant};

use longshore_e2e::random::Random;
use longshore_e2e::wait::until;
use longshore_e2e::wordcount::{WordCount, assert_same};
use longshore_e2e::{audit, limits, text};

/// Named points, and how often a run may come to each before it dies there.
const POINTS: [(&str, u64); 18] = [
    ("source-after-begin", 1),
    ("source-after-produce-before-checkpoint", 1),
    ("source-after-checkpoint-before-commit", 1),
    ("source-after-commit", 1),
    ("processor-after-begin", 2),
    ("processor-after-produce-before-commit", 2),
    ("processor-after-offsets-before-commit", 2),
    ("processor-after-commit", 2),
    ("sink-before-finish", 1),
    ("sink-after-finish-before-commit", 1),
    ("txn-before-store", 20),
    ("txn-after-store", 20),
    ("txn-after-prepare", 6),
    ("txn-between-markers", 10),
    ("txn-before-complete", 6),
    ("group-after-store", 5),
    ("log-append-before-index", 60),
    ("log-marker-before-index", 15),
];

/// A source's transactions hold the polls of the worker's `offset.flush.interval.ms`.
const MANY_POLLS: [(&str, &str); 1] = [("connectors.read.transaction.boundary", "interval")];

/// Bytes of the rows that each run finds beside what the one before it left; a row
/// has about 100.
const TEXT_BYTES: Range<u64> = 120_000..400_000;

/// Rows that must be acknowledged during and after the kills of each schedule.
const ROWS_MIN: usize = 1_000;

#[test]
fn two_schedules_of_kills_count_each_word_once() {
    schedules("two_schedules_of_a_word_count", 0..2);
}

/// With `transaction.boundary=interval`: a crash takes back the polls of a time.
#[test]
fn a_schedule_of_kills_of_transactions_with_many_polls_counts_each_word_once() {
    const TEST: &str = "a_schedule_of_transactions_with_many_polls";
    // Its points lie before and after the commit.
    schedule(1, Random::announced(TEST).next_u64(), &MANY_POLLS);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_a_word_count_0_to_9_count_each_word_once() {
    schedules("schedules_of_a_word_count_0_to_9", 0..10);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_a_word_count_10_to_19_count_each_word_once() {
    schedules("schedules_of_a_word_count_10_to_19", 10..20);
}

fn schedules(test: &str, numbers: Range<usize>) {
    let mut random = Random::announced(test);
    for number in numbers {
        schedule(number, random.next_u64(), &[]);
    }
}

/// One word count with these values of its pipeline that is killed three or four times,
/// each time with new rows.
fn schedule(number: usize, seed: u64, values: &[(&str, &str)]) {
    let began = Instant::now();
    let mut random = Random::seeded(seed);
    let mut count = WordCount::new();
    values.iter().for_each(|(path, value)| count.set(path, value));
    let (mut deaths, mut rows) = (Vec::new(), 0);
    for kill in 0..random.between(3, 5) as usize {
        let name = format!("text{kill}");
        let bytes = random.between(TEXT_BYTES.start, TEXT_BYTES.end) as usize;
        let text = text::unique_rows(&name, &mut random, bytes);
        // What the first run finds may be in the log before it dies.
        rows += if kill == 0 { 0 } else { text.lines().count() };
        count.write(&name, text);
        deaths.push(match kill % 2 {
            0 => {
                let (point, most) = POINTS[(number * 2 + kill / 2) % POINTS.len()];
                let point = format!("{point}:{}", random.between(1, most + 1));
                let status = count.run_until_crash(&point);
                format!("{point} ({status})")
            }
            _ => killed_at_a_moment(&count, &mut random),
        });
        count.files();
    }
    assert!(rows >= ROWS_MIN, "{rows} rows are too few");
    count.run();
    let mut node = count.broker();
    let latest = audit::topics(&node, &count.input());
    assert!(node.stop().success(), "the broker stops in order");
    assert_same(&latest, &count.expected());
    assert_same(&count.counts(), &latest);
    println!(
        "schedule {number} of seed {seed}: {rows} rows acknowledged from the first kill on, \
         {deaths:?}, {:.1?}",
        began.elapsed()
    );
}

/// Kills a run some time after a topic has grown.
fn killed_at_a_moment(count: &WordCount, random: &mut Random) -> String {
    let topic = ["lines", "words", "counts"][random.between(0, 3) as usize];
    let before = count.log_bytes(topic);
    let mut process = count.start(&[]);
    until("growth of a topic", limits::RUN, || {
        let grows = count.log_bytes(topic) > before;
        (grows || process.status().is_some()).then_some(())
    });
    let moment = Duration::from_millis(random.between(0, 300));
    let began = Instant::now();
    while began.elapsed() < moment && process.status().is_none() {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    match process.status() {
        Some(status) => assert!(status.success(), "longshore run ended with {status}"),
        None => process.kill(),
    }
    format!("{moment:?} after {topic} grew")
}
