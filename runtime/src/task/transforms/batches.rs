//! A batch's records through a chain: bytes to data, data to bytes.
//!
//! What the chain does not look into stays the bytes that it is, and so does what no
//! transform has changed: neither a number's digits nor the order of an object's keys
//! changes on the way. What is looked into becomes a tree of values, which takes memory
//! for each record: a transform may put anything in place of anything.
//!
//! Where a converter has a schema registry, all of a connector's records go through here,
//! with transforms or without: topic and plugin have other bytes. What the registry does
//! not tell in time is no record's fault, and fails the whole batch.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::batch::Batch;
use crate::convert::{ConvertError, HeaderConverter, Part, Passage, Passages};
use crate::data::Datum;
use crate::task::error::TaskError;
use crate::task::failures::{Failure, Stage};
use crate::task::plugin::{Output, Refused, Reject};
use crate::transform::record::{Header, HeaderValue};
use crate::transform::{Chain, Outcome, Record};

/// Names of headers that are kept, so that most need no memory of their own.
const NAMES_MAX: usize = 1000;

/// The transforms of one task, with the converters on both sides of them.
#[derive(Debug)]
pub struct BatchTransform {
    chain: Chain,
    passages: Passages,
    headers: HeaderConverter,
    names: HashMap<Box<[u8]>, Arc<str>>,
    scratch: [Vec<u8>; 2],
}

/// Records of one topic, as the chain left them.
#[derive(Debug)]
pub(super) struct Routed {
    pub(super) topic: Arc<str>,
    pub(super) batch: Batch,
    /// The index of each in the batch that it came from.
    pub(super) origins: Vec<u32>,
}

/// What a chain made of a batch.
#[derive(Debug, Default)]
pub(super) struct Transformed {
    pub(super) routed: Vec<Routed>,
    /// Records that it dropped.
    pub(super) filtered: Vec<u32>,
    /// Records that could not be read, transformed or written.
    pub(super) failed: Vec<Reject>,
}

/// Which records stand in one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grouping {
    /// All of a topic.
    Topic,
    /// Those of a topic in a row, so that batch after batch is in the order of offsets.
    Run,
}

/// Why a record is not placed.
enum Unplaced {
    /// It cannot be read, transformed or written.
    Failed(Failure),
    /// The registry cannot be asked: later it may be.
    Later(String),
}

impl Unplaced {
    fn of(stage: Stage, subject: &str, error: &ConvertError) -> Self {
        let message = format!("the {subject} is {error}");
        match error.may_pass() {
            true => Self::Later(message),
            false => Self::Failed(Failure { stage, code: error.code().to_owned(), message }),
        }
    }
}

impl BatchTransform {
    /// A chain and the converters of its connector, on both sides of it.
    pub fn new(chain: Chain, passages: Passages, headers: HeaderConverter) -> Self {
        Self { chain, passages, headers, names: HashMap::new(), scratch: Default::default() }
    }

    /// Sends what a source gave out through the chain: what is to be produced, and what
    /// could not be. An error may pass: nothing is lost that a source gives out again.
    pub async fn outputs(
        &mut self,
        outputs: Vec<Output>,
    ) -> Result<(Vec<Output>, Vec<Refused>), TaskError> {
        let (mut sent, mut refused) = (Vec::new(), Vec::new());
        for Output { topic, partition, batch } in outputs {
            let done = self.apply(&topic, partition, &batch, Grouping::Topic).await;
            let done = done.map_err(TaskError::retry)?;
            sent.extend(done.routed.into_iter().map(|routed| Output {
                topic: routed.topic.to_string(),
                partition,
                batch: routed.batch,
            }));
            refused.extend(done.failed.into_iter().map(|Reject { at, failure }| Refused {
                payload: batch.value(at as usize).unwrap_or_default().to_vec(),
                failure,
            }));
        }
        Ok((sent, refused))
    }

    /// Sends a batch through. The error is why the registry could not be asked.
    pub(super) async fn apply(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        batch: &Batch,
        grouping: Grouping,
    ) -> Result<Transformed, String> {
        let mut done = Transformed::default();
        let topic: Arc<str> = topic.into();
        let mut next_header = 0;
        for at in 0..batch.len() {
            let count = batch.columns.header_count.get(at).copied().unwrap_or(0) as usize;
            let headers = next_header..next_header + count;
            next_header = headers.end;
            let placed = match self.record(&topic, partition, batch, at, headers).await {
                Ok(Some(record)) => self.place(&record, batch, at, grouping, &mut done).await,
                Ok(None) => {
                    done.filtered.push(at as u32);
                    Ok(())
                }
                Err(unplaced) => Err(unplaced),
            };
            match placed {
                Ok(()) => {}
                Err(Unplaced::Failed(failure)) => {
                    done.failed.push(Reject { at: at as u32, failure });
                }
                Err(Unplaced::Later(reason)) => return Err(reason),
            }
        }
        for Routed { batch, .. } in &mut done.routed {
            let records = batch.len();
            let counts = &mut batch.columns.header_count;
            if !counts.is_empty() {
                counts.resize(records, 0);
            }
        }
        Ok(done)
    }

