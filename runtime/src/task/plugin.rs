//! What the loops ask of a plugin's instance.
//!
//! The WASM host's instances are the implementation; a loop knows nothing of
//! guests. An instance that answered an error other than a fault is dead; the
//! loops drop an instance after any error and open another.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::error::TaskError;
use super::failures::Failure;
use crate::batch::Batch;
use crate::kafka::TopicPartition;

/// A source's place in one partition of its system, as JSON objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Kafka Connect's source partition.
    pub partition: String,
    /// Kafka Connect's source offset; `None` deletes it.
    pub offset: Option<String>,
}

/// Records for a topic.
#[derive(Debug, Clone)]
pub struct Output {
    /// The topic.
    pub topic: String,
    /// The partition; `None` lets the key choose.
    pub partition: Option<i32>,
    /// The records.
    pub batch: Batch,
}

/// What a source is to be asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Poll again at once.
    More,
    /// Nothing now.
    Idle,
    /// This task has read all that it ever will.
    Done,
    /// The set of tasks should change.
    Replan,
}

/// How a source ends a transaction, where it may say so (`transaction.boundary=connector`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionEnd {
    /// With what this poll brought.
    Commit,
    /// Its records are given up, this poll's too; what was saved stays saved.
    Abort,
}

/// Something that a source read and could make no record of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// As it was read.
    pub payload: Vec<u8>,
    /// Why.
    pub failure: Failure,
}

/// What a poll brought.
#[derive(Debug, Clone)]
pub struct Polled {
    /// Records.
    pub outputs: Vec<Output>,
    /// What cannot become a record.
    pub refused: Vec<Refused>,
    /// Durable never before the outputs.
    pub saved: Vec<Checkpoint>,
    /// Whether the transaction ends here.
    pub end: Option<TransactionEnd>,
    /// What next.
    pub next: Next,
}

/// One record refused, with its index in the call's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Index in the input batch.
    pub at: u32,
    /// Why.
    pub failure: Failure,
}

/// What became of the records of a `put`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Those refused.
    pub rejects: Vec<Reject>,
    /// Indices of those that the connector's transforms dropped: nobody will answer for
    /// them.
    pub filtered: Vec<u32>,
    /// A part of the batch was not put yet: once the dead letters of `rejects` are written
    /// the same batch is to be put again.
    pub more: bool,
}

impl From<Vec<Reject>> for Taken {
    fn from(rejects: Vec<Reject>) -> Self {
        Self { rejects, ..Self::default() }
    }
}

/// Everything below `next` is durable in a sink's system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The partition.
    pub partition: TopicPartition,
    /// One past the last durable offset.
    pub next: i64,
}

/// A record refused after `put` had taken it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateReject {
    /// Where the record is from.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: i64,
    /// Why.
    pub failure: Failure,
}

/// What became durable in a sink.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// How far each partition is.
    pub marks: Vec<Mark>,
    /// Records refused late.
    pub rejects: Vec<LateReject>,
    /// Partitions in trouble, with why.
    pub stalled: Vec<(TopicPartition, TaskError)>,
}

/// What processing a batch brought.
#[derive(Debug, Clone, Default)]
pub struct Processed {
    /// Records for topics.
    pub outputs: Vec<Output>,
    /// Input records refused.
    pub rejects: Vec<Reject>,
    /// Changes of the state: keys with their new values, null for deleted.
    pub changes: Batch,
}

/// An open source task.
#[async_trait]
pub trait SourcePlugin: Send {
    /// Returns within `wait` even if there is nothing; about `max_bytes`.
    async fn poll(&mut self, wait: Duration, max_bytes: u32) -> Result<Polled, TaskError>;
    /// The first `polls` polls are durable.
    async fn committed(&mut self, polls: u64) -> Result<(), TaskError>;
    /// Lets everything go.
    async fn close(self: Box<Self>);
}

/// An open sink task.
#[async_trait]
pub trait SinkPlugin: Send {
    /// These partitions come; marks say where the sink is.
    async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Mark>, TaskError>;
    /// These partitions go: make durable what can be.
    async fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<Progress, TaskError>;
    /// Takes records of one partition, in offset order; `topic` is its name after the
    /// transforms.
    async fn put(
        &mut self,
        from: &TopicPartition,
        topic: &str,
        batch: Arc<Batch>,
    ) -> Result<Taken, TaskError>;
    /// About once a second.
    async fn tick(&mut self) -> Result<Progress, TaskError>;
    /// Make everything durable now.
    async fn drain(&mut self) -> Result<Progress, TaskError>;
    /// Bytes of batches that the sink still holds.
    fn held_bytes(&self) -> usize;
    /// Lets everything go.
    async fn close(self: Box<Self>);
}

/// An open processor, for one partition number.
#[async_trait]
pub trait ProcessorPlugin: Send {
    /// Takes back state from the changelog, before the first `process`.
    fn restore(&mut self, changes: &Batch) -> Result<(), TaskError>;
    /// Processes one input batch.
    async fn process(&mut self, topic: &str, batch: Arc<Batch>) -> Result<Processed, TaskError>;
    /// Lets everything go.
    async fn close(self: Box<Self>);
}
