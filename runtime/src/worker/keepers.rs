//! What is PAUSED keeps its offsets: a group without members forgets them after a time
//! (`offsets.retention.minutes`). A paused task of Kafka Connect stays a member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::assignment::covers;
use super::core::Core;
use super::herd::Event;
use super::herder::TaskId;
use crate::kafka::{OffsetCommit, TopicPartition};
use crate::task::commits::{self, Positions};
use crate::task::error::TaskError;
use crate::task::writes::Writes;

/// The first time is soon: a fleet may be rolled more often than offsets are renewed.
const FIRST: Duration = Duration::from_secs(60);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(600);

/// Whoever commits the offsets of the paused tasks that are assigned to this worker.
pub(super) struct Keepers {
    core: Arc<Core>,
    events: mpsc::UnboundedSender<Event>,
    all: BTreeMap<TaskId, Keeper>,
}

struct Keeper {
    shares: BTreeSet<TopicPartition>,
    stop: CancellationToken,
    ended: CancellationToken,
    abort: AbortHandle,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl Keepers {
    pub(super) fn new(core: Arc<Core>, events: mpsc::UnboundedSender<Event>) -> Self {
        Self { core, events, all: BTreeMap::new() }
    }

    /// Keeps the offsets of these tasks, and of no others.
    pub(super) fn keep(&mut self, paused: BTreeMap<TaskId, BTreeSet<TopicPartition>>) {
        self.all.retain(|_, keeper| !keeper.ended.is_cancelled());
        for (id, keeper) in &self.all {
            if paused.get(id) != Some(&keeper.shares) {
                keeper.stop.cancel();
            }
        }
        for (id, shares) in paused {
            // A source has none.
            if !shares.is_empty() && !self.all.contains_key(&id) {
                let keeper = self.start(&id, shares);
                self.all.insert(id, keeper);
            }
        }
    }

    fn start(&self, id: &TaskId, shares: BTreeSet<TopicPartition>) -> Keeper {
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (stopped, end) = (stop.clone(), ended.clone().drop_guard());
        let (core, events) = (self.core.clone(), self.events.clone());
        let (name, kept) = (id.connector.clone(), shares.clone());
        let keeping = tokio::spawn(async move {
            keep(&core, &name, &kept, &stopped).await;
            drop(end);
            let _ = events.send(Event::HeldLess);
        });
        Keeper { shares, stop, ended, abort: keeping.abort_handle() }
    }

    /// Those that have not ended, and what they may still commit: nobody else is to.
    pub(super) fn held(&self) -> impl Iterator<Item = (&TaskId, &BTreeSet<TopicPartition>)> {
        let running = self.all.iter().filter(|(_, keeper)| !keeper.ended.is_cancelled());
        running.map(|(id, keeper)| (id, &keeper.shares))
    }

    /// Whether the one of this task has not ended.
    pub(super) fn keeps(&self, id: &TaskId) -> bool {
        self.all.get(id).is_some_and(|keeper| !keeper.ended.is_cancelled())
    }

    /// The membership is gone.
    pub(super) fn lost(&mut self) {
        self.all.clear();
    }
}

async fn keep(
    core: &Core,
    name: &str,
    shares: &BTreeSet<TopicPartition>,
    stop: &CancellationToken,
) {
    let every = core.config.recommit_every;
    let mut pause = FIRST.min(every);
    loop {
        let renewed = async {
            tokio::time::sleep(pause).await;
            // Of the membership in which it is read.
            let writes = core.writes();
            Ok::<_, TaskError>((writes, committed(core, name, shares).await?))
        };
        let renewed = tokio::select! {
            () = stop.cancelled() => return,
            renewed = renewed => renewed,
        };
        // Not to be left half-way: it would be committed over what comes next.
        let renewed = match renewed {
            Ok((writes, again)) => commit(core, name, &writes, &again).await,
            Err(error) => Err(error),
        };
        pause = match renewed {
            Ok(()) => every,
            Err(error) => {
                tracing::warn!(connector = name, "its offsets are not committed anew: {error}");
                AGAIN.min(every)
            }
        };
    }
}

/// What the group has of these.
async fn committed(
    core: &Core,
    name: &str,
    shares: &BTreeSet<TopicPartition>,
) -> Result<Vec<OffsetCommit>, TaskError> {
    let (admin, group) = (core.clients.admin(), commits::group_of(name));
    let all = admin.committed_offsets(&group, None).await?.into_keys();
    let mine: Vec<_> = all.filter(|at| covers(shares, at)).collect();
    // What a transaction holds back would come before this, and be older.
    let committed = admin.stable_offsets(&group, &mine).await?;
    let again = committed.iter().map(|(partition, committed)| OffsetCommit {
        partition: partition.clone(),
        offset: committed.offset,
        metadata: committed.metadata.clone(),
    });
    let again = again.collect();
    Positions::of_this_fleet(committed, &group, &core.config.group_id)?;
    Ok(again)
}

async fn commit(
    core: &Core,
    name: &str,
    writes: &Writes,
    again: &[OffsetCommit],
) -> Result<(), TaskError> {
    let (admin, group) = (core.clients.admin(), commits::group_of(name));
    Ok(writes.hold(admin.commit_offsets(&group, again)).await??)
}
