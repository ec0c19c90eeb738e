//! A produced batch and its transaction: who may begin one in a partition.

use kafka_protocol::{error::ResponseError, protocol::StrBytes};

use super::produce::Refusal;
use crate::{
    log::{BatchHeader, Verification},
    node::Node,
    partition::Partition,
    txn::gate::{TransactionGate, TransactionQuery},
};

/// From here on producers do not send AddPartitionsToTxn (KIP-890).
const ADDS_PARTITIONS_FROM: i16 = 12;

/// Asks the coordinator if `records` would begin a transaction in `partition`.
/// `None` when they would not.
pub(super) async fn verify(
    node: &Node,
    partition: &Partition,
    transactional_id: Option<&StrBytes>,
    records: &[u8],
    version: i16,
) -> Result<Option<Verification>, Refusal> {
    let Some(batch) = transactional_batch(records) else { return Ok(None) };
    let (producer_id, producer_epoch) = (batch.producer_id, batch.producer_epoch);
    let Some(transactional_id) = transactional_id else {
        let message = "a transactional batch came without a transactional id".to_owned();
        return Err(Refusal::new(ResponseError::TransactionalIdAuthorizationFailed, message));
    };
    if partition.has_open_transaction(producer_id, producer_epoch) {
        return Ok(None);
    }
    let verification = partition
        .begin_verification(&batch)
        .map_err(|error| Refusal::new(error.code(), error.to_string()))?;
    let adds_partition = version >= ADDS_PARTITIONS_FROM;
    let verification = if adds_partition { verification.begins_at_zero() } else { verification };
    let query = TransactionQuery {
        transactional_id,
        producer_id,
        producer_epoch,
        topic: partition.topic(),
        partition: partition.index(),
        adds_partition,
    };
    node.transactions.verify(query).await.map_err(|error| {
        tracing::debug!(%partition, producer_id, %error, "a transaction may not begin here");
        Refusal::new(error.produce_code(version), error.to_string())
    })?;
    Ok(Some(verification))
}

/// The header of a transactional batch. A request has one batch a
/// partition; what is malformed or too much is left to the log, which says so.
fn transactional_batch(records: &[u8]) -> Option<BatchHeader> {
    let header = BatchHeader::parse(records).ok()?;
    (header.is_transactional() && header.has_producer_id()).then_some(header)
}
