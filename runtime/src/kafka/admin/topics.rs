//! Topics, their partitions and configs.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::types::{ConfigEntry, NewTopic, PartitionDescription, TopicDescription};
use crate::kafka::error::ClientError;
use crate::kafka::net::{Cluster, Lane, Target, refused};

/// How long the broker may take to finish a change, in milliseconds.
const CHANGE_TIMEOUT_MS: i32 = 8_000;
/// Kafka's number for "resource of type topic".
const RESOURCE_TOPIC: i8 = 2;
/// Kafka's numbers for where a config comes from: 1 is the topic's own, all
/// above it are defaults of some kind.
const SOURCE_TOPIC: i8 = 1;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// `Ok` unless `code` says otherwise.
fn check(what: String, code: i16, message: Option<&StrBytes>) -> Result<(), ClientError> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(code) => Err(refused(what, code, message)),
    }
}

fn unanswered(what: String) -> ClientError {
    refused(what, ResponseError::UnknownServerError, Some(&text("the answer leaves it out")))
}

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

pub(super) async fn configs(
    cluster: &Cluster,
    topic: &str,
) -> Result<BTreeMap<String, ConfigEntry>, ClientError> {
    let what = || format!("describing the configs of topic `{topic}`");
    let resource = DescribeConfigsResource::default()
        .with_resource_type(RESOURCE_TOPIC)
        .with_resource_name(text(topic))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = cluster.call(&Target::Any, Lane::Common, |_| request, None).await?;
    let found = answer.results.into_iter().next().ok_or_else(|| unanswered(what()))?;
    check(what(), found.error_code, found.error_message.as_ref())?;
    let entries = found.configs.into_iter().map(|config| ConfigEntry {
        name: config.name.to_string(),
        value: config.value.filter(|_| !config.is_sensitive).map(|value| value.to_string()),
        is_default: config.config_source != SOURCE_TOPIC,
        read_only: config.read_only,
        sensitive: config.is_sensitive,
    });
    Ok(entries.map(|entry| (entry.name.clone(), entry)).collect())
}

pub(super) async fn alter_configs(
    cluster: &Cluster,
    topic: &str,
    changes: &BTreeMap<String, Option<String>>,
) -> Result<(), ClientError> {
    const SET: i8 = 0;
    const DELETE: i8 = 1;
    let what = || format!("changing the configs of topic `{topic}`");
    let configs = changes.iter().map(|(name, value)| {
        AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(if value.is_some() { SET } else { DELETE })
            .with_value(value.as_deref().map(text))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(RESOURCE_TOPIC)
        .with_resource_name(text(topic))
        .with_configs(configs.collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let answer = cluster.call(&Target::Controller, Lane::Common, |_| request, None).await?;
    let result = answer.responses.first().ok_or_else(|| unanswered(what()))?;
    check(what(), result.error_code, result.error_message.as_ref())
}
