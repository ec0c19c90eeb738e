//! Log lines about connections that go wrong, at a bounded rate: whoever can
//! reach a port must not be able to fill the disk with them.

use std::sync::{Mutex, PoisonError};

use crate::clock;

/// Lines in one window.
const LINES_MAX: u32 = 20;

/// The length of a window.
const WINDOW_MS: u64 = 10_000;

/// A bound on log lines.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    since_ms: u64,
    lines: u32,
    left_out: u64,
}

impl Window {
    /// Whether a line may be written at this time, and how many were not
    /// since the last.
    fn admit(&mut self, now_ms: u64) -> Option<u64> {
        if now_ms.saturating_sub(self.since_ms) >= WINDOW_MS {
            self.since_ms = now_ms;
            self.lines = 0;
        }
        if self.lines >= LINES_MAX {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl LogLimit {
    /// Calls `write` if a line may be written; its argument is the number of
    /// lines that were left out before.
    pub(crate) fn line(&self, write: impl FnOnce(u64)) {
        let admitted = {
            let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            window.admit(clock::monotonic_ms())
        };
        if let Some(left_out) = admitted {
            write(left_out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_cut_and_counted() {
        let mut window = Window::default();
        let written = (0..1000).filter(|_| window.admit(50_000).is_some()).count();
        assert_eq!(written, LINES_MAX as usize);
        assert_eq!(window.admit(50_000 + WINDOW_MS), Some(1000 - u64::from(LINES_MAX)));
        assert_eq!(window.admit(50_000 + WINDOW_MS), Some(0));
    }
}
