//! The worker as a member of its group, and its part as the leader.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::assignment::{Holding, assign};
use super::compacted::LogError;
use super::core::{Core, Led};
use super::fencing;
use super::herd::Event;
use super::herder::Leadership;
use super::plan::survey;
use super::protocol::{Assignment, Metadata};
use super::returns::{Present, Returns};
use crate::kafka::group::{Assigned, Delegate, Lost, Member};

/// Answers the group's questions; what follows from them is the herd's.
pub(super) struct Voice {
    core: Arc<Core>,
    events: mpsc::UnboundedSender<Event>,
    /// As the leader: who is waited for.
    returns: Returns,
    /// The group has heard that this worker leaves.
    announced: bool,
    /// Rebalances again when a wait is over.
    looking_again: Option<AbortHandle>,
}

impl Voice {
    /// That of a worker that has not joined yet.
    pub(super) fn new(core: Arc<Core>, events: mpsc::UnboundedSender<Event>) -> Self {
        Self { core, events, returns: Returns::default(), announced: false, looking_again: None }
    }

    /// Rebalances again when the wait for a worker is over.
    fn look_again(&mut self) {
        if let Some(former) = self.looking_again.take() {
            former.abort();
        }
        let Some(deadline) = self.returns.deadline() else { return };
        let events = self.events.clone();
        let looking = tokio::spawn(async move {
            tokio::time::sleep_until(deadline).await;
            let _ = events.send(Event::WaitOver);
        });
        self.looking_again = Some(looking.abort_handle());
    }
}

#[async_trait]
impl Delegate for Voice {
    /// Nothing is given up before a join: what has to move is told by the
    /// assignment, and everything else goes on working through the rebalance.
    async fn join(&mut self) -> Bytes {
        self.core.metrics.rebalances.joins();
        // It could not tell what to do, as the leader not even the others: it stays out,
        // and its work goes to others, until it can.
        self.core.logs.config.followed().await;
        let holding = self.core.told.lock().expect("no holder panics").join();
        let position = position(&self.core);
        self.announced = self.core.leaving.load(Ordering::Acquire);
        let metadata = Metadata::new(&self.core.config.worker_id, position, holding);
        metadata.leaving(self.announced).encode().into()
    }

    async fn assign(&mut self, members: Vec<Member>) -> Result<Vec<(String, Bytes)>, String> {
        let core = self.core.clone();
        let _dealing = core.dealing.lock().await;
        fencing::fence_former_leader(&core).await;
        core.logs.config.read_to_end().await.map_err(|error| error.to_string())?;
        let (config_topic, offset) = position(&core);
        let survey = survey(&core).await.map_err(|error| error.to_string())?;
        let mut present: BTreeMap<String, Metadata> = BTreeMap::new();
        let mut strangers = Vec::new();
        for member in members {
            match Metadata::decode(&member.metadata) {
                Ok(metadata) if metadata.reads(config_topic) => {
                    present.insert(member.member_id, metadata);
                }
                Ok(metadata) => strangers.push((member.member_id, metadata)),
                // It gets nothing, and what it holds is not known: the others
                // go on.
                Err(error) => tracing::warn!(member = member.member_id, "left out: {error}"),
            }
        }
        let held: Vec<&Holding> = present.values().map(|metadata| &metadata.holding).collect();
        let reserved = self.returns.rebalance(
            Instant::now(),
            self.core.config.scheduled_rebalance_max_delay,
            &present.values().map(Metadata::present).collect::<Vec<_>>(),
        );
        for name in &survey.unread {
            tracing::warn!(
                connector = name,
                "the leader has no such plugin, or it takes no such configuration: the \
                 connector's partitions stay as they are dealt out"
            );
        }
        let work = survey.dealt_out(held.iter().copied().chain([&reserved]));
        self.core.led.send_modify(|led| led.deals(&work, held.iter().copied()));
        fencing::fence_lost(&self.core, &work, &[held, vec![&reserved]].concat()).await;

        let staying = present.iter().filter(|(_, metadata)| !metadata.leaving);
        let holdings: BTreeMap<String, Holding> =
            staying.map(|(id, metadata)| (id.clone(), metadata.holding.clone())).collect();
        let leaving = present.values().filter(|metadata| metadata.leaving);
        let leaving: Vec<&Holding> = leaving.map(|metadata| &metadata.holding).collect();
        let mut answer = assign(&work, &holdings, &reserved, &leaving);
        let mut given = BTreeMap::new();
        let leader = &core.config.worker_id;
        let position = (config_topic, offset);
        let mut assignments = Vec::with_capacity(present.len() + strangers.len());
        for (member, metadata) in present {
            let holding = answer.remove(&member).unwrap_or_default();
            if !metadata.leaving {
                given.insert(metadata.worker_id, holding.clone());
            }
            let assignment = Assignment::new(leader, position, holding);
            assignments.push((member, assignment.encode().into()));
        }
        for (member, metadata) in strangers {
            tracing::error!(
                worker = metadata.worker_id,
                "it gets nothing to do: its `config.storage.topic` is `{}`, this fleet's is \
                 `{config_topic}`. Two fleets need a `group.id` each",
                metadata.config_topic
            );
            let nothing = Assignment::new(leader, position, Holding::default());
            assignments.push((member, nothing.encode().into()));
        }
        self.returns.give(given);
        self.look_again();
        let _ = self.events.send(Event::Dealt(survey));
        Ok(assignments)
    }

