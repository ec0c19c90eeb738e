//! Exactly-once under kills: seeded schedules of kills of broker and producers, the
//! broker's at named points too, and a checker over what was written and read.
#![allow(missing_docs, reason = "tests")]

use std::ops::Range;
use std::path::PathBuf;

use longshore_e2e::exactly_once::schedule::Schedule;
use longshore_e2e::history::Violation;
use longshore_e2e::random::Random;
use longshore_e2e::schedules::{self, Scheduled as _};
use longshore_e2e::{Node, paths};

/// Chooses the fault of the broker `sabotaged`.
const SABOTAGE: &str = "LONGSHORE_SABOTAGE";

#[test]
fn four_schedules_of_kills_leave_every_record_once() {
    pass("four_schedules_of_kills", 0..4);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_kills_0_to_19_leave_every_record_once() {
    pass("schedules_0_to_19", 0..20);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_kills_20_to_39_leave_every_record_once() {
    pass("schedules_20_to_39", 20..40);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_kills_40_to_59_leave_every_record_once() {
    pass("schedules_40_to_59", 40..60);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_kills_60_to_79_leave_every_record_once() {
    pass("schedules_60_to_79", 60..80);
}

#[test]
#[ignore = "second tier"]
fn schedules_of_kills_80_to_99_leave_every_record_once() {
    pass("schedules_80_to_99", 80..100);
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

fn pass(test: &str, numbers: Range<usize>) {
    schedules::pass(test, numbers, |seed, number| Schedule {
        seed,
        number,
        producer: producer(),
        broker: Node::with(),
    });
}
