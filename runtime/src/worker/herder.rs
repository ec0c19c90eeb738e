//! What REST, the command line and `run` ask of a worker.
//!
//! The shapes are Kafka Connect's own (`ConnectorInfo`, `ConnectorStateInfo`);
//! the REST module only turns them into JSON. Those of a plugin's options are in
//! [`super::definitions`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definitions::{ConfigInfos, ConfigKeyInfo};
pub use super::records::TargetState;
use super::resources::Resources;
use super::session_key::{RequestSignature, SignatureError};
use crate::logging::LoggerLevel;

/// A connector's configuration: flat names and strings, as Kafka Connect has it.
pub type ConnectorConfig = BTreeMap<String, String>;

/// Which role a connector's plugin plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConnectorKind {
    /// External system to topics.
    Source,
    /// Topics to external system.
    Sink,
    /// Topics to topics, with keyed state.
    Processor,
}

/// A role as Kafka Connect tells it: that of a plugin that is gone is `unknown`.
mod role {
    use serde::de::{Deserialize, Deserializer, IntoDeserializer, value::StringDeserializer};
    use serde::{Serialize, Serializer};

    use super::ConnectorKind;

    const UNKNOWN: &str = "unknown";

    pub(super) fn serialize<S: Serializer>(
        kind: &Option<ConnectorKind>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match kind {
            Some(kind) => kind.serialize(serializer),
            None => serializer.serialize_str(UNKNOWN),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ConnectorKind>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == UNKNOWN {
            return Ok(None);
        }
        let text: StringDeserializer<D::Error> = text.into_deserializer();
        ConnectorKind::deserialize(text).map(Some)
    }
}

/// One task of a connector.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct TaskId {
    /// The connector's name.
    pub connector: String,
    /// The task's number, from 0.
    pub task: u32,
}

/// `GET /connectors/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorInfo {
    /// The connector's name.
    pub name: String,
    /// Its configuration, with `name` inside.
    pub config: ConnectorConfig,
    /// Its tasks; empty until they are planned.
    pub tasks: Vec<TaskId>,
    /// Its plugin's role; `unknown` when the plugin is gone.
    #[serde(rename = "type", with = "role")]
    #[schemars(with = "String")]
    pub kind: Option<ConnectorKind>,
}

/// Kafka Connect's states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// No worker runs it now.
    Unassigned,
    /// It works.
    Running,
    /// It waits for `resume`.
    Paused,
    /// It holds no task at all.
    Stopped,
    /// It failed; the trace says why.
    Failed,
    /// It is being restarted.
    Restarting,
}

/// Where and how a connector runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorState {
    /// Its state.
    pub state: State,
    /// The worker that runs it, `host:port` of its REST listener.
    pub worker_id: String,
    /// Its plugin's version (KIP-891).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// Where and how a task runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskState {
    /// The task's number.
    pub id: u32,
    /// Its state.
    pub state: State,
    /// The worker that runs it.
    pub worker_id: String,
    /// Its plugin's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// `GET /connectors/{name}/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorStatus {
    /// The connector's name.
    pub name: String,
    /// The connector itself.
    pub connector: ConnectorState,
    /// Its tasks.
    pub tasks: Vec<TaskState>,
    /// Its plugin's role; `unknown` when the plugin is gone.
    #[serde(rename = "type", with = "role")]
    #[schemars(with = "String")]
    pub kind: Option<ConnectorKind>,
}

/// A JSON object: what a source's partitions and offsets are.
pub type Object = serde_json::Map<String, serde_json::Value>;

/// One pair of `GET /connectors/{name}/offsets`. A sink's is
/// `{"kafka_topic", "kafka_partition"}` to `{"kafka_offset"}`, a source's is its
/// plugin's own. A null offset in a request takes the offset away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorOffset {
    /// What is read.
    pub partition: Option<Object>,
    /// How far.
    pub offset: Option<Object>,
}

/// `GET /connectors/{name}/offsets`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectorOffsets {
    /// All of them.
    pub offsets: Vec<ConnectorOffset>,
}

