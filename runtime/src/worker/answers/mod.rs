//! The herder: answers from what the internal topics hold, changes by writing
//! to them. Any worker of the fleet can answer, and its leader changes it; who runs
//! what follows from the config topic.
//!
//! | module | what it is |
//! | --- | --- |
//! | `checks` | a configuration looked at before it is taken |
//! | `drained` | when a connector has done all that there is to do |
//! | `resources` | connections, pipelines and plugins of the fleet |

mod checks;
mod drained;
mod resources;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use self::drained::is_done;
use super::compacted::{LogError, Write};
use super::config_state::{ConfigState, ConnectorEntry};
use super::core::Core;
use super::definitions::{self, ConfigInfos, ConfigKeyInfo};
use super::herd::Event;
use super::herder::{
    ConnectorConfig, ConnectorInfo, ConnectorKind, ConnectorOffsets, ConnectorProgress,
    ConnectorState, ConnectorStatus, Health, Herder, HerderError, Leadership, PluginInfo, State,
    TargetState, TaskId, TaskState,
};
use super::inter_worker;
use super::offsets;
use super::options;
use super::privileges::Change;
use super::records::{self, Commit, ConfigKey, LoggerLevelValue, Properties, Restart, Status};
use super::session_key::{RequestSignature, now_ms};
use crate::kafka::ClientError;
use crate::logging::LoggerLevel;

/// How long what was found out of the worker's health is told again.
const HEALTH_AGE_MAX: Duration = Duration::from_secs(1);
/// How long a request waits for a session key that the fleet does not have yet.
const KEY_TIME_MAX: Duration = Duration::from_secs(10);

/// The handle that [`Worker::herder`](super::Worker::herder) gives.
pub(super) struct Answers {
    pub(super) core: Arc<Core>,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

pub(super) fn internal(error: impl std::fmt::Display) -> HerderError {
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

    async fn write_config(
        &self,
        name: &str,
        config: ConnectorConfig,
        target: Option<TargetState>,
        change: &mut Change<'_>,
    ) -> Result<(), HerderError> {
        let writes = {
            let configs = self.core.configs.read().expect("no holder panics");
            config_writes(&configs, name, config, target)
        };
        change.write(&writes).await
    }

    async fn loop_answers(&self) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let asked = self.events.send(Event::AreYouThere(answer));
        match asked.is_err() || answered.await.is_err() {
            true => Err("The worker's loop has ended.".to_owned()),
            false => Ok(()),
        }
    }

    async fn look_at_health(&self) -> Health {
        if let Err(why) = self.loop_answers().await {
            return Health::Unhealthy(why);
        }
        match self.core.logs.config.read_to_end().await {
            Ok(()) => Health::Healthy,
            Err(error) => Health::Unhealthy(error.to_string()),
        }
    }

    async fn write_restart(&self, name: &str, restart: &Restart) -> Result<(), HerderError> {
        let key = ConfigKey::Restart(name.to_owned()).encode().into_bytes();
        self.write(&[(key, Some(records::encode(restart)))]).await
    }
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

/// A configuration with some options set and others taken away.
fn patched(
    mut config: ConnectorConfig,
    patch: &BTreeMap<String, Option<String>>,
) -> ConnectorConfig {
    for (option, value) in patch {
        match value {
            Some(value) => drop(config.insert(option.clone(), value.clone())),
            None => drop(config.remove(option)),
        }
    }
    config
}

fn task_ids(name: &str, entry: &ConnectorEntry) -> impl Iterator<Item = TaskId> {
    let count = entry.present_tasks().len() as u32;
    (0..count).map(move |task| TaskId { connector: name.to_owned(), task })
}

fn target_state(name: &str, target: TargetState) -> Write {
    let key = ConfigKey::TargetState(name.to_owned()).encode().into_bytes();
    (key, Some(records::encode_target_state(target)))
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

    async fn alive(&self) -> Result<(), String> {
        let logs = &self.core.logs;
        for log in [&logs.config, &logs.offset, &*logs.status] {
            // A topic that cannot be read at present is tried again: that is no reason.
            if let Err(error @ LogError::Lost { .. }) = log.check_followed() {
                return Err(error.to_string());
            }
        }
        self.loop_answers().await
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
        // Whoever may not send requests may ask this: the cluster is asked for all of them.
        let mut known = self.core.health.lock().await;
        if let Some((at, health)) = &*known
            && at.elapsed() < HEALTH_AGE_MAX
        {
            return health.clone();
        }
        let health = self.look_at_health().await;
        *known = Some((Instant::now(), health.clone()));
        health
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
        let mut change = self.core.change().await?;
        self.is_there(&config)?;
        if self.entry(name).is_ok() {
            return Err(HerderError::Conflict(format!("Connector {name} already exists")));
        }
        self.write_config(name, config, initial_state, &mut change).await?;
        // Its tasks may be planned by now, or not: nobody can count on them yet.
        Ok(ConnectorInfo { tasks: Vec::new(), ..self.connector(name)? })
    }

    async fn put_config(
        &self,
        name: &str,
        mut config: ConnectorConfig,
    ) -> Result<(ConnectorInfo, bool), HerderError> {
        self.check(name, &mut config).await?;
        let mut change = self.core.change().await?;
        self.is_there(&config)?;
        let created = self.entry(name).is_err();
        self.write_config(name, config, None, &mut change).await?;
        Ok((self.connector(name)?, created))
    }

    async fn patch_config(
        &self,
        name: &str,
        patch: BTreeMap<String, Option<String>>,
    ) -> Result<ConnectorInfo, HerderError> {
        // What another worker wrote of it may not have come yet.
        self.core.logs.config.read_to_end().await?;
        loop {
            let known = self.entry(name)?.config;
            let mut config = patched(known.clone(), &patch);
            // It asks the plugin, which may take its time: nobody else's change waits for it.
            self.check(name, &mut config).await?;
            let mut change = self.core.change().await?;
            if self.entry(name)?.config != known {
                continue;
            }
            self.is_there(&config)?;
            self.write_config(name, config, None, &mut change).await?;
            return self.connector(name);
        }
    }

    async fn delete(&self, name: &str) -> Result<(), HerderError> {
        let mut change = self.core.change().await?;
        self.entry(name)?;
        let tasks = self.core.configs.read().expect("no holder panics").known_tasks(name);
        change.write(&deletion(name, tasks)).await
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
        let mut change = match target {
            TargetState::Stopped => self.core.change().await?,
            TargetState::Started | TargetState::Paused => self.core.change_as_any().await?,
        };
        let from = self.entry(name)?.target;
        change.write(&target_writes(name, from, target)).await
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
        self.core.leader()
    }

    async fn keyed(&self) {
        let known = || {
            let configs = self.core.configs.read().expect("no holder panics");
            configs.session_keys().is_known()
        };
        // Without a key the request itself says that there is none.
        let _ = timeout(KEY_TIME_MAX, self.core.logs.config.read_until(known)).await;
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
