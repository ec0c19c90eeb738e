//! What the worker asks of plugins. The WASM host's plugins are the
//! implementation; the worker knows nothing of guests.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::herder::{ConnectorConfig, Object, PluginInfo, TaskId};
use super::stores::Checkpoints;
use crate::kafka::group::Lease;
use crate::registry::RegistrySettings;
use crate::task::error::TaskError;
use crate::task::plugin::{ProcessorPlugin, SinkPlugin, SourcePlugin};

/// What an instance is opened with.
#[derive(Clone)]
pub struct TaskContext {
    /// The task; the connector's planning has the number of no task.
    pub id: TaskId,
    /// All sources' checkpoints.
    pub checkpoints: Arc<Checkpoints>,
    /// Cancelled when the task is to finish.
    pub stop: CancellationToken,
    /// Cancelled by whoever opens connections, when one that the task has open is
    /// another now.
    pub reopen: CancellationToken,
    /// The worker's right to write.
    pub lease: Lease,
}

/// One task of a source, as its plugin planned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTask {
    /// The plugin's name for it.
    pub name: String,
    /// The plugin's own JSON.
    pub assignment: String,
}

/// An error in one option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The option.
    pub option: String,
    /// What is wrong with it, and what to do.
    pub message: String,
}

/// One kind of connector.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// Name, role, version.
    fn info(&self) -> PluginInfo;
    /// SHA-256 of its code, in hexadecimal.
    fn digest(&self) -> String;
    /// Whether a source says itself where its transactions end.
    fn ends_transactions(&self) -> bool;
    /// JSON Schema of its own options.
    fn config_schema(&self) -> &serde_json::Value;
    /// What is wrong with a configuration.
    async fn validate(&self, config: &ConnectorConfig) -> Result<Vec<ConfigProblem>, TaskError>;
    /// Sources only: divides the work among at most `tasks_max` tasks.
    async fn plan(
        &self,
        context: TaskContext,
        config: &ConnectorConfig,
        tasks_max: u32,
    ) -> Result<Vec<PlannedTask>, TaskError>;
    /// Opens one task of a source.
    async fn open_source(
        &self,
        context: TaskContext,
        config: &ConnectorConfig,
        task: &PlannedTask,
    ) -> Result<Box<dyn SourcePlugin>, TaskError>;
    /// Opens one task of a sink.
    async fn open_sink(
        &self,
        context: TaskContext,
        config: &ConnectorConfig,
    ) -> Result<Box<dyn SinkPlugin>, TaskError>;
    /// Opens a processor for one partition number.
    async fn open_processor(
        &self,
        context: TaskContext,
        config: &ConnectorConfig,
        partition: u32,
    ) -> Result<Box<dyn ProcessorPlugin>, TaskError>;
}

/// The plugins that a worker can run, by name.
pub trait Plugins: Send + Sync {
    /// The plugin of that name; the error says what is wrong with its file,
    /// or which names there are.
    fn get(&self, class: &str) -> Result<Arc<dyn Plugin>, String>;
    /// The version of it that is asked for, if one is.
    fn pick(&self, class: &str, version: Option<&str>) -> Result<Arc<dyn Plugin>, String> {
        let plugin = self.get(class)?;
        match version {
            Some(version) if plugin.info().version != version => Err(format!(
                "there is no version {version} of the plugin `{class}`; there is {}",
                plugin.info().version
            )),
            _ => Ok(plugin),
        }
    }
    /// Where plugins that come through the fleet go; `None` if none do.
    fn uploads(&self) -> Option<Arc<dyn Uploads>> {
        None
    }
    /// All of them.
    fn list(&self) -> Vec<PluginInfo>;
    /// The connections that they ask for.
    fn connections(&self) -> Arc<dyn Connections>;
}

/// The plugins that come through the fleet's plugin topic.
#[async_trait]
pub trait Uploads: Send + Sync {
    /// What a component is, which is found out in the sandbox; the error says why
    /// it is no plugin.
    async fn inspect(&self, component: Bytes) -> Result<PluginInfo, String>;
    /// The fleet has this version. Without its bytes it is a component that came
    /// before. The error says why this worker cannot use it.
    async fn install(
        &self,
        name: &str,
        version: &str,
        sha256: &str,
        component: Option<Bytes>,
    ) -> Result<(), String>;
    /// Tries again what was too slow to be used; the plugins that can be used since.
    async fn retry(&self) -> Vec<String>;
    /// The fleet has this version no more.
    fn remove(&self, name: &str, version: &str);
    /// Whoever names no version gets this one, or nothing when it is not there; `None`:
    /// the worker's own.
    fn activate(&self, name: &str, version: Option<&str>);
}

/// The connections that plugins ask for by name. The worker knows nothing of
/// drivers; it tells what the config topic has.
#[async_trait]
pub trait Connections: Send + Sync {
    /// What is wrong with a definition, without any value of it.
    fn check(&self, definition: &Object) -> Vec<String>;
    /// Whether a definition lets a connector use it at all.
    fn allows(&self, definition: &Object, connector: &str) -> bool;
    /// Those of this worker's own file, which count before the fleet's; no secret
    /// is in them.
    fn own(&self) -> BTreeMap<String, Object>;
    /// A definition with no secret in it.
    fn shown(&self, definition: &Object) -> Object;
    /// The fleet has this definition now, or none. Its users open it again.
    fn set(&self, name: &str, definition: Option<&Object>);
    /// Opens a schema registry for a task.
    async fn registry(
        &self,
        name: &str,
        context: &TaskContext,
    ) -> Result<RegistrySettings, TaskError>;
    /// Looks at what references stand for: the connections whose values changed.
    /// Their users open them again.
    async fn look(&self) -> Vec<String>;
}
