//! Everything at one moment, as Prometheus' client library writes it down.
//!
//! A metric `poll-batch-avg-time-ms` of Connect's group `source-task-metrics` is
//! `kafka_connect_source_task_poll_batch_avg_time_ms` here, with the labels
//! `connector` and `task`. Of a processor, which Connect does not know, what it
//! reads is told as of a sink, and what it writes as of a source.

mod connectors;
mod tasks;
mod worker;

use std::fmt;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

use longshore_broker::families::Families;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::worker::core::Core;
use crate::worker::herder::State;

/// A worker's metrics. It keeps no worker alive: one that ended reports nothing.
pub(in crate::worker) struct WorkerCollector(pub(in crate::worker) Weak<Core>);

impl fmt::Debug for WorkerCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkerCollector")
    }
}

impl Collector for WorkerCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(core) = self.0.upgrade() else { return Ok(()) };
        let (connectors, tasks) = (connectors::watched(&core), tasks::running(&core));
        let mut report = Families::new(encoder, "kafka_connect_");
        worker::starts(&mut report, &core, connectors.len(), tasks.len())?;
        worker::rebalances(&mut report, &core)?;
        connectors::tell(&mut report, &core, &connectors)?;
        tasks::tell(&mut report, &core, &tasks)
    }
}

/// A state as Kafka Connect's metrics write it.
fn word(state: State) -> &'static str {
    match state {
        State::Unassigned => "unassigned",
        State::Running => "running",
        State::Paused => "paused",
        State::Stopped => "stopped",
        State::Failed => "failed",
        State::Restarting => "restarting",
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
