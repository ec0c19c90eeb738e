//! A sink's session: read, put, learn what became durable, commit that.
//!
//! [`Schedule`] decides what comes next, [`Marks`](super::marks::Marks) what may be
//! committed, and [`Waiting`] which partitions wait for their system; this loop
//! carries it out. Partitions come and go while it runs, and the others are not
//! disturbed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Patience;
use super::commits::{self, Positions};
use super::counters::{Counters, payload_bytes};
use super::delivery::Delivery;
use super::error::TaskError;
use super::failures::{DeadLetters, Failures, Reread};
use super::plugin::{LateReject, Progress, SinkPlugin, Taken};
use super::processor::CommitObserver;
use super::schedule::{Schedule, Step, Targets};
use super::start::{self, Known};
use super::waiting::{Follows, Put, Waiting};
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
    /// The partitions that it does hold, or is about to.
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
    /// `processing.guarantee=at_most_once`: offsets are committed before their
    /// records are put.
    pub at_most_once: bool,
    /// Decides about records that the plugin refuses.
    pub failures: Failures,
    /// Where dead letters go.
    pub dead_letters: Delivery,
    /// Reads what was refused late.
    pub reread: Box<dyn Reread>,
    /// How a fault of the plugin's is tried again.
    pub patience: Patience,
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
    waiting: Waiting,
    /// Partitions whose position the sink keeps with its data.
    kept: HashSet<TopicPartition>,
    began: Instant,
}

impl SinkSession {
    /// Runs until stopped or failed. Stopped in order, everything that the
    /// plugin could make durable is committed before it is closed.
    pub async fn run(self, plugin: Box<dyn SinkPlugin>) -> Result<(), TaskError> {
        let schedule = Schedule::new(self.commit_every, HELD_BYTES_MAX, Duration::ZERO);
        let waiting = Waiting::new(self.patience);
        let (kept, began) = (HashSet::new(), Instant::now());
        if self.at_most_once {
            tracing::info!(
                task = self.label,
                "delivers at most once: offsets are committed before their records are put, and \
                 what a crash interrupts is lost"
            );
        }
        let mut running = Running { session: self, plugin, schedule, waiting, kept, began };
        let outcome = running.run().await;
        // The client is shared, and might know a pause longer than the assignment.
        let waiting = running.waiting.all();
        waiting.iter().for_each(|partition| running.tell_lost(partition));
        if let Err(error) = running.session.resume(&waiting) {
            tracing::debug!(task = running.session.label, "not resumed: {error}");
        }
        running.session.held.send_replace(BTreeSet::new());
        outcome?;
        running.plugin.close().await;
        Ok(())
    }

    /// These wait no longer.
    fn resume(&self, partitions: &[TopicPartition]) -> Result<(), TaskError> {
        if partitions.is_empty() {
            return Ok(());
        }
        for partition in partitions {
            self.observer.waits(partition, None);
        }
        Ok(self.consumer.resume(partitions)?)
    }

    /// Dead letters are acknowledged before anything is committed past their records.
    async fn send(&self, letters: Option<DeadLetters>) -> Result<(), TaskError> {
        let Self { dead_letters, counters, writes, .. } = self;
        writes.hold(dead_letters.send_dead_letters(counters, letters)).await?
    }
}

impl Running {
    async fn run(&mut self) -> Result<(), TaskError> {
        let stop = self.session.stop.clone();
        // Tries of those in trouble take turns with the others' records: each may take
        // as long as a call may.
        let mut retried = false;
        while !stop.is_cancelled() {
            self.reassign().await?;
            let targets = self.session.targets.borrow_and_update().clone();
            let (now, held) = (self.began.elapsed(), self.plugin.held_bytes());
            if !retried && let Some(put) = self.waiting.due(now) {
                retried = true;
                self.deliver(put).await?;
                continue;
            }
            retried = false;
            match self.schedule.next(now, held, targets.as_deref()) {
                Step::Tick => {
                    let progress = self.plugin.tick().await?;
                    self.schedule.ticked(self.began.elapsed());
                    self.take(progress).await?;
                }
                Step::Drain => {
                    longshore_broker::crash::point("sink-before-finish");
                    let progress = self.plugin.drain().await?;
                    self.schedule.drained();
                    self.take(progress).await?;
                }
                Step::Commit(offsets) => self.commit(offsets).await?,
                Step::Read(wait) => {
                    let due = self.waiting.next_due(now);
                    let wait = due.map_or(wait, |due| due.min(wait));
                    let full = self.waiting.is_full();
                    let fetched = tokio::select! {
                        biased;
                        () = stop.cancelled() => break,
                        Ok(()) = self.session.shares.changed() => continue,
                        Ok(()) = self.session.targets.changed() => continue,
                        () = tokio::time::sleep(wait), if full => continue,
                        fetched = self.session.consumer.next(PUT_BYTES, wait), if !full => fetched?,
                    };
                    if let Some(fetched) = fetched {
                        self.put(fetched).await?;
                    }
                }
            }
        }
        self.release(self.schedule.held()).await
    }

