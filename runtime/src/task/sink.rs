//! A sink's session: read, put, learn what became durable, commit that.
//!
//! [`Schedule`] decides what comes next and [`Marks`](super::marks::Marks)
//! what may be committed; this loop carries it out. Partitions come and go
//! while it runs, and the others are not disturbed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::commits;
use super::counters::{Counters, payload_bytes};
use super::error::TaskError;
use super::plugin::{Progress, Reject, SinkPlugin};
use super::processor::CommitObserver;
use super::schedule::{Schedule, Step, Targets};
use super::start::{self, Known};
use super::tolerate_rejects;
use super::writes::Writes;
use crate::kafka::{Consumer, Fetched, OffsetReset, Start, TopicPartition};

/// Records of one `put`, in bytes.
const PUT_BYTES: usize = 1 << 20;
/// What the plugin may keep unwritten before it is asked to let go, in bytes.
const HELD_BYTES_MAX: usize = 16 << 20;

/// What a sink's session works with.
pub struct SinkSession {
    /// `connector-N`, for messages.
    pub label: String,
    /// The fleet's `group.id`.
    pub fleet: String,
    /// The connector's group.
    pub group: String,
    /// The partitions that this task is to hold; they change while it runs.
    pub shares: watch::Receiver<BTreeSet<TopicPartition>>,
    /// The partitions that it does hold.
    pub held: watch::Sender<BTreeSet<TopicPartition>>,
    /// Offsets that somebody waits for.
    pub targets: watch::Receiver<Option<Arc<Targets>>>,
    /// A share of the connector's consumer, nothing assigned yet.
    pub consumer: Arc<dyn Consumer>,
    /// What to do about a position that the log does not have.
    pub offset_reset: OffsetReset,
    /// The right to commit.
    pub writes: Writes,
    /// `offset.flush.interval.ms`.
    pub commit_every: Duration,
    /// `errors.tolerance=all`.
    pub tolerant: bool,
    /// The connector's counts.
    pub counters: Arc<Counters>,
    /// Told of every commit.
    pub observer: Arc<dyn CommitObserver>,
    /// Set once something of this session became durable.
    pub progressed: Arc<AtomicBool>,
    /// Ends the session in order.
    pub stop: CancellationToken,
}

/// The session's inside: one place that knows plugin and schedule.
struct Running {
    session: SinkSession,
    plugin: Box<dyn SinkPlugin>,
    schedule: Schedule,
    began: Instant,
}

impl SinkSession {
    /// Runs until stopped or failed. Stopped in order, everything that the
    /// plugin could make durable is committed before it is closed.
    pub async fn run(self, plugin: Box<dyn SinkPlugin>) -> Result<(), TaskError> {
        let schedule = Schedule::new(self.commit_every, HELD_BYTES_MAX, Duration::ZERO);
        let mut running = Running { session: self, plugin, schedule, began: Instant::now() };
        let outcome = running.run().await;
        running.session.held.send_replace(BTreeSet::new());
        outcome?;
        running.plugin.close().await;
        Ok(())
    }
}

impl Running {
    async fn run(&mut self) -> Result<(), TaskError> {
        let stop = self.session.stop.clone();
        while !stop.is_cancelled() {
            self.reassign().await?;
            let targets = self.session.targets.borrow_and_update().clone();
            let (now, held) = (self.began.elapsed(), self.plugin.held_bytes());
            match self.schedule.next(now, held, targets.as_deref()) {
                Step::Tick => {
                    let progress = self.plugin.tick().await?;
                    self.schedule.ticked(self.began.elapsed());
                    self.take(progress)?;
                }
                Step::Drain => {
                    longshore_broker::crash::point("sink-before-finish");
                    let progress = self.plugin.drain().await?;
                    self.schedule.drained();
                    self.take(progress)?;
                }
                Step::Commit(offsets) => self.commit(offsets).await?,
                Step::Read(wait) => {
                    let fetched = tokio::select! {
                        biased;
                        () = stop.cancelled() => break,
                        Ok(()) = self.session.shares.changed() => continue,
                        Ok(()) = self.session.targets.changed() => continue,
                        fetched = self.session.consumer.next(PUT_BYTES, wait) => fetched?,
                    };
                    if let Some(fetched) = fetched {
                        self.put(fetched).await?;
                    }
                }
            }
        }
        self.release(self.schedule.held()).await
    }

    /// Brings the partitions held in line with those assigned.
    async fn reassign(&mut self) -> Result<(), TaskError> {
        let wanted = self.session.shares.borrow_and_update().clone();
        let held = self.schedule.held();
        if wanted == held {
            return Ok(());
        }
        self.release(held.difference(&wanted).cloned().collect()).await?;
        self.acquire(wanted.difference(&held).cloned().collect()).await?;
        self.session.held.send_replace(self.schedule.held());
        Ok(())
    }

