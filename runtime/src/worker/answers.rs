//! The herder: answers from what the internal topics hold, changes by writing
//! to them. Any worker of the fleet can answer and change; who runs what
//! follows from the config topic.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::compacted::{LogError, Write};
use super::config_state::ConnectorEntry;
use super::core::{Connector, Core};
use super::herder::{
    ConnectorConfig, ConnectorInfo, ConnectorKind, ConnectorProgress, ConnectorState,
    ConnectorStatus, Herder, HerderError, PluginInfo, State, TaskId, TaskState,
};
use super::lag::input_partitions;
use super::options::{self, validate};
use super::plan::changelog_topic;
use super::records::{self, ConfigKey, Properties, Restart, Status};
use crate::kafka::{ClientError, Start, TopicPartition};
use crate::task::schedule::Targets;

/// How often `drained` looks.
const DRAINED_LOOK: Duration = Duration::from_millis(50);
/// How often it asks the cluster what other workers have committed.
const COMMITTED_LOOK: Duration = Duration::from_secs(1);

/// The handle that [`Worker::herder`](super::Worker::herder) gives.
pub(super) struct Answers {
    pub(super) core: Arc<Core>,
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

    async fn write(&self, writes: &[Write]) -> Result<(), HerderError> {
        Ok(self.core.logs.config.write_and_read(writes).await?)
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
        let class = config.get(options::CLASS).ok_or_else(|| {
            HerderError::BadRequest(format!("`{}` is missing: name a plugin", options::CLASS))
        })?;
        let plugin = self.core.plugins.get(class).map_err(HerderError::BadRequest)?;
        let topic = changelog_topic(name);
        if plugin.info().kind == ConnectorKind::Processor && !is_topic_name(&topic) {
            return Err(HerderError::BadRequest(format!(
                "a processor's name is part of a topic's, `{topic}`: it may hold ASCII letters, \
                 digits, `.`, `_` and `-`"
            )));
        }
        let problems = validate(&*plugin, config, self.core.config.exactly_once_sources)
            .await
            .map_err(internal)?;
        if problems.is_empty() {
            return Ok(());
        }
        let mut message = format!(
            "Connector configuration is invalid and contains the following {} error(s):",
            problems.len()
        );
        for problem in problems {
            message.push_str(&format!("\n`{}` {}", problem.option, problem.message));
        }
        Err(HerderError::BadRequest(message))
    }

    async fn write_config(&self, name: &str, config: ConnectorConfig) -> Result<(), HerderError> {
        let key = ConfigKey::Connector(name.to_owned()).encode().into_bytes();
        let value = records::encode(&Properties { properties: config });
        self.write(&[(key, Some(value))]).await
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

fn task_ids(name: &str, entry: &ConnectorEntry) -> impl Iterator<Item = TaskId> {
    (0..entry.tasks.len() as u32).map(move |task| TaskId { connector: name.to_owned(), task })
}

/// True when every task of a source has read all that it ever will.
fn is_done(connector: &Connector, entry: &ConnectorEntry) -> bool {
    let done = connector.done.lock().expect("no holder panics");
    !entry.needs_plan() && (0..entry.tasks.len() as u32).all(|task| done.contains(&task))
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
        self.core.ready.load(Ordering::Acquire) && self.core.logs.config.is_followed()
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
        let tasks = task_ids(name, &entry).map(|id| {
            let status = self.core.statuses.task(&id).unwrap_or_else(nobody);
            let Status { state, trace, worker_id, .. } = status;
            TaskState { id: id.task, state, worker_id, trace }
        });
        let Status { state, trace, worker_id, .. } = connector;
        Ok(ConnectorStatus {
            name: name.to_owned(),
            connector: ConnectorState { state, worker_id, trace },
            tasks: tasks.collect(),
            kind: self.core.kind_of(name),
        })
    }

    fn task_configs(&self, name: &str) -> Result<Vec<(TaskId, ConnectorConfig)>, HerderError> {
        let entry = self.entry(name)?;
        Ok(task_ids(name, &entry).zip(entry.tasks.iter().cloned()).collect())
    }

    async fn create(
        &self,
        name: &str,
        mut config: ConnectorConfig,
    ) -> Result<ConnectorInfo, HerderError> {
        self.check(name, &mut config).await?;
        let _changing = self.core.changing.lock().await;
        if self.entry(name).is_ok() {
            return Err(HerderError::Conflict(format!("Connector {name} already exists")));
        }
        self.write_config(name, config).await?;
        self.connector(name)
    }

    async fn put_config(
        &self,
        name: &str,
        mut config: ConnectorConfig,
    ) -> Result<(ConnectorInfo, bool), HerderError> {
        self.check(name, &mut config).await?;
        let _changing = self.core.changing.lock().await;
        let created = self.entry(name).is_err();
        self.write_config(name, config).await?;
        Ok((self.connector(name)?, created))
    }

    async fn delete(&self, name: &str) -> Result<(), HerderError> {
        let _changing = self.core.changing.lock().await;
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
        self.entry(name)?;
        self.write_restart(name, &Restart { include_tasks, only_failed, task: None }).await?;
        self.status(name)
    }

    async fn restart_task(&self, id: &TaskId) -> Result<(), HerderError> {
        let entry = self.entry(&id.connector)?;
        if id.task as usize >= entry.tasks.len() {
            let TaskId { connector, task } = id;
            return Err(HerderError::NotFound(format!("Unknown task: {connector}-{task}")));
        }
        let restart = Restart { include_tasks: true, only_failed: false, task: Some(id.task) };
        self.write_restart(&id.connector, &restart).await
    }

    fn plugins(&self) -> Vec<PluginInfo> {
        self.core.plugins.list()
    }

    fn progress(&self, name: &str) -> Result<ConnectorProgress, HerderError> {
        let entry = self.entry(name)?;
        let connector = self.core.connector(name);
        let counters = &connector.counters;
        Ok(ConnectorProgress {
            records_in: counters.records_in.load(Ordering::Relaxed),
            bytes_in: counters.bytes_in.load(Ordering::Relaxed),
            records_out: counters.records_out.load(Ordering::Relaxed),
            bytes_out: counters.bytes_out.load(Ordering::Relaxed),
            lag: counters.lag.load(Ordering::Relaxed),
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
