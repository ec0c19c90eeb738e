//! Exactly once in a fleet: seeded schedules of kills of workers and broker over
//! files → topic → processors → file sink, each of which ends with every record once.
//! `LONGSHORE_TEST_SEED` repeats a test.
#![allow(missing_docs, reason = "tests")]

use std::ops::Range;

use longshore_e2e::beside::side_by_side;
use longshore_e2e::fleet::kills::schedule::{Report, Schedule};
use longshore_e2e::random::Random;

#[test]
fn a_schedule_of_kills_of_workers_and_broker_ends_with_every_record_once() {
    schedules("a_schedule_of_kills_of_a_fleet", 0..1);
}

macro_rules! second_tier {
    ($($name:ident: $numbers:expr;)*) => {$(
        #[test]
        #[ignore = "second tier"]
        fn $name() {
            schedules(stringify!($name), $numbers);
        }
    )*};
}

second_tier! {
    schedules_of_a_fleet_0_to_9_end_with_every_record_once: 0..10;
    schedules_of_a_fleet_10_to_19_end_with_every_record_once: 10..20;
    schedules_of_a_fleet_20_to_29_end_with_every_record_once: 20..30;
    schedules_of_a_fleet_30_to_39_end_with_every_record_once: 30..40;
    schedules_of_a_fleet_40_to_49_end_with_every_record_once: 40..50;
    schedules_of_a_fleet_50_to_59_end_with_every_record_once: 50..60;
    schedules_of_a_fleet_60_to_69_end_with_every_record_once: 60..70;
    schedules_of_a_fleet_70_to_79_end_with_every_record_once: 70..80;
    schedules_of_a_fleet_80_to_89_end_with_every_record_once: 80..90;
    schedules_of_a_fleet_90_to_99_end_with_every_record_once: 90..100;
}

fn schedules(test: &str, numbers: Range<usize>) {
    let mut random = Random::announced(test);
    let schedules: Vec<_> = numbers
        .map(|number| {
            let seed = random.next_u64();
            Schedule { seed, number, program: None, environment: Vec::new() }
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
    let (violations, report) = schedule.run();
    println!("schedule {number} of seed {seed}: {report}");
    let said: Vec<_> = violations.iter().take(10).map(ToString::to_string).collect();
    assert!(
        violations.is_empty(),
        "schedule {number} of seed {seed} has {} violations: {said:#?}",
        violations.len()
    );
    report
}
