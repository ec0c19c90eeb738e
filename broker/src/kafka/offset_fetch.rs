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

/// What is committed for a partition, or why that cannot be said.
type Found = Result<Option<CommittedOffset>, ResponseError>;

/// A topic and its partitions, with what is committed for each.
type Committed = (TopicName, Vec<(i32, Found)>);

pub(super) async fn handle(
    node: &Arc<Node>,
    request: OffsetFetchRequest,
    version: i16,
) -> OffsetFetchResponse {
    let stable = request.require_stable;
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
            let found = look_up(node, &group.group_id, asked, stable);
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
    let found = look_up(node, &request.group_id, asked, stable);
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
        let nothing = topic.partition_indexes.into_iter().map(|index| (index, Ok(None))).collect();
        let mut topic = plain_topic((topic.name, nothing), version);
        topic.partitions.iter_mut().for_each(|partition| partition.error_code = code.code());
        topic
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

/// What is committed for the partitions asked for; null asks for all. With
/// `stable`, nothing is said where a transaction may still change it (KIP-447).
fn look_up(
    node: &Node,
    group: &GroupId,
    asked: Option<Vec<(TopicName, Vec<i32>)>>,
    stable: bool,
) -> Vec<Committed> {
    let mut found: Vec<Committed> = match asked {
        Some(topics) => {
            let each = topics.into_iter().map(|(name, partitions)| {
                let offsets = node.groups.committed(group, &name, &partitions);
                (name, partitions.into_iter().zip(offsets.into_iter().map(Ok)).collect())
            });
            each.collect()
        }
        None => {
            let all = node.groups.all_committed(group).into_iter();
            let each = all.map(|(name, partitions)| {
                let name = TopicName(StrBytes::from_string(name));
                let partitions =
                    partitions.into_iter().map(|(index, offset)| (index, Ok(Some(offset))));
                (name, partitions.collect())
            });
            each.collect()
        }
    };
    if stable {
        for (topic, partitions) in &mut found {
            let indexes: Vec<i32> = partitions.iter().map(|(index, _)| *index).collect();
            let pending = node.groups.pending(group, topic, &indexes);
            for ((_, found), _) in partitions.iter_mut().zip(pending).filter(|(_, open)| *open) {
                *found = Err(ResponseError::UnstableOffsetCommit);
            }
        }
    }
    found
}

/// Offset, leader epoch, metadata and code as they are answered; -1 where
/// there is none.
fn fields(found: Found) -> (i64, i32, StrBytes, i16) {
    match found {
        Ok(Some(offset)) => {
            let metadata = StrBytes::from_string(offset.metadata);
            (offset.offset, offset.leader_epoch, metadata, errors::NONE)
        }
        Ok(None) => (-1, -1, StrBytes::default(), errors::NONE),
        Err(code) => (-1, -1, StrBytes::default(), code.code()),
    }
}

fn group_topic((name, partitions): Committed) -> OffsetFetchResponseTopics {
    let partitions = partitions.into_iter().map(|(index, offset)| {
        let (offset, leader_epoch, metadata, code) = fields(offset);
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(leader_epoch)
            .with_metadata(Some(metadata))
            .with_error_code(code)
    });
    OffsetFetchResponseTopics::default().with_partitions(partitions.collect()).with_name(name)
}

fn plain_topic((name, partitions): Committed, version: i16) -> OffsetFetchResponseTopic {
    let partitions = partitions.into_iter().map(|(index, offset)| {
        let (offset, leader_epoch, metadata, code) = fields(offset);
        let partition = OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_metadata(Some(metadata))
            .with_error_code(code);
        match version {
            5.. => partition.with_committed_leader_epoch(leader_epoch),
            _ => partition,
        }
    });
    OffsetFetchResponseTopic::default().with_partitions(partitions.collect()).with_name(name)
}
