//! Consuming in bulk: partitions assigned by hand, batches out.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use super::error::ConsumeError;
use super::types::{CommittedOffset, Fetched, OffsetCommit, Start, TopicPartition};

/// One task's share of its connector's consumer.
///
/// All tasks of a connector on a worker share one client, its memory budget
/// and its group; a partition belongs to at most one of them at a time.
/// Dropping a share gives its partitions up.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Adds partitions, each read from its start. Partitions that this share
    /// holds already go on from where they are.
    async fn assign(&self, partitions: &[(TopicPartition, Start)]) -> Result<(), ConsumeError>;

    /// Gives partitions up; what was read ahead of them is dropped. Those
    /// that are not assigned here are passed over.
    async fn unassign(&self, partitions: &[TopicPartition]) -> Result<(), ConsumeError>;

    /// The partitions assigned here.
    fn assignment(&self) -> Vec<TopicPartition>;

    /// Stops [`next`](Consumer::next) from returning records of these
    /// partitions, and the client from fetching more of them.
    fn pause(&self, partitions: &[TopicPartition]) -> Result<(), ConsumeError>;

    /// Takes a pause back.
    fn resume(&self, partitions: &[TopicPartition]) -> Result<(), ConsumeError>;

    /// Moves a partition's position; what was read ahead is dropped.
    async fn seek(&self, partition: &TopicPartition, to: Start) -> Result<(), ConsumeError>;

    /// The next records of one of the partitions assigned here, in turn:
    /// about `max_bytes` of keys, values and headers at most, but at least one
    /// record. `None` when nothing came within `wait`. Cancel-safe.
    async fn next(&self, max_bytes: usize, wait: Duration)
    -> Result<Option<Fetched>, ConsumeError>;

    /// Commits offsets to the consumer's group without joining it.
    async fn commit(&self, offsets: &[OffsetCommit]) -> Result<(), ConsumeError>;

    /// What the group has committed for these partitions, once no open
    /// transaction may change it; those without a commit are left out.
    async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, CommittedOffset>, ConsumeError>;

    /// The first offset that each partition's log still holds.
    async fn beginning_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>, ConsumeError>;

    /// The offset after the last record of each partition that this consumer shows
    /// now: with `read_committed` those before the first open transaction.
    async fn stable_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>, ConsumeError>;

    /// The offset after the last record of each partition, those of open
    /// transactions too.
    async fn end_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>, ConsumeError>;
}