    async fn assigned(&mut self, assigned: Assigned) {
        self.core.metrics.rebalances.assigned();
        let is_leader = assigned.is_leader();
        let (holding, offset, leader) = match Assignment::decode(&assigned.assignment) {
            Ok(it) if !it.reads(self.core.logs.config.topic()) => {
                tracing::error!(
                    "the group `{}` is another fleet's: its leader {} keeps connectors in \
                     `{}`, this worker in `{}`. Two fleets need a `group.id` each",
                    self.core.config.group_id,
                    it.leader,
                    it.config_topic,
                    self.core.logs.config.topic()
                );
                return;
            }
            Ok(it) => (it.holding, it.config_offset, Leadership::Of(it.leader)),
            Err(error) => {
                tracing::warn!("this worker was given nothing to do: {error}");
                (Holding::default(), 0, Leadership::Unknown)
            }
        };
        // A worker behind the leader would act on connectors of the past.
        while let Err(error) = self.core.logs.config.read_to(offset).await {
            tracing::error!("{error}");
            // Nobody would give this assignment again.
            match error {
                LogError::Unfollowed { .. } => self.core.logs.config.followed().await,
                _ => return,
            }
        }
        let leader = if is_leader { Leadership::Own } else { leader };
        self.core.led.send_modify(|led| led.leader = leader);
        self.core.generation.store(assigned.generation, Ordering::Relaxed);
        // A join before the herd has taken it up must tell of it as well: what
        // nobody tells of is given to another.
        let word = self.core.told.lock().expect("no holder panics").given(&holding);
        let announced = self.announced;
        let _ = self.events.send(Event::Assigned { holding, is_leader, announced, word });
    }

    async fn lost(&mut self, why: Lost) {
        tracing::warn!(?why, "the membership of the worker group is lost: all tasks end");
        let word = self.core.told.lock().expect("no holder panics").lost();
        self.core.led.send_replace(Led::default());
        self.returns = Returns::default();
        let _ = self.events.send(Event::Lost { word });
    }
}

/// The config topic, and how far this worker has read it.
fn position(core: &Core) -> (&str, i64) {
    let log = &core.logs.config;
    (log.topic(), log.position())
}

impl Metadata {
    fn present(&self) -> Present<'_> {
        let Self { worker_id, holding, leaving, .. } = self;
        Present { worker_id, holding, leaving: *leaving }
    }
}
