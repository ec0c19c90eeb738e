//! What the herd does while its worker leads: it looks whether there is something else
//! to run than what was dealt out, and has the former tasks of sources fenced.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::config::SourceSupport;
use super::core::Core;
use super::generations::{self, Ending};
use super::herd::Event;
use super::plan::{self, Survey};

/// The leader's part of the herd. Where another worker leads it does nothing.
pub(super) struct Leader {
    core: Arc<Core>,
    events: mpsc::UnboundedSender<Event>,
    /// This worker leads.
    pub(super) leads: bool,
    /// Sources whose former tasks are being fenced.
    fencing: BTreeSet<String>,
    /// What was dealt out last, if this worker did it.
    dealt: Option<Survey>,
    surveying: bool,
    survey_again: bool,
}

impl Leader {
    /// Somebody else leads so far.
    pub(super) fn new(core: Arc<Core>, events: mpsc::UnboundedSender<Event>) -> Self {
        Self {
            core,
            events,
            leads: false,
            fencing: BTreeSet::new(),
            dealt: None,
            surveying: false,
            survey_again: false,
        }
    }

    /// This was dealt out.
    pub(super) fn dealt(&mut self, work: Survey) {
        self.dealt = Some(work);
    }

    /// Looks whether there is something else to run than what was dealt out.
    pub(super) fn survey(&mut self) {
        if !self.leads {
            return;
        }
        if self.surveying {
            self.survey_again = true;
            return;
        }
        self.surveying = true;
        let (core, events) = (self.core.clone(), self.events.clone());
        tokio::spawn(async move {
            let work = plan::survey(&core).await;
            let work = work.inspect_err(|error| tracing::warn!("topics cannot be listed: {error}"));
            let _ = events.send(Event::Surveyed(work.ok()));
        });
    }

    /// Takes in what there is to run: true when that has to be dealt out. One look asks
    /// for one rebalance.
    #[must_use]
    pub(super) fn surveyed(&mut self, work: Option<Survey>) -> bool {
        self.surveying = false;
        let deals = self.leads && work.is_some() && work != self.dealt;
        if deals {
            self.dealt = work;
        }
        if std::mem::take(&mut self.survey_again) {
            self.survey();
        }
        deals
    }

    /// Sees to it that tasks which were planned anew may start. `endings` are the runs of
    /// a source that end on this worker.
    pub(super) fn fence_former(&mut self, endings: impl Fn(&str) -> Vec<Ending>) {
        let support = self.core.config.exactly_once_sources;
        if !self.leads || support == SourceSupport::Disabled {
            return;
        }
        let unfenced: Vec<String> = {
            let configs = self.core.configs.read().expect("no holder panics");
            let all = configs.unfenced().filter(|name| !self.fencing.contains(*name));
            all.map(str::to_owned).collect()
        };
        for name in unfenced {
            let endings = endings(&name);
            self.fencing.insert(name.clone());
            let (core, events) = (self.core.clone(), self.events.clone());
            tokio::spawn(async move {
                generations::fence_former(&core, &name, endings).await;
                let _ = events.send(Event::Fenced(name));
            });
        }
    }

    /// A source's former tasks are fenced, or another leader sees to it.
    pub(super) fn fenced(&mut self, name: &str) {
        self.fencing.remove(name);
    }
}
