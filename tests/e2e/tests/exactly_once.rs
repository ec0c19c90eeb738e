//! Exactly-once under kills: seeded schedules of kills of broker and producers, the
//! broker's at named points too, and a checker over what was written and read.
#![allow(missing_docs, reason = "tests")]

use std::path::PathBuf;

use longshore_e2e::beside::side_by_side;
use longshore_e2e::exactly_once::schedule::{Report, Schedule};
use longshore_e2e::history::Violation;
use longshore_e2e::random::Random;
use longshore_e2e::{Node, paths};

/// Chooses the fault of the broker `sabotaged`.
const SABOTAGE: &str = "LONGSHORE_SABOTAGE";

#[test]
fn four_schedules_of_kills_leave_every_record_once() {
    schedules("four_schedules_of_kills", 0..4);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_kills_0_to_19_leave_every_record_once() {
    schedules("schedules_0_to_19", 0..20);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_kills_20_to_39_leave_every_record_once() {
    schedules("schedules_20_to_39", 20..40);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_kills_40_to_59_leave_every_record_once() {
    schedules("schedules_40_to_59", 40..60);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_kills_60_to_79_leave_every_record_once() {
    schedules("schedules_60_to_79", 60..80);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_kills_80_to_99_leave_every_record_once() {
    schedules("schedules_80_to_99", 80..100);
}

/// Schedules within which a broker with a fault must be caught.
const CAUGHT_WITHIN: usize = 5;

#[test]
fn a_broker_that_acknowledges_before_it_writes_is_caught() {
    is_caught("acknowledge-early", |violation| matches!(violation, Violation::Lost { .. }));
}

#[test]
fn a_broker_that_skips_the_abort_index_is_caught() {
    is_caught("skip-abort-index", |violation| matches!(violation, Violation::AbortedRead { .. }));
}

/// The same schedules and the same checker, over a broker with a fault built in.
fn is_caught(fault: &str, as_what: impl Fn(&Violation) -> bool) {
    let mut random = Random::announced(fault);
    for number in 0..CAUGHT_WITHIN {
        let seed = random.next_u64();
        let broker = Node::with().program(paths::sabotaged()).environment(SABOTAGE, fault);
        let (violations, report) = Schedule { seed, number, producer: producer(), broker }.run();
        println!("{fault}, schedule {number}: {} violations; {report}", violations.len());
        if let Some(found) = violations.iter().find(|violation| as_what(violation)) {
            println!("{fault}, schedule {number}: {found}");
            return;
        }
    }
    panic!("{CAUGHT_WITHIN} schedules did not catch {fault}");
}

/// The program that is one producer.
fn producer() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_longshore-e2e-producer"))
}

fn schedules(test: &str, numbers: std::ops::Range<usize>) {
    let mut random = Random::announced(test);
    let schedules: Vec<_> = numbers
        .map(|number| {
            let seed = random.next_u64();
            Schedule { seed, number, producer: producer(), broker: Node::with() }
        })
        .collect();
    let mut total = Report::default();
    for report in side_by_side(&schedules, pass) {
        total.add(&report);
    }
    println!("{test}: {total}");
}

fn pass(schedule: &Schedule) -> Report {
    let (number, seed) = (schedule.number, schedule.seed);
    let (violations, report) = schedule.clone().run();
    println!("schedule {number} of seed {seed}: {report}");
    let said: Vec<_> = violations.iter().take(10).map(ToString::to_string).collect();
    assert!(
        violations.is_empty(),
        "schedule {number} of seed {seed} has {} violations: {said:#?}",
        violations.len()
    );
    report
}
