//! The herd: what this worker runs, brought in line with what it is assigned.
//!
//! One loop owns the tasks. Every event changes what is known; then
//! [`Herd::reconcile`] compares what runs with what should, and starts and
//! stops accordingly. So it does not matter in which order assignments,
//! configurations and ends of tasks come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::assignment::Holding;
use super::config::SourceSupport;
use super::config_state::Change;
use super::connections;
use super::core::{Core, label};
use super::herder::{ConnectorConfig, State, TaskId};
use super::inter_worker;
use super::keepers::Keepers;
use super::leader::Leader;
use super::options;
use super::plan::Survey;
use super::planner::Planner;
use super::records::{Restart, Status, StatusKey, TargetState};
use super::runner::Outcome;
use super::slot::{ASK_PAUSE, Phase, Slot, Task};
use super::uploads;
use crate::kafka::TopicPartition;
use crate::logging;
use crate::task::error::TaskError;

/// How long what this worker has let go of waits for more of it, when something hangs.
const GIVE_AWAY_PAUSE: Duration = Duration::from_secs(1);

/// What the herd reacts to.
pub(super) enum Event {
    /// The group has rebalanced.
    Assigned {
        holding: Holding,
        is_leader: bool,
        /// The leader knows that this worker leaves.
        announced: bool,
        /// The number of this word of the group.
        word: u64,
    },
    /// The membership is gone: others may run the tasks already.
    Lost { word: u64 },
    /// The config topic changed.
    Config(Change),
    /// A version of a plugin came or went; or another is active.
    Plugin { class: String, switched: bool },
    /// The leader dealt this out.
    Dealt(Survey),
    /// There is this to run, fleet-wide; `None` when the cluster did not say.
    Surveyed(Option<Survey>),
    /// A task ended. Runs are numbered, since a late word of an earlier one
    /// must not be taken for the present one's.
    Ended { id: TaskId, run: u64, outcome: Outcome },
    /// Time to start again a task whose run failed, if it is there still.
    StartAgain { id: TaskId, run: u64 },
    /// A task let partitions go.
    HeldLess,
    /// This worker told this of a task, and then the status topic another's word.
    Contradicted { id: TaskId, own: Status },
    /// A source wants its tasks planned anew.
    Replan(String),
    /// A source's former tasks are fenced, or another leader sees to it.
    Fenced(String),
    /// A plan was made and written, or failed.
    Planned { name: String, outcome: Result<(), TaskError> },
    /// Time to plan again what failed before.
    PlanAgain(String),
    /// Answer, as a sign of life.
    AreYouThere(oneshot::Sender<()>),
    /// The wait for a worker that may return is over.
    WaitOver,
    /// Stop everything in order, then answer.
    Shutdown(oneshot::Sender<()>),
    /// The leader has not answered that it knows of the shutdown: it goes on without.
    Unheard,
}

/// The loop's state.
pub(super) struct Herd {
    pub(super) core: Arc<Core>,
    events: mpsc::UnboundedSender<Event>,
    rejoin: Arc<dyn Fn() + Send + Sync>,
    assigned: Holding,
    /// How many words of the group it has taken up.
    words: u64,
    slots: BTreeMap<TaskId, Slot>,
    keepers: Keepers,
    planner: Planner,
    leader: Leader,
    /// Something was taken away that nobody else gets before this worker let
    /// go of it and joined again.
    owes_rejoin: bool,
    /// How much of that it had when it told the group last.
    told_surplus: usize,
    /// When it tells that it has less, though not nothing.
    rejoin_at: Option<Instant>,
    runs: u64,
    leaving: Option<oneshot::Sender<()>>,
    /// The shutdown waits until the leader knows of it.
    announcing: bool,
}

