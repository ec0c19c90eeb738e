//! The topic that a connector's dead letters go to, made when it is missing, and how much
//! it takes at once.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;

use crate::kafka::admin::NewTopic;
use crate::kafka::config::RECORD_BYTES_MAX;
use crate::kafka::{Admin, ClientError, Overrides};
use crate::task::error::TaskError;
use crate::task::failures::DeadLetterTopic;

/// As Kafka Connect's `DeadLetterQueueReporter` has it.
const PARTITIONS: i32 = 1;
/// The topic's limit of a record batch, in bytes.
const TOPIC_LIMIT: &str = "max.message.bytes";
/// The producer's.
const PRODUCER_LIMIT: &str = "max.request.size";

/// Makes the topic if it is not there.
pub(super) async fn ensure(admin: &dyn Admin, topic: &DeadLetterTopic) -> Result<(), TaskError> {
    let made = make(admin, topic).await;
    made.map_err(|error| {
        let told = format!(
            "the dead-letter topic `{}` cannot be made: {error}; create it, or change \
             `errors.deadletterqueue.topic.replication.factor`",
            topic.name
        );
        TaskError { message: told, ..error.into() }
    })
}

async fn make(admin: &dyn Admin, topic: &DeadLetterTopic) -> Result<(), ClientError> {
    if admin.describe_topics(&[&topic.name]).await?.contains_key(&topic.name) {
        return Ok(());
    }
    let new = NewTopic {
        name: topic.name.clone(),
        partitions: Some(PARTITIONS),
        replication_factor: topic.replication_factor,
        configs: BTreeMap::new(),
    };
    match admin.create_topic(&new).await {
        // Another task was quicker.
        Err(error) if error.code() == Some(ResponseError::TopicAlreadyExists) => Ok(()),
        created => created,
    }
}

/// The most bytes that one request may bring there: the topic's limit, or that of the
/// producer with these overrides.
pub(super) async fn bytes_max(
    admin: &dyn Admin,
    topic: &DeadLetterTopic,
    producer: &Overrides,
) -> usize {
    let own = producer.get(PRODUCER_LIMIT).and_then(|bytes| bytes.trim().parse().ok());
    let own = own.unwrap_or(RECORD_BYTES_MAX);
    match admin.topic_configs(&topic.name).await {
        Ok(configs) => {
            let limit = configs.get(TOPIC_LIMIT).and_then(|entry| entry.value.as_deref());
            limit.and_then(|bytes| bytes.parse().ok()).map_or(own, |limit: usize| limit.min(own))
        }
        // Whoever may not ask is told when a letter is refused.
        Err(error) => {
            tracing::debug!(topic = topic.name, "its `{TOPIC_LIMIT}` is not known: {error}");
            own
        }
    }
}
