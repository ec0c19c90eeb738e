//! The controller's decisions: a request and the image in, records out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::{
    ClusterImage, ConfigChange, ConfigResource, ControllerError, MetadataRecord, NewTopic,
    PartitionRecord, TopicImage, TopicRef,
};
use crate::{
    config::{
        ConnectionBounds,
        dynamic::{DynamicBounds, check_broker_configs, check_group_configs},
    },
    limits,
};

/// Checks topic configurations, all that are set on one topic together; the
/// error says which is wrong and why. The log owns the table of them.
pub type TopicConfigCheck = fn(&BTreeMap<String, String>) -> Result<(), String>;

/// What a topic has that states nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopicDefaults {
    pub(super) partitions: i32,
    pub(super) check: TopicConfigCheck,
}

/// The first record of the answer names the topic's id.
pub(super) fn create_topic(
    image: &ClusterImage,
    defaults: TopicDefaults,
    topic: &NewTopic,
    topic_id: Uuid,
) -> Result<Vec<MetadataRecord>, ControllerError> {
    check_topic_name(&topic.name)?;
    check_collision(image, &topic.name)?;
    (defaults.check)(&topic.configs).map_err(|reason| ControllerError::InvalidConfig { reason })?;
    let assignments = if topic.assignments.is_empty() {
        let count = match topic.partitions {
            -1 => defaults.partitions,
            count => count,
        };
        check_partition_count(count)?;
        check_replication_factor(image, topic.replication_factor)?;
        place(image, 0, count)
    } else {
        if topic.partitions != -1 || topic.replication_factor != -1 {
            let reason = "a replica assignment excludes a partition count and a replication factor";
            return Err(ControllerError::InvalidAssignment { reason: reason.to_owned() });
        }
        explicit(image, &topic.assignments)?
    };
    let mut records = vec![MetadataRecord::Topic { topic_id, name: topic.name.clone() }];
    records.extend(partition_records(topic_id, 0, assignments));
    records.extend(topic.configs.iter().map(|(key, value)| MetadataRecord::Config {
        resource: ConfigResource::Topic(topic.name.clone()),
        key: key.clone(),
        value: Some(value.clone()),
    }));
    Ok(records)
}

pub(super) fn find<'a>(
    image: &'a ClusterImage,
    topic: &TopicRef,
) -> Result<&'a std::sync::Arc<TopicImage>, ControllerError> {
    match topic {
        TopicRef::Name(name) => image.topic(name),
        TopicRef::Id(id) => image.topic_by_id(*id),
    }
    .ok_or_else(|| ControllerError::UnknownTopic { topic: topic.clone() })
}

pub(super) fn create_partitions(
    image: &ClusterImage,
    name: &str,
    count: i32,
    assignments: Option<&[Vec<i32>]>,
) -> Result<Vec<MetadataRecord>, ControllerError> {
    let topic = find(image, &TopicRef::Name(name.to_owned()))?;
    let present = topic.partitions.len() as i32;
    if count <= present {
        let reason = format!(
            "topic `{name}` has {present} partitions; {count} would not be more, and partitions cannot be removed"
        );
        return Err(ControllerError::InvalidPartitions { reason });
    }
    check_partition_count(count)?;
    let added = match assignments {
        None => place(image, present, count - present),
        Some(given) => {
            let by_number = (present..).zip(given.iter().cloned()).collect::<BTreeMap<_, _>>();
            if given.len() as i32 != count - present {
                let reason = format!(
                    "{} assignment(s) given for {} new partition(s)",
                    given.len(),
                    count - present
                );
                return Err(ControllerError::InvalidAssignment { reason });
            }
            check_replicas(image, by_number.values())?;
            by_number.into_values().collect()
        }
    };
    Ok(partition_records(topic.id, present, added))
}

