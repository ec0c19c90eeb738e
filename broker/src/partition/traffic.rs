//! What went in and out of a partition since the start.

use std::sync::atomic::{AtomicU64, Ordering};

use kafka_protocol::error::ResponseError;

use super::{error::PartitionError, handle::Appended};

/// Counts of one partition, which its topic's metrics add up.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    messages_in: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    bytes_rejected: AtomicU64,
    produces: AtomicU64,
    failed_produces: AtomicU64,
    fetches: AtomicU64,
    failed_fetches: AtomicU64,
}

/// The counts at one moment, or the sum of several.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrafficCounts {
    pub(crate) messages_in: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_rejected: u64,
    pub(crate) produces: u64,
    pub(crate) failed_produces: u64,
    pub(crate) fetches: u64,
    pub(crate) failed_fetches: u64,
}

impl Traffic {
    /// Records came in, a client's or the broker's own.
    pub(super) fn appended(&self, records: u64, bytes: usize) {
        add(&self.messages_in, records);
        add(&self.bytes_in, bytes as u64);
    }

    /// A client's batch of so many bytes was taken or refused.
    pub(super) fn produced(&self, bytes: usize, outcome: &Result<Appended, PartitionError>) {
        add(&self.produces, 1);
        let Err(error) = outcome else { return };
        add(&self.failed_produces, u64::from(is_failure(error)));
        if is_too_large(error.code()) {
            add(&self.bytes_rejected, bytes as u64);
        }
    }

    /// A fetch looked here and found so many bytes, or failed.
    pub(super) fn fetched(&self, outcome: Result<usize, &PartitionError>) {
        add(&self.fetches, 1);
        match outcome {
            Ok(bytes) => add(&self.bytes_out, bytes as u64),
            Err(error) => add(&self.failed_fetches, u64::from(is_failure(error))),
        }
    }

    /// The look before, which found a batch larger than it might take, goes on
    /// and takes it: still the same fetch.
    pub(super) fn fetched_more(&self, bytes: usize) {
        add(&self.bytes_out, bytes as u64);
    }

    /// Adds the counts of this moment.
    pub(crate) fn add_to(&self, counts: &mut TrafficCounts) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        counts.messages_in += load(&self.messages_in);
        counts.bytes_in += load(&self.bytes_in);
        counts.bytes_out += load(&self.bytes_out);
        counts.bytes_rejected += load(&self.bytes_rejected);
        counts.produces += load(&self.produces);
        counts.failed_produces += load(&self.failed_produces);
        counts.fetches += load(&self.fetches);
        counts.failed_fetches += load(&self.failed_fetches);
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

fn is_too_large(code: ResponseError) -> bool {
    matches!(code, ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge)
}

/// Whether Kafka's meters of failed requests count it (`ReplicaManager`): they leave
/// out what clients must expect, since leaders move and batches are bounded. A disk
/// that fails counts here, though Kafka tells of it in other metrics alone.
fn is_failure(error: &PartitionError) -> bool {
    use ResponseError as E;
    let code = error.code();
    !is_too_large(code)
        && !matches!(
            code,
            E::NotLeaderOrFollower
                | E::FencedLeaderEpoch
                | E::UnknownLeaderEpoch
                | E::CorruptMessage
                | E::OffsetOutOfRange
        )
}
