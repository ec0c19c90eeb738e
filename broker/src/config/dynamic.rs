//! Which configurations can be set while the broker runs (KIP-226): for one
//! broker, for all of them, or for one group.

use std::collections::BTreeMap;

use super::{BrokerKey, ConfigKind, lookup};

/// Those that take effect at once, beside the defaults of topics.
const LIVE: &[&str] = &[MAX_CONNECTIONS_PER_IP];
/// How many connections an address may have open at once.
pub(crate) const MAX_CONNECTIONS_PER_IP: &str = "max.connections.per.ip";

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

/// Checks all that is set for a broker, or for all of them, while it runs;
/// the error says which is wrong and why. Topics' defaults are checked as topics' are.
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
        if key.topic.is_none() && value.parse::<u32>().is_err() {
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

/// How long a member may be silent before it is removed.
pub(crate) const GROUP_SESSION_TIMEOUT: &str = "consumer.session.timeout.ms";
/// How often members are told to send heartbeats.
pub(crate) const GROUP_HEARTBEAT_INTERVAL: &str = "consumer.heartbeat.interval.ms";

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

/// Checks all that is set for a group.
pub(crate) fn check_group_configs(configs: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in configs {
        if !GROUP_KEYS.iter().any(|key| key.name == name) {
            return Err(format!("unknown group configuration `{name}`"));
        }
        if !value.parse::<i32>().is_ok_and(|number| number > 0) {
            return Err(format!("`{name}` cannot be `{value}`: expected milliseconds from 1"));
        }
    }
    Ok(())
}

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
