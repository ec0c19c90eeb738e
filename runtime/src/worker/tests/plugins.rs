//! Native plugins for the worker's tests: a source of numbered rows, a
//! processor that counts by key, a sink that keeps what it was given.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::{Notify, oneshot};

use crate::batch::Batch;
use crate::host::{Connections, OpenContext};
use crate::kafka::TopicPartition;
use crate::task::error::TaskError;
use crate::task::failures::{Failure, Stage};
use crate::task::plugin::{
    Checkpoint, LateReject, Mark, Next, Output, Polled, Processed, ProcessorPlugin, Progress,
    Refused, Reject, SinkPlugin, SourcePlugin, Taken, TransactionEnd,
};
use crate::worker::herder::{ConnectorConfig, ConnectorKind, PluginInfo};
use crate::worker::plugin::{ConfigProblem, PlannedTask, Plugin, Plugins, TaskContext, Uploads};

/// What the tests see and steer, over all instances.
#[derive(Default)]
pub(super) struct Scene {
    /// Rows given to the sink, by partition and offset, with how often.
    pub(super) sunk: Mutex<BTreeMap<(TopicPartition, i64), (String, u32)>>,
    /// Instances of sources that are open.
    pub(super) sources_open: AtomicU32,
    /// Polls that trap before they do anything, so many times.
    pub(super) traps: AtomicU32,
    /// Polls that fail and may succeed later, so many times.
    pub(super) poll_faults: AtomicU32,
    /// Polls that were answered.
    pub(super) polls: AtomicU32,
    /// Where sources end a transaction, by the number of rows read.
    pub(super) ends: Mutex<BTreeMap<u32, TransactionEnd>>,
    /// They do not say where transactions end.
    pub(super) draws_no_boundary: AtomicBool,
    /// The first part that is dealt out to the tasks of a source.
    pub(super) first_part: AtomicU32,
    /// The next poll of this part, or plan, or `assigned` of the sink that keeps what it
    /// was given, waits until it is told to go on.
    pub(super) slow: Mutex<Option<(String, Arc<Notify>)>>,
    /// The next poll of this part asks for another plan.
    pub(super) replans: Mutex<Option<String>>,
    /// Sources that have read all say that there may be more.
    pub(super) idles: AtomicBool,
    /// The worker's own code panics in a poll, so many times.
    pub(super) panics: AtomicU32,
    /// The source writes there, whatever its configuration says.
    pub(super) stray: Mutex<Option<String>>,
    /// This row is refused by whoever meets it.
    pub(super) refused: Mutex<Option<String>>,
    /// The source can make no record of any row, each of so many bytes.
    pub(super) torn: Mutex<Option<usize>>,
    /// Where the sink says that it failed, if not in `put`.
    pub(super) refused_at: Mutex<Option<Stage>>,
    /// The sink refuses only once it has taken the row.
    pub(super) refuses_late: AtomicBool,
    /// A record that the sink tells to have refused, though it was never given it.
    pub(super) refuses_ungiven: Mutex<Option<(TopicPartition, i64)>>,
    /// Puts of a partition that fail and may succeed later, so many times.
    pub(super) faults: Mutex<HashMap<TopicPartition, u32>>,
    /// They fail after they took their first record.
    pub(super) faults_partly: AtomicBool,
    /// Calls of the processor that do, so many times.
    pub(super) processor_faults: AtomicU32,
    /// Partitions that the sink tells to be stalled.
    pub(super) stalled: Mutex<BTreeSet<TopicPartition>>,
    /// Puts that trap, so many times.
    pub(super) put_traps: AtomicU32,
    /// How many sinks were opened.
    pub(super) sinks_opened: AtomicU32,
    /// Rows of the sink that keeps its positions with them.
    pub(super) ledger: Mutex<BTreeMap<TopicPartition, Account>>,
    /// It does not store what came after a row that it refused.
    pub(super) ledger_holds: AtomicBool,
    /// How often a source opened the connection that its configuration names.
    pub(super) connections_opened: AtomicU32,
    pub(super) connections: Arc<Connections>,
    /// The plugins of the fleet, if this worker takes any.
    pub(super) fleet: Option<Arc<FleetStage>>,
    /// The next configuration to be looked at says so, and waits.
    pub(super) validating: Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>,
    /// The versions that sources were opened in, in turn.
    pub(super) versions: Mutex<Vec<String>>,
}

