//! Producing in bulk: batches in, one receipt a batch out.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::error::ProduceError;
use crate::batch::Batch;

/// Produces batches. Shared by all tasks with the same `producer.override.*`.
///
/// Records of one caller for one partition keep their order. When
/// [`is_fatal`](Producer::is_fatal) turns true the producer must be replaced
/// by a new one.
#[async_trait]
pub trait Producer: Send + Sync {
    /// Hands a batch over; returns once every record is in the producer's
    /// buffer, waiting while that is full. With `partition` `None` keys choose
    /// the partition as Java's clients do, and null keys go anywhere.
    ///
    /// An error means that nothing of the batch was sent; what happens to
    /// single records afterwards is told by the [`Receipt`]. `offset` columns
    /// are not looked at; timestamps below 0 become the time of sending.
    async fn send(
        &self,
        topic: &str,
        partition: Option<i32>,
        batch: &Batch,
    ) -> Result<Receipt, ProduceError>;

    /// Waits until everything sent so far is acknowledged or has failed
    /// (receipts tell which), at most `within`.
    async fn flush(&self, within: Duration) -> Result<(), ProduceError>;

    /// Gives up everything that is not acknowledged; the producer must be
    /// replaced. What is in a socket already may still arrive.
    fn purge(&self);

    /// True once the producer cannot go on (its idempotence failed, or it was
    /// fenced): replace it.
    fn is_fatal(&self) -> bool;
}

/// Completes when every record of a batch is acknowledged by all in-sync
/// replicas. Dropping it loses only the knowledge.
#[derive(Debug)]
pub struct Receipt {
    done: oneshot::Receiver<Result<(), ProduceError>>,
}

impl Receipt {
    /// A receipt and the end that completes it; [`ProduceError::Closed`] when
    /// that end is dropped.
    pub fn new() -> (oneshot::Sender<Result<(), ProduceError>>, Self) {
        let (sender, done) = oneshot::channel();
        (sender, Self { done })
    }

    /// Waits until every record is acknowledged. The first error stands for
    /// the batch: some of the other records may have been written.
    pub async fn wait(self) -> Result<(), ProduceError> {
        self.done.await.unwrap_or(Err(ProduceError::Closed))
    }
}