impl Herd {
    /// Nothing runs yet. `rejoin` makes the group rebalance.
    pub(super) fn new(
        core: Arc<Core>,
        events: mpsc::UnboundedSender<Event>,
        rejoin: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            planner: Planner::new(core.clone(), events.clone()),
            leader: Leader::new(core.clone(), events.clone()),
            keepers: Keepers::new(core.clone(), events.clone()),
            core,
            events,
            rejoin,
            assigned: Holding::default(),
            words: 0,
            slots: BTreeMap::new(),
            owes_rejoin: false,
            told_surplus: 0,
            rejoin_at: None,
            runs: 0,
            leaving: None,
            announcing: false,
        }
    }

    /// Runs until shut down.
    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Event>) {
        let mut refresh = tokio::time::interval(self.core.config.topic_refresh_interval);
        refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = inbox.recv() => match event {
                    Some(event) => self.on(event),
                    None => return,
                },
                _ = refresh.tick() => self.leader.survey(),
            }
            while let Ok(event) = inbox.try_recv() {
                self.on(event);
            }
            self.reconcile();
            let is_idle = self.slots.is_empty() && self.keepers.held().next().is_none();
            if self.leaving.is_some() && is_idle && !self.announcing {
                if let Some(done) = self.leaving.take() {
                    let _ = done.send(());
                }
                return;
            }
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Assigned { holding, is_leader, announced, word } => {
                self.words = word;
                self.leader.leads = is_leader;
                self.announcing &= !announced;
                if self.leaving.is_none() {
                    // It told the group that it had all this, running or not, and
                    // may have told it again before it heard of this.
                    let lost = !self.assigned.is_within(&holding);
                    self.assigned = holding;
                    let surplus = self.surplus();
                    let told = self.core.told.lock().expect("no holder panics");
                    // What it lost and does not run is to be dealt out though the rest hangs.
                    self.told_surplus = told.beyond(&self.assigned);
                    self.owes_rejoin |= lost || self.told_surplus.max(surplus) > 0;
                }
                self.core.ready.store(true, Ordering::Release);
                if is_leader {
                    tokio::spawn(self.core.clone().forget_deleted());
                }
                // What changed while the group rebalanced was not dealt out.
                self.leader.survey();
            }
            Event::Lost { word } => {
                self.words = word;
                self.lost();
            }
            Event::Config(Change::Connector(name)) => self.changed(&name),
            Event::Config(Change::Restart(name, restart)) => self.restart(&name, &restart),
            Event::Config(Change::Logger(namespace, level)) => match logging::level(&level) {
                Some(level) => {
                    if let Err(error) = self.core.config.loggers.set(&namespace, level) {
                        tracing::warn!("levels of logging stay as they were: {error}");
                    }
                }
                None => tracing::warn!(namespace, level, "is no level of logging"),
            },
            Event::Config(Change::Connection(name)) => self.reconnect(&name),
            Event::Config(Change::None) | Event::HeldLess => {}
            Event::Plugin { class, switched } => self.replug(&class, switched),
            Event::Dealt(work) => self.leader.dealt(work),
            Event::Surveyed(work) => {
                if self.leader.surveyed(work) && self.leaving.is_none() {
                    (self.rejoin)();
                }
            }
            Event::Ended { id, run, outcome } => self.ended(&id, run, outcome),
            Event::StartAgain { id, run } => self.start_again(&id, run),
            Event::Contradicted { id, own } => {
                if self.slots.contains_key(&id) {
                    self.core.tell_again(id, own);
                }
            }
            Event::Replan(name) => self.replan(name),
            Event::Fenced(name) => self.leader.fenced(&name),
            Event::Planned { name, outcome } => match self.assigned.connectors.contains(&name) {
                true => self.planner.finished(name, outcome),
                false => self.planner.disowned(&name),
            },
            Event::PlanAgain(name) => self.planner.again(&name),
            // Whoever asked may have gone.
            Event::AreYouThere(asked) => {
                let _ = asked.send(());
            }
            Event::WaitOver => {
                if self.leader.leads && self.leaving.is_none() {
                    (self.rejoin)();
                }
            }
            Event::Shutdown(done) => {
                self.assigned = Holding::default();
                self.leaving = Some(done);
                self.announce();
            }
            Event::Unheard => self.announcing = false,
        }
    }

    /// Tells the leader that this worker is being stopped, so that its work waits
    /// for it. A leader leaves without: what it knows goes with it.
    fn announce(&mut self) {
        let config = &self.core.config;
        let is_follower = self.core.ready.load(Ordering::Acquire) && !self.leader.leads;
        if !is_follower || config.scheduled_rebalance_max_delay.is_zero() {
            return;
        }
        self.announcing = true;
        self.core.leaving.store(true, Ordering::Release);
        (self.rejoin)();
        // The others hear of it with their next heartbeats.
        let (patience, events) = (3 * config.heartbeat_interval(), self.events.clone());
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            let _ = events.send(Event::Unheard);
        });
    }

    /// The membership is gone: nothing may be written any more, not even an
    /// orderly end.
    fn lost(&mut self) {
        self.announcing = false;
        self.slots.clear();
        self.keepers.lost();
        // Records of tasks that were just aborted are still with the client.
        self.core.producers.give_up();
        self.assigned = Holding::default();
        self.leader.leads = false;
        self.core.ready.store(false, Ordering::Release);
    }

    fn changed(&mut self, name: &str) {
        self.core.connector(name).forget_failures();
        let exists = self.core.configs.read().expect("no holder panics").get(name).is_some();
        self.planner.changed(name);
        self.forget_progress(name);
        if !exists {
            self.planner.forget(name);
            self.core.connectors.write().expect("no holder panics").remove(name);
            // As Kafka Connect's owner does; the leader where there is none just now.
            if self.leader.leads || self.assigned.connectors.contains(name) {
                tokio::spawn(self.core.clone().forget_deleted());
            }
        }
        self.leader.survey();
    }

    /// A connection is another now, or what its references stand for. Tasks that
    /// have it open were told; what failed with the old one may work with this.
    fn reconnect(&mut self, connection: &str) {
        for name in connections::users(&self.core, connection) {
            self.planner.changed(&name);
            if self.assigned.connectors.contains(&name) {
                self.planner.force(&name);
            }
            self.slots.retain(|id, slot| id.connector != name || slot.phase != Phase::Failed);
        }
    }

    /// Another version of a plugin is active, or there: its tasks are opened with
    /// it, those that name their version only if they failed.
    fn replug(&mut self, class: &str, switched: bool) {
        let connectors: Vec<(String, bool)> = {
            let configs = self.core.configs.read().expect("no holder panics");
            let all = uploads::connectors_of(&configs, class);
            let follows = |config: &ConnectorConfig| !config.contains_key(options::PLUGIN_VERSION);
            all.map(|(name, config)| (name.to_owned(), switched && follows(config))).collect()
        };
        for (name, is_other) in connectors {
            self.planner.changed(&name);
            if is_other && self.assigned.connectors.contains(&name) {
                self.planner.force(&name);
            }
            for (id, slot) in self.slots.iter_mut().filter(|(id, _)| id.connector == name) {
                if is_other && slot.phase == Phase::Running {
                    self.core.tell(StatusKey::Task(id.clone()), State::Restarting, None);
                    slot.stop();
                }
            }
            self.slots.retain(|id, slot| id.connector != name || slot.phase != Phase::Failed);
        }
        // What its role is may be known only now.
        self.leader.survey();
    }

    /// A task wants its connector planned anew, by whoever owns that.
    fn replan(&mut self, name: String) {
        if self.assigned.connectors.contains(&name) {
            self.planner.force(&name);
            return;
        }
        let (core, events) = (self.core.clone(), self.events.clone());
        tokio::spawn(async move {
            if let Err(error) = inter_worker::ask_to_plan(&core, &name).await {
                tracing::warn!(connector = name, "its owner is not asked to plan it: {error}");
                tokio::time::sleep(ASK_PAUSE).await;
                let _ = events.send(Event::Replan(name));
            }
        });
    }

    fn restart(&mut self, name: &str, restart: &Restart) {
        if restart.replan {
            // Should it be nobody's just now, its next owner knows of it.
            self.planner.force(name);
            return;
        }
        self.core.connector(name).forget_failures();
        let owner = self.assigned.connectors.contains(name);
        if owner && restart.task.is_none() {
            self.planner.restart(name, restart.only_failed);
        }
        let mut drop = Vec::new();
        for (id, slot) in self.slots.iter_mut().filter(|(id, _)| id.connector == name) {
            let meant = match restart.task {
                Some(task) => id.task == task,
                None => restart.include_tasks,
            };
            match slot.phase {
                _ if !meant => {}
                Phase::Failed => drop.push(id.clone()),
                Phase::Running if !restart.only_failed => {
                    self.core.tell(StatusKey::Task(id.clone()), State::Restarting, None);
                    slot.stop();
                }
                Phase::Running | Phase::Stopping => {}
            }
        }
        for id in drop {
            self.slots.remove(&id);
        }
    }

    fn ended(&mut self, id: &TaskId, run: u64, outcome: Outcome) {
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.run == run) else { return };
        match outcome {
            // It stays in its place: only a restart or a change moves it.
            Outcome::Failed { restart } if slot.phase == Phase::Running => {
                slot.phase = Phase::Failed;
                if let Some(pause) = restart {
                    let (events, id) = (self.events.clone(), id.clone());
                    tokio::spawn(async move {
                        tokio::time::sleep(pause).await;
                        let _ = events.send(Event::StartAgain { id, run });
                    });
                }
            }
            Outcome::Failed { .. } | Outcome::Stopped => {
                self.slots.remove(id);
                self.tell_idle(id);
                self.forget_progress(&id.connector);
            }
        }
    }

    /// Only what still stands where it failed: whoever looked after it meanwhile
    /// began another run.
    fn start_again(&mut self, id: &TaskId, run: u64) {
        let stands = |slot: &Slot| slot.run == run && slot.phase == Phase::Failed;
        // What is not to run any more is told by `reconcile`, which needs its slot.
        if self.slots.get(id).is_some_and(stands) && self.wanted().contains_key(id) {
            tracing::info!(task = label(id), "starts again");
            self.core.tell(StatusKey::Task(id.clone()), State::Restarting, None);
            self.slots.remove(id);
        }
    }

    /// A stopped connector's offsets may be changed: what was committed and
    /// finished here says nothing of them any more.
    fn forget_progress(&self, name: &str) {
        let configs = self.core.configs.read().expect("no holder panics");
        if configs.get(name).is_some_and(|entry| entry.target == TargetState::Stopped) {
            let connector = self.core.connector(name);
            connector.positions.write().expect("no holder panics").clear();
            connector.done.lock().expect("no holder panics").clear();
        }
    }

    /// The state of a task that this worker runs no more.
    fn tell_idle(&self, id: &TaskId) {
        let key = StatusKey::Task(id.clone());
        let target = {
            let configs = self.core.configs.read().expect("no holder panics");
            let entry = configs.get(&id.connector);
            entry.filter(|entry| (id.task as usize) < entry.tasks.len()).map(|entry| entry.target)
        };
        match target {
            None => self.core.forget(key),
            Some(TargetState::Started) => self.core.tell(key, State::Unassigned, None),
            Some(TargetState::Paused) => self.core.tell(key, State::Paused, None),
            Some(TargetState::Stopped) => self.core.tell(key, State::Stopped, None),
        }
    }

    /// Brings what runs in line with what should.
    fn reconcile(&mut self) {
        let wanted = self.wanted();
        let mut gone = Vec::new();
        for (id, slot) in &mut self.slots {
            let (task, shares) = match wanted.get(id) {
                Some((task, shares)) => (Some(task), shares.clone()),
                None => (None, BTreeSet::new()),
            };
            match slot.phase {
                Phase::Running if task == Some(&slot.task) => slot.assign(shares),
                Phase::Running => slot.stop(),
                Phase::Failed if task != Some(&slot.task) => gone.push(id.clone()),
                Phase::Failed | Phase::Stopping => {}
            }
        }
        for id in gone {
            self.slots.remove(&id);
            self.tell_idle(&id);
        }
        self.keepers.keep(self.paused());
        for (id, (task, shares)) in wanted {
            if !self.slots.contains_key(&id) && !self.keepers.keeps(&id) {
                self.runs += 1;
                let slot = Slot::start(&self.core, &self.events, self.runs, &id, task, shares);
                self.slots.insert(id, slot);
            }
        }
        self.leader.fence_former(|name| {
            let of_it = self.slots.iter().filter(|(id, _)| id.connector == name);
            let ending = of_it.filter(|(_, slot)| slot.phase == Phase::Stopping);
            ending.map(|(_, slot)| slot.held.clone()).collect()
        });
        if self.leaving.is_none() {
            self.planner.run(&self.assigned.connectors);
        }
        self.core.told.lock().expect("no holder panics").holds(self.holding(), self.words);
        // A worker that leaves tells once more by leaving.
        if self.owes_rejoin && self.leaving.is_none() {
            self.give_away();
        }
    }

    /// Has the group deal out what this worker has let go of: all at once if it can, and
    /// what there is after a pause if something hangs, which holds up nothing else.
    fn give_away(&mut self) {
        let surplus = self.surplus();
        let due = self.rejoin_at.is_some_and(|at| at <= Instant::now());
        if surplus == 0 || due {
            self.owes_rejoin = surplus > 0;
            self.told_surplus = surplus;
            self.rejoin_at = None;
            (self.rejoin)();
        } else if surplus < self.told_surplus && self.rejoin_at.is_none() {
            let at = Instant::now() + GIVE_AWAY_PAUSE;
            self.rejoin_at = Some(at);
            let events = self.events.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(at).await;
                let _ = events.send(Event::HeldLess);
            });
        }
    }

    /// The tasks assigned here that are not to run for now, and run no more.
    fn paused(&self) -> BTreeMap<TaskId, BTreeSet<TopicPartition>> {
        let configs = self.core.configs.read().expect("no holder panics");
        let is_paused = |id: &TaskId| {
            let entry = configs.get(&id.connector);
            entry.is_some_and(|entry| entry.target == TargetState::Paused)
        };
        let idle = self.assigned.tasks.iter().filter(|(id, _)| !self.slots.contains_key(*id));
        let paused = idle.filter(|(id, _)| is_paused(id));
        paused.map(|(id, shares)| (id.clone(), shares.clone())).collect()
    }

    /// The tasks assigned here that have a configuration and are to run.
    fn wanted(&self) -> BTreeMap<TaskId, (Task, BTreeSet<TopicPartition>)> {
        let fences = self.core.config.exactly_once_sources == SourceSupport::Enabled;
        let configs = self.core.configs.read().expect("no holder panics");
        let mut wanted = BTreeMap::new();
        for (id, shares) in &self.assigned.tasks {
            let Some(entry) = configs.get(&id.connector) else { continue };
            if entry.target != TargetState::Started {
                continue;
            }
            if let Some(config) = entry.runnable_tasks().get(id.task as usize) {
                let generation = entry.source_generation().filter(|_| fences);
                let task = Task { config: config.clone(), generation };
                wanted.insert(id.clone(), (task, shares.clone()));
            }
        }
        wanted
    }

    /// What this worker has not let go of.
    fn holding(&self) -> Holding {
        let mut holding = self.assigned.clone();
        let mut hold = |id: &TaskId, held: &BTreeSet<TopicPartition>| {
            let shares = holding.tasks.entry(id.clone()).or_default();
            shares.extend(held.iter().cloned());
        };
        self.slots.iter().for_each(|(id, slot)| hold(id, &slot.held.borrow()));
        self.keepers.held().for_each(|(id, held)| hold(id, held));
        holding
    }

    /// How many tasks and partitions this worker still has that are no longer assigned
    /// here.
    fn surplus(&self) -> usize {
        let of = |id: &TaskId, held: &BTreeSet<TopicPartition>| {
            let assigned = self.assigned.tasks.get(id);
            assigned.map_or(1 + held.len(), |shares| held.difference(shares).count())
        };
        let of_slots = self.slots.iter().map(|(id, slot)| of(id, &slot.held.borrow()));
        of_slots.chain(self.keepers.held().map(|(id, held)| of(id, held))).sum()
    }
}