    /// What waits for another `put` is given up with its partition: at most once its
    /// offsets are committed, so that nobody reads it again.
    fn tell_lost(&self, partition: &TopicPartition) {
        let records = self.waiting.kept(partition);
        if self.session.at_most_once && records > 0 {
            self.session.counters.skip(records as u64);
            tracing::warn!(
                task = self.session.label,
                %partition,
                records,
                "lost, as `processing.guarantee=at_most_once` has it: the sink could not take them"
            );
        }
    }

    /// Brings the partitions held in line with those assigned.
    async fn reassign(&mut self) -> Result<(), TaskError> {
        let wanted = {
            let wanted = self.session.shares.borrow_and_update();
            // Before it can be told to let go of what it is about to take up.
            self.session.held.send_if_modified(|told| {
                let had = told.len();
                told.extend(wanted.iter().cloned());
                told.len() > had
            });
            wanted.clone()
        };
        let held = self.schedule.held();
        if wanted == held {
            return Ok(());
        }
        self.release(held.difference(&wanted).cloned().collect()).await?;
        self.session.held.send_replace(wanted.clone());
        self.acquire(wanted.difference(&held).cloned().collect()).await
    }

    /// Starts partitions where the sink says it is, else where the group is,
    /// else at the beginning of what the log holds.
    async fn acquire(&mut self, partitions: Vec<TopicPartition>) -> Result<(), TaskError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let consumer = self.session.consumer.clone();
        let committed = consumer.committed(&partitions).await?;
        let SinkSession { group, fleet, .. } = &self.session;
        let committed = Positions::of_this_fleet(committed, group, fleet)?;
        let begins = consumer.beginning_offsets(&partitions).await?;
        let ends = consumer.end_offsets(&partitions).await?;
        let latest = consumer.stable_offsets(&partitions).await?;
        let marks = self.plugin.assigned(&partitions).await?;
        let marks: HashMap<_, _> =
            marks.into_iter().map(|mark| (mark.partition, mark.next)).collect();
        committed.check_kept(&marks, &self.session.group)?;
        let mut starts = Vec::with_capacity(partitions.len());
        let mut known = Vec::new();
        for partition in partitions {
            let group_has = committed.get(&partition);
            let position = marks.get(&partition).copied().or(group_has);
            if marks.contains_key(&partition) {
                self.kept.insert(partition.clone());
            }
            let places = Known::of(&partition, position, &begins, &ends, &latest);
            let SinkSession { offset_reset, group, counters, .. } = &self.session;
            let start = start::start(&partition, places, *offset_reset, group, counters)?;
            starts.push((partition.clone(), Start::Offset(start)));
            let is_at_the_end = *offset_reset == OffsetReset::Latest && position.is_none();
            if group_has.is_some() || is_at_the_end {
                known.push((partition.clone(), start));
            }
            self.schedule.assigned(partition, start, group_has);
        }
        // Else the end would be another after a move, and what came between never read. What
        // was there is committed anew: sessions may be too short for their daily renewal.
        if !known.is_empty() {
            self.renew(known).await?;
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
        let mut progress = self.plugin.revoked(&partitions).await?;
        progress.stalled.retain(|(partition, error)| {
            // Whoever has it next puts again what was not marked.
            let goes = error.is_fault() && partitions.contains(partition);
            if goes {
                tracing::warn!(task = self.session.label, %partition, "let go unfinished: {error}");
            }
            !goes
        });
        self.note(&progress).await?;
        self.stalled(&progress.stalled)?;
        let offsets = self.schedule.to_commit();
        if !offsets.is_empty() {
            self.commit(offsets).await?;
        }
        for partition in &partitions {
            self.tell_lost(partition);
            if self.waiting.forget(partition) {
                self.session.resume(std::slice::from_ref(partition))?;
            }
        }
        self.session.consumer.unassign(&partitions).await?;
        for partition in &partitions {
            self.schedule.revoked(partition);
            self.kept.remove(partition);
        }
        Ok(())
    }

