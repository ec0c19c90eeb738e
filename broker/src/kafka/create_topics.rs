//! CreateTopics (19).

use std::{collections::HashMap, sync::Arc};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        CreateTopicsRequest, CreateTopicsResponse, TopicName,
        create_topics_request::CreatableTopic,
        create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
    },
    protocol::StrBytes,
};

use super::{Client, describe_configs, errors, room::Room};
use crate::{
    controller::{NewTopic, TopicImage},
    limits,
    node::Node,
    topics,
};

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT_FROM: i16 = 6;
/// From here on the answer tells a topic's configurations (KIP-525).
const CONFIGS_FROM: i16 = 5;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: CreateTopicsRequest,
    version: i16,
    client: &Client,
) -> CreateTopicsResponse {
    let mut times: HashMap<TopicName, usize> = HashMap::new();
    for topic in &request.topics {
        *times.entry(topic.name.clone()).or_default() += 1;
    }
    let mut room = Room::of(limits::CONFIGS_ANSWER_BYTES_MAX);
    let mut results = Vec::with_capacity(times.len());
    for topic in request.topics {
        match times.remove(&topic.name) {
            Some(1) => {
                let result = create(node, topic, request.validate_only, version, client).await;
                results.push(within(&mut room, result, version));
            }
            Some(_) => {
                let message = "the topic is named more than once in the request";
                results.push(refuse(topic.name, ResponseError::InvalidRequest, &message));
            }
            // A further mention of a name that was answered already.
            None => {}
        }
    }
    CreateTopicsResponse::default().with_topics(results)
}

async fn create(
    node: &Arc<Node>,
    asked: CreatableTopic,
    validate_only: bool,
    version: i16,
    client: &Client,
) -> CreatableTopicResult {
    let name = asked.name.clone();
    if topics::is_internal(&name) && node.image().topic(&name).is_none() {
        let message = "the broker makes its internal topics itself, on first use";
        return refuse(name, ResponseError::InvalidTopicException, &message);
    }
    let mut assignments = std::collections::BTreeMap::new();
    for assignment in &asked.assignments {
        let brokers = assignment.broker_ids.iter().map(|id| id.0).collect();
        if assignments.insert(assignment.partition_index, brokers).is_some() {
            let message =
                format!("partition {} is assigned more than once", assignment.partition_index);
            return refuse(name, ResponseError::InvalidReplicaAssignment, &message);
        }
    }
    let mut configs = std::collections::BTreeMap::new();
    for config in asked.configs {
        let Some(value) = config.value else {
            let message = format!("configuration `{}` has no value", config.name.as_str());
            return refuse(name, ResponseError::InvalidConfig, &message);
        };
        configs.insert(config.name.to_string(), value.to_string());
    }
    let topic = NewTopic {
        name: asked.name.to_string(),
        partitions: asked.num_partitions,
        replication_factor: asked.replication_factor,
        assignments,
        configs,
    };
    let partitions = match (topic.assignments.len(), topic.partitions) {
        (0, count) => usize::try_from(count).unwrap_or(node.config.num_partitions as usize),
        (assigned, _) => assigned,
    };
    if let Err(error) = client.mutate(partitions, version >= STRICT_FROM) {
        return refuse(name, ResponseError::ThrottlingQuotaExceeded, &error);
    }
    match node.create_topic(topic, validate_only).await {
        Ok(topic) => {
            if !validate_only {
                tracing::info!(
                    topic = %topic.name, partitions = topic.partitions.len(), "topic created"
                );
            }
            created(node, name, &topic, validate_only, version)
        }
        Err(error) => refuse(name, errors::controller(&error), &error),
    }
}

fn created(
    node: &Node,
    name: TopicName,
    topic: &TopicImage,
    validate_only: bool,
    version: i16,
) -> CreatableTopicResult {
    let mut result = CreatableTopicResult::default().with_name(name).with_error_code(errors::NONE);
    if version >= CONFIGS_FROM {
        let replicas = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
        let image = node.image();
        let configs = describe_configs::of_topic(node, &image, topic).map(|config| {
            CreatableTopicConfigs::default()
                .with_name(StrBytes::from_static_str(config.name))
                .with_value(Some(StrBytes::from_string(config.value.to_owned())))
                .with_read_only(false)
                .with_config_source(config.source)
                .with_is_sensitive(false)
        });
        result = result
            .with_num_partitions(topic.partitions.len() as i32)
            .with_replication_factor(replicas as i16)
            .with_configs(Some(configs.collect()));
    }
    if version >= 7 && !validate_only {
        result = result.with_topic_id(topic.id);
    }
    result
}

/// Leaves the configurations out when the answer is full; the topic was created all the same.
fn within(room: &mut Room, result: CreatableTopicResult, version: i16) -> CreatableTopicResult {
    if result.configs.is_none() || version < CONFIGS_FROM || room.takes(&result, version) {
        return result;
    }
    result.with_configs(None).with_topic_config_error_code(ResponseError::InvalidRequest.code())
}

fn refuse(
    name: TopicName,
    code: ResponseError,
    message: &impl std::fmt::Display,
) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(name)
        .with_error_code(code.code())
        .with_error_message(errors::message(message))
        .with_configs(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_answer_tells_that_a_topic_was_created_without_its_configurations() {
        let result = CreatableTopicResult::default()
            .with_num_partitions(3)
            .with_configs(Some(vec![CreatableTopicConfigs::default()]));
        let whole = within(&mut Room::of(1 << 10), result.clone(), 7);
        assert_eq!(whole, result);
        let cut = within(&mut Room::of(1), result, 7);
        assert_eq!((cut.error_code, cut.num_partitions, cut.configs), (0, 3, None));
        assert_eq!(cut.topic_config_error_code, ResponseError::InvalidRequest.code());
    }
}
