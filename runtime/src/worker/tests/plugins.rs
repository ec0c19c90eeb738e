//! Native plugins for the worker's tests: a source of numbered rows, a
//! processor that counts by key, a sink that keeps what it was given.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use crate::batch::Batch;
use crate::kafka::TopicPartition;
use crate::task::error::TaskError;
use crate::task::plugin::{
    Checkpoint, Mark, Next, Output, Polled, Processed, ProcessorPlugin, Progress, Reject,
    SinkPlugin, SourcePlugin,
};
use crate::worker::herder::{ConnectorConfig, ConnectorKind, PluginInfo};
use crate::worker::plugin::{ConfigProblem, PlannedTask, Plugin, Plugins, TaskContext};

/// What the tests see and steer, over all instances.
#[derive(Default)]
pub(super) struct Scene {
    /// Rows given to the sink, by partition and offset, with how often.
    pub(super) sunk: Mutex<BTreeMap<(TopicPartition, i64), (String, u32)>>,
    /// Instances of sources that are open.
    pub(super) sources_open: AtomicU32,
    /// Polls that trap before they do anything, so many times.
    pub(super) traps: AtomicU32,
    /// Sources that have read all say that there may be more.
    pub(super) idles: AtomicBool,
    /// The worker's own code panics in a poll, so many times.
    pub(super) panics: AtomicU32,
    /// The source writes there, whatever its configuration says.
    pub(super) stray: Mutex<Option<String>>,
    /// The sink refuses this row.
    pub(super) refused: Mutex<Option<String>>,
}

pub(super) struct Troupe(pub(super) Arc<Scene>);

impl Plugins for Troupe {
    fn get(&self, class: &str) -> Result<Arc<dyn Plugin>, String> {
        let kind = match class {
            "rows" => ConnectorKind::Source,
            "count" => ConnectorKind::Processor,
            "keep" => ConnectorKind::Sink,
            _ => return Err(format!("`{class}` is unknown; known are rows, count, keep")),
        };
        let schema = match kind {
            ConnectorKind::Source => json!({"properties": {"topic": {}, "rows": {}}}),
            ConnectorKind::Processor => json!({"properties": {"output.topic": {}}}),
            ConnectorKind::Sink => json!({}),
        };
        Ok(Arc::new(Actor { class: class.to_owned(), kind, schema, scene: self.0.clone() }))
    }

    fn list(&self) -> Vec<PluginInfo> {
        ["rows", "count", "keep"].map(|class| self.get(class).unwrap().info()).into()
    }
}

struct Actor {
    class: String,
    kind: ConnectorKind,
    schema: serde_json::Value,
    scene: Arc<Scene>,
}

#[async_trait]
impl Plugin for Actor {
    fn info(&self) -> PluginInfo {
        PluginInfo { class: self.class.clone(), kind: self.kind, version: "1".to_owned() }
    }

    fn config_schema(&self) -> &serde_json::Value {
        &self.schema
    }

    async fn validate(&self, config: &ConnectorConfig) -> Result<Vec<ConfigProblem>, TaskError> {
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
        Ok((0..tasks_max).map(|number| task(number.to_string())).collect())
    }

    async fn open_source(
        &self,
        context: TaskContext,
        config: &ConnectorConfig,
        task: &PlannedTask,
    ) -> Result<Box<dyn SourcePlugin>, TaskError> {
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
        Ok(Box::new(Keep { scene: self.scene.clone(), taken: BTreeMap::new() }))
    }

    async fn open_processor(
        &self,
        _: TaskContext,
        config: &ConnectorConfig,
        _: u32,
    ) -> Result<Box<dyn ProcessorPlugin>, TaskError> {
        Ok(Box::new(Count { topic: config["output.topic"].clone(), counts: HashMap::new() }))
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
        let taken = |traps: u32| traps.checked_sub(1);
        if self.scene.traps.fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken).is_ok() {
            return Err(TaskError::reopen("the guest's own last words"));
        }
        if self.scene.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken).is_ok() {
            panic!("a bug of the worker");
        }
        let stray = self.scene.stray.lock().unwrap().clone();
        let topic = stray.unwrap_or_else(|| self.topic.clone());
        let mut batch = Batch::default();
        let until = (self.next + 4).min(self.rows);
        for row in self.next..until {
            let text = format!("{}:{row}", self.part);
            batch.push(Some(text.as_bytes()), Some(text.as_bytes()), -1);
        }
        // A source that found nothing has nothing to save.
        let offset = Some(format!(r#"{{"row":{until}}}"#));
        let saved = Checkpoint { partition: self.partition.clone(), offset };
        let saved = if until > self.next { vec![saved] } else { Vec::new() };
        self.next = until;
        Ok(Polled {
            outputs: vec![Output { topic, partition: None, batch }],
            refused: Vec::new(),
            saved,
            next: match until == self.rows {
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
        let mut changes = Batch::default();
        for at in 0..batch.len() {
            let key = batch.key(at).unwrap();
            let count = self.counts.entry(key.to_vec()).or_default();
            *count += 1;
            changes.push(Some(key), Some(count.to_string().as_bytes()), -1);
        }
        let outputs =
            vec![Output { topic: self.topic.clone(), partition: None, batch: changes.clone() }];
        Ok(Processed { outputs, rejects: Vec::new(), changes })
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
        for (partition, rows) in self.taken.iter_mut().filter(|(at, _)| which(at)) {
            for (offset, row) in rows.drain(..) {
                let next = offset + 1;
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
        Ok(Vec::new())
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<Progress, TaskError> {
        Ok(self.finish(|at| partitions.contains(at)))
    }

    async fn put(
        &mut self,
        from: &TopicPartition,
        batch: Arc<Batch>,
    ) -> Result<Vec<Reject>, TaskError> {
        let refused = self.scene.refused.lock().unwrap().clone();
        let mut rejects = Vec::new();
        for at in 0..batch.len() {
            let row = String::from_utf8(batch.value(at).unwrap().to_vec()).unwrap();
            if Some(&row) == refused.as_ref() {
                let (code, message) = ("bad-row".to_owned(), format!("`{row}` is refused"));
                rejects.push(Reject { at: at as u32, code, message });
            } else {
                let taken = self.taken.entry(from.clone()).or_default();
                taken.push((batch.offset(at).unwrap(), row));
            }
        }
        Ok(rejects)
    }

    async fn tick(&mut self) -> Result<Progress, TaskError> {
        Ok(Progress::default())
    }

    async fn drain(&mut self) -> Result<Progress, TaskError> {
        Ok(self.finish(|_| true))
    }

    fn held_bytes(&self) -> usize {
        0
    }

    async fn close(self: Box<Self>) {}
}
