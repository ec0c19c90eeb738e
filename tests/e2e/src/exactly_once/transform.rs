//! Consume, transform, produce: a record out for each record in, and the offset of
//! the input in the same transaction.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::sender::{End, Gone, Sender, client};
use super::worker::{DELIVERY, Worker};
use super::{INPUT, OUTPUT, places};
use crate::history::{Place, Took};

/// How long one poll waits for input.
const POLL: Duration = Duration::from_millis(50);
/// One attempt to learn the group's offset.
const ATTEMPT: Duration = Duration::from_secs(20);

/// The group of a transforming producer.
pub(super) fn group(id: &str) -> String {
    format!("group-{id}")
}

/// The input of one producer.
struct Input {
    consumer: BaseConsumer,
    place: Place,
    /// The group's offset.
    next: i64,
}

impl Input {
    /// Where the group is; to be called once the producer has fenced others.
    fn open(bootstrap: &str, group: &str, place: Place) -> Result<Self, Gone> {
        let mut config = client(bootstrap);
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.error.backoff.ms", "20")
            .set("auto.offset.reset", "error");
        let consumer: BaseConsumer = config.create().map_err(Gone)?;
        let next = super::reader::committed(&consumer, &place, ATTEMPT).map_err(Gone)?;
        let input = Self { consumer, place, next: next.unwrap_or(0) };
        input.seek()?;
        Ok(input)
    }

    /// Reads from the group's offset on.
    fn seek(&self) -> Result<(), Gone> {
        self.consumer.assign(&self.list(self.next)).map_err(Gone)
    }

    fn list(&self, offset: i64) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.place.topic, self.place.partition, Offset::Offset(offset))
            .expect("an offset is no error");
        list
    }

    /// How many records came, at most `most`, and the offset after the last.
    fn take(&self, most: u64) -> (usize, i64) {
        let (mut count, mut to) = (0, self.next);
        while count < most as usize {
            match self.consumer.poll(if count == 0 { POLL } else { Duration::ZERO }) {
                Some(Ok(message)) => (count, to) = (count + 1, message.offset() + 1),
                // The broker is away: what came so far is whole.
                Some(Err(_)) | None => break,
            }
        }
        (count, to)
    }
}

/// Runs one producer until it is told to stop or cannot go on.
pub(super) fn live(worker: &mut Worker) -> Result<(), Gone> {
    let outputs = places(&[OUTPUT]);
    let sender = Sender::new(&worker.bootstrap, Some(&worker.id));
    sender.init()?;
    let group = group(&worker.id);
    let place = Place::new(INPUT.name, worker.partition);
    let mut input = Input::open(&worker.bootstrap, &group, place)?;
    while !worker.is_stopping() {
        let most = worker.random.between(1, 20);
        let (count, to) = input.take(most);
        if count == 0 {
            continue;
        }
        let mut places = Vec::with_capacity(count);
        while places.len() < count {
            places.extend(worker.draw(&outputs, 1));
        }
        let (place, from) = (input.place.clone(), input.next);
        let took = Took { group: group.clone(), place, from, to };
        let sequence = worker.begin(true, &places, Some(took));
        sender.begin()?;
        worker.send(&sender, sequence, &places);
        worker.deliver(&sender, DELIVERY);
        let metadata = input.consumer.group_metadata().expect("the consumer has a group");
        let sent = sender.offsets(&input.list(to), &metadata);
        if !sent || worker.chance(6) {
            worker.abort(&sender, sequence)?;
            input.seek()?;
        } else if worker.commit(&sender, sequence)? == End::Committed {
            input.next = to;
        } else {
            input.seek()?;
        }
    }
    Ok(())
}
