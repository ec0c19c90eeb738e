//! Administration of a cluster: topics, configs, groups, offsets.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`types`] | what is asked for and answered |
//! | `client` | [`AdminClient`], which tries again |
//! | `topics`, `groups`, `offsets` | one attempt at each request |
//! | [`acls`], [`configs`], [`quotas`], [`users`] | what operators set, with requests and types |
//! | [`transactions`] | which are open, which hang, and how to end them |
//! | [`consumers`] | groups of the consumer protocol; offsets set and deleted |
//! | `answers` | errors of answers |

pub mod acls;
mod answers;
mod client;
pub mod configs;
pub mod consumers;
mod groups;
mod offsets;
pub mod quotas;
mod topics;
pub mod transactions;
pub mod types;
pub mod users;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use kafka_protocol::ResponseError;

use super::error::ClientError;
use super::types::{CommittedOffset, OffsetCommit, Start, TopicPartition};
pub use client::AdminClient;
pub use transactions::OpenTransaction;
pub use types::{
    BrokerDescription, ClusterDescription, ConfigEntry, GroupDescription, GroupLag, GroupListing,
    GroupMember, NewTopic, PartitionDescription, TopicDescription,
};

/// Asks a cluster for what it holds, and changes it. Every call tries again
/// with pauses while the cause may pass, up to the client's time-out.
#[async_trait]
pub trait Admin: Send + Sync {
    /// The cluster's id and brokers.
    async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError>;

    /// Creates a topic. One that exists is refused with `TopicAlreadyExists`.
    async fn create_topic(&self, topic: &NewTopic) -> Result<(), ClientError>;

    /// Deletes a topic. One that does not exist is refused with
    /// `UnknownTopicOrPartition`.
    async fn delete_topic(&self, name: &str) -> Result<(), ClientError>;

    /// Raises a topic's number of partitions to `total`.
    async fn create_partitions(&self, topic: &str, total: i32) -> Result<(), ClientError>;

    /// All topics, by name.
    async fn list_topics(&self) -> Result<Vec<TopicDescription>, ClientError>;

    /// The topics that exist among `names`; asking never creates one.
    async fn describe_topics(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, TopicDescription>, ClientError>;

    /// All configs of a topic, by name.
    async fn topic_configs(
        &self,
        topic: &str,
    ) -> Result<BTreeMap<String, ConfigEntry>, ClientError>;

    /// Sets some configs of a topic and leaves the others; `None` takes a
    /// setting back to the default.
    async fn alter_topic_configs(
        &self,
        topic: &str,
        changes: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClientError>;

    /// All groups, by id.
    async fn list_groups(&self) -> Result<Vec<GroupListing>, ClientError>;

    /// A group in full. Kafka answers an unknown group with state `Dead`.
    async fn describe_group(&self, group_id: &str) -> Result<GroupDescription, ClientError>;

    /// How far a group has read each partition that it committed.
    async fn group_lag(&self, group_id: &str) -> Result<Vec<GroupLag>, ClientError>;

    /// Deletes a group without members, and its offsets.
    async fn delete_group(&self, group_id: &str) -> Result<(), ClientError>;

    /// Commits offsets to a group without being a member of it. The first
    /// partition that is refused is the error.
    async fn commit_offsets(
        &self,
        group_id: &str,
        offsets: &[OffsetCommit],
    ) -> Result<(), ClientError>;

    /// Makes a group forget what it committed for partitions that no member
    /// of it reads. What came of each.
    async fn delete_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Option<ResponseError>)>, ClientError>;

    /// What a group has committed; `None` asks for all partitions.
    async fn committed_offsets(
        &self,
        group_id: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<HashMap<TopicPartition, CommittedOffset>, ClientError>;

    /// The same, waiting for the end of transactions that may change it.
    async fn stable_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, CommittedOffset>, ClientError>;

    /// The transactions that are open on these partitions, with their ids where a
    /// coordinator knows them.
    async fn open_transactions(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<OpenTransaction>, ClientError>;

    /// Gives a transactional id to a producer that does not exist: whoever has it is
    /// fenced, and its open transaction is aborted before this returns. Whoever takes it
    /// over after that is not, even if a request of this was given up and arrives late;
    /// but Apache Kafka looks at the epoch that is meant between transactions alone, so there
    /// one that arrives within a successor's transaction ends that, and the task opens anew.
    async fn fence_producer(
        &self,
        transactional_id: &str,
        transaction_timeout: Duration,
    ) -> Result<(), ClientError>;

    /// Looks positions up: [`Start::Earliest`], [`Start::Latest`] or
    /// [`Start::LastStable`] of each partition. ([`Start::Offset`] is answered with itself.)
    async fn list_offsets(
        &self,
        partitions: &[(TopicPartition, Start)],
    ) -> Result<HashMap<TopicPartition, i64>, ClientError>;
}
