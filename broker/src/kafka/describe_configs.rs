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

use super::errors;
use crate::{
    config::{BROKER_KEYS, BrokerKey, ConfigKind, is_sensitive},
    controller::TopicImage,
    log::{TOPIC_CONFIGS, TopicConfig},
    node::Node,
};

pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;

const SOURCE_TOPIC: i8 = 1;
const SOURCE_BROKER_FILE: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;

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

/// A configuration in force.
pub(super) struct InForce<'a> {
    pub(super) name: &'static str,
    pub(super) value: &'a str,
    pub(super) source: i8,
    row: &'static TopicConfig,
    topic_value: Option<&'a str>,
    broker: Option<(&'static str, &'a str)>,
}

/// Every configuration of a topic.
pub(super) fn of_topic<'a>(
    node: &'a Node,
    topic: &'a TopicImage,
) -> impl Iterator<Item = InForce<'a>> {
    TOPIC_CONFIGS.iter().map(move |row| {
        let topic_value = topic.configs.get(row.name).map(String::as_str);
        let broker_value = node.config.topic_defaults.get(row.name).map(String::as_str);
        let broker_name =
            BROKER_KEYS.iter().find(|key| key.topic == Some(row.name)).map(|key| key.name);
        let (value, source) = match (topic_value, broker_value) {
            (Some(value), _) => (value, SOURCE_TOPIC),
            (None, Some(value)) => (value, SOURCE_BROKER_FILE),
            (None, None) => (row.default, SOURCE_DEFAULT),
        };
        InForce {
            name: row.name,
            value,
            source,
            row,
            topic_value,
            broker: broker_name.zip(broker_value),
        }
    })
}

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeConfigsRequest,
    version: i16,
) -> DescribeConfigsResponse {
    let synonyms = request.include_synonyms;
    let documentation = version >= 3 && request.include_documentation;
    let results = request.resources.into_iter().map(|resource| {
        let describe = || match resource.resource_type {
            TOPIC => describe_topic(node, &resource, version, synonyms, documentation),
            BROKER => describe_broker(node, &resource, version, documentation),
            other => {
                let message = format!("resource type {other} has no configurations here");
                Err((ResponseError::InvalidRequest, message))
            }
        };
        let (code, message, configs) = match describe() {
            Ok(configs) => (errors::NONE, None, configs),
            Err((code, message)) => (code.code(), errors::message(&message), Vec::new()),
        };
        DescribeConfigsResult::default()
            .with_error_code(code)
            .with_error_message(message)
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
            .with_configs(configs)
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

type Described = Result<Vec<DescribeConfigsResourceResult>, (ResponseError, String)>;

fn describe_topic(
    node: &Node,
    resource: &DescribeConfigsResource,
    version: i16,
    include_synonyms: bool,
    documentation: bool,
) -> Described {
    let image = node.image();
    let topic = image.topic(&resource.resource_name).ok_or_else(|| {
        let message = format!("topic `{}` does not exist", resource.resource_name);
        (ResponseError::UnknownTopicOrPartition, message)
    })?;
    let configs =
        of_topic(node, topic).filter(|config| wanted(resource, config.name)).map(|config| {
            let mut result = DescribeConfigsResourceResult::default()
                .with_name(StrBytes::from_static_str(config.name))
                .with_value(Some(StrBytes::from_string(config.value.to_owned())))
                .with_read_only(false)
                .with_config_source(config.source)
                .with_is_sensitive(false);
            if include_synonyms {
                result = result.with_synonyms(synonyms(&config));
            }
            if version >= 3 {
                result = result.with_config_type(wire(config.row.kind));
            }
            if documentation {
                result = result.with_documentation(Some(StrBytes::from_static_str(config.row.doc)));
            }
            result
        });
    Ok(configs.collect())
}

fn synonyms(config: &InForce<'_>) -> Vec<DescribeConfigsSynonym> {
    let synonym = |name: &'static str, value: &str, source| {
        DescribeConfigsSynonym::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(Some(StrBytes::from_string(value.to_owned())))
            .with_source(source)
    };
    let topic = config.topic_value.map(|value| synonym(config.name, value, SOURCE_TOPIC));
    let broker = config.broker.map(|(name, value)| synonym(name, value, SOURCE_BROKER_FILE));
    let default = synonym(config.name, config.row.default, SOURCE_DEFAULT);
    topic.into_iter().chain(broker).chain([default]).collect()
}

fn describe_broker(
    node: &Node,
    resource: &DescribeConfigsResource,
    version: i16,
    documentation: bool,
) -> Described {
    match resource.resource_name.as_str() {
        // The default of all brokers: nothing can be set there.
        "" => return Ok(Vec::new()),
        name if name == node.config.node_id.to_string() => {}
        name => {
            let message = format!("this is broker {}, not `{name}`", node.config.node_id);
            return Err((ResponseError::InvalidRequest, message));
        }
    }
    let describe = |key: &'static BrokerKey| {
        let set = node.config.properties.contains_key(key.name);
        let default = || {
            let row = key.topic.and_then(crate::log::topic_config);
            row.map(|row| row.default)
        };
        let sensitive = is_sensitive(key.name);
        let value = node.config.effective(key).or_else(default).filter(|_| !sensitive);
        let mut result = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(key.name))
            .with_value(value.map(|value| StrBytes::from_string(value.to_owned())))
            .with_read_only(true)
            .with_config_source(if set { SOURCE_BROKER_FILE } else { SOURCE_DEFAULT })
            .with_is_sensitive(sensitive);
        if version >= 3 {
            result = result.with_config_type(wire(key.kind));
        }
        if documentation {
            result = result.with_documentation(Some(StrBytes::from_static_str(key.doc)));
        }
        result
    };
    let keys = BROKER_KEYS.iter().filter(|key| wanted(resource, key.name));
    Ok(keys.map(describe).collect())
}

fn wanted(resource: &DescribeConfigsResource, name: &str) -> bool {
    let keys = resource.configuration_keys.as_ref();
    keys.is_none_or(|keys| keys.iter().any(|key| key.as_str() == name))
}
