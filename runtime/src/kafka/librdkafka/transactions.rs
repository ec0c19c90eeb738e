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

use super::native;
use super::producer::{Context, KafkaProducer};
use crate::kafka::config::ProducerConfig;
use crate::kafka::error::{ErrorClass, ProduceError};
use crate::kafka::producer::{Producer, TransactionalProducer};
use crate::kafka::types::OffsetCommit;

/// [`TransactionalProducer`] on librdkafka.
pub struct KafkaTransactions {
    producer: KafkaProducer,
    id: Arc<str>,
    /// The most that one step may take.
    within: Duration,
}

type Client = BaseProducer<Context>;
type Failure = (RDKafkaErrorCode, String);

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
        })
    }

    /// Carries one step out on a thread for blocking.
    async fn step(
        &self,
        what: &'static str,
        step: impl FnOnce(&Client, Duration) -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), ProduceError> {
        let (client, within) = (self.producer.client().clone(), self.within);
        let ended = tokio::task::spawn_blocking(move || step(&client, within)).await;
        let (code, reason) = match ended {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => failure,
            // The runtime ends.
            Err(_) => return Err(ProduceError::Closed),
        };
        Err(self.failed(what, code, reason))
    }

    fn failed(&self, what: &'static str, code: RDKafkaErrorCode, reason: String) -> ProduceError {
        // A fatal error has been told of before, and every step fails with it.
        let (code, reason) =
            self.producer.client().client().fatal_error().unwrap_or((code, reason));
        let class = ErrorClass::of_librdkafka(code);
        let reason = match class {
            ErrorClass::Fenced => {
                format!("another producer with this id took over ({code}: {reason})")
            }
            _ => format!("{code}: {reason}"),
        };
        ProduceError::Transaction { what, id: self.id.to_string(), reason, class }
    }
}

fn failure(error: &KafkaError) -> Failure {
    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
    (code, error.to_string())
}

#[async_trait]
impl TransactionalProducer for KafkaTransactions {
    fn records(&self) -> &dyn Producer {
        &self.producer
    }

    async fn init(&self) -> Result<(), ProduceError> {
        self.step("taking over", |client, within| {
            client.init_transactions(within).map_err(|error| failure(&error))
        })
        .await
    }

    async fn begin(&self) -> Result<(), ProduceError> {
        // Touches no network, and needs no thread of its own.
        let client = self.producer.client();
        client.begin_transaction().map_err(|error| {
            let (code, reason) = failure(&error);
            self.failed("beginning a transaction", code, reason)
        })
    }

    async fn send_offsets(
        &self,
        group_id: &str,
        offsets: &[OffsetCommit],
    ) -> Result<(), ProduceError> {
        const WHAT: &str = "adding offsets to a transaction";
        let list = list(offsets).map_err(|error| {
            let (code, reason) = failure(&error);
            self.failed(WHAT, code, reason)
        })?;
        let group = CString::new(group_id).map_err(|_| {
            let reason = "a group's name has no zero byte".to_owned();
            self.failed(WHAT, RDKafkaErrorCode::InvalidArgument, reason)
        })?;
        self.step(WHAT, move |client, within| {
            let timeout_ms = i32::try_from(within.as_millis()).unwrap_or(i32::MAX);
            native::send_offsets(client.client(), &group, &list, timeout_ms)
                .map_err(|error| (error.code, error.reason))
        })
        .await
    }

    async fn commit(&self) -> Result<(), ProduceError> {
        self.step("committing a transaction", |client, within| {
            client.commit_transaction(within).map_err(|error| failure(&error))
        })
        .await
    }

    async fn abort(&self) {
        let aborted = self
            .step("aborting a transaction", |client, within| {
                client.abort_transaction(within).map_err(|error| failure(&error))
            })
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
