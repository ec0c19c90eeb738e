//! DescribeQuorum (55): who decides about metadata, and how far it has come.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        BrokerId, DescribeQuorumRequest, DescribeQuorumResponse,
        describe_quorum_response::{Node as QuorumNode, PartitionData, ReplicaState, TopicData},
    },
};

use super::errors;
use crate::{clock, controller::QuorumState, node::Node};

/// The one partition that stands for the metadata log in the protocol.
const METADATA_TOPIC: &str = "__cluster_metadata";

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeQuorumRequest,
    version: i16,
) -> DescribeQuorumResponse {
    let quorum = node.controller.quorum();
    let leader = BrokerId(node.config.node_id);
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            if topic.topic_name.as_str() == METADATA_TOPIC && asked.partition_index == 0 {
                describe(leader, quorum, version)
            } else {
                let message = "only partition 0 of __cluster_metadata has a quorum";
                let data = PartitionData::default()
                    .with_partition_index(asked.partition_index)
                    .with_error_code(ResponseError::UnknownTopicOrPartition.code());
                match version {
                    2.. => data.with_error_message(errors::message(&message)),
                    _ => data,
                }
            }
        });
        TopicData::default().with_partitions(partitions.collect()).with_topic_name(topic.topic_name)
    });
    let response = DescribeQuorumResponse::default().with_topics(topics.collect());
    match version {
        // The controller has no listener of its own.
        2.. => response
            .with_error_message(None)
            .with_nodes(vec![QuorumNode::default().with_node_id(leader)]),
        _ => response,
    }
}

fn describe(leader: BrokerId, quorum: QuorumState, version: i16) -> PartitionData {
    let mut voter =
        ReplicaState::default().with_replica_id(leader).with_log_end_offset(quorum.log_end_offset);
    if version >= 1 {
        // The leader has always just caught up with itself.
        let now_ms = clock::wall_ms();
        voter = voter.with_last_fetch_timestamp(now_ms).with_last_caught_up_timestamp(now_ms);
    }
    let data = PartitionData::default()
        .with_leader_id(leader)
        .with_leader_epoch(quorum.leader_epoch)
        // A lone voter commits what it has synced.
        .with_high_watermark(quorum.log_end_offset)
        .with_current_voters(vec![voter]);
    match version {
        2.. => data.with_error_message(None),
        _ => data,
    }
}
