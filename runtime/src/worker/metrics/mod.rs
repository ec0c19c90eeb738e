//! What a worker tells Prometheus, under the names that Kafka Connect's metrics
//! have behind the JMX exporter with its rules for Connect.
//!
//! ```text
//! starts.rs   how connectors and tasks began
//! states.rs   how long a task was in which state
//! task.rs     what is measured of one task, around its plugin
//! report/     everything at one moment
//! ```
//!
//! Loops and plugins add to plain atomics once a batch, never once a record; what
//! connectors, the group and the cluster know is asked of them when someone looks.
//!
//! Of what Kafka Connect 4.1 documents these have no counterpart here:
//!
//! | metric | why |
//! | --- | --- |
//! | `offset-commit-skip-rate`, `-total` | a commit waits for the one before it, and none is skipped |
//! | `connector-destroyed-task-count` | a task that is gone has no status |
//! | `connector-transform-metrics`, `connector-predicate-metrics` | there are no transforms |
//! | `task-class`, `task-version`, and classes and versions of converters | a plugin is one component, whose version is `connector-version`; converters are the worker's own |
//! | `connect-protocol` | there is one protocol between workers |
//! | `connect-coordinator-metrics`, `connect-node-metrics` and others of Kafka's clients | the clients are others, with other insides |

mod report;
mod starts;
mod states;
mod task;

use std::sync::Mutex;
use std::time::Instant;

pub(super) use report::WorkerCollector;
use starts::Starts;
pub(super) use task::{MeteredSink, MeteredSource, TaskMetrics};

use crate::task::meter::Meter;

/// What is counted of the worker itself.
#[derive(Debug, Default)]
pub(super) struct WorkerMetrics {
    pub(super) rebalances: Rebalances,
    pub(super) connector_starts: Starts,
    pub(super) task_starts: Starts,
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
