//! A source's session: poll, produce, wait for every acknowledgement, save the
//! checkpoint, tell the plugin.
//!
//! [`InFlight`] keeps the order: a checkpoint is never written before its
//! records are durable, and the records of one poll at most are without one.
//! The next poll runs meanwhile.
//!
//! In a transaction ([`Delivery`]) a poll's records and its checkpoint become
//! visible together: `transaction.boundary=poll`. With `interval` (KIP-618) a
//! transaction holds the polls of a time, with `connector` those up to one that says so,
//! and the last checkpoint of each partition is saved at its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, OptionFuture};
use longshore_broker::crash;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use super::delivery::Delivery;
use super::error::TaskError;
use super::failures::{DeadLetters, Failures};
use super::inflight::{InFlight, Lot, Seal, Step};
use super::plugin::{Checkpoint, Next, Output, SourcePlugin, TransactionEnd};
use super::topics::OutputTopics;
use super::transforms::BatchTransform;
use super::unsealed::{Payload, Unsealed};
use super::writes::Writes;

mod intake;

use intake::Intake;

/// How long one poll may wait for something to read.
const POLL_WAIT: Duration = Duration::from_millis(200);
/// How long a source that has had nothing for long is left alone.
const IDLE_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Records of a poll, in bytes, that the plugin is asked for. It is also the
/// most that a crash repeats.
const POLL_BYTES: u32 = 1 << 20;

/// Where a source's checkpoints are kept.
pub trait CheckpointTopic: Send + Sync {
    /// The records that they are there; an error if the plugin's are none.
    fn records(&self, checkpoints: &[Checkpoint]) -> Result<Output, TaskError>;
}

/// What one transaction holds, where there are any: `transaction.boundary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// One poll.
    Poll,
    /// The polls of this time.
    Interval(Duration),
    /// Those up to one whose [`end`](Polled::end) says so.
    Connector,
}

/// What a source's session works with.
pub struct SourceSession {
    /// `connector-N`, for messages.
    pub label: String,
    /// Where records and checkpoints go, opened: what the plugin began with was
    /// read after that.
    pub delivery: Delivery,
    /// What checkpoints are there.
    pub checkpoints: Arc<dyn CheckpointTopic>,
    /// The right to write either.
    pub writes: Writes,
    /// The topics that the plugin may write to.
    pub topics: OutputTopics,
    /// What its records go through; `None` if nothing.
    pub transform: Option<BatchTransform>,
    /// Decides about what cannot become a record.
    pub failures: Failures,
    /// What a transaction holds.
    pub boundary: Boundary,
    /// The connector's counts.
    pub counters: Arc<Counters>,
    /// Told true once the plugin answered `done` and all of it is durable.
    pub done: watch::Sender<bool>,
    /// Notified when the plugin wants its tasks planned anew.
    pub replan: Arc<tokio::sync::Notify>,
    /// Set once something of this session became durable.
    pub progressed: Arc<AtomicBool>,
    /// Ends the session in order.
    pub stop: CancellationToken,
}

/// The plugin, and what takes in what it polls.
struct Guest {
    plugin: Box<dyn SourcePlugin>,
    intake: Intake,
}

/// What a poll brought.
struct Took {
    payload: Payload,
    next: Next,
    end: Option<TransactionEnd>,
}

type GuestCall = BoxFuture<'static, (Guest, Result<Option<Took>, TaskError>)>;
type Landing = BoxFuture<'static, Result<(), TaskError>>;

impl SourceSession {
    /// Runs until stopped or failed. The plugin is closed when the session
    /// ends in order, and dropped when it fails.
    pub async fn run(self, plugin: Box<dyn SourcePlugin>) -> Result<(), TaskError> {
        let (delivery, writes) = (self.delivery.clone(), self.writes.clone());
        delivery.during(&writes, self.serve(plugin)).await
    }

