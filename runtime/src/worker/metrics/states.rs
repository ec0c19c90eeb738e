//! How long a task was in which state.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::worker::herder::State;

/// The states of a task since it was assigned here (Kafka Connect's `StateTracker`).
#[derive(Debug, Default)]
pub(in crate::worker) struct StateTimes(Mutex<Times>);

#[derive(Debug, Clone, Copy, Default)]
struct Times {
    now: Option<(State, Instant)>,
    running: Duration,
    paused: Duration,
    all: Duration,
}

/// Parts of all the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ratios {
    pub(super) running: f64,
    pub(super) paused: f64,
}

impl Times {
    fn pass(&mut self, now: Instant) {
        let Some((state, since)) = self.now else { return };
        let passed = now.saturating_duration_since(since);
        self.all += passed;
        match state {
            State::Running => self.running += passed,
            State::Paused => self.paused += passed,
            State::Unassigned | State::Stopped | State::Failed | State::Restarting => {}
        }
        self.now = Some((state, now));
    }
}

impl StateTimes {
    /// The task is in this state from now on. One that goes begins anew if it comes back.
    pub(in crate::worker) fn enter(&self, state: State, now: Instant) {
        let mut times = self.0.lock().expect("no holder panics");
        times.pass(now);
        if state == State::Unassigned {
            *times = Times::default();
        }
        times.now = Some((state, now));
    }

    /// What part of the time it was in which state; NaN before any has passed.
    pub(super) fn ratios(&self, now: Instant) -> Ratios {
        let mut times = *self.0.lock().expect("no holder panics");
        times.pass(now);
        let of = |part: Duration| part.as_secs_f64() / times.all.as_secs_f64();
        Ratios { running: of(times.running), paused: of(times.paused) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_time_since_the_task_was_assigned() {
        let (times, began) = (StateTimes::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert!(times.ratios(at(0)).running.is_nan());
        times.enter(State::Running, at(0));
        times.enter(State::Running, at(1));
        times.enter(State::Paused, at(6));
        assert_eq!(times.ratios(at(8)), Ratios { running: 0.75, paused: 0.25 });
        times.enter(State::Failed, at(8));
        assert_eq!(times.ratios(at(16)), Ratios { running: 0.375, paused: 0.125 });
        times.enter(State::Unassigned, at(20));
        times.enter(State::Running, at(30));
        assert_eq!(times.ratios(at(40)), Ratios { running: 0.5, paused: 0.0 });
    }
}
