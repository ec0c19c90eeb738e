//! How connectors and tasks began.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::task::meter::Meter;

/// Starts of connectors, or of tasks.
#[derive(Debug, Default)]
pub(in crate::worker) struct Starts {
    /// Those that were to.
    pub(super) attempts: AtomicU64,
    /// Those that came to work: connectors that were planned, tasks whose plugin was
    /// opened.
    pub(super) successes: AtomicU64,
    /// Those that failed before that.
    pub(super) failures: AtomicU64,
    /// 100 for each success, 0 for each failure: the average is a percentage.
    pub(super) outcomes: Meter,
}

impl Starts {
    /// One is to start.
    pub(in crate::worker) fn attempted(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// It came to work.
    pub(in crate::worker) fn succeeded(&self) {
        self.successes.fetch_add(1, Ordering::Relaxed);
        self.outcomes.record(100);
    }

    /// It failed.
    pub(in crate::worker) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.outcomes.record(0);
    }
}
