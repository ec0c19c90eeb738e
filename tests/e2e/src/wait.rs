//! Waiting on a condition that nothing announces.

use std::thread;
use std::time::{Duration, Instant};

use crate::limits;

/// Looks again and again until `condition` has an answer, and gives it.
///
/// # Panics
/// When `deadline` passes first; the message says what was waited for.
pub fn until<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = condition() {
            return answer;
        }
        assert!(started.elapsed() < deadline, "no {what} within {deadline:?}");
        thread::sleep(limits::LOOK_AGAIN);
    }
}
