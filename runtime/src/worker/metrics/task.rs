//! What is measured of one task, around its plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::states::StateTimes;
use crate::batch::Batch;
use crate::kafka::TopicPartition;
use crate::task::calls::{Call, Calls};
use crate::task::counters::Counters;
use crate::task::error::TaskError;
use crate::task::meter::{Meter, Rate};
use crate::task::plugin::{Mark, Polled, Progress, SinkPlugin, SourcePlugin, Taken};

/// What is known of a task since its worker started, session after session.
#[derive(Debug, Default)]
pub(in crate::worker) struct TaskMetrics {
    /// What its loop counts.
    pub(in crate::worker) counters: Arc<Counters>,
    /// Whether calls that failed were answered since.
    pub(in crate::worker) calls: Calls,
    /// How long it was in which state.
    pub(in crate::worker) states: StateTimes,
    /// Microseconds that polls took which brought records.
    pub(super) polls: Meter,
    /// Microseconds that calls of `put` took.
    pub(super) puts: Meter,
    /// Records of a poll, or of a `put`.
    pub(super) batches: Meter,
    /// Records that the plugin was given.
    pub(super) sent: AtomicU64,
    pub(super) read_rate: Rate,
    pub(super) written_rate: Rate,
    pub(super) sent_rate: Rate,
    pub(super) commit_rate: Rate,
}

impl TaskMetrics {
    fn batch(&self, times: &Meter, began: Instant, records: u64) {
        times.record(began.elapsed().as_micros() as u64);
        self.batches.record(records);
    }
}

/// A source whose polls are measured.
pub(in crate::worker) struct MeteredSource {
    pub(in crate::worker) plugin: Box<dyn SourcePlugin>,
    pub(in crate::worker) metrics: Arc<TaskMetrics>,
}

#[async_trait]
impl SourcePlugin for MeteredSource {
    async fn poll(&mut self, wait: Duration, max_bytes: u32) -> Result<Polled, TaskError> {
        let began = Instant::now();
        let polled = self.plugin.poll(wait, max_bytes).await;
        self.metrics.calls.note(Call::Poll, &polled);
        let polled = polled?;
        let records: usize = polled.outputs.iter().map(|output| output.batch.len()).sum();
        // A poll that waited for nothing says nothing of the system's pace.
        if records > 0 {
            self.metrics.batch(&self.metrics.polls, began, records as u64);
        }
        Ok(polled)
    }

    async fn committed(&mut self, polls: u64) -> Result<(), TaskError> {
        let told = self.plugin.committed(polls).await;
        self.metrics.calls.note(Call::Committed, &told);
        told
    }

    async fn close(self: Box<Self>) {
        self.plugin.close().await;
    }
}

/// A sink whose calls of `put` are measured.
pub(in crate::worker) struct MeteredSink {
    pub(in crate::worker) plugin: Box<dyn SinkPlugin>,
    pub(in crate::worker) metrics: Arc<TaskMetrics>,
}

#[async_trait]
impl SinkPlugin for MeteredSink {
    async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Mark>, TaskError> {
        let answer = self.plugin.assigned(partitions).await;
        self.metrics.calls.note(Call::Assigned, &answer);
        answer
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<Progress, TaskError> {
        let answer = self.plugin.revoked(partitions).await;
        self.metrics.calls.note(Call::Revoked, &answer);
        answer
    }

    async fn put(
        &mut self,
        from: &TopicPartition,
        topic: &str,
        batch: Arc<Batch>,
    ) -> Result<Taken, TaskError> {
        let (began, records) = (Instant::now(), batch.len() as u64);
        let taken = self.plugin.put(from, topic, batch).await?;
        self.metrics.batch(&self.metrics.puts, began, records);
        self.metrics.sent.fetch_add(records, Ordering::Relaxed);
        Ok(taken)
    }

    async fn tick(&mut self) -> Result<Progress, TaskError> {
        let answer = self.plugin.tick().await;
        self.metrics.calls.note(Call::Tick, &answer);
        answer
    }

    async fn drain(&mut self) -> Result<Progress, TaskError> {
        let answer = self.plugin.drain().await;
        self.metrics.calls.note(Call::Drain, &answer);
        answer
    }

    fn held_bytes(&self) -> usize {
        self.plugin.held_bytes()
    }

    async fn close(self: Box<Self>) {
        self.plugin.close().await;
    }
}