/// A partition's rows, and with them the position after the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) rows: Vec<String>,
    pub(super) next: i64,
}

impl Scene {
    async fn slow_down(&self, who: &str) {
        let slow = self.slow.lock().unwrap().take_if(|(slow, _)| slow == who);
        if let Some((_, go_on)) = slow {
            go_on.notified().await;
        }
    }

    fn refuses(&self, row: &str) -> bool {
        self.refused.lock().unwrap().as_deref() == Some(row)
    }
}

fn refusal(stage: Stage, row: &str) -> Failure {
    Failure { stage, code: "bad-row".to_owned(), message: format!("`{row}` is refused") }
}

fn fault() -> TaskError {
    TaskError::fault("the system is down", None)
}

/// True, and one less to come.
fn strikes(times: &AtomicU32) -> bool {
    let less = |times: u32| times.checked_sub(1);
    times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
}

pub(super) struct Troupe(pub(super) Arc<Scene>);

impl Plugins for Troupe {
    fn get(&self, class: &str) -> Result<Arc<dyn Plugin>, String> {
        let kind = match class {
            "rows" => ConnectorKind::Source,
            "count" => ConnectorKind::Processor,
            "keep" | "ledger" => ConnectorKind::Sink,
            _ => return Err(format!("`{class}` is unknown; known are rows, count, keep")),
        };
        let schema = match kind {
            ConnectorKind::Source => json!({"properties": {
                "topic": {}, "rows": {}, "connection": {"x-connection": "read"},
            }}),
            ConnectorKind::Processor => json!({"properties": {"output.topic": {}}}),
            ConnectorKind::Sink => json!({}),
        };
        let (class, version) = (class.to_owned(), "1".to_owned());
        Ok(Arc::new(Actor { class, version, kind, schema, scene: self.0.clone() }))
    }

    fn pick(&self, class: &str, version: Option<&str>) -> Result<Arc<dyn Plugin>, String> {
        let active = self.0.fleet.as_ref().and_then(|fleet| fleet.active(class));
        let version = version.map(str::to_owned).or(active);
        let Some(version) = version else { return self.get(class) };
        let fleet = self.0.fleet.as_ref().ok_or("no fleet")?;
        if !fleet.has(class, &version) {
            return Err(format!("there is no version {version} of `{class}`"));
        }
        let kind = self.get(class)?.info().kind;
        let schema = self.get(class)?.config_schema().clone();
        let class = class.to_owned();
        Ok(Arc::new(Actor { class, version, kind, schema, scene: self.0.clone() }))
    }

    fn uploads(&self) -> Option<Arc<dyn Uploads>> {
        self.0.fleet.clone().map(|fleet| fleet as Arc<dyn Uploads>)
    }

    fn connections(&self) -> Arc<dyn crate::worker::plugin::Connections> {
        self.0.connections.clone()
    }

    fn list(&self) -> Vec<PluginInfo> {
        ["rows", "count", "keep"].map(|class| self.get(class).unwrap().info()).into()
    }
}

/// The plugins of the fleet on one worker. A component is text: name, version,
/// kind, and whatever else.
#[derive(Default)]
pub(super) struct FleetStage(Mutex<Installed>);

#[derive(Default)]
struct Installed {
    components: HashMap<String, Bytes>,
    versions: BTreeMap<(String, String), String>,
    active: BTreeMap<String, String>,
}

impl FleetStage {
    fn active(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap().active.get(name).cloned()
    }

    fn has(&self, name: &str, version: &str) -> bool {
        self.component(name, version).is_some()
    }

    /// A version's bytes, as they came through the topic.
    pub(super) fn component(&self, name: &str, version: &str) -> Option<Vec<u8>> {
        let stage = self.0.lock().unwrap();
        let digest = stage.versions.get(&(name.to_owned(), version.to_owned()))?;
        stage.components.get(digest).map(|component| component.to_vec())
    }
}

