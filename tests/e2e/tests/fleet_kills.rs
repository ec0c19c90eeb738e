//! Exactly once in a fleet: seeded schedules of kills of workers and broker over
//! files → topic → processors → file sink, each of which ends with every record once.
//! `LONGSHORE_TEST_SEED` repeats a test.
#![allow(missing_docs, reason = "tests")]

use std::ops::Range;

use longshore_e2e::fleet::kills::schedule::Schedule;
use longshore_e2e::schedules;

#[test]
fn a_schedule_of_kills_of_workers_and_broker_ends_with_every_record_once() {
    pass("a_schedule_of_kills_of_a_fleet", 0..1);
}

macro_rules! second_tier {
    ($($name:ident: $numbers:expr;)*) => {$(
        #[test]
        #[ignore = "second tier"]
        fn $name() {
            pass(stringify!($name), $numbers);
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

fn pass(test: &str, numbers: Range<usize>) {
    schedules::pass(test, numbers, |seed, number| Schedule {
        seed,
        number,
        program: None,
        environment: Vec::new(),
    });
}
