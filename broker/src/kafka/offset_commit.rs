//! OffsetCommit (8).

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        OffsetCommitRequest, OffsetCommitResponse,
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
    },
    protocol::StrBytes,
};

use super::{
    Reply,
    access::Access,
    errors,
    request_memory::RequestGrant,
    response::{RequestId, Response},
};
use crate::{
    auth::AclOperation,
    clock,
    group::{CommitError, CommittedOffset},
    limits,
    node::Node,
};

pub(super) fn handle(
    node: &Arc<Node>,
    request: OffsetCommitRequest,
    id: RequestId,
    access: &Access,
    memory: RequestGrant,
) -> Reply {
    let version = id.api_version;
    let refused = refused_partitions(node, &request, access);
    let now_ms = clock::wall_ms();
    let mut offsets = Vec::new();
    for (topic, codes) in request.topics.iter().zip(&refused) {
        for (partition, code) in topic.partitions.iter().zip(codes) {
            if code.is_none() {
                let offset = CommittedOffset {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition
                        .committed_metadata
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                    commit_timestamp_ms: now_ms,
                };
                offsets.push((topic.name.to_string(), partition.partition_index, offset));
            }
        }
    }
    let committing =
        // Kafka takes commits of the empty group id still.
        if !access.allows_group(AclOperation::Read, &request.group_id) {
            Err(ResponseError::GroupAuthorizationFailed)
        } else if request.group_id.len() > limits::GROUP_ID_BYTES_MAX {
            Err(ResponseError::InvalidGroupId)
        } else {
            let instance = request.group_instance_id.as_deref();
            let generation = request.generation_id_or_member_epoch;
            node.groups
                .commit(
                    &request.group_id,
                    &request.member_id,
                    instance,
                    generation,
                    version,
                    offsets,
                )
                .map_err(|error| {
                    tracing::debug!(group = %request.group_id.as_str(), %error, "commit refused");
                    match error {
                        // What a client of these versions knows to handle.
                        CommitError::NoGroup if version < 9 => ResponseError::IllegalGeneration,
                        error => errors::commit(&error),
                    }
                })
        };
    Reply::holding(async move {
        let committed = match committing {
            Ok(Some(committing)) => {
                committing.settled().await.map_err(|error| errors::commit(&error))
            }
            Ok(None) => Ok(()),
            Err(code) => Err(code),
        };
        let response = Response::encode(id, &respond(request, &refused, committed));
        drop(memory);
        response
    })
}

/// Why single partitions cannot be committed, in the order of the request.
fn refused_partitions(
    node: &Node,
    request: &OffsetCommitRequest,
    access: &Access,
) -> Vec<Vec<Option<ResponseError>>> {
    let of_topic =
        |topic: &kafka_protocol::messages::offset_commit_request::OffsetCommitRequestTopic| {
            let allowed = access.allows_topic(AclOperation::Read, &topic.name);
            let partitions = topic.partitions.iter().map(|partition| {
                if !allowed {
                    return Some(ResponseError::TopicAuthorizationFailed);
                }
                let metadata = partition.committed_metadata.as_ref();
                refuse(node, &topic.name, partition.partition_index, metadata)
            });
            partitions.collect()
        };
    request.topics.iter().map(of_topic).collect()
}

/// Why a partition cannot be committed, in a transaction or without one.
pub(super) fn refuse(
    node: &Node,
    topic: &str,
    index: i32,
    metadata: Option<&StrBytes>,
) -> Option<ResponseError> {
    // Records hold strings with a length of two bytes.
    let metadata_max = node.config.offset_metadata_bytes_max.min(i16::MAX as usize);
    if metadata.map_or(0, |text| text.len()) > metadata_max {
        Some(ResponseError::OffsetMetadataTooLarge)
    } else if node.partitions.get(topic, index).is_none() {
        Some(ResponseError::UnknownTopicOrPartition)
    } else {
        None
    }
}

fn respond(
    request: OffsetCommitRequest,
    refused: &[Vec<Option<ResponseError>>],
    committed: Result<(), ResponseError>,
) -> OffsetCommitResponse {
    let topics = request.topics.into_iter().zip(refused).map(|(topic, codes)| {
        let partitions = topic.partitions.iter().zip(codes).map(|(partition, code)| {
            let code = committed.err().or(*code);
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code.map_or(errors::NONE, |code| code.code()))
        });
        OffsetCommitResponseTopic::default()
            .with_partitions(partitions.collect())
            .with_name(topic.name)
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}