/// Who decides for the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leadership {
    /// This worker.
    Own,
    /// The worker whose REST listener is at this `host:port`.
    Of(String),
    /// Not known while the group rebalances.
    Unknown,
}

/// `GET /connector-plugins`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginInfo {
    /// The name that `connector.class` gives.
    pub class: String,
    /// Its role.
    #[serde(rename = "type")]
    pub kind: ConnectorKind,
    /// Its version.
    pub version: String,
}

/// One connector's numbers since this worker started, for progress lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorProgress {
    /// Records read: by a source from its system, else from topics.
    pub records_in: u64,
    /// Bytes of those records' keys and values.
    pub bytes_in: u64,
    /// Records written: to topics by a source or processor, else to the system.
    pub records_out: u64,
    /// Bytes of those records' keys and values.
    pub bytes_out: u64,
    /// Records between the committed and the end offsets of its input topics.
    pub lag: u64,
    /// Every task of a bounded source answered `done` and all of it is durable;
    /// a sink or processor is drained when the caller's drain has completed.
    pub done: bool,
}

/// Why a request to the herder failed. REST maps each to Connect's status code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HerderError {
    /// 404.
    #[error("{0}")]
    NotFound(String),
    /// 409: it exists already, or a rebalance is in progress.
    #[error("{0}")]
    Conflict(String),
    /// 412: it is not as the request expects it.
    #[error("{0}")]
    Precondition(String),
    /// 400: the configuration is wrong; all errors in one message.
    #[error("{0}")]
    BadRequest(String),
    /// 403: the worker's settings do not allow it.
    #[error("{0}")]
    Forbidden(String),
    /// 500.
    #[error("{0}")]
    Internal(String),
    /// 503: the worker is not that far yet.
    #[error("{0}")]
    Unavailable(String),
}

impl From<SignatureError> for HerderError {
    fn from(error: SignatureError) -> Self {
        let message = error.to_string();
        match error {
            SignatureError::Missing | SignatureError::Algorithm { .. } => Self::BadRequest(message),
            SignatureError::Invalid => Self::Forbidden(message),
            SignatureError::NoKey => Self::Unavailable(message),
        }
    }
}

/// Whether a worker does its work (KIP-1017).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Healthy,
    /// It is no member of its group yet, or no more; why, in words.
    Starting(String),
    /// It is a member, and does not get on; why, in words.
    Unhealthy(String),
}

