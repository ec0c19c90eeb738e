//! Planning a connector's tasks, and seeing what there is to deal out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::assignment::{ALL_INPUTS, Holding, Work};
use super::compacted::{LogError, Write};
use super::config::{InternalTopic, WorkerConfig};
use super::config_state::ConnectorEntry;
use super::core::Core;
use super::herder::{ConnectorConfig, ConnectorKind, TaskId};
use super::options::{self, Inputs, Options};
use super::plugin::{Plugin, TaskContext};
use super::records::{self, Commit, ConfigKey, Properties, TargetState};
use super::topics::{TopicError, ensure_compacted};
use crate::kafka::{Admin, ClientError, TopicPartition};
use crate::task::error::TaskError;

/// Most that a connector's tasks may be together, in bytes: every worker keeps their
/// configurations in memory, and reads them from the config topic when it starts.
const PLAN_BYTES_MAX: u64 = 32 << 20;
/// What a task is beside its configuration: records, a state, a place in what is dealt
/// out.
const TASK_BYTES: u64 = 1 << 10;

/// What the names of processors' changelogs end with.
const CHANGELOG: &str = "-changelog";

/// The topic that a processor's state is kept in.
pub(super) fn changelog_topic(connector: &str) -> String {
    format!("{connector}{CHANGELOG}")
}

/// Refuses a processor whose changelog would be one of the fleet's own topics.
pub(super) fn check_changelog(worker: &WorkerConfig, topic: &str) -> Result<(), String> {
    match worker.state_topics().contains(&topic) {
        false => Ok(()),
        true => Err(format!(
            "a processor's name is part of a topic's, and `{topic}` holds the state of the \
             workers: give it another name"
        )),
    }
}

/// The connector whose changelog has this name, if there is such a connector.
pub(super) fn changelog_owner(topic: &str) -> Option<&str> {
    topic.strip_suffix(CHANGELOG)
}

/// Plans a connector's tasks and, if they are others than before, writes them
/// to the config topic: the tasks, then the record that puts them in effect.
pub(super) async fn plan(core: Arc<Core>, name: String) -> Result<(), TaskError> {
    loop {
        let entry = core.configs.read().expect("no holder panics").get(&name).cloned();
        let Some(entry) = entry.filter(|entry| entry.target != TargetState::Stopped) else {
            return Ok(());
        };
        let plugin = core.plugin_of(&entry.config).map_err(TaskError::stop)?;
        let tasks = tasks(&core, &*plugin, &name, &entry).await?;
        if !entry.needs_plan() && tasks == entry.tasks {
            return Ok(());
        }
        // Who owns the connector now plans it.
        if core.writes().hold(put_in_effect(&core, &name, &tasks, &entry)).await?? {
            return Ok(());
        }
    }
}

/// Writes the tasks, unless the connector is another than they were planned from: false.
async fn put_in_effect(
    core: &Core,
    name: &str,
    tasks: &[ConnectorConfig],
    planned: &ConnectorEntry,
) -> Result<bool, LogError> {
    let _changing = core.changing.lock().await;
    core.logs.config.read_to_end().await?;
    if core.configs.read().expect("no holder panics").get(name) != Some(planned) {
        return Ok(false);
    }
    core.logs.config.write_and_read(&task_writes(name, tasks, &planned.digest)).await?;
    Ok(true)
}

/// What puts tasks in effect that were planned from the configuration of `digest`.
pub(super) fn task_writes(name: &str, tasks: &[ConnectorConfig], digest: &str) -> Vec<Write> {
    let mut writes: Vec<Write> = Vec::with_capacity(tasks.len() + 1);
    for (task, config) in (0..).zip(tasks) {
        let key = ConfigKey::Task(TaskId { connector: name.to_owned(), task });
        let value = records::encode(&Properties { properties: config.clone() });
        writes.push((key.encode().into_bytes(), Some(value)));
    }
    let commit = Commit { tasks: tasks.len() as u32, digest: Some(digest.to_owned()) };
    let key = ConfigKey::Commit(name.to_owned()).encode().into_bytes();
    writes.push((key, Some(records::encode(&commit))));
    writes
}

