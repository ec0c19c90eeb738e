//! How a lot becomes durable: its records, and what seals them.
//!
//! A *lot* is one poll of a source or one input batch of a processor
//! ([`inflight`](super::inflight)); its seal is the source's checkpoint or the
//! processor's input offsets. In a transaction both become visible at once, or
//! neither does; without one the seal follows its records, and a crash between
//! repeats the lot.

use std::sync::{Arc, Mutex, MutexGuard};

use super::counters::{Counters, payload_bytes};
use super::error::TaskError;
use super::plugin::Output;
use super::writes::Writes;
use crate::kafka::{ErrorClass, OffsetCommit, ProduceError, Producer, TransactionalProducer};

/// The guarantee of a session, and the producer that keeps it.
#[derive(Clone)]
pub enum Delivery {
    /// Each record at least once.
    AtLeastOnce(Arc<dyn Producer>),
    /// Each record exactly once: a transaction for each lot, by a producer of
    /// this session alone.
    ExactlyOnce(Transactions),
}

/// The transactions of one session, one after the other.
#[derive(Clone)]
pub struct Transactions {
    producer: Arc<dyn TransactionalProducer>,
    stage: Arc<Mutex<Stage>>,
}

/// How far the lot's transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has none yet: a lot without records has none before its seal.
    Unbegun,
    Open,
    /// A request of it got no answer. An abort in the same epoch could be overtaken by that
    /// request, and the next producer of the id ends the transaction anyway.
    Unknown,
}

impl Delivery {
    /// Exactly-once, by a producer that no other session has.
    pub fn exactly_once(producer: Arc<dyn TransactionalProducer>) -> Self {
        let stage = Arc::new(Mutex::new(Stage::Unbegun));
        Self::ExactlyOnce(Transactions { producer, stage })
    }

    /// Ends what a predecessor left open. Before this nothing may be read that
    /// the session goes on from: state, offsets, checkpoints.
    pub async fn open(&self) -> Result<(), ProduceError> {
        match self {
            Self::AtLeastOnce(_) => Ok(()),
            Self::ExactlyOnce(transactions) => transactions.producer.init().await,
        }
    }

    /// Whether records become visible with [`commit`](Delivery::commit) alone.
    pub fn is_exactly_once(&self) -> bool {
        matches!(self, Self::ExactlyOnce(_))
    }

    /// Begins a lot, unless it has begun.
    pub async fn begin(&self) -> Result<(), ProduceError> {
        match self {
            Self::AtLeastOnce(_) => Ok(()),
            Self::ExactlyOnce(transactions) => transactions.begin().await,
        }
    }

    /// Sends outputs of a lot that has begun, and waits until every record is
    /// acknowledged. Those for the topic `uncounted` are the task's own
    /// book-keeping.
    pub async fn send(
        &self,
        counters: &Counters,
        outputs: Vec<Output>,
        uncounted: Option<&str>,
    ) -> Result<(), TaskError> {
        Ok(self.send_records(counters, &outputs, uncounted).await?)
    }

    /// The same, for whoever wants to know what failed.
    pub(super) async fn send_records(
        &self,
        counters: &Counters,
        outputs: &[Output],
        uncounted: Option<&str>,
    ) -> Result<(), ProduceError> {
        match self {
            Self::AtLeastOnce(producer) => {
                send_all(&**producer, counters, outputs, uncounted).await
            }
            Self::ExactlyOnce(transactions) => {
                let Transactions { producer, .. } = transactions;
                let sent = send_all(producer.records(), counters, outputs, uncounted).await;
                sent.map_err(|error| transactions.failed(producer.cause(error)))
            }
        }
    }

    /// Makes a lot visible.
    pub async fn commit(&self) -> Result<(), ProduceError> {
        match self {
            Self::AtLeastOnce(_) => Ok(()),
            Self::ExactlyOnce(transactions) => transactions.commit().await,
        }
    }

    /// Gives up what is open of a lot; the next begins anew.
    pub async fn abort(&self) {
        if let Self::ExactlyOnce(transactions) = self
            && *transactions.stage() == Stage::Open
        {
            // Dropped half-way it may be carried out all the same.
            *transactions.stage() = Stage::Unknown;
            transactions.producer.abort().await;
            *transactions.stage() = Stage::Unbegun;
        }
    }

    /// Drives a session to its end. If it fails, what it left open is given up, so
    /// that readers need not wait for the next session, or for the transaction's
    /// time-out.
    pub async fn during(
        &self,
        writes: &Writes,
        session: impl Future<Output = Result<(), TaskError>>,
    ) -> Result<(), TaskError> {
        let ended = session.await;
        if ended.is_err()
            && let Self::ExactlyOnce(transactions) = self
            && *transactions.stage() == Stage::Open
        {
            // Without the right to write it is left to whoever has it now.
            let _ = writes.hold(transactions.producer.abort()).await;
        }
        ended
    }
}

