//! How slowly a request may come, or an answer go.
//!
//! A client that sends a byte a second is never idle, and would hold its place,
//! and the memory of its request, for years. Nor does one that was fast at first
//! have time for ever: what is saved up is bounded.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// The pace of one frame.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    began: Instant,
    /// When the time that the client has saved up is used.
    deadline: Instant,
    /// The most that can be saved up.
    grace: Duration,
    bytes: usize,
    last_byte: Instant,
    /// Bytes of the half of the window that is under way, and of the one before.
    halves: [usize; 2],
    half_began: Instant,
}

const HALF_WINDOW: Duration = Duration::from_millis(limits::PACE_WINDOW.as_millis() as u64 / 2);

impl Pace {
    /// A frame begins, with a grace of `idle_max` at most.
    pub(super) fn begin(idle_max: Duration) -> Self {
        let (now, grace) = (Instant::now(), limits::FRAME_STALL.min(idle_max));
        Self {
            began: now,
            deadline: now + grace,
            grace,
            bytes: 0,
            last_byte: now,
            halves: [0; 2],
            half_began: now,
        }
    }

    /// The broker itself did not read for so long.
    pub(super) fn excuse(&mut self, pause: Duration) {
        for instant in
            [&mut self.began, &mut self.deadline, &mut self.last_byte, &mut self.half_began]
        {
            *instant += pause;
        }
    }

    /// So many bytes came.
    pub(super) fn came(&mut self, bytes: usize, now: Instant) {
        self.turn(now);
        self.halves[0] += bytes;
        self.bytes += bytes;
        self.last_byte = now;
        let earned =
            Duration::from_micros(bytes as u64 * 1_000_000 / limits::FRAME_BYTES_PER_SECOND_MIN);
        self.deadline = (self.deadline + earned).min(now + self.grace);
    }

    /// When the frame is too slow if nothing more comes.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Bytes that came, since when, and how long none did.
    pub(super) fn so_far(&self, now: Instant) -> (usize, Duration, Duration) {
        let since = |instant| now.saturating_duration_since(instant);
        (self.bytes, since(self.began), since(self.last_byte))
    }

    /// Bytes a second of late; `None` while it is too early to tell.
    pub(super) fn bytes_per_second(&mut self, now: Instant) -> Option<u64> {
        if now.saturating_duration_since(self.began) < limits::PACE_WINDOW {
            return None;
        }
        self.turn(now);
        let covered = HALF_WINDOW + now.saturating_duration_since(self.half_began);
        let bytes = self.halves.iter().sum::<usize>() as u64;
        Some(bytes * 1000 / (covered.as_millis() as u64).max(1))
    }

    /// Begins a new half of the window when the one under way is over.
    fn turn(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.half_began);
        if passed < HALF_WINDOW {
            return;
        }
        let before = if passed < limits::PACE_WINDOW { self.halves[0] } else { 0 };
        self.halves = [0, before];
        self.half_began = match passed < limits::PACE_WINDOW {
            true => self.half_began + HALF_WINDOW,
            false => now,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1 << 10;

    fn pace() -> (Pace, impl Fn(u64) -> Instant) {
        let pace = Pace::begin(Duration::from_secs(600));
        let began = pace.began;
        (pace, move |seconds| began + Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn a_byte_a_second_is_too_slow_and_a_thin_line_is_not() {
        let (mut drip, at) = pace();
        (1..=30).for_each(|second| drip.came(1, at(second)));
        assert!(drip.deadline() < at(31));
        drip.excuse(Duration::from_secs(7));
        assert!(drip.deadline() > at(37));

        let (mut thin, at) = pace();
        for second in 1..1000 {
            thin.came(40 * KIB, at(second));
            assert!(thin.deadline() > at(second), "{second}");
        }
    }

    #[tokio::test]
    async fn who_was_fast_at_first_may_not_be_slow_for_long() {
        let (mut burst, at) = pace();
        burst.came(90 << 20, at(1));
        (2..=31).for_each(|second| burst.came(1, at(second)));
        assert!(burst.deadline() < at(32), "{:?}", burst.deadline() - at(0));
    }

    #[tokio::test]
    async fn the_pace_of_late_forgets_what_was_before() {
        let (mut pace, at) = pace();
        pace.came(90 << 20, at(1));
        assert_eq!(pace.bytes_per_second(at(1)), None, "it has only begun");
        (2..=5).for_each(|second| pace.came(100 * KIB, at(second)));
        let late = pace.bytes_per_second(at(5)).unwrap();
        assert!((90 * KIB as u64..=220 * KIB as u64).contains(&late), "{late}");
        assert_eq!(pace.bytes_per_second(at(8)), Some(0));
    }
}
