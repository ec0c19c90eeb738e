//! What progress lines and metrics show of a task, counted without locks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::batch::Batch;

/// One task's counts since its worker started, session after session.
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
    /// Times that a task was opened again because a connection changed.
    pub reopens: AtomicU64,
    /// Records that failed, and what was done about them.
    pub errors: ErrorCounters,
}

/// What Kafka Connect's `task-error-metrics` count.
/// (`total-records-skipped` is [`Counters::skipped`].)
#[derive(Debug, Default)]
pub struct ErrorCounters {
    /// `total-record-errors`: records that could not be used.
    pub record_errors: AtomicU64,
    /// `total-record-failures`: failures of records; each failed once.
    pub record_failures: AtomicU64,
    /// `total-retries`: calls that are tried again after a fault that may pass.
    pub retries: AtomicU64,
    /// `total-errors-logged`: lines because of `errors.log.enable`.
    pub errors_logged: AtomicU64,
    /// `deadletterqueue-produce-requests`: dead letters to be sent.
    pub dead_letter_requests: AtomicU64,
    /// `deadletterqueue-produce-failures`: those that could not be sent.
    pub dead_letter_failures: AtomicU64,
    /// `last-error-timestamp`: when the last record failed, in milliseconds since
    /// 1970; 0 if none did.
    pub last_error_timestamp: AtomicU64,
}

impl ErrorCounters {
    /// Counts records that could not be used.
    pub fn failed(&self, records: u64) {
        self.record_errors.fetch_add(records, Ordering::Relaxed);
        self.record_failures.fetch_add(records, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_error_timestamp.store(now.as_millis() as u64, Ordering::Relaxed);
    }

    /// Counts a line of the log.
    pub fn logged(&self) {
        self.errors_logged.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that is to be tried again.
    pub fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }
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

    /// Counts a task that was opened again with a connection that changed.
    pub fn reopen(&self) {
        self.reopens.fetch_add(1, Ordering::Relaxed);
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
