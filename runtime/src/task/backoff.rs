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
}

impl Backoff {
    /// Decides about a failed session. `progressed`: something of it became
    /// durable, so that failures before it no longer count. `chance` in 0..1
    /// spreads tasks that failed together: up to a quarter is taken off.
    pub fn decide(
        &mut self,
        patience: &Patience,
        error: &TaskError,
        progressed: bool,
        chance: f64,
    ) -> Verdict {
        if progressed {
            *self = Self::default();
        }
        let asked = match error.remedy {
            Remedy::Stop => return Verdict::GiveUp,
            Remedy::Reopen if self.reopens >= patience.reopen_max => return Verdict::GiveUp,
            Remedy::Reopen => {
                self.reopens += 1;
                None
            }
            Remedy::Retry { after } => after,
        };
        let doubled = FIRST_PAUSE.saturating_mul(1u32 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.min(patience.pause_max).mul_f64(1.0 - chance.clamp(0.0, 1.0) / 4.0);
        // A plugin that knows how long its system wants to be left alone is
        // believed, within the limit.
        Verdict::After(pause.max(asked.unwrap_or_default().min(patience.pause_max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { reopen_max: 3, pause_max: Duration::from_secs(10) };

    fn pauses(backoff: &mut Backoff, error: &TaskError, count: usize) -> Vec<Verdict> {
        (0..count).map(|_| backoff.decide(&PATIENCE, error, false, 0.0)).collect()
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
        let verdict = backoff.decide(&PATIENCE, &TaskError::reopen("trap"), true, 0.0);
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
        let asks = |seconds| TaskError {
            message: "busy".into(),
            remedy: Remedy::Retry { after: Some(Duration::from_secs(seconds)) },
        };
        let verdict = backoff.decide(&PATIENCE, &asks(5), false, 1.0);
        assert_eq!(verdict, Verdict::After(Duration::from_secs(5)));
        let verdict = backoff.decide(&PATIENCE, &asks(600), false, 1.0);
        assert_eq!(verdict, Verdict::After(PATIENCE.pause_max));
        let verdict = backoff.decide(&PATIENCE, &TaskError::retry("down"), false, 1.0);
        assert_eq!(verdict, Verdict::After(Duration::from_millis(600)));
    }
}
