//! Pauses between sessions, and when to give up.

use std::time::Duration;

use super::error::{Remedy, TaskError};

/// First pause; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// How patient a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Sessions in a row that may die without any progress.
    pub reopen_max: u32,
    /// Longest pause (`errors.retry.delay.max.ms`).
    pub pause_max: Duration,
    /// How long in a row a plugin's faults are tried again
    /// (`errors.retry.timeout`); `None` for ever.
    pub retry_timeout: Option<Duration>,
}

/// What follows a failed session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another session after this pause.
    After(Duration),
    /// The task is FAILED.
    GiveUp,
}

/// Counts failures in a row.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
    reopens: u32,
    /// When the first of the faults in a row came.
    faulty_since: Option<Duration>,
}

impl Backoff {
    /// The call that failed was answered: the next fault is a first one. Pauses go on
    /// growing until something is durable.
    pub fn recovered(&mut self) {
        self.faulty_since = None;
    }

    /// Decides about a failed session. `progressed`: something of it became
    /// durable, so that failures before it no longer count. `now` counts from any
    /// fixed moment. `chance` in 0..1 spreads tasks that failed together: up to a
    /// quarter is taken off.
    pub fn decide(
        &mut self,
        patience: &Patience,
        error: &TaskError,
        progressed: bool,
        now: Duration,
        chance: f64,
    ) -> Verdict {
        if progressed {
            *self = Self::default();
        }
        let mut left = Duration::MAX;
        let asked = match error.remedy {
            Remedy::Stop => return Verdict::GiveUp,
            Remedy::Reopen if self.reopens >= patience.reopen_max => return Verdict::GiveUp,
            Remedy::Reopen => {
                self.reopens += 1;
                None
            }
            Remedy::Retry { after } => after,
            Remedy::Fault { after } => {
                let since = *self.faulty_since.get_or_insert(now);
                if let Some(timeout) = patience.retry_timeout {
                    left = timeout.saturating_sub(now.saturating_sub(since));
                }
                if left.is_zero() {
                    return Verdict::GiveUp;
                }
                after
            }
        };
        let doubled = FIRST_PAUSE.saturating_mul(1u32 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.min(patience.pause_max).mul_f64(1.0 - chance.clamp(0.0, 1.0) / 4.0);
        // A plugin that knows how long its system wants to be left alone is
        // believed, within the limit. The last try comes when the time is up.
        let asked = asked.unwrap_or_default().min(patience.pause_max);
        Verdict::After(pause.max(asked).min(left))
    }
}

/// A number in 0..1 that spreads tasks which failed together.
pub fn chance() -> f64 {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    f64::from(random) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { reopen_max: 3, pause_max: Duration::from_secs(10), retry_timeout: None };
    const START: Duration = Duration::from_secs(100);

    fn pauses(backoff: &mut Backoff, error: &TaskError, count: usize) -> Vec<Verdict> {
        (0..count).map(|_| backoff.decide(&PATIENCE, error, false, START, 0.0)).collect()
    }

    #[test]
    fn retries_go_on_for_ever_with_growing_pauses_up_to_the_limit() {
        let verdicts = pauses(&mut Backoff::default(), &TaskError::retry("down"), 40);
        let millis = |ms| Verdict::After(Duration::from_millis(ms));
        assert_eq!(verdicts[..3], [millis(200), millis(400), millis(800)]);
        assert_eq!(verdicts[39], millis(10_000));
    }

    #[test]
    fn an_instance_that_keeps_dying_is_given_up() {
        let verdicts = pauses(&mut Backoff::default(), &TaskError::reopen("trap"), 4);
        assert!(verdicts[..3].iter().all(|verdict| *verdict != Verdict::GiveUp));
        assert_eq!(verdicts[3], Verdict::GiveUp);
    }

    #[test]
    fn progress_forgives() {
        let mut backoff = Backoff::default();
        pauses(&mut backoff, &TaskError::reopen("trap"), 3);
        let verdict = backoff.decide(&PATIENCE, &TaskError::reopen("trap"), true, START, 0.0);
        assert_eq!(verdict, Verdict::After(FIRST_PAUSE));
    }

    #[test]
    fn what_only_an_operator_can_mend_fails_at_once() {
        let verdicts = pauses(&mut Backoff::default(), &TaskError::stop("config"), 1);
        assert_eq!(verdicts, [Verdict::GiveUp]);
    }

    #[test]
    fn the_pause_a_plugin_asks_for_is_kept_within_the_limit_and_jitter_shortens_ours() {
        let mut backoff = Backoff::default();
        let asks = |seconds| TaskError::fault("busy", Some(Duration::from_secs(seconds)));
        let verdict = backoff.decide(&PATIENCE, &asks(5), false, START, 1.0);
        assert_eq!(verdict, Verdict::After(Duration::from_secs(5)));
        let verdict = backoff.decide(&PATIENCE, &asks(600), false, START, 1.0);
        assert_eq!(verdict, Verdict::After(PATIENCE.pause_max));
        let verdict = backoff.decide(&PATIENCE, &TaskError::retry("down"), false, START, 1.0);
        assert_eq!(verdict, Verdict::After(Duration::from_millis(600)));
    }

    /// As `RetryWithToleranceOperator` has it: the last try is made when the time is
    /// up, and what fails then has failed.
    #[test]
    fn a_plugins_faults_are_tried_again_until_the_retry_timeout_and_the_clusters_for_ever() {
        let patience = Patience { retry_timeout: Some(Duration::from_secs(1)), ..PATIENCE };
        let fault = TaskError::fault("busy", None);
        let mut backoff = Backoff::default();
        let mut at = |millis, error: &TaskError, progressed| {
            let now = START + Duration::from_millis(millis);
            backoff.decide(&patience, error, progressed, now, 0.0)
        };
        assert_eq!(at(0, &fault, false), Verdict::After(Duration::from_millis(200)));
        assert_eq!(at(200, &fault, false), Verdict::After(Duration::from_millis(400)));
        assert_eq!(at(600, &fault, false), Verdict::After(Duration::from_millis(400)), "cut");
        assert_eq!(at(1_000, &fault, false), Verdict::GiveUp);
        let lost = TaskError::retry("no broker answers");
        assert!(matches!(at(5_000, &lost, false), Verdict::After(_)));
        assert_eq!(at(9_000, &fault, true), Verdict::After(Duration::from_millis(200)));
        assert_eq!(at(9_900, &fault, false), Verdict::After(Duration::from_millis(100)));
        backoff.recovered();
        assert_eq!(
            backoff.decide(&patience, &fault, false, START + Duration::from_hours(1), 0.0),
            Verdict::After(Duration::from_millis(800)),
            "it counts from the first failure of the call"
        );
        let never = Patience { retry_timeout: Some(Duration::ZERO), ..PATIENCE };
        let verdict = Backoff::default().decide(&never, &fault, false, START, 0.0);
        assert_eq!(verdict, Verdict::GiveUp);
    }
}
