//! Topics and their partitions.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest};

use super::answers::{check, text, unanswered};
use super::types::{NewTopic, PartitionDescription, TopicDescription};
use crate::kafka::error::ClientError;
use crate::kafka::net::{Cluster, Lane, Target, refused};

/// How long the broker may take to finish a change, in milliseconds.
const CHANGE_TIMEOUT_MS: i32 = 8_000;

pub(super) async fn create(cluster: &Cluster, topic: &NewTopic) -> Result<(), ClientError> {
    let what = || format!("creating topic `{}`", topic.name);
    let configs = topic.configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
    });
    let create = CreatableTopic::default()
        .with_name(text(&topic.name).into())
        .with_num_partitions(topic.partitions.unwrap_or(-1))
        .with_replication_factor(topic.replication_factor.unwrap_or(-1))
        .with_configs(configs.collect());
    let request =
        CreateTopicsRequest::default().with_topics(vec![create]).with_timeout_ms(CHANGE_TIMEOUT_MS);
    let answer = cluster.call(&Target::Controller, Lane::Common, |_| request, None).await?;
    let topic = answer.topics.first().ok_or_else(|| unanswered(what()))?;
    check(what(), topic.error_code, topic.error_message.as_ref())
}

pub(super) async fn delete(cluster: &Cluster, name: &str) -> Result<(), ClientError> {
    let what = || format!("deleting topic `{name}`");
    let make = |version| {
        let request = DeleteTopicsRequest::default().with_timeout_ms(CHANGE_TIMEOUT_MS);
        match version {
            6.. => request
                .with_topics(vec![DeleteTopicState::default().with_name(Some(text(name).into()))]),
            _ => request.with_topic_names(vec![text(name).into()]),
        }
    };
    let answer = cluster.call(&Target::Controller, Lane::Common, make, None).await?;
    let topic = answer.responses.first().ok_or_else(|| unanswered(what()))?;
    check(what(), topic.error_code, topic.error_message.as_ref())
}

pub(super) async fn create_partitions(
    cluster: &Cluster,
    topic: &str,
    total: i32,
) -> Result<(), ClientError> {
    let what = || format!("raising topic `{topic}` to {total} partitions");
    let raise = CreatePartitionsTopic::default()
        .with_name(text(topic).into())
        .with_count(total)
        .with_assignments(None);
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![raise])
        .with_timeout_ms(CHANGE_TIMEOUT_MS);
    let answer = cluster.call(&Target::Controller, Lane::Common, |_| request, None).await?;
    let result = answer.results.first().ok_or_else(|| unanswered(what()))?;
    check(what(), result.error_code, result.error_message.as_ref())
}

/// Topics by name, those that do not exist left out. `None` asks for all.
pub(super) async fn describe(
    cluster: &Cluster,
    names: Option<&[&str]>,
) -> Result<BTreeMap<String, TopicDescription>, ClientError> {
    let metadata = cluster.metadata(names).await?;
    let mut topics = BTreeMap::new();
    for topic in metadata.topics {
        let Some(name) = &topic.name else { continue };
        match ResponseError::try_from_code(topic.error_code) {
            None | Some(ResponseError::LeaderNotAvailable) => {}
            Some(ResponseError::UnknownTopicOrPartition) => continue,
            Some(code) => {
                return Err(refused(format!("describing topic `{}`", name.0), code, None));
            }
        }
        let mut partitions: Vec<_> = topic
            .partitions
            .iter()
            .map(|partition| PartitionDescription {
                partition: partition.partition_index,
                leader: (partition.leader_id.0 >= 0).then_some(partition.leader_id.0),
                replicas: partition.replica_nodes.iter().map(|node| node.0).collect(),
                isr: partition.isr_nodes.iter().map(|node| node.0).collect(),
                offline: partition.offline_replicas.iter().map(|node| node.0).collect(),
            })
            .collect();
        partitions.sort_by_key(|partition| partition.partition);
        let name = name.to_string();
        topics.insert(
            name.clone(),
            TopicDescription { name, internal: topic.is_internal, partitions },
        );
    }
    Ok(topics)
}
