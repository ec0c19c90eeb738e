//! Dead letters: a record as it came, with headers that tell where it is from, where
//! it failed and why. Names and forms are those of Kafka Connect's
//! `DeadLetterQueueReporter`; those of plugin and configuration are ours.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::Ordering;

use super::room::level;
use super::stage::{Failure, Stage};
use crate::batch::Batch;
use crate::kafka::TopicPartition;
use crate::task::counters::Counters;
use crate::task::plugin::{Refused, Reject};

/// What all names of the headers begin with.
pub const PREFIX: &str = "__connect.errors.";
/// Longest message in a header, in bytes.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Whose records fail, and by which code and configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The connector.
    pub connector: String,
    /// The task's number.
    pub task: u32,
    /// `connector.class`.
    pub class: String,
    /// `key.converter` as configured.
    pub key_converter: String,
    /// `value.converter` as configured.
    pub value_converter: String,
    /// `header.converter` as configured.
    pub header_converter: String,
    /// SHA-256 of the plugin's component, in hexadecimal.
    pub plugin_digest: String,
    /// Digest of the connector's configuration, in hexadecimal.
    pub config_version: String,
}

impl Origin {
    /// What runs at a stage: a converter, a transform or the plugin.
    pub(super) fn class_at(&self, stage: Stage) -> &str {
        match stage {
            Stage::KeyConverter => &self.key_converter,
            Stage::ValueConverter => &self.value_converter,
            Stage::HeaderConverter => &self.header_converter,
            Stage::Transformation(class) => class,
            Stage::TaskPoll | Stage::TaskProcess | Stage::TaskPut => &self.class,
        }
    }

    /// Letters of refused records, each with its key, value, timestamp and headers.
    pub(super) fn records(
        &self,
        headers: bool,
        from: &TopicPartition,
        batch: &Batch,
        rejects: &[Reject],
    ) -> Batch {
        let mut letters = Batch::default();
        let counts = &batch.columns.header_count;
        // Rejects may come in any order; where a record's headers begin is the sum
        // of those before it.
        let mut begins = Vec::with_capacity(counts.len());
        let mut next = 0;
        for count in counts {
            begins.push(next);
            next += *count as usize;
        }
        for Reject { at, failure } in rejects {
            let at = *at as usize;
            let begin = begins.get(at).copied().unwrap_or(0);
            let count = counts.get(at).copied().unwrap_or(0) as usize;
            letters.push_record(batch, at, begin..begin + count);
            if headers {
                let offset = batch.offset(at).unwrap_or(-1);
                let position = [
                    ("topic", from.topic.to_string()),
                    ("partition", from.partition.to_string()),
                    ("offset", offset.to_string()),
                ];
                self.tell(&mut letters, &position, failure);
            }
        }
        level(&mut letters);
        letters
    }

    /// Letters of what a source could make no record of: the payload as value.
    pub(super) fn payloads(&self, headers: bool, refused: &[Refused]) -> Batch {
        let mut letters = Batch::default();
        for Refused { payload, failure } in refused {
            letters.push(None, Some(payload), -1);
            if headers {
                self.tell(&mut letters, &[], failure);
            }
        }
        level(&mut letters);
        letters
    }

    fn tell(&self, letters: &mut Batch, position: &[(&str, String)], failure: &Failure) {
        let mut put = |name: &str, value: &str| {
            letters.push_header(format!("{PREFIX}{name}").as_bytes(), Some(value.as_bytes()));
        };
        for (name, value) in position {
            put(name, value);
        }
        put("connector.name", &self.connector);
        put("task.id", &self.task.to_string());
        put("stage", failure.stage.name());
        put("class.name", self.class_at(failure.stage));
        put("exception.class.name", cut(&failure.code));
        put("exception.message", cut(&failure.message));
        put("exception.stacktrace", cut(&failure.to_string()));
        put("plugin.digest", &self.plugin_digest);
        put("config.version", &self.config_version);
    }
}

/// A letter's story in one line: what is left of it in the log.
pub(super) fn told(letters: &Batch, headers: Range<usize>) -> String {
    let mut told = Vec::new();
    for header in headers {
        let name = letters.header_name(header).strip_prefix(PREFIX.as_bytes());
        let (Some(name), Some(value)) = (name, letters.header_value(header)) else { continue };
        if name != b"exception.stacktrace" {
            told.push([name, b"=", value].concat());
        }
    }
    String::from_utf8_lossy(&told.join(&b", "[..])).into_owned()
}

/// A letter is not written, in whatever form: its record is passed over without one.
pub(super) fn given_up(counters: &Counters, topic: &str, told: &str, why: &dyn fmt::Display) {
    counters.errors.dead_letter_failures.fetch_add(1, Ordering::Relaxed);
    tracing::error!(topic, "no dead letter is written: {why}; the record is skipped: {told}");
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE_BYTES_MAX)]
}
