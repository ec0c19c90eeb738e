//! A configuration looked at before it is taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Answers, internal};
use crate::worker::connections;
use crate::worker::definitions::{self, ConfigInfos};
use crate::worker::herder::{ConnectorConfig, ConnectorKind, HerderError};
use crate::worker::options;
use crate::worker::plan::{changelog_topic, check_changelog};
use crate::worker::plugin::{ConfigProblem, Plugin};
use crate::worker::records;

/// The largest configuration of a connector, in bytes: it must fit into a record of the
/// config topic, whose size brokers bound by a megabyte.
const CONFIG_BYTES_MAX: usize = 512 << 10;

impl Answers {
    pub(super) async fn check(
        &self,
        name: &str,
        config: &mut ConnectorConfig,
    ) -> Result<(), HerderError> {
        if name.is_empty() || name.chars().any(|c| c.is_control() || c == '/') {
            return Err(HerderError::BadRequest(format!("`{name}` is no name for a connector")));
        }
        if config.get(options::NAME).is_some_and(|inside| inside != name) {
            return Err(HerderError::BadRequest(format!(
                "the configuration's `name` is `{}`, but the connector is `{name}`",
                config[options::NAME]
            )));
        }
        config.insert(options::NAME.to_owned(), name.to_owned());
        let bytes = records::encode(config).len();
        if bytes > CONFIG_BYTES_MAX {
            return Err(HerderError::BadRequest(format!(
                "the configuration has {bytes} bytes, and each task has a copy of it: a connector's \
                 may have {CONFIG_BYTES_MAX}. Large lists belong in a file that a connection reads"
            )));
        }
        for option in connections::secrets_in_clear(config) {
            tracing::warn!(
                connector = name,
                "`{option}` holds a secret in clear, which REST shows and a topic keeps: put it into \
                 a connection, as a reference"
            );
        }
        let plugin = self.plugin_of(config)?;
        let topic = changelog_topic(name);
        if plugin.info().kind == ConnectorKind::Processor && !is_topic_name(&topic) {
            return Err(HerderError::BadRequest(format!(
                "a processor's name is part of a topic's, `{topic}`: it may hold ASCII letters, \
                 digits, `.`, `_` and `-`"
            )));
        }
        if plugin.info().kind == ConnectorKind::Processor {
            check_changelog(&self.core.config, &topic).map_err(HerderError::BadRequest)?;
        }
        let given = config.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
        let infos = self.look_at(&*plugin, given.collect()).await?;
        infos.refusal().map_or(Ok(()), |refusal| Err(HerderError::BadRequest(refusal)))
    }

    /// The plugin of a configuration.
    pub(super) fn plugin_of(
        &self,
        config: &ConnectorConfig,
    ) -> Result<Arc<dyn Plugin>, HerderError> {
        if !config.contains_key(options::CLASS) {
            return Err(HerderError::BadRequest(format!(
                "Connector config contains no connector type: name a plugin in `{}`",
                options::CLASS
            )));
        }
        self.core.plugin_of(config).map_err(HerderError::BadRequest)
    }

    /// Whether the version of its plugin is there still, once a change began: it may
    /// have been deleted while the configuration was checked.
    pub(super) fn is_there(&self, config: &ConnectorConfig) -> Result<(), HerderError> {
        self.plugin_of(config).map(drop)
    }

    /// What is right and wrong with a configuration for `plugin`.
    pub(super) async fn look_at(
        &self,
        plugin: &dyn Plugin,
        given: BTreeMap<String, Option<String>>,
    ) -> Result<ConfigInfos, HerderError> {
        let present = given.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        let config: ConnectorConfig = present.collect();
        let worker = &self.core.config;
        let mut problems = options::validate(plugin, &config, worker).await.map_err(internal)?;
        let nulls = given.iter().filter(|(_, value)| value.is_none());
        problems.extend(nulls.map(|(option, _)| ConfigProblem {
            option: option.clone(),
            message: "is null: give it a value, or leave it out".to_owned(),
        }));
        if config.get(options::NAME).is_none_or(|name| name.trim().is_empty()) {
            let message = "is missing: a connector has a name".to_owned();
            problems.push(ConfigProblem { option: options::NAME.to_owned(), message });
        }
        let class = config.get(options::CLASS).map(String::as_str).unwrap_or_default();
        let kind = plugin.info().kind;
        Ok(definitions::infos(class, kind, plugin.config_schema(), &given, &problems))
    }
}

/// Whether Kafka takes this as a topic's name.
fn is_topic_name(name: &str) -> bool {
    const CHARACTERS_MAX: usize = 249;
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.len() <= CHARACTERS_MAX && name.chars().all(legal)
}
