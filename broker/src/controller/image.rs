//! The cluster's metadata as a plain state machine: records in, an image out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::auth::{AclSet, Mechanism, ScramCredential};
use uuid::Uuid;

use super::quota::{ClientQuotas, QuotaBound, QuotaEntity};
use super::record::{BrokerRecord, ConfigResource, MetadataRecord, PartitionRecord};

/// A registered broker.
pub type BrokerImage = BrokerRecord;

/// One partition's leadership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionImage {
    /// The leader's node id; -1 is none.
    pub leader: i32,
    /// Grows with each leader.
    pub leader_epoch: i32,
    /// Grows with each change.
    pub partition_epoch: i32,
    /// Node ids of the replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    /// Its id, never used twice.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its partitions, by number from 0.
    pub partitions: Vec<PartitionImage>,
    /// Configurations that differ from the defaults.
    pub configs: BTreeMap<String, String>,
}

/// Everything that the controller knows. Cheap to clone: topics are shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterImage {
    brokers: BTreeMap<i32, BrokerImage>,
    topics: BTreeMap<String, Arc<TopicImage>>,
    names: HashMap<Uuid, String>,
    dynamic_configs: BTreeMap<ConfigResource, BTreeMap<String, String>>,
    acls: Arc<AclSet>,
    scram_credentials: Arc<BTreeMap<(Mechanism, String), ScramCredential>>,
    client_quotas: Arc<ClientQuotas>,
    next_producer_id: i64,
}

impl ClusterImage {
    /// The brokers, by node id.
    pub fn brokers(&self) -> impl Iterator<Item = &BrokerImage> {
        self.brokers.values()
    }

