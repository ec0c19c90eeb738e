//! Records of topics to requests.
//!
//! A record is durable when the server has taken its request, or refused it for good, and
//! so is every one before it. What fails is sent again, alone, as often as it takes; what
//! comes behind it for the same key waits. After a crash all that was not told durable is
//! sent again: at least once.

use std::collections::BTreeMap;

use longshore_sdk::course::{Course, key};
use longshore_sdk::http::{Endpoint, Keep, Request};
use longshore_sdk::{
    About, Batch, Config, ConfigError, Fault, LateReject, Mark, Partition, Plugin, Progress,
    Records, Reject, Sink, host,
};
use serde_json::Value;

use crate::format::{Made, lane, make};
use crate::options::{OnError, SinkOptions};
use crate::state::{Queue, Refusal};

/// The largest body of a request with several records, in bytes, about.
const BODY_BYTES_MAX: usize = 4 << 20;
/// No request is begun after this time of a call, of which the host takes 30 s: a call to
/// the server may take 20 s.
const SENDING_MS_MAX: i64 = 8_000;

/// The task of the sink.
#[derive(Debug)]
pub struct HttpSink {
    options: SinkOptions,
    endpoint: Endpoint,
    partitions: BTreeMap<(String, u32), Sending>,
    /// Refused records that are to be told.
    late: Vec<LateReject>,
}

/// A partition on its way to the server.
#[derive(Debug)]
struct Sending {
    course: Course,
    queue: Queue,
    /// The request that still waits for records.
    open: Option<Open>,
}

/// A request that is not full.
#[derive(Debug)]
struct Open {
    path: String,
    lane: u32,
    body: Vec<u8>,
    offsets: Vec<i64>,
    begun_ms: i64,
}

impl Plugin for HttpSink {
    const ABOUT: About = About {
        name: "http-sink",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Sends records to an HTTP server, each at least once",
    };

    fn config_schema() -> Value {
        SinkOptions::schema()
    }

    fn validate(config: &Config) -> Vec<ConfigError> {
        SinkOptions::read(config).err().unwrap_or_default()
    }
}

impl Sink for HttpSink {
    fn open(config: &Config) -> Result<Self, Fault> {
        let options = SinkOptions::read(config)
            .map_err(|errors| errors.into_iter().next().expect("what is refused has an error"))?;
        let endpoint = Endpoint::open(&options.connection)?;
        Ok(Self { options, endpoint, partitions: BTreeMap::new(), late: Vec::new() })
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
                sending.close(&self.options);
                let refusals = sending.send(&self.endpoint, until_ms);
                tell_refusals(&self.options, partition, refusals, &mut self.late);
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
        let new = || Sending::new(from);
        let sending = self.partitions.entry(key(from)).or_insert_with(new);
        // What was taken before goes first, and bounds what is taken now.
        let refusals = sending.send(&self.endpoint, until_ms);
        tell_refusals(&self.options, from, refusals, &mut self.late);
        sending.stuck()?;
        let refusals = sending.take(&self.options, topic, &records.read())?;
        // Those have no path: the server has not seen them, whatever it would have said.
        let rejects = refusals.into_iter().flat_map(|refusal| late_rejects(from, refusal));
        self.late.extend(rejects);
        let refusals = sending.send(&self.endpoint, until_ms);
        tell_refusals(&self.options, from, refusals, &mut self.late);
        sending.course.put()
    }

    fn tick(&mut self) -> Result<Progress, Fault> {
        Ok(self.send_all(false))
    }

    fn drain(&mut self) -> Result<Progress, Fault> {
        Ok(self.send_all(true))
    }
}

impl HttpSink {
    /// One partition's trouble does not hold up the others.
    fn send_all(&mut self, now: bool) -> Progress {
        let mut progress = Progress::default();
        let until_ms = host::now_ms() + SENDING_MS_MAX;
        for sending in self.partitions.values_mut() {
            let partition = sending.course.partition().clone();
            if now || sending.is_due(&self.options) {
                sending.close(&self.options);
            }
            let refusals = sending.send(&self.endpoint, until_ms);
            tell_refusals(&self.options, &partition, refusals, &mut self.late);
            progress.marks.extend(sending.mark());
            progress.stalled.extend(sending.course.stalled());
        }
        progress.rejects = std::mem::take(&mut self.late);
        progress
    }
}

impl Sending {
    fn new(partition: &Partition) -> Self {
        Self { course: Course::new(partition), queue: Queue::default(), open: None }
    }

    /// Nothing more may be taken while what was taken is not answered.
    fn stuck(&self) -> Result<(), Fault> {
        self.course.may_take(!self.queue.is_empty(), "the server is slow: requests are waiting")
    }

