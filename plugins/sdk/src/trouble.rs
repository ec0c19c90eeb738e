//! What a sink's partition does between a failure and the next try.

use crate::{Fault, host};

/// The first pause after a failure; it doubles with each up to the longest.
const PAUSE_MS_MIN: i64 = 200;
const PAUSE_MS_MAX: i64 = 30_000;

/// Why what was sent last failed, and until when its system is left alone.
#[derive(Debug, Default)]
pub struct Trouble {
    fault: Option<Fault>,
    /// In a row.
    failures: u32,
    paused_until_ms: i64,
}

impl Trouble {
    /// Why, if it is so.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Whether the pause is over, if there is one.
    pub fn may_try(&self) -> bool {
        host::now_ms() >= self.paused_until_ms
    }

    /// What a call came to: nothing, or the worst that went wrong. Answers whether to go
    /// on: nothing is wrong where no more is said than that there was no time for the rest,
    /// `not-sent`.
    pub fn called(&mut self, worst: Option<Fault>) -> bool {
        match worst {
            Some(Fault::Retry(retry)) if retry.why.code == "not-sent" => *self = Self::default(),
            Some(fault) => self.pause(fault),
            None => *self = Self::default(),
        }
        self.fault.is_none()
    }

    /// Leaves the system alone for as long as it asks, or for ever longer.
    fn pause(&mut self, fault: Fault) {
        let asked_ms = match &fault {
            Fault::Retry(retry) => retry.after_ms.map_or(0, i64::from),
            _ => 0,
        };
        let own_ms = (PAUSE_MS_MIN << self.failures.min(20)).min(PAUSE_MS_MAX);
        self.failures += 1;
        self.paused_until_ms = host::now_ms() + asked_ms.max(own_ms);
        self.fault = Some(fault);
    }
}

/// The one that needs more than the other; of two that may pass the longer pause, and that
/// of what was sent before that of what had no turn, `not-sent`.
pub fn worse(one: Option<Fault>, other: Option<Fault>) -> Option<Fault> {
    let weight = |fault: &Fault| match fault {
        Fault::Retry(retry) => (0, retry.why.code != "not-sent", retry.after_ms),
        Fault::Config(_) => (1, true, None),
        Fault::Fatal(_) => (2, true, None),
    };
    match (one, other) {
        (Some(one), Some(other)) if weight(&other) > weight(&one) => Some(other),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testkit::Testkit;

    #[test]
    fn the_worst_is_told() {
        let not_sent = Fault::retry("not-sent", "x");
        let retry = Fault::retry("http-500", "x");
        let later = Fault::retry_after(Duration::from_secs(5), "http-429", "x");
        let rising = [not_sent, retry, later, Fault::config("a", "x"), Fault::fatal("b", "x")];
        for pair in rising.windows(2) {
            let (one, other) = (Some(pair[0].clone()), Some(pair[1].clone()));
            assert_eq!(worse(one.clone(), other.clone()), other);
            assert_eq!(worse(other.clone(), one), other);
        }
    }

    #[test]
    fn pauses_grow_and_end_with_the_trouble() {
        let kit = Testkit::new();
        let mut trouble = Trouble::default();
        for pause_ms in [200, 400, 800] {
            assert!(!trouble.called(Some(Fault::retry("timeout", "x"))));
            kit.advance(Duration::from_millis(pause_ms - 1));
            assert!(!trouble.may_try());
            kit.advance(Duration::from_millis(1));
            assert!(trouble.may_try());
        }
        let asked = Fault::retry_after(Duration::from_secs(60), "http-429", "x");
        assert!(!trouble.called(Some(asked)));
        kit.advance(Duration::from_secs(59));
        assert!(!trouble.may_try());
        assert!(trouble.called(Some(Fault::retry("not-sent", "x"))));
        assert!(trouble.may_try() && trouble.fault().is_none());
    }
}
