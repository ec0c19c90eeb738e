//! What a schedule does to workers and broker, drawn from a seed.

use std::time::Duration;

use super::count::SESSION;
use crate::random::Random;

/// The named points at which a worker dies, and how often it may come to each before
/// it does.
pub const WORKER_POINTS: [(&str, u64); 10] = [
    ("source-after-begin", 3),
    ("source-after-produce-before-checkpoint", 3),
    ("source-after-checkpoint-before-commit", 3),
    ("source-after-commit", 3),
    ("processor-after-begin", 6),
    ("processor-after-produce-before-commit", 6),
    ("processor-after-offsets-before-commit", 6),
    ("processor-after-commit", 6),
    ("sink-before-finish", 1),
    ("sink-after-finish-before-commit", 1),
];

/// The same of the broker.
pub const BROKER_POINTS: [(&str, u64); 7] = [
    ("txn-before-store", 60),
    ("txn-after-store", 60),
    ("txn-after-prepare", 30),
    ("txn-between-markers", 40),
    ("txn-before-complete", 30),
    ("group-after-store", 30),
    ("log-marker-before-index", 60),
];

/// Something that happens to a schedule. A worker is named by a number that is drawn
/// among those that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A worker is killed, and back at once.
    KillWorker(u64),
    /// A worker is killed and another comes in its place, later.
    ReplaceWorker(u64),
    /// All workers are killed, and back at once.
    KillWorkers,
    /// A worker dies when it comes to a named point for the nth time, and is back.
    WorkerDiesAt(u64, &'static str, u64),
    /// A worker is killed, and so long after it another, while others take over what
    /// the first one ran.
    KillInTurn(u64, Duration, u64),
    /// A worker is stopped in order, and back.
    StopWorker(u64),
    /// A worker stands still for a while.
    FreezeWorker(u64, Duration),
    /// One more worker comes.
    Join,
    /// The broker is killed.
    KillBroker,
    /// The broker dies when it comes to a named point for the nth time.
    BrokerDiesAt(&'static str, u64),
    /// The broker stands still for a while.
    FreezeBroker(Duration),
    /// A worker and the broker are killed at the same moment.
    KillBoth(u64),
    /// A worker is killed, and so long after it the broker.
    KillBrokerInTurn(u64, Duration),
}

/// How many kinds there are.
const KINDS: u64 = 13;

impl Fault {
    /// The kind, to count by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::KillWorker(_) => "worker killed",
            Self::ReplaceWorker(_) => "worker killed and replaced",
            Self::KillWorkers => "all workers killed",
            Self::WorkerDiesAt(..) => "worker dies at a named point",
            Self::KillInTurn(..) => "two workers killed in turn",
            Self::StopWorker(_) => "worker stopped",
            Self::FreezeWorker(_, pause) if *pause > SESSION => "worker frozen past its session",
            Self::FreezeWorker(..) => "worker frozen",
            Self::Join => "worker added",
            Self::KillBroker => "broker killed",
            Self::BrokerDiesAt(..) => "broker dies at a named point",
            Self::FreezeBroker(_) => "broker frozen",
            Self::KillBoth(_) => "worker and broker killed",
            Self::KillBrokerInTurn(..) => "worker and then broker killed",
        }
    }

    fn draw(kind: u64, random: &mut Random) -> Self {
        let worker = random.next_u64();
        let gap = Duration::from_millis(random.between(0, SESSION.as_millis() as u64 * 3 / 2));
        let pause = |random: &mut Random, most: Duration| {
            Duration::from_millis(random.between(200, most.as_millis() as u64))
        };
        match kind {
            0 => Self::KillWorker(worker),
            1 => Self::ReplaceWorker(worker),
            2 => Self::KillWorkers,
            3 => Self::worker_dies(random.next_u64(), random),
            4 => Self::KillInTurn(worker, gap, random.next_u64()),
            5 => Self::StopWorker(worker),
            6 => Self::FreezeWorker(worker, pause(random, 2 * SESSION)),
            7 => Self::Join,
            8 => Self::KillBroker,
            9 => {
                let at = random.between(0, BROKER_POINTS.len() as u64) as usize;
                let (point, most) = BROKER_POINTS[at];
                Self::BrokerDiesAt(point, random.between(1, most + 1))
            }
            10 => Self::FreezeBroker(pause(random, SESSION)),
            11 => Self::KillBoth(worker),
            _ => Self::KillBrokerInTurn(worker, gap),
        }
    }

    fn worker_dies(at: u64, random: &mut Random) -> Self {
        let (point, most) = WORKER_POINTS[at as usize % WORKER_POINTS.len()];
        Self::WorkerDiesAt(random.next_u64(), point, random.between(1, most + 1))
    }
}

/// The faults of schedule number `number`, in order. Numbers that follow each other
/// take turns at the kinds and at the workers' named points.
pub fn draw(number: usize, random: &mut Random) -> Vec<Fault> {
    let number = number as u64;
    let mut faults = vec![
        Fault::draw(number % KINDS, random),
        Fault::worker_dies(number, random),
        Fault::draw(random.between(0, KINDS), random),
    ];
    random.shuffle(&mut faults);
    faults
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_draws_the_same_faults_again() {
        for number in 0..20 {
            let draw = || draw(number, &mut Random::seeded(7));
            assert_eq!(draw(), draw());
        }
    }

    #[test]
    fn each_kind_and_each_point_of_the_workers_has_its_turn() {
        let mut kinds = BTreeSet::new();
        let mut points = BTreeSet::new();
        for number in 0..100 {
            for fault in draw(number, &mut Random::seeded(number as u64)) {
                kinds.insert(fault.kind());
                if let Fault::WorkerDiesAt(_, point, _) = fault {
                    points.insert(point);
                }
            }
        }
        // A worker is frozen for shorter or longer than its session.
        assert_eq!(kinds.len() as u64, KINDS + 1, "{kinds:?}");
        assert_eq!(points.len(), WORKER_POINTS.len(), "{points:?}");
    }
}
