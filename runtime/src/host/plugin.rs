//! One plugin: what it tells about itself, and opening instances.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;
use wasmtime::component::{Component, InstancePre};

use super::bindings::describe::DescribePartPre;
use super::bindings::describe::exports::longshore::connector::describe as wit;
use super::bindings::processor::ProcessorPartPre;
use super::bindings::sink::SinkPartPre;
use super::bindings::source::SourcePartPre;
use super::call::{self, Live};
use super::connections::Connections;
use super::engine::PluginHost;
use super::error::{CallError, Cause, Fault, HostError};
use super::guest::Guest;
use super::processor::ProcessorInstance;
use super::sink::SinkInstance;
use super::source::SourceInstance;
use crate::convert::Converters;
use crate::kafka::group::Lease;
use crate::worker::herder::{ConnectorConfig, ConnectorKind, TaskId};
use crate::worker::plugin::{ConfigProblem, PlannedTask};

/// What a source imports that ends its transactions itself.
const TRANSACTIONS: &str = "longshore:base/transactions@0.1.0";

/// What a plugin tells about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// What `connector.class` names.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// Its role.
    pub kind: ConnectorKind,
    /// What it reads records as.
    pub input: Form,
    /// What it writes records as.
    pub output: Form,
    /// SHA-256 of the component file, in hex.
    pub digest: String,
}

/// How records cross into and out of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As the topic's bytes.
    Bytes,
    /// As what the connector's converters read from them.
    Values,
}

/// A source's saved checkpoints, for [`imports`](super::imports).
pub trait CheckpointReader: Send + Sync {
    /// A connector's offset in one partition (both JSON objects).
    fn get(&self, connector: &str, partition: &str) -> Option<String>;
    /// A connector's partitions after `after` with their offsets, in order.
    fn list(&self, connector: &str, after: Option<&str>, max: usize) -> Vec<(String, String)>;
}

/// What an instance is opened with.
#[derive(Clone)]
pub struct OpenContext {
    /// The task that it works for.
    pub id: TaskId,
    /// The worker's connections.
    pub connections: Arc<Connections>,
    /// The saved checkpoints.
    pub checkpoints: Arc<dyn CheckpointReader>,
    /// Cancelled when the task is to finish.
    pub stopping: CancellationToken,
    /// Cancelled here when the task must open its connections again.
    pub reopen: CancellationToken,
    /// The worker's right to write.
    pub lease: Lease,
}

/// A component of the contract, compiled. Instances of it share nothing.
pub struct Plugin {
    pub(super) host: PluginHost,
    manifest: Manifest,
    path: PathBuf,
    config_schema: serde_json::Value,
    describe: DescribePartPre<Guest>,
    role: Role,
    ends_transactions: bool,
}

enum Role {
    Source(SourcePartPre<Guest>),
    Sink(SinkPartPre<Guest>),
    Processor(ProcessorPartPre<Guest>),
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

impl Role {
    fn of(pre: InstancePre<Guest>, host: &PluginHost) -> wasmtime::Result<Self> {
        let ty = pre.component().component_type();
        let exports = |role: &str| {
            let name = format!("longshore:connector/{role}@0.1.0");
            ty.exports(&host.engine).any(|(export, _)| export == name)
        };
        match (exports("source"), exports("sink"), exports("processor")) {
            (true, false, false) => SourcePartPre::new(pre).map(Self::Source),
            (false, true, false) => SinkPartPre::new(pre).map(Self::Sink),
            (false, false, true) => ProcessorPartPre::new(pre).map(Self::Processor),
            _ => Err(wasmtime::format_err!(
                "it must export exactly one of longshore:connector/source, sink and processor \
                 of version 0.1.0"
            )),
        }
    }

    fn kind(&self) -> ConnectorKind {
        match self {
            Self::Source(_) => ConnectorKind::Source,
            Self::Sink(_) => ConnectorKind::Sink,
            Self::Processor(_) => ConnectorKind::Processor,
        }
    }
}

impl Plugin {
    /// Checks the component against the contract and asks what it is.
    pub(super) async fn describe(
        host: &PluginHost,
        path: &Path,
        component: &Component,
        digest: String,
    ) -> Result<Self, HostError> {
        let contract = |error: wasmtime::Error| HostError::Contract {
            path: path.to_owned(),
            reason: format!("{error:#}"),
        };
        let pre = host.linker.instantiate_pre(component).map_err(contract)?;
        let role = Role::of(pre.clone(), host).map_err(contract)?;
        let ty = component.component_type();
        let ends_transactions = ty.imports(&host.engine).any(|(name, _)| name == TRANSACTIONS);
        let describe = DescribePartPre::new(pre).map_err(contract)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (about, schema) = told(host, &name, &describe).await.map_err(|source| {
            HostError::Describe { path: path.to_owned(), source: Box::new(source) }
        })?;
        let config_schema =
            serde_json::from_str(&schema).ok().filter(serde_json::Value::is_object).ok_or_else(
                || contract(wasmtime::format_err!("its config-schema is no JSON object")),
            )?;
        let form = |form| match form {
            wit::Form::Bytes => Form::Bytes,
            wit::Form::Values => Form::Values,
        };
        let manifest = Manifest {
            name: about.name,
            version: about.version,
            summary: about.summary,
            kind: role.kind(),
            input: form(about.input),
            output: form(about.output),
            digest,
        };
        let (host, path) = (host.clone(), path.to_owned());
        Ok(Self { host, manifest, path, config_schema, describe, role, ends_transactions })
    }