pub(super) fn alter_configs(
    image: &ClusterImage,
    check: TopicConfigCheck,
    bounds: &DynamicBounds,
    resource: &ConfigResource,
    changes: &HashMap<String, ConfigChange>,
) -> Result<Vec<MetadataRecord>, ControllerError> {
    let invalid = |reason| match resource {
        ConfigResource::Broker(_) | ConfigResource::BrokerDefault => {
            ControllerError::InvalidBrokerConfig { reason }
        }
        ConfigResource::Topic(_) | ConfigResource::Group(_) => {
            ControllerError::InvalidConfig { reason }
        }
    };
    let mut configs = match resource {
        ConfigResource::Topic(name) => find(image, &TopicRef::Name(name.clone()))?.configs.clone(),
        other => image.dynamic_configs(other).cloned().unwrap_or_default(),
    };
    let mut records = Vec::with_capacity(changes.len());
    for (key, change) in changes {
        let value = changed(configs.get(key).map(String::as_str), key, change).map_err(invalid)?;
        match &value {
            Some(value) => configs.insert(key.clone(), value.clone()),
            None => configs.remove(key),
        };
        let resource = resource.clone();
        records.push(MetadataRecord::Config { resource, key: key.clone(), value });
    }
    match resource {
        ConfigResource::Topic(_) => check(&configs),
        ConfigResource::Group(_) => check_group_configs(&configs, &bounds.consumer),
        ConfigResource::Broker(id) if image.brokers().all(|broker| broker.node_id != *id) => {
            Err(format!("there is no broker {id}"))
        }
        ConfigResource::Broker(_) | ConfigResource::BrokerDefault => {
            check_broker_configs(&configs, check)
                .and_then(|()| check_connections(image, bounds, resource, &configs))
        }
    }
    .map_err(invalid)?;
    records.sort_by(|a, b| config_key(a).cmp(config_key(b)));
    Ok(records)
}

/// Checks the bounds on connections that brokers have with these configurations of one
/// of them, or of all.
fn check_connections(
    image: &ClusterImage,
    bounds: &DynamicBounds,
    resource: &ConfigResource,
    configs: &BTreeMap<String, String>,
) -> Result<(), String> {
    let present = |of: &ConfigResource| image.dynamic_configs(of).cloned().unwrap_or_default();
    let check = |default: &BTreeMap<String, String>, own: &BTreeMap<String, String>| {
        let bounds = bounds.connections.clone().with(default).and_then(|bounds| bounds.with(own));
        let checked = bounds.and_then(ConnectionBounds::check);
        checked.map(drop).map_err(|error| error.to_string())
    };
    if *resource != ConfigResource::BrokerDefault {
        return check(&present(&ConfigResource::BrokerDefault), configs);
    }
    let mut brokers = image.brokers().map(|broker| ConfigResource::Broker(broker.node_id));
    brokers.try_for_each(|broker| check(configs, &present(&broker)))
}

/// The changes that leave a resource with just these configurations.
pub(super) fn replacing(
    image: &ClusterImage,
    resource: &ConfigResource,
    configs: BTreeMap<String, String>,
) -> HashMap<String, ConfigChange> {
    let present = match resource {
        ConfigResource::Topic(name) => image.topic(name).map(|topic| &topic.configs),
        other => image.dynamic_configs(other),
    };
    let removed = present.into_iter().flatten().map(|(key, _)| (key.clone(), ConfigChange::Delete));
    let mut changes: HashMap<String, ConfigChange> = removed.collect();
    changes.extend(configs.into_iter().map(|(key, value)| (key, ConfigChange::Set(value))));
    changes
}

fn config_key(record: &MetadataRecord) -> &str {
    match record {
        MetadataRecord::Config { key, .. } => key,
        _ => "",
    }
}

fn changed(
    present: Option<&str>,
    key: &str,
    change: &ConfigChange,
) -> Result<Option<String>, String> {
    let listed = |text: &str| -> Vec<String> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(String::from).collect()
    };
    let is_list = key.ends_with("cleanup.policy") || key.ends_with(".throttled.replicas");
    match change {
        ConfigChange::Set(value) => Ok(Some(value.clone())),
        ConfigChange::Delete => Ok(None),
        ConfigChange::Append(_) | ConfigChange::Subtract(_) if !is_list => {
            Err(format!("`{key}` is no list: APPEND and SUBTRACT are not possible, use SET"))
        }
        ConfigChange::Append(more) => {
            let mut values = listed(present.unwrap_or(default_of_list(key)));
            for value in listed(more) {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            Ok(Some(values.join(",")))
        }
        ConfigChange::Subtract(less) => {
            let less = listed(less);
            let mut values = listed(present.unwrap_or(default_of_list(key)));
            values.retain(|value| !less.contains(value));
            Ok(Some(values.join(",")))
        }
    }
}

/// What a list without a value of its own begins with: the default of its
/// definition, whatever the broker gives to topics without one (Kafka's
/// `ConfigurationControlManager.getParts`).
fn default_of_list(key: &str) -> &'static str {
    if key.ends_with("cleanup.policy") { "delete" } else { "" }
}

