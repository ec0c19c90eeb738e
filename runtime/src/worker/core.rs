//! What all parts of a worker share: clients, topics as read, and the
//! connectors that it runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock, Weak};
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::active_topics::ActiveTopics;
use super::assignment::{Holding, Work, covers};
use super::clients::{Clients, Producers, SharedConsumer};
use super::compacted::{CompactedLog, Write};
use super::config::WorkerConfig;
use super::config_state::ConfigState;
use super::herder::{ConnectorConfig, ConnectorKind, Health, Leadership, State, TaskId};
use super::metrics::{TaskMetrics, WorkerMetrics};
use super::options;
use super::plan::changelog_owner;
use super::plugin::{Plugin, Plugins};
use super::privileges::Privileges;
use super::records::{self, Status, StatusKey};
use super::restarts::Restarts;
use super::stores::{Checkpoints, Statuses};
use super::told::Told;
use super::uploads::PluginStore;
use super::waits::Waits;
use crate::kafka::group::Lease;
use crate::kafka::{ConsumeError, OffsetCommit, Overrides, TopicPartition};
use crate::task::commits;
use crate::task::counters::Counters;
use crate::task::schedule::Targets;
use crate::task::topics::StateTopics;
use crate::task::writes::Writes;

/// The internal topics, open.
pub(super) struct Logs {
    pub(super) config: Arc<CompactedLog>,
    pub(super) offset: Arc<CompactedLog>,
    pub(super) status: Arc<CompactedLog>,
}

/// Shared by the herd, its tasks, the leader's part and the answers to REST.
pub(super) struct Core {
    pub(super) config: WorkerConfig,
    pub(super) plugins: Arc<dyn Plugins>,
    pub(super) clients: Arc<dyn Clients>,
    pub(super) producers: Arc<Producers>,
    pub(super) cluster_id: String,
    pub(super) configs: Arc<RwLock<ConfigState>>,
    pub(super) checkpoints: Arc<Checkpoints>,
    pub(super) statuses: Arc<Statuses>,
    pub(super) logs: Logs,
    /// The plugins of the fleet, where the worker takes any.
    pub(super) plugin_store: Option<PluginStore>,
    pub(super) lease: OnceLock<Lease>,
    /// The group's generation, -1 before the first.
    pub(super) generation: Arc<AtomicI32>,
    /// Held from a look at the connectors to the write that rests on it.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// As the leader: what it changes the fleet with.
    pub(super) privileges: Arc<Privileges>,
    /// Held while the leader deals out tasks, and while it changes the offsets of
    /// a connector that has none: none starts meanwhile.
    pub(super) dealing: tokio::sync::Mutex<()>,
    /// A member of the group, with its assignment taken up.
    pub(super) ready: AtomicBool,
    /// This worker is being stopped, and is to say so when it joins next.
    pub(super) leaving: AtomicBool,
    /// The worker's health when it was last looked at.
    pub(super) health: tokio::sync::Mutex<Option<(Instant, Health)>>,
    /// What this worker has not let go of, for its next join.
    pub(super) told: Mutex<Told>,
    /// Who leads the fleet, and what this worker knows as its leader.
    pub(super) led: watch::Sender<Led>,
    /// The topics that connectors use.
    pub(super) active_topics: Arc<ActiveTopics>,
    /// The connectors seen here since the worker started.
    pub(super) connectors: RwLock<HashMap<String, Arc<Connector>>>,
    /// What is counted of the worker itself.
    pub(super) metrics: WorkerMetrics,
    /// Held while a state is told, so that the status topic hears states in the order
    /// in which this worker's answers have them.
    pub(super) telling: Mutex<()>,
    /// States on their way to the status topic; `None` ends it.
    pub(super) status_writes: mpsc::UnboundedSender<Option<Write>>,
}

/// The fleet, as this worker saw it at the last rebalance.
pub(super) struct Led {
    pub(super) leader: Leadership,
    /// As the leader: how many tasks each connector was dealt.
    dealt: BTreeMap<String, u32>,
    /// As the leader: connectors with tasks that a member had not let go of.
    held: BTreeSet<String>,
}

impl Default for Led {
    fn default() -> Self {
        Self { leader: Leadership::Unknown, dealt: BTreeMap::new(), held: BTreeSet::new() }
    }
}

