//! The schedules of kills would find a worker that commits a sink's offsets before
//! their records are durable: one with that fault built in is caught by them.
#![allow(missing_docs, reason = "tests")]

use longshore_e2e::fleet::kills::schedule::Schedule;
use longshore_e2e::fleet::kills::verdict::Violation;
use longshore_e2e::paths;
use longshore_e2e::random::Random;
use longshore_e2e::schedules::Scheduled as _;

/// Chooses the fault of the worker `sabotaged-worker`.
const SABOTAGE: &str = "LONGSHORE_SABOTAGE";
/// Schedules within which it must be caught.
const CAUGHT_WITHIN: usize = 3;

#[test]
fn a_worker_that_commits_offsets_before_the_marks_is_caught() {
    let fault = "commit-before-marks";
    let mut random = Random::announced(fault);
    for number in 0..CAUGHT_WITHIN {
        let seed = random.next_u64();
        let environment = vec![(SABOTAGE, fault)];
        let program = Some(paths::sabotaged_worker());
        let (violations, report) = Schedule { seed, number, program, environment }.run();
        println!("{fault}, schedule {number}: {} violations; {report}", violations.len());
        for found in violations.iter().take(10) {
            println!("{fault}, schedule {number}: {found}");
        }
        let early = |found: &Violation| matches!(found, Violation::CommitNotDurable { .. });
        let lost = |found: &Violation| matches!(found, Violation::RecordLost { .. });
        if violations.iter().any(early) && violations.iter().any(lost) {
            return;
        }
    }
    panic!("{CAUGHT_WITHIN} schedules did not catch {fault}");
}