async fn tasks(
    core: &Core,
    plugin: &dyn Plugin,
    name: &str,
    entry: &ConnectorEntry,
) -> Result<Vec<ConnectorConfig>, TaskError> {
    let kind = plugin.info().kind;
    let options = Options::read(kind, &entry.config, &core.config).map_err(|problems| {
        let all: Vec<_> =
            problems.iter().map(|it| format!("`{}` {}", it.option, it.message)).collect();
        TaskError::stop(all.join("; "))
    })?;
    match kind {
        ConnectorKind::Source => {
            core.logs.offset.read_to_stable().await?;
            // Whatever becomes of a connection after the plan is no concern of it.
            let reopen = CancellationToken::new();
            let _ends = reopen.clone().drop_guard();
            let context = TaskContext {
                id: TaskId { connector: name.to_owned(), task: u32::MAX },
                checkpoints: core.checkpoints.clone(),
                stop: CancellationToken::new(),
                reopen,
                lease: core.lease.get().cloned().unwrap_or_default(),
            };
            let mut planned = plugin.plan(context, &entry.config, options.tasks_max).await?;
            planned.truncate(options.tasks_max as usize);
            let own = planned.iter().map(|task| (task.name.len() + task.assignment.len()) as u64);
            check_size(planned.len() as u64, &entry.config, own.sum())?;
            let tasks = planned.into_iter().map(|task| {
                let mut config = entry.config.clone();
                config.insert(options::TASK_NAME.to_owned(), task.name);
                config.insert(options::TASK_ASSIGNMENT.to_owned(), task.assignment);
                config
            });
            Ok(tasks.collect())
        }
        ConnectorKind::Processor => {
            check_size(options.tasks_max.into(), &entry.config, 0)?;
            let numbers = co_partitioned(core, &options).await?;
            check_changelog(&core.config, &changelog_topic(name)).map_err(TaskError::stop)?;
            let topic = InternalTopic {
                name: changelog_topic(name),
                partitions: numbers,
                replication_factor: core.config.offset_storage.replication_factor,
            };
            let admin = core.clients.admin();
            let configs = changelog_configs(&*admin, &options).await?;
            let holds = "the processor's state";
            ensure_compacted(&*admin, &topic, true, configs, holds).await.map_err(|error| {
                match error {
                    TopicError::Client { source, .. } => source.into(),
                    TopicError::Partitions { topic, found, needed, .. } => {
                        TaskError::stop(outgrown(&topic, found, needed))
                    }
                    other => TaskError::stop(other.to_string()),
                }
            })?;
            Ok(vec![entry.config.clone(); options.tasks_max as usize])
        }
        ConnectorKind::Sink => {
            check_size(options.tasks_max.into(), &entry.config, 0)?;
            Ok(vec![entry.config.clone(); options.tasks_max as usize])
        }
    }
}

/// Refuses a plan that is too large before it is made: so many tasks, each with this
/// configuration, and what they have of their own.
fn check_size(tasks: u64, config: &ConnectorConfig, own: u64) -> Result<(), TaskError> {
    let each: usize = config.iter().map(|(name, value)| name.len() + value.len()).sum();
    let bytes = tasks.saturating_mul(each as u64 + TASK_BYTES).saturating_add(own);
    if bytes <= PLAN_BYTES_MAX {
        return Ok(());
    }
    Err(TaskError::stop(format!(
        "{tasks} tasks with a configuration of {each} bytes each are too much to keep: with \
         {TASK_BYTES} bytes for each beside, and what was planned for them, they are {bytes} \
         bytes, and {PLAN_BYTES_MAX} are allowed. Lower `tasks.max`, or shorten the \
         configuration"
    )))
}

/// A state that was dealt out by another number of partitions.
fn outgrown(changelog: &str, found: usize, needed: i32) -> String {
    format!(
        "its inputs have {needed} partitions, but its state, in `{changelog}`, was kept by {found}: \
         keys would miss their state. Name the processor otherwise, or delete `{changelog}` and \
         the group's offsets, so that it begins anew"
    )
}

/// A key that an input takes must fit into the changelog as well: it takes
/// records as large as the inputs'.
async fn changelog_configs(
    admin: &dyn Admin,
    options: &Options,
) -> Result<BTreeMap<String, String>, TaskError> {
    const LARGEST: &str = "max.message.bytes";
    let Some(Inputs::Names(names)) = &options.inputs else { return Ok(BTreeMap::new()) };
    let mut largest: Option<i64> = None;
    for name in names {
        let configs = admin.topic_configs(name).await?;
        let set = configs.get(LARGEST).filter(|entry| !entry.is_default);
        let bytes = set.and_then(|entry| entry.value.as_deref()?.parse().ok());
        largest = largest.max(bytes);
    }
    Ok(largest.map(|bytes| (LARGEST.to_owned(), bytes.to_string())).into_iter().collect())
}

/// The number of partitions that all inputs of a processor have.
async fn co_partitioned(core: &Core, options: &Options) -> Result<i32, TaskError> {
    let Some(Inputs::Names(names)) = &options.inputs else {
        return Err(TaskError::stop("a processor names its topics"));
    };
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = core.clients.admin().describe_topics(&asked).await?;
    let mut counts = BTreeMap::new();
    for name in names {
        let topic = found.get(name).ok_or_else(|| {
            TaskError::retry(format!("the input topic `{name}` does not exist: create it"))
        })?;
        counts.entry(topic.partitions.len()).or_insert_with(Vec::new).push(name.as_str());
    }
    let mut counts = counts.into_iter();
    match (counts.next(), counts.next()) {
        (Some((count, _)), None) => Ok(count as i32),
        (Some((some, these)), Some((others, those))) => Err(TaskError::stop(format!(
            "a processor's inputs must have the same number of partitions, but `{}` has {some} \
             and `{}` has {others}",
            these[0], those[0]
        ))),
        _ => Err(TaskError::stop("a processor names its topics")),
    }
}

