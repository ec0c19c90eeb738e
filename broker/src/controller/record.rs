//! What a decision of the controller is written down as.
//!
//! Records are JSON inside the journal's checksummed frames: they are few,
//! and a person can read what happened. A field may be added with a serde
//! default; none may change its meaning.

use std::fmt;

use crate::auth::{Acl, Mechanism, ScramCredential};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::quota::{QuotaBound, QuotaEntity};

/// What a configuration belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "type", content = "name", rename_all = "snake_case")]
pub enum ConfigResource {
    /// A topic, by name.
    Topic(String),
    /// A broker, by id.
    Broker(i32),
    /// The default of all brokers.
    BrokerDefault,
    /// A group, by id.
    Group(String),
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigResource::Topic(name) => write!(f, "topic `{name}`"),
            ConfigResource::Broker(id) => write!(f, "broker {id}"),
            ConfigResource::BrokerDefault => f.write_str("the default of all brokers"),
            ConfigResource::Group(id) => write!(f, "group `{id}`"),
        }
    }
}

/// An address that clients may connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The listener's name.
    pub listener: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A broker of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerRecord {
    /// `node.id`.
    pub node_id: i32,
    /// One address for each listener.
    pub endpoints: Vec<Endpoint>,
}

/// One partition's leadership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionRecord {
    /// The topic's id.
    #[serde(with = "uuid_text")]
    pub topic_id: Uuid,
    /// The partition's number.
    pub partition: i32,
    /// The leader's node id; -1 is none.
    pub leader: i32,
    /// Grows with each leader.
    pub leader_epoch: i32,
    /// Grows with each change of this record.
    pub partition_epoch: i32,
    /// Node ids of the replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
}

/// One step of the metadata log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum MetadataRecord {
    /// A broker registered.
    Broker(BrokerRecord),
    /// A topic exists from here on, its partitions follow.
    Topic {
        /// Its id, never used twice.
        #[serde(with = "uuid_text")]
        topic_id: Uuid,
        /// Its name.
        name: String,
    },
    /// A partition's leadership is this from here on.
    Partition(PartitionRecord),
    /// A topic, its partitions and its configurations are gone.
    RemoveTopic {
        /// Its id.
        #[serde(with = "uuid_text")]
        topic_id: Uuid,
    },
    /// A configuration has this value from here on.
    Config {
        /// What it belongs to.
        resource: ConfigResource,
        /// Its name.
        key: String,
        /// Its value; none returns to the default.
        value: Option<String>,
    },
    /// A user's SCRAM credential of one mechanism is this from here on. Only
    /// salted keys are written, never a password.
    ScramCredential {
        /// The user.
        user: String,
        /// The mechanism.
        mechanism: Mechanism,
        /// The credential; none removes it.
        credential: Option<ScramCredential>,
    },
    /// A client quota has this bound from here on.
    ClientQuota {
        /// Whom it binds.
        entity: QuotaEntity,
        /// Its name.
        key: String,
        /// Its bound; none removes it.
        bound: Option<QuotaBound>,
    },
    /// An entry of the access control lists holds from here on.
    Acl {
        /// The entry.
        acl: Acl,
    },
    /// An entry of the access control lists holds no longer.
    RemoveAcl {
        /// The entry.
        acl: Acl,
    },
    /// Producer ids below this one have been given away.
    ProducerIds {
        /// The first that is free.
        next: i64,
    },
}

/// UUIDs as their usual text.
mod uuid_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Uuid, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Uuid::parse_str(&text).map_err(D::Error::custom)
    }
}
