//! What stands between a producer and a transaction that the coordinator does not
//! know of (KIP-890).
//!
//! A transactional batch that would *begin* a transaction in a partition is let in
//! only if the coordinator says that the partition belongs to the producer's
//! ongoing transaction. Later batches of it are not asked about: the partition's
//! log knows that it is open. Whoever appends does it in this order:
//!
//! 1. `Partition::has_open_transaction`: if it is, append without a verification;
//! 2. `Partition::begin_verification`, *before* the coordinator is asked;
//! 3. [`TransactionGate::verify`];
//! 4. `Partition::append` with the verification. The log refuses it
//!    (INVALID_TXN_STATE) if a marker of the producer was written since step 2: the
//!    transaction that was asked about is over, and nothing would end another one.

use std::pin::Pin;

use kafka_protocol::error::ResponseError;

use super::{
    coordinator::TransactionCoordinator,
    state::{ClientVersion, Partitions, ProducerIdAndEpoch, TransactionError},
};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TransactionQuery<'a> {
    pub(crate) transactional_id: &'a str,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    /// The producer never says which partitions it writes to: add this one to its
    /// transaction (and begin that), durably, before the answer. Produce 12 and
    /// later; before, the partition must have come by AddPartitionsToTxn.
    pub(crate) adds_partition: bool,
}

/// Why a batch may not begin a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GateError {
    /// The transaction is over, was never begun or lacks the partition. Fatal to
    /// the transaction.
    #[error("the partition was not added to the transaction")]
    NotInTransaction,
    /// The id belongs to another producer id, or to none. Fatal to the producer.
    #[error("the transactional id does not have this producer id")]
    ProducerIdMapping,
    /// A newer incarnation of the producer is at work. Fatal to this one.
    #[error("a producer of a newer epoch has fenced this one")]
    Fenced,
    /// The transaction before is still being ended. The client tries again.
    #[error("the transaction before has not ended everywhere yet")]
    Concurrent,
    /// This node does not coordinate the id, or not yet. The client tries again.
    #[error("the transaction's coordinator is not available")]
    Unavailable,
}

impl GateError {
    /// Kafka's code in the answer to a Produce of this version.
    pub(crate) fn produce_code(self, version: i16) -> ResponseError {
        match self {
            // Clients know the softer code from this version on.
            GateError::NotInTransaction if version >= 11 => ResponseError::TransactionAbortable,
            GateError::NotInTransaction => ResponseError::InvalidTxnState,
            GateError::ProducerIdMapping => ResponseError::InvalidProducerIdMapping,
            GateError::Fenced => ResponseError::InvalidProducerEpoch,
            // Producers that do not expect a coordinator's error here would not try
            // again; this one they all do, and without asking for metadata.
            GateError::Concurrent | GateError::Unavailable => ResponseError::NotEnoughReplicas,
        }
    }
}

/// The answer, when it is there.
pub(crate) type Verified<'a> = Pin<Box<dyn Future<Output = Result<(), GateError>> + Send + 'a>>;

/// The coordinator as partitions see it. Asked once for each transaction and
/// partition, never for each batch.
pub(crate) trait TransactionGate: Send + Sync {
    /// Whether the partition belongs to the producer's ongoing transaction.
    ///
    /// The connection's next request waits for the answer, and a producer's batches
    /// keep their order by that; so it must come soon. Dropping the future is safe.
    fn verify<'a>(&'a self, query: TransactionQuery<'a>) -> Verified<'a>;
}

impl TransactionGate for TransactionCoordinator {
    fn verify<'a>(&'a self, query: TransactionQuery<'a>) -> Verified<'a> {
        Box::pin(async move {
            let TransactionQuery { transactional_id, topic, partition, .. } = query;
            let producer =
                ProducerIdAndEpoch { id: query.producer_id, epoch: query.producer_epoch };
            let verified = if query.adds_partition {
                let mut partitions = Partitions::default();
                partitions.insert(topic, partition);
                let version = ClientVersion::EpochBump;
                self.add_partitions(transactional_id, producer, &partitions, version).await
            } else {
                self.verify_partition(transactional_id, producer, topic, partition)
            };
            Ok(verified?)
        })
    }
}

impl From<TransactionError> for GateError {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::TransactionAbortable | TransactionError::InvalidTransactionState => {
                GateError::NotInTransaction
            }
            TransactionError::InvalidProducerIdMapping
            | TransactionError::InvalidRequest
            | TransactionError::InvalidTransactionTimeout
            | TransactionError::TransactionalIdNotFound => GateError::ProducerIdMapping,
            TransactionError::ProducerFenced => GateError::Fenced,
            TransactionError::ConcurrentTransactions => GateError::Concurrent,
            TransactionError::CoordinatorNotAvailable => GateError::Unavailable,
        }
    }
}
