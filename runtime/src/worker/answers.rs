//! The herder: answers from what the internal topics hold, changes by writing
//! to them. Any worker of the fleet can answer and change; who runs what
//! follows from the config topic.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{MutexGuard, mpsc, oneshot};
use tokio::time::Instant;

use super::compacted::{LogError, Write};
use super::config_state::{ConfigState, ConnectorEntry};
use super::connections;
use super::core::{Connector, Core};
use super::definitions::{self, ConfigInfos, ConfigKeyInfo};
use super::herd::Event;
use super::herder::{
    ConnectorConfig, ConnectorInfo, ConnectorKind, ConnectorOffsets, ConnectorProgress,
    ConnectorState, ConnectorStatus, Health, Herder, HerderError, Leadership, Object, PluginInfo,
    State, TargetState, TaskId, TaskState,
};
use super::inter_worker;
use super::lag::input_partitions;
use super::offsets;
use super::options;
use super::plan::changelog_topic;
use super::plugin::{ConfigProblem, Plugin};
use super::records::{self, Commit, ConfigKey, LoggerLevelValue, Properties, Restart, Status};
use super::resources::{
    ConnectionInfo, Expected, PipelineInfo, PipelineParts, Resources, UploadedPlugin,
};
use super::session_key::{RequestSignature, now_ms};
use crate::kafka::{ClientError, Lease, Start, TopicPartition};
use crate::logging::LoggerLevel;
use crate::task::schedule::Targets;

/// How often `drained` looks.
const DRAINED_LOOK: Duration = Duration::from_millis(50);
/// The largest configuration of a connector, in bytes: it must fit into a record of the
/// config topic, whose size brokers bound by a megabyte.
const CONFIG_BYTES_MAX: usize = 512 << 10;
/// How often it asks the cluster what other workers have committed.
const COMMITTED_LOOK: Duration = Duration::from_secs(1);

/// The handle that [`Worker::herder`](super::Worker::herder) gives.
pub(super) struct Answers {
    pub(super) core: Arc<Core>,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

fn internal(error: impl std::fmt::Display) -> HerderError {
    HerderError::Internal(error.to_string())
}

impl From<LogError> for HerderError {
    fn from(error: LogError) -> Self {
        internal(error)
    }
}

impl From<ClientError> for HerderError {
    fn from(error: ClientError) -> Self {
        internal(error)
    }
}

impl Answers {
    fn entry(&self, name: &str) -> Result<ConnectorEntry, HerderError> {
        let configs = self.core.configs.read().expect("no holder panics");
        configs
            .get(name)
            .cloned()
            .ok_or_else(|| HerderError::NotFound(format!("Connector {name} not found")))
    }

    fn info(&self, name: &str, entry: &ConnectorEntry) -> ConnectorInfo {
        ConnectorInfo {
            name: name.to_owned(),
            config: entry.config.clone(),
            tasks: task_ids(name, entry).collect(),
            kind: self.core.kind_of(name),
        }
    }

    pub(super) async fn write(&self, writes: &[Write]) -> Result<(), HerderError> {
        Ok(self.core.logs.config.write_and_read(writes).await?)
    }

    /// Whoever changes what is there looks at all that was written before: another
    /// worker may have changed it.
    pub(super) async fn changing(&self) -> Result<MutexGuard<'_, ()>, HerderError> {
        let changing = self.core.changing.lock().await;
        self.core.logs.config.read_to_end().await?;
        Ok(changing)
    }

    async fn check(&self, name: &str, config: &mut ConnectorConfig) -> Result<(), HerderError> {
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
        let given = config.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
        let infos = self.look_at(&*plugin, given.collect()).await?;
        infos.refusal().map_or(Ok(()), |refusal| Err(HerderError::BadRequest(refusal)))
    }

