//! What administration asks for and answers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::kafka::types::TopicPartition;

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Number of partitions, `None` for the broker's `num.partitions`.
    pub partitions: Option<i32>,
    /// Replicas of each, `None` for the broker's `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// Topic configs that differ from the broker's.
    pub configs: BTreeMap<String, String>,
}

/// A topic as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Kafka's own, such as `__consumer_offsets`.
    pub internal: bool,
    /// By number.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionDescription {
    /// Its number.
    pub partition: i32,
    /// The leader's `node.id`, `None` while there is none.
    pub leader: Option<i32>,
    /// `node.id`s of all replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// `node.id`s of those in sync.
    pub isr: Vec<i32>,
    /// `node.id`s of those that are down, or whose log failed.
    pub offline: Vec<i32>,
}

/// One config of a topic or broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` when unset or sensitive.
    pub value: Option<String>,
    /// Nobody set it.
    pub is_default: bool,
    /// It cannot be changed.
    pub read_only: bool,
    /// Its value is not shown.
    pub sensitive: bool,
}

/// A line of the list of groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupListing {
    /// The group's id.
    pub group_id: String,
    /// `consumer`, `connect`; empty when only offsets are committed to it.
    pub protocol_type: String,
    /// `Stable`, `Empty`, ...; empty if the broker does not tell.
    pub state: String,
    /// `classic`, `consumer`; empty if the broker does not tell (before Kafka 3.8).
    pub group_type: String,
}

/// A group in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupDescription {
    /// The group's id.
    pub group_id: String,
    /// `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Dead`.
    pub state: String,
    /// `consumer`, `connect`, or empty.
    pub protocol_type: String,
    /// The assignor or protocol chosen.
    pub protocol: String,
    /// `node.id` of its coordinator.
    pub coordinator: i32,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupMember {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Where it connected from.
    pub client_host: String,
    /// What it told about itself on joining, in its protocol's own encoding.
    #[serde(skip)]
    pub metadata: bytes::Bytes,
    /// What it was assigned, in its protocol's own encoding.
    #[serde(skip)]
    pub assignment: bytes::Bytes,
}

/// How far a group has read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLag {
    /// The partition.
    pub partition: TopicPartition,
    /// The next offset that the group reads.
    pub committed: i64,
    /// The text that was committed with it.
    pub metadata: String,
    /// The offset after the partition's last record; `None` when the
    /// partition is gone.
    pub log_end: Option<i64>,
}

impl GroupLag {
    /// Records between what is committed and the end of the log.
    pub fn lag(&self) -> Option<i64> {
        self.log_end.map(|end| (end - self.committed).max(0))
    }
}

/// The cluster and its brokers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterDescription {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// `node.id` of the broker that takes changes.
    pub controller: Option<i32>,
    /// The brokers alive.
    pub brokers: Vec<BrokerDescription>,
}

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrokerDescription {
    /// Its `node.id`.
    pub node_id: i32,
    /// Host that it advertises.
    pub host: String,
    /// Port that it advertises.
    pub port: i32,
}
