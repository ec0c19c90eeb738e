//! DescribeConfigs (32): every configuration with its value and where it comes from.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{
            DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
        },
    },
    protocol::StrBytes,
};

use super::{errors, room::Room};
use crate::{
    config::{
        BROKER_KEYS, BrokerKey, ConfigKind,
        dynamic::{GROUP_KEYS, GroupKey, is_dynamic},
        is_sensitive, lookup,
    },
    controller::{ClusterImage, ConfigResource, TopicImage},
    effective::{self, ConfigLayer},
    limits,
    log::{TOPIC_CONFIGS, TopicConfig},
    node::Node,
};

pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
pub(super) const GROUP: i8 = 32;

const SOURCE_TOPIC: i8 = 1;
const SOURCE_DEFAULT: i8 = 5;
const SOURCE_GROUP: i8 = 8;

/// The number of a source that brokers have.
fn source(layer: ConfigLayer) -> i8 {
    match layer {
        ConfigLayer::Broker => 2,
        ConfigLayer::AllBrokers => 3,
        ConfigLayer::Properties => 4,
    }
}

/// A type's number from v3 on.
fn wire(kind: ConfigKind) -> i8 {
    match kind {
        ConfigKind::Boolean => 1,
        ConfigKind::String => 2,
        ConfigKind::Int => 3,
        ConfigKind::Long => 5,
        ConfigKind::Double => 6,
        ConfigKind::List => 7,
    }
}

/// A configuration of a topic, in force.
pub(super) struct InForce<'a> {
    pub(super) name: &'static str,
    pub(super) value: &'a str,
    pub(super) source: i8,
    row: &'static TopicConfig,
    /// What is set, the value in force first: name, value, source.
    set: Vec<(&'static str, &'a str, i8)>,
}

/// Every configuration of a topic.
pub(super) fn of_topic<'a>(
    node: &'a Node,
    image: &'a ClusterImage,
    topic: &'a TopicImage,
) -> impl Iterator<Item = InForce<'a>> {
    TOPIC_CONFIGS.iter().map(move |row| {
        let own = topic.configs.get(row.name).map(|value| (row.name, value.as_str(), SOURCE_TOPIC));
        let broker = BROKER_KEYS.iter().find(|key| key.topic == Some(row.name));
        let layers = broker.into_iter().flat_map(|key| {
            let layers = effective::layers(&node.config, image, key);
            layers.map(|(layer, value)| (key.name, value, source(layer)))
        });
        let set: Vec<_> = own.into_iter().chain(layers).collect();
        let (value, source) = set
            .first()
            .map_or((row.default, SOURCE_DEFAULT), |&(_, value, source)| (value, source));
        InForce { name: row.name, value, source, row, set }
    })
}

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeConfigsRequest,
    version: i16,
) -> DescribeConfigsResponse {
    let wanted = Wanted {
        synonyms: request.include_synonyms,
        types: version >= 3,
        documentation: version >= 3 && request.include_documentation,
    };
    let mut room = Room::of(limits::CONFIGS_ANSWER_BYTES_MAX);
    let results = request.resources.into_iter().map(|resource| {
        let describe = || match resource.resource_type {
            _ if room.is_full() => Err(no_room()),
            TOPIC => describe_topic(node, &resource, wanted),
            BROKER => describe_broker(node, &resource, wanted),
            GROUP => describe_group(node, &resource, wanted),
            other => {
                let message = format!("resource type {other} has no configurations here");
                Err((ResponseError::InvalidRequest, message))
            }
        };
        let (code, message, configs) = match describe() {
            Ok(configs) => (errors::NONE, None, configs),
            Err((code, message)) => (code.code(), errors::message(&message), Vec::new()),
        };
        let mut result = DescribeConfigsResult::default()
            .with_error_code(code)
            .with_error_message(message)
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
            .with_configs(configs);
        if !result.configs.is_empty() && !room.takes(&result, version) {
            let (code, message) = no_room();
            result = result
                .with_error_code(code.code())
                .with_error_message(errors::message(&message))
                .with_configs(Vec::new());
        }
        result
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn no_room() -> (ResponseError, String) {
    let max = limits::CONFIGS_ANSWER_BYTES_MAX;
    let message =
        format!("the answer would be larger than {max} bytes: name fewer resources in a request");
    (ResponseError::InvalidRequest, message)
}

type Described = Result<Vec<DescribeConfigsResourceResult>, (ResponseError, String)>;

/// What a request wants to know of each configuration.
#[derive(Clone, Copy)]
struct Wanted {
    synonyms: bool,
    types: bool,
    documentation: bool,
}

/// A configuration as it is told.
struct Told<'a> {
    name: &'static str,
    value: Option<&'a str>,
    source: i8,
    read_only: bool,
    sensitive: bool,
    kind: ConfigKind,
    doc: &'static str,
}

impl Told<'_> {
    fn result(
        self,
        wanted: Wanted,
        synonyms: impl FnOnce() -> Vec<DescribeConfigsSynonym>,
    ) -> DescribeConfigsResourceResult {
        let mut result = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(self.name))
            .with_value(self.value.map(|value| StrBytes::from_string(value.to_owned())))
            .with_read_only(self.read_only)
            .with_config_source(self.source)
            .with_is_sensitive(self.sensitive);
        if wanted.synonyms {
            result = result.with_synonyms(synonyms());
        }
        if wanted.types {
            result = result.with_config_type(wire(self.kind));
        }
        if wanted.documentation {
            result = result.with_documentation(Some(StrBytes::from_static_str(self.doc)));
        }
        result
    }
}

