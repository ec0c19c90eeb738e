//! What every connection of a running broker shares.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::Authorizer,
    config::BrokerConfig,
    controller::{
        BrokerImage, ClusterImage, ConfigChange, ConfigResource, Controller, ControllerError,
        Endpoint, NewTopic, QuotaEntity, TopicImage, TopicRef,
    },
    group::GroupCoordinator,
    kafka::{Admission, FetchMemory, LargeReads, Listener, LogLimit, RequestMemory, Turns},
    metrics::Metrics,
    partition::PartitionManager,
    producer_ids::ProducerIds,
    quota::Quotas,
    txn::TransactionCoordinator,
};

/// A running node.
pub(crate) struct Node {
    pub(crate) config: BrokerConfig,
    pub(crate) cluster_id: String,
    pub(crate) controller: Arc<dyn Controller>,
    pub(crate) image: watch::Receiver<Arc<ClusterImage>>,
    pub(crate) partitions: Arc<PartitionManager>,
    pub(crate) groups: GroupCoordinator,
    pub(crate) producer_ids: Arc<ProducerIds>,
    pub(crate) quotas: Quotas,
    pub(crate) metrics: Metrics,
    pub(crate) transactions: TransactionCoordinator,
    pub(crate) request_memory: Arc<RequestMemory>,
    pub(crate) fetch_memory: FetchMemory,
    pub(crate) large_reads: LargeReads,
    /// Look-ups by timestamp, and appends that open their batch: neither waits for the other.
    pub(crate) look_ups: Turns,
    pub(crate) reworks: Turns,
    /// In the order of the configuration.
    pub(crate) listeners: Vec<Listener>,
    /// What the salts of users that are not there are made of.
    pub(crate) decoy_key: ring::hmac::Key,
    /// Where there is one; else everyone may do everything.
    pub(crate) authorizer: Option<Arc<Authorizer>>,
    pub(crate) denials: Arc<LogLimit>,
    pub(crate) admission: Admission,
    pub(crate) bad_connections: LogLimit,
    pub(crate) stopping: CancellationToken,
}

impl Node {
    /// The newest image.
    pub(crate) fn image(&self) -> Arc<ClusterImage> {
        self.image.borrow().clone()
    }

    /// The address of a broker for clients that came by this listener.
    pub(crate) fn endpoint_of<'a>(&self, broker: &'a BrokerImage, listener: usize) -> &'a Endpoint {
        let name = self.config.listeners.get(listener).map(|listener| listener.name.as_str());
        let named = broker.endpoints.iter().find(|endpoint| Some(&*endpoint.listener) == name);
        named
            .or(broker.endpoints.first())
            .expect("a broker registers with an endpoint for each of its listeners")
    }

    /// Brings the partitions up to the newest image, so that what was asked
    /// for is there when the asker hears that it succeeded.
    pub(crate) async fn follow_image(&self) {
        self.quotas.follow(self.image().client_quotas());
        self.partitions.follow(&self.image).await;
    }

    /// Makes an internal topic if it is not there; tells why it cannot be made.
    pub(crate) async fn ensure_topic(&self, topic: NewTopic) -> Result<(), String> {
        if self.partitions.count(&topic.name) > 0 {
            return Ok(());
        }
        match self.create_topic(topic, false).await {
            Ok(_) => Ok(()),
            // Someone else was first: it is there.
            Err(ControllerError::TopicExists { .. }) => {
                self.follow_image().await;
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    pub(crate) async fn create_topic(
        &self,
        topic: NewTopic,
        validate_only: bool,
    ) -> Result<Arc<TopicImage>, ControllerError> {
        let created = self.controller.create_topic(topic, validate_only).await?;
        self.follow_image().await;
        Ok(created)
    }

    pub(crate) async fn delete_topic(
        &self,
        topic: TopicRef,
    ) -> Result<Arc<TopicImage>, ControllerError> {
        let deleted = self.controller.delete_topic(topic).await?;
        self.follow_image().await;
        Ok(deleted)
    }

    pub(crate) async fn create_partitions(
        &self,
        name: &str,
        count: i32,
        assignments: Option<Vec<Vec<i32>>>,
        validate_only: bool,
    ) -> Result<(), ControllerError> {
        self.controller.create_partitions(name, count, assignments, validate_only).await?;
        self.follow_image().await;
        Ok(())
    }

    pub(crate) async fn alter_configs(
        &self,
        resource: ConfigResource,
        changes: HashMap<String, ConfigChange>,
        validate_only: bool,
    ) -> Result<(), ControllerError> {
        self.controller.alter_configs(resource, changes, validate_only).await?;
        self.follow_image().await;
        Ok(())
    }

    pub(crate) async fn replace_configs(
        &self,
        resource: ConfigResource,
        configs: BTreeMap<String, String>,
        validate_only: bool,
    ) -> Result<(), ControllerError> {
        self.controller.replace_configs(resource, configs, validate_only).await?;
        self.follow_image().await;
        Ok(())
    }

    pub(crate) async fn alter_client_quotas(
        &self,
        entity: QuotaEntity,
        changes: Vec<(String, Option<f64>)>,
        validate_only: bool,
    ) -> Result<(), ControllerError> {
        self.controller.alter_client_quotas(entity, changes, validate_only).await?;
        self.follow_image().await;
        Ok(())
    }
}
