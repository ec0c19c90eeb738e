//! AddOffsetsToTxn (25): offsets of a group will be committed in a transaction.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse},
};

use super::errors;
use crate::{
    limits,
    node::Node,
    topics,
    txn::{ClientVersion, Partitions, ProducerIdAndEpoch},
};

/// From here on clients know PRODUCER_FENCED (KIP-588).
const KNOWS_FENCING_FROM: i16 = 2;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: AddOffsetsToTxnRequest,
    version: i16,
) -> AddOffsetsToTxnResponse {
    let added = add(node, &request, version).await;
    let code = added.err().map_or(errors::NONE, |code| code.code());
    AddOffsetsToTxnResponse::default().with_error_code(code)
}

async fn add(
    node: &Arc<Node>,
    request: &AddOffsetsToTxnRequest,
    version: i16,
) -> Result<(), ResponseError> {
    let group = request.group_id.as_str();
    if group.is_empty() || group.len() > limits::GROUP_ID_BYTES_MAX {
        return Err(ResponseError::InvalidGroupId);
    }
    if node.groups.ensure_topic(node).await.is_err() {
        return Err(ResponseError::CoordinatorNotAvailable);
    }
    let mut partitions = Partitions::default();
    partitions.insert(topics::CONSUMER_OFFSETS, node.groups.partition_of(group));
    let producer = ProducerIdAndEpoch { id: *request.producer_id, epoch: request.producer_epoch };
    let id = &request.transactional_id;
    let added =
        node.transactions.add_partitions(id, producer, &partitions, ClientVersion::Classic).await;
    added.map_err(|error| errors::transaction(error, version >= KNOWS_FENCING_FROM))
}
