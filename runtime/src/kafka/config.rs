//! How clients are configured.

use std::collections::BTreeMap;
use std::time::Duration;

use super::security::Security;
use super::types::OffsetReset;

/// Properties by Kafka's names, as `producer.override.*` and
/// `consumer.override.*` hold them with the prefix taken off. They win over
/// what is set here; a name that librdkafka does not know is an error.
pub type Overrides = BTreeMap<String, String>;

/// What all clients of a cluster need.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// `bootstrap.servers`: `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// `client.id`: shown in the broker's logs.
    pub client_id: String,
    /// How long one request may take, retries included: `default.api.timeout.ms`.
    pub api_timeout: Duration,
    /// TLS and SASL.
    pub security: Security,
}

impl ClusterConfig {
    /// The cluster at `bootstrap_servers`, with Kafka's defaults but for a
    /// shorter time-out of 30 s.
    pub fn new(bootstrap_servers: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            client_id: client_id.into(),
            api_timeout: Duration::from_secs(30),
            security: Security::default(),
        }
    }
}

/// What a producer needs. Always idempotent with `acks=all`, keys placed by
/// Java's murmur2.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// The cluster.
    pub cluster: ClusterConfig,
    /// Bytes of records that may be unacknowledged at once; `send` waits
    /// beyond them.
    pub buffer_bytes: usize,
    /// Largest record, in bytes: `max.request.size`.
    pub max_record_bytes: usize,
    /// How long to wait for more records before a request is sent: `linger.ms`.
    pub linger: Duration,
    /// How long a record may stay unacknowledged: `delivery.timeout.ms`.
    pub delivery_timeout: Duration,
    /// What makes it transactional.
    pub transactional: Option<Transactional>,
    /// `producer.override.*`.
    pub overrides: Overrides,
}

/// What makes a producer transactional.
#[derive(Clone, Debug)]
pub struct Transactional {
    /// `transactional.id`.
    pub id: String,
    /// How long the coordinator lets a transaction be open before it aborts
    /// it: `transaction.timeout.ms`, at least the time to deliver.
    pub timeout: Duration,
}

/// Largest record of a producer without overrides, in bytes.
pub const RECORD_BYTES_MAX: usize = 8 << 20;

impl ProducerConfig {
    /// 32 MiB of buffer, records up to 8 MiB, 5 ms linger, 120 s to deliver.
    pub fn new(cluster: ClusterConfig) -> Self {
        Self {
            cluster,
            buffer_bytes: 32 << 20,
            max_record_bytes: RECORD_BYTES_MAX,
            linger: Duration::from_millis(5),
            delivery_timeout: Duration::from_secs(120),
            transactional: None,
            overrides: Overrides::new(),
        }
    }
}

/// What a consumer needs: one for each connector on a worker.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// The cluster.
    pub cluster: ClusterConfig,
    /// The group that offsets are committed to without joining it,
    /// `connect-<connector>`. Readers of internal topics have none.
    pub group_id: Option<String>,
    /// Bytes of records that may be read ahead, over all partitions.
    pub buffer_bytes: usize,
    /// How many partitions share that budget at most: those of the connector's
    /// topics. More can be assigned, but then the budget is exceeded.
    pub partitions_max: usize,
    /// Largest record that is sure to be read, in bytes. (A larger one is
    /// still delivered, since brokers always answer with at least one batch.)
    pub max_record_bytes: usize,
    /// What to do when a position is not in the log.
    pub offset_reset: OffsetReset,
    /// `consumer.override.*`.
    pub overrides: Overrides,
}

impl ConsumerConfig {
    /// 32 MiB read ahead for up to 16 partitions, records up to 8 MiB, `earliest`.
    pub fn new(cluster: ClusterConfig, group_id: Option<String>) -> Self {
        Self {
            cluster,
            group_id,
            buffer_bytes: 32 << 20,
            partitions_max: 16,
            max_record_bytes: 8 << 20,
            offset_reset: OffsetReset::Earliest,
            overrides: Overrides::new(),
        }
    }
}
