//! Records of topics to operations on documents.
//!
//! A record is durable when the server has done its operation, or refused it for good, and
//! so is every one before it. What fails is sent again, alone, as often as it takes; what
//! comes behind it in its partition waits. After a crash all that was not told durable is
//! sent again: what was done before says so by its version.

use std::collections::BTreeMap;

use longshore_sdk::course::{Course, key};
use longshore_sdk::fault::Detail;
use longshore_sdk::search::Cluster;
use longshore_sdk::values::Schemas;
use longshore_sdk::{
    About, Batch, Config, ConfigError, Fault, Form, LateReject, Mark, Partition, Plugin, Progress,
    Records, Reject, Sink, host,
};
use serde_json::Value;

use crate::options::{OnMalformed, SinkOptions};
use crate::plan::{Refused, index, operation};
use crate::state::{Queue, Refusal};

/// No request is begun after this time of a call, of which the host takes 30 s: a call to
/// the server may take 20 s.
const SENDING_MS_MAX: i64 = 8_000;

/// The task of the sink.
#[derive(Debug)]
pub struct ElasticsearchSink {
    options: SinkOptions,
    cluster: Cluster,
    schemas: Schemas,
    partitions: BTreeMap<(String, u32), Sending>,
    /// Refused records that are to be told.
    late: Vec<LateReject>,
}

/// A partition on its way to the server.
#[derive(Debug)]
struct Sending {
    course: Course,
    queue: Queue,
}

impl Plugin for ElasticsearchSink {
    const ABOUT: About = About {
        name: "elasticsearch-sink",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Writes records to indices of Elasticsearch or OpenSearch, each effectively once",
    };
    const INPUT: Form = Form::Values;

    fn config_schema() -> Value {
        SinkOptions::schema()
    }

    fn validate(config: &Config) -> Vec<ConfigError> {
        SinkOptions::read(config).err().unwrap_or_default()
    }
}

impl Sink for ElasticsearchSink {
    fn open(config: &Config) -> Result<Self, Fault> {
        let options = SinkOptions::read(config)
            .map_err(|errors| errors.into_iter().next().expect("what is refused has an error"))?;
        let cluster = Cluster::open(&options.connection)?;
        let (schemas, partitions) = (Schemas::new(), BTreeMap::new());
        Ok(Self { options, cluster, schemas, partitions, late: Vec::new() })
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
                sending.send(&self.options, &self.cluster, until_ms, &mut self.late);
                progress.marks.extend(sending.mark());
            }
        }
        progress.rejects = std::mem::take(&mut self.late);
        Ok(progress)
    }

    fn put(
        &mut self,
        from: &Partition,
        topic: &str,
        records: Records,
    ) -> Result<Vec<Reject>, Fault> {
        let until_ms = host::now_ms() + SENDING_MS_MAX;
        let Self { options, cluster, schemas, partitions, late } = self;
        let sending = partitions.entry(key(from)).or_insert_with(|| Sending::new(from));
        // What was taken before goes first, and bounds what is taken now.
        sending.send(options, cluster, until_ms, late);
        sending.stuck()?;
        sending.take(options, schemas, &index(topic)?, &records.read(), late)?;
        sending.send(options, cluster, until_ms, late);
        sending.course.put()
    }

    /// One partition's trouble does not hold up the others.
    fn tick(&mut self) -> Result<Progress, Fault> {
        let mut progress = Progress::default();
        let until_ms = host::now_ms() + SENDING_MS_MAX;
        for sending in self.partitions.values_mut() {
            sending.send(&self.options, &self.cluster, until_ms, &mut self.late);
            progress.marks.extend(sending.mark());
            progress.stalled.extend(sending.course.stalled());
        }
        progress.rejects = std::mem::take(&mut self.late);
        Ok(progress)
    }

    /// Nothing waits but for the server.
    fn drain(&mut self) -> Result<Progress, Fault> {
        self.tick()
    }
}

impl Sending {
    fn new(partition: &Partition) -> Self {
        Self { course: Course::new(partition), queue: Queue::default() }
    }

    /// Nothing more may be taken while what was taken is not done.
    fn stuck(&self) -> Result<(), Fault> {
        self.course.may_take(!self.queue.is_empty(), "the server is slow: documents are waiting")
    }

    /// Makes operations of records that were not taken yet; those of which none can be made
    /// are refused, whatever becomes of documents that the server refuses.
    fn take(
        &mut self,
        options: &SinkOptions,
        schemas: &mut Schemas,
        index: &str,
        batch: &Batch,
        late: &mut Vec<LateReject>,
    ) -> Result<(), Fault> {
        for record in batch.iter() {
            let Some(offset) = self.course.take(record.offset)? else { continue };
            let datums = schemas.key(&record).and_then(|key| Ok((key, schemas.value(&record)?)));
            let made = match &datums {
                Ok((key, value)) => {
                    operation(options, self.course.partition(), offset, index, key, value)
                }
                Err(error) => Err(Refused { code: "not-a-value", message: error.to_string() }),
            };
            match made {
                Ok(Some(operation)) => self.queue.push(offset, operation),
                Ok(None) => {}
                Err(Refused { code, message }) => {
                    late.push(self.course.late_reject(offset, Detail::new(code, message)));
                }
            }
        }
        Ok(())
    }

    /// Sends what there is until all is done, something fails, or time is up.
    fn send(
        &mut self,
        options: &SinkOptions,
        cluster: &Cluster,
        until_ms: i64,
        late: &mut Vec<LateReject>,
    ) {
        while !self.queue.is_empty() {
            if !self.course.trouble.may_try() || host::now_ms() >= until_ms {
                break;
            }
            let (offsets, operations) = self.queue.take(options.batch_size, options.bulk_bytes);
            let answers = cluster.bulk(&operations);
            let called = self.queue.answered(offsets, operations, answers);
            if called.superseded > 0 {
                host::count("documents-superseded", called.superseded);
            }
            for refusal in called.refusals {
                self.tell(options, refusal, late);
            }
            if !self.course.trouble.called(called.trouble) {
                break;
            }
        }
    }

    /// What becomes of a document that the server refuses.
    fn tell(&self, options: &SinkOptions, refusal: Refusal, late: &mut Vec<LateReject>) {
        let Refusal { offset, code, message } = refusal;
        if options.on_malformed == OnMalformed::Fail {
            late.push(self.course.late_reject(offset, Detail { code, message }));
            return;
        }
        host::count("documents-passed-over", 1);
        if options.on_malformed == OnMalformed::Warn {
            let Partition { topic, number } = self.course.partition();
            host::warn(&format!("passed over: {topic}-{number} at the offset {offset}: {message}"));
        }
    }

    /// What became durable since it was last told.
    fn mark(&mut self) -> Option<Mark> {
        self.course.mark(self.queue.first())
    }
}

#[cfg(test)]
mod tests;
