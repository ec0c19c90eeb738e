//! Records of topics to messages.
//!
//! A record is durable when the service has taken its message, or refused it for good, and
//! so is every one before it. What fails is sent again, alone, as often as it takes; what
//! comes behind it in its group waits. After a crash all that was not told durable is sent
//! again: at least once.

use std::collections::BTreeMap;

use longshore_sdk::course::{Course, key};
use longshore_sdk::fault::Detail;
use longshore_sdk::{
    About, Batch, Config, ConfigError, Fault, LateReject, Mark, Partition, Plugin, Progress,
    Records, Reject, Sink, host,
};
use serde_json::Value;

use crate::format::{Made, make};
use crate::kind::{Kind, Place};
use crate::options::SinkOptions;
use crate::state::Queue;

/// Nothing is sent after this time of a call, of which the host takes 30 s: a call to the
/// service may take 20 s.
const SENDING_MS_MAX: i64 = 8_000;

/// The task of the sink.
#[derive(Debug)]
pub struct MessageSink<K: Kind> {
    options: SinkOptions,
    place: K::Place,
    partitions: BTreeMap<(String, u32), Sending>,
    /// Refused records that are to be told.
    late: Vec<LateReject>,
}

/// A partition on its way to the service.
#[derive(Debug)]
struct Sending {
    course: Course,
    queue: Queue,
}

impl<K: Kind> Plugin for MessageSink<K> {
    const ABOUT: About = K::SINK;

    fn config_schema() -> Value {
        SinkOptions::schema::<K>()
    }

    fn validate(config: &Config) -> Vec<ConfigError> {
        SinkOptions::read::<K>(config).err().unwrap_or_default()
    }
}

impl<K: Kind> Sink for MessageSink<K> {
    fn open(config: &Config) -> Result<Self, Fault> {
        let options = SinkOptions::read::<K>(config)
            .map_err(|errors| errors.into_iter().next().expect("what is refused has an error"))?;
        let place = K::Place::open(&options.connection, &options.place)?;
        Ok(Self { options, place, partitions: BTreeMap::new(), late: Vec::new() })
    }

    fn assigned(&mut self, partitions: &[Partition]) -> Result<Vec<Mark>, Fault> {
        for partition in partitions {
            self.partitions.insert(key(partition), Sending::new(partition));
        }
        Ok(Vec::new())
    }

    fn revoked(&mut self, partitions: &[Partition]) -> Result<Progress, Fault> {
        let mut progress = Progress::default();
        let until_ms = host::now_ms() + SENDING_MS_MAX;
        for partition in partitions {
            if let Some(mut sending) = self.partitions.remove(&key(partition)) {
                // What is not sent now is read again by who has it next.
                sending.send(&self.place, until_ms, &mut self.late);
                progress.marks.extend(sending.mark());
            }
        }
        progress.rejects = std::mem::take(&mut self.late);
        Ok(progress)
    }

    fn put(&mut self, from: &Partition, _: &str, records: Records) -> Result<Vec<Reject>, Fault> {
        let until_ms = host::now_ms() + SENDING_MS_MAX;
        let sending = self.partitions.entry(key(from)).or_insert_with(|| Sending::new(from));
        // What was taken before goes first, and bounds what is taken now.
        sending.send(&self.place, until_ms, &mut self.late);
        sending.stuck()?;
        sending.take(&self.options, &records.read(), &mut self.late)?;
        sending.send(&self.place, until_ms, &mut self.late);
        sending.course.put()
    }

    fn tick(&mut self) -> Result<Progress, Fault> {
        let mut progress = Progress::default();
        let until_ms = host::now_ms() + SENDING_MS_MAX;
        // One partition's trouble does not hold up the others.
        for sending in self.partitions.values_mut() {
            sending.send(&self.place, until_ms, &mut self.late);
            progress.marks.extend(sending.mark());
            progress.stalled.extend(sending.course.stalled());
        }
        progress.rejects = std::mem::take(&mut self.late);
        Ok(progress)
    }

    fn drain(&mut self) -> Result<Progress, Fault> {
        self.tick()
    }
}

impl Sending {
    fn new(partition: &Partition) -> Self {
        Self { course: Course::new(partition), queue: Queue::default() }
    }

    /// Nothing more may be taken while what was taken is not answered.
    fn stuck(&self) -> Result<(), Fault> {
        self.course.may_take(!self.queue.is_empty(), "the service is slow: messages are waiting")
    }

    /// Makes messages of records that were not taken yet.
    fn take(
        &mut self,
        options: &SinkOptions,
        batch: &Batch,
        late: &mut Vec<LateReject>,
    ) -> Result<(), Fault> {
        for (record, headers) in batch.iter().zip(batch.headers()) {
            let Some(offset) = self.course.take(record.offset)? else { continue };
            match make(options, self.course.partition(), &record, headers) {
                Made::Nothing => host::count("records-passed-over", 1),
                Made::Message(entry) => self.queue.push(offset, entry),
                Made::Refused { code, message } => {
                    late.push(self.course.late_reject(offset, Detail::new(code, message)));
                }
            }
        }
        Ok(())
    }

    /// Sends what there is until all is answered, something fails, or time is up; adds what
    /// was refused to `late`.
    fn send(&mut self, place: &impl Place, until_ms: i64, late: &mut Vec<LateReject>) {
        while !self.queue.is_empty() {
            if !self.course.trouble.may_try() || host::now_ms() >= until_ms {
                break;
            }
            let (places, entries) = self.queue.take();
            let answers = place.send(&entries);
            let (refused, trouble) = self.queue.answered(places, entries, answers);
            late.extend(
                refused.into_iter().map(|(offset, why)| self.course.late_reject(offset, why)),
            );
            if !self.course.trouble.called(trouble) {
                break;
            }
        }
    }

    /// What became durable since it was last told.
    fn mark(&mut self) -> Option<Mark> {
        self.course.mark(self.queue.first())
    }
}

#[cfg(test)]
pub(crate) mod tests;