    /// Makes requests of records that were not taken yet; answers those of which none can
    /// be made.
    fn take(
        &mut self,
        options: &SinkOptions,
        topic: &str,
        batch: &Batch,
    ) -> Result<Vec<Refusal>, Fault> {
        let mut refusals = Vec::new();
        for record in batch.iter() {
            let Some(offset) = self.course.take(record.offset)? else { continue };
            match make(options, self.course.partition(), topic, &record) {
                Made::Nothing => {}
                Made::Refused { code, message } => {
                    let (offsets, code) = (vec![offset], code.to_owned());
                    refusals.push(Refusal { offsets, code, message });
                }
                Made::Delete { path } => {
                    // It comes after what was written before.
                    self.close(options);
                    let lane = lane(options, &record, &path);
                    let (method, headers) = ("DELETE".to_owned(), options.headers.clone());
                    let request = Request { method, path, headers, body: Vec::new(), lane };
                    self.queue.push(request, vec![offset]);
                }
                Made::Body { path, bytes } => {
                    let is_full = self.open.as_ref().is_some_and(|open| {
                        open.path != path || open.body.len() + bytes.len() > BODY_BYTES_MAX
                    });
                    if is_full {
                        self.close(options);
                    }
                    let open = self.open.get_or_insert_with(|| Open {
                        lane: lane(options, &record, &path),
                        path,
                        body: options.prefix.clone().into_bytes(),
                        offsets: Vec::new(),
                        begun_ms: host::now_ms(),
                    });
                    if !open.offsets.is_empty() {
                        open.body.extend_from_slice(options.separator.as_bytes());
                    }
                    open.body.extend_from_slice(bytes);
                    open.offsets.push(offset);
                    if open.offsets.len() >= options.batch_size {
                        self.close(options);
                    }
                }
            }
        }
        if options.linger_ms == 0 {
            self.close(options);
        }
        Ok(refusals)
    }

    /// The request that waits for records waits no more.
    fn close(&mut self, options: &SinkOptions) {
        if let Some(open) = self.open.take() {
            let Open { path, lane, mut body, offsets, .. } = open;
            body.extend_from_slice(options.suffix.as_bytes());
            let (method, headers) = (options.method.clone(), options.headers.clone());
            self.queue.push(Request { method, path, headers, body, lane }, offsets);
        }
    }

    fn is_due(&self, options: &SinkOptions) -> bool {
        let waited = |open: &Open| host::now_ms() - open.begun_ms >= options.linger_ms;
        self.open.as_ref().is_some_and(waited)
    }

    /// Sends what there is until all is answered, something fails, or time is up; answers
    /// what the server refused.
    fn send(&mut self, endpoint: &Endpoint, until_ms: i64) -> Vec<Refusal> {
        let mut all = Vec::new();
        while !self.queue.is_empty() {
            if !self.course.trouble.may_try() || host::now_ms() >= until_ms {
                break;
            }
            let (places, requests) = self.queue.take();
            let keep = Keep { headers: Vec::new(), body_bytes: 0 };
            let answers = endpoint.send(&requests, &keep);
            let (refusals, trouble) = self.queue.answered(places, requests, answers);
            all.extend(refusals);
            if !self.course.trouble.called(trouble) {
                break;
            }
        }
        all
    }

    /// What became durable since it was last told.
    fn mark(&mut self) -> Option<Mark> {
        let open = self.open.as_ref().and_then(|open| open.offsets.first().copied());
        self.course.mark(self.queue.first().or(open))
    }
}

fn late_rejects(partition: &Partition, refusal: Refusal) -> impl Iterator<Item = LateReject> {
    let Refusal { offsets, code, message } = refusal;
    let partition = partition.clone();
    offsets.into_iter().map(move |offset| LateReject {
        partition: partition.clone(),
        offset,
        code: code.clone(),
        message: message.clone(),
    })
}

/// What becomes of records that the server refused.
fn tell_refusals(
    options: &SinkOptions,
    partition: &Partition,
    refusals: Vec<Refusal>,
    late: &mut Vec<LateReject>,
) {
    for refusal in refusals {
        // The server was not asked about a path that leads out of its connection.
        if options.on_error == OnError::Fail || refusal.code == "bad-path" {
            late.extend(late_rejects(partition, refusal));
            continue;
        }
        host::count("records-passed-over", refusal.offsets.len() as u64);
        if options.on_error == OnError::Log {
            let offsets = match (refusal.offsets.first(), refusal.offsets.last()) {
                (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
                (Some(first), _) => first.to_string(),
                _ => String::new(),
            };
            host::warn(&format!(
                "passed over: records of {}-{} at the offsets {offsets}: {}",
                partition.topic, partition.number, refusal.message
            ));
        }
    }
}

#[cfg(test)]
mod tests;
