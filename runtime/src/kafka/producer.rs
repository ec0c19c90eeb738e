//! Producing in bulk: batches in, one receipt a batch out.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::error::ProduceError;
use super::types::OffsetCommit;
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

/// A producer whose records become visible together, or never, and with them
/// the offsets that they came from (KIP-98).
///
/// Its `transactional.id` belongs to one piece of work: [`init`] takes it from
/// whoever had it before. One transaction is open at a time. After any error
/// the producer is of no use but to [`abort`]; what became of the transaction
/// is decided, and shows, once the next producer of the id has begun.
///
/// [`init`]: TransactionalProducer::init
/// [`abort`]: TransactionalProducer::abort
#[async_trait]
pub trait TransactionalProducer: Send + Sync {
    /// Sends records into the open transaction.
    fn records(&self) -> &dyn Producer;

    /// Why the open transaction failed, when a record of it failed with `error`.
    /// The first failure makes the client give up all other records of the
    /// transaction, and one of these may be heard of first.
    fn cause(&self, error: ProduceError) -> ProduceError;

    /// Ends what an earlier producer of the id left open, and fences that
    /// producer. To be called once, before anything that depends on what is
    /// committed is read.
    async fn init(&self) -> Result<(), ProduceError>;

    /// Opens a transaction.
    async fn begin(&self) -> Result<(), ProduceError>;

    /// Has the group's offsets committed with the transaction. The group has no
    /// members: the producer's id is what fences.
    async fn send_offsets(
        &self,
        group_id: &str,
        offsets: &[OffsetCommit],
    ) -> Result<(), ProduceError>;

    /// Makes all that was sent visible, at once.
    async fn commit(&self) -> Result<(), ProduceError>;

    /// Gives up what was sent, as far as the producer still can: otherwise
    /// readers wait for the next producer of the id, or for the transaction's
    /// time-out.
    async fn abort(&self);
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