#[async_trait]
impl Uploads for FleetStage {
    async fn inspect(&self, component: Bytes) -> Result<PluginInfo, String> {
        let text = String::from_utf8_lossy(&component).into_owned();
        let mut words = text.split(' ').map(str::to_owned);
        match (words.next(), words.next(), words.next().as_deref()) {
            (Some(class), Some(version), Some(kind @ ("source" | "sink"))) => Ok(PluginInfo {
                class,
                version,
                kind: if kind == "sink" { ConnectorKind::Sink } else { ConnectorKind::Source },
            }),
            _ => Err("it is no WebAssembly".to_owned()),
        }
    }

    async fn install(
        &self,
        name: &str,
        version: &str,
        sha256: &str,
        component: Option<Bytes>,
    ) -> Result<(), String> {
        let mut stage = self.0.lock().unwrap();
        if let Some(component) = component {
            stage.components.insert(sha256.to_owned(), component);
        }
        stage.versions.insert((name.to_owned(), version.to_owned()), sha256.to_owned());
        Ok(())
    }

    async fn retry(&self) -> Vec<String> {
        Vec::new()
    }

    fn remove(&self, name: &str, version: &str) {
        self.0.lock().unwrap().versions.remove(&(name.to_owned(), version.to_owned()));
    }

    fn activate(&self, name: &str, version: Option<&str>) {
        let mut stage = self.0.lock().unwrap();
        match version {
            Some(version) => drop(stage.active.insert(name.to_owned(), version.to_owned())),
            None => drop(stage.active.remove(name)),
        }
    }
}

struct Actor {
    class: String,
    version: String,
    kind: ConnectorKind,
    schema: serde_json::Value,
    scene: Arc<Scene>,
}

#[async_trait]
impl Plugin for Actor {
    fn info(&self) -> PluginInfo {
        PluginInfo { class: self.class.clone(), kind: self.kind, version: self.version.clone() }
    }

    fn digest(&self) -> String {
        format!("digest-of-{}", self.class)
    }

    fn ends_transactions(&self) -> bool {
        let draws_none = self.scene.draws_no_boundary.load(Ordering::SeqCst);
        self.kind == ConnectorKind::Source && !draws_none
    }

    fn config_schema(&self) -> &serde_json::Value {
        &self.schema
    }

    async fn validate(&self, config: &ConnectorConfig) -> Result<Vec<ConfigProblem>, TaskError> {
        let gate = self.scene.validating.lock().unwrap().take();
        if let Some((reached, go_on)) = gate {
            let _ = reached.send(());
            let _ = go_on.await;
        }
        let wrong = config.get("rows").is_some_and(|rows| rows.parse::<u32>().is_err());
        let problem = ConfigProblem { option: "rows".into(), message: "is no number".into() };
        Ok(wrong.then_some(problem).into_iter().collect())
    }

    async fn plan(
        &self,
        _: TaskContext,
        _: &ConnectorConfig,
        tasks_max: u32,
    ) -> Result<Vec<PlannedTask>, TaskError> {
        let task = |number| PlannedTask { name: format!("part {number}"), assignment: number };
        self.scene.slow_down("plan").await;
        let first = self.scene.first_part.load(Ordering::SeqCst);
        Ok((first..first + tasks_max).map(|number| task(number.to_string())).collect())
    }

