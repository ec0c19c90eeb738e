//! Which configurations are in force: those that the broker was started with,
//! and over them those that were set since, which the controller's journal keeps.
//!
//! A broker's own value wins over that of all brokers, which wins over the
//! properties that it was started with.

use std::collections::BTreeMap;

use crate::{
    config::{
        BrokerConfig, BrokerKey,
        dynamic::{MAX_CONNECTIONS_PER_IP, of_topics},
        is_sensitive, lookup,
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

/// How many connections an address may have open at once.
pub(crate) fn connections_per_address_max(config: &BrokerConfig, image: &ClusterImage) -> usize {
    let key = lookup(MAX_CONNECTIONS_PER_IP).expect("the table has it");
    let dynamic = layers(config, image, key).find(|(layer, _)| *layer != ConfigLayer::Properties);
    dynamic.and_then(|(_, value)| value.parse().ok()).unwrap_or(config.connections_per_address_max)
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

/// A number that is set for a group.
pub(crate) fn group_number(image: &ClusterImage, group: &str, name: &str) -> Option<i32> {
    let configs = image.dynamic_configs(&ConfigResource::Group(group.to_owned()))?;
    configs.get(name)?.parse().ok()
}
