//! The traits that a plugin implements.
//!
//! The host makes one call at a time and answers each fault as the contract
//! says: `retry` repeats the same input after a pause, `config` waits for the
//! user, `fatal` stops the task. A panic costs the instance, which is reopened
//! from its last checkpoint; its message becomes part of the task's trace.

use std::time::Duration;

use crate::{Batch, Config, ConfigError, Fault, Records};

pub use crate::bindings::describe::exports::longshore::connector::describe::Form;
pub use crate::bindings::describe::longshore::base::types::{
    Checkpoint, Output, Partition, Reject, Task,
};
pub use crate::bindings::processor::exports::longshore::connector::processor::Processed;
pub use crate::bindings::sink::exports::longshore::connector::sink::{
    LateReject, Mark, Progress, Stalled,
};
pub use crate::bindings::source::exports::longshore::connector::source::{Next, Polled, Refused};

/// What a plugin tells about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// What `connector.class` names: `<system>-source`, `<system>-sink`.
    pub name: &'static str,
    /// Its version; `env!("CARGO_PKG_VERSION")` is a good one.
    pub version: &'static str,
    /// One sentence.
    pub summary: &'static str,
}

/// What every plugin has.
pub trait Plugin: Sized + 'static {
    /// Who it is.
    const ABOUT: About;

    /// What it reads records as: a topic's bytes, or [values](crate::values).
    const INPUT: Form = Form::Bytes;

    /// What it gives records as.
    const OUTPUT: Form = Form::Bytes;

    /// JSON Schema of its own options: an object whose properties are flat
    /// option names. `x-connection: VERB` marks a field that names a
    /// connection and the verb (`read`, `write`) that it needs.
    fn config_schema() -> serde_json::Value;

    /// What is wrong with a configuration beyond what the schema can say. No
    /// connection is at hand here.
    fn validate(config: &Config) -> Vec<ConfigError> {
        let _ = config;
        Vec::new()
    }
}

/// External system to topics.
pub trait Source: Plugin {
    /// Divides the work. One worker calls it; again when a task answers
    /// [`Next::Replan`].
    fn plan(config: &Config, max_tasks: u32) -> Result<Vec<Task>, Fault>;

    /// Opens one task. [`checkpoints`](crate::checkpoints) tell where it was.
    fn open(config: &Config, task: &Task) -> Result<Self, Fault>;

    /// Returns within `wait` even if there is nothing; stays near `max_bytes`.
    fn poll(&mut self, wait: Duration, max_bytes: u32) -> Result<Polled, Fault>;

    /// The first `polls` polls since `open` are durable.
    fn committed(&mut self, polls: u64) -> Result<(), Fault> {
        let _ = polls;
        Ok(())
    }

    /// The task ends; nothing more will be asked of it.
    fn close(self) {}
}

/// Topics to external system.
pub trait Sink: Plugin {
    /// Opens the task.
    fn open(config: &Config) -> Result<Self, Fault>;

    /// Partitions come; the others are not disturbed. Marks returned seek the
    /// host: a sink that keeps offsets with its data says where it is.
    fn assigned(&mut self, partitions: &[Partition]) -> Result<Vec<Mark>, Fault> {
        let _ = partitions;
        Ok(Vec::new())
    }

    /// Partitions go: make durable what can be, and let go.
    fn revoked(&mut self, partitions: &[Partition]) -> Result<Progress, Fault>;

    /// Records of one partition, in offset order. It may buffer, it may keep
    /// the handle until they are durable.
    fn put(
        &mut self,
        from: &Partition,
        topic: &str,
        records: Records,
    ) -> Result<Vec<Reject>, Fault>;

    /// About once a second, idle or not: rotate what is due, tell what became
    /// durable. The host commits nothing else.
    fn tick(&mut self) -> Result<Progress, Fault>;

    /// Make everything durable now.
    fn drain(&mut self) -> Result<Progress, Fault>;

    /// The task ends; nothing more will be asked of it.
    fn close(self) {}
}

/// Topics to topics, with keyed [`state`](crate::state).
pub trait Processor: Plugin {
    /// Opens the instance of one partition number of the inputs.
    fn open(config: &Config, partition: u32) -> Result<Self, Fault>;

    /// Processes records of one topic. State written in a call that faults is
    /// discarded, so a retry starts from what was.
    fn process(&mut self, topic: &str, records: &Records) -> Result<Processed, Fault>;

    /// The instance ends; nothing more will be asked of it.
    fn close(self) {}
}

impl Output {
    /// Records for `topic`; their keys choose the partitions.
    pub fn new(topic: impl Into<String>, batch: Batch) -> Self {
        Self { topic: topic.into(), partition: None, batch }
    }

    /// The same, for one partition.
    pub fn to_partition(self, partition: u32) -> Self {
        Self { partition: Some(partition), ..self }
    }
}

impl Polled {
    /// Nothing to read, and what to do next.
    pub fn empty(next: Next) -> Self {
        Self { outputs: Vec::new(), refused: Vec::new(), saved: Vec::new(), next }
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Progress {
    fn default() -> Self {
        Self { marks: Vec::new(), rejects: Vec::new(), stalled: Vec::new() }
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Processed {
    fn default() -> Self {
        Self { outputs: Vec::new(), rejects: Vec::new() }
    }
}

impl Reject {
    /// The record at index `at` of the call's input. `code`: a stable name in
    /// kebab-case.
    pub fn new(at: u32, code: &str, message: impl std::fmt::Display) -> Self {
        Self { at, why: crate::fault::Detail::new(code, message) }
    }
}
