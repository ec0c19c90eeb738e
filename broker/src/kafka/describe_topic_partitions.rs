//! DescribeTopicPartitions (75, KIP-966): topics page by page.

use std::{collections::BTreeSet, sync::Arc};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
        describe_topic_partitions_response::{
            Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
        },
    },
    protocol::StrBytes,
};

use super::{
    errors,
    metadata::{broker_ids, leader_error},
};
use crate::{
    controller::{ClusterImage, PartitionImage, TopicImage, is_topic_name},
    limits,
    node::Node,
    topics,
};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let start = match &request.cursor {
        Some(cursor) => match usize::try_from(cursor.partition_index) {
            Ok(partition) => Some((cursor.topic_name.as_str(), partition)),
            // The answer has no error for the whole request, so every topic has it.
            Err(_) => return refuse(&request, ResponseError::InvalidRequest),
        },
        None => None,
    };
    let image = node.image();
    let all = request.topics.is_empty();
    let names: BTreeSet<&str> = if all {
        image.topics().map(|topic| topic.name.as_str()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.as_str()).collect()
    };
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let limit = limit.clamp(1, limits::DESCRIBED_PARTITIONS_MAX);
    page(&image, names, start, limit)
}

fn refuse(
    request: &DescribeTopicPartitionsRequest,
    error: ResponseError,
) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.iter().map(|topic| {
        DescribeTopicPartitionsResponseTopic::default()
            .with_error_code(error.code())
            .with_name(Some(topic.name.clone()))
    });
    DescribeTopicPartitionsResponse::default().with_topics(topics.collect())
}

/// The topics of `names`, in their order, from `start` on: as many as fill
/// `left` partitions, and the cursor where the next page begins.
fn page(
    image: &ClusterImage,
    names: BTreeSet<&str>,
    start: Option<(&str, usize)>,
    mut left: usize,
) -> DescribeTopicPartitionsResponse {
    let mut response = DescribeTopicPartitionsResponse::default();
    let first_name = start.map_or("", |(name, _)| name);
    for name in names.into_iter().filter(|name| *name >= first_name) {
        if left == 0 {
            return response.with_next_cursor(Some(cursor(name, 0)));
        }
        let Some(topic) = image.topic(name) else {
            response.topics.push(unknown(name));
            continue;
        };
        let first = match start {
            Some((start_name, partition)) if start_name == name => partition,
            _ => 0,
        };
        let end = first.saturating_add(left).min(topic.partitions.len());
        let described = describe(topic, first, end);
        left -= described.partitions.len();
        response.topics.push(described);
        if end < topic.partitions.len() {
            return response.with_next_cursor(Some(cursor(name, end as i32)));
        }
    }
    response.with_next_cursor(None)
}

fn cursor(topic: &str, partition: i32) -> Cursor {
    Cursor::default()
        .with_topic_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_index(partition)
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let error = match is_topic_name(name) {
        true => ResponseError::UnknownTopicOrPartition,
        false => ResponseError::InvalidTopicException,
    };
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(error.code())
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_is_internal(topics::is_internal(name))
}

fn describe(topic: &TopicImage, first: usize, end: usize) -> DescribeTopicPartitionsResponseTopic {
    let partitions = (0..).zip(&topic.partitions).take(end).skip(first);
    let partitions = partitions.map(|(index, partition)| describe_partition(index, partition));
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(errors::NONE)
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.clone()))))
        .with_topic_id(topic.id)
        .with_is_internal(topics::is_internal(&topic.name))
        .with_partitions(partitions.collect())
}

fn describe_partition(
    index: i32,
    partition: &PartitionImage,
) -> DescribeTopicPartitionsResponsePartition {
    DescribeTopicPartitionsResponsePartition::default()
        .with_error_code(leader_error(partition))
        .with_partition_index(index)
        .with_leader_id(BrokerId(partition.leader))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(broker_ids(&partition.replicas))
        .with_isr_nodes(broker_ids(&partition.isr))
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()))
}