    /// The plugin of a configuration.
    fn plugin_of(&self, config: &ConnectorConfig) -> Result<Arc<dyn Plugin>, HerderError> {
        if !config.contains_key(options::CLASS) {
            return Err(HerderError::BadRequest(format!(
                "Connector config contains no connector type: name a plugin in `{}`",
                options::CLASS
            )));
        }
        self.core.plugin_of(config).map_err(HerderError::BadRequest)
    }

    /// What is right and wrong with a configuration for `plugin`.
    async fn look_at(
        &self,
        plugin: &dyn Plugin,
        given: BTreeMap<String, Option<String>>,
    ) -> Result<ConfigInfos, HerderError> {
        let present = given.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        let config: ConnectorConfig = present.collect();
        let support = self.core.config.exactly_once_sources;
        let mut problems = options::validate(plugin, &config, support).await.map_err(internal)?;
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

    async fn write_config(
        &self,
        name: &str,
        config: ConnectorConfig,
        target: Option<TargetState>,
    ) -> Result<(), HerderError> {
        let writes = {
            let configs = self.core.configs.read().expect("no holder panics");
            config_writes(&configs, name, config, target)
        };
        self.write(&writes).await
    }

    async fn write_restart(&self, name: &str, restart: &Restart) -> Result<(), HerderError> {
        let key = ConfigKey::Restart(name.to_owned()).encode().into_bytes();
        self.write(&[(key, Some(records::encode(restart)))]).await
    }

    /// An error if the connector or one of its tasks is FAILED.
    fn check_not_failed(&self, name: &str) -> Result<(), HerderError> {
        let status = self.status(name)?;
        let failed = |what: String, trace: Option<String>| {
            Err(HerderError::Internal(format!("{what} failed: {}", trace.unwrap_or_default())))
        };
        if status.connector.state == State::Failed {
            return failed(format!("connector `{name}`"), status.connector.trace);
        }
        match status.tasks.into_iter().find(|task| task.state == State::Failed) {
            Some(task) => failed(format!("task {} of connector `{name}`", task.id), task.trace),
            None => Ok(()),
        }
    }

    async fn source_drained(&self, name: &str) -> Result<(), HerderError> {
        loop {
            self.check_not_failed(name)?;
            if is_done(&self.core.connector(name), &self.entry(name)?) {
                return Ok(());
            }
            tokio::time::sleep(DRAINED_LOOK).await;
        }
    }

    async fn inputs_drained(&self, name: &str) -> Result<(), HerderError> {
        let admin = self.core.clients.admin();
        let inputs = input_partitions(&self.core, name).await?;
        let ask = |start| inputs.iter().map(|at| (at.clone(), start)).collect::<Vec<_>>();
        let begins = admin.list_offsets(&ask(Start::Earliest)).await?;
        let mut targets: Targets = admin.list_offsets(&ask(Start::Latest)).await?;
        targets.retain(|at, end| begins.get(at).is_none_or(|begin| begin < end));

        let connector = self.core.connector(name);
        connector.targets.send_replace(Some(Arc::new(targets.clone())));
        let mut elsewhere: HashMap<TopicPartition, i64> = HashMap::new();
        let mut look_at = Instant::now() + COMMITTED_LOOK;
        loop {
            self.check_not_failed(name)?;
            let reached = {
                let here = connector.positions.read().expect("no holder panics");
                // A partition that moved away meanwhile has an old offset here.
                let reached = |at, end| {
                    [here.get(at), elsewhere.get(at)].into_iter().flatten().any(|it| it >= end)
                };
                targets.iter().all(|(at, end)| reached(at, end))
            };
            if reached {
                return Ok(());
            }
            if Instant::now() >= look_at {
                let committed = admin.committed_offsets(&connector.group, Some(&inputs)).await?;
                elsewhere = committed.into_iter().map(|(at, it)| (at, it.offset)).collect();
                look_at = Instant::now() + COMMITTED_LOOK;
            }
            tokio::time::sleep(DRAINED_LOOK).await;
        }
    }
}

/// Whether Kafka takes this as a topic's name.
fn is_topic_name(name: &str) -> bool {
    const CHARACTERS_MAX: usize = 249;
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.len() <= CHARACTERS_MAX && name.chars().all(legal)
}

/// What deletes a connector and its tasks.
pub(super) fn deletion(name: &str, tasks: BTreeSet<u32>) -> Vec<Write> {
    let owned = || name.to_owned();
    let task = |task| ConfigKey::Task(TaskId { connector: owned(), task });
    [ConfigKey::Connector(owned()), ConfigKey::TargetState(owned())]
        .into_iter()
        .chain(tasks.into_iter().map(task))
        .chain([ConfigKey::Commit(owned())])
        .map(|key| (key.encode().into_bytes(), None))
        .collect()
}

/// What gives a connector this configuration and, where it is new, the state that it
/// begins in.
pub(super) fn config_writes(
    configs: &ConfigState,
    name: &str,
    config: ConnectorConfig,
    target: Option<TargetState>,
) -> Vec<Write> {
    // A plan of one of its name that is gone is none of it.
    let mut writes = match configs.has_ownerless_plan(name) {
        true => deletion(name, configs.known_tasks(name)),
        false => Vec::new(),
    };
    // The state comes first: between the two it would start.
    writes.extend(target.map(|target| target_state(name, target)));
    let key = ConfigKey::Connector(name.to_owned()).encode().into_bytes();
    writes.push((key, Some(records::encode(&Properties { properties: config }))));
    writes
}

/// What takes a connector from one state to another.
pub(super) fn target_writes(name: &str, from: TargetState, to: TargetState) -> Vec<Write> {
    let state = target_state(name, to);
    let key = ConfigKey::Commit(name.to_owned()).encode().into_bytes();
    let unplanned = (key, Some(records::encode(&Commit { tasks: 0, digest: None })));
    match (from, to) {
        // What it goes on with is planned when it does.
        (_, TargetState::Stopped) => vec![state, unplanned],
        // A plan that came meanwhile was void: it would not be once compaction has
        // taken the record of the stop.
        (TargetState::Stopped, _) => vec![unplanned, state],
        _ => vec![state],
    }
}

fn task_ids(name: &str, entry: &ConnectorEntry) -> impl Iterator<Item = TaskId> {
    let count = entry.present_tasks().len() as u32;
    (0..count).map(move |task| TaskId { connector: name.to_owned(), task })
}

fn target_state(name: &str, target: TargetState) -> Write {
    let key = ConfigKey::TargetState(name.to_owned()).encode().into_bytes();
    (key, Some(records::encode_target_state(target)))
}

/// True when every task of a source has read all that it ever will.
fn is_done(connector: &Connector, entry: &ConnectorEntry) -> bool {
    let done = connector.done.lock().expect("no holder panics");
    !entry.needs_plan() && (0..entry.tasks.len() as u32).all(|task| done.contains(&task))
}

#[async_trait]
impl Resources for Answers {
    fn connections(&self) -> Vec<ConnectionInfo> {
        self.all_connections()
    }