    async fn put(&mut self, fetched: Fetched) -> Result<(), TaskError> {
        let Fetched { partition, batch, next_offset, .. } = fetched;
        if batch.is_empty() {
            self.schedule.read(&partition, None, next_offset);
            return Ok(());
        }
        self.session.counters.read(batch.len() as u64, payload_bytes(&batch));
        let active = self.session.counters.awaits_commit(batch.len() as u64);
        self.session.counters.active.record(active);
        self.session.observer.read(&partition.topic);
        let put = Put { partition, batch: Arc::new(batch), next_offset, unwritten: 0 };
        if self.session.at_most_once {
            // Whatever becomes of them, they are done with.
            self.given(&put);
            self.mark(&put.partition, put.next_offset)?;
            self.commit(self.schedule.to_commit()).await?;
        }
        self.deliver(put).await
    }

    /// Puts records, for the first time or again.
    async fn deliver(&mut self, mut put: Put) -> Result<(), TaskError> {
        // They are given even if it fails: a sink that took some of them, and goes on
        // after these when they are put again, may say of these what became durable.
        self.given(&put);
        loop {
            let Put { partition, batch, .. } = &put;
            let taken = match self.plugin.put(partition, &partition.topic, batch.clone()).await {
                Ok(taken) => taken,
                Err(error) if error.is_fault() => return self.wait(put, &error),
                Err(error) => return Err(error),
            };
            if !taken.more && self.waiting.delivered(partition) {
                self.session.resume(std::slice::from_ref(partition))?;
            }
            let more = taken.more;
            self.answered(&mut put, taken).await?;
            if !more {
                break;
            }
        }
        let Put { batch, unwritten, .. } = &put;
        let written = batch.len().saturating_sub(*unwritten);
        self.session.counters.wrote(written as u64, payload_bytes(batch));
        #[cfg(feature = "sabotage")]
        if crate::sabotage::commits_before_marks() {
            let early = commits::commit(&put.partition, put.next_offset, &self.session.fleet);
            self.session.consumer.commit(&[early]).await?;
        }
        Ok(())
    }

    /// What nobody will write is written to the dead letters, and then need not be waited for.
    async fn answered(&mut self, put: &mut Put, taken: Taken) -> Result<(), TaskError> {
        let Put { partition, batch, unwritten, .. } = put;
        let Taken { rejects, filtered, .. } = taken;
        let mut undelivered = Vec::with_capacity(rejects.len() + filtered.len());
        for at in rejects.iter().map(|reject| reject.at).chain(filtered) {
            undelivered.push(batch.offset(at as usize).ok_or_else(|| {
                TaskError::reopen(format!(
                    "the plugin refused record {at} of a batch of {}",
                    batch.len()
                ))
            })?);
        }
        let letters = self.session.failures.records(partition, batch, &rejects)?;
        self.session.send(letters).await?;
        *unwritten += undelivered.len();
        for offset in undelivered {
            self.schedule.reject(partition, offset);
        }
        Ok(())
    }

    fn given(&mut self, put: &Put) {
        let offsets = &put.batch.columns.offset;
        let ends = offsets.first().copied().zip(offsets.last().copied());
        self.schedule.read(&put.partition, ends, put.next_offset);
    }

    /// A fault that may pass: this partition waits, and no other.
    fn wait(&mut self, put: Put, error: &TaskError) -> Result<(), TaskError> {
        let partition = put.partition.clone();
        let follows = self.waiting.put_again(put, error, self.began.elapsed());
        self.follow(&partition, error, follows)
    }