impl Led {
    /// The leader deals out `work` to members that hold these.
    pub(super) fn deals<'a>(
        &mut self,
        work: &BTreeMap<String, Work>,
        holdings: impl Iterator<Item = &'a Holding>,
    ) {
        self.dealt = work.iter().map(|(name, work)| (name.clone(), work.tasks)).collect();
        self.held = holdings
            .flat_map(|holding| holding.tasks.keys().map(|id| id.connector.clone()))
            .collect();
    }

    /// True when this worker leads the fleet and knows that no member has a task
    /// of this connector, nor will be given one.
    pub(super) fn released(&self, name: &str) -> bool {
        self.leader == Leadership::Own
            && self.dealt.get(name).is_none_or(|tasks| *tasks == 0)
            && !self.held.contains(name)
    }
}

impl Core {
    /// The worker-side part of a connector, made when it is first asked for.
    pub(super) fn connector(&self, name: &str) -> Arc<Connector> {
        if let Some(known) = self.connectors.read().expect("no holder panics").get(name) {
            return known.clone();
        }
        let mut all = self.connectors.write().expect("no holder panics");
        all.entry(name.to_owned()).or_insert_with(|| Arc::new(Connector::new(name))).clone()
    }

    /// The right to write to the log, while the worker's lease holds.
    pub(super) fn writes(&self) -> Writes {
        let lease = self.lease.get().cloned().unwrap_or_default();
        Writes::new(lease, self.config.delivery_timeout())
    }

    /// The plugin of a configuration, in the version that it names.
    pub(super) fn plugin_of(&self, config: &ConnectorConfig) -> Result<Arc<dyn Plugin>, String> {
        let class = config.get(options::CLASS).map(String::as_str).unwrap_or_default();
        self.plugins.pick(class, config.get(options::PLUGIN_VERSION).map(String::as_str))
    }

    /// Its plugin's role.
    pub(super) fn kind_of(&self, name: &str) -> Option<ConnectorKind> {
        let configs = self.configs.read().expect("no holder panics");
        Some(self.plugin_of(&configs.get(name)?.config).ok()?.info().kind)
    }

    /// Tells a state: at once in this worker's answers, soon in the topic.
    pub(super) fn tell(&self, key: StatusKey, state: State, trace: Option<String>) {
        if let StatusKey::Task(id) = &key {
            self.connector(&id.connector).task(id.task).states.enter(state, Instant::now());
        }
        let status = Status {
            state,
            trace,
            worker_id: self.config.worker_id.clone(),
            generation: self.generation.load(Ordering::Relaxed),
        };
        let _telling = self.telling.lock().expect("no holder panics");
        self.set_status(key, Some(status));
    }

    /// Tells once more what this worker told of a task that it runs, after the status
    /// topic heard something else: the last word of a former owner that was frozen, or
    /// slow. While the lease holds there is no other owner; and what this worker told
    /// of the task meanwhile counts.
    pub(super) fn tell_again(&self, id: TaskId, own: Status) {
        let _telling = self.telling.lock().expect("no holder panics");
        let known = self.statuses.task(&id);
        // It is still what the topic has if the other word was seen to be late.
        let is_newer = known.is_some_and(|it| it.worker_id == own.worker_id && it != own);
        if !is_newer && self.lease.get().is_some_and(Lease::is_valid) {
            let generation = self.generation.load(Ordering::Relaxed);
            self.set_status(StatusKey::Task(id), Some(Status { generation, ..own }));
        }
    }

    /// Forgets a state.
    pub(super) fn forget(&self, key: StatusKey) {
        let _telling = self.telling.lock().expect("no holder panics");
        self.set_status(key, None);
    }

    fn set_status(&self, key: StatusKey, status: Option<Status>) {
        let value = status.as_ref().map(records::encode);
        let write = (key.encode().into_bytes(), value);
        self.statuses.set(key, status);
        self.write_status(write);
    }

    /// Writes to the status topic, after all that was told before.
    pub(super) fn write_status(&self, write: Write) {
        // Nobody listens only while the worker shuts down.
        let _ = self.status_writes.send(Some(write));
    }

    /// The version of its plugin.
    pub(super) fn version_of(&self, name: &str) -> Option<String> {
        let configs = self.configs.read().expect("no holder panics");
        Some(self.plugin_of(&configs.get(name)?.config).ok()?.info().version)
    }
}

impl StateTopics for Core {
    fn contain(&self, topic: &str) -> bool {
        // A connector whose plugin is not here may be a processor elsewhere.
        let is_changelog = |owner: &str| {
            let is_there = {
                let configs = self.configs.read().expect("no holder panics");
                configs.get(owner).is_some()
            };
            is_there && self.kind_of(owner).is_none_or(|kind| kind == ConnectorKind::Processor)
        };
        self.config.state_topics().contains(&topic)
            || changelog_owner(topic).is_some_and(is_changelog)
    }
}