impl Transactions {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().expect("no holder panics")
    }

    async fn begin(&self) -> Result<(), ProduceError> {
        if *self.stage() != Stage::Unbegun {
            return Ok(());
        }
        self.producer.begin().await?;
        *self.stage() = Stage::Open;
        Ok(())
    }

    /// Adds a group's offsets to the lot's transaction, which begins with them if
    /// the lot had no records.
    pub async fn send_offsets(
        &self,
        group_id: &str,
        offsets: &[OffsetCommit],
    ) -> Result<(), ProduceError> {
        self.begin().await?;
        let sent = self.producer.send_offsets(group_id, offsets).await;
        sent.map_err(|error| self.failed(error))
    }

    /// Makes the lot visible.
    pub async fn commit(&self) -> Result<(), ProduceError> {
        // Dropped half-way it may be carried out all the same.
        *self.stage() = Stage::Unknown;
        match self.producer.commit().await {
            Ok(()) => {
                *self.stage() = Stage::Unbegun;
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Notes whether the transaction can still be aborted after `error`: only a
    /// broker's refusal says that nothing of it is on its way any more.
    fn failed(&self, error: ProduceError) -> ProduceError {
        *self.stage() = match error.class() {
            ErrorClass::Authorization | ErrorClass::Fatal => Stage::Open,
            ErrorClass::Retriable | ErrorClass::Fenced => Stage::Unknown,
        };
        error
    }
}

async fn send_all(
    producer: &dyn Producer,
    counters: &Counters,
    outputs: &[Output],
    uncounted: Option<&str>,
) -> Result<(), ProduceError> {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;
    use crate::batch::Batch;
    use crate::kafka::Receipt;

    /// Notes the steps that it is asked for, and fails at one of them.
    #[derive(Default)]
    struct Steps {
        asked: Mutex<Vec<&'static str>>,
        failing: Option<(&'static str, ErrorClass)>,
    }

    impl Steps {
        fn step(&self, what: &'static str) -> Result<(), ProduceError> {
            self.asked.lock().unwrap().push(what);
            match self.failing {
                Some((failing, class)) if failing == what => Err(ProduceError::Transaction {
                    what,
                    id: "id".into(),
                    reason: "injected".into(),
                    class,
                }),
                _ => Ok(()),
            }
        }
    }

    #[async_trait]
    impl TransactionalProducer for Steps {
        fn records(&self) -> &dyn Producer {
            self
        }

        fn cause(&self, error: ProduceError) -> ProduceError {
            error
        }

        async fn init(&self) -> Result<(), ProduceError> {
            self.step("init")
        }

        async fn begin(&self) -> Result<(), ProduceError> {
            self.step("begin")
        }

        async fn send_offsets(&self, _: &str, _: &[OffsetCommit]) -> Result<(), ProduceError> {
            self.step("offsets")
        }

        async fn commit(&self) -> Result<(), ProduceError> {
            self.step("commit")
        }

        async fn abort(&self) {
            let _ = self.step("abort");
        }
    }

    #[async_trait]
    impl Producer for Steps {
        async fn send(&self, _: &str, _: Option<i32>, _: &Batch) -> Result<Receipt, ProduceError> {
            let (done, receipt) = Receipt::new();
            let _ = done.send(self.step("send"));
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

    fn outputs() -> Vec<Output> {
        let mut batch = Batch::default();
        batch.push(None, Some(b"v"), -1);
        vec![Output { topic: "t".into(), partition: None, batch }]
    }

    /// A lot with records, sealed by offsets; then a plugin's own failure, if
    /// nothing failed before.
    async fn steps(failing: Option<(&'static str, ErrorClass)>) -> Vec<&'static str> {
        let producer = Arc::new(Steps { failing, ..Steps::default() });
        let delivery = Delivery::exactly_once(producer.clone());
        let Delivery::ExactlyOnce(transactions) = &delivery else { unreachable!() };
        let session = async {
            delivery.begin().await?;
            delivery.send(&Counters::default(), outputs(), None).await?;
            transactions.send_offsets("group", &[]).await?;
            delivery.commit().await?;
            Err(TaskError::reopen("the plugin trapped"))
        };
        delivery.during(&Writes::unlimited(), session).await.unwrap_err();
        drop(delivery);
        Arc::into_inner(producer).unwrap().asked.into_inner().unwrap()
    }

    #[tokio::test]
    async fn a_failed_session_aborts_only_what_no_request_without_an_answer_can_reach_any_more() {
        let all = ["begin", "send", "offsets", "commit"];
        assert_eq!(steps(None).await, all, "nothing was open");
        for class in [ErrorClass::Fatal, ErrorClass::Authorization] {
            for failing in 1..all.len() {
                let mut expected = all[..=failing].to_vec();
                expected.push("abort");
                assert_eq!(steps(Some((all[failing], class))).await, expected, "{class:?}");
            }
        }
        for class in [ErrorClass::Retriable, ErrorClass::Fenced] {
            for failing in 0..all.len() {
                assert_eq!(steps(Some((all[failing], class))).await, all[..=failing], "{class:?}");
            }
        }
    }

    #[tokio::test]
    async fn what_a_session_left_open_when_its_plugin_failed_is_aborted_if_it_may_still_write() {
        for (writes, expected) in [
            (Writes::unlimited(), &["begin", "send", "abort"][..]),
            (Writes::new(crate::kafka::Lease::default(), Duration::ZERO), &["begin", "send"]),
        ] {
            let producer = Arc::new(Steps::default());
            let delivery = Delivery::exactly_once(producer.clone());
            let session = async {
                delivery.begin().await?;
                delivery.send(&Counters::default(), outputs(), None).await?;
                Err(TaskError::reopen("the plugin trapped"))
            };
            delivery.during(&writes, session).await.unwrap_err();
            assert_eq!(*producer.asked.lock().unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_lot_begins_once_and_the_next_one_anew() {
        let producer = Arc::new(Steps::default());
        let delivery = Delivery::exactly_once(producer.clone());
        let Delivery::ExactlyOnce(transactions) = &delivery else { unreachable!() };
        for _ in 0..2 {
            delivery.begin().await.unwrap();
            transactions.send_offsets("group", &[]).await.unwrap();
            delivery.commit().await.unwrap();
        }
        let lot = ["begin", "offsets", "commit"];
        assert_eq!(*producer.asked.lock().unwrap(), [lot, lot].concat());
    }
}
