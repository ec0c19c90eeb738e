//! The internal topics: created where they are missing, checked where they
//! are not, and refused when they would lose what is written to them.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::config::InternalTopic;
use crate::kafka::admin::{ConfigEntry, NewTopic};
use crate::kafka::{Admin, ClientError};

const CLEANUP_POLICY: &str = "cleanup.policy";
const COMPACT: &str = "compact";
/// How long a broker may take to hear of a topic that the controller has created.
/// Kafka's learn of it each on its own, after the creation was answered.
const HEARD_OF_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Why an internal topic cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TopicError {
    /// It would be cleaned by age or size.
    #[error(
        "topic `{topic}` has cleanup.policy={found}, which would delete {holds} in time; it must \
         be `compact`: alter the topic, or name another one"
    )]
    NotCompacted {
        /// The topic.
        topic: String,
        /// Its cleanup policy.
        found: String,
        /// What it is for.
        holds: &'static str,
    },
    /// Its number of partitions does not do.
    #[error(
        "topic `{topic}` has {found} partitions, but {holds} need {needed}: name another topic"
    )]
    Partitions {
        /// The topic.
        topic: String,
        /// Partitions that it has.
        found: usize,
        /// Partitions that it needs.
        needed: i32,
        /// What it is for.
        holds: &'static str,
    },
    /// The cluster did not do what was asked.
    #[error("topic `{topic}`: {source}")]
    Client {
        /// The topic.
        topic: String,
        /// Why.
        source: ClientError,
    },
}

/// Makes sure that `topic` exists and keeps the latest value of every key; it
/// is created with `more` configurations.
/// `exact`: it must have the number of partitions that it would be created
/// with. Answers with its number of partitions.
pub async fn ensure_compacted(
    admin: &dyn Admin,
    topic: &InternalTopic,
    exact: bool,
    more: BTreeMap<String, String>,
    holds: &'static str,
) -> Result<i32, TopicError> {
    let failed = |source| TopicError::Client { topic: topic.name.clone(), source };
    let mut found = partitions(admin, &topic.name).await.map_err(failed)?;
    if found.is_none() {
        let mut configs = more;
        configs.insert(CLEANUP_POLICY.to_owned(), COMPACT.to_owned());
        let new = NewTopic {
            name: topic.name.clone(),
            partitions: Some(topic.partitions),
            replication_factor: Some(topic.replication_factor),
            configs,
        };
        match admin.create_topic(&new).await {
            // Another worker was quicker; what it made is checked like any.
            Err(error) if error.code() == Some(ResponseError::TopicAlreadyExists) => {}
            created => created.map_err(failed)?,
        }
        found = partitions(admin, &topic.name).await.map_err(failed)?;
    }
    // A topic just created may not have reached every broker yet.
    let found = found.unwrap_or(topic.partitions as usize);
    if exact && found != topic.partitions as usize {
        let needed = topic.partitions;
        return Err(TopicError::Partitions { topic: topic.name.clone(), found, needed, holds });
    }
    let configs = configs_once_heard_of(admin, &topic.name).await.map_err(failed)?;
    let policy = configs.get(CLEANUP_POLICY).and_then(|entry| entry.value.as_deref());
    match policy {
        Some(COMPACT) => Ok(found as i32),
        other => Err(TopicError::NotCompacted {
            topic: topic.name.clone(),
            found: other.unwrap_or("unknown").to_owned(),
            holds,
        }),
    }
}

/// The configurations of a topic that exists, whether the broker that is asked knows
/// it already or not.
async fn configs_once_heard_of(
    admin: &dyn Admin,
    topic: &str,
) -> Result<BTreeMap<String, ConfigEntry>, ClientError> {
    let deadline = Instant::now() + HEARD_OF_WITHIN;
    loop {
        match admin.topic_configs(topic).await {
            Err(error)
                if error.code() == Some(ResponseError::UnknownTopicOrPartition)
                    && Instant::now() < deadline =>
            {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            answer => return answer,
        }
    }
}

async fn partitions(admin: &dyn Admin, topic: &str) -> Result<Option<usize>, ClientError> {
    let topics = admin.describe_topics(&[topic]).await?;
    Ok(topics.get(topic).map(|topic| topic.partitions.len()))
}
