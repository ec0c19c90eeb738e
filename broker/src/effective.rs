//! Which configurations are in force: those that the broker was started with,
//! and over them those that were set since, which the controller's journal keeps.
//!
//! A broker's own value wins over that of all brokers, which wins over the
//! properties that it was started with.

use std::collections::BTreeMap;

use crate::{
    config::{
        BrokerConfig, BrokerKey, ConnectionBounds, ConsumerTimeouts,
        dynamic::{GROUP_HEARTBEAT_INTERVAL, GROUP_SESSION_TIMEOUT, of_topics},
        is_sensitive,
    },
    controller::{ClusterImage, ConfigResource},
};

/// Who set a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigLayer {
    /// It was set for this broker while it runs.
    Broker,
    /// It was set for all brokers while they run.
    AllBrokers,
    /// The properties that the broker was started with.
    Properties,
}

/// The values that are set for a property, the one in force first.
pub(crate) fn layers<'a>(
    config: &'a BrokerConfig,
    image: &'a ClusterImage,
    key: &BrokerKey,
) -> impl Iterator<Item = (ConfigLayer, &'a str)> {
    let at_start = match key.topic {
        // It may have been given in hours.
        Some(topic) => config.topic_defaults.get(topic),
        None => config.properties.get(key.name).filter(|_| !is_sensitive(key.name)),
    };
    let set = [
        (ConfigLayer::Broker, set_for(image, &ConfigResource::Broker(config.node_id), key)),
        (ConfigLayer::AllBrokers, set_for(image, &ConfigResource::BrokerDefault, key)),
        (ConfigLayer::Properties, at_start),
    ];
    set.into_iter().filter_map(|(layer, value)| Some((layer, value?.as_str())))
}

fn set_for<'a>(
    image: &'a ClusterImage,
    resource: &ConfigResource,
    key: &BrokerKey,
) -> Option<&'a String> {
    image.dynamic_configs(resource)?.get(key.name)
}

/// The bounds on connections that are in force.
pub(crate) fn connection_bounds(config: &BrokerConfig, image: &ClusterImage) -> ConnectionBounds {
    let start = ConnectionBounds::at_start(config);
    let mut resources = TopicDefaults::resources(config.node_id).into_iter();
    let bounds = resources.try_fold(start.clone(), |bounds, resource| {
        match image.dynamic_configs(&resource) {
            Some(configs) => bounds.with(configs),
            None => Ok(bounds),
        }
    });
    bounds.and_then(ConnectionBounds::check).unwrap_or_else(|error| {
        // Checked before it was written down, against the properties of then.
        tracing::error!(%error, "the bounds on connections are those of the properties");
        start
    })
}

/// What topics have that state nothing, by the topic's key.
#[derive(Debug, Clone, Default)]
pub(crate) struct TopicDefaults {
    node_id: i32,
    at_start: BTreeMap<String, String>,
}

impl TopicDefaults {
    pub(crate) fn of(config: &BrokerConfig) -> Self {
        Self { node_id: config.node_id, at_start: config.topic_defaults.clone() }
    }

    /// With what was set since.
    pub(crate) fn now(&self, image: &ClusterImage) -> BTreeMap<String, String> {
        let mut defaults = self.at_start.clone();
        for resource in Self::resources(self.node_id) {
            defaults.extend(of_topics(image.dynamic_configs(&resource).into_iter().flatten()));
        }
        defaults
    }

    /// Whether two images have the same.
    pub(crate) fn same(&self, one: &ClusterImage, other: &ClusterImage) -> bool {
        let mut resources = Self::resources(self.node_id).into_iter();
        resources.all(|resource| one.dynamic_configs(&resource) == other.dynamic_configs(&resource))
    }

    /// What wins comes last.
    fn resources(node_id: i32) -> [ConfigResource; 2] {
        [ConfigResource::BrokerDefault, ConfigResource::Broker(node_id)]
    }
}

/// A group's session timeout and heartbeat interval, in milliseconds.
pub(crate) fn group_timeouts(
    image: &ClusterImage,
    group: &str,
    timeouts: &ConsumerTimeouts,
) -> (u64, i32) {
    let configs = image.dynamic_configs(&ConfigResource::Group(group.to_owned()));
    let set = |name| configs?.get(name)?.parse().ok();
    let (session_ms, heartbeat_ms) =
        timeouts.of_group(set(GROUP_SESSION_TIMEOUT), set(GROUP_HEARTBEAT_INTERVAL));
    (session_ms.unsigned_abs().into(), heartbeat_ms)
}
