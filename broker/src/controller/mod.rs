//! The controller: every decision about the cluster's metadata.
//!
//! ```text
//! mod.rs      the trait, what is asked of it and how it refuses
//! record.rs   what a decision is written down as
//! image.rs    the state machine: records in, a readable image out, no I/O
//! plan.rs     decisions: a request and the image in, records out, no I/O
//! placement.rs  decisions about leaders and replicas, likewise
//! quota.rs    client quotas, likewise
//! journal.rs  the durable local log of records, and its snapshot
//! acl.rs      decisions about access control lists
//! scram.rs    decisions about SCRAM credentials
//! local.rs    the controller of a single node over that journal
//! ```
//!
//! Handlers read the image, which is published whenever it changes, and ask
//! the trait for changes; a change is answered when it is durable and the
//! image shows it.
//!
//! Invariant: a record is applied only after it is durable, and applying one
//! never fails, so every replay ends in the same image.

mod acl;
mod image;
mod journal;
mod local;
mod placement;
mod plan;
mod quota;
mod record;
mod scram;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use crate::auth::{Acl, AclFilter};
use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

pub use image::{BrokerImage, ClusterImage, PartitionImage, TopicImage};
pub use journal::JournalError;
pub use local::LocalController;
pub(crate) use placement::{ElectionRefusal, ElectionType, judge_election, judge_reassignment};
pub use plan::TopicConfigCheck;
pub(crate) use plan::is_topic_name;
pub use quota::{
    CONNECTION_CREATION_RATE, CONSUMER_BYTE_RATE, CONTROLLER_MUTATION_RATE, ClientQuotas,
    PRODUCER_BYTE_RATE, QuotaBound, QuotaEntity, QuotaName, REQUEST_PERCENTAGE,
};
pub use record::{BrokerRecord, ConfigResource, Endpoint, MetadataRecord, PartitionRecord};
pub use scram::{NoCredential, ScramChange};

/// An epoch in which a partition is not to be led any longer: its leader may have lost
/// records that it had answered for.
#[derive(Debug, Clone, Copy)]
pub struct OutlivedEpoch {
    /// The partition's topic.
    pub topic_id: Uuid,
    /// Its number.
    pub partition: i32,
    /// The newest epoch that its log or its controller knows.
    pub epoch: i32,
}

/// A topic to be created.
#[derive(Debug, Clone, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Partitions from 1; -1 takes the broker's default.
    pub partitions: i32,
    /// Replicas from 1; -1 takes the broker's default.
    pub replication_factor: i16,
    /// Replicas by partition, instead of the two numbers.
    pub assignments: BTreeMap<i32, Vec<i32>>,
    /// Configurations that differ from the defaults.
    pub configs: BTreeMap<String, String>,
}

/// A change to one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// Sets the value.
    Set(String),
    /// Returns to the default.
    Delete,
    /// Adds the comma-separated values to a list.
    Append(String),
    /// Removes the comma-separated values from a list.
    Subtract(String),
}

/// A topic by either of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicRef {
    /// By name.
    Name(String),
    /// By id.
    Id(Uuid),
}

