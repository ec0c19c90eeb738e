//! The topic that a connector's dead letters go to, made when it is missing.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;

use crate::kafka::admin::NewTopic;
use crate::kafka::{Admin, ClientError};
use crate::task::error::TaskError;
use crate::task::failures::DeadLetterTopic;

/// As Kafka Connect's `DeadLetterQueueReporter` has it.
const PARTITIONS: i32 = 1;

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
