//! A word count is killed and started again: every row is in the log once, every
//! word is counted once, and no file of the result is torn or changes.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use longshore_e2e::random::Random;
use longshore_e2e::wait::until;
use longshore_e2e::wordcount::{WordCount, assert_same, counts_in};
use longshore_e2e::{audit, limits, text};

const SIGKILL: i32 = 9;
const TEXT_BYTES: usize = 6 << 20;

#[test]
fn killed_between_append_and_index_it_counts_each_word_once() {
    killed_at("log-append-before-index:40");
}

#[test]
fn killed_in_the_middle_of_a_roll_it_counts_each_word_once() {
    killed_at("log-roll-middle:2");
}

#[test]
fn killed_while_the_log_closes_it_counts_each_word_once() {
    killed_at("log-close-before-marker");
}

#[test]
fn killed_between_produce_and_checkpoint_a_source_repeats_nothing() {
    killed_at("source-after-produce-before-checkpoint:3");
}

#[test]
fn killed_between_checkpoint_and_commit_a_source_repeats_nothing() {
    killed_at("source-after-checkpoint-before-commit:3");
}

#[test]
fn killed_between_produce_and_offsets_a_processor_repeats_nothing() {
    killed_at("processor-after-produce-before-commit:3");
}

#[test]
fn killed_between_offsets_and_commit_a_processor_repeats_nothing() {
    killed_at("processor-after-offsets-before-commit:4");
}

#[test]
#[ignore = "second tier"]
fn killed_at_any_step_of_any_transaction_it_counts_each_word_once() {
    let steps = [
        "source-after-begin",
        "source-after-produce-before-checkpoint",
        "source-after-checkpoint-before-commit",
        "source-after-commit",
        "processor-after-begin",
        "processor-after-produce-before-commit",
        "processor-after-offsets-before-commit",
        "processor-after-commit",
    ];
    for step in steps {
        for time in [1, 2, 5] {
            killed_at(&format!("{step}:{time}"));
        }
    }
}

#[test]
fn killed_before_a_file_is_finished_the_sink_writes_it_once() {
    killed_at("sink-before-finish");
}

#[test]
fn killed_between_file_and_commit_the_sink_writes_it_once() {
    killed_at("sink-after-finish-before-commit");
}

#[test]
fn at_five_seeded_kills_it_counts_each_word_once() {
    seeded_kills("at_five_seeded_kills_it_counts_each_word_once", 5);
}

#[test]
#[ignore = "second tier"]
fn at_thirty_seeded_kills_it_counts_each_word_once() {
    seeded_kills("at_thirty_seeded_kills_it_counts_each_word_once", 30);
}

/// A word count that dies once, at a crash point, and is run again.
fn killed_at(point: &str) {
    let mut random = Random::announced(point);
    let mut count = small_segments();
    for name in ["a", "b", "c"] {
        count.write(name, text::unique_rows(name, &mut random, TEXT_BYTES / 3));
    }
    let status = count.run_until_crash(point);
    assert_eq!(status.signal(), Some(SIGKILL), "it died at {point}: {status}");
    let finished = files(&count);
    count.run();
    check(&count, &finished);
}

/// Kills at any moment, every other one from the start of the process on, the
/// others from when a topic grows; each run has rows of its own to count, besides
/// what the one before it left.
fn seeded_kills(test: &str, kills: usize) {
    let mut random = Random::announced(test);
    let count = small_segments();
    count.write("first", text::unique_rows("first", &mut random, 1 << 20));
    let began = Instant::now();
    count.run();
    let longest = began.elapsed().as_micros() as u64;
    let mut finished = files(&count);
    let mut killed = 0;
    for run in 0..kills * 5 {
        if killed == kills {
            break;
        }
        let name = format!("more{run}");
        let bytes = random.between(1 << 20, 4 << 20) as usize;
        count.write(&name, text::unique_rows(&name, &mut random, bytes));
        let topic = ["lines", "words", "counts"][random.between(0, 3) as usize];
        let before = count.log_bytes(topic);
        let mut process = count.start(&[]);
        let moment = if killed.is_multiple_of(2) {
            Duration::from_micros(random.between(0, longest))
        } else {
            until("growth of a topic", limits::RUN, || {
                let grows = count.log_bytes(topic) > before;
                (grows || process.status().is_some()).then_some(())
            });
            Duration::from_micros(random.between(0, longest / 10))
        };
        let began = Instant::now();
        while began.elapsed() < moment && process.status().is_none() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        // A run that was quicker than its kill must have come to a good end.
        match process.status() {
            Some(status) => assert!(status.success(), "longshore run ended with {status}"),
            None => {
                process.kill();
                killed += 1;
                println!("kill {killed}: {moment:?}, {topic} had {before} bytes");
            }
        }
        let now = files(&count);
        kept(&finished, &now);
        finished = now;
    }
    assert_eq!(killed, kills, "most runs were quicker than their kill");
    count.run();
    check(&count, &finished);
}

/// Segments that roll within a small text, though the largest batch fits.
fn small_segments() -> WordCount {
    let mut count = WordCount::new();
    for topic in ["lines", "words", "counts"] {
        count.set(&format!("topics.{topic}.segment.bytes"), "1500000");
        count.set(&format!("topics.{topic}.index.interval.bytes"), "1024");
    }
    count
}

/// The result's files, none of which may be torn at any moment.
fn files(count: &WordCount) -> BTreeMap<String, Vec<u8>> {
    counts_in(&count.result());
    count.files()
}

/// A finished file stays, and never changes.
fn kept(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in before {
        assert!(after.get(name) == Some(bytes), "{name} was lost or changed");
    }
}

/// Exact, in every topic and in the result.
fn check(count: &WordCount, finished: &BTreeMap<String, Vec<u8>>) {
    kept(finished, &files(count));
    let mut node = count.broker();
    let latest = audit::topics(&node, &count.input());
    assert!(node.stop().success(), "the broker stops in order");
    let expected = count.expected();
    assert_same(&latest, &expected);
    assert_same(&count.counts(), &expected);
}
