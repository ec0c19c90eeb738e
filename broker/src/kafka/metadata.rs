//! Metadata (3): brokers, topics and leaders; creates topics that are named first.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        BrokerId, MetadataRequest, MetadataResponse, TopicName,
        metadata_request::MetadataRequestTopic,
        metadata_response::{
            MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
        },
    },
    protocol::StrBytes,
};

use super::{Client, errors};
use crate::{
    controller::{ClusterImage, NewTopic, PartitionImage, TopicImage, is_topic_name},
    limits,
    node::Node,
    topics,
};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: MetadataRequest,
    version: i16,
    client: &Client,
) -> MetadataResponse {
    // v0 asks for all topics with an empty list, later versions with null.
    let asked = request.topics.filter(|topics| version > 0 || !topics.is_empty());
    let auto_create =
        node.config.auto_create_topics && (version < 4 || request.allow_auto_topic_creation);
    let topics = match asked {
        None => node.image().topics().map(|topic| describe(topic)).collect(),
        Some(asked) => {
            if auto_create {
                create_missing(node, &asked, client).await;
            }
            let image = node.image();
            asked.into_iter().map(|topic| find(&image, topic)).collect()
        }
    };
    let image = node.image();
    let brokers = image.brokers().map(|broker| {
        let endpoint = node.endpoint_of(broker, client.listener);
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(broker.node_id))
            .with_host(StrBytes::from_string(endpoint.host.clone()))
            .with_port(i32::from(endpoint.port))
    });
    MetadataResponse::default()
        .with_brokers(brokers.collect())
        .with_cluster_id(Some(StrBytes::from_string(node.cluster_id.clone())))
        .with_controller_id(BrokerId(node.config.node_id))
        .with_topics(topics)
}

/// As far as the client's quota goes. What it holds back stays unknown for now, and the
/// client asks for it again.
async fn create_missing(node: &Arc<Node>, asked: &[MetadataRequestTopic], client: &Client) {
    let image = node.image();
    let missing: Vec<String> = asked
        .iter()
        .filter(|topic| topic.topic_id.is_nil())
        .filter_map(|topic| topic.name.as_ref())
        .filter(|name| image.topic(name).is_none() && is_topic_name(name))
        .map(|name| name.to_string())
        .take(limits::AUTO_CREATE_PER_REQUEST_MAX)
        .collect();
    for name in missing {
        let topic = match name.as_str() {
            topics::CONSUMER_OFFSETS => topics::consumer_offsets(&node.config),
            topics::TRANSACTION_STATE => topics::transaction_state(&node.config),
            _ => NewTopic { name, partitions: -1, replication_factor: -1, ..NewTopic::default() },
        };
        let name = topic.name.clone();
        let partitions =
            u32::try_from(topic.partitions).unwrap_or(node.config.num_partitions as u32);
        if let Err(error) = client.mutate(partitions as usize, true) {
            tracing::debug!(topic = %name, %error, "topic not created on first use");
            return;
        }
        // Losing a race against another creator is no failure: the topic is there.
        match node.create_topic(topic, false).await {
            Ok(_) => tracing::info!(topic = %name, "topic created on first use"),
            Err(error) => tracing::warn!(topic = %name, %error, "topic not created on first use"),
        }
    }
}

fn find(image: &ClusterImage, asked: MetadataRequestTopic) -> MetadataResponseTopic {
    // Who asks by id may leave the name empty instead of null (Java's client does).
    let name = asked.name.as_ref().filter(|_| asked.topic_id.is_nil());
    let (found, error) = match name {
        Some(name) if is_topic_name(name) => {
            (image.topic(name), ResponseError::UnknownTopicOrPartition)
        }
        Some(_) => (None, ResponseError::InvalidTopicException),
        None => (image.topic_by_id(asked.topic_id), ResponseError::UnknownTopicId),
    };
    match found {
        Some(topic) => describe(topic),
        None => MetadataResponseTopic::default()
            .with_error_code(error.code())
            .with_name(asked.name)
            .with_topic_id(asked.topic_id),
    }
}

fn describe(topic: &TopicImage) -> MetadataResponseTopic {
    let partitions = topic
        .partitions
        .iter()
        .zip(0..)
        .map(|(partition, index)| describe_partition(partition, index));
    MetadataResponseTopic::default()
        .with_error_code(errors::NONE)
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.clone()))))
        .with_topic_id(topic.id)
        .with_is_internal(topics::is_internal(&topic.name))
        .with_partitions(partitions.collect())
}

fn describe_partition(partition: &PartitionImage, index: i32) -> MetadataResponsePartition {
    MetadataResponsePartition::default()
        .with_error_code(leader_error(partition))
        .with_partition_index(index)
        .with_leader_id(BrokerId(partition.leader))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(broker_ids(&partition.replicas))
        .with_isr_nodes(broker_ids(&partition.isr))
}

/// Whether a partition can be led now.
pub(super) fn leader_error(partition: &PartitionImage) -> i16 {
    match partition.leader {
        -1 => ResponseError::LeaderNotAvailable.code(),
        _ => errors::NONE,
    }
}

pub(super) fn broker_ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}
