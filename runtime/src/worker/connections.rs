//! The fleet's connections: who uses which, what changes them, and the look at
//! what their references stand for.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::answers::Answers;
use super::config_state::{Change, ConfigState};
use super::core::Core;
use super::herd::Event;
use super::herder::{ConnectorConfig, HerderError, Object};
use super::records::{self, ConfigKey, Versioned};
use super::resources::{ConnectionInfo, Expected, NAME_RULE, Origin, is_name};
use crate::convert::{Part, registry_config};
use crate::yaml::is_secret;

/// The largest definition, in bytes: it is written by hand, and all of a fleet's
/// are held by every worker.
pub(super) const DEFINITION_BYTES_MAX: usize = 64 << 10;

/// The connections that a connector's options name, as its plugin marks them, and those
/// with its converters' schema registries; `None`
/// when it cannot be loaded, so that nobody knows.
pub(super) fn named(core: &Core, config: &ConnectorConfig) -> Option<BTreeSet<String>> {
    let plugin = core.plugin_of(config).ok()?;
    let properties = plugin.config_schema()["properties"].as_object().cloned().unwrap_or_default();
    let marked = properties.iter().filter(|(_, property)| property["x-connection"].is_string());
    let given = marked.filter_map(|(option, property)| {
        let default = || property["default"].as_str().map(str::to_owned);
        config.get(option).cloned().or_else(default)
    });
    let registries = [Part::Key, Part::Value]
        .into_iter()
        .filter_map(|part| registry_config::connection(config, part));
    Some(given.chain(registries.map(str::to_owned)).collect())
}

/// Options of a connector whose names say that they hold secrets.
pub(super) fn secrets_in_clear(config: &ConnectorConfig) -> impl Iterator<Item = &str> {
    let given = config.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(option, _)| option.as_str()).filter(|option| is_secret(option))
}

/// The connectors whose options name a connection; those any of whose options does,
/// where the plugin does not tell which it would be.
pub(super) fn users(core: &Core, connection: &str) -> BTreeSet<String> {
    let used = all_connectors(core).into_iter().filter(|(_, config)| match named(core, config) {
        Some(named) => named.contains(connection),
        None => config.values().any(|value| value == connection),
    });
    used.map(|(name, _)| name).collect()
}

/// The connectors whose plugins cannot be loaded.
fn unknown_users(core: &Core) -> impl Iterator<Item = String> {
    let unknown = all_connectors(core).into_iter();
    unknown.filter(|(_, config)| named(core, config).is_none()).map(|(name, _)| name)
}

fn all_connectors(core: &Core) -> Vec<(String, ConnectorConfig)> {
    let configs = core.configs.read().expect("no holder panics");
    configs.connectors().iter().map(|(name, it)| (name.clone(), it.config.clone())).collect()
}

/// Looks at what references stand for, for ever.
pub(super) async fn watch(core: Arc<Core>, events: mpsc::UnboundedSender<Event>) {
    let mut look = tokio::time::interval(core.config.topic_refresh_interval);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        for name in core.plugins.connections().look().await {
            tracing::info!(connection = name, "resolves to other values: its users open it again");
            let _ = events.send(Event::Config(Change::Connection(name)));
        }
    }
}