    /// Starts partitions where the sink says it is, else where the group is,
    /// else at the beginning of what the log holds.
    async fn acquire(&mut self, partitions: Vec<TopicPartition>) -> Result<(), TaskError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let consumer = self.session.consumer.clone();
        let committed = consumer.committed(&partitions).await?;
        let committed =
            commits::of_this_fleet(committed, &self.session.group, &self.session.fleet)?;
        let begins = consumer.beginning_offsets(&partitions).await?;
        let ends = consumer.end_offsets(&partitions).await?;
        let latest = consumer.stable_offsets(&partitions).await?;
        let marks = self.plugin.assigned(&partitions).await?;
        let marks: HashMap<_, _> =
            marks.into_iter().map(|mark| (mark.partition, mark.next)).collect();
        let mut starts = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let group_has = committed.get(&partition).copied();
            let position = marks.get(&partition).copied().or(group_has);
            let known = Known::of(&partition, position, &begins, &ends, &latest);
            let SinkSession { offset_reset, group, counters, .. } = &self.session;
            let start = start::start(&partition, known, *offset_reset, group, counters)?;
            starts.push((partition.clone(), Start::Offset(start)));
            if let Some(offset) = group_has {
                let commit = commits::commit(&partition, offset, &self.session.fleet);
                self.session.observer.committed(&[commit]);
            }
            self.schedule.assigned(partition, start, group_has);
        }
        consumer.assign(&starts).await?;
        Ok(())
    }

    /// Gives partitions up: the plugin makes durable what it can, that is
    /// committed, and only then are they let go.
    async fn release(&mut self, partitions: BTreeSet<TopicPartition>) -> Result<(), TaskError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let partitions: Vec<_> = partitions.into_iter().collect();
        longshore_broker::crash::point("sink-before-finish");
        let progress = self.plugin.revoked(&partitions).await?;
        self.take(progress)?;
        let offsets = self.schedule.to_commit();
        if !offsets.is_empty() {
            self.commit(offsets).await?;
        }
        self.session.consumer.unassign(&partitions).await?;
        for partition in &partitions {
            self.schedule.revoked(partition);
        }
        Ok(())
    }

    async fn put(&mut self, fetched: Fetched) -> Result<(), TaskError> {
        let Fetched { partition, batch, next_offset, .. } = fetched;
        let offsets =
            batch.columns.offset.first().copied().zip(batch.columns.offset.last().copied());
        self.schedule.read(&partition, offsets, next_offset);
        if batch.is_empty() {
            return Ok(());
        }
        let (records, bytes) = (batch.len() as u64, payload_bytes(&batch));
        self.session.counters.read(records, bytes);
        self.session.observer.read(&partition.topic);
        let batch = Arc::new(batch);
        let rejects = self.plugin.put(&partition, batch.clone()).await?;
        self.tolerate(&partition, &rejects)?;
        for reject in &rejects {
            let offset = batch.offset(reject.at as usize).ok_or_else(|| {
                TaskError::reopen(format!(
                    "the plugin refused record {} of a batch of {records}",
                    reject.at
                ))
            })?;
            self.schedule.reject(&partition, offset);
        }
        self.session.counters.wrote(records - rejects.len() as u64, bytes);
        Ok(())
    }

    /// Takes over what became durable. A partition in trouble ends the
    /// session, and with it the task waits as its fault asks.
    fn take(&mut self, progress: Progress) -> Result<(), TaskError> {
        for late in &progress.rejects {
            let reject = Reject { at: 0, code: late.code.clone(), message: late.message.clone() };
            self.tolerate(&late.partition, std::slice::from_ref(&reject))?;
            self.schedule.reject(&late.partition, late.offset);
        }
        for mark in &progress.marks {
            self.schedule
                .mark(&mark.partition, mark.next)
                .map_err(|error| TaskError::stop(format!("{}: {error}", mark.partition)))?;
        }
        match progress.stalled.into_iter().next() {
            Some((partition, error)) => Err(TaskError {
                message: format!("{partition}: {}", error.message),
                remedy: error.remedy,
            }),
            None => Ok(()),
        }
    }

    fn tolerate(&self, partition: &TopicPartition, rejects: &[Reject]) -> Result<(), TaskError> {
        let session = &self.session;
        tolerate_rejects(&session.label, session.tolerant, &session.counters, partition, rejects)
    }

    async fn commit(&mut self, offsets: Vec<(TopicPartition, i64)>) -> Result<(), TaskError> {
        longshore_broker::crash::point("sink-after-finish-before-commit");
        let fleet = &self.session.fleet;
        let commits: Vec<_> =
            offsets.iter().map(|(at, offset)| commits::commit(at, *offset, fleet)).collect();
        self.session.writes.hold(self.session.consumer.commit(&commits)).await??;
        self.session.progressed.store(true, Ordering::Relaxed);
        self.session.observer.committed(&commits);
        self.schedule.committed(&offsets, self.began.elapsed());
        Ok(())
    }
}
