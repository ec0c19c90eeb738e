//! The leader's right to change what the fleet goes by, in the config and plugin topics.
//!
//! As in Kafka Connect (KIP-618), the leader writes there as the `transactional.id`
//! `connect-cluster-GROUP`, which it takes over before it reads what a change rests on.
//! A worker that leads no more, and does not know it yet, is fenced by whoever leads
//! since: its change is refused, so nothing is overwritten that it has not read. Like
//! there, fleets with `exactly.once.source.support=disabled` have no such fence, and a
//! connector is paused and resumed by any worker.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard, Notify};

use super::answers::internal;
use super::compacted::{CompactedLog, LogError, Write, at_once};
use super::config::SourceSupport;
use super::core::Core;
use super::herder::{HerderError, Leadership};
use crate::batch::Batch;
use crate::kafka::{ErrorClass, Lease, ProduceError, TransactionalProducer};

/// What is sent before its acknowledgement is waited for, in bytes.
const SEND_BYTES_MAX: usize = 1 << 20;

/// The producer that has the fleet's `transactional.id`, if this worker took it over.
#[derive(Default)]
pub(super) struct Privileges {
    /// Held for a whole transaction.
    producer: Mutex<Option<Arc<dyn TransactionalProducer>>>,
    /// A transaction failed that may still be open: nobody reads on until its id is
    /// taken over.
    lost: Notify,
}

/// A change under way: nothing else is changed by this worker meanwhile, and what
/// others change shows when it is written.
pub(super) struct Change<'a> {
    core: &'a Core,
    is_fenced: bool,
    _changing: MutexGuard<'a, ()>,
}

impl Core {
    /// Who leads the fleet. A worker that leads and has no lease was frozen, and may not
    /// have heard yet that another leads.
    pub(super) fn leader(&self) -> Leadership {
        let leader = self.led.borrow().leader.clone();
        let is_member = self.lease.get().is_some_and(Lease::is_valid);
        match leader {
            Leadership::Own if !is_member => Leadership::Unknown,
            leader => leader,
        }
    }

    /// Begins a change that is the leader's to make, once all of the config topic is
    /// read.
    pub(super) async fn change(&self) -> Result<Change<'_>, HerderError> {
        self.begin(self.fences_leaders()).await
    }

    /// The same of one that every worker makes.
    pub(super) async fn change_as_any(&self) -> Result<Change<'_>, HerderError> {
        self.begin(false).await
    }

    async fn begin(&self, is_fenced: bool) -> Result<Change<'_>, HerderError> {
        let changing = self.changing.lock().await;
        if is_fenced && !self.claim_privileges().await? {
            return Err(leads_no_more());
        }
        self.logs.config.read_to_end().await?;
        Ok(Change { core: self, is_fenced, _changing: changing })
    }

    fn fences_leaders(&self) -> bool {
        self.config.exactly_once_sources != SourceSupport::Disabled
    }

    /// As the leader: takes the fleet's `transactional.id` over, which ends what was
    /// begun with it. True if this worker has it, which it need not in fleets that fence
    /// no leaders.
    pub(super) async fn claim_privileges(&self) -> Result<bool, HerderError> {
        let mut producer = self.privileges.producer.lock().await;
        if !self.fences_leaders() || self.leader() != Leadership::Own {
            return Ok(false);
        }
        if producer.is_none() {
            *producer = Some(self.take_over().await?);
        }
        Ok(true)
    }

    /// Lets go of the right to change, as a leader no more.
    pub(super) async fn drop_privileges(&self) {
        *self.privileges.producer.lock().await = None;
    }

    /// Returns once a change failed so that its right is to be claimed again at once.
    pub(super) async fn privileges_lost(&self) {
        self.privileges.lost.notified().await;
    }

    async fn take_over(&self) -> Result<Arc<dyn TransactionalProducer>, HerderError> {
        let id = self.config.leader_transactional_id();
        let timeout = self.config.transaction_timeout();
        let failed = |error: ProduceError| {
            let remedy = match error.class() {
                ErrorClass::Authorization => {
                    "; the worker's principal needs WRITE and DESCRIBE on this transactional id"
                }
                _ => "",
            };
            HerderError::Internal(format!(
                "the leader cannot take `{id}` over, as which it writes: {error}{remedy}"
            ))
        };
        let producer = self.producers.transactional(&id, timeout, &at_once()).map_err(failed)?;
        producer.init().await.map_err(failed)?;
        Ok(producer)
    }
}

