//! How slowly a request may come.
//!
//! A client that sends a byte a second is never idle, and would hold its place,
//! and the memory of its request, for years.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// The pace of one frame since it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    began: Instant,
    grace_max: Duration,
}

impl Pace {
    /// A frame is given time by the bytes that came, and a grace beside, of
    /// `idle_max` at most.
    pub(super) fn begin(idle_max: Duration) -> Self {
        Self { began: Instant::now(), grace_max: limits::FRAME_STALL.min(idle_max) }
    }

    /// The broker itself did not read for so long.
    pub(super) fn excuse(&mut self, pause: Duration) {
        self.began += pause;
    }

    /// Since when.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Whether a frame of which `bytes` are there by now comes too slowly.
    /// While others wait for the memory that it holds (`wanted`) less time is given.
    pub(super) fn is_too_slow(&self, bytes: usize, wanted: bool, now: Instant) -> bool {
        let (grace, bytes_per_second) = match wanted {
            true => (
                limits::FRAME_STALL_SCARCE.min(self.grace_max),
                limits::FRAME_BYTES_PER_SECOND_MIN_SCARCE,
            ),
            false => (self.grace_max, limits::FRAME_BYTES_PER_SECOND_MIN),
        };
        let allowed = grace + Duration::from_millis(bytes as u64 * 1000 / bytes_per_second);
        now.saturating_duration_since(self.began) > allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_a_second_is_too_slow_and_a_thin_line_is_not() {
        let mut pace = Pace::begin(Duration::from_secs(600));
        let began = pace.began;
        let at = |seconds| began + Duration::from_secs(seconds);
        assert!(!pace.is_too_slow(30, false, at(30)));
        assert!(pace.is_too_slow(31, false, at(31)));
        for seconds in 3..1000 {
            let bytes = seconds as usize * (40 << 10);
            assert!(!pace.is_too_slow(bytes, false, at(seconds)), "{seconds}");
            assert!(pace.is_too_slow(bytes, true, at(seconds)), "{seconds}");
            assert!(!pace.is_too_slow(seconds as usize * (2 << 20), true, at(seconds)));
        }
        pace.excuse(Duration::from_secs(7));
        assert!(!pace.is_too_slow(31, false, at(37)));
    }
}
