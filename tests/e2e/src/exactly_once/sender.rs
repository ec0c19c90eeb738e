//! librdkafka's producer, with what it delivered.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::history::event::now_ms;
use crate::history::{Event, Place, RecordId};

/// One attempt; the caller tries again.
const ATTEMPT: Duration = Duration::from_secs(20);
/// Between two looks at what was delivered.
const POLL: Duration = Duration::from_millis(20);
/// Indexes of records within what is sent at once.
const INDEX_BITS: u32 = 16;

/// This producer cannot go on; another of its id may.
#[derive(Debug)]
pub(super) struct Gone(pub(super) KafkaError);

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Committed,
    Aborted,
}

/// Deliveries that were not yet noted.
#[derive(Debug, Default)]
struct Deliveries {
    events: Mutex<Vec<Event>>,
    came: Condvar,
}

impl ClientContext for Deliveries {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        // What was not delivered is in doubt, which is what the notes say already.
        let Ok(message) = result else { return };
        self.events.lock().expect("nobody panics here").push(Event::Acked {
            sequence: (opaque >> INDEX_BITS) as u64,
            index: opaque & ((1 << INDEX_BITS) - 1),
            offset: message.offset(),
            at_ms: now_ms(),
        });
        self.came.notify_one();
    }
}

/// What all clients have: they come back at once when the broker does.
pub(super) fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("reconnect.backoff.ms", "10")
        .set("reconnect.backoff.max.ms", "100");
    config
}

/// A producer. librdkafka waits within an abort until somebody has taken what was
/// delivered: a thread of its own does.
pub(super) struct Sender(ThreadedProducer<Deliveries>);

impl Sender {
    /// An idempotent producer without transactions, or, with an id, one with.
    pub(super) fn new(bootstrap: &str, transactional_id: Option<&str>) -> Self {
        let mut config = client(bootstrap);
        config
            .set("enable.idempotence", "true")
            .set("linger.ms", "1")
            .set("retry.backoff.ms", "20")
            .set("retry.backoff.max.ms", "100");
        match transactional_id {
            Some(id) => config.set("transactional.id", id),
            None => config.set("message.timeout.ms", "300000"),
        };
        let producer = config.create_with_context(Deliveries::default());
        Self(producer.expect("the settings are right"))
    }

    /// Fences other producers of this id and ends what they left.
    pub(super) fn init(&self) -> Result<(), Gone> {
        again(|| self.0.init_transactions(ATTEMPT)).map_err(Gone)
    }

    pub(super) fn begin(&self) -> Result<(), Gone> {
        self.0.begin_transaction().map_err(Gone)
    }

    /// Queues a record. One that is refused is missing when the transaction ends.
    pub(super) fn send(&self, place: &Place, id: &RecordId, padding: usize) {
        let (key, value) = (id.to_string(), id.value(padding));
        let opaque = (id.sequence as usize) << INDEX_BITS | id.index as usize;
        let mut record = BaseRecord::with_opaque_to(&place.topic, opaque)
            .partition(place.partition)
            .key(&key)
            .payload(&value);
        while let Err((error, back)) = self.0.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return;
            }
            std::thread::park_timeout(POLL);
            record = back;
        }
    }

    /// Waits a little for deliveries, and gives those that came.
    pub(super) fn deliveries(&self) -> Vec<Event> {
        let deliveries = self.0.context();
        let events = deliveries.events.lock().expect("nobody panics here");
        let (mut events, _) = deliveries
            .came
            .wait_timeout_while(events, POLL, |events| events.is_empty() && self.is_waiting())
            .expect("nobody panics here");
        std::mem::take(&mut *events)
    }

    /// Whether something was sent of which nothing is known.
    pub(super) fn is_waiting(&self) -> bool {
        self.0.in_flight_count() > 0
    }

    pub(super) fn offsets(&self, took: &TopicPartitionList, group: &ConsumerGroupMetadata) -> bool {
        again(|| self.0.send_offsets_to_transaction(took, group, ATTEMPT)).is_ok()
    }

    /// Commits, or aborts where librdkafka asks for that.
    pub(super) fn commit(&self) -> Result<End, Gone> {
        match again(|| self.0.commit_transaction(ATTEMPT)) {
            Ok(()) => Ok(End::Committed),
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => self.abort(),
            // Nobody has asked the broker yet.
            Err(KafkaError::Flush(_)) => self.abort(),
            Err(error) => Err(Gone(error)),
        }
    }

    /// One attempt to commit, whatever comes of it.
    pub(super) fn commits_once(&self) -> bool {
        self.0.commit_transaction(ATTEMPT).is_ok()
    }

    pub(super) fn abort(&self) -> Result<End, Gone> {
        again(|| self.0.abort_transaction(ATTEMPT)).map_err(Gone)?;
        Ok(End::Aborted)
    }
}

/// Tries as long as librdkafka says that it helps.
fn again(mut attempt: impl FnMut() -> KafkaResult<()>) -> KafkaResult<()> {
    loop {
        match attempt() {
            Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
            end => return end,
        }
    }
}