    fn follow(
        &self,
        partition: &TopicPartition,
        error: &TaskError,
        follows: Follows,
    ) -> Result<(), TaskError> {
        let (pause, begins) = match follows {
            Follows::Wait { pause, begins } => (pause, begins),
            Follows::GiveUp => return Err(TaskError::stop(format!("{partition}: {error}"))),
        };
        let session = &self.session;
        session.counters.errors.retry();
        session.observer.waits(partition, Some(&error.message));
        if begins || pause.is_some() {
            let pause_ms = pause.map(|pause| pause.as_millis() as u64);
            tracing::warn!(task = session.label, %partition, pause_ms, "waits: {error}");
        }
        if begins {
            session.consumer.pause(std::slice::from_ref(partition))?;
        }
        Ok(())
    }

    /// Takes over what became durable, as a `tick` or `drain` tells it of all
    /// partitions. One in trouble waits; if its fault is not one that may pass the
    /// session ends.
    async fn take(&mut self, progress: Progress) -> Result<(), TaskError> {
        self.note(&progress).await?;
        self.stalled(&progress.stalled)?;
        let still: Vec<_> = progress.stalled.into_iter().map(|(partition, _)| partition).collect();
        let mut well = self.waiting.recover(&still);
        well.retain(|partition| self.schedule.holds(partition));
        self.session.resume(&well)
    }

    async fn note(&mut self, progress: &Progress) -> Result<(), TaskError> {
        for late in &progress.rejects {
            let LateReject { partition, offset, .. } = late;
            // It would be read with the worker's rights, and put into the dead letters.
            let Some(given) = self.schedule.given(partition) else {
                let task = &self.session.label;
                tracing::warn!(task, %partition, offset, "refused a record of what is not held");
                continue;
            };
            if *offset >= given {
                return Err(TaskError::stop(format!(
                    "{partition}: the plugin refused offset {offset}, but was given records below \
                     {given} only"
                )));
            }
            let letters = self.session.failures.late(late, &*self.session.reread).await?;
            self.session.send(letters).await?;
            self.schedule.reject(partition, *offset);
        }
        for mark in &progress.marks {
            self.mark(&mark.partition, mark.next)?;
        }
        Ok(())
    }

    fn mark(&mut self, partition: &TopicPartition, next: i64) -> Result<(), TaskError> {
        let marked = self.schedule.mark(partition, next);
        marked.map_err(|error| TaskError::stop(format!("{partition}: {error}")))
    }

    fn stalled(&mut self, stalled: &[(TopicPartition, TaskError)]) -> Result<(), TaskError> {
        for (partition, error) in stalled {
            if !error.is_fault() {
                let message = format!("{partition}: {}", error.message);
                return Err(TaskError { message, remedy: error.remedy });
            }
            if self.schedule.holds(partition) {
                let follows = self.waiting.stall(partition, error, self.began.elapsed());
                self.follow(partition, error, follows)?;
            }
        }
        Ok(())
    }

    async fn commit(&mut self, offsets: Vec<(TopicPartition, i64)>) -> Result<(), TaskError> {
        longshore_broker::crash::point("sink-after-finish-before-commit");
        self.renew(offsets).await?;
        self.schedule.commits_after(self.began.elapsed());
        self.session.counters.committed();
        self.session.counters.active.record(0);
        self.session.progressed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Commits offsets, of which it may be that none moved.
    async fn renew(&mut self, offsets: Vec<(TopicPartition, i64)>) -> Result<(), TaskError> {
        let fleet = &self.session.fleet;
        let of = |(at, offset): &(TopicPartition, i64)| match self.kept.contains(at) {
            true => commits::commit_kept(at, *offset, fleet),
            false => commits::commit(at, *offset, fleet),
        };
        let commits: Vec<_> = offsets.iter().map(of).collect();
        let commit = async {
            self.session.writes.hold(self.session.consumer.commit(&commits)).await??;
            Ok::<_, TaskError>(())
        };
        self.session.counters.commits.measure(commit).await?;
        self.session.observer.committed(&commits);
        self.schedule.committed(&offsets);
        Ok(())
    }
}
