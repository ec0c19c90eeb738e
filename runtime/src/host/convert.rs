//! Between the contract's shapes and the runtime's. Columns are moved, never
//! copied.

use std::collections::BTreeSet;
use std::time::Duration;

use super::bindings::types;
use super::error::{Cause, Fault};
use super::plugin::Form;
use super::values::{self, Schemas, WithSchemas};
use crate::batch::{Batch, BatchError, Columns, Headers};
use crate::convert::Converters;
use crate::kafka::TopicPartition;
use crate::task::failures::{Failure, Stage};
use crate::task::plugin::{Checkpoint, Output, Refused, Reject};

pub(super) fn fault(fault: types::Fault) -> Fault {
    match fault {
        types::Fault::Retry(types::Retry { why, after_ms }) => Fault::Retry {
            code: why.code,
            message: why.message,
            after: after_ms.map(|ms| Duration::from_millis(ms.into())),
        },
        types::Fault::Config(why) => Fault::Config { code: why.code, message: why.message },
        types::Fault::Fatal(why) => Fault::Fatal { code: why.code, message: why.message },
    }
}

pub(super) fn to_guest_fault(fault: Fault) -> types::Fault {
    match fault {
        Fault::Retry { code, message, after } => types::Fault::Retry(types::Retry {
            why: types::Detail { code, message },
            after_ms: after.map(|after| u32::try_from(after.as_millis()).unwrap_or(u32::MAX)),
        }),
        Fault::Config { code, message } => types::Fault::Config(types::Detail { code, message }),
        Fault::Fatal { code, message } => types::Fault::Fatal(types::Detail { code, message }),
    }
}

/// A guest's batch, checked.
fn batch(batch: types::Batch) -> Result<WithSchemas, BatchError> {
    let (c, h) = (batch.columns, batch.headers);
    let batch = Batch {
        arena: batch.arena,
        columns: Columns {
            key_at: c.key_at,
            key_len: c.key_len,
            value_at: c.value_at,
            value_len: c.value_len,
            timestamp_ms: c.timestamp_ms,
            offset: c.offset,
            header_count: c.header_count,
        },
        headers: Headers {
            name_at: h.name_at,
            name_len: h.name_len,
            value_at: h.value_at,
            value_len: h.value_len,
        },
    };
    batch.validate()?;
    for (column, ids) in [("key-schema", &c.key_schema), ("value-schema", &c.value_schema)] {
        if !ids.is_empty() && ids.len() != batch.len() {
            let (found, expected) = (ids.len(), batch.len());
            return Err(BatchError::ColumnLength { column, found, expected });
        }
    }
    Ok(WithSchemas { batch, key_schema: c.key_schema, value_schema: c.value_schema })
}

pub(super) fn to_guest_batch(batch: Batch) -> types::Batch {
    types::Batch {
        arena: batch.arena,
        columns: into_columns(batch.columns),
        headers: into_headers(batch.headers),
    }
}

pub(super) fn into_columns(c: Columns) -> types::Columns {
    types::Columns {
        key_at: c.key_at,
        key_len: c.key_len,
        value_at: c.value_at,
        value_len: c.value_len,
        timestamp_ms: c.timestamp_ms,
        offset: c.offset,
        key_schema: Vec::new(),
        value_schema: Vec::new(),
        header_count: c.header_count,
    }
}

pub(super) fn into_headers(h: Headers) -> types::Headers {
    types::Headers {
        name_at: h.name_at,
        name_len: h.name_len,
        value_at: h.value_at,
        value_len: h.value_len,
    }
}

/// What a guest gave out, as the topics' bytes.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    pub(super) outputs: Vec<Output>,
    /// Records that a converter cannot write.
    pub(super) unwritten: Vec<Refused>,
}

