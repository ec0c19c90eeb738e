//! Seeded schedules of faults, each of which must end without a violation.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::ops::Range;

use crate::beside::side_by_side;
use crate::random::Random;

/// A schedule, which draws all that it does from a seed.
pub trait Scheduled: Sync {
    /// What it may have against what came of it.
    type Violation: Display;
    /// What it has done.
    type Report: Report;

    /// Runs from its start to the verdict.
    fn run(&self) -> (Vec<Self::Violation>, Self::Report);
}

/// What schedules have done.
pub trait Report: Default + Display + Send {
    /// Adds another's figures.
    fn add(&mut self, other: &Self);
}

/// What was done to those that a schedule is about.
#[derive(Debug, Clone, Default)]
pub struct Suffered {
    /// Faults by their kind.
    pub faults: BTreeMap<&'static str, usize>,
    /// The named points at which something died.
    pub points: BTreeMap<&'static str, usize>,
}

impl Suffered {
    /// Adds what another did.
    pub fn add(&mut self, other: &Self) {
        for (all, more) in [(&mut self.faults, &other.faults), (&mut self.points, &other.points)] {
            for (name, count) in more {
                *all.entry(name).or_default() += count;
            }
        }
    }

    /// Notes a fault of this kind.
    pub fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Notes that something died at this point.
    pub fn point(&mut self, point: &'static str) {
        *self.points.entry(point).or_default() += 1;
    }
}

impl Display for Suffered {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}, {:?}", self.faults, self.points)
    }
}

/// Runs the schedules of these numbers, each with a seed drawn for the test, and prints
/// what they have done together.
///
/// # Panics
/// When one has a violation.
pub fn pass<S: Scheduled>(test: &str, numbers: Range<usize>, schedule: impl Fn(u64, usize) -> S) {
    let mut random = Random::announced(test);
    let schedules: Vec<_> = numbers
        .map(|number| {
            let seed = random.next_u64();
            (number, seed, schedule(seed, number))
        })
        .collect();
    let mut total = S::Report::default();
    for report in side_by_side(&schedules, |(number, seed, one)| pass_one(*number, *seed, one)) {
        total.add(&report);
    }
    println!("{test}: {total}");
}

fn pass_one<S: Scheduled>(number: usize, seed: u64, schedule: &S) -> S::Report {
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
