//! Readers of what is committed, and the groups' offsets.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::sender::{Sender, client};
use super::{TOPICS, places, transform};
use crate::background::Background;
use crate::history::{Place, Reading, RecordId, Seen};
use crate::limits;

const POLL: Duration = Duration::from_millis(50);

/// How a reader fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetches {
    /// A few batches of each partition at a time.
    Small,
    /// As much as there is.
    Large,
}

/// A reader of all topics that reads on until it is told to stop.
#[derive(Debug)]
pub struct Reader(Background<Reading>);

impl Reader {
    /// Begins to read at the start of each partition.
    pub fn start(bootstrap: &str, fetches: Fetches) -> Self {
        let bootstrap = bootstrap.to_owned();
        Self(Background::start(move |told| {
            let reader = format!("the reader beside the faults ({fetches:?} fetches)");
            read(&bootstrap, fetches, reader, |_| told.to_end())
        }))
    }

    /// What it has seen.
    pub fn finish(self) -> Reading {
        self.0.finish()
    }
}

/// Reads everything to its end.
///
/// # Panics
/// When that takes longer than [`limits::CLIENT`].
pub fn read_all(bootstrap: &str, fetches: Fetches, reader: &str) -> Reading {
    let began = Instant::now();
    let all = places(&TOPICS).len();
    let mut reading = read(bootstrap, fetches, reader.to_owned(), |ended| {
        assert!(began.elapsed() < limits::CLIENT, "{reader}: only {ended} of {all} came to an end");
        ended == all
    });
    reading.complete = true;
    reading
}

/// Reads until `stop`, which is told how many partitions were read to their end.
fn read(
    bootstrap: &str,
    fetches: Fetches,
    reader: String,
    stop: impl Fn(usize) -> bool,
) -> Reading {
    let mut config = client(bootstrap);
    config
        .set("group.id", "reader")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "50")
        .set("fetch.error.backoff.ms", "20")
        .set("auto.offset.reset", "earliest");
    if fetches == Fetches::Small {
        config.set("fetch.message.max.bytes", "3000");
    }
    let consumer: BaseConsumer = config.create().expect("the settings are right");
    let mut list = TopicPartitionList::new();
    for place in &places(&TOPICS) {
        list.add_partition_offset(&place.topic, place.partition, Offset::Beginning)
            .expect("a start is no error");
    }
    consumer.assign(&list).expect("partitions can be assigned");
    let mut reading = Reading { reader, ..Reading::default() };
    let mut ended = 0;
    while !stop(ended) {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let place = Place::new(message.topic(), message.partition());
                let value = message.payload().unwrap_or_default();
                let record = RecordId::parse(value).unwrap_or_else(|| RecordId {
                    producer: String::from_utf8_lossy(value).into_owned(),
                    sequence: 0,
                    index: 0,
                });
                let seen = Seen { offset: message.offset(), record };
                reading.seen.entry(place).or_default().push(seen);
            }
            // Once for each partition: nothing more is written when an end is waited for.
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            // The broker is away, and comes back.
            Some(Err(_)) | None => {}
        }
    }
    reading
}

/// The committed offset of a consumer's group, if there is one.
pub(super) fn committed(
    consumer: &BaseConsumer,
    place: &Place,
    deadline: Duration,
) -> KafkaResult<Option<i64>> {
    let mut list = TopicPartitionList::new();
    list.add_partition(&place.topic, place.partition);
    let list = consumer.committed_offsets(list, deadline)?;
    let found = list.find_partition(&place.topic, place.partition);
    let found = found.expect("what was asked is answered");
    found.error()?;
    Ok(match found.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    })
}

/// Ends whatever transaction a producer of this id has left open.
///
/// # Panics
/// When the broker refuses.
pub fn fence(bootstrap: &str, transactional_id: &str) {
    let ended = Sender::new(bootstrap, Some(transactional_id)).init();
    ended.unwrap_or_else(|error| panic!("{transactional_id} cannot be fenced: {error:?}"));
}

/// The offset that the group of a transforming producer has.
///
/// # Panics
/// When the broker does not say.
pub fn group_offset(bootstrap: &str, id: &str, place: &Place) -> ((String, Place), i64) {
    let group = transform::group(id);
    let consumer: BaseConsumer =
        client(bootstrap).set("group.id", &group).create().expect("the settings are right");
    let offset = committed(&consumer, place, limits::CLIENT);
    let offset = offset.unwrap_or_else(|error| panic!("no offset of {group}: {error}"));
    ((group, place.clone()), offset.unwrap_or(0))
}
