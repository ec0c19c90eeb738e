//! AlterPartitionReassignments (45): replicas to other brokers, of which
//! there are none: what leaves a partition where it is succeeds.

use std::sync::Arc;

use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    alter_partition_reassignments_request::ReassignablePartition,
    alter_partition_reassignments_response::{
        ReassignablePartitionResponse, ReassignableTopicResponse,
    },
};

use super::errors;
use crate::{
    controller::{ClusterImage, judge_reassignment},
    node::Node,
};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let image = node.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| reassign(&image, &topic.name, asked));
        ReassignableTopicResponse::default()
            .with_partitions(partitions.collect())
            .with_name(topic.name)
    });
    AlterPartitionReassignmentsResponse::default()
        .with_error_message(None)
        .with_responses(topics.collect())
}

fn reassign(
    image: &ClusterImage,
    topic: &str,
    asked: &ReassignablePartition,
) -> ReassignablePartitionResponse {
    let replicas = asked
        .replicas
        .as_ref()
        .map(|replicas| replicas.iter().map(|id| id.0).collect::<Vec<i32>>());
    let response =
        ReassignablePartitionResponse::default().with_partition_index(asked.partition_index);
    match judge_reassignment(image, topic, asked.partition_index, replicas.as_deref()) {
        Ok(()) => response.with_error_message(None),
        Err(error) => response
            .with_error_code(errors::controller(&error).code())
            .with_error_message(errors::message(&error)),
    }
}
