//! Which configurations can be set while the broker runs (KIP-226): for one
//! broker, for all of them, or for one group.

use std::collections::BTreeMap;

pub(crate) use super::consumer_groups::{
    GROUP_HEARTBEAT_INTERVAL, GROUP_SESSION_TIMEOUT, check_group_configs,
};
use super::{BrokerConfig, BrokerKey, ConfigKind, ConnectionBounds, ConsumerTimeouts, lookup};

/// Those that take effect at once, beside the defaults of topics.
const LIVE: &[&str] = &[
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_IP,
    MAX_CONNECTIONS_PER_IP_OVERRIDES,
    MAX_CONNECTION_CREATION_RATE,
];
/// How many connections may be open at once.
pub(crate) const MAX_CONNECTIONS: &str = "max.connections";
/// How many of them an address may have.
pub(crate) const MAX_CONNECTIONS_PER_IP: &str = "max.connections.per.ip";
/// The same for single addresses.
pub(crate) const MAX_CONNECTIONS_PER_IP_OVERRIDES: &str = "max.connections.per.ip.overrides";
/// How many connections may be made a second.
pub(crate) const MAX_CONNECTION_CREATION_RATE: &str = "max.connection.creation.rate";

/// Those that Kafka has and that have nothing to act on here.
const WITHOUT_EFFECT: &[&str] = &[
    "background.threads",
    "log.cleaner.threads",
    "num.io.threads",
    "num.network.threads",
    "sasl.kerberos.min.time.before.relogin",
];

/// Whether a property can be changed while the broker runs.
pub(crate) fn is_dynamic(key: &BrokerKey) -> bool {
    key.topic.is_some() || LIVE.contains(&key.name) || WITHOUT_EFFECT.contains(&key.name)
}

/// Those of a broker's configurations that are the defaults of topics', by the topic's key.
pub(crate) fn of_topics<'a>(
    configs: impl Iterator<Item = (&'a String, &'a String)>,
) -> impl Iterator<Item = (String, String)> {
    configs.filter_map(|(name, value)| Some((lookup(name)?.topic?.to_owned(), value.clone())))
}

/// What of a broker's start counts when configurations are set later.
#[derive(Debug, Clone)]
pub struct DynamicBounds {
    pub(crate) consumer: ConsumerTimeouts,
    pub(crate) connections: ConnectionBounds,
}

impl DynamicBounds {
    /// Those of a broker that is started so.
    pub fn of(config: &BrokerConfig) -> Self {
        let connections = ConnectionBounds::at_start(config);
        Self { consumer: config.consumer_timeouts, connections }
    }
}

/// Checks all that is set for a broker, or for all of them, while it runs;
/// the error says which is wrong and why. Topics' defaults are checked as topics' are,
/// connections' bounds together with what is set elsewhere.
pub(crate) fn check_broker_configs(
    configs: &BTreeMap<String, String>,
    check_topic_configs: fn(&BTreeMap<String, String>) -> Result<(), String>,
) -> Result<(), String> {
    for (name, value) in configs {
        let key = lookup(name).ok_or_else(|| format!("unknown property `{name}`"))?;
        if !is_dynamic(key) {
            return Err(format!(
                "`{name}` cannot be changed while the broker runs: set it in its properties and restart it"
            ));
        }
        let is_number = WITHOUT_EFFECT.contains(&key.name);
        if is_number && value.parse::<u32>().is_err() {
            return Err(format!("`{name}` cannot be `{value}`: expected a whole number from 0"));
        }
    }
    check_topic_configs(&of_topics(configs.iter()).collect())
}

/// A configuration of one group.
#[derive(Debug)]
pub(crate) struct GroupKey {
    pub(crate) name: &'static str,
    pub(crate) kind: ConfigKind,
    /// The broker's property that is its default.
    pub(crate) broker: &'static str,
    pub(crate) doc: &'static str,
}

/// Every configuration that a group of the consumer protocol can have.
pub(crate) const GROUP_KEYS: &[GroupKey] = &[
    GroupKey {
        name: GROUP_HEARTBEAT_INTERVAL,
        kind: ConfigKind::Int,
        broker: "group.consumer.heartbeat.interval.ms",
        doc: "How often members of the consumer protocol are told to send heartbeats.",
    },
    GroupKey {
        name: GROUP_SESSION_TIMEOUT,
        kind: ConfigKind::Int,
        broker: "group.consumer.session.timeout.ms",
        doc: "How long a member of the consumer protocol may be silent before it is removed.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_can_be_changed_are_in_the_table() {
        for name in LIVE.iter().chain(WITHOUT_EFFECT) {
            assert!(lookup(name).is_some(), "{name}");
        }
        for key in GROUP_KEYS {
            assert!(lookup(key.broker).is_some(), "{}", key.broker);
        }
    }
}