/// The handle on a worker. Answers come from the compacted topics' replayed
/// state; changes are answered once they are durable in them.
#[async_trait]
pub trait Herder: Resources + Send + Sync + 'static {
    /// The Kafka cluster's id.
    fn cluster_id(&self) -> String;
    /// This worker's `host:port` in statuses.
    fn worker_id(&self) -> String;
    /// True once the worker is a member of its group and has read its topics.
    fn ready(&self) -> bool;
    /// Whether the worker gets on with its work: it is ready, its loop answers, and
    /// it has applied all that the config topic had at this call. It takes as long as
    /// the cluster does, and the caller bounds it.
    async fn health(&self) -> Health;
    /// Returns once the worker gives a sign of life, of whatever state the cluster is; an
    /// error says why nothing but a new start helps it. The caller bounds it.
    async fn alive(&self) -> Result<(), String>;
    /// Names of all connectors, sorted.
    fn connectors(&self) -> Vec<String>;
    /// A connector's configuration and tasks.
    fn connector(&self, name: &str) -> Result<ConnectorInfo, HerderError>;
    /// A connector's and its tasks' states.
    fn status(&self, name: &str) -> Result<ConnectorStatus, HerderError>;
    /// The flat configurations of a connector's tasks (`GET .../tasks`).
    fn task_configs(&self, name: &str) -> Result<Vec<(TaskId, ConnectorConfig)>, HerderError>;
    /// Creates a connector that starts; `Conflict` if its name is taken.
    async fn create(
        &self,
        name: &str,
        config: ConnectorConfig,
    ) -> Result<ConnectorInfo, HerderError> {
        self.create_in(name, config, None).await
    }
    /// The same, with the state that it begins in (KIP-980).
    async fn create_in(
        &self,
        name: &str,
        config: ConnectorConfig,
        initial_state: Option<TargetState>,
    ) -> Result<ConnectorInfo, HerderError>;
    /// Creates or changes a connector; true when it was created.
    async fn put_config(
        &self,
        name: &str,
        config: ConnectorConfig,
    ) -> Result<(ConnectorInfo, bool), HerderError>;
    /// Changes some options of a connector; `None` takes one away (KIP-477).
    async fn patch_config(
        &self,
        name: &str,
        patch: BTreeMap<String, Option<String>>,
    ) -> Result<ConnectorInfo, HerderError>;
    /// Deletes a connector and stops its tasks.
    async fn delete(&self, name: &str) -> Result<(), HerderError>;
    /// Resumes, pauses or stops a connector.
    async fn set_target_state(&self, name: &str, target: TargetState) -> Result<(), HerderError>;
    /// How far a connector has come (KIP-875).
    async fn offsets(&self, name: &str) -> Result<ConnectorOffsets, HerderError>;
    /// Changes some offsets of a stopped connector; says what was done.
    async fn alter_offsets(
        &self,
        name: &str,
        offsets: ConnectorOffsets,
    ) -> Result<String, HerderError>;
    /// Forgets all offsets of a stopped connector; says what was done.
    async fn reset_offsets(&self, name: &str) -> Result<String, HerderError>;
    /// The topics that a connector has used since it was created, or since the
    /// last reset (KIP-558).
    fn active_topics(&self, name: &str) -> Result<Vec<String>, HerderError>;
    /// Forgets them.
    async fn reset_active_topics(&self, name: &str) -> Result<(), HerderError>;
    /// Restarts the connector, and its tasks where asked. What is going to be
    /// restarted is RESTARTING in the answer.
    async fn restart(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<ConnectorStatus, HerderError>;
    /// Restarts one task.
    async fn restart_task(&self, id: &TaskId) -> Result<(), HerderError>;
    /// The plugins that this worker can run.
    fn plugins(&self) -> Vec<PluginInfo>;
    /// All options of a plugin's connectors.
    fn plugin_config(&self, class: &str) -> Result<Vec<ConfigKeyInfo>, HerderError>;
    /// What is right and wrong with each option of a configuration; one that is
    /// `None` was given as null.
    async fn validate(
        &self,
        config: BTreeMap<String, Option<String>>,
    ) -> Result<ConfigInfos, HerderError>;
    /// Levels of logging of this worker, by namespace.
    fn loggers(&self) -> BTreeMap<String, LoggerLevel>;
    /// Sets a namespace's level on this worker; the namespaces that changed.
    fn set_worker_logger(&self, namespace: &str, level: &str) -> Result<Vec<String>, HerderError>;
    /// Sets a namespace's level on every worker.
    async fn set_cluster_logger(&self, namespace: &str, level: &str) -> Result<(), HerderError>;
    /// Who decides for the fleet.
    fn leader(&self) -> Leadership;
    /// Returns once this worker knows the fleet's session key, which the first leader of a
    /// fleet writes a moment after it is elected; or after a few seconds all the same.
    async fn keyed(&self);
    /// Signs a request to another worker (KIP-507).
    fn sign(&self, request: &[u8]) -> Result<RequestSignature, HerderError>;
    /// Refuses a request that no worker of the fleet has signed.
    fn verify(
        &self,
        request: &[u8],
        signature: Option<&RequestSignature>,
    ) -> Result<(), HerderError>;
    /// As the leader: puts the tasks in effect that another worker planned.
    async fn put_task_configs(
        &self,
        name: &str,
        tasks: Vec<ConnectorConfig>,
    ) -> Result<(), HerderError>;
    /// As the leader: makes sure that no task of the past still writes for a source.
    async fn fence(&self, name: &str) -> Result<(), HerderError>;
    /// A connector's numbers.
    fn progress(&self, name: &str) -> Result<ConnectorProgress, HerderError>;
    /// Waits until a processor or sink has read its input topics up to the end
    /// offsets of the moment of this call, and all that came of it is durable
    /// and committed; for a source, until every task has answered `done`.
    async fn drained(&self, name: &str) -> Result<(), HerderError>;
}
