//! The names and positions that every Kafka client here speaks of.

use std::fmt;
use std::sync::Arc;

use crate::batch::Batch;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name, shared by all that speak of it.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

/// Kafka's own way to write a partition: `topic-3`.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Where reading a partition starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The first record that the log still holds.
    Earliest,
    /// After the last record that the log holds now.
    Latest,
    /// After the last record that `read_committed` shows now: before the first
    /// one of a transaction that is still open, if there is any.
    LastStable,
    /// The record with this offset, or the first one after it.
    Offset(i64),
}

/// What to do when the position asked for is not in the log (any more), or
/// when a partition has no committed offset: `auto.offset.reset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffsetReset {
    /// Start again at the first record that the log still holds.
    #[default]
    Earliest,
    /// Go on with what is written from now.
    Latest,
    /// Answer the reader with [`ConsumeError::OutOfRange`](super::ConsumeError::OutOfRange).
    Fail,
}

/// What one read of a partition brought.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The partition read.
    pub partition: TopicPartition,
    /// The records, with offsets and timestamps. Empty when only the position
    /// moved: past control records, or past what compaction removed.
    pub batch: Batch,
    /// The position after this read: the offset to commit once everything
    /// before it is done.
    pub next_offset: i64,
    /// The log held nothing beyond `next_offset` when the read was answered.
    pub at_end: bool,
}

/// An offset to commit for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommit {
    /// The partition.
    pub partition: TopicPartition,
    /// The next offset to read: one past the last record that is done.
    pub offset: i64,
    /// Free text kept beside the offset (the fleet's `group.id`).
    pub metadata: String,
}

/// An offset that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The text that was committed with it.
    pub metadata: String,
}