impl Answers {
    /// All connections.
    pub(super) fn all_connections(&self) -> Vec<ConnectionInfo> {
        let hosts = self.core.plugins.connections();
        let own = hosts.own();
        let fleet = self.core.configs.read().expect("no holder panics").connections().clone();
        let fleet = fleet.into_iter().filter(|(name, _)| !own.contains_key(name));
        let fleet = fleet.map(|(name, it)| ConnectionInfo {
            version: Some(it.version),
            origin: Origin::Fleet,
            definition: hosts.shown(&it.definition),
            used_by: users(&self.core, &name),
            etag: it.etag(),
            name,
        });
        let own = own.iter().map(|(name, definition)| ConnectionInfo {
            name: name.clone(),
            version: None,
            origin: Origin::Worker,
            definition: definition.clone(),
            used_by: users(&self.core, name),
            etag: "worker".to_owned(),
        });
        let mut all: Vec<_> = fleet.chain(own).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// One connection.
    fn one_connection(&self, name: &str) -> Result<ConnectionInfo, HerderError> {
        let found = self.all_connections().into_iter().find(|info| info.name == name);
        found.ok_or_else(|| unknown(name))
    }

    /// Creates or changes one.
    pub(super) async fn change_connection(
        &self,
        name: &str,
        definition: Object,
        expected: Expected,
    ) -> Result<(ConnectionInfo, bool), HerderError> {
        if !is_name(name) {
            return Err(HerderError::BadRequest(format!("a connection's name {NAME_RULE}")));
        }
        let bytes = records::encode(&definition).len();
        if bytes > DEFINITION_BYTES_MAX {
            return Err(HerderError::BadRequest(format!(
                "the connection has {bytes} bytes; one may have {DEFINITION_BYTES_MAX}"
            )));
        }
        self.takes_connections()?;
        let hosts = self.core.plugins.connections();
        let wrong = hosts.check(&definition);
        if !wrong.is_empty() {
            let wrong = wrong.join("; ");
            return Err(HerderError::BadRequest(format!("the connection `{name}`: {wrong}")));
        }
        self.not_own(name)?;
        let key = ConfigKey::Connection(name.to_owned());
        let created = self.put_versioned(key, definition, expected, |_| Ok(())).await?;
        Ok((self.one_connection(name)?, created))
    }

    /// Deletes one that nobody uses.
    pub(super) async fn remove_connection(
        &self,
        name: &str,
        expected: Expected,
    ) -> Result<(), HerderError> {
        self.takes_connections()?;
        self.not_own(name)?;
        let mut change = self.core.change().await?;
        let key = ConfigKey::Connection(name.to_owned());
        let present = self.versioned(&key).ok_or_else(|| unknown(name))?;
        expected.check(&told(&key), Some(&present.etag()))?;
        let users = users(&self.core, name);
        if !users.is_empty() {
            let users = users.into_iter().collect::<Vec<_>>().join(", ");
            return Err(HerderError::Conflict(format!(
                "the connection `{name}` is used by {users}: delete these connectors, or name \
                 another connection in them, first"
            )));
        }
        // A plugin that cannot be loaded may name it by default.
        let hosts = self.core.plugins.connections();
        let is_allowed = |connector: &String| hosts.allows(&present.definition, connector);
        let unknown: Vec<String> = unknown_users(&self.core).filter(is_allowed).collect();
        if !unknown.is_empty() {
            return Err(HerderError::Conflict(format!(
                "the connection `{name}` may be used by {}, whose plugins cannot be loaded: bring \
                 these back, delete the connectors, or leave them out of its `allow`, first",
                unknown.join(", ")
            )));
        }
        change.write(&[(key.encode().into_bytes(), None)]).await
    }

    fn takes_connections(&self) -> Result<(), HerderError> {
        match self.core.config.fleet_resources.connections {
            true => Ok(()),
            false => Err(HerderError::Forbidden(
                "this worker takes no connections from requests: define them in the workers' files, \
                 or set `connection.resources.enable: true` there, and what they may reach"
                    .to_owned(),
            )),
        }
    }

    fn not_own(&self, name: &str) -> Result<(), HerderError> {
        match self.core.plugins.connections().own().contains_key(name) {
            true => Err(HerderError::Conflict(format!(
                "the connection `{name}` is defined in the file of the worker {}: change it there, \
                 or choose another name",
                self.core.config.worker_id
            ))),
            false => Ok(()),
        }
    }

    /// The present version of a resource.
    pub(super) fn versioned(&self, key: &ConfigKey) -> Option<Versioned> {
        let configs = self.core.configs.read().expect("no holder panics");
        of(&configs, key).cloned()
    }

    /// Writes the next version of a resource, unless it is that already; true
    /// when there was none. `check` is of what all others are at that time.
    pub(super) async fn put_versioned(
        &self,
        key: ConfigKey,
        definition: Object,
        expected: Expected,
        check: impl FnOnce(&ConfigState) -> Result<(), HerderError> + Send,
    ) -> Result<bool, HerderError> {
        let mut change = self.core.change().await?;
        check(&self.core.configs.read().expect("no holder panics"))?;
        let present = self.versioned(&key);
        let etag = present.as_ref().map(Versioned::etag);
        expected.check(&told(&key), etag.as_deref())?;
        if present.as_ref().is_some_and(|present| present.definition == definition) {
            return Ok(false);
        }
        let version = present.as_ref().map_or(1, |present| present.version + 1);
        let value = records::encode(&Versioned { version, definition });
        change.write(&[(key.encode().into_bytes(), Some(value))]).await?;
        Ok(present.is_none())
    }
}

fn of<'a>(configs: &'a ConfigState, key: &ConfigKey) -> Option<&'a Versioned> {
    match key {
        ConfigKey::Connection(name) => configs.connections().get(name),
        ConfigKey::Pipeline(name) => configs.pipelines().get(name),
        _ => None,
    }
}

/// A resource, as messages name it.
pub(super) fn told(key: &ConfigKey) -> String {
    match key {
        ConfigKey::Connection(name) => format!("the connection `{name}`"),
        ConfigKey::Pipeline(name) => format!("the pipeline `{name}`"),
        other => other.encode(),
    }
}

fn unknown(name: &str) -> HerderError {
    HerderError::NotFound(format!("there is no connection `{name}`"))
}