    async fn open_source(
        &self,
        context: TaskContext,
        config: &ConnectorConfig,
        task: &PlannedTask,
    ) -> Result<Box<dyn SourcePlugin>, TaskError> {
        self.scene.versions.lock().unwrap().push(self.version.clone());
        if let Some(name) = config.get("connection") {
            let context = OpenContext {
                id: context.id.clone(),
                connections: self.scene.connections.clone(),
                checkpoints: context.checkpoints.clone(),
                stopping: context.stop.clone(),
                reopen: context.reopen.clone(),
                lease: context.lease.clone(),
            };
            self.scene.connections.objects(name, &context).await?;
            self.scene.connections_opened.fetch_add(1, Ordering::SeqCst);
        }
        let partition = format!(r#"{{"part":"{}"}}"#, task.assignment);
        let saved = context.checkpoints.get(&context.id.connector, &partition);
        let next = saved.map_or(0, |saved| {
            let saved: HashMap<String, u32> = serde_json::from_str(&saved).unwrap();
            saved["row"]
        });
        self.scene.sources_open.fetch_add(1, Ordering::SeqCst);
        let topic = config["topic"].clone();
        let rows = config["rows"].parse().unwrap();
        let part = task.assignment.clone();
        Ok(Box::new(Rows { scene: self.scene.clone(), topic, partition, part, next, rows }))
    }

    async fn open_sink(
        &self,
        _: TaskContext,
        _: &ConnectorConfig,
    ) -> Result<Box<dyn SinkPlugin>, TaskError> {
        self.scene.sinks_opened.fetch_add(1, Ordering::SeqCst);
        let scene = self.scene.clone();
        Ok(match self.class.as_str() {
            "ledger" => Box::new(Ledger { scene, held: BTreeSet::new(), later: BTreeMap::new() }),
            _ => Box::new(Keep { scene, taken: BTreeMap::new() }),
        })
    }

    async fn open_processor(
        &self,
        _: TaskContext,
        config: &ConnectorConfig,
        _: u32,
    ) -> Result<Box<dyn ProcessorPlugin>, TaskError> {
        let (scene, topic) = (self.scene.clone(), config["output.topic"].clone());
        Ok(Box::new(Count { scene, topic, counts: HashMap::new() }))
    }
}

struct Rows {
    scene: Arc<Scene>,
    topic: String,
    partition: String,
    part: String,
    next: u32,
    rows: u32,
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.scene.sources_open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl SourcePlugin for Rows {
    async fn poll(&mut self, _: Duration, _: u32) -> Result<Polled, TaskError> {
        if strikes(&self.scene.traps) {
            return Err(TaskError::reopen("the guest's own last words"));
        }
        if strikes(&self.scene.poll_faults) {
            return Err(fault());
        }
        self.scene.slow_down(&self.part).await;
        self.scene.polls.fetch_add(1, Ordering::SeqCst);
        if strikes(&self.scene.panics) {
            panic!("a bug of the worker");
        }
        let stray = self.scene.stray.lock().unwrap().clone();
        let topic = stray.unwrap_or_else(|| self.topic.clone());
        let (mut batch, mut refused) = (Batch::default(), Vec::new());
        let until = (self.next + 4).min(self.rows);
        for row in self.next..until {
            let text = format!("{}:{row}", self.part);
            let torn = *self.scene.torn.lock().unwrap();
            if torn.is_some() || self.scene.refuses(&text) {
                let failure = refusal(Stage::TaskPoll, &text);
                let mut payload = text.into_bytes();
                payload.resize(torn.unwrap_or(payload.len()), b'x');
                refused.push(Refused { payload, failure });
                continue;
            }
            batch.push(Some(text.as_bytes()), Some(text.as_bytes()), -1);
        }
        // A source that found nothing has nothing to save.
        let offset = Some(format!(r#"{{"row":{until}}}"#));
        let saved = Checkpoint { partition: self.partition.clone(), offset };
        let saved = if until > self.next { vec![saved] } else { Vec::new() };
        let moved = until > self.next;
        self.next = until;
        let end = self.scene.ends.lock().unwrap().get(&until).copied().filter(|_| moved);
        let replans = self.scene.replans.lock().unwrap().take_if(|part| *part == self.part);
        Ok(Polled {
            outputs: vec![Output { topic, partition: None, batch }],
            refused,
            saved,
            end,
            next: match until == self.rows {
                _ if replans.is_some() => Next::Replan,
                false => Next::More,
                true if self.scene.idles.load(Ordering::SeqCst) => Next::Idle,
                true => Next::Done,
            },
        })
    }

    async fn committed(&mut self, _: u64) -> Result<(), TaskError> {
        Ok(())
    }

    async fn close(self: Box<Self>) {}
}

struct Count {
    scene: Arc<Scene>,
    topic: String,
    counts: HashMap<Vec<u8>, u64>,
}

#[async_trait]
impl ProcessorPlugin for Count {
    fn restore(&mut self, changes: &Batch) -> Result<(), TaskError> {
        for at in 0..changes.len() {
            let text = std::str::from_utf8(changes.value(at).unwrap()).unwrap();
            self.counts.insert(changes.key(at).unwrap().to_vec(), text.parse().unwrap());
        }
        Ok(())
    }

    async fn process(&mut self, _: &str, batch: Arc<Batch>) -> Result<Processed, TaskError> {
        if strikes(&self.scene.processor_faults) {
            return Err(fault());
        }
        let (mut changes, mut rejects) = (Batch::default(), Vec::new());
        for at in 0..batch.len() {
            let row = String::from_utf8_lossy(batch.value(at).unwrap());
            if self.scene.refuses(&row) {
                let failure = refusal(Stage::TaskProcess, &row);
                rejects.push(Reject { at: at as u32, failure });
                continue;
            }
            let key = batch.key(at).unwrap();
            let count = self.counts.entry(key.to_vec()).or_default();
            *count += 1;
            changes.push(Some(key), Some(count.to_string().as_bytes()), -1);
        }
        let outputs =
            vec![Output { topic: self.topic.clone(), partition: None, batch: changes.clone() }];
        Ok(Processed { outputs, rejects, changes })
    }

    async fn close(self: Box<Self>) {}
}

/// Durable is only what was drained or revoked, so that the tests see the
/// difference between what was put and what may be committed.
struct Keep {
    scene: Arc<Scene>,
    taken: BTreeMap<TopicPartition, Vec<(i64, String)>>,
}

impl Keep {
    fn finish(&mut self, which: impl Fn(&TopicPartition) -> bool) -> Progress {
        let mut progress = Progress::default();
        let mut sunk = self.scene.sunk.lock().unwrap();
        let stalled = self.scene.stalled.lock().unwrap().clone();
        for partition in stalled.iter().filter(|at| which(at)) {
            progress.stalled.push((partition.clone(), fault()));
        }
        let taken = self.taken.iter_mut();
        for (partition, rows) in taken.filter(|(at, _)| which(at) && !stalled.contains(at)) {
            for (offset, row) in rows.drain(..) {
                let next = offset + 1;
                if self.scene.refuses(&row) {
                    let failure = refusal(Stage::TaskPut, &row);
                    let partition = partition.clone();
                    progress.rejects.push(LateReject { partition, offset, failure });
                    continue;
                }
                let kept = sunk.entry((partition.clone(), offset)).or_insert((row, 0));
                kept.1 += 1;
                progress.marks.push(Mark { partition: partition.clone(), next });
            }
        }
        progress
    }
}

#[async_trait]
impl SinkPlugin for Keep {
    async fn assigned(&mut self, _: &[TopicPartition]) -> Result<Vec<Mark>, TaskError> {
        self.scene.slow_down("keep").await;
        Ok(Vec::new())
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<Progress, TaskError> {
        Ok(self.finish(|at| partitions.contains(at)))
    }

    async fn put(
        &mut self,
        from: &TopicPartition,
        _: &str,
        batch: Arc<Batch>,
    ) -> Result<Taken, TaskError> {
        if strikes(&self.scene.put_traps) {
            return Err(TaskError::reopen("the guest's own last words"));
        }
        if let Some(left) = self.scene.faults.lock().unwrap().get_mut(from)
            && *left > 0
        {
            *left -= 1;
            if self.scene.faults_partly.load(Ordering::SeqCst) && !self.taken.contains_key(from) {
                let row = String::from_utf8(batch.value(0).unwrap().to_vec()).unwrap();
                self.taken.insert(from.clone(), vec![(batch.offset(0).unwrap(), row)]);
            }
            return Err(fault());
        }
        let late = self.scene.refuses_late.load(Ordering::SeqCst);
        let mut rejects = Vec::new();
        for at in 0..batch.len() {
            let row = String::from_utf8(batch.value(at).unwrap().to_vec()).unwrap();
            if self.scene.refuses(&row) && !late {
                let stage = self.scene.refused_at.lock().unwrap().unwrap_or(Stage::TaskPut);
                let failure = refusal(stage, &row);
                rejects.push(Reject { at: at as u32, failure });
            } else {
                let taken = self.taken.entry(from.clone()).or_default();
                taken.push((batch.offset(at).unwrap(), row));
            }
        }
        Ok(rejects.into())
    }

    async fn tick(&mut self) -> Result<Progress, TaskError> {
        let stalled = self.scene.stalled.lock().unwrap();
        let stalled = stalled.iter().map(|partition| (partition.clone(), fault())).collect();
        let ungiven = self.scene.refuses_ungiven.lock().unwrap().take();
        let ungiven = ungiven.map(|(partition, offset)| LateReject {
            partition,
            offset,
            failure: refusal(Stage::TaskPut, "it"),
        });
        Ok(Progress { stalled, rejects: ungiven.into_iter().collect(), ..Progress::default() })
    }

    async fn drain(&mut self) -> Result<Progress, TaskError> {
        Ok(self.finish(|_| true))
    }

    fn held_bytes(&self) -> usize {
        0
    }

    async fn close(self: Box<Self>) {}
}

/// Keeps its positions with its rows, which become durable together, as in a transaction
/// of a database. A position past a row that it refuses it stores in a later call.
struct Ledger {
    scene: Arc<Scene>,
    held: BTreeSet<TopicPartition>,
    /// What follows refused rows.
    later: BTreeMap<TopicPartition, Account>,
}

impl Ledger {
    fn marks(&self) -> Vec<Mark> {
        let ledger = self.scene.ledger.lock().unwrap();
        let mine = ledger.iter().filter(|(at, _)| self.held.contains(at));
        mine.map(|(at, account)| Mark { partition: at.clone(), next: account.next }).collect()
    }

    /// Stores what was left for later.
    fn store(&mut self) {
        if self.scene.ledger_holds.load(Ordering::SeqCst) {
            return;
        }
        let mut ledger = self.scene.ledger.lock().unwrap();
        for (partition, mut later) in std::mem::take(&mut self.later) {
            let account = ledger.entry(partition).or_default();
            account.rows.append(&mut later.rows);
            account.next = later.next;
        }
    }
}

#[async_trait]
impl SinkPlugin for Ledger {
    async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Mark>, TaskError> {
        self.held.extend(partitions.iter().cloned());
        let mut marks = self.marks();
        marks.retain(|mark| partitions.contains(&mark.partition));
        Ok(marks)
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<Progress, TaskError> {
        self.store();
        let marks = self.marks();
        self.held.retain(|at| !partitions.contains(at));
        Ok(Progress { marks, ..Progress::default() })
    }

    async fn put(
        &mut self,
        from: &TopicPartition,
        _: &str,
        batch: Arc<Batch>,
    ) -> Result<Taken, TaskError> {
        self.store();
        let mut rejects = Vec::new();
        for at in 0..batch.len() {
            let row = String::from_utf8(batch.value(at).unwrap().to_vec()).unwrap();
            let (offset, is_refused) = (batch.offset(at).unwrap(), self.scene.refuses(&row));
            let mut ledger = self.scene.ledger.lock().unwrap();
            let account = match is_refused || self.later.contains_key(from) {
                true => self.later.entry(from.clone()).or_default(),
                false => ledger.entry(from.clone()).or_default(),
            };
            account.next = offset + 1;
            match is_refused {
                true => {
                    let failure = refusal(Stage::TaskPut, &row);
                    rejects.push(Reject { at: at as u32, failure });
                }
                false => account.rows.push(row),
            }
        }
        Ok(rejects.into())
    }

    async fn tick(&mut self) -> Result<Progress, TaskError> {
        self.store();
        Ok(Progress { marks: self.marks(), ..Progress::default() })
    }

    async fn drain(&mut self) -> Result<Progress, TaskError> {
        self.tick().await
    }

    fn held_bytes(&self) -> usize {
        0
    }

    async fn close(self: Box<Self>) {}
}
