//! InitProducerId (22): ids for idempotent and transactional producers.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId},
};

use super::errors;
use crate::{
    node::Node,
    topics,
    txn::{InitRequest, ProducerIdAndEpoch},
};

/// From here on clients know PRODUCER_FENCED (KIP-588).
const KNOWS_FENCING_FROM: i16 = 4;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: InitProducerIdRequest,
    version: i16,
) -> InitProducerIdResponse {
    let given = match &request.transactional_id {
        Some(id) => transactional(node, id, &request, version).await,
        None => {
            let next = node.producer_ids.next(&*node.controller).await;
            next.map(|id| ProducerIdAndEpoch { id, epoch: 0 })
                .map_err(|error| errors::controller(&error))
        }
    };
    let (code, given) = match given {
        Ok(given) => (errors::NONE, given),
        Err(code) => (code.code(), ProducerIdAndEpoch::NONE),
    };
    InitProducerIdResponse::default()
        .with_error_code(code)
        .with_producer_id(ProducerId(given.id))
        .with_producer_epoch(given.epoch)
}

async fn transactional(
    node: &Node,
    id: &str,
    request: &InitProducerIdRequest,
    version: i16,
) -> Result<ProducerIdAndEpoch, ResponseError> {
    if let Err(reason) = node.ensure_topic(topics::transaction_state(&node.config)).await {
        tracing::error!(reason, "the topic of the transactions cannot be made");
        return Err(ResponseError::CoordinatorNotAvailable);
    }
    let (producer_id, epoch) = (*request.producer_id, request.producer_epoch);
    let current = match (producer_id, epoch) {
        (-1, -1) => None,
        // One without the other says nothing (KIP-360).
        (-1, _) | (_, -1) => return Err(ResponseError::InvalidRequest),
        (id, epoch) => Some(ProducerIdAndEpoch { id, epoch }),
    };
    // Before v3 there is neither, and the decoder fills in -1.
    let init = InitRequest { timeout_ms: request.transaction_timeout_ms, current };
    let given = node.transactions.init(id, init).await;
    given.map_err(|error| {
        tracing::debug!(transactional_id = id, %error, "a producer was refused");
        errors::transaction(error, version >= KNOWS_FENCING_FROM)
    })
}
