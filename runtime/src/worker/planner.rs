//! Planning of the connectors that this worker owns: when it is due, what
//! follows from its failure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::config_state::ConnectorEntry;
use super::core::Core;
use super::herd::Event;
use super::herder::State;
use super::options::Options;
use super::panics::caught;
use super::plan;
use super::records::{StatusKey, TargetState};
use super::restarts::{RestartPolicy, Restarts};
use crate::task::backoff::{Backoff, Patience, Verdict};
use crate::task::error::TaskError;

/// Where one connector's planning is.
#[derive(Default)]
struct Planning {
    running: bool,
    /// Planned even though its tasks seem right.
    forced: bool,
    /// It failed, and is tried again after a pause.
    waiting: bool,
    /// It failed for good: the connector is FAILED.
    failed: bool,
    backoff: Backoff,
    /// Failures for good in a row.
    restarts: Restarts,
}

/// Plans in jobs of their own; their ends come back as events.
pub(super) struct Planner {
    core: Arc<Core>,
    events: mpsc::UnboundedSender<Event>,
    all: BTreeMap<String, Planning>,
}

impl Planner {
    /// Nothing is planned yet.
    pub(super) fn new(core: Arc<Core>, events: mpsc::UnboundedSender<Event>) -> Self {
        Self { core, events, all: BTreeMap::new() }
    }

    /// Its tasks are planned anew, at once or when this worker owns it.
    pub(super) fn force(&mut self, name: &str) {
        self.all.entry(name.to_owned()).or_default().forced = true;
    }

    /// Somebody restarts the connector.
    pub(super) fn restart(&mut self, name: &str, only_failed: bool) {
        let planning = self.all.entry(name.to_owned()).or_default();
        if planning.failed || !only_failed {
            planning.forced = true;
            (planning.failed, planning.waiting) = (false, false);
        }
    }

    /// The connector changed: whatever was wrong with it may be mended.
    pub(super) fn changed(&mut self, name: &str) {
        if let Some(planning) = self.all.get_mut(name) {
            (planning.failed, planning.waiting) = (false, false);
            planning.backoff = Backoff::default();
            planning.restarts = Restarts::default();
        }
    }

    /// The connector is gone.
    pub(super) fn forget(&mut self, name: &str) {
        self.all.remove(name);
    }

    /// The pause after a failure is over.
    pub(super) fn again(&mut self, name: &str) {
        if let Some(planning) = self.all.get_mut(name) {
            // What forced a plan that failed still asks for it.
            planning.forced |= planning.waiting || planning.failed;
            (planning.failed, planning.waiting) = (false, false);
        }
    }

    /// Plans what is due among `owned`, and tells the others' state.
    pub(super) fn run(&mut self, owned: &BTreeSet<String>) {
        let mut due = Vec::new();
        // Should it be this worker's again, another's plan may have been wrong meanwhile.
        for (_, planning) in self.all.iter_mut().filter(|(name, _)| !owned.contains(*name)) {
            planning.forced |= planning.failed || planning.waiting;
            (planning.failed, planning.waiting) = (false, false);
        }
        {
            let configs = self.core.configs.read().expect("no holder panics");
            for name in owned {
                let Some(entry) = configs.get(name) else { continue };
                let planning = self.all.entry(name.clone()).or_default();
                let blocked = planning.running || planning.waiting || planning.failed;
                match entry.target {
                    TargetState::Paused => self.tell(name, State::Paused),
                    TargetState::Stopped => self.tell(name, State::Stopped),
                    TargetState::Started if blocked => {}
                    TargetState::Started if entry.needs_plan() || planning.forced => {
                        (planning.running, planning.forced) = (true, false);
                        due.push(name.clone());
                    }
                    TargetState::Started => self.tell(name, State::Running),
                }
            }
        }
        for name in due {
            self.core.metrics.connector_starts.attempted();
            let (core, events) = (self.core.clone(), self.events.clone());
            tokio::spawn(async move {
                let planned = caught(plan::plan(core, name.clone())).await;
                let outcome = planned.unwrap_or_else(|said| Err(TaskError::stop(said)));
                let _ = events.send(Event::Planned { name, outcome });
            });
        }
    }

    /// Tells the state of a connector that has nothing left to do.
    fn tell(&self, name: &str, state: State) {
        let told = self.core.statuses.connector(name);
        let is_told = told.is_some_and(|status| {
            status.state == state && status.worker_id == self.core.config.worker_id
        });
        if !is_told {
            self.core.tell(StatusKey::Connector(name.to_owned()), state, None);
        }
    }

    /// A plan ended of a connector that is another worker's now, which plans it and
    /// tells how that goes. Should it be this one's again, nothing is known of it.
    pub(super) fn disowned(&mut self, name: &str) {
        if let Some(planning) = self.all.get_mut(name) {
            (planning.running, planning.forced) = (false, true);
        }
    }

    /// A plan was made and written, or failed.
    pub(super) fn finished(&mut self, name: String, outcome: Result<(), TaskError>) {
        let Some(planning) = self.all.get_mut(&name) else { return };
        planning.running = false;
        let Err(error) = outcome else {
            self.core.metrics.connector_starts.succeeded();
            planning.backoff = Backoff::default();
            planning.restarts = Restarts::default();
            return;
        };
        self.core.metrics.connector_starts.failed();
        let config = &self.core.config;
        let patience = Patience {
            reopen_max: config.task_reopen_max,
            pause_max: config.retry_delay_max,
            retry_timeout: None,
        };
        tracing::warn!(connector = name, "its tasks cannot be planned: {error}");
        let key = StatusKey::Connector(name.clone());
        match planning.backoff.decide(&patience, &error, false, Duration::ZERO, 0.0) {
            Verdict::GiveUp => {
                planning.failed = true;
                let restart = planning.restarts.failed(&policy(&self.core, &name), Duration::ZERO);
                let trace = match &restart {
                    Some(restart) => restart.announce(&error.message),
                    None => error.message,
                };
                self.core.tell(key, State::Failed, Some(trace));
                if let Some(restart) = restart {
                    self.plan_after(restart.after, name);
                }
            }
            Verdict::After(pause) => {
                planning.waiting = true;
                self.core.tell(key, State::Restarting, Some(error.message));
                self.plan_after(pause, name);
            }
        }
    }

    fn plan_after(&self, pause: Duration, name: String) {
        let events = self.events.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = events.send(Event::PlanAgain(name));
        });
    }
}

/// How a connector that FAILED is started again.
fn policy(core: &Core, name: &str) -> RestartPolicy {
    let Some(kind) = core.kind_of(name) else { return RestartPolicy::default() };
    let configs = core.configs.read().expect("no holder panics");
    let read = |entry: &ConnectorEntry| Options::read(kind, &entry.config, &core.config).ok();
    let options = configs.get(name).and_then(read);
    options.map(|options| options.restarts).unwrap_or_default()
}
