//! What checking a pipeline asks about plugins.

use std::path::PathBuf;

use serde_json::Value as Json;

use crate::worker::herder::ConnectorKind;

/// What a pipeline needs to know of one plugin.
#[derive(Debug, Clone, Copy)]
pub struct PluginDescription<'a> {
    /// Its role.
    pub kind: ConnectorKind,
    /// JSON Schema of its own options: an object of flat names, in which
    /// `x-connection: VERB` marks an option that names a connection.
    pub schema: &'a Json,
}

/// The plugins at hand.
pub trait PluginCatalog {
    /// A plugin by the name that `connector.class` gives.
    fn find(&self, name: &str) -> Option<PluginDescription<'_>>;
    /// All names, sorted.
    fn names(&self) -> Vec<String>;
    /// The folders that were searched.
    fn folders(&self) -> Vec<PathBuf>;
    /// Files that look like plugins and could not be loaded, with the reason.
    fn broken(&self) -> Vec<String>;
    /// False when plugins are not looked at: unknown ones are then no problem.
    fn complete(&self) -> bool {
        true
    }
}

/// Checks everything but plugins and their options (`lint --no-plugins`).
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPlugins;

impl PluginCatalog for NoPlugins {
    fn find(&self, _: &str) -> Option<PluginDescription<'_>> {
        None
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn folders(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn broken(&self) -> Vec<String> {
        Vec::new()
    }

    fn complete(&self) -> bool {
        false
    }
}