/// One connector on this worker.
pub(super) struct Connector {
    pub(super) name: String,
    pub(super) group: String,
    /// Its tasks that ran here since the worker started.
    tasks: RwLock<BTreeMap<u32, Arc<TaskMetrics>>>,
    /// Records between the committed and the end offsets of its inputs, at the last
    /// look.
    pub(super) lags: RwLock<HashMap<TopicPartition, u64>>,
    /// What its group has committed, as far as this worker did it.
    pub(super) positions: RwLock<HashMap<TopicPartition, i64>>,
    /// Offsets that somebody waits for.
    pub(super) targets: watch::Sender<Option<Arc<Targets>>>,
    /// Tasks of a source that have read all that they ever will.
    pub(super) done: Mutex<BTreeSet<u32>>,
    /// What its tasks wait for.
    pub(super) waits: Mutex<BTreeMap<u32, Waits>>,
    /// Failures in a row of its tasks.
    pub(super) restarts: Mutex<BTreeMap<u32, Restarts>>,
    /// The consumer that its tasks share, while there are any.
    consumer: Lent,
    /// The one that they read again with what was refused late.
    rereader: Lent,
}

/// A consumer as long as somebody has it, with the overrides that it was made with.
type Lent = Mutex<Option<(Overrides, Weak<dyn SharedConsumer>)>>;

impl Connector {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            group: commits::group_of(name),
            tasks: RwLock::default(),
            lags: RwLock::default(),
            positions: RwLock::default(),
            targets: watch::channel(None).0,
            done: Mutex::default(),
            waits: Mutex::default(),
            restarts: Mutex::default(),
            consumer: Mutex::default(),
            rereader: Mutex::default(),
        }
    }

    /// What is measured of a task, from when it is first asked for.
    pub(super) fn task(&self, number: u32) -> Arc<TaskMetrics> {
        if let Some(known) = self.tasks.read().expect("no holder panics").get(&number) {
            return known.clone();
        }
        self.tasks.write().expect("no holder panics").entry(number).or_default().clone()
    }

    /// A count, summed over its tasks.
    pub(super) fn sum(&self, pick: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        let tasks = self.tasks.read().expect("no holder panics");
        tasks.values().map(|task| pick(&task.counters).load(Ordering::Relaxed)).sum()
    }

    /// How far the one of these partitions is behind that is furthest behind.
    pub(super) fn lag_max(&self, shares: &BTreeSet<TopicPartition>) -> Option<u64> {
        let lags = self.lags.read().expect("no holder panics");
        lags.iter().filter(|(at, _)| covers(shares, at)).map(|(_, lag)| *lag).max()
    }

    /// The consumer that its tasks share; a task keeps it alive.
    pub(super) fn consumer(
        &self,
        clients: &dyn Clients,
        overrides: &Overrides,
    ) -> Result<Arc<dyn SharedConsumer>, ConsumeError> {
        lend(&self.consumer, Some(&self.group), clients, overrides)
    }

    /// The consumer that its tasks share to read single records again; a task keeps it
    /// alive.
    pub(super) fn rereader(
        &self,
        clients: &dyn Clients,
        overrides: &Overrides,
    ) -> Result<Arc<dyn SharedConsumer>, ConsumeError> {
        lend(&self.rereader, None, clients, overrides)
    }

    /// Notes what its group has now.
    pub(super) fn committed(&self, offsets: &[OffsetCommit]) {
        let mut positions = self.positions.write().expect("no holder panics");
        for commit in offsets {
            positions.insert(commit.partition.clone(), commit.offset);
        }
    }

    /// Its tasks' next failures are first ones: somebody looked after it.
    pub(super) fn forget_failures(&self) {
        self.restarts.lock().expect("no holder panics").clear();
    }

    /// Notes whether a task has read all that it ever will.
    pub(super) fn set_done(&self, task: u32, is_done: bool) {
        let mut done = self.done.lock().expect("no holder panics");
        if is_done {
            done.insert(task);
        } else {
            done.remove(&task);
        }
    }
}

fn lend(
    lent: &Lent,
    group: Option<&str>,
    clients: &dyn Clients,
    overrides: &Overrides,
) -> Result<Arc<dyn SharedConsumer>, ConsumeError> {
    let mut lent = lent.lock().expect("no holder panics");
    if let Some((with, consumer)) = &*lent
        && with == overrides
        && let Some(consumer) = consumer.upgrade()
    {
        return Ok(consumer);
    }
    let consumer = clients.consumer(group, overrides)?;
    *lent = Some((overrides.clone(), Arc::downgrade(&consumer)));
    Ok(consumer)
}

/// `connector-N`, as messages name a task.
pub(super) fn label(id: &TaskId) -> String {
    format!("{}-{}", id.connector, id.task)
}