    async fn put_connection(
        &self,
        name: &str,
        definition: Object,
        expected: Expected,
    ) -> Result<(ConnectionInfo, bool), HerderError> {
        self.change_connection(name, definition, expected).await
    }

    async fn delete_connection(&self, name: &str, expected: Expected) -> Result<(), HerderError> {
        self.remove_connection(name, expected).await
    }

    fn pipelines(&self) -> Vec<PipelineInfo> {
        self.all_pipelines()
    }

    async fn put_pipeline(
        &self,
        name: &str,
        parts: PipelineParts,
        expected: Expected,
    ) -> Result<(PipelineInfo, bool), HerderError> {
        self.change_pipeline(name, parts, expected).await
    }

    async fn delete_pipeline(&self, name: &str, expected: Expected) -> Result<(), HerderError> {
        self.remove_pipeline(name, expected).await
    }

    fn uploaded_plugins(&self) -> Vec<UploadedPlugin> {
        self.all_uploaded()
    }

    async fn upload_plugin(
        &self,
        component: Vec<u8>,
        sha256: &str,
        activate: bool,
    ) -> Result<(UploadedPlugin, bool), HerderError> {
        self.take_plugin(component, sha256, activate).await
    }

    async fn activate_plugin(
        &self,
        name: &str,
        version: Option<String>,
    ) -> Result<UploadedPlugin, HerderError> {
        self.activate(name, version).await
    }

