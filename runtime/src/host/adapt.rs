//! Plugins as the worker asks for them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::catalog::Catalog;
use super::connections::Connections;
use super::error::{CallError, Cause, Fault};
use super::plugin::{CheckpointReader, OpenContext, Plugin};
use super::uploads::FleetPlugins;
use super::{ProcessorInstance, SinkInstance, SourceInstance};
use crate::batch::Batch;
use crate::kafka::TopicPartition;
use crate::task::error::{Remedy, TaskError};
use crate::task::plugin::{
    Mark, Polled, Processed, ProcessorPlugin, Progress, SinkPlugin, SourcePlugin, Taken,
};
use crate::worker::herder::{ConnectorConfig, PluginInfo};
use crate::worker::plugin::{self as asked, ConfigProblem, PlannedTask, TaskContext};
use crate::worker::stores::Checkpoints;

/// The catalog and the connections of one worker.
#[derive(Debug)]
pub struct WorkerPlugins {
    /// The plugins.
    pub catalog: Catalog,
    /// The connections that they may ask for.
    pub connections: Arc<Connections>,
    /// The plugins of the fleet, which come before those of the catalog.
    pub fleet: Arc<FleetPlugins>,
}

/// A plugin with the worker's connections.
struct Connected {
    plugin: Arc<Plugin>,
    connections: Arc<Connections>,
}

impl asked::Plugins for WorkerPlugins {
    fn get(&self, class: &str) -> Result<Arc<dyn asked::Plugin>, String> {
        self.pick(class, None)
    }

    fn pick(&self, class: &str, version: Option<&str>) -> Result<Arc<dyn asked::Plugin>, String> {
        let own = self.catalog.get(class);
        let own = own.filter(|own| version.is_none_or(|it| own.manifest().version == it));
        let plugin = match (self.fleet.find(class, version), own) {
            (Some(found), _) => found?,
            (None, Some(own)) => Arc::clone(own),
            (None, None) => return Err(self.missing(class, version)),
        };
        Ok(Arc::new(Connected { plugin, connections: Arc::clone(&self.connections) }))
    }

    fn uploads(&self) -> Option<Arc<dyn asked::Uploads>> {
        Some(self.fleet.clone())
    }

    fn connections(&self) -> Arc<dyn asked::Connections> {
        self.connections.clone()
    }

    fn list(&self) -> Vec<PluginInfo> {
        let own = self.catalog.iter().map(|plugin| info(plugin));
        let mut all: Vec<_> =
            self.fleet.all().iter().map(|plugin| info(plugin)).chain(own).collect();
        all.sort_by(|one, other| (&one.class, &one.version).cmp(&(&other.class, &other.version)));
        all.dedup();
        all
    }
}

impl WorkerPlugins {
    fn missing(&self, class: &str, version: Option<&str>) -> String {
        let mut versions = self.fleet.versions(class);
        versions.extend(self.catalog.get(class).map(|own| own.manifest().version.clone()));
        match version {
            _ if versions.is_empty() => self.catalog.missing(class),
            Some(version) => format!(
                "there is no version {version} of the plugin `{class}`; there are {}",
                versions.join(", ")
            ),
            None => format!(
                "no version of the plugin `{class}` is active; there are {}",
                versions.join(", ")
            ),
        }
    }
}

pub(super) fn info(plugin: &Plugin) -> PluginInfo {
    let manifest = plugin.manifest();
    PluginInfo {
        class: manifest.name.clone(),
        kind: manifest.kind,
        version: manifest.version.clone(),
    }
}

impl CheckpointReader for Checkpoints {
    fn get(&self, connector: &str, partition: &str) -> Option<String> {
        Checkpoints::get(self, connector, partition)
    }

    fn list(&self, connector: &str, after: Option<&str>, max: usize) -> Vec<(String, String)> {
        Checkpoints::list(self, connector, after, max)
    }
}

impl Connected {
    fn context(&self, context: TaskContext) -> OpenContext {
        OpenContext {
            id: context.id,
            connections: Arc::clone(&self.connections),
            checkpoints: context.checkpoints,
            stopping: context.stop,
            reopen: context.reopen,
            lease: context.lease,
        }
    }
}

#[async_trait]
impl asked::Plugin for Connected {
    fn info(&self) -> PluginInfo {
        info(&self.plugin)
    }

