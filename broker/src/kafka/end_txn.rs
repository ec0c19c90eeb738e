//! EndTxn (26): a transaction commits or aborts.

use std::sync::Arc;

use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use super::errors;
use crate::{
    node::Node,
    txn::{ClientVersion, EndRequest, ProducerIdAndEpoch, TransactionResult},
};

/// From here on clients know PRODUCER_FENCED (KIP-588).
const KNOWS_FENCING_FROM: i16 = 2;
/// From here on the answer holds the epoch of the next transaction (KIP-890).
const BUMPS_EPOCH_FROM: i16 = 5;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: EndTxnRequest,
    version: i16,
) -> EndTxnResponse {
    let result = match request.committed {
        true => TransactionResult::Commit,
        false => TransactionResult::Abort,
    };
    let bumps_epoch = version >= BUMPS_EPOCH_FROM;
    let end = EndRequest {
        producer: ProducerIdAndEpoch { id: *request.producer_id, epoch: request.producer_epoch },
        result,
        client_version: match bumps_epoch {
            true => ClientVersion::EpochBump,
            false => ClientVersion::Classic,
        },
    };
    match node.transactions.end(&request.transactional_id, end).await {
        Ok(next) if bumps_epoch => EndTxnResponse::default()
            .with_producer_id(ProducerId(next.id))
            .with_producer_epoch(next.epoch),
        Ok(_) => EndTxnResponse::default(),
        Err(error) => {
            let id = request.transactional_id.as_str();
            tracing::debug!(transactional_id = id, ?result, %error, "an end was refused");
            let code = errors::transaction(error, version >= KNOWS_FENCING_FROM);
            EndTxnResponse::default().with_error_code(code.code())
        }
    }
}
