//! OffsetDelete (47): single committed offsets of a group.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        OffsetDeleteRequest, OffsetDeleteResponse,
        offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
    },
};

use super::errors;
use crate::{group::OffsetDeletion, node::Node};

pub(super) async fn handle(node: &Arc<Node>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let known: Vec<(String, i32)> = request
        .topics
        .iter()
        .flat_map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| partition.partition_index);
            partitions.map(|partition| (topic.name.to_string(), partition))
        })
        .filter(|(topic, partition)| node.partitions.get(topic, *partition).is_some())
        .collect();
    let mut deleted = match node.groups.delete_offsets(&request.group_id, known) {
        Ok(deleted) => deleted,
        Err(error) => {
            let code = errors::commit(&error).code();
            return OffsetDeleteResponse::default().with_error_code(code);
        }
    };
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let key = (topic.name.to_string(), asked.partition_index);
            let code = match deleted.remove(&key) {
                Some(OffsetDeletion::Deleted) => errors::NONE,
                Some(OffsetDeletion::Subscribed) => ResponseError::GroupSubscribedToTopic.code(),
                None => ResponseError::UnknownTopicOrPartition.code(),
            };
            OffsetDeleteResponsePartition::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(code)
        });
        OffsetDeleteResponseTopic::default()
            .with_partitions(partitions.collect())
            .with_name(topic.name)
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}