pub(super) fn outputs(
    given: Vec<types::Output>,
    form: Form,
    converters: &Converters,
    schemas: &Schemas,
) -> Result<Outputs, Cause> {
    let mut all = Outputs::default();
    for types::Output { topic, partition, batch: given } in given {
        let partition = partition.map(number).transpose()?;
        let given = match batch(given) {
            Ok(given) => given,
            Err(source) => return Err(Cause::Batch { topic, source }),
        };
        let batch = match form {
            Form::Bytes => given.batch,
            Form::Values => {
                let written = values::write(&given, converters, schemas);
                let written = written.map_err(|why| {
                    Cause::Answer(format!("in an output for the topic `{topic}` {why}"))
                })?;
                let refused = written.unwritten.into_iter();
                all.unwritten
                    .extend(refused.map(|(payload, failure)| Refused { payload, failure }));
                written.batch
            }
        };
        all.outputs.push(Output { topic, partition, batch });
    }
    Ok(all)
}

/// `stage`: where the record with this index failed.
pub(super) fn rejects(
    rejects: Vec<types::Reject>,
    records: usize,
    stage: impl Fn(u32) -> Stage,
) -> Result<Vec<Reject>, Cause> {
    // Each becomes a copy of its record: told a million times, one of a megabyte would
    // be more than there is memory.
    let mut seen = BTreeSet::new();
    rejects
        .into_iter()
        .map(|reject| {
            if reject.at as usize >= records {
                return Err(Cause::Answer(format!(
                    "it rejects record {} of a batch of {records}",
                    reject.at
                )));
            }
            if !seen.insert(reject.at) {
                return Err(Cause::Answer(format!("it rejects record {} twice", reject.at)));
            }
            let types::Detail { code, message } = reject.why;
            Ok(Reject {
                at: reject.at,
                failure: Failure { stage: stage(reject.at), code, message },
            })
        })
        .collect()
}

pub(super) fn checkpoints(saved: Vec<types::Checkpoint>) -> Result<Vec<Checkpoint>, Cause> {
    saved
        .into_iter()
        .map(|saved| {
            is_object("a checkpoint's partition", &saved.partition)?;
            if let Some(offset) = &saved.offset {
                is_object("a checkpoint's offset", offset)?;
            }
            Ok(Checkpoint { partition: saved.partition, offset: saved.offset })
        })
        .collect()
}

fn is_object(what: &str, text: &str) -> Result<(), Cause> {
    type Object = serde_json::Map<String, serde_json::Value>;
    serde_json::from_str::<Object>(text)
        .map(|_| ())
        .map_err(|error| Cause::Answer(format!("{what} is no JSON object: {error}")))
}

pub(super) fn to_guest_partition(partition: &TopicPartition) -> types::Partition {
    types::Partition {
        topic: partition.topic.to_string(),
        number: u32::try_from(partition.partition).expect("partitions count from 0"),
    }
}

pub(super) fn partition(partition: types::Partition) -> Result<TopicPartition, Cause> {
    Ok(TopicPartition::new(partition.topic, number(partition.number)?))
}

fn number(partition: u32) -> Result<i32, Cause> {
    i32::try_from(partition)
        .map_err(|_| Cause::Answer(format!("there is no partition number {partition}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_json_objects() {
        let saved = |partition: &str, offset: Option<&str>| {
            let (partition, offset) = (partition.to_owned(), offset.map(str::to_owned));
            checkpoints(vec![types::Checkpoint { partition, offset }])
        };
        assert!(saved("{}", Some(r#"{"at":1}"#)).is_ok());
        assert!(saved("{}", None).is_ok());
        for (partition, offset) in [("7", None), ("{}", Some("{\"torn\":")), ("{}", Some("null"))] {
            assert!(matches!(saved(partition, offset), Err(Cause::Answer(_))), "{partition}");
        }
    }

    #[test]
    fn a_record_is_rejected_once_at_the_most() {
        let rejected = |all: &[u32]| {
            let why = types::Detail { code: "bad".to_owned(), message: String::new() };
            let all = all.iter().map(|at| types::Reject { at: *at, why: why.clone() });
            rejects(all.collect(), 3, |_| Stage::TaskPut)
        };
        assert_eq!(rejected(&[2, 0]).unwrap().len(), 2);
        for wrong in [&[3][..], &[1, 0, 1]] {
            assert!(matches!(rejected(wrong), Err(Cause::Answer(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_partition_number_beyond_kafkas_is_refused() {
        assert!(number(u32::MAX).is_err());
        assert_eq!(number(3), Ok(3));
    }
}
