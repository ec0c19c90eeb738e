//! What progress lines and metrics show of a task, counted without locks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::meter::Meter;
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
    /// Records of a source that go no further: its transforms dropped them, or could not
    /// take them.
    pub dropped: AtomicU64,
    /// Times that a task was opened again because a connection changed.
    pub reopens: AtomicU64,
    /// Records that failed, and what was done about them.
    pub errors: ErrorCounters,
    /// Commits of offsets, or of a source's checkpoints.
    pub commits: CommitCounters,
    /// Records that no commit covers yet.
    uncommitted: AtomicU64,
    /// How many records were under way: a sink's that no commit covered, a source's that
    /// were not written.
    pub active: Meter,
    /// Records of a source's transaction.
    pub transactions: Meter,
}

/// What Kafka Connect's `connector-task-metrics` tell of commits.
#[derive(Debug, Default)]
pub struct CommitCounters {
    /// Microseconds that those took which succeeded.
    pub times: Meter,
    /// 100 for one that succeeded, 0 for another: the average is a percentage.
    pub successes: Meter,
}

impl CommitCounters {
    /// Measures a commit.
    pub async fn measure<T, E>(&self, commit: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let began = Instant::now();
        let outcome = commit.await;
        self.successes.record(if outcome.is_ok() { 100 } else { 0 });
        if outcome.is_ok() {
            self.times.record(began.elapsed().as_micros() as u64);
        }
        outcome
    }
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

    /// Records read that are still to be written.
    pub fn unwritten(&self) -> u64 {
        let done = self.records_out.load(Ordering::Relaxed) + self.dropped.load(Ordering::Relaxed);
        self.records_in.load(Ordering::Relaxed).saturating_sub(done)
    }

    /// Counts records that wait for a commit. How many do.
    pub fn awaits_commit(&self, records: u64) -> u64 {
        self.uncommitted.fetch_add(records, Ordering::Relaxed) + records
    }

    /// They are committed. How many these were.
    pub fn committed(&self) -> u64 {
        self.uncommitted.swap(0, Ordering::Relaxed)
    }

    /// Records that no commit covers yet.
    pub fn uncommitted(&self) -> u64 {
        self.uncommitted.load(Ordering::Relaxed)
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
