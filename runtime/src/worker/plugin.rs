//! What the worker asks of plugins. The WASM host's plugins are the
//! implementation; the worker knows nothing of guests.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::herder::{ConnectorConfig, PluginInfo, TaskId};
use super::stores::Checkpoints;
use crate::kafka::group::Lease;
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
    /// All of them.
    fn list(&self) -> Vec<PluginInfo>;
}