    fn digest(&self) -> String {
        self.plugin.manifest().digest.clone()
    }

    fn ends_transactions(&self) -> bool {
        self.plugin.ends_transactions()
    }

    fn config_schema(&self) -> &serde_json::Value {
        self.plugin.config_schema()
    }

    async fn validate(&self, config: &ConnectorConfig) -> Result<Vec<ConfigProblem>, TaskError> {
        Ok(self.plugin.validate(config).await?)
    }

    async fn plan(
        &self,
        context: TaskContext,
        config: &ConnectorConfig,
        tasks_max: u32,
    ) -> Result<Vec<PlannedTask>, TaskError> {
        Ok(self.plugin.plan(self.context(context), config, tasks_max).await?)
    }

    async fn open_source(
        &self,
        context: TaskContext,
        config: &ConnectorConfig,
        task: &PlannedTask,
    ) -> Result<Box<dyn SourcePlugin>, TaskError> {
        Ok(Box::new(self.plugin.open_source(self.context(context), config, task).await?))
    }

    async fn open_sink(
        &self,
        context: TaskContext,
        config: &ConnectorConfig,
    ) -> Result<Box<dyn SinkPlugin>, TaskError> {
        Ok(Box::new(self.plugin.open_sink(self.context(context), config).await?))
    }

    async fn open_processor(
        &self,
        context: TaskContext,
        config: &ConnectorConfig,
        partition: u32,
    ) -> Result<Box<dyn ProcessorPlugin>, TaskError> {
        let context = self.context(context);
        Ok(Box::new(self.plugin.open_processor(context, config, partition).await?))
    }
}

#[async_trait]
impl SourcePlugin for SourceInstance {
    async fn poll(&mut self, wait: Duration, max_bytes: u32) -> Result<Polled, TaskError> {
        Ok(SourceInstance::poll(self, wait, max_bytes).await?)
    }

    async fn committed(&mut self, polls: u64) -> Result<(), TaskError> {
        Ok(SourceInstance::committed(self, polls).await?)
    }

    async fn close(self: Box<Self>) {
        SourceInstance::close(*self).await;
    }
}

#[async_trait]
impl SinkPlugin for SinkInstance {
    async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Mark>, TaskError> {
        Ok(SinkInstance::assigned(self, partitions).await?)
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<Progress, TaskError> {
        Ok(SinkInstance::revoked(self, partitions).await?)
    }

    async fn put(
        &mut self,
        from: &TopicPartition,
        topic: &str,
        batch: Arc<Batch>,
    ) -> Result<Taken, TaskError> {
        Ok(SinkInstance::put(self, from, topic, batch).await?.into())
    }

    async fn tick(&mut self) -> Result<Progress, TaskError> {
        Ok(SinkInstance::tick(self).await?)
    }

    async fn drain(&mut self) -> Result<Progress, TaskError> {
        Ok(SinkInstance::drain(self).await?)
    }

    fn held_bytes(&self) -> usize {
        SinkInstance::held_bytes(self)
    }

    async fn close(self: Box<Self>) {
        SinkInstance::close(*self).await;
    }
}

#[async_trait]
impl ProcessorPlugin for ProcessorInstance {
    fn restore(&mut self, changes: &Batch) -> Result<(), TaskError> {
        ProcessorInstance::restore(self, changes).map_err(|full| TaskError::stop(full.to_string()))
    }

    async fn process(&mut self, topic: &str, batch: Arc<Batch>) -> Result<Processed, TaskError> {
        Ok(ProcessorInstance::process(self, topic, batch).await?)
    }

    async fn close(self: Box<Self>) {
        ProcessorInstance::close(*self).await;
    }
}

impl From<Fault> for TaskError {
    fn from(fault: Fault) -> Self {
        let remedy = match &fault {
            Fault::Retry { after, .. } => Remedy::Fault { after: *after },
            Fault::Config { .. } | Fault::Fatal { .. } => Remedy::Stop,
        };
        Self { message: fault.to_string(), remedy }
    }
}

impl From<CallError> for TaskError {
    fn from(error: CallError) -> Self {
        let remedy = match &error.cause {
            Cause::Fault(fault) => Self::from(fault.clone()).remedy,
            _ => Remedy::Reopen,
        };
        Self { message: error.to_string(), remedy }
    }
}