/// What there is to run, fleet-wide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// By connector.
    work: BTreeMap<String, Work>,
    /// Connectors whose inputs this worker cannot tell: it lacks the plugin, or has
    /// another version of it.
    pub(super) unread: BTreeSet<String>,
}

impl Survey {
    /// What is to be dealt out, when this is held: shares that this worker cannot tell
    /// are those that somebody has.
    pub(super) fn dealt_out<'a>(
        &self,
        held: impl Iterator<Item = &'a Holding>,
    ) -> BTreeMap<String, Work> {
        let mut work = self.work.clone();
        for (id, shares) in held.flat_map(|holding| &holding.tasks) {
            if self.unread.contains(&id.connector)
                && let Some(work) = work.get_mut(&id.connector)
            {
                work.shares.extend(shares.iter().cloned());
            }
        }
        work
    }
}

/// Everything that there is to run, as the config topic and the cluster's
/// topics have it now.
pub(super) async fn survey(core: &Core) -> Result<Survey, ClientError> {
    let connectors: Vec<(String, ConnectorEntry)> = {
        let configs = core.configs.read().expect("no holder panics");
        configs.connectors().iter().map(|(name, entry)| (name.clone(), entry.clone())).collect()
    };
    let mut survey = Survey::default();
    let mut wanted = Vec::new();
    for (name, entry) in connectors {
        let kind = core.kind_of(&name);
        let options = kind.and_then(|kind| Options::read(kind, &entry.config, &core.config).ok());
        if options.is_none() {
            survey.unread.insert(name.clone());
        }
        let inputs = options.and_then(|options| options.inputs);
        let tasks = entry.runnable_tasks().len() as u32;
        wanted.push((name, kind, inputs, tasks));
    }
    let topics = match wanted.iter().any(|(_, _, inputs, tasks)| inputs.is_some() && *tasks > 0) {
        true => core.clients.admin().list_topics().await?,
        false => Vec::new(),
    };
    for (name, kind, inputs, tasks) in wanted {
        let mut shares = BTreeSet::new();
        for topic in &topics {
            let is_read = |inputs: &Inputs| inputs.contain(&topic.name, topic.internal);
            if tasks == 0 || !inputs.as_ref().is_some_and(is_read) {
                continue;
            }
            let is_processor = kind == Some(ConnectorKind::Processor);
            let label: Arc<str> =
                if is_processor { ALL_INPUTS.into() } else { topic.name.as_str().into() };
            shares.extend(topic.partitions.iter().map(|partition| TopicPartition {
                topic: label.clone(),
                partition: partition.partition,
            }));
        }
        survey.work.insert(name, Work { tasks, shares });
    }
    Ok(survey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_is_none_of_the_fleets_own_topics() {
        let mut worker = WorkerConfig::new("", "fleet", "w1:8083");
        worker.config_storage.name = "x-changelog".to_owned();
        assert_eq!(check_changelog(&worker, &changelog_topic("y")), Ok(()));
        let refused = check_changelog(&worker, &changelog_topic("x")).unwrap_err();
        assert!(refused.contains("another name"), "{refused}");
    }

    #[test]
    fn a_plan_is_no_larger_than_every_worker_can_keep() {
        let config = |bytes: usize| ConnectorConfig::from([("sql".to_owned(), "x".repeat(bytes))]);
        assert_eq!(check_size(10_000, &config(1_000), 0), Ok(()));
        for (tasks, bytes, own) in [(40_000, 0, 0), (100, 1 << 20, 0), (1, 0, 32 << 20)] {
            let refused = check_size(tasks, &config(bytes), own).unwrap_err();
            assert!(refused.message.contains("`tasks.max`"), "{refused}");
        }
    }

    #[test]
    fn partitions_that_the_leader_cannot_tell_stay_where_they_are() {
        let share = |partition| TopicPartition::new("t", partition);
        let work = |partitions: std::ops::Range<i32>| Work {
            tasks: 1,
            shares: partitions.map(share).collect(),
        };
        let survey = Survey {
            work: [("known".to_owned(), work(0..2)), ("unread".to_owned(), work(0..0))].into(),
            unread: ["unread".to_owned(), "deleted".to_owned()].into(),
        };
        let mut held = Holding::default();
        for connector in ["known", "unread", "deleted"] {
            let id = TaskId { connector: connector.to_owned(), task: 0 };
            held.tasks.insert(id, [share(5), share(6)].into());
        }
        let dealt = survey.dealt_out([&held].into_iter());
        assert_eq!(dealt.len(), 2);
        assert_eq!(dealt["known"], work(0..2));
        assert_eq!(dealt["unread"], work(5..7));
    }
}
