//! The worker's clients of a real cluster.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::clients::{Clients, Group, SharedConsumer};
use super::config::WorkerConfig;
use crate::kafka::group::{Delegate, Lease, Membership, MembershipConfig};
use crate::kafka::{
    Admin, AdminClient, ClientError, ClusterConfig, ConnectorConsumer, ConsumeError, Consumer,
    ConsumerConfig, KafkaProducer, KafkaTransactions, OffsetReset, Overrides, ProduceError,
    Producer, ProducerConfig, Transactional, TransactionalProducer,
};

/// Unacknowledged records of one producer, in bytes: with one poll or batch
/// in flight a task, enough for a dozen tasks before they wait for each other.
const PRODUCER_BUFFER_BYTES: usize = 16 << 20;
/// Unacknowledged records of one session's own producer, in bytes: it has one
/// poll or batch in flight, whose outputs may be a few times as large.
const TRANSACTION_BUFFER_BYTES: usize = 4 << 20;
/// Read ahead for one connector, in bytes, over all its partitions. Records
/// on their way are in memory once here and once in the batch being worked on.
const CONSUMER_BUFFER_BYTES: usize = 4 << 20;
/// How long the broker may hold a fetch that has nothing yet. One fetch is
/// under way at a time, and a partition that is assigned meanwhile waits for
/// its end: a task's start is worth more than a few requests less when idle.
const FETCH_WAIT: Duration = Duration::from_millis(100);

/// Clients on librdkafka and our own connections.
pub struct KafkaClients {
    cluster: ClusterConfig,
    /// The fleet's, by which consumers without one of their own go: librdkafka looks for
    /// the coordinator of any group that it is given, and this is one that a worker may see.
    group_id: String,
    admin: Arc<dyn Admin>,
    delivery_timeout: Duration,
}

impl KafkaClients {
    /// Clients of the cluster that `config` names.
    pub fn new(config: &WorkerConfig) -> Result<Self, ClientError> {
        let mut cluster = ClusterConfig::new(&config.bootstrap_servers, &config.group_id);
        cluster.security = config.security.clone();
        let admin = Arc::new(AdminClient::new(cluster.clone())?);
        let (group_id, delivery_timeout) = (config.group_id.clone(), config.delivery_timeout());
        Ok(Self { cluster, group_id, admin, delivery_timeout })
    }
}

#[async_trait]
impl Clients for KafkaClients {
    fn admin(&self) -> Arc<dyn Admin> {
        self.admin.clone()
    }

    fn producer(&self, overrides: &Overrides) -> Result<Arc<dyn Producer>, ProduceError> {
        let config = ProducerConfig {
            buffer_bytes: PRODUCER_BUFFER_BYTES,
            delivery_timeout: self.delivery_timeout,
            overrides: overrides.clone(),
            ..ProducerConfig::new(self.cluster.clone())
        };
        Ok(Arc::new(KafkaProducer::new(&config)?))
    }

    fn transactions(
        &self,
        id: &str,
        timeout: Duration,
        overrides: &Overrides,
    ) -> Result<Arc<dyn TransactionalProducer>, ProduceError> {
        let transactional = Transactional { id: id.to_owned(), timeout };
        let config = ProducerConfig {
            buffer_bytes: TRANSACTION_BUFFER_BYTES,
            delivery_timeout: self.delivery_timeout,
            transactional: Some(transactional),
            overrides: overrides.clone(),
            ..ProducerConfig::new(self.cluster.clone())
        };
        Ok(Arc::new(KafkaTransactions::new(&config)?))
    }

    fn consumer(
        &self,
        group: Option<&str>,
        overrides: &Overrides,
    ) -> Result<Arc<dyn SharedConsumer>, ConsumeError> {
        let wait = FETCH_WAIT.as_millis().to_string();
        let mut all = Overrides::from([("fetch.max.wait.ms".to_owned(), wait)]);
        all.extend(overrides.clone());
        let config = ConsumerConfig {
            buffer_bytes: CONSUMER_BUFFER_BYTES,
            // Tasks decide what becomes of a position that the log lost. The
            // worker's own topics are read from their beginning all the same.
            offset_reset: if group.is_some() { OffsetReset::Fail } else { OffsetReset::Earliest },
            overrides: all,
            ..ConsumerConfig::new(
                self.cluster.clone(),
                Some(group.unwrap_or(&self.group_id).to_owned()),
            )
        };
        Ok(Arc::new(Shared(ConnectorConsumer::new(&config, self.admin.clone())?)))
    }

    async fn join(
        &self,
        config: &WorkerConfig,
        delegate: Box<dyn Delegate>,
    ) -> Result<Arc<dyn Group>, ClientError> {
        let membership = MembershipConfig {
            session_timeout: config.session_timeout,
            heartbeat_interval: config.heartbeat_interval(),
            rebalance_timeout: config.rebalance_timeout,
            ..MembershipConfig::new(self.cluster.clone(), &config.group_id)
        };
        let membership = Membership::start(membership, delegate)?;
        let lease = membership.lease();
        Ok(Arc::new(Joined { membership: Mutex::new(Some(membership)), lease }))
    }
}

/// A membership until it is left.
struct Joined {
    membership: Mutex<Option<Membership>>,
    lease: Lease,
}

#[async_trait]
impl Group for Joined {
    fn rejoin(&self) {
        if let Some(membership) = &*self.membership.lock().expect("no holder panics") {
            membership.rejoin();
        }
    }

    fn lease(&self) -> Lease {
        self.lease.clone()
    }

    async fn leave(&self) {
        let membership = self.membership.lock().expect("no holder panics").take();
        if let Some(membership) = membership {
            membership.leave().await;
        }
    }
}

struct Shared(ConnectorConsumer);

impl SharedConsumer for Shared {
    fn share(&self) -> Arc<dyn Consumer> {
        Arc::new(self.0.share())
    }
}