fn describe_topic(node: &Node, resource: &DescribeConfigsResource, wanted: Wanted) -> Described {
    let image = node.image();
    let topic = image.topic(&resource.resource_name).ok_or_else(|| {
        let message = format!("topic `{}` does not exist", resource.resource_name);
        (ResponseError::UnknownTopicOrPartition, message)
    })?;
    let configs = of_topic(node, &image, topic).filter(|config| is_asked(resource, config.name));
    let described = configs.map(|config| {
        let told = Told {
            name: config.name,
            value: Some(config.value),
            source: config.source,
            read_only: false,
            sensitive: false,
            kind: config.row.kind,
            doc: config.row.doc,
        };
        told.result(wanted, || synonyms(&config))
    });
    Ok(described.collect())
}

fn synonyms(config: &InForce<'_>) -> Vec<DescribeConfigsSynonym> {
    let set = config.set.iter().map(|&(name, value, source)| synonym(name, Some(value), source));
    set.chain([synonym(config.name, Some(config.row.default), SOURCE_DEFAULT)]).collect()
}

fn synonym(name: &'static str, value: Option<&str>, source: i8) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(value.map(|value| StrBytes::from_string(value.to_owned())))
        .with_source(source)
}

fn describe_broker(node: &Node, resource: &DescribeConfigsResource, wanted: Wanted) -> Described {
    // The empty name stands for all brokers: only what is set for them is told.
    let all_brokers = resource.resource_name.is_empty();
    if !all_brokers && resource.resource_name.as_str() != node.config.node_id.to_string() {
        let name = &resource.resource_name;
        let message = format!("this is broker {}, not `{name}`", node.config.node_id);
        return Err((ResponseError::InvalidRequest, message));
    }
    let image = node.image();
    let describe = |key: &'static BrokerKey| {
        let layers = effective::layers(&node.config, &image, key)
            .filter(|(layer, _)| !all_brokers || *layer == ConfigLayer::AllBrokers);
        let set: Vec<_> = layers.map(|(layer, value)| (key.name, value, source(layer))).collect();
        if all_brokers && set.is_empty() {
            return None;
        }
        let default = || {
            let row = key.topic.and_then(crate::log::topic_config);
            row.map(|row| row.default).or(key.default)
        };
        let sensitive = is_sensitive(key.name);
        let at_start = || node.config.properties.contains_key(key.name);
        let source = match set.first() {
            Some((.., source)) => *source,
            None if at_start() => source(ConfigLayer::Properties),
            None => SOURCE_DEFAULT,
        };
        let value = set.first().map(|(_, value, _)| *value).or_else(default);
        let told = Told {
            name: key.name,
            value: value.filter(|_| !sensitive),
            source,
            read_only: !is_dynamic(key),
            sensitive,
            kind: key.kind,
            doc: key.doc,
        };
        Some(told.result(wanted, || {
            let set = set.iter().map(|&(name, value, source)| synonym(name, Some(value), source));
            let default = default().filter(|_| !sensitive && !all_brokers);
            let default = default.map(|value| synonym(key.name, Some(value), SOURCE_DEFAULT));
            set.chain(default).collect()
        }))
    };
    let keys = BROKER_KEYS.iter().filter(|key| is_asked(resource, key.name));
    Ok(keys.filter_map(describe).collect())
}

fn describe_group(node: &Node, resource: &DescribeConfigsResource, wanted: Wanted) -> Described {
    let id = resource.resource_name.as_str();
    if !errors::is_group_id(id) {
        return Err((ResponseError::InvalidRequest, format!("`{id}` is no group id")));
    }
    let image = node.image();
    let group = ConfigResource::Group(id.to_owned());
    let describe = |key: &'static GroupKey| {
        let set = image.dynamic_configs(&group).and_then(|configs| configs.get(key.name));
        let default = || lookup(key.broker).and_then(|key| node.config.effective(key));
        let told = Told {
            name: key.name,
            value: set.map(String::as_str).or_else(default),
            source: if set.is_some() { SOURCE_GROUP } else { SOURCE_DEFAULT },
            read_only: false,
            sensitive: false,
            kind: key.kind,
            doc: key.doc,
        };
        told.result(wanted, Vec::new)
    };
    Ok(GROUP_KEYS.iter().filter(|key| is_asked(resource, key.name)).map(describe).collect())
}

fn is_asked(resource: &DescribeConfigsResource, name: &str) -> bool {
    let keys = resource.configuration_keys.as_ref();
    keys.is_none_or(|keys| keys.iter().any(|key| key.as_str() == name))
}