    async fn delete_plugin(&self, name: &str, version: &str) -> Result<(), HerderError> {
        self.delete_version(name, version).await
    }
}

#[async_trait]
impl Herder for Answers {
    fn cluster_id(&self) -> String {
        self.core.cluster_id.clone()
    }

    fn worker_id(&self) -> String {
        self.core.config.worker_id.clone()
    }

    fn ready(&self) -> bool {
        // Without the config topic a member would never hear what to do.
        self.core.ready.load(Ordering::Acquire) && self.core.logs.config.check_followed().is_ok()
    }

    async fn health(&self) -> Health {
        let logs = &self.core.logs;
        for log in [&logs.config, &logs.offset, &*logs.status] {
            if let Err(error) = log.check_followed() {
                return Health::Unhealthy(error.to_string());
            }
        }
        if !self.core.ready.load(Ordering::Acquire) {
            return Health::Starting("The worker is no member of its group yet.".to_owned());
        }
        let (answer, answered) = oneshot::channel();
        let asked = self.events.send(Event::AreYouThere(answer));
        if asked.is_err() || answered.await.is_err() {
            return Health::Unhealthy("The worker's loop has ended.".to_owned());
        }
        match self.core.logs.config.read_to_end().await {
            Ok(()) => Health::Healthy,
            Err(error) => Health::Unhealthy(error.to_string()),
        }
    }

    fn connectors(&self) -> Vec<String> {
        let configs = self.core.configs.read().expect("no holder panics");
        configs.connectors().keys().cloned().collect()
    }

    fn connector(&self, name: &str) -> Result<ConnectorInfo, HerderError> {
        Ok(self.info(name, &self.entry(name)?))
    }

    fn status(&self, name: &str) -> Result<ConnectorStatus, HerderError> {
        let entry = self.entry(name)?;
        let nobody = || Status {
            state: State::Unassigned,
            trace: None,
            worker_id: String::new(),
            generation: -1,
        };
        let connector = self.core.statuses.connector(name).unwrap_or_else(nobody);
        let version = self.core.version_of(name);
        let tasks = task_ids(name, &entry).map(|id| {
            let status = self.core.statuses.task(&id).unwrap_or_else(nobody);
            let Status { state, trace, worker_id, .. } = status;
            TaskState { id: id.task, state, worker_id, version: version.clone(), trace }
        });
        let Status { state, trace, worker_id, .. } = connector;
        Ok(ConnectorStatus {
            name: name.to_owned(),
            tasks: tasks.collect(),
            connector: ConnectorState { state, worker_id, version, trace },
            kind: self.core.kind_of(name),
        })
    }

    fn task_configs(&self, name: &str) -> Result<Vec<(TaskId, ConnectorConfig)>, HerderError> {
        let entry = self.entry(name)?;
        Ok(task_ids(name, &entry).zip(entry.present_tasks().iter().cloned()).collect())
    }

    async fn create_in(
        &self,
        name: &str,
        mut config: ConnectorConfig,
        initial_state: Option<TargetState>,
    ) -> Result<ConnectorInfo, HerderError> {
        self.check(name, &mut config).await?;
        let _changing = self.changing().await?;
        if self.entry(name).is_ok() {
            return Err(HerderError::Conflict(format!("Connector {name} already exists")));
        }
        self.write_config(name, config, initial_state).await?;
        // Its tasks may be planned by now, or not: nobody can count on them yet.
        Ok(ConnectorInfo { tasks: Vec::new(), ..self.connector(name)? })
    }

