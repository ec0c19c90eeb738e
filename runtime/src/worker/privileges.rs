//! The leader's right to change what the fleet goes by, in the config and plugin topics.
//!
//! As in Kafka Connect (KIP-618), the leader writes there as the `transactional.id`
//! `connect-cluster-GROUP`, which it takes over before it reads what a change rests on.
//! A worker that leads no more, and does not know it yet, is fenced by whoever leads
//! since: its change is refused, so nothing is overwritten that it has not read. Like
//! there, fleets with `exactly.once.source.support=disabled` have no such fence.

use std::sync::Arc;

use tokio::sync::MutexGuard;

use super::compacted::{CompactedLog, LogError, Write, at_once};
use super::config::SourceSupport;
use super::core::Core;
use super::herder::{HerderError, Leadership};
use crate::batch::Batch;
use crate::kafka::{ErrorClass, ProduceError, TransactionalProducer};

/// What is sent before its acknowledgement is waited for, in bytes.
const SEND_BYTES_MAX: usize = 1 << 20;

/// The producer that has the fleet's `transactional.id`, if this worker took it over.
#[derive(Default)]
pub(super) struct Privileges(Option<Arc<dyn TransactionalProducer>>);

/// A change under way: nothing else is changed by this worker meanwhile, and what
/// others change shows when it is written.
pub(super) struct Change<'a> {
    core: &'a Core,
    privileges: MutexGuard<'a, Privileges>,
}

impl Core {
    /// Begins a change of what the config topic has, once all of it is read.
    pub(super) async fn change(&self) -> Result<Change<'_>, HerderError> {
        let mut privileges = self.changing.lock().await;
        if self.is_privileged() && privileges.0.is_none() {
            privileges.0 = Some(self.take_privileges().await?);
        }
        self.logs.config.read_to_end().await?;
        Ok(Change { core: self, privileges })
    }

    /// Lets go of the right to change, as a leader no more.
    pub(super) async fn drop_privileges(&self) {
        self.changing.lock().await.0 = None;
    }

    fn is_privileged(&self) -> bool {
        self.config.exactly_once_sources != SourceSupport::Disabled
            && self.led.borrow().leader == Leadership::Own
    }

    async fn take_privileges(&self) -> Result<Arc<dyn TransactionalProducer>, HerderError> {
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

    /// The same to another topic. What a leader writes is visible all at once.
    pub(super) async fn write_to(
        &mut self,
        log: &CompactedLog,
        writes: &[Write],
    ) -> Result<(), HerderError> {
        // Whoever is cut off here leaves no producer that is in the midst of something.
        match self.privileges.0.take() {
            Some(producer) => {
                in_transaction(&*producer, log.topic(), writes).await?;
                self.privileges.0 = Some(producer);
            }
            None => {
                for batch in batches(writes) {
                    log.write_batch(&batch).await?;
                }
            }
        }
        Ok(log.read_to_end().await?)
    }
}

async fn in_transaction(
    producer: &dyn TransactionalProducer,
    topic: &str,
    writes: &[Write],
) -> Result<(), HerderError> {
    let failed = |error: ProduceError| match error.class() {
        ErrorClass::Fenced => HerderError::Conflict(
            "Cannot complete request because another worker leads the fleet since it was looked \
             at: nothing was changed. Look again, and send the request again"
                .to_owned(),
        ),
        _ => LogError::Write { topic: topic.to_owned(), source: error }.into(),
    };
    producer.begin().await.map_err(failed)?;
    if let Err(error) = send_all(producer, topic, writes).await {
        // After a lost answer the next producer of the id ends it; after a refusal nobody
        // need wait for that.
        if matches!(error.class(), ErrorClass::Fatal | ErrorClass::Authorization) {
            producer.abort().await;
        }
        return Err(failed(error));
    }
    producer.commit().await.map_err(failed)
}

async fn send_all(
    producer: &dyn TransactionalProducer,
    topic: &str,
    writes: &[Write],
) -> Result<(), ProduceError> {
    for batch in batches(writes) {
        let receipt = producer.records().send(topic, None, &batch).await?;
        receipt.wait().await.map_err(|error| producer.cause(error))?;
    }
    Ok(())
}

/// The writes in their order, in batches that a producer's buffer holds.
fn batches(writes: &[Write]) -> Vec<Batch> {
    let mut all = vec![Batch::default()];
    let mut bytes = 0;
    for (key, value) in writes {
        let size = key.len() + value.as_ref().map_or(0, Vec::len);
        if bytes > 0 && bytes + size > SEND_BYTES_MAX {
            all.push(Batch::default());
            bytes = 0;
        }
        bytes += size;
        if let Some(batch) = all.last_mut() {
            batch.push(Some(key), value.as_deref(), -1);
        }
    }
    all
}