    async fn serve(mut self, plugin: Box<dyn SourcePlugin>) -> Result<(), TaskError> {
        let mut machine = InFlight::default();
        let intake = Intake {
            topics: self.topics.clone(),
            transform: self.transform.take(),
            failures: self.failures.clone(),
            counters: self.counters.clone(),
        };
        let mut guest = Some(Guest { plugin, intake });
        let mut call: OptionFuture<GuestCall> = None.into();
        let mut landing: OptionFuture<Landing> = None.into();
        let (mut waiting, mut unsealed) = (Payload::default(), Unsealed::default());
        let mut sealing = false;
        let mut acknowledged = 0;
        let mut pause_until: Option<Instant> = None;
        let mut last_record = Instant::now();
        let mut commit_at: Option<Instant> = None;
        let mut finished = false;
        // Only transactions have ends.
        let told_ends = self.boundary == Boundary::Connector && self.delivery.is_exactly_once();

        loop {
            let stopping = self.stop.is_cancelled();
            // Telling the plugin comes before asking it for more: a queue
            // upstream holds what was not acknowledged.
            if machine.durable() > acknowledged
                && let Some(guest) = guest.take()
            {
                acknowledged = machine.durable();
                call = Some(acknowledge(guest, acknowledged)).into();
            }
            let due = (stopping && !told_ends)
                || finished
                || commit_at.is_some_and(|at| at <= Instant::now());
            if due && machine.seal().is_some() {
                (sealing, commit_at) = (true, None);
                landing = Some(self.seal(std::mem::take(&mut unsealed))).into();
            }
            let may_make = guest.is_some() && !stopping && !finished && pause_until.is_none();
            while let Some(step) = machine.next(may_make && guest.is_some()) {
                match step {
                    Step::Make(_) => {
                        let guest = guest.take().expect("a poll starts with the guest at rest");
                        call = Some(poll(guest, told_ends)).into();
                    }
                    Step::Send(_) => {
                        let outputs = std::mem::take(&mut waiting.outputs);
                        let letters = match told_ends {
                            true => unsealed.overflow(&mut waiting),
                            false => waiting.letters.take().into_iter().collect(),
                        };
                        unsealed.add(std::mem::take(&mut waiting));
                        if let Boundary::Interval(interval) = self.boundary {
                            commit_at.get_or_insert_with(|| Instant::now() + interval);
                        }
                        landing = Some(self.send(outputs, letters)).into();
                    }
                    Step::Seal(_) => {
                        (sealing, commit_at) = (true, None);
                        unsealed.add(std::mem::take(&mut waiting));
                        landing = Some(self.seal(std::mem::take(&mut unsealed))).into();
                    }
                }
            }
            // A poll that brought nothing is durable at once, one without records has nothing
            // in flight, and nothing would wake this loop to acknowledge or seal it.
            let waits_for_its_seal = due && machine.rests() && !machine.is_idle();
            if waits_for_its_seal || (machine.durable() > acknowledged && guest.is_some()) {
                continue;
            }
            if machine.is_idle() && guest.is_some() && machine.durable() == acknowledged {
                if finished {
                    self.done.send_if_modified(|done| !std::mem::replace(done, true));
                }
                if stopping {
                    break;
                }
            }
            if told_ends && stopping && guest.is_some() && machine.rests() {
                // Nobody said that it ends here: it is read again.
                let _ = self.writes.hold(self.delivery.abort()).await;
                break;
            }

            tokio::select! {
                Some((back, answer)) = &mut call => {
                    call = None.into();
                    guest = Some(back);
                    if let Some(Took { payload, next, end }) = answer? {
                        waiting = payload;
                        let came = !waiting.outputs.is_empty() || waiting.letters.is_some();
                        // Records in a transaction are durable once it is committed.
                        let committed = came && self.delivery.is_exactly_once();
                        let nothing = !committed && waiting.saved.is_empty();
                        let interval = matches!(self.boundary, Boundary::Interval(_));
                        let seal = match end {
                            Some(_) => Seal::AtOnce,
                            None if nothing => Seal::Nothing,
                            None if told_ends => Seal::Later,
                            None if committed && interval && !due && next != Next::Done => {
                                Seal::Later
                            }
                            None => Seal::AtOnce,
                        };
                        // Where the plugin may give them up, letters wait for the seal.
                        let letters = match told_ends {
                            true => unsealed.overflows(&waiting),
                            false => waiting.letters.is_some(),
                        };
                        let records = !waiting.outputs.is_empty() || letters;
                        if !records && seal == Seal::Later {
                            unsealed.add(std::mem::take(&mut waiting));
                        }
                        machine.made(Lot { records, seal });
                        if came {
                            last_record = Instant::now();
                        }
                        let pause = || (!came).then(|| Instant::now() + idle_pause(last_record.elapsed()));
                        match next {
                            Next::More => {}
                            Next::Idle => pause_until = pause(),
                            Next::Done => finished = true,
                            Next::Replan => {
                                self.replan.notify_one();
                                pause_until = pause();
                            }
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
                    } else {
                        crash::point("source-after-produce-before-checkpoint");
                        if let Some(Step::Seal(_)) = machine.sent() {
                            (sealing, commit_at) = (true, None);
                            landing = Some(self.seal(std::mem::take(&mut unsealed))).into();
                        }
                    }
                }
                () = sleep_until(pause_until) => pause_until = None,
                () = sleep_until(commit_at), if !due && !sealing => {}
                () = self.stop.cancelled(), if !stopping => {}
            }
        }
        if let Some(guest) = guest {
            guest.plugin.close().await;
        }
        Ok(())
    }

    fn send(&self, outputs: Vec<Output>, letters: Vec<DeadLetters>) -> Landing {
        let (delivery, counters) = (self.delivery.clone(), self.counters.clone());
        let writes = self.writes.clone();
        let records: usize = outputs.iter().map(|output| output.batch.len()).sum();
        counters.awaits_commit(records as u64);
        Box::pin(async move {
            let sent = async {
                delivery.begin().await?;
                crash::point("source-after-begin");
                delivery.send(&counters, outputs, None).await?;
                for letters in letters {
                    delivery.send_dead_letters(&counters, Some(letters)).await?;
                }
                Ok(())
            };
            writes.hold(sent).await?
        })
    }

    fn seal(&self, unsealed: Unsealed) -> Landing {
        let (delivery, checkpoints) = (self.delivery.clone(), self.checkpoints.clone());
        let (failures, label) = (self.failures.clone(), self.label.clone());
        let (counters, writes) = (self.counters.clone(), self.writes.clone());
        Box::pin(async move {
            let sealed = async {
                if unsealed.aborts {
                    delivery.abort().await;
                    counters.committed();
                    unsealed.given_up(&counters, &label);
                }
                delivery.begin().await?;
                for letters in unsealed.letters {
                    delivery.send_dead_letters(&counters, Some(letters)).await?;
                }
                if !unsealed.saved.is_empty() {
                    let records = checkpoints.records(&unsealed.saved)?;
                    let topic = records.topic.clone();
                    delivery.send(&counters, vec![records], Some(&topic)).await?;
                }
                crash::point("source-after-checkpoint-before-commit");
                delivery.commit().await?;
                failures.committed();
                Ok::<_, TaskError>(())
            };
            let held = Box::pin(async { writes.hold(sealed).await? });
            counters.commits.measure(held).await?;
            let records = counters.committed();
            if delivery.is_exactly_once() && records > 0 {
                counters.transactions.record(records);
            }
            crash::point("source-after-commit");
            Ok(())
        })
    }
}

fn poll(mut guest: Guest, told_ends: bool) -> GuestCall {
    Box::pin(async move {
        let polled = async {
            let polled = guest.plugin.poll(POLL_WAIT, POLL_BYTES).await?;
            let (next, end) = (polled.next, polled.end.filter(|_| told_ends));
            let payload = guest.intake.take(polled, end).await?;
            Ok(Some(Took { payload, next, end }))
        };
        let answer = polled.await;
        (guest, answer)
    })
}

fn acknowledge(mut guest: Guest, polls: u64) -> GuestCall {
    Box::pin(async move {
        let done = guest.plugin.committed(polls).await;
        (guest, done.map(|()| None))
    })
}

/// A source that has nothing is left alone for a moment, even when it answers at once
/// instead of waiting; the longer it has had nothing, the longer. A worker has a thousand.
fn idle_pause(without_records: Duration) -> Duration {
    (without_records / 10).clamp(POLL_WAIT, IDLE_PAUSE_MAX)
}

/// Never returns for `None`.
pub(super) async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_without_records_is_asked_less_and_less_often_but_once_a_second() {
        let pause = |seconds| idle_pause(Duration::from_secs(seconds));
        assert_eq!(pause(0), POLL_WAIT);
        assert_eq!(pause(5), Duration::from_millis(500));
        assert_eq!(pause(1_000_000), Duration::from_secs(1));
    }
}
