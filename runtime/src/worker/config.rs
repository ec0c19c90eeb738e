//! What a worker is told: Kafka Connect's worker settings, typed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::herder::ConnectorConfig;
use super::session_key::InterWorker;
use crate::kafka::Security;
use crate::logging::{self, Loggers};
use crate::task::commits::RECOMMIT_EVERY;

/// The least time for a transaction, Kafka Streams' own.
const TRANSACTION_TIMEOUT_MIN: Duration = Duration::from_secs(10);

/// Whether a worker's sources write in transactions:
/// `exactly.once.source.support` (KIP-618).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SourceSupport {
    /// They do not.
    Disabled,
    /// They do not yet: every worker of the fleet is set so before the first one
    /// is set to `enabled`.
    Preparing,
    /// They do. Kafka Connect's default is `disabled`, for fleets that grew
    /// without it; here processors need the same rights and brokers anyway.
    #[default]
    Enabled,
}

impl SourceSupport {
    /// All of them, by Kafka Connect's names.
    pub const ALL: [(&'static str, Self); 3] =
        [("disabled", Self::Disabled), ("preparing", Self::Preparing), ("enabled", Self::Enabled)];
}

/// Whether the topics that connectors use are tracked (KIP-558).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicTracking {
    /// `topic.tracking.enable`: they are.
    pub enable: bool,
    /// `topic.tracking.allow.reset`: requests may make the worker forget them.
    pub allow_reset: bool,
}

impl Default for TopicTracking {
    fn default() -> Self {
        Self { enable: true, allow_reset: true }
    }
}

/// What requests may bring to the fleet beside connectors: nothing by default. Each
/// worker goes by its own file, since it is its process that opens and runs them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FleetResources {
    /// `connection.resources.enable`: connections. Who may send requests then reads and
    /// writes what the worker's process may.
    pub connections: bool,
    /// `plugin.upload.enable`: plugins, also in the place of those that are there.
    pub plugins: bool,
}

/// One of the internal topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalTopic {
    /// The topic's name (`config.storage.topic` and its like).
    pub name: String,
    /// Partitions it is created with; an existing topic keeps its own. The
    /// config topic always has one, or its records would have no order.
    pub partitions: i32,
    /// Replicas it is created with (`config.storage.replication.factor`).
    pub replication_factor: i16,
}

/// A worker's settings. [`WorkerConfig::new`] fills in the defaults, which are
/// Kafka Connect's where a comment does not say otherwise.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// `bootstrap.servers`: `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// `group.id`: the workers of one fleet share it.
    pub group_id: String,
    /// `config.storage.topic`: connectors and their tasks' configurations.
    pub config_storage: InternalTopic,
    /// `offset.storage.topic`: sources' checkpoints. Created with 5 partitions,
    /// not Kafka Connect's 25: each costs a small node its files, and what a
    /// partition holds is one short record for each file, table or shard.
    pub offset_storage: InternalTopic,
    /// `status.storage.topic`: states of connectors and tasks.
    pub status_storage: InternalTopic,
    /// `plugin.storage.topic`: plugins that were uploaded, in chunks.
    pub plugin_storage: InternalTopic,
    /// `offset.flush.interval.ms`: how often a sink's offsets are committed.
    /// Defaults to 5 s, not to Kafka Connect's minute: a commit costs one
    /// request, and what is repeated after a crash shrinks with it. Sources
    /// and processors commit after every poll and batch.
    pub offset_flush_interval: Duration,
    /// Workers' session time-out in the group (`session.timeout.ms`). Defaults to
    /// 8 s, not to Kafka Connect's 10 s: with the time that the others need to hear
    /// of it, a dead worker's tasks run elsewhere within 12 s.
    pub session_timeout: Duration,
    /// For how long a worker's tasks wait for it to return, once it left in order
    /// (`scheduled.rebalance.max.delay.ms`, KIP-415). 3 s, not Kafka Connect's 5
    /// minutes: those of a worker that died are not waited for at all, since it had
    /// its whole session to be heard of again.
    pub scheduled_rebalance_max_delay: Duration,
    /// How long the group waits for its members to rejoin
    /// (`rebalance.timeout.ms`).
    pub rebalance_timeout: Duration,
    /// How often the leader looks for new topics and partitions
    /// (`metadata.max.age.ms`; 5 s, not 5 minutes).
    pub topic_refresh_interval: Duration,
    /// `rest.advertised.host.name:rest.advertised.port`, which is the
    /// worker's id in statuses.
    pub worker_id: String,
    /// How many times in a row, with no progress between, a task that trapped
    /// or timed out is reopened before it is FAILED.
    pub task_reopen_max: u32,
    /// How often offsets of processors, and of what is PAUSED, are committed anew that
    /// have not moved, so that none expires.
    pub recommit_every: Duration,
    /// Longest pause before a task is tried again
    /// (`errors.retry.delay.max.ms`, where a connector does not set its own).
    pub retry_delay_max: Duration,
    /// `exactly.once.source.support`.
    pub exactly_once_sources: SourceSupport,
    /// `topic.tracking.enable` and `topic.tracking.allow.reset`.
    pub topic_tracking: TopicTracking,
    /// `connection.resources.enable` and `plugin.upload.enable`.
    pub fleet_resources: FleetResources,
    /// When given, no other connectors than these may go on as the config topic
    /// has them: all else is deleted before anything starts. For a worker that
    /// is the whole fleet and serves one pipeline.
    pub only: Option<BTreeMap<String, ConnectorConfig>>,
    /// TLS and SASL of every Kafka client of the worker.
    pub security: Security,
    /// `inter.worker.*`: how workers prove their requests to each other.
    pub inter_worker: InterWorker,
    /// The levels of logging that requests change: the process's own.
    pub loggers: Arc<Loggers>,
}

