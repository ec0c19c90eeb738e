//! Failed tasks, and connectors that could not be planned, are started again, with
//! growing pauses.
//!
//! Kafka Connect leaves a failed task alone, and Strimzi's `autoRestart` or a script
//! looks after it. Here its worker does: after the first failure in a row it waits
//! for `errors.restart.delay.ms`, after each further one twice as long, up to
//! `errors.restart.delay.max.ms`. As with Strimzi a task that then ran for longer than
//! it had waited has recovered, and its next failure is a first one. Meanwhile it is
//! FAILED, and its trace says when it starts again.
//!
//! The worker that runs the task counts: one that moves is started at once, and its
//! failures are first ones there.

use std::time::Duration;

/// A task that runs for less has not recovered, however short its pauses are.
const RECOVERY_MIN: Duration = Duration::from_secs(10);

/// A connector's options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// `errors.restart.max`: most restarts in a row; `None` for no limit, 0 for none.
    pub max: Option<u32>,
    /// `errors.restart.delay.ms`: the first pause.
    pub delay: Duration,
    /// `errors.restart.delay.max.ms`: the longest.
    pub delay_max: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { max: None, delay: Duration::from_secs(60), delay_max: Duration::from_secs(3600) }
    }
}

/// A task's failures in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restarts {
    in_a_row: u32,
    /// The last pause.
    waited: Duration,
}

/// A restart to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// Not before this has passed.
    pub after: Duration,
    /// It is this one in a row, from 1.
    pub number: u32,
}

/// How long a session was well that lasted for so long: the tries of a fault
/// (`errors.retry.timeout`) that ended it may be part of it.
pub fn well_for(lasted: Duration, retry_timeout: Option<Duration>) -> Duration {
    lasted.saturating_sub(retry_timeout.unwrap_or_default())
}

impl Restarts {
    /// A task failed after it had run well for this long. `None`: it stays failed.
    pub fn failed(&mut self, policy: &RestartPolicy, ran: Duration) -> Option<Restart> {
        if ran > self.waited.max(RECOVERY_MIN) {
            self.in_a_row = 0;
        }
        if policy.max.is_some_and(|max| self.in_a_row >= max) {
            return None;
        }
        let doubled = policy.delay.saturating_mul(1 << self.in_a_row.min(16));
        self.in_a_row += 1;
        self.waited = doubled.min(policy.delay_max);
        Some(Restart { after: self.waited, number: self.in_a_row })
    }
}

/// What a trace says of the restart to come begins so.
const ANNOUNCED: &str = "\nIt starts again in ";

impl Restart {
    /// A failure's trace, with when the task starts again.
    pub fn announce(&self, cause: &str) -> String {
        format!(
            "{cause}{ANNOUNCED}{} s, for time {} in a row (`errors.restart.max`)",
            self.after.as_secs(),
            self.number
        )
    }
}

/// A trace without what it says of the restart to come.
pub fn cause(trace: &str) -> &str {
    trace.rsplit_once(ANNOUNCED).map_or(trace, |(cause, _)| cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn minutes(restart: Option<Restart>) -> Option<(u64, u32)> {
        restart.map(|restart| (restart.after.as_secs() / 60, restart.number))
    }

    #[test]
    fn pauses_grow_to_an_hour_and_restarts_go_on() {
        let mut restarts = Restarts::default();
        let pauses = (0..9).map(|_| minutes(restarts.failed(&RestartPolicy::default(), SECOND)));
        let found: Vec<_> = pauses.map(|restart| restart.unwrap().0).collect();
        assert_eq!(found, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_task_that_ran_for_longer_than_it_had_waited_has_recovered() {
        let (mut restarts, policy) = (Restarts::default(), RestartPolicy::default());
        for _ in 0..3 {
            restarts.failed(&policy, SECOND);
        }
        assert_eq!(minutes(restarts.failed(&policy, 240 * SECOND)), Some((8, 4)));
        assert_eq!(minutes(restarts.failed(&policy, 481 * SECOND)), Some((1, 1)));
    }

    #[test]
    fn a_fault_that_is_tried_for_longer_than_the_pauses_is_no_recovery() {
        let policy = RestartPolicy { max: Some(3), ..RestartPolicy::default() };
        let (mut restarts, timeout) = (Restarts::default(), Some(600 * SECOND));
        let failures = [(); 4].map(|()| {
            let well = well_for(601 * SECOND, timeout);
            minutes(restarts.failed(&policy, well))
        });
        assert_eq!(failures, [Some((1, 1)), Some((2, 2)), Some((4, 3)), None]);
        assert_eq!(well_for(601 * SECOND, None), 601 * SECOND);
    }

    #[test]
    fn there_are_no_more_restarts_in_a_row_than_asked_for() {
        let policy = RestartPolicy { max: Some(2), ..RestartPolicy::default() };
        let mut restarts = Restarts::default();
        let mut fail = |ran| minutes(restarts.failed(&policy, ran));
        assert_eq!([fail(SECOND), fail(SECOND)], [Some((1, 1)), Some((2, 2))]);
        assert_eq!(fail(SECOND), None);
        assert_eq!(fail(SECOND), None);
        let (mut restarts, at_once) =
            (Restarts::default(), RestartPolicy { delay: Duration::ZERO, ..policy });
        let numbers = [(); 3].map(|()| restarts.failed(&at_once, SECOND).map(|it| it.number));
        assert_eq!(numbers, [Some(1), Some(2), None]);
        let never = RestartPolicy { max: Some(0), ..policy };
        assert_eq!(Restarts::default().failed(&never, SECOND), None);
    }

    #[test]
    fn a_trace_says_when_the_task_starts_again_and_what_failed_can_be_told_alone() {
        let restart = Restart { after: 120 * SECOND, number: 2 };
        let trace = restart.announce("no such folder");
        assert!(trace.contains("in 120 s, for time 2"), "{trace}");
        assert_eq!(cause(&trace), "no such folder");
        assert_eq!(cause("plain"), "plain");
    }
}
