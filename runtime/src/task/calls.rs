//! Whether a call of a plugin that failed with a fault has been answered since.
//!
//! `errors.retry.timeout` counts from an operation's first failure until it succeeds
//! (`RetryWithToleranceOperator`), and what succeeds need not make anything durable: a
//! source that has nothing to read polls for hours.

use std::sync::{Mutex, MutexGuard};

use super::error::TaskError;

/// A call whose faults end a session. (Those of `put` and `process` do not: their records
/// are given again.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Of whatever kind the plugin is.
    Open,
    /// A source's.
    Poll,
    /// A source's.
    Committed,
    /// A sink's.
    Assigned,
    /// A sink's.
    Revoked,
    /// A sink's.
    Tick,
    /// A sink's.
    Drain,
}

/// The calls of one task, session after session.
#[derive(Debug, Default)]
pub struct Calls(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Failed, and was not answered since.
    failing: Option<Call>,
    recovered: bool,
}

impl Calls {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }

    /// Nothing failed yet.
    pub fn forget(&self) {
        *self.state() = State::default();
    }

    /// Notes how a call ended.
    pub fn note<T>(&self, call: Call, outcome: &Result<T, TaskError>) {
        let mut state = self.state();
        match outcome {
            Ok(_) if state.failing == Some(call) => {
                *state = State { failing: None, recovered: true };
            }
            Err(error) if error.is_fault() => {
                state.failing.get_or_insert(call);
            }
            _ => {}
        }
    }

    /// Whether the call that failed has been answered, since this was last asked.
    pub fn recovered(&self) -> bool {
        std::mem::take(&mut self.state().recovered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_of_the_call_that_failed_is_a_recovery() {
        let calls = Calls::default();
        let fault = || Err::<(), _>(TaskError::fault("down", None));
        calls.note(Call::Tick, &fault());
        calls.note(Call::Open, &Ok(()));
        calls.note(Call::Drain, &fault());
        calls.note(Call::Drain, &Ok(()));
        assert!(!calls.recovered());
        calls.note(Call::Tick, &Ok(()));
        calls.note(Call::Tick, &fault());
        assert!(calls.recovered() && !calls.recovered());
        calls.note(Call::Tick, &Err::<(), _>(TaskError::reopen("trap")));
        assert!(!calls.recovered());
        calls.forget();
        calls.note(Call::Tick, &Ok(()));
        assert!(!calls.recovered(), "a failure of another run");
    }
}
