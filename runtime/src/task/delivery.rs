//! How a lot becomes durable: its records, and what seals them.
//!
//! A *lot* is one poll of a source or one input batch of a processor
//! ([`inflight`](super::inflight)); its seal is the source's checkpoint or the
//! processor's input offsets. In a transaction both become visible at once, or
//! neither does; without one the seal follows its records, and a crash between
//! repeats the lot.

use std::sync::Arc;

use super::counters::{Counters, payload_bytes};
use super::error::TaskError;
use super::plugin::Output;
use crate::kafka::{ProduceError, Producer, TransactionalProducer};

/// The guarantee of a session, and the producer that keeps it.
#[derive(Clone)]
pub enum Delivery {
    /// Each record at least once.
    AtLeastOnce(Arc<dyn Producer>),
    /// Each record exactly once: a transaction for each lot, by a producer of
    /// this session alone.
    ExactlyOnce(Arc<dyn TransactionalProducer>),
}

impl Delivery {
    /// Ends what a predecessor left open. Before this nothing may be read that
    /// the session goes on from: state, offsets, checkpoints.
    pub async fn open(&self) -> Result<(), ProduceError> {
        match self {
            Self::AtLeastOnce(_) => Ok(()),
            Self::ExactlyOnce(transactions) => transactions.init().await,
        }
    }

    /// The producer of the lot's records.
    pub fn records(&self) -> &dyn Producer {
        match self {
            Self::AtLeastOnce(producer) => &**producer,
            Self::ExactlyOnce(transactions) => transactions.records(),
        }
    }

    /// Whether records become visible with [`commit`](Delivery::commit) alone.
    pub fn is_exactly_once(&self) -> bool {
        matches!(self, Self::ExactlyOnce(_))
    }

    /// Begins a lot.
    pub async fn begin(&self) -> Result<(), ProduceError> {
        match self {
            Self::AtLeastOnce(_) => Ok(()),
            Self::ExactlyOnce(transactions) => transactions.begin().await,
        }
    }

    /// Makes a lot visible.
    pub async fn commit(&self) -> Result<(), ProduceError> {
        match self {
            Self::AtLeastOnce(_) => Ok(()),
            Self::ExactlyOnce(transactions) => transactions.commit().await,
        }
    }

    /// After a failure: readers need not wait for the transaction's time-out.
    pub async fn give_up(&self) {
        if let Self::ExactlyOnce(transactions) = self {
            transactions.abort().await;
        }
    }
}

/// Sends outputs and waits until every record is acknowledged. Those for the
/// topic `uncounted` are the task's own book-keeping.
pub(super) async fn send_all(
    producer: &dyn Producer,
    counters: &Counters,
    outputs: Vec<Output>,
    uncounted: Option<&str>,
) -> Result<(), TaskError> {
    let mut receipts = Vec::with_capacity(outputs.len());
    let (mut records, mut bytes) = (0, 0);
    for output in outputs {
        receipts.push(producer.send(&output.topic, output.partition, &output.batch).await?);
        if uncounted != Some(output.topic.as_str()) {
            records += output.batch.len() as u64;
            bytes += payload_bytes(&output.batch);
        }
    }
    for receipt in receipts {
        receipt.wait().await?;
    }
    counters.wrote(records, bytes);
    Ok(())
}
