//! DeleteRecords (21): moves the start of partitions forward.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DeleteRecordsRequest, DeleteRecordsResponse,
        delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
    },
};

use super::errors;
use crate::{node::Node, topics};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let node = Arc::clone(node);
    let deleting = tokio::task::spawn_blocking(move || delete(&node, request));
    deleting.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a deletion of records failed");
        DeleteRecordsResponse::default()
    })
}

fn delete(node: &Node, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let result =
                DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
            let deleted = if topics::is_internal(&topic.name) {
                Err(ResponseError::InvalidTopicException)
            } else {
                let partition = node.partitions.get(&topic.name, asked.partition_index);
                partition.ok_or(ResponseError::UnknownTopicOrPartition).and_then(|partition| {
                    partition.delete_before(asked.offset).map_err(|error| {
                        tracing::debug!(%partition, %error, "records were not deleted");
                        error.code()
                    })
                })
            };
            match deleted {
                Ok(low_watermark) => {
                    result.with_error_code(errors::NONE).with_low_watermark(low_watermark)
                }
                Err(code) => result.with_error_code(code.code()).with_low_watermark(-1),
            }
        });
        let partitions = partitions.collect();
        DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}