impl WorkerConfig {
    /// The defaults for a fleet `group_id` on the cluster at
    /// `bootstrap_servers`, one replica for each internal topic.
    pub fn new(bootstrap_servers: &str, group_id: &str, worker_id: &str) -> Self {
        let topic = |name: &str, partitions| InternalTopic {
            name: name.to_owned(),
            partitions,
            replication_factor: 1,
        };
        Self {
            bootstrap_servers: bootstrap_servers.to_owned(),
            group_id: group_id.to_owned(),
            config_storage: topic("connect-configs", 1),
            offset_storage: topic("connect-offsets", 5),
            status_storage: topic("connect-status", 5),
            plugin_storage: topic("connect-plugins", 1),
            offset_flush_interval: Duration::from_secs(5),
            session_timeout: Duration::from_secs(8),
            scheduled_rebalance_max_delay: Duration::from_secs(3),
            rebalance_timeout: Duration::from_secs(60),
            topic_refresh_interval: Duration::from_secs(5),
            worker_id: worker_id.to_owned(),
            task_reopen_max: 5,
            recommit_every: RECOMMIT_EVERY,
            retry_delay_max: Duration::from_secs(60),
            exactly_once_sources: SourceSupport::default(),
            topic_tracking: TopicTracking::default(),
            fleet_resources: FleetResources::default(),
            only: None,
            security: Security::default(),
            inter_worker: InterWorker::default(),
            loggers: logging::loggers(),
        }
    }

    /// The fleet's own topics, which no connector reads or writes: what they say every
    /// worker believes, and the config topic holds the key that workers sign with.
    pub fn state_topics(&self) -> [&str; 4] {
        [&self.config_storage, &self.offset_storage, &self.status_storage, &self.plugin_storage]
            .map(|topic| topic.name.as_str())
    }

    /// How often the worker tells its group that it is alive: often enough that
    /// its lease has nearly the whole session left at any time.
    pub fn heartbeat_interval(&self) -> Duration {
        (self.session_timeout / 10).min(Duration::from_secs(3))
    }

    /// How long a transaction may be open before its coordinator aborts it
    /// (`transaction.timeout.ms`): until its records are delivered, and then until
    /// its commit is. A crashed worker's open ones hold readers up for this long at
    /// most.
    pub fn transaction_timeout(&self) -> Duration {
        (self.delivery_timeout() * 2).max(TRANSACTION_TIMEOUT_MIN)
    }

    /// The `transactional.id` of a source's task, or of a processor's partition
    /// number, as KIP-618 has it: the same on whichever worker it runs.
    pub fn transactional_id(&self, connector: &str, number: impl std::fmt::Display) -> String {
        format!("{}-{connector}-{number}", self.group_id)
    }

    /// The `transactional.id` that the fleet's leader writes as, as KIP-618 has it.
    pub fn leader_transactional_id(&self) -> String {
        format!("connect-cluster-{}", self.group_id)
    }

    /// How long a record may stay unacknowledged (`delivery.timeout.ms`). A task
    /// hands over a record only when its lease lasts longer than this, so that
    /// none is sent by a worker that others took for dead.
    pub fn delivery_timeout(&self) -> Duration {
        self.session_timeout * 3 / 4
    }
}