    /// A record as the chain leaves it; `None` if it drops it.
    async fn record(
        &mut self,
        topic: &Arc<str>,
        partition: Option<i32>,
        batch: &Batch,
        at: usize,
        headers: Range<usize>,
    ) -> Result<Option<Record>, Unplaced> {
        let reads = self.chain.reads();
        let Passages { key, value } = &self.passages;
        let key = read(Part::Key, key, reads.key, batch.key(at)).await?;
        let value = read(Part::Value, value, reads.value, batch.value(at)).await?;
        let mut record = Record::new(topic.clone(), key, value);
        record.partition = partition;
        record.offset = batch.offset(at);
        record.timestamp_ms = Some(batch.timestamp_ms(at)).filter(|ms| *ms >= 0);
        for header in headers {
            let name = self.name(batch.header_name(header));
            record.headers.push(Header { name, value: HeaderValue::Kept(header as u32) });
        }
        match self.chain.apply(&mut record) {
            Ok(Outcome::Keep) => Ok(Some(record)),
            Ok(Outcome::Drop) => Ok(None),
            Err(failed) => Err(Unplaced::Failed(Failure {
                stage: Stage::Transformation(failed.class),
                code: failed.code.to_owned(),
                message: failed.message,
            })),
        }
    }

    fn name(&mut self, bytes: &[u8]) -> Arc<str> {
        if let Some(name) = self.names.get(bytes) {
            return name.clone();
        }
        if self.names.len() == NAMES_MAX {
            self.names.clear();
        }
        let name: Arc<str> = String::from_utf8_lossy(bytes).into();
        self.names.insert(bytes.into(), Arc::clone(&name));
        name
    }

    /// Appends a record to the batch of its topic. One that cannot be written leaves
    /// nothing there.
    async fn place(
        &mut self,
        record: &Record,
        from: &Batch,
        at: usize,
        grouping: Grouping,
        done: &mut Transformed,
    ) -> Result<(), Unplaced> {
        let [mut key, mut value] = std::mem::take(&mut self.scratch);
        let written = self.write(record, from, at, &mut key, &mut value, grouping, done).await;
        self.scratch = [key, value];
        written
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `place`, with its scratch apart")]
    async fn write(
        &mut self,
        record: &Record,
        from: &Batch,
        at: usize,
        key_bytes: &mut Vec<u8>,
        value_bytes: &mut Vec<u8>,
        grouping: Grouping,
        done: &mut Transformed,
    ) -> Result<(), Unplaced> {
        let Passages { key, value } = &self.passages;
        let key = write(record, Part::Key, key, from.key(at), key_bytes).await?;
        let value = write(record, Part::Value, value, from.value(at), value_bytes).await?;
        // Headers that a transform made; most records have none.
        let mut made = Vec::new();
        for header in &record.headers {
            if let HeaderValue::Made(datum) = &header.value {
                let mut bytes = Vec::new();
                let written = self.headers.write(datum, &mut bytes);
                let there = written.map_err(|error| {
                    let subject = format!("header `{}`", header.name);
                    Unplaced::of(Stage::HeaderConverter, &subject, &error)
                })?;
                made.push(there.then_some(bytes));
            }
        }
        let routed = place_of(&record.topic, grouping, &mut done.routed);
        routed.origins.push(at as u32);
        routed.batch.push(key, value, record.timestamp_ms.unwrap_or(-1));
        if let Some(offset) = record.offset {
            routed.batch.columns.offset.push(offset);
        }
        let mut made = made.iter();
        for header in &record.headers {
            match header.value {
                HeaderValue::Kept(index) => {
                    let index = index as usize;
                    routed.batch.push_header(from.header_name(index), from.header_value(index));
                }
                HeaderValue::Made(_) => {
                    let bytes = made.next().and_then(Option::as_deref);
                    routed.batch.push_header(header.name.as_bytes(), bytes);
                }
            }
        }
        Ok(())
    }
}

/// A key or value as data; none where nobody looks into it.
async fn read(
    part: Part,
    passage: &Passage,
    is_read: bool,
    bytes: Option<&[u8]>,
) -> Result<Datum, Unplaced> {
    match is_read || passage.converts {
        true => passage.from.read(bytes).await.map_err(|error| unread(part, &error)),
        false => Ok(Datum::default()),
    }
}

/// The bytes of a key or value: those that it came with, where nothing changed them.
async fn write<'a>(
    record: &Record,
    part: Part,
    passage: &Passage,
    original: Option<&'a [u8]>,
    scratch: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>, Unplaced> {
    let datum = match record.changed(part) {
        None if passage.converts => record.datum(part),
        None => return Ok(original),
        Some(datum) => datum,
    };
    scratch.clear();
    let there = passage.to.write(&record.topic, datum, scratch).await;
    let there = there.map_err(|error| unread(part, &error))?;
    Ok(there.then_some(&*scratch))
}

fn unread(part: Part, error: &ConvertError) -> Unplaced {
    match part {
        Part::Key => Unplaced::of(Stage::KeyConverter, "key", error),
        Part::Value => Unplaced::of(Stage::ValueConverter, "value", error),
    }
}

fn place_of<'a>(
    topic: &Arc<str>,
    grouping: Grouping,
    routed: &'a mut Vec<Routed>,
) -> &'a mut Routed {
    let found = match grouping {
        Grouping::Topic => routed.iter().rposition(|it| it.topic == *topic),
        Grouping::Run => routed.len().checked_sub(1).filter(|last| routed[*last].topic == *topic),
    };
    let place = found.unwrap_or_else(|| {
        let (batch, origins) = (Batch::default(), Vec::new());
        routed.push(Routed { topic: topic.clone(), batch, origins });
        routed.len() - 1
    });
    &mut routed[place]
}
