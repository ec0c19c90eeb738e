//! A processor's session for one partition number: process, produce outputs
//! and state changes, wait for every acknowledgement, commit the inputs.
//!
//! [`InFlight`] keeps the order: offsets are committed only for inputs whose
//! outputs and state are durable, and one batch at most is without its commit;
//! the next one is processed meanwhile, over state that runs ahead of what is
//! committed. So after any failure the instance is dropped, and the next one
//! begins with the state that the changelog has.
//!
//! In a transaction ([`Delivery`]) outputs, state changes and offsets become
//! visible together, and a batch whose commit did not come is as if it had never
//! been processed. Without one it is processed again, over state that may hold
//! part of it already.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, OptionFuture};
use longshore_broker::crash;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::{Backoff, Patience, Verdict, chance};
use super::commits;
use super::counters::{Counters, payload_bytes};
use super::delivery::Delivery;
use super::error::TaskError;
use super::failures::{DeadLetters, Failures};
use super::inflight::{InFlight, Lot, Seal, Step};
use super::plugin::{Output, Processed, ProcessorPlugin};
use super::topics::OutputTopics;
use super::writes::Writes;
use crate::batch::Batch;
use crate::kafka::{Admin, Consumer, Fetched, OffsetCommit, OffsetReset, TopicPartition};

mod begin;
mod renewal;

use renewal::Renewal;

/// Input of one call, and so of one transaction, in bytes; it is also the most
/// that a crash repeats.
const BATCH_BYTES: usize = 1 << 20;
/// How long one read waits for something to come.
const READ_WAIT: Duration = Duration::from_secs(1);

/// Who is told what a processor or sink reads, and its offsets as they are
/// committed.
pub trait CommitObserver: Send + Sync {
    /// The group has these now.
    fn committed(&self, offsets: &[OffsetCommit]);
    /// Records of this topic came, once a batch.
    fn read(&self, topic: &str);
    /// This partition waits for a system, in these words; or no longer.
    fn waits(&self, partition: &TopicPartition, why: Option<&str>);
}

/// What a processor's session for one partition number works with.
pub struct ProcessorSession {
    /// `connector-N`, for messages.
    pub label: String,
    /// The fleet's `group.id`.
    pub fleet: String,
    /// The connector's group.
    pub group: String,
    /// The input partitions of this number.
    pub inputs: Vec<TopicPartition>,
    /// The changelog's partition of this number.
    pub changelog: TopicPartition,
    /// A share of the connector's consumer, nothing assigned yet.
    pub consumer: Arc<dyn Consumer>,
    /// Asked what the group has of inputs that are none any more.
    pub admin: Arc<dyn Admin>,
    /// What the changelog is read with: what an aborted transaction wrote there is
    /// no state, whatever of the inputs is read.
    pub changes: Arc<dyn Consumer>,
    /// How often the session commits offsets anew that have not moved.
    pub recommit_every: Duration,
    /// What to do about a position that the log does not have.
    pub offset_reset: OffsetReset,
    /// Where outputs and state changes go, and how offsets go with them.
    pub delivery: Delivery,
    /// The right to write there, and to commit.
    pub writes: Writes,
    /// The topics that the plugin may write to.
    pub topics: OutputTopics,
    /// Decides about records that the plugin refuses.
    pub failures: Failures,
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

type Guest = Box<dyn ProcessorPlugin>;
type Made = (Guest, Result<Option<(Fetched, Arc<Batch>, Processed)>, TaskError>);
type Landing = BoxFuture<'static, Result<(), TaskError>>;

/// A processed batch on its way.
#[derive(Default)]
struct Payload {
    outputs: Vec<Output>,
    letters: Option<DeadLetters>,
    offsets: Vec<OffsetCommit>,
}

/// Whether `offsets` are others than those being committed, or committed before.
/// (A read that finds the end again brings nothing.)
fn moves(
    offsets: &[OffsetCommit],
    flying: &[OffsetCommit],
    committed: &HashMap<TopicPartition, i64>,
) -> bool {
    offsets.iter().any(|commit| {
        let ahead = flying.iter().find(|ahead| ahead.partition == commit.partition);
        let known = ahead.map(|ahead| ahead.offset);
        known.or_else(|| committed.get(&commit.partition).copied()) != Some(commit.offset)
    })
}

impl ProcessorSession {
    /// Restores the state, then runs until stopped or failed.
    pub async fn run(self, plugin: Guest) -> Result<(), TaskError> {
        let (delivery, writes) = (self.delivery.clone(), self.writes.clone());
        delivery.during(&writes, self.serve(plugin)).await
    }