    async fn put_config(
        &self,
        name: &str,
        mut config: ConnectorConfig,
    ) -> Result<(ConnectorInfo, bool), HerderError> {
        self.check(name, &mut config).await?;
        let _changing = self.changing().await?;
        let created = self.entry(name).is_err();
        self.write_config(name, config, None).await?;
        Ok((self.connector(name)?, created))
    }

    async fn patch_config(
        &self,
        name: &str,
        patch: BTreeMap<String, Option<String>>,
    ) -> Result<ConnectorInfo, HerderError> {
        let _changing = self.changing().await?;
        let mut config = self.entry(name)?.config;
        for (option, value) in patch {
            match value {
                Some(value) => drop(config.insert(option, value)),
                None => drop(config.remove(&option)),
            }
        }
        self.check(name, &mut config).await?;
        self.write_config(name, config, None).await?;
        self.connector(name)
    }

    async fn delete(&self, name: &str) -> Result<(), HerderError> {
        let _changing = self.changing().await?;
        self.entry(name)?;
        let tasks = self.core.configs.read().expect("no holder panics").known_tasks(name);
        self.write(&deletion(name, tasks)).await
    }

    async fn restart(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<ConnectorStatus, HerderError> {
        // Of what is under way, not of what it has become meanwhile.
        let mut status = self.status(name)?;
        self.write_restart(
            name,
            &Restart { include_tasks, only_failed, task: None, replan: false },
        )
        .await?;
        let meant = |state: &State| !only_failed || *state == State::Failed;
        if meant(&status.connector.state) {
            status.connector.state = State::Restarting;
        }
        for task in status.tasks.iter_mut().filter(|task| include_tasks && meant(&task.state)) {
            task.state = State::Restarting;
        }
        Ok(status)
    }

    async fn set_target_state(&self, name: &str, target: TargetState) -> Result<(), HerderError> {
        let _changing = self.changing().await?;
        let from = self.entry(name)?.target;
        self.write(&target_writes(name, from, target)).await
    }

    async fn offsets(&self, name: &str) -> Result<ConnectorOffsets, HerderError> {
        self.entry(name)?;
        offsets::read(&self.core, name).await
    }

    async fn alter_offsets(
        &self,
        name: &str,
        offsets: ConnectorOffsets,
    ) -> Result<String, HerderError> {
        offsets::alter(&self.core, name, offsets).await
    }

    async fn reset_offsets(&self, name: &str) -> Result<String, HerderError> {
        offsets::reset(&self.core, name).await
    }

    fn active_topics(&self, name: &str) -> Result<Vec<String>, HerderError> {
        if !self.core.config.topic_tracking.enable {
            return Err(HerderError::Forbidden("Topic tracking is disabled.".to_owned()));
        }
        // As in Kafka Connect, a connector that is unknown has used none.
        Ok(self.core.active_topics.of(name))
    }

    async fn reset_active_topics(&self, name: &str) -> Result<(), HerderError> {
        let tracking = self.core.config.topic_tracking;
        if !tracking.enable {
            return Err(HerderError::Forbidden("Topic tracking is disabled.".to_owned()));
        }
        if !tracking.allow_reset {
            return Err(HerderError::Forbidden("Topic tracking reset is disabled.".to_owned()));
        }
        self.core.forget_topics(name);
        Ok(())
    }

    async fn restart_task(&self, id: &TaskId) -> Result<(), HerderError> {
        let entry = self.entry(&id.connector)?;
        if id.task as usize >= entry.present_tasks().len() {
            let TaskId { connector, task } = id;
            return Err(HerderError::NotFound(format!("Unknown task: {connector}-{task}")));
        }
        let (include_tasks, task) = (true, Some(id.task));
        let restart = Restart { include_tasks, only_failed: false, task, replan: false };
        self.write_restart(&id.connector, &restart).await
    }

    fn plugins(&self) -> Vec<PluginInfo> {
        self.core.plugins.list()
    }

    fn plugin_config(&self, class: &str) -> Result<Vec<ConfigKeyInfo>, HerderError> {
        let plugin = self.core.plugins.get(class);
        let plugin = plugin
            .map_err(|why| HerderError::NotFound(format!("Unknown plugin {class}. {why}")))?;
        Ok(definitions::definitions(plugin.info().kind, plugin.config_schema()))
    }

    async fn validate(
        &self,
        config: BTreeMap<String, Option<String>>,
    ) -> Result<ConfigInfos, HerderError> {
        let named = [options::CLASS, options::PLUGIN_VERSION].into_iter();
        let named = named.filter_map(|it| Some((it.to_owned(), config.get(it)?.clone()?)));
        let plugin = self.plugin_of(&named.collect())?;
        self.look_at(&*plugin, config).await
    }

    fn loggers(&self) -> BTreeMap<String, LoggerLevel> {
        self.core.config.loggers.all()
    }

    fn set_worker_logger(&self, namespace: &str, level: &str) -> Result<Vec<String>, HerderError> {
        self.core.config.loggers.set(namespace, level).map_err(HerderError::BadRequest)
    }

    async fn set_cluster_logger(&self, namespace: &str, level: &str) -> Result<(), HerderError> {
        let key = ConfigKey::Logger(namespace.to_owned()).encode().into_bytes();
        let value = records::encode(&LoggerLevelValue { level: level.to_owned() });
        self.write(&[(key, Some(value))]).await
    }

    fn leader(&self) -> Leadership {
        let leader = self.core.led.borrow().leader.clone();
        let is_member = self.core.lease.get().is_some_and(Lease::is_valid);
        match leader {
            // It was frozen, and may not have heard yet that another leads.
            Leadership::Own if !is_member => Leadership::Unknown,
            leader => leader,
        }
    }

    fn sign(&self, request: &[u8]) -> Result<RequestSignature, HerderError> {
        let configs = self.core.configs.read().expect("no holder panics");
        Ok(configs.session_keys().sign(&self.core.config.inter_worker, request)?)
    }

    fn verify(
        &self,
        request: &[u8],
        signature: Option<&RequestSignature>,
    ) -> Result<(), HerderError> {
        let configs = self.core.configs.read().expect("no holder panics");
        let settings = &self.core.config.inter_worker;
        Ok(configs.session_keys().verify(settings, request, signature, now_ms())?)
    }

    async fn put_task_configs(
        &self,
        name: &str,
        tasks: Vec<ConnectorConfig>,
    ) -> Result<(), HerderError> {
        inter_worker::put_task_configs(&self.core, name, &tasks).await
    }

    async fn fence(&self, name: &str) -> Result<(), HerderError> {
        inter_worker::fence(&self.core, name).await
    }

    fn progress(&self, name: &str) -> Result<ConnectorProgress, HerderError> {
        let entry = self.entry(name)?;
        let connector = self.core.connector(name);
        Ok(ConnectorProgress {
            records_in: connector.sum(|it| &it.records_in),
            bytes_in: connector.sum(|it| &it.bytes_in),
            records_out: connector.sum(|it| &it.records_out),
            bytes_out: connector.sum(|it| &it.bytes_out),
            lag: connector.lags.read().expect("no holder panics").values().sum(),
            done: self.core.kind_of(name) == Some(ConnectorKind::Source)
                && is_done(&connector, &entry),
        })
    }

    async fn drained(&self, name: &str) -> Result<(), HerderError> {
        self.entry(name)?;
        match self.core.kind_of(name) {
            Some(ConnectorKind::Source) => self.source_drained(name).await,
            // Without its plugin nothing drains it, and its task says so.
            Some(ConnectorKind::Sink | ConnectorKind::Processor) | None => {
                self.inputs_drained(name).await
            }
        }
    }
}