/// Why the controller refused a change. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The name cannot be a topic's.
    #[error("`{name}` is no topic name: {reason}")]
    InvalidTopicName {
        /// As asked for.
        name: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// There is such a topic.
    #[error("topic `{name}` already exists")]
    TopicExists {
        /// Its name, or that of the one it collides with.
        name: String,
    },
    /// There is no such topic.
    #[error("topic {topic:?} does not exist")]
    UnknownTopic {
        /// As asked for.
        topic: TopicRef,
    },
    /// A partition count that cannot be.
    #[error("{reason}")]
    InvalidPartitions {
        /// Which rule it breaks.
        reason: String,
    },
    /// A replication factor that cannot be.
    #[error(
        "replication factor {asked} is not possible: {available} broker(s) are registered; use -1 or a factor from 1 to {available}"
    )]
    InvalidReplicationFactor {
        /// As asked for.
        asked: i16,
        /// Brokers that could hold a replica.
        available: usize,
    },
    /// A replica assignment that cannot be.
    #[error("{reason}")]
    InvalidAssignment {
        /// Which rule it breaks.
        reason: String,
    },
    /// There is no reassignment to cancel.
    #[error("no reassignment of partition {partition} of topic `{topic}` is under way")]
    NoReassignment {
        /// The topic.
        topic: String,
        /// The partition's number.
        partition: i32,
    },
    /// A quota that cannot be.
    #[error("{reason}")]
    InvalidQuota {
        /// Which rule it breaks.
        reason: String,
    },
    /// A configuration that cannot be.
    #[error("{reason}")]
    InvalidConfig {
        /// Which one, and why.
        reason: String,
    },
    /// A configuration of a broker that cannot be, or not while it runs.
    #[error("{reason}")]
    InvalidBrokerConfig {
        /// Which one, and why.
        reason: String,
    },
    /// The journal cannot be written; the controller refuses every change until restart.
    #[error(
        "the metadata journal cannot be written: {reason}; free space or repair the disk, then restart"
    )]
    Storage {
        /// The system's reason.
        reason: String,
    },
}

/// The metadata log as administrators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumState {
    /// Grows with each leader of the log.
    pub leader_epoch: i32,
    /// The offset that the next transaction will have.
    pub log_end_offset: i64,
}

/// Where metadata decisions are made.
#[async_trait]
pub trait Controller: Send + Sync + 'static {
    /// The image, published anew with every change.
    fn image(&self) -> watch::Receiver<Arc<ClusterImage>>;

    /// Registers this broker's addresses.
    async fn register_broker(&self, broker: BrokerRecord) -> Result<(), ControllerError>;

    /// Creates a topic, or only checks that it could be.
    async fn create_topic(
        &self,
        topic: NewTopic,
        validate_only: bool,
    ) -> Result<Arc<TopicImage>, ControllerError>;

    /// Deletes a topic; answers with what it was.
    async fn delete_topic(&self, topic: TopicRef) -> Result<Arc<TopicImage>, ControllerError>;

    /// Grows a topic to `count` partitions.
    async fn create_partitions(
        &self,
        name: &str,
        count: i32,
        assignments: Option<Vec<Vec<i32>>>,
        validate_only: bool,
    ) -> Result<Arc<TopicImage>, ControllerError>;

    /// Begins a new leader epoch in these partitions, above any that was led in before.
    async fn begin_leader_epochs(&self, outlived: &[OutlivedEpoch]) -> Result<(), ControllerError>;

    /// Changes configurations of one resource, all or none.
    async fn alter_configs(
        &self,
        resource: ConfigResource,
        changes: HashMap<String, ConfigChange>,
        validate_only: bool,
    ) -> Result<(), ControllerError>;

    /// Adds entries to the access control lists.
    async fn create_acls(&self, acls: Vec<Acl>) -> Result<(), ControllerError>;

    /// Removes the entries that each filter is about; answers with them.
    async fn delete_acls(&self, filters: Vec<AclFilter>) -> Result<Vec<Vec<Acl>>, ControllerError>;

    /// Changes SCRAM credentials; answers for each change.
    async fn alter_scram_credentials(
        &self,
        changes: Vec<ScramChange>,
    ) -> Result<Vec<Result<(), NoCredential>>, ControllerError>;

    /// Replaces all configurations of one resource by these: what is not among
    /// them returns to its default.
    async fn replace_configs(
        &self,
        resource: ConfigResource,
        configs: BTreeMap<String, String>,
        validate_only: bool,
    ) -> Result<(), ControllerError>;

    /// Changes quotas of one entity, all or none; `None` removes a bound.
    async fn alter_client_quotas(
        &self,
        entity: QuotaEntity,
        changes: Vec<(String, Option<f64>)>,
        validate_only: bool,
    ) -> Result<(), ControllerError>;

    /// How far the metadata log has come.
    fn quorum(&self) -> QuorumState;

    /// Reserves producer ids that no one else will be given.
    async fn allocate_producer_ids(&self) -> Result<Range<i64>, ControllerError>;
}
