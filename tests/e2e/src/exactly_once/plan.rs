//! What a schedule does to the broker and the producers, drawn from a seed.

use std::time::Duration;

use crate::random::Random;

/// The named points at which the broker of a schedule dies, and how often it may
/// come to each before it does.
pub const POINTS: [(&str, u64); 16] = [
    ("txn-before-store", 200),
    ("txn-after-store", 200),
    ("txn-after-prepare", 60),
    ("txn-between-markers", 100),
    ("txn-before-complete", 60),
    ("group-after-store", 30),
    ("log-marker-before-index", 100),
    ("log-append-before-index", 400),
    ("log-roll-middle", 3),
    ("log-flush-before-checkpoint", 4),
    ("log-retain-middle", 1),
    ("clean-after-write", 3),
    ("clean-before-swap", 3),
    ("clean-middle-of-swap", 3),
    ("clean-after-swap", 3),
    (WHILE_STOPPING, 1),
];

/// The point that is only come to in an orderly stop.
pub const WHILE_STOPPING: &str = "log-close-before-marker";

/// Something that happens to a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The broker is killed, whatever it is at.
    Kill,
    /// The broker is killed, and again so long after its next start.
    KillWhileStarting(Duration),
    /// The broker dies when it comes to a named point for the nth time.
    CrashAt(&'static str, u64),
    /// The broker is stopped in order.
    Stop,
    /// The broker stands still for a while.
    Pause(Duration),
    /// A producer is killed and begins another life.
    KillProducer(u64),
    /// A producer stands still for a while.
    PauseProducer(u64, Duration),
}

impl Fault {
    /// The kind, to count by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill => "broker killed",
            Self::KillWhileStarting(_) => "broker killed while it starts",
            Self::CrashAt(..) => "broker dies at a named point",
            Self::Stop => "broker stopped",
            Self::Pause(_) => "broker paused",
            Self::KillProducer(_) => "producer killed",
            Self::PauseProducer(..) => "producer paused",
        }
    }
}

/// The faults of schedule number `number`, in order. Numbers that follow each other
/// take turns at the named points.
pub fn draw(number: usize, random: &mut Random) -> Vec<Fault> {
    let (point, most) = POINTS[number % POINTS.len()];
    let mut faults = vec![
        Fault::CrashAt(point, random.between(1, most + 1)),
        Fault::Kill,
        Fault::KillProducer(random.next_u64()),
    ];
    for _ in 0..random.between(1, 4) {
        let milliseconds = random.between(1, 400);
        let while_short = Duration::from_millis(milliseconds);
        faults.push(match random.between(0, 7) {
            0 => Fault::Kill,
            1 => Fault::KillWhileStarting(Duration::from_micros(milliseconds * 250)),
            2 => {
                let (point, most) = POINTS[random.between(0, 7) as usize];
                Fault::CrashAt(point, random.between(1, most + 1))
            }
            3 => Fault::Stop,
            4 => Fault::Pause(while_short),
            5 => Fault::KillProducer(random.next_u64()),
            _ => Fault::PauseProducer(random.next_u64(), while_short),
        });
    }
    random.shuffle(&mut faults);
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_faults_again_and_each_point_has_its_turn() {
        for (number, (point, _)) in POINTS.iter().enumerate() {
            let faults = draw(number, &mut Random::seeded(7));
            assert_eq!(faults, draw(number, &mut Random::seeded(7)));
            let named = |fault: &Fault| matches!(fault, Fault::CrashAt(named, _) if named == point);
            assert!(faults.iter().any(named), "{number}: {faults:?}");
            assert!(faults.contains(&Fault::Kill));
        }
    }
}
