//! Connections that are open, by listener.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Counts for each listener, by its place in the configuration.
#[derive(Debug)]
pub(crate) struct ConnectionCounts {
    open: Box<[AtomicU64]>,
}

/// One open connection; it is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    counts: Arc<ConnectionCounts>,
    listener: usize,
}

impl ConnectionCounts {
    pub(crate) fn new(listeners: usize) -> Self {
        Self { open: (0..listeners).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(crate) fn opened(self: &Arc<Self>, listener: usize) -> OpenConnection {
        self.open[listener].fetch_add(1, Ordering::Relaxed);
        OpenConnection { counts: Arc::clone(self), listener }
    }

    pub(super) fn open(&self) -> impl Iterator<Item = u64> {
        self.open.iter().map(|count| count.load(Ordering::Relaxed))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.counts.open[self.listener].fetch_sub(1, Ordering::Relaxed);
    }
}
