//! What a worker tells Prometheus, under the names that Kafka Connect's metrics
//! have behind the JMX exporter with its rules for Connect.
//!
//! ```text
//! meter.rs    how often, how long, how much; lately and in all
//! task.rs     what is measured of one task, around its plugin
//! report.rs   everything at one moment
//! ```
//!
//! Loops and plugins add to plain atomics once a batch, never once a record; what
//! connectors, the group and the cluster know is asked of them when someone looks.

mod meter;
mod report;
mod task;

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use meter::Meter;
pub(super) use report::WorkerCollector;
pub(super) use task::{MeteredSink, MeteredSource, TaskMetrics};

/// What is counted of the worker itself.
#[derive(Debug, Default)]
pub(super) struct WorkerMetrics {
    pub(super) rebalances: Rebalances,
    pub(super) task_starts: TaskStarts,
}

/// How tasks began.
#[derive(Debug, Default)]
pub(super) struct TaskStarts {
    /// Those that were to.
    pub(super) attempts: AtomicU64,
    /// Those whose plugin was opened.
    pub(super) successes: AtomicU64,
    /// Those that failed before that.
    pub(super) failures: AtomicU64,
}

/// The rebalances of the worker group that this worker took part in.
#[derive(Debug, Default)]
pub(super) struct Rebalances {
    /// Milliseconds that each took.
    times: Meter,
    state: Mutex<Rebalancing>,
}

#[derive(Debug, Default)]
struct Rebalancing {
    /// When the one under way began.
    began: Option<Instant>,
    /// When the last was over.
    ended: Option<Instant>,
}

impl Rebalances {
    /// This worker joins; it may do so more than once in a rebalance.
    pub(super) fn joins(&self) {
        self.state.lock().expect("no holder panics").began.get_or_insert_with(Instant::now);
    }

    /// This worker has its assignment.
    pub(super) fn assigned(&self) {
        let mut state = self.state.lock().expect("no holder panics");
        let now = Instant::now();
        if let Some(began) = state.began.take() {
            self.times.record((now - began).as_millis() as u64);
        }
        state.ended = Some(now);
    }
}
