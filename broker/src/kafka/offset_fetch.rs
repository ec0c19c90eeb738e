//! OffsetFetch (9): one group, or from v8 on several.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        GroupId, OffsetFetchRequest, OffsetFetchResponse, TopicName,
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
    protocol::StrBytes,
};

use super::errors;
use crate::{group::CommittedOffset, node::Node};

/// A topic and its partitions, with what is committed for each.
type Committed = (TopicName, Vec<(i32, Option<CommittedOffset>)>);

pub(super) async fn handle(
    node: &Arc<Node>,
    request: OffsetFetchRequest,
    version: i16,
) -> OffsetFetchResponse {
    // Nothing is ever pending in a transaction, so every offset is stable.
    if version >= 8 {
        let groups = request.groups.into_iter().map(|group| {
            if let Err(error) = node.groups.check_readable(&group.group_id) {
                return OffsetFetchResponseGroup::default()
                    .with_error_code(errors::group(error).code())
                    .with_group_id(group.group_id);
            }
            let checked = node.groups.check_offset_fetch(
                &group.group_id,
                group.member_id.as_deref(),
                group.member_epoch,
            );
            if let Err(error) = checked {
                return OffsetFetchResponseGroup::default()
                    .with_error_code(errors::consumer_group(&error).code())
                    .with_group_id(group.group_id);
            }
            let asked = group.topics.map(|topics| {
                topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect()
            });
            let found = look_up(node, &group.group_id, asked);
            OffsetFetchResponseGroup::default()
                .with_error_code(errors::NONE)
                .with_topics(found.into_iter().map(group_topic).collect())
                .with_group_id(group.group_id)
        });
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    if let Err(error) = node.groups.check_readable(&request.group_id) {
        return refuse(errors::group(error), request, version);
    }
    let asked = request.topics.map(|topics| {
        topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect()
    });
    let found = look_up(node, &request.group_id, asked);
    OffsetFetchResponse::default()
        .with_error_code(errors::NONE)
        .with_topics(found.into_iter().map(|topic| plain_topic(topic, version)).collect())
}

/// One code for all that was asked for: beside the partitions from v2 on, and in
/// each of them before.
fn refuse(code: ResponseError, request: OffsetFetchRequest, version: i16) -> OffsetFetchResponse {
    if version >= 2 {
        return OffsetFetchResponse::default().with_error_code(code.code());
    }
    let topics = request.topics.unwrap_or_default().into_iter().map(|topic| {
        let nothing = topic.partition_indexes.into_iter().map(|index| (index, None)).collect();
        let mut topic = plain_topic((topic.name, nothing), version);
        topic.partitions.iter_mut().for_each(|partition| partition.error_code = code.code());
        topic
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

/// What is committed for the partitions asked for; null asks for all.
fn look_up(
    node: &Node,
    group: &GroupId,
    asked: Option<Vec<(TopicName, Vec<i32>)>>,
) -> Vec<Committed> {
    match asked {
        Some(topics) => {
            let each = topics.into_iter().map(|(name, partitions)| {
                let offsets = node.groups.committed(group, &name, &partitions);
                (name, partitions.into_iter().zip(offsets).collect())
            });
            each.collect()
        }
        None => {
            let all = node.groups.all_committed(group).into_iter();
            let each = all.map(|(name, partitions)| {
                let name = TopicName(StrBytes::from_string(name));
                let partitions =
                    partitions.into_iter().map(|(index, offset)| (index, Some(offset)));
                (name, partitions.collect())
            });
            each.collect()
        }
    }
}

/// Offset, leader epoch and metadata as they are answered; -1 where there is none.
fn fields(offset: Option<CommittedOffset>) -> (i64, i32, StrBytes) {
    match offset {
        Some(offset) => {
            (offset.offset, offset.leader_epoch, StrBytes::from_string(offset.metadata))
        }
        None => (-1, -1, StrBytes::default()),
    }
}

fn group_topic((name, partitions): Committed) -> OffsetFetchResponseTopics {
    let partitions = partitions.into_iter().map(|(index, offset)| {
        let (offset, leader_epoch, metadata) = fields(offset);
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(leader_epoch)
            .with_metadata(Some(metadata))
            .with_error_code(errors::NONE)
    });
    OffsetFetchResponseTopics::default().with_partitions(partitions.collect()).with_name(name)
}

fn plain_topic((name, partitions): Committed, version: i16) -> OffsetFetchResponseTopic {
    let partitions = partitions.into_iter().map(|(index, offset)| {
        let (offset, leader_epoch, metadata) = fields(offset);
        let partition = OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_metadata(Some(metadata))
            .with_error_code(errors::NONE);
        match version {
            5.. => partition.with_committed_leader_epoch(leader_epoch),
            _ => partition,
        }
    });
    OffsetFetchResponseTopic::default().with_partitions(partitions.collect()).with_name(name)
}
