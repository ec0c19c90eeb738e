//! Who waits for memory, and whom that costs its place.
//!
//! Those who hold what others wait for are not all cut off: the slowest are, one
//! after another. **Invariant: nobody is cut off while someone slower is there**,
//! for the pace that is asked for begins where it always is and doubles each second
//! in which nobody was too slow for it; each cut begins it anew.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::limits;

/// Those who wait for memory of one kind.
#[derive(Debug)]
pub(super) struct Demand {
    waiting: AtomicUsize,
    /// Since when nothing was done for them.
    unmet_since: Mutex<Instant>,
}

/// One who waits; also one who gives up is counted off.
pub(super) struct Waiting<'a>(&'a Demand);

impl Demand {
    pub(super) fn new() -> Self {
        Self { waiting: AtomicUsize::new(0), unmet_since: Mutex::new(Instant::now()) }
    }

    pub(super) fn begin(&self) -> Waiting<'_> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            *self.unmet_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        Waiting(self)
    }

    /// Whether anyone waits.
    pub(super) fn is_there(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whether one that comes at this pace is to give way now. Who hears so gives way:
    /// nobody else does for a moment.
    pub(super) fn cuts(&self, bytes_per_second: u64, now: Instant) -> bool {
        if !self.is_there() {
            return false;
        }
        let mut since = self.unmet_since.lock().unwrap_or_else(PoisonError::into_inner);
        let unmet = now.saturating_duration_since(*since);
        if unmet < limits::CUT_PAUSE || bytes_per_second >= pace_asked_for(unmet) {
            return false;
        }
        *since = now;
        true
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn pace_asked_for(unmet: Duration) -> u64 {
    let doubled = u32::try_from(unmet.as_secs()).unwrap_or(u32::MAX).min(16);
    let pace = limits::FRAME_BYTES_PER_SECOND_MIN << doubled;
    pace.min(limits::FRAME_BYTES_PER_SECOND_MIN_SCARCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;

    #[tokio::test]
    async fn the_slowest_give_way_one_by_one_and_the_others_only_when_there_is_none_slower() {
        let demand = Demand::new();
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        assert!(!demand.cuts(0, at(100)), "nobody waits");
        let waiting = demand.begin();
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        assert!(!demand.cuts(100 * KIB, at(100)));
        assert!(demand.cuts(1, at(100)));
        assert!(!demand.cuts(0, at(120)), "what the first gave back may be enough");
        assert!(demand.cuts(0, at(200)));
        // Nobody slower is left.
        assert!(!demand.cuts(100 * KIB, at(2100)));
        assert!(demand.cuts(100 * KIB, at(2300)));
        assert!(!demand.cuts(100 * KIB, at(2400)), "it begins anew");
        assert!(!demand.cuts(1024 * KIB, at(100_000)), "who is fast goes on");
        drop(waiting);
        assert!(!demand.cuts(0, at(100_000)));
    }
}