    /// What it tells about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The file that it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it says itself where its transactions end.
    pub fn ends_transactions(&self) -> bool {
        self.ends_transactions
    }

    /// JSON Schema of its own options.
    pub fn config_schema(&self) -> &serde_json::Value {
        &self.config_schema
    }

    /// What is wrong with a configuration.
    pub async fn validate(
        &self,
        config: &ConnectorConfig,
    ) -> Result<Vec<ConfigProblem>, CallError> {
        let limit = self.host.limits.describe;
        let config = json(config);
        let mut live = Live::open(&self.host, self.name(), None, async |store| {
            self.describe.instantiate_async(store).await
        })
        .await?;
        let call = live.call("validate", limit, |store, part| {
            let config = config.clone();
            Box::pin(async move {
                let found = part.longshore_connector_describe().call_validate(store, &config).await;
                found.map(Ok)
            })
        });
        let problem = |error: super::bindings::types::ConfigError| ConfigProblem {
            option: error.path,
            message: error.message,
        };
        Ok(call.await?.into_iter().map(problem).collect())
    }

    /// Divides a source's work among at most `tasks_max` tasks.
    pub async fn plan(
        &self,
        context: OpenContext,
        config: &ConnectorConfig,
        tasks_max: u32,
    ) -> Result<Vec<PlannedTask>, CallError> {
        let Role::Source(part) = &self.role else { return Err(self.wrong_role("plan")) };
        SourceInstance::plan(self, part, context, json(config), tasks_max).await
    }

    /// Opens one task of a source.
    pub async fn open_source(
        &self,
        context: OpenContext,
        config: &ConnectorConfig,
        task: &PlannedTask,
    ) -> Result<SourceInstance, CallError> {
        let Role::Source(part) = &self.role else { return Err(self.wrong_role("open")) };
        let converters = self.converters(config)?;
        SourceInstance::open(self, part, context, json(config), task, converters).await
    }

    /// Opens one task of a sink.
    pub async fn open_sink(
        &self,
        context: OpenContext,
        config: &ConnectorConfig,
    ) -> Result<SinkInstance, CallError> {
        let Role::Sink(part) = &self.role else { return Err(self.wrong_role("open")) };
        let converters = self.converters(config)?;
        SinkInstance::open(self, part, context, json(config), converters).await
    }

    /// Opens a processor for one partition number of its inputs.
    pub async fn open_processor(
        &self,
        context: OpenContext,
        config: &ConnectorConfig,
        partition: u32,
    ) -> Result<ProcessorInstance, CallError> {
        let Role::Processor(part) = &self.role else { return Err(self.wrong_role("open")) };
        let converters = self.converters(config)?;
        ProcessorInstance::open(self, part, context, json(config), partition, converters).await
    }

    pub(super) fn name(&self) -> &str {
        &self.manifest.name
    }

    fn converters(&self, config: &ConnectorConfig) -> Result<Arc<Converters>, CallError> {
        Converters::from_config(config).map(Arc::new).map_err(|errors| {
            let words: Vec<_> = errors.iter().map(ToString::to_string).collect();
            let (code, message) = ("converter".to_owned(), words.join("; "));
            self.failed("open", Cause::Fault(Fault::Config { code, message }))
        })
    }

    fn wrong_role(&self, call: &'static str) -> CallError {
        let message = format!("`{}` is a {:?} plugin", self.name(), self.manifest.kind);
        let code = "wrong-role".to_owned();
        self.failed(call, Cause::Fault(Fault::Config { code, message }))
    }

    fn failed(&self, call: &'static str, cause: Cause) -> CallError {
        CallError { plugin: self.name().to_owned(), call, cause }
    }
}

/// A plugin's own words about itself.
async fn told(
    host: &PluginHost,
    name: &str,
    describe: &DescribePartPre<Guest>,
) -> Result<(wit::Manifest, String), CallError> {
    let limit = host.limits.describe;
    let mut live =
        Live::open(host, name, None, async |store| describe.instantiate_async(store).await).await?;
    let about = live.call("about", limit, |store, part| {
        Box::pin(async move { part.longshore_connector_describe().call_about(store).await.map(Ok) })
    });
    let about = about.await?;
    let schema = live.call("config-schema", limit, |store, part| {
        Box::pin(async move {
            part.longshore_connector_describe().call_config_schema(store).await.map(Ok)
        })
    });
    Ok((about, schema.await?))
}

/// A connector's options as guests get them.
pub(super) fn json(config: &ConnectorConfig) -> String {
    call::object(config)
}