    /// The topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.values()
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(name)
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.names.get(&id).and_then(|name| self.topics.get(name))
    }

    /// Configurations of a broker, of all brokers, or of a group that were set at
    /// run time.
    pub fn dynamic_configs(&self, resource: &ConfigResource) -> Option<&BTreeMap<String, String>> {
        self.dynamic_configs.get(resource)
    }

    /// The access control lists.
    pub fn acls(&self) -> &Arc<AclSet> {
        &self.acls
    }

    /// A user's SCRAM credential.
    pub fn scram_credential(&self, mechanism: Mechanism, user: &str) -> Option<&ScramCredential> {
        self.scram_credentials.get(&(mechanism, user.to_owned()))
    }

    /// All SCRAM credentials.
    pub fn scram_credentials(&self) -> impl Iterator<Item = (Mechanism, &str, &ScramCredential)> {
        self.scram_credentials
            .iter()
            .map(|((mechanism, user), credential)| (*mechanism, user.as_str(), credential))
    }

    /// The quotas of clients; the very same map as long as they do not change.
    pub fn client_quotas(&self) -> &Arc<ClientQuotas> {
        &self.client_quotas
    }

    /// The first producer id not given away.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// Takes one step. A record about a topic that is gone changes nothing.
    pub fn apply(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::Broker(broker) => {
                self.brokers.insert(broker.node_id, broker.clone());
            }
            MetadataRecord::Topic { topic_id, name } => {
                let topic = TopicImage {
                    id: *topic_id,
                    name: name.clone(),
                    partitions: Vec::new(),
                    configs: BTreeMap::new(),
                };
                // One name has one id, and one id one name.
                self.remove_topic(*topic_id);
                if let Some(replaced) = self.topics.insert(name.clone(), Arc::new(topic)) {
                    self.names.remove(&replaced.id);
                }
                self.names.insert(*topic_id, name.clone());
            }
            MetadataRecord::Partition(record) => self.apply_partition(record),
            MetadataRecord::RemoveTopic { topic_id } => self.remove_topic(*topic_id),
            MetadataRecord::Config { resource, key, value } => {
                self.apply_config(resource, key, value.as_deref());
            }
            MetadataRecord::Acl { acl } => Arc::make_mut(&mut self.acls).insert(acl.clone()),
            MetadataRecord::RemoveAcl { acl } => Arc::make_mut(&mut self.acls).remove(acl),
            MetadataRecord::ScramCredential { user, mechanism, credential } => {
                let credentials = Arc::make_mut(&mut self.scram_credentials);
                let key = (*mechanism, user.clone());
                match credential {
                    Some(credential) => credentials.insert(key, credential.clone()),
                    None => credentials.remove(&key),
                };
            }
            MetadataRecord::ClientQuota { entity, key, bound } => {
                self.apply_quota(entity, key, *bound);
            }
            MetadataRecord::ProducerIds { next } => {
                self.next_producer_id = self.next_producer_id.max(*next);
            }
        }
    }

    fn remove_topic(&mut self, id: Uuid) {
        if let Some(name) = self.names.remove(&id) {
            self.topics.remove(&name);
        }
    }

    fn apply_partition(&mut self, record: &PartitionRecord) {
        let Some(topic) = self.topic_mut(record.topic_id) else { return };
        let image = PartitionImage {
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
        };
        let Ok(number) = usize::try_from(record.partition) else { return };
        match topic.partitions.len() {
            count if number < count => topic.partitions[number] = image,
            count if number == count => topic.partitions.push(image),
            // Numbers are dense; a gap is not a state that can be shown.
            _ => {}
        }
    }

    fn apply_config(&mut self, resource: &ConfigResource, key: &str, value: Option<&str>) {
        let configs = match resource {
            ConfigResource::Topic(name) => match self.topics.get_mut(name) {
                Some(topic) => &mut Arc::make_mut(topic).configs,
                None => return,
            },
            other => self.dynamic_configs.entry(other.clone()).or_default(),
        };
        match value {
            Some(value) => configs.insert(key.to_owned(), value.to_owned()),
            None => configs.remove(key),
        };
        self.dynamic_configs.retain(|_, configs| !configs.is_empty());
    }

    /// Those that have configurations of their own beside the topics.
    pub fn configured(&self) -> impl Iterator<Item = &ConfigResource> {
        self.dynamic_configs.keys()
    }

    fn apply_quota(&mut self, entity: &QuotaEntity, key: &str, bound: Option<QuotaBound>) {
        let quotas = Arc::make_mut(&mut self.client_quotas);
        let of_entity = quotas.entry(entity.clone()).or_default();
        match bound {
            Some(bound) => of_entity.insert(key.to_owned(), bound),
            None => of_entity.remove(key),
        };
        if of_entity.is_empty() {
            quotas.remove(entity);
        }
    }

    fn topic_mut(&mut self, id: Uuid) -> Option<&mut TopicImage> {
        let name = self.names.get(&id)?;
        self.topics.get_mut(name).map(Arc::make_mut)
    }

    /// The records that lead from nothing to this image.
    pub fn to_records(&self) -> Vec<MetadataRecord> {
        let mut records: Vec<_> =
            self.brokers.values().cloned().map(MetadataRecord::Broker).collect();
        for topic in self.topics.values() {
            records.push(MetadataRecord::Topic { topic_id: topic.id, name: topic.name.clone() });
            records.extend(topic.partitions.iter().zip(0..).map(|(image, partition)| {
                MetadataRecord::Partition(PartitionRecord {
                    topic_id: topic.id,
                    partition,
                    leader: image.leader,
                    leader_epoch: image.leader_epoch,
                    partition_epoch: image.partition_epoch,
                    replicas: image.replicas.clone(),
                    isr: image.isr.clone(),
                })
            }));
            let resource = ConfigResource::Topic(topic.name.clone());
            records.extend(config_records(&resource, &topic.configs));
        }
        for (resource, configs) in &self.dynamic_configs {
            records.extend(config_records(resource, configs));
        }
        records.extend(self.acls.iter().map(|acl| MetadataRecord::Acl { acl: acl.clone() }));
        records.extend(self.scram_credentials().map(|(mechanism, user, credential)| {
            MetadataRecord::ScramCredential {
                user: user.to_owned(),
                mechanism,
                credential: Some(credential.clone()),
            }
        }));
        for (entity, quotas) in self.client_quotas.iter() {
            records.extend(quotas.iter().map(|(key, bound)| MetadataRecord::ClientQuota {
                entity: entity.clone(),
                key: key.clone(),
                bound: Some(*bound),
            }));
        }
        records.push(MetadataRecord::ProducerIds { next: self.next_producer_id });
        records
    }
}

fn config_records(
    resource: &ConfigResource,
    configs: &BTreeMap<String, String>,
) -> impl Iterator<Item = MetadataRecord> {
    configs.iter().map(move |(key, value)| MetadataRecord::Config {
        resource: resource.clone(),
        key: key.clone(),
        value: Some(value.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(id: u128, name: &str) -> MetadataRecord {
        MetadataRecord::Topic { topic_id: Uuid::from_u128(id), name: name.to_owned() }
    }

    fn image(records: &[MetadataRecord]) -> ClusterImage {
        let mut image = ClusterImage::default();
        records.iter().for_each(|record| image.apply(record));
        image
    }

    #[test]
    fn a_snapshot_gives_the_image_that_it_was_taken_of_whatever_the_journal_says() {
        let broker_config = |value: Option<&str>| MetadataRecord::Config {
            resource: ConfigResource::Broker(1),
            key: "log.retention.ms".to_owned(),
            value: value.map(str::to_owned),
        };
        for records in [
            vec![topic(1, "twice"), topic(2, "twice")],
            vec![topic(1, "renamed"), topic(1, "anew")],
            vec![topic(1, "one"), topic(2, "two"), topic(2, "one")],
            vec![broker_config(Some("1")), broker_config(None)],
        ] {
            let before = image(&records);
            assert_eq!(image(&before.to_records()), before, "{records:?}");
        }
    }
}