fn check_topic_name(name: &str) -> Result<(), ControllerError> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let reason = if name.is_empty() {
        "it is empty"
    } else if name == "." || name == ".." {
        "it cannot be `.` or `..`"
    } else if name.len() > limits::TOPIC_NAME_BYTES_MAX {
        "it is longer than 249 characters"
    } else if !name.chars().all(valid) {
        "only ASCII letters, digits, `.`, `_` and `-` are allowed"
    } else {
        return Ok(());
    };
    // A hostile name may be long; the message need not be.
    let name = name.chars().take(limits::TOPIC_NAME_BYTES_MAX).collect();
    Err(ControllerError::InvalidTopicName { name, reason })
}

/// Whether a client may name such a topic at all.
pub(crate) fn is_topic_name(name: &str) -> bool {
    check_topic_name(name).is_ok()
}

/// Names that differ only in `.` and `_` collide in metrics, so Kafka refuses them.
fn check_collision(image: &ClusterImage, name: &str) -> Result<(), ControllerError> {
    if image.topic(name).is_some() {
        return Err(ControllerError::TopicExists { name: name.to_owned() });
    }
    if !name.contains(['.', '_']) {
        return Ok(());
    }
    let folded = name.replace('.', "_");
    let other = image.topics().find(|topic| {
        topic.name.len() == name.len()
            && topic.name.contains(['.', '_'])
            && topic.name.replace('.', "_") == folded
    });
    match other {
        None => Ok(()),
        Some(_) => Err(ControllerError::InvalidTopicName {
            name: name.to_owned(),
            reason: "a topic whose name differs only in `.` and `_` exists",
        }),
    }
}

fn check_partition_count(count: i32) -> Result<(), ControllerError> {
    if (1..=limits::TOPIC_PARTITIONS_MAX).contains(&count) {
        return Ok(());
    }
    let reason =
        format!("{count} partitions are not possible: use 1 to {}", limits::TOPIC_PARTITIONS_MAX);
    Err(ControllerError::InvalidPartitions { reason })
}

fn check_replication_factor(image: &ClusterImage, asked: i16) -> Result<(), ControllerError> {
    // One replica each until replication is there, so the only factors are 1
    // and -1; more brokers than one never register with a local controller.
    if asked == -1 || asked == 1 {
        return Ok(());
    }
    Err(ControllerError::InvalidReplicationFactor { asked, available: image.brokers().count() })
}

fn explicit(
    image: &ClusterImage,
    assignments: &BTreeMap<i32, Vec<i32>>,
) -> Result<Vec<Vec<i32>>, ControllerError> {
    if !assignments.keys().copied().eq(0..assignments.len() as i32) {
        let reason = "partition numbers of an assignment must be 0, 1, 2, ... without a gap";
        return Err(ControllerError::InvalidAssignment { reason: reason.to_owned() });
    }
    check_partition_count(assignments.len() as i32)?;
    check_replicas(image, assignments.values())?;
    Ok(assignments.values().cloned().collect())
}

pub(super) fn check_replicas<'a>(
    image: &ClusterImage,
    assignments: impl Iterator<Item = &'a Vec<i32>>,
) -> Result<(), ControllerError> {
    let brokers: BTreeSet<i32> = image.brokers().map(|broker| broker.node_id).collect();
    for replicas in assignments {
        let [replica] = replicas.as_slice() else {
            let reason = format!("exactly one replica is possible, {replicas:?} was given");
            return Err(ControllerError::InvalidAssignment { reason });
        };
        if !brokers.contains(replica) {
            let reason = format!("broker {replica} is not registered");
            return Err(ControllerError::InvalidAssignment { reason });
        }
    }
    Ok(())
}

/// Spreads partitions over the brokers in turn.
fn place(image: &ClusterImage, first: i32, count: i32) -> Vec<Vec<i32>> {
    let brokers: Vec<i32> = image.brokers().map(|broker| broker.node_id).collect();
    (first..first + count)
        .map(|partition| match brokers.len() {
            0 => Vec::new(),
            n => vec![brokers[partition as usize % n]],
        })
        .collect()
}

fn partition_records(
    topic_id: Uuid,
    first: i32,
    assignments: Vec<Vec<i32>>,
) -> Vec<MetadataRecord> {
    (first..)
        .zip(assignments)
        .map(|(partition, replicas)| {
            MetadataRecord::Partition(PartitionRecord {
                topic_id,
                partition,
                leader: replicas.first().copied().unwrap_or(-1),
                leader_epoch: 0,
                partition_epoch: 0,
                isr: replicas.clone(),
                replicas,
            })
        })
        .collect()
}
