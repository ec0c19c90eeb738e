//! [`Admin`] over our own connections.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use kafka_protocol::ResponseError;

use super::configs::{ConfigChange, ConfigResource};
use super::types::{
    BrokerDescription, ClusterDescription, ConfigEntry, GroupDescription, GroupLag, GroupListing,
    NewTopic, TopicDescription,
};
use super::{Admin, OpenTransaction, groups, offsets, topics};
use crate::kafka::config::ClusterConfig;
use crate::kafka::error::ClientError;
use crate::kafka::net::Cluster;
use crate::kafka::types::{CommittedOffset, OffsetCommit, Start, TopicPartition};

/// Those who change a topic want to hear at once that there is none.
pub(super) const UNKNOWN_TOPIC: Option<ResponseError> =
    Some(ResponseError::UnknownTopicOrPartition);

/// An administration client. Clones share connections, which open when first
/// needed and again after they broke.
#[derive(Clone)]
pub struct AdminClient {
    pub(super) cluster: Cluster,
}

impl AdminClient {
    /// A client of a cluster; an error means that `bootstrap.servers` cannot
    /// be understood.
    pub fn new(config: ClusterConfig) -> Result<Self, ClientError> {
        Ok(Self { cluster: Cluster::new(config)? })
    }
}

#[async_trait]
impl Admin for AdminClient {
    async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError> {
        let metadata = self.cluster.retry(|| self.cluster.metadata(Some(&[]))).await?;
        Ok(ClusterDescription {
            cluster_id: metadata.cluster_id.map(|id| id.to_string()),
            controller: (metadata.controller_id.0 >= 0).then_some(metadata.controller_id.0),
            brokers: metadata
                .brokers
                .iter()
                .map(|broker| BrokerDescription {
                    node_id: broker.node_id.0,
                    host: broker.host.to_string(),
                    port: broker.port,
                })
                .collect(),
        })
    }

    async fn create_topic(&self, topic: &NewTopic) -> Result<(), ClientError> {
        self.cluster.retry(|| topics::create(&self.cluster, topic)).await
    }

    async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        self.cluster.retry_unless(UNKNOWN_TOPIC, || topics::delete(&self.cluster, name)).await
    }

    async fn create_partitions(&self, topic: &str, total: i32) -> Result<(), ClientError> {
        self.cluster
            .retry_unless(UNKNOWN_TOPIC, || topics::create_partitions(&self.cluster, topic, total))
            .await
    }

    async fn list_topics(&self) -> Result<Vec<TopicDescription>, ClientError> {
        let found = self.cluster.retry(|| topics::describe(&self.cluster, None)).await?;
        Ok(found.into_values().collect())
    }

    async fn describe_topics(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, TopicDescription>, ClientError> {
        // An empty list would ask version 0 for all topics.
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.cluster.retry(|| topics::describe(&self.cluster, Some(names))).await
    }

    async fn topic_configs(
        &self,
        topic: &str,
    ) -> Result<BTreeMap<String, ConfigEntry>, ClientError> {
        let resource = ConfigResource::Topic(topic.to_owned());
        let entries =
            self.describe_configs(&resource).await?.into_iter().map(|config| ConfigEntry {
                is_default: !config.source.is_own(&resource),
                name: config.name,
                value: config.value,
                read_only: config.read_only,
                sensitive: config.sensitive,
            });
        Ok(entries.map(|entry| (entry.name.clone(), entry)).collect())
    }

    async fn alter_topic_configs(
        &self,
        topic: &str,
        changes: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClientError> {
        let changes = changes.iter().map(|(name, value)| {
            let change = value.clone().map_or(ConfigChange::Delete, ConfigChange::Set);
            (name.clone(), change)
        });
        let changes: Vec<_> = changes.collect();
        self.alter_configs(&ConfigResource::Topic(topic.to_owned()), &changes).await
    }

    async fn list_groups(&self) -> Result<Vec<GroupListing>, ClientError> {
        self.cluster.retry(|| groups::list(&self.cluster)).await
    }

    async fn describe_group(&self, group_id: &str) -> Result<GroupDescription, ClientError> {
        self.cluster.retry(|| groups::describe(&self.cluster, group_id)).await
    }

    async fn group_lag(&self, group_id: &str) -> Result<Vec<GroupLag>, ClientError> {
        let committed = self.committed_offsets(group_id, None).await?;
        let names: Vec<&str> = committed.keys().map(|partition| &*partition.topic).collect();
        let topics = self.describe_topics(&names).await?;
        let exists = |partition: &TopicPartition| {
            topics.get(&*partition.topic).is_some_and(|topic| {
                topic.partitions.iter().any(|found| found.partition == partition.partition)
            })
        };
        let wanted: Vec<_> = committed
            .keys()
            .filter(|partition| exists(partition))
            .map(|partition| (partition.clone(), Start::Latest))
            .collect();
        let ends = self.list_offsets(&wanted).await?;
        let mut lags: Vec<_> = committed
            .into_iter()
            .map(|(partition, found)| GroupLag {
                log_end: ends.get(&partition).copied(),
                partition,
                committed: found.offset,
                metadata: found.metadata,
            })
            .collect();
        lags.sort_by(|a, b| a.partition.cmp(&b.partition));
        Ok(lags)
    }

    async fn delete_group(&self, group_id: &str) -> Result<(), ClientError> {
        self.cluster.retry(|| groups::delete(&self.cluster, group_id)).await
    }

    async fn commit_offsets(
        &self,
        group_id: &str,
        commits: &[OffsetCommit],
    ) -> Result<(), ClientError> {
        if commits.is_empty() {
            return Ok(());
        }
        self.cluster.retry(|| offsets::commit(&self.cluster, group_id, commits)).await
    }

    async fn delete_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Option<ResponseError>)>, ClientError> {
        self.cluster.retry(|| self.try_delete_offsets(group_id, partitions)).await
    }

    async fn committed_offsets(
        &self,
        group_id: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<HashMap<TopicPartition, CommittedOffset>, ClientError> {
        if partitions.is_some_and(<[_]>::is_empty) {
            return Ok(HashMap::new());
        }
        self.cluster.retry(|| offsets::committed(&self.cluster, group_id, partitions, false)).await
    }

    async fn stable_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, CommittedOffset>, ClientError> {
        if partitions.is_empty() {
            return Ok(HashMap::new());
        }
        let partitions = Some(partitions);
        self.cluster.retry(|| offsets::committed(&self.cluster, group_id, partitions, true)).await
    }

    async fn open_transactions(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<OpenTransaction>, ClientError> {
        self.find_open(partitions).await
    }

    async fn fence_producer(
        &self,
        transactional_id: &str,
        transaction_timeout: Duration,
    ) -> Result<(), ClientError> {
        let timeout_ms = i32::try_from(transaction_timeout.as_millis()).unwrap_or(i32::MAX);
        self.fence_present(transactional_id, timeout_ms).await
    }

    async fn list_offsets(
        &self,
        partitions: &[(TopicPartition, Start)],
    ) -> Result<HashMap<TopicPartition, i64>, ClientError> {
        self.cluster.retry(|| offsets::list(&self.cluster, partitions)).await
    }
}
