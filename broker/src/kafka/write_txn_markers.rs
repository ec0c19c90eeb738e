//! WriteTxnMarkers (27): markers of another coordinator, or of an administrator
//! who ends a transaction that no coordinator knows of.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        WriteTxnMarkersRequest, WriteTxnMarkersResponse,
        write_txn_markers_request::WritableTxnMarker,
        write_txn_markers_response::{
            WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
        },
    },
};

use super::errors;
use crate::{
    log::{Marker, MarkerKind},
    node::Node,
    topics::TRANSACTION_STATE,
};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: WriteTxnMarkersRequest,
) -> WriteTxnMarkersResponse {
    let mut results = Vec::with_capacity(request.markers.len());
    for marker in request.markers {
        results.push(write(node, marker).await);
    }
    WriteTxnMarkersResponse::default().with_markers(results)
}

async fn write(node: &Node, request: WritableTxnMarker) -> WritableTxnMarkerResult {
    let marker = Marker {
        producer_id: *request.producer_id,
        producer_epoch: request.producer_epoch,
        coordinator_epoch: request.coordinator_epoch,
        kind: if request.transaction_result { MarkerKind::Commit } else { MarkerKind::Abort },
    };
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in topic.partition_indexes {
            let written = write_one(node, &topic.name, index, &marker).await;
            let code = written.err().map_or(errors::NONE, |code| code.code());
            partitions.push(
                WritableTxnMarkerPartitionResult::default()
                    .with_partition_index(index)
                    .with_error_code(code),
            );
        }
        topics.push(
            WritableTxnMarkerTopicResult::default()
                .with_partitions(partitions)
                .with_name(topic.name),
        );
    }
    WritableTxnMarkerResult::default().with_producer_id(request.producer_id).with_topics(topics)
}

async fn write_one(
    node: &Node,
    topic: &str,
    index: i32,
    marker: &Marker,
) -> Result<(), ResponseError> {
    // No producer writes there, so no transaction ends there.
    if topic == TRANSACTION_STATE {
        return Err(ResponseError::TopicAuthorizationFailed);
    }
    let partition =
        node.partitions.get(topic, index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let appended = node.transactions.append_marker(&partition, marker);
    let settled = match appended {
        Ok(appended) => partition.settled(&appended).await,
        Err(error) => Err(error),
    };
    settled.map_err(|error| {
        tracing::warn!(%partition, producer_id = marker.producer_id, %error, "a marker was refused");
        error.code()
    })
}
