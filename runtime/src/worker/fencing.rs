//! Producers of lost owners, fenced by the leader before it gives their work to
//! others, as Kafka Connect's leader does before a source's tasks start (KIP-618).
//!
//! The next owner takes the ids over itself, before it reads what it goes on from,
//! so a zombie writes nothing in any case. This ends the transactions that were
//! left open: readers behind them go on before the next owner is so far, and other
//! tasks' starts need not wait for them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use longshore_broker::crash;

use super::assignment::{Holding, Work};
use super::config::SourceSupport;
use super::core::Core;
use super::guarantees::Guarantee;
use super::herder::{ConnectorKind, Leadership, State, TaskId};
use crate::kafka::Admin;

/// Requests under way at once.
const AT_ONCE: usize = 16;
/// The work is given away after this all the same: a request that arrives late fences
/// nobody but the owner that was lost ([`Admin::fence_producer`]).
const TIME_MAX: Duration = Duration::from_secs(3);

/// Fences the producers of all tasks in `work` that nobody holds though somebody
/// ran them, and did not end them in order: the status topic tells.
pub(super) async fn fence_lost(core: &Core, work: &BTreeMap<String, Work>, held: &[&Holding]) {
    let mut ids = Vec::new();
    for (name, work) in work {
        lost_ids(core, name, work, held, &mut ids);
    }
    if ids.is_empty() {
        return;
    }
    tracing::info!(count = ids.len(), "fencing the producers of lost tasks");
    let (admin, timeout) = (core.clients.admin(), core.config.transaction_timeout());
    let admin: &dyn Admin = &*admin;
    let all = stream::iter(ids).for_each_concurrent(AT_ONCE, |id| async move {
        if let Err(error) = admin.fence_producer(&id, timeout).await {
            tracing::warn!("left to the task's next owner: {error}");
        }
        crash::point("leader-while-fencing-lost");
    });
    if tokio::time::timeout(TIME_MAX, all).await.is_err() {
        tracing::warn!("not all producers of lost tasks are fenced; the others are by their tasks");
    }
}

/// Ends what the leader before this one left open in the config topic, which nobody reads
/// past: before the new one reads it to its end, to deal out by it.
pub(super) async fn fence_former_leader(core: &Core) {
    let leads = core.led.borrow().leader == Leadership::Own;
    if leads || core.config.exactly_once_sources == SourceSupport::Disabled {
        return;
    }
    let (admin, timeout) = (core.clients.admin(), core.config.transaction_timeout());
    let id = core.config.leader_transactional_id();
    match tokio::time::timeout(TIME_MAX, admin.fence_producer(&id, timeout)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("the leader before is not fenced yet: {error}"),
        Err(_) => tracing::warn!(id, "the leader before is not fenced yet: no answer in time"),
    }
}

/// The transactional ids of a connector's lost tasks.
fn lost_ids(core: &Core, name: &str, work: &Work, held: &[&Holding], ids: &mut Vec<String>) {
    let is_lost = |task: &u32| {
        let id = TaskId { connector: name.to_owned(), task: *task };
        let was_running = core.statuses.task(&id).is_some_and(|status| {
            matches!(status.state, State::Running | State::Restarting | State::Failed)
        });
        was_running && !held.iter().any(|holding| holding.tasks.contains_key(&id))
    };
    let lost: Vec<u32> = (0..work.tasks).filter(is_lost).collect();
    if lost.is_empty() {
        return;
    }
    match core.kind_of(name) {
        Some(ConnectorKind::Source)
            if core.config.exactly_once_sources == SourceSupport::Enabled =>
        {
            ids.extend(lost.iter().map(|task| core.config.transactional_id(name, task)));
        }
        Some(ConnectorKind::Processor) if is_exactly_once(core, name) => {
            // Which numbers those tasks had, nobody told: all that nobody has.
            let of_others = |share| {
                let mut others = held.iter().flat_map(|holding| &holding.tasks);
                others.any(|(id, shares)| id.connector == name && shares.contains(share))
            };
            let free = work.shares.iter().filter(|share| !of_others(*share));
            ids.extend(free.map(|share| core.config.transactional_id(name, share.partition)));
        }
        _ => {}
    }
}

fn is_exactly_once(core: &Core, name: &str) -> bool {
    let configs = core.configs.read().expect("no holder panics");
    let entry = configs.get(name);
    entry.is_some_and(|entry| {
        Guarantee::of(ConnectorKind::Processor, &entry.config) == Guarantee::ExactlyOnceV2
    })
}
