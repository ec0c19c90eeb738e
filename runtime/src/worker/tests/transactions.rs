//! Transactions of the cluster in memory: what is sent is written when it is
//! committed, unless another producer took the id over.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::cluster::{Memory, injected};
use crate::batch::Batch;
use crate::kafka::{
    ErrorClass, OffsetCommit, ProduceError, Producer, Receipt, TransactionalProducer,
};

/// A producer of one `transactional.id`.
pub(super) struct Transactions {
    cluster: Memory,
    id: String,
    /// 0 before it has taken the id over.
    epoch: AtomicU64,
    open: Mutex<Option<Open>>,
}

#[derive(Default)]
struct Open {
    records: Vec<(String, Option<i32>, Batch)>,
    offsets: Vec<(String, OffsetCommit)>,
}

impl Transactions {
    pub(super) fn new(cluster: Memory, id: &str) -> Self {
        Self { cluster, id: id.to_owned(), epoch: AtomicU64::new(0), open: Mutex::default() }
    }

    fn failed(&self, what: &'static str, reason: &str, class: ErrorClass) -> ProduceError {
        ProduceError::Transaction { what, id: self.id.clone(), reason: reason.to_owned(), class }
    }

    fn in_open<T>(
        &self,
        what: &'static str,
        step: impl FnOnce(&mut Option<Open>) -> Option<T>,
    ) -> Result<T, ProduceError> {
        if self.cluster.epoch(&self.id) != self.epoch.load(Ordering::Relaxed) {
            return Err(self.failed(what, "another producer took over", ErrorClass::Fenced));
        }
        step(&mut self.open.lock().unwrap())
            .ok_or_else(|| self.failed(what, "not in this state", ErrorClass::Fatal))
    }
}

#[async_trait]
impl TransactionalProducer for Transactions {
    fn records(&self) -> &dyn Producer {
        self
    }

    fn cause(&self, error: ProduceError) -> ProduceError {
        error
    }

    async fn init(&self) -> Result<(), ProduceError> {
        self.epoch.store(self.cluster.next_epoch(&self.id), Ordering::Relaxed);
        Ok(())
    }

    async fn begin(&self) -> Result<(), ProduceError> {
        self.in_open("beginning", |open| match open.replace(Open::default()) {
            None => Some(()),
            Some(_) => None,
        })
    }

    async fn send_offsets(
        &self,
        group_id: &str,
        offsets: &[OffsetCommit],
    ) -> Result<(), ProduceError> {
        let offsets = offsets.iter().map(|offset| (group_id.to_owned(), offset.clone()));
        self.in_open("offsets", |open| {
            open.as_mut()?.offsets.extend(offsets);
            Some(())
        })
    }

    async fn commit(&self) -> Result<(), ProduceError> {
        let Open { records, offsets } = self.in_open("committing", Option::take)?;
        self.cluster.note_transaction(records.len());
        for (topic, partition, batch) in records {
            self.cluster.write(&topic, partition, &batch);
        }
        for (group, OffsetCommit { partition, offset, metadata }) in offsets {
            self.cluster.commit_as(&group, partition, offset, &metadata);
        }
        Ok(())
    }

    async fn abort(&self) {
        self.open.lock().unwrap().take();
    }
}

#[async_trait]
impl Producer for Transactions {
    async fn send(
        &self,
        topic: &str,
        partition: Option<i32>,
        batch: &Batch,
    ) -> Result<Receipt, ProduceError> {
        self.cluster.thawed(topic).await;
        let (done, receipt) = Receipt::new();
        let record = (topic.to_owned(), partition, batch.clone());
        let sent = match self.cluster.is_failing(topic) {
            true => Err(injected(topic, partition)),
            false if self.cluster.is_too_large(topic, batch) => {
                let (id, reason) = (self.id.clone(), "too large".to_owned());
                Err(ProduceError::Refused { id, reason })
            }
            false => self.in_open("sending", |open| {
                open.as_mut()?.records.push(record);
                self.cluster.note_sent(topic, batch.len());
                Some(())
            }),
        };
        let _ = done.send(sent);
        Ok(receipt)
    }

    async fn flush(&self, _: Duration) -> Result<(), ProduceError> {
        Ok(())
    }

    fn purge(&self) {}

    fn is_fatal(&self) -> bool {
        false
    }
}
