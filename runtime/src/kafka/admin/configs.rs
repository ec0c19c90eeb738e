//! Configurations of topics, brokers and groups.

use std::fmt;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use serde::{Serialize, Serializer};

use super::AdminClient;
use super::answers::{check, text, unanswered};
use crate::kafka::error::ClientError;
use crate::kafka::net::{Lane, Target};

/// What has configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigResource {
    /// A topic.
    Topic(String),
    /// A broker by its `node.id`.
    Broker(i32),
    /// What all brokers have that do not have their own.
    BrokerDefault,
    /// A group.
    Group(String),
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic `{name}`"),
            Self::Broker(id) => write!(f, "broker {id}"),
            Self::BrokerDefault => f.write_str("all brokers"),
            Self::Group(id) => write!(f, "group `{id}`"),
        }
    }
}

impl ConfigResource {
    /// Kafka's number of its kind, and its name in requests.
    fn wire(&self) -> (i8, String) {
        match self {
            Self::Topic(name) => (2, name.clone()),
            Self::Broker(id) => (4, id.to_string()),
            Self::BrokerDefault => (4, String::new()),
            Self::Group(id) => (32, id.clone()),
        }
    }

    /// A broker knows its own configurations alone.
    fn target(&self, otherwise: Target) -> Target {
        match self {
            Self::Broker(id) => Target::Node(*id),
            _ => otherwise,
        }
    }
}

/// Where a value comes from, by Kafka's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigSource(i8);

impl ConfigSource {
    /// Kafka's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            1 => "DYNAMIC_TOPIC_CONFIG",
            2 => "DYNAMIC_BROKER_CONFIG",
            3 => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            4 => "STATIC_BROKER_CONFIG",
            5 => "DEFAULT_CONFIG",
            6 => "DYNAMIC_BROKER_LOGGER_CONFIG",
            7 => "DYNAMIC_CLIENT_METRICS_CONFIG",
            8 => "DYNAMIC_GROUP_CONFIG",
            _ => "UNKNOWN",
        }
    }

    /// Whether it was set for this very resource: what a request can delete.
    #[must_use]
    pub fn is_own(self, resource: &ConfigResource) -> bool {
        match resource {
            ConfigResource::Topic(_) => self.0 == 1,
            ConfigResource::Broker(_) => self.0 == 2,
            ConfigResource::BrokerDefault => self.0 == 3,
            ConfigResource::Group(_) => self.0 == 8,
        }
    }

    /// Whether nobody set it anywhere.
    #[must_use]
    pub fn is_default(self) -> bool {
        self.0 == 5
    }
}

impl Serialize for ConfigSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A configuration with where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourcedConfig {
    /// Its name.
    pub name: String,
    /// The value in force; `None` when it is unset or sensitive.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// It cannot be changed by a request.
    pub read_only: bool,
    /// Its value is not shown.
    pub sensitive: bool,
    /// Every value that it would have, the one in force first.
    pub synonyms: Vec<ConfigSynonym>,
    /// A sentence about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
}

/// A value of lower rank, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigSynonym {
    /// The name there, which for brokers differs from the topic's.
    pub name: String,
    /// The value there.
    pub value: Option<String>,
    /// Where.
    pub source: ConfigSource,
}

/// A change of one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Set it.
    Set(String),
    /// Take it back to what it is without.
    Delete,
    /// Add to a list.
    Append(String),
    /// Take out of a list.
    Subtract(String),
}

impl AdminClient {
    /// All configurations of a resource, by name.
    pub async fn describe_configs(
        &self,
        resource: &ConfigResource,
    ) -> Result<Vec<SourcedConfig>, ClientError> {
        let definite = super::client::UNKNOWN_TOPIC;
        self.cluster.retry_unless(definite, || self.try_describe_configs(resource)).await
    }

    async fn try_describe_configs(
        &self,
        resource: &ConfigResource,
    ) -> Result<Vec<SourcedConfig>, ClientError> {
        let what = || format!("describing the configurations of {resource}");
        let (kind, name) = resource.wire();
        let asked = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(&name))
            .with_configuration_keys(None);
        let make = |version| {
            DescribeConfigsRequest::default()
                .with_resources(vec![asked])
                .with_include_synonyms(true)
                .with_include_documentation(version >= 3)
        };
        let target = resource.target(Target::Any);
        let answer = self.cluster.call(&target, Lane::Common, make, None).await?;
        let found = answer.results.into_iter().next().ok_or_else(|| unanswered(what()))?;
        check(what(), found.error_code, found.error_message.as_ref())?;
        let shown = |value: Option<kafka_protocol::protocol::StrBytes>, sensitive: bool| {
            value.filter(|_| !sensitive).map(|value| value.to_string())
        };
        let mut configs: Vec<SourcedConfig> = found
            .configs
            .into_iter()
            .map(|config| SourcedConfig {
                name: config.name.to_string(),
                value: shown(config.value, config.is_sensitive),
                source: ConfigSource(config.config_source),
                read_only: config.read_only,
                sensitive: config.is_sensitive,
                synonyms: config
                    .synonyms
                    .into_iter()
                    .map(|synonym| ConfigSynonym {
                        name: synonym.name.to_string(),
                        value: shown(synonym.value, config.is_sensitive),
                        source: ConfigSource(synonym.source),
                    })
                    .collect(),
                documentation: config.documentation.map(|text| text.to_string()),
            })
            .collect();
        configs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(configs)
    }

    /// Changes some configurations of a resource, all or none of them.
    pub async fn alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &[(String, ConfigChange)],
    ) -> Result<(), ClientError> {
        let definite = super::client::UNKNOWN_TOPIC;
        self.cluster.retry_unless(definite, || self.try_alter_configs(resource, changes)).await
    }

    async fn try_alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &[(String, ConfigChange)],
    ) -> Result<(), ClientError> {
        let what = || format!("changing the configurations of {resource}");
        let configs = changes.iter().map(|(name, change)| {
            let (operation, value) = match change {
                ConfigChange::Set(value) => (0, Some(value)),
                ConfigChange::Delete => (1, None),
                ConfigChange::Append(value) => (2, Some(value)),
                ConfigChange::Subtract(value) => (3, Some(value)),
            };
            AlterableConfig::default()
                .with_name(text(name))
                .with_config_operation(operation)
                .with_value(value.map(|value| text(value)))
        });
        let (kind, name) = resource.wire();
        let asked = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(&name))
            .with_configs(configs.collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![asked]);
        let target = resource.target(Target::Controller);
        let answer = self.cluster.call(&target, Lane::Common, |_| request, None).await?;
        let result = answer.responses.first().ok_or_else(|| unanswered(what()))?;
        check(what(), result.error_code, result.error_message.as_ref())
    }
}
