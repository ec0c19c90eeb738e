//! The place of a task on this worker: its run, what it is told, and what it holds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::herd::Event;
use super::herder::{ConnectorConfig, TaskId};
use super::panics::caught;
use super::runner::{Outcome, Runner};
use crate::kafka::TopicPartition;

/// A task asks for another plan no more often than this.
pub(super) const ASK_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    Stopping,
    Failed,
}

/// A task as it is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) config: ConnectorConfig,
    /// Which of the generations, where none may run beside another.
    pub(super) generation: Option<i64>,
}

/// A task on this worker.
pub(super) struct Slot {
    pub(super) run: u64,
    pub(super) task: Task,
    pub(super) phase: Phase,
    /// What it has not let go of; gone when its run is.
    pub(super) held: watch::Receiver<BTreeSet<TopicPartition>>,
    shares: watch::Sender<BTreeSet<TopicPartition>>,
    stop: CancellationToken,
    abort: AbortHandle,
}

impl Slot {
    /// Starts the run of that number.
    pub(super) fn start(
        core: &Arc<Core>,
        events: &mpsc::UnboundedSender<Event>,
        run: u64,
        id: &TaskId,
        task: Task,
        shares: BTreeSet<TopicPartition>,
    ) -> Self {
        let (shares, wanted) = watch::channel(shares);
        let (held, holds) = watch::channel(BTreeSet::new());
        let stop = CancellationToken::new();
        let runner = Runner {
            core: core.clone(),
            connector: core.connector(&id.connector),
            id: id.clone(),
            config: task.config.clone(),
            generation: task.generation,
            shares: wanted,
            held,
            replan: Arc::new(Notify::new()),
            stop: stop.clone(),
            started: Arc::default(),
            rooms: Arc::default(),
        };
        let watching = tokio::spawn(watch_over(runner, run, events.clone(), holds.clone()));
        let (abort, phase) = (watching.abort_handle(), Phase::Running);
        Self { run, task, phase, held: holds, shares, stop, abort }
    }

    /// Tells the task which partitions are its own now.
    pub(super) fn assign(&self, shares: BTreeSet<TopicPartition>) {
        self.shares.send_if_modified(|now| {
            let modified = *now != shares;
            *now = shares;
            modified
        });
    }

    /// Has the run end in order.
    pub(super) fn stop(&mut self) {
        self.stop.cancel();
        self.phase = Phase::Stopping;
    }
}

/// Without its slot nobody would stop a task: a herd that is dropped takes its
/// tasks along.
impl Drop for Slot {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

/// Runs a task. A panic, which is a bug of this worker, fails it with what the
/// panic said: nobody would wait for an end that never comes.
async fn outcome_of(runner: Runner) -> Outcome {
    let (failing, began) = (runner.clone(), Instant::now());
    caught(runner.run()).await.unwrap_or_else(|said| {
        failing.held.send_replace(BTreeSet::new());
        failing.fail(said, began.elapsed())
    })
}

/// Runs a task and tells the herd what it must know of it.
async fn watch_over(
    runner: Runner,
    run: u64,
    events: mpsc::UnboundedSender<Event>,
    mut held: watch::Receiver<BTreeSet<TopicPartition>>,
) {
    let (id, replan) = (runner.id.clone(), runner.replan.clone());
    let mut running = Box::pin(outcome_of(runner));
    let mut ask_at = tokio::time::Instant::now();
    loop {
        let event = tokio::select! {
            outcome = &mut running => {
                let _ = events.send(Event::Ended { id, run, outcome });
                return;
            }
            Ok(()) = held.changed() => Event::HeldLess,
            () = async { tokio::time::sleep_until(ask_at).await; replan.notified().await } => {
                ask_at = tokio::time::Instant::now() + ASK_PAUSE;
                Event::Replan(id.connector.clone())
            }
        };
        let _ = events.send(event);
    }
}