impl Change<'_> {
    /// Writes to the config topic; returns once it is applied here.
    pub(super) async fn write(&mut self, writes: &[Write]) -> Result<(), HerderError> {
        let log = self.core.logs.config.clone();
        self.write_to(&log, writes).await
    }

    /// The same to another topic. What a leader writes is visible all at once, or never.
    pub(super) async fn write_to(
        &mut self,
        log: &CompactedLog,
        writes: &[Write],
    ) -> Result<(), HerderError> {
        self.send(log, parts(writes).map(batch).collect()).await?;
        Ok(log.read_to_end().await?)
    }

    /// Writes what means nothing before what is written after it: a part at a time, as
    /// all of it might not fit into the time that a transaction has.
    pub(super) async fn prepare(
        &mut self,
        log: &CompactedLog,
        writes: &[Write],
    ) -> Result<(), HerderError> {
        for part in parts(writes) {
            self.send(log, vec![batch(part)]).await?;
        }
        Ok(())
    }

    async fn send(&mut self, log: &CompactedLog, batches: Vec<Batch>) -> Result<(), HerderError> {
        if !self.is_fenced {
            for batch in &batches {
                log.write_batch(batch).await?;
            }
            return Ok(());
        }
        let (privileges, topic) = (self.core.privileges.clone(), log.topic().to_owned());
        // Whoever asked for it may go: a transaction that nobody ends holds up all
        // readers.
        let writing = tokio::spawn(async move { privileges.write(&topic, &batches).await });
        writing.await.map_err(internal)?
    }
}

impl Privileges {
    async fn write(&self, topic: &str, batches: &[Batch]) -> Result<(), HerderError> {
        let mut held = self.producer.lock().await;
        let producer = held.take().ok_or_else(leads_no_more)?;
        let failed = match in_transaction(&*producer, topic, batches).await {
            Ok(()) => {
                *held = Some(producer);
                return Ok(());
            }
            Err(failed) => failed,
        };
        // Whoever took it over ended what was open.
        if failed.class() == ErrorClass::Fenced {
            return Err(leads_no_more());
        }
        self.lost.notify_one();
        Err(LogError::Write { topic: topic.to_owned(), source: failed }.into())
    }
}

fn leads_no_more() -> HerderError {
    HerderError::Conflict(
        "Cannot complete request because this worker leads the fleet no more, or another led it \
         meanwhile. Look at what is there, and send the request again"
            .to_owned(),
    )
}

async fn in_transaction(
    producer: &dyn TransactionalProducer,
    topic: &str,
    batches: &[Batch],
) -> Result<(), ProduceError> {
    producer.begin().await?;
    if let Err(error) = send_all(producer, topic, batches).await {
        // After a lost answer the next producer of the id ends it; after a refusal nobody
        // need wait for that.
        if matches!(error.class(), ErrorClass::Fatal | ErrorClass::Authorization) {
            producer.abort().await;
        }
        return Err(error);
    }
    producer.commit().await
}

async fn send_all(
    producer: &dyn TransactionalProducer,
    topic: &str,
    batches: &[Batch],
) -> Result<(), ProduceError> {
    for batch in batches {
        let receipt = producer.records().send(topic, None, batch).await?;
        receipt.wait().await.map_err(|error| producer.cause(error))?;
    }
    Ok(())
}

/// The writes in their order, in parts that a producer's buffer holds.
fn parts(writes: &[Write]) -> impl Iterator<Item = &[Write]> {
    let size = |(key, value): &Write| key.len() + value.as_ref().map_or(0, Vec::len);
    let mut left = writes;
    std::iter::from_fn(move || {
        let mut bytes = size(left.first()?);
        let fits = left[1..].iter().take_while(|write| {
            bytes += size(write);
            bytes <= SEND_BYTES_MAX
        });
        let (part, rest) = left.split_at(1 + fits.count());
        left = rest;
        Some(part)
    })
}

fn batch(writes: &[Write]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in writes {
        batch.push(Some(key), value.as_deref(), -1);
    }
    batch
}
