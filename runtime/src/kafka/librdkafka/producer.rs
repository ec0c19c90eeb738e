//! The producer: one client, one polling thread, receipts by batch.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::settings;
use crate::batch::Batch;
use crate::kafka::config::ProducerConfig;
use crate::kafka::error::{ErrorClass, ProduceError};
use crate::kafka::producer::{Producer, Receipt};

/// What librdkafka keeps for a record beside its bytes, about.
const RECORD_OVERHEAD_BYTES: usize = 200;
/// How long the polling thread waits for answers at a time; also how long a
/// producer that is dropped before its records are answered may take to go away.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How often the polling thread of a producer without records on their way looks
/// whether the client has an error to tell: a node has a producer for each task.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// Such a look does not wait: for the shortest of times librdkafka's clients would spin.
const LOOK: Duration = Duration::ZERO;
/// How long to wait for room before looking again, should librdkafka's own
/// queue be full (overrides may make it smaller than our budget).
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(20);

/// [`Producer`] on librdkafka: idempotent, `acks=all`, Java's partitioner.
///
/// Dropping it gives up what is not acknowledged yet; [`Producer::flush`]
/// first.
pub struct KafkaProducer {
    client: Arc<BaseProducer<Context>>,
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    poller: Thread,
}

struct Shared {
    budget: Arc<Semaphore>,
    budget_bytes: usize,
    unacknowledged: AtomicUsize,
    /// Told when `unacknowledged` falls to 0.
    idle: Notify,
    /// Told at deliveries while a sender waits for room in librdkafka's queue.
    room: Notify,
    waits_for_room: AtomicBool,
    fatal: AtomicBool,
}

pub(super) struct Context(Arc<Shared>);

/// What is known of a batch on its way. librdkafka carries one reference a
/// record and gives it back with the record's fate.
pub(super) struct InFlight {
    topic: String,
    /// Records without an answer, and one for `send` itself while it hands over.
    remaining: AtomicUsize,
    outcome: Mutex<Outcome>,
}

struct Outcome {
    error: Option<ProduceError>,
    receipt: Option<oneshot::Sender<Result<(), ProduceError>>>,
    budget: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    fn fail(&self, error: ProduceError) {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.error.get_or_insert(error);
    }

    /// Counts `records` as answered, and completes the receipt after the last.
    fn answered(&self, records: usize) {
        if self.remaining.fetch_sub(records, Ordering::AcqRel) != records {
            return;
        }
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.budget = None;
        let result = outcome.error.take().map_or(Ok(()), Err);
        if let Some(receipt) = outcome.receipt.take() {
            // Whoever dropped the receipt does not want to know.
            let _ = receipt.send(result);
        }
    }
}

impl Shared {
    fn record_answered(&self) {
        if self.unacknowledged.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
        }
        if self.waits_for_room.load(Ordering::Relaxed) {
            self.room.notify_waiters();
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.0.fatal.store(true, Ordering::Release);
        }
        super::log_error(&error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Arc<InFlight>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<InFlight>) {
        if let Err((error, message)) = result {
            use rdkafka::Message as _;
            let code = error.rdkafka_error_code();
            let topic = batch.topic.clone();
            let reason = code.map_or_else(|| error.to_string(), |code| code.to_string());
            batch.fail(match code.is_some_and(ErrorClass::refuses_records) {
                true => ProduceError::Unfit { topic, reason },
                false => ProduceError::Delivery {
                    topic,
                    partition: (message.partition() >= 0).then(|| message.partition()),
                    reason,
                    class: code.map_or(ErrorClass::Fatal, ErrorClass::of_librdkafka),
                },
            });
        }
        batch.answered(1);
        self.0.record_answered();
    }
}

impl KafkaProducer {
    /// Makes a producer; it connects when first used.
    pub fn new(config: &ProducerConfig) -> Result<Self, ProduceError> {
        let refuse = |reason| ProduceError::Config { reason };
        let budget_bytes = settings::buffer_bytes(config)
            .map_err(refuse)?
            .clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let shared = Arc::new(Shared {
            budget: Arc::new(Semaphore::new(budget_bytes)),
            budget_bytes,
            unacknowledged: AtomicUsize::new(0),
            idle: Notify::new(),
            room: Notify::new(),
            waits_for_room: AtomicBool::new(false),
            fatal: AtomicBool::new(false),
        });
        let settings =
            settings::producer(config, budget_bytes).map_err(|error| refuse(error.to_string()))?;
        let client = BaseProducer::from_config_and_context(&settings, Context(shared.clone()))
            .map_err(|error| refuse(error.to_string()))?;
        let client = Arc::new(client);
        let stop = Arc::new(AtomicBool::new(false));
        let (polled, stopped, counts) = (client.clone(), stop.clone(), shared.clone());
        let poller = std::thread::Builder::new()
            .name("kafka-producer".into())
            .spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    if counts.unacknowledged.load(Ordering::Acquire) > 0 {
                        polled.poll(POLL_INTERVAL);
                        continue;
                    }
                    polled.poll(LOOK);
                    std::thread::park_timeout(IDLE_INTERVAL);
                }
                // Unanswered records come back as purged when the client goes.
            })
            .map_err(|error| refuse(format!("its thread cannot start: {error}")))?;
        Ok(Self { client, shared, stop, poller: poller.thread().clone() })
    }

    /// The client itself, for the steps of transactions.
    pub(super) fn client(&self) -> &Arc<BaseProducer<Context>> {
        &self.client
    }

    fn fatal_error(&self) -> Option<ProduceError> {
        let (code, reason) = self.client.client().fatal_error()?;
        let class = match ErrorClass::of_librdkafka(code) {
            ErrorClass::Fenced => ErrorClass::Fenced,
            _ => ErrorClass::Fatal,
        };
        Some(ProduceError::Fatal { reason: format!("{code}: {reason}"), class })
    }

    /// Hands one record over, waiting while librdkafka's queue is full.
    async fn hand_over(
        &self,
        topic: &str,
        partition: Option<i32>,
        batch: &Batch,
        at: usize,
        header: usize,
        in_flight: &Arc<InFlight>,
    ) -> Result<(), ProduceError> {
        loop {
            let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, in_flight.clone());
            record.partition = partition;
            record.key = batch.key(at);
            record.payload = batch.value(at);
            // librdkafka takes 0 for "now".
            record.timestamp = Some(batch.timestamp_ms(at).max(0));
            record.headers = headers(batch, at, header);
            // Before the client has it: the answer may come at once.
            if self.shared.unacknowledged.fetch_add(1, Ordering::AcqRel) == 0 {
                self.poller.unpark();
            }
            let Err((error, _record)) = self.client.send(record) else { return Ok(()) };
            self.shared.record_answered();
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => {
                    self.shared.waits_for_room.store(true, Ordering::Relaxed);
                    let room = self.shared.room.notified();
                    // The deadline covers a delivery between the attempt and here.
                    let _ = tokio::time::timeout(QUEUE_FULL_PAUSE, room).await;
                }
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    let size_bytes = batch.key(at).map_or(0, <[u8]>::len)
                        + batch.value(at).map_or(0, <[u8]>::len);
                    return Err(ProduceError::TooLarge { topic: topic.into(), at, size_bytes });
                }
                code => {
                    return Err(self.fatal_error().unwrap_or_else(|| ProduceError::Delivery {
                        topic: topic.into(),
                        partition,
                        reason: error.to_string(),
                        class: code.map_or(ErrorClass::Fatal, ErrorClass::of_librdkafka),
                    }));
                }
            }
        }
    }
}

