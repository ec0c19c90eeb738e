//! The worker as a member of its group, and its part as the leader.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::assignment::{Holding, assign};
use super::core::{Core, Led};
use super::herd::Event;
use super::herder::Leadership;
use super::plan::survey;
use super::protocol::{Assignment, Metadata};
use crate::kafka::group::{Assigned, Delegate, Lost, Member};

/// Answers the group's questions; what follows from them is the herd's.
pub(super) struct Voice {
    pub(super) core: Arc<Core>,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

#[async_trait]
impl Delegate for Voice {
    /// Nothing is given up before a join: what has to move is told by the
    /// assignment, and everything else goes on working through the rebalance.
    async fn join(&mut self) -> Bytes {
        self.core.metrics.rebalances.joins();
        let holding = self.core.holding.lock().expect("no holder panics").clone();
        let offset = self.core.logs.config.position();
        Metadata::new(&self.core.config.worker_id, offset, holding).encode().into()
    }

    async fn assign(&mut self, members: Vec<Member>) -> Result<Vec<(String, Bytes)>, String> {
        let _dealing = self.core.dealing.lock().await;
        self.core.logs.config.read_to_end().await.map_err(|error| error.to_string())?;
        let offset = self.core.logs.config.position();
        let work = survey(&self.core).await.map_err(|error| error.to_string())?;
        let mut holdings: BTreeMap<String, Holding> = BTreeMap::new();
        for member in members {
            match Metadata::decode(&member.metadata) {
                Ok(metadata) => drop(holdings.insert(member.member_id, metadata.holding)),
                // It gets nothing, and what it holds is not known: the others
                // go on.
                Err(error) => tracing::warn!(member = member.member_id, "left out: {error}"),
            }
        }
        self.core.led.send_modify(|led| led.deals(&work, holdings.values()));
        let answer = assign(&work, &holdings);
        let _ = self.events.send(Event::Dealt(work));
        let leader = &self.core.config.worker_id;
        Ok(answer
            .into_iter()
            .map(|(member, holding)| {
                (member, Assignment::new(leader, offset, holding).encode().into())
            })
            .collect())
    }

    async fn assigned(&mut self, assigned: Assigned) {
        self.core.metrics.rebalances.assigned();
        let is_leader = assigned.is_leader();
        let (holding, offset, leader) = match Assignment::decode(&assigned.assignment) {
            Ok(it) => (it.holding, it.config_offset, Leadership::Of(it.leader)),
            Err(error) => {
                tracing::warn!("this worker was given nothing to do: {error}");
                (Holding::default(), 0, Leadership::Unknown)
            }
        };
        // A worker behind the leader would act on connectors of the past.
        if let Err(error) = self.core.logs.config.read_to(offset).await {
            tracing::error!("{error}");
            return;
        }
        let leader = if is_leader { Leadership::Own } else { leader };
        self.core.led.send_modify(|led| led.leader = leader);
        self.core.generation.store(assigned.generation, Ordering::Relaxed);
        // A join before the herd has taken it up must tell of it as well: what
        // nobody tells of is given to another.
        self.core.holding.lock().expect("no holder panics").extend(&holding);
        let _ = self.events.send(Event::Assigned { holding, is_leader });
    }

    async fn lost(&mut self, why: Lost) {
        tracing::warn!(?why, "the membership of the worker group is lost: all tasks end");
        *self.core.holding.lock().expect("no holder panics") = Holding::default();
        self.core.led.send_replace(Led::default());
        let _ = self.events.send(Event::Lost);
    }
}