    async fn serve(self, mut plugin: Guest) -> Result<(), TaskError> {
        // What a predecessor left open would still change state and offsets. Not to be
        // left half-way: a takeover that is still on its way when the next owner has
        // taken over fences that one.
        self.writes.hold(self.delivery.open()).await??;
        if self.stop.is_cancelled() {
            plugin.close().await;
            return Ok(());
        }
        let has_state = self.restore(&mut *plugin).await?;
        // What was restored until then says nothing.
        if self.stop.is_cancelled() {
            plugin.close().await;
            return Ok(());
        }
        let mut positions = self.start(has_state).await?;

        let mut machine = InFlight::default();
        let mut guest = Some(plugin);
        let mut making: OptionFuture<BoxFuture<'static, Made>> = None.into();
        let mut landing: OptionFuture<Landing> = None.into();
        let (mut waiting, mut flying) = (Payload::default(), Vec::new());
        let mut sealing = false;
        let mut renewal = Renewal::every(self.recommit_every);

        loop {
            let stopping = self.stop.is_cancelled();
            while !renewal.flies()
                && let Some(step) = machine.next(!stopping)
            {
                match step {
                    Step::Make(_) => {
                        let plugin = guest.take().expect("one batch is made at a time");
                        making = Some(self.make(plugin)).into();
                    }
                    Step::Send(_) => {
                        let payload = std::mem::take(&mut waiting);
                        flying = payload.offsets;
                        landing = Some(self.send(payload.outputs, payload.letters)).into();
                    }
                    Step::Seal(_) => {
                        sealing = true;
                        flying = std::mem::take(&mut waiting).offsets;
                        landing = Some(self.seal(&mut flying, &mut renewal, &positions)).into();
                    }
                }
            }
            if stopping && machine.is_idle() && !renewal.flies() {
                break;
            }
            // The next batch may be on its way from the plugin, as it nearly always is.
            if machine.has_landed() && renewal.begins() {
                let mut all = Vec::new();
                self.add_others(&mut all, &positions);
                renewal.fly(self.renew(all));
            }
            tokio::select! {
                Some((plugin, made)) = &mut making => {
                    making = None.into();
                    guest = Some(plugin);
                    match made? {
                        None => machine.nothing_made(),
                        Some((fetched, batch, processed)) => {
                            waiting = self.take(&fetched, &batch, processed)?;
                            let records =
                                !waiting.outputs.is_empty() || waiting.letters.is_some();
                            let moved = moves(&waiting.offsets, &flying, &positions);
                            machine.made(Lot { records, seal: if records || moved { Seal::AtOnce } else { Seal::Nothing } });
                        }
                    }
                }
                Some(landed) = &mut landing => {
                    landing = None.into();
                    landed?;
                    // What was sent in a transaction is nothing before its commit.
                    if sealing || !self.delivery.is_exactly_once() {
                        self.progressed.store(true, Ordering::Relaxed);
                    }
                    if sealing {
                        sealing = false;
                        machine.sealed();
                        for commit in flying.drain(..) {
                            positions.insert(commit.partition, commit.offset);
                        }
                    } else {
                        crash::point("processor-after-produce-before-commit");
                        machine.sent();
                        sealing = true;
                        landing = Some(self.seal(&mut flying, &mut renewal, &positions)).into();
                    }
                }
                renewed = renewal.changes() => renewed?,
            }
        }
        self.consumer.unassign(&self.inputs).await?;
        if let Some(plugin) = guest {
            plugin.close().await;
        }
        Ok(())
    }

    /// Begins the commit of a lot's offsets, with those of all other inputs: what belongs
    /// to one state expires together, or an input without an offset would be processed
    /// again beside others that have theirs.
    fn seal(
        &self,
        flying: &mut Vec<OffsetCommit>,
        renewal: &mut Renewal,
        positions: &HashMap<TopicPartition, i64>,
    ) -> Landing {
        renewal.begins();
        self.add_others(flying, positions);
        self.commit(flying.clone())
    }

    /// Adds where the inputs are of which nothing is committed just now.
    fn add_others(
        &self,
        offsets: &mut Vec<OffsetCommit>,
        positions: &HashMap<TopicPartition, i64>,
    ) {
        for (at, offset) in positions {
            if !offsets.iter().any(|commit| commit.partition == *at) {
                offsets.push(commits::commit(at, *offset, &self.fleet));
            }
        }
    }

