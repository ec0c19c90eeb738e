//! The producer of a `transactional.id`.
//!
//! librdkafka's steps of a transaction block, and repeat by themselves what may
//! be repeated until their time is over. So each runs on a thread for blocking,
//! within one time-out, and what is not done then is given up: a producer that
//! does not know how its commit ended must not be used again (librdkafka lacks
//! KIP-890, and could end the next transaction with a late request).

use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::TopicPartitionList;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::native::{self, Failure};
use super::producer::{Context, KafkaProducer};
use crate::kafka::config::ProducerConfig;
use crate::kafka::error::{ErrorClass, ProduceError};
use crate::kafka::producer::{Producer, TransactionalProducer};
use crate::kafka::types::OffsetCommit;

/// How many steps may block a thread at once, over all producers of the process.
/// Tokio has 512 such threads, and a broker in the same process reads and writes
/// its files on them: were they all taken by commits that wait for that broker, it
/// could not answer. A step takes milliseconds, so the others hardly wait.
pub(super) const STEPS_MAX: usize = 128;
static STEPS: Semaphore = Semaphore::const_new(STEPS_MAX);

/// [`TransactionalProducer`] on librdkafka.
pub struct KafkaTransactions {
    producer: KafkaProducer,
    id: Arc<str>,
    /// The most that one step may take.
    within: Duration,
    /// `transaction.timeout.ms`, for messages.
    timeout: Duration,
}

pub(super) type Client = BaseProducer<Context>;

impl KafkaTransactions {
    /// Makes the producer of `config.transactional`; it connects when first
    /// used. Each step may take as long as a record to be delivered.
    pub fn new(config: &ProducerConfig) -> Result<Self, ProduceError> {
        let Some(transactional) = &config.transactional else {
            return Err(ProduceError::Config { reason: "it has no `transactional.id`".into() });
        };
        Ok(Self {
            producer: KafkaProducer::new(config)?,
            id: transactional.id.as_str().into(),
            within: config.delivery_timeout,
            timeout: transactional.timeout,
        })
    }

    /// Carries one step out on a thread for blocking; it is given the time that it
    /// may still take.
    pub(super) async fn step(
        &self,
        what: &'static str,
        step: impl FnOnce(&Client, Duration) -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), ProduceError> {
        let deadline = Instant::now() + self.within;
        let Ok(Ok(permit)) = timeout_at(deadline, STEPS.acquire()).await else {
            let reason = format!("{STEPS_MAX} other steps of transactions took all the time");
            let code = RDKafkaErrorCode::OperationTimedOut;
            return Err(self.failed(what, Failure { code, reason }));
        };
        let client = self.producer.client().clone();
        let ended = tokio::task::spawn_blocking(move || {
            // Kept for as long as the thread is, whether anybody waits for it or not.
            let _permit = permit;
            step(&client, deadline.saturating_duration_since(Instant::now()))
        });
        match ended.await {
            Ok(ended) => ended.map_err(|failure| self.failed(what, failure)),
            // The runtime ends.
            Err(_) => Err(ProduceError::Closed),
        }
    }

    fn failed(&self, what: &'static str, failure: Failure) -> ProduceError {
        // A fatal error has been told of before, and every step fails with it.
        let fatal = self.producer.client().client().fatal_error();
        let Failure { code, reason } =
            fatal.map_or(failure, |(code, reason)| Failure { code, reason });
        let (id, timeout_ms) = (&self.id, self.timeout.as_millis());
        if code == RDKafkaErrorCode::InvalidTransactionTimeout {
            return ProduceError::Config {
                reason: format!(
                    "the broker's `transaction.max.timeout.ms` is less than the {timeout_ms} ms \
                     that transactions may be open for here; raise it, or lower the worker's \
                     `session.timeout.ms`, of which they are a multiple, or the connector's \
                     `transaction.boundary.interval.ms`, by which they are longer ({reason})"
                ),
            };
        }
        if ErrorClass::refuses_records(code) {
            return ProduceError::Refused { id: id.to_string(), reason };
        }
        let class = ErrorClass::of_librdkafka(code);
        let reason = match class {
            ErrorClass::Fenced => format!(
                "another producer with this id took over, or the coordinator ended a transaction \
                 that was open for more than `transaction.timeout.ms` ({timeout_ms} ms). Unless \
                 the task moved to another worker, look for a second fleet with this `group.id`, \
                 or another program with this id: `longshore txn describe {id}` ({code}: {reason})"
            ),
            _ => format!("{code}: {reason}"),
        };
        ProduceError::Transaction { what, id: id.to_string(), reason, class }
    }
}

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Self {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let reason = match error {
            KafkaError::Transaction(error) => error.string(),
            error => error.to_string(),
        };
        Self { code, reason }
    }
}

fn timeout_ms(within: Duration) -> i32 {
    i32::try_from(within.as_millis()).unwrap_or(i32::MAX)
}

#[async_trait]
impl TransactionalProducer for KafkaTransactions {
    fn records(&self) -> &dyn Producer {
        &self.producer
    }

    fn cause(&self, error: ProduceError) -> ProduceError {
        // In a failed transaction no step is carried out, and each is answered with
        // why it failed. In one that did not fail this one is merely out of turn.
        match self.producer.client().begin_transaction() {
            Err(KafkaError::Transaction(failure))
                if failure.txn_requires_abort() || failure.is_fatal() =>
            {
                self.failed("writing", KafkaError::Transaction(failure).into())
            }
            _ => error,
        }
    }

    async fn init(&self) -> Result<(), ProduceError> {
        self.step("taking over", |client, within| Ok(client.init_transactions(within)?)).await
    }

    async fn begin(&self) -> Result<(), ProduceError> {
        // Touches no network, and needs no thread of its own.
        let begun = self.producer.client().begin_transaction();
        begun.map_err(|error| self.failed("beginning a transaction", error.into()))
    }

    async fn send_offsets(
        &self,
        group_id: &str,
        offsets: &[OffsetCommit],
    ) -> Result<(), ProduceError> {
        const WHAT: &str = "adding offsets to a transaction";
        let list = list(offsets).map_err(|error| self.failed(WHAT, error.into()))?;
        let group = CString::new(group_id).map_err(|_| {
            let reason = "a group's name has no zero byte".to_owned();
            self.failed(WHAT, Failure { code: RDKafkaErrorCode::InvalidArgument, reason })
        })?;
        self.step(WHAT, move |client, within| {
            native::send_offsets(client.client(), &group, &list, timeout_ms(within))
        })
        .await
    }

    async fn commit(&self) -> Result<(), ProduceError> {
        self.step("committing a transaction", |client, within| {
            native::commit(client.client(), timeout_ms(within))
        })
        .await
    }

    async fn abort(&self) {
        let aborted = self
            .step("aborting a transaction", |client, within| Ok(client.abort_transaction(within)?))
            .await;
        if let Err(error) = aborted {
            tracing::debug!("{error}");
        }
    }
}

fn list(offsets: &[OffsetCommit]) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for OffsetCommit { partition, offset, metadata } in offsets {
        let mut added = list.add_partition(&partition.topic, partition.partition);
        added.set_offset(rdkafka::Offset::Offset(*offset))?;
        added.set_metadata(metadata);
    }
    Ok(list)
}
