//! InitProducerId (22): ids for idempotent producers.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId},
};

use super::errors;
use crate::node::Node;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let refuse = |code: ResponseError| {
        InitProducerIdResponse::default()
            .with_error_code(code.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    };
    if request.transactional_id.as_ref().is_some_and(|id| id.is_empty()) {
        return refuse(ResponseError::InvalidRequest);
    }
    if let Some(id) = &request.transactional_id {
        // Fatal to every client, at once and by name; any retriable code would
        // leave the producer hanging.
        tracing::warn!(
            transactional_id = %id.as_str(),
            "a transactional producer was refused: transactions are not served"
        );
        return refuse(ResponseError::TransactionalIdAuthorizationFailed);
    }
    match node.producer_ids.next(&*node.controller).await {
        Ok(id) => InitProducerIdResponse::default()
            .with_error_code(errors::NONE)
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(0),
        Err(error) => refuse(errors::controller(&error)),
    }
}