fn headers(batch: &Batch, at: usize, first: usize) -> Option<OwnedHeaders> {
    let count = batch.columns.header_count.get(at).copied().unwrap_or(0) as usize;
    (count > 0).then(|| {
        (first..first + count).fold(OwnedHeaders::new_with_capacity(count), |headers, header| {
            // `check` made sure that names are UTF-8.
            let key = std::str::from_utf8(batch.header_name(header)).unwrap_or_default();
            headers.insert(Header { key, value: batch.header_value(header) })
        })
    })
}

/// Refuses what cannot be sent before anything is sent.
fn check(topic: &str, batch: &Batch) -> Result<(), ProduceError> {
    batch.validate().map_err(|source| ProduceError::Batch { topic: topic.into(), source })?;
    for header in 0..batch.headers.name_at.len() {
        if std::str::from_utf8(batch.header_name(header)).is_err() {
            return Err(ProduceError::HeaderName { topic: topic.into(), header });
        }
    }
    Ok(())
}

#[async_trait]
impl Producer for KafkaProducer {
    async fn send(
        &self,
        topic: &str,
        partition: Option<i32>,
        batch: &Batch,
    ) -> Result<Receipt, ProduceError> {
        check(topic, batch)?;
        if let Some(error) = self.fatal_error() {
            return Err(error);
        }
        let records = batch.len();
        let cost = (batch.arena.len() + records * RECORD_OVERHEAD_BYTES)
            .clamp(1, self.shared.budget_bytes);
        let budget = self
            .shared
            .budget
            .clone()
            .acquire_many_owned(cost as u32)
            .await
            .map_err(|_| ProduceError::Closed)?;
        let (sender, receipt) = Receipt::new();
        let in_flight = Arc::new(InFlight {
            topic: topic.into(),
            remaining: AtomicUsize::new(records + 1),
            outcome: Mutex::new(Outcome {
                error: None,
                receipt: Some(sender),
                budget: Some(budget),
            }),
        });
        // Were this future dropped half-way, the guard still counts the rest.
        let mut guard = HandOver { in_flight: &in_flight, left: records + 1 };
        let mut header = 0;
        for at in 0..records {
            match self.hand_over(topic, partition, batch, at, header, &in_flight).await {
                Ok(()) => guard.left -= 1,
                Err(error) => {
                    in_flight.fail(error);
                    // What follows would be out of order after a gap.
                    break;
                }
            }
            header += batch.columns.header_count.get(at).copied().unwrap_or(0) as usize;
        }
        drop(guard);
        Ok(receipt)
    }

    async fn flush(&self, within: Duration) -> Result<(), ProduceError> {
        let wait = async {
            loop {
                let idle = self.shared.idle.notified();
                if self.shared.unacknowledged.load(Ordering::Acquire) == 0 {
                    return;
                }
                idle.await;
            }
        };
        tokio::time::timeout(within, wait).await.map_err(|_| ProduceError::TimedOut {
            unacknowledged: self.shared.unacknowledged.load(Ordering::Acquire),
            after: within,
        })
    }

    fn purge(&self) {
        self.shared.fatal.store(true, Ordering::Release);
        self.client.purge(PurgeConfig::default().queue().inflight());
    }

    fn is_fatal(&self) -> bool {
        self.shared.fatal.load(Ordering::Acquire) || self.client.client().fatal_error().is_some()
    }
}

/// Counts the records that were never handed over as answered.
struct HandOver<'a> {
    in_flight: &'a InFlight,
    left: usize,
}

impl Drop for HandOver<'_> {
    fn drop(&mut self) {
        if self.left > 1 {
            // Kept only if nothing more precise was said.
            self.in_flight.fail(ProduceError::Closed);
        }
        self.in_flight.answered(self.left);
    }
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        // The thread drops the last reference: closing a client blocks.
        self.stop.store(true, Ordering::Release);
        self.poller.unpark();
    }
}