    /// Reads and processes one batch. `None`: nothing came, or the task stops. A
    /// fault that may pass keeps this partition number waiting, and no other.
    fn make(&self, mut plugin: Guest) -> BoxFuture<'static, Made> {
        let (consumer, stop, counters) =
            (self.consumer.clone(), self.stop.clone(), self.counters.clone());
        let (label, patience) = (self.label.clone(), self.patience);
        let observer = self.observer.clone();
        Box::pin(async move {
            let fetched = tokio::select! {
                biased;
                () = stop.cancelled() => return (plugin, Ok(None)),
                fetched = consumer.next(BATCH_BYTES, READ_WAIT) => fetched,
            };
            let mut fetched = match fetched {
                Ok(Some(fetched)) => fetched,
                Ok(None) => return (plugin, Ok(None)),
                Err(error) => return (plugin, Err(error.into())),
            };
            let batch = Arc::new(std::mem::take(&mut fetched.batch));
            if batch.is_empty() {
                return (plugin, Ok(Some((fetched, batch, Processed::default()))));
            }
            counters.read(batch.len() as u64, payload_bytes(&batch));
            counters.active.record(counters.awaits_commit(batch.len() as u64));
            let (mut backoff, began) = (Backoff::default(), Instant::now());
            loop {
                let processed = plugin.process(&fetched.partition.topic, batch.clone()).await;
                let error = match processed {
                    Ok(processed) => {
                        observer.waits(&fetched.partition, None);
                        return (plugin, Ok(Some((fetched, batch, processed))));
                    }
                    Err(error) => error,
                };
                let verdict = match error.is_fault() {
                    true => backoff.decide(&patience, &error, false, began.elapsed(), chance()),
                    false => return (plugin, Err(error)),
                };
                let Verdict::After(pause) = verdict else {
                    return (plugin, Err(TaskError::stop(error.message)));
                };
                counters.errors.retry();
                observer.waits(&fetched.partition, Some(&error.message));
                let pause_ms = pause.as_millis() as u64;
                tracing::warn!(task = label, pause_ms, "the same records again: {error}");
                tokio::select! {
                    () = stop.cancelled() => {
                        // It may go on elsewhere, while others of this task stay.
                        observer.waits(&fetched.partition, None);
                        return (plugin, Ok(None));
                    }
                    () = tokio::time::sleep(pause) => {}
                }
            }
        })
    }

    fn take(
        &self,
        fetched: &Fetched,
        batch: &Batch,
        processed: Processed,
    ) -> Result<Payload, TaskError> {
        self.observer.read(&fetched.partition.topic);
        let letters = self.failures.records(&fetched.partition, batch, &processed.rejects)?;
        let mut outputs = processed.outputs;
        self.topics.check(&outputs)?;
        self.topics.used(&outputs)?;
        let state = Output {
            topic: self.changelog.topic.to_string(),
            partition: Some(self.changelog.partition),
            batch: processed.changes,
        };
        outputs.push(state);
        outputs.retain(|output: &Output| !Batch::is_empty(&output.batch));
        let offset = commits::commit(&fetched.partition, fetched.next_offset, &self.fleet);
        Ok(Payload { outputs, letters, offsets: vec![offset] })
    }

    fn send(&self, outputs: Vec<Output>, letters: Option<DeadLetters>) -> Landing {
        let (delivery, counters) = (self.delivery.clone(), self.counters.clone());
        let (changelog, writes) = (self.changelog.topic.clone(), self.writes.clone());
        Box::pin(async move {
            let sent = async {
                delivery.begin().await?;
                crash::point("processor-after-begin");
                delivery.send(&counters, outputs, Some(&changelog)).await?;
                delivery.send_dead_letters(&counters, letters).await
            };
            writes.hold(sent).await?
        })
    }

    /// Commits a lot's offsets.
    fn commit(&self, offsets: Vec<OffsetCommit>) -> Landing {
        let (counters, failures) = (self.counters.clone(), self.failures.clone());
        let committed = self.renew(offsets);
        Box::pin(async move {
            committed.await?;
            counters.committed();
            failures.committed();
            crash::point("processor-after-commit");
            Ok(())
        })
    }

    /// Commits offsets that say nothing new, or with what is sent in the transaction.
    fn renew(&self, offsets: Vec<OffsetCommit>) -> Landing {
        if offsets.is_empty() {
            return Box::pin(std::future::ready(Ok(())));
        }
        let (delivery, consumer) = (self.delivery.clone(), self.consumer.clone());
        let (group, writes) = (self.group.clone(), self.writes.clone());
        let (observer, counters) = (self.observer.clone(), self.counters.clone());
        Box::pin(async move {
            let committed = async {
                match &delivery {
                    Delivery::AtLeastOnce(_) => consumer.commit(&offsets).await?,
                    Delivery::ExactlyOnce(transactions) => {
                        transactions.send_offsets(&group, &offsets).await?;
                        crash::point("processor-after-offsets-before-commit");
                        transactions.commit().await?;
                    }
                }
                Ok::<_, TaskError>(())
            };
            let held = async { writes.hold(committed).await? };
            counters.commits.measure(held).await?;
            observer.committed(&offsets);
            Ok(())
        })
    }
}
