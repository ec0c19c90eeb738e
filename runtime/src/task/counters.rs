//! What progress lines show of a connector, counted without locks.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::batch::Batch;

/// One connector's counts since its worker started, summed over its tasks.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records read.
    pub records_in: AtomicU64,
    /// Bytes of their keys and values.
    pub bytes_in: AtomicU64,
    /// Records written.
    pub records_out: AtomicU64,
    /// Bytes of their keys and values.
    pub bytes_out: AtomicU64,
    /// Records that could not be used and were skipped, as
    /// `errors.tolerance=all` allows.
    pub skipped: AtomicU64,
    /// Records between the committed and the end offsets of the inputs, at
    /// the last look.
    pub lag: AtomicU64,
}

impl Counters {
    /// Counts records that came in.
    pub fn read(&self, records: u64, bytes: u64) {
        self.records_in.fetch_add(records, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts records that went out and are durable.
    pub fn wrote(&self, records: u64, bytes: u64) {
        self.records_out.fetch_add(records, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts records skipped.
    pub fn skip(&self, records: u64) {
        self.skipped.fetch_add(records, Ordering::Relaxed);
    }
}

/// Bytes of a batch's keys and values.
pub fn payload_bytes(batch: &Batch) -> u64 {
    let sum = |lengths: &[i32]| lengths.iter().map(|len| (*len).max(0) as u64).sum::<u64>();
    sum(&batch.columns.key_len) + sum(&batch.columns.value_len)
}
