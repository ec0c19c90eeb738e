//! What clients did to a broker and what readers saw of it, and a judge of both.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`event`] | what a producer notes down before and after each step, a line each |
//! | [`record`] | who wrote a record: its value tells |
//! | [`checker`] | [`check`]: what in a [`History`] exactly-once forbids |
//!
//! A producer writes down what it is about to do before it does it, so whatever
//! kills it, the history knows what may be in the log.

pub mod checker;
pub mod event;
pub mod record;

#[cfg(test)]
mod checker_tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use checker::{Violation, check};
pub use event::Event;
pub use record::RecordId;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

impl Place {
    /// Partition `partition` of `topic`.
    pub fn new(topic: &str, partition: i32) -> Self {
        Self { topic: topic.to_owned(), partition }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}-{}", self.topic, self.partition)
    }
}

/// Input that a transaction has consumed: the offsets that it commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// The group whose offset it commits.
    pub group: String,
    /// What was read.
    pub place: Place,
    /// The group's offset before.
    pub from: i64,
    /// The group's offset after.
    pub to: i64,
}

/// What became of a transaction, as far as its producer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The commit was acknowledged.
    Committed,
    /// It was aborted or fenced, or nobody ever asked to commit it.
    NotCommitted,
    /// A commit was asked for and not answered.
    Unknown,
}

/// What one producer wrote at once: a transaction, or single records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The producer, a new one for each life of its process.
    pub producer: String,
    /// The number of the unit among the producer's own.
    pub sequence: u64,
    /// A transaction: all of its records are readable, or none.
    pub atomic: bool,
    /// Where each record was sent.
    pub places: Vec<Place>,
    /// Where each was acknowledged, if it was.
    pub offsets: Vec<Option<i64>>,
    /// Of a transaction: how it ended.
    pub outcome: Outcome,
    /// Of a transaction: the broker acknowledged its commit although its producer
    /// was fenced before.
    pub committed_when_fenced: bool,
    /// Of a transaction: the input whose offsets it commits, a record out for each
    /// record in.
    pub took: Option<Took>,
    /// When the end, or the latest record, was acknowledged; ms since 1970.
    pub acknowledged_ms: Option<i64>,
}

impl Unit {
    /// The id of a record of it.
    pub fn record(&self, index: usize) -> RecordId {
        RecordId { producer: self.producer.clone(), sequence: self.sequence, index: index as u64 }
    }

    /// How many of its records were acknowledged for good.
    pub fn acknowledged(&self) -> usize {
        match (self.atomic, self.outcome) {
            (true, Outcome::Committed) => self.places.len(),
            (true, _) => 0,
            (false, _) => self.offsets.iter().flatten().count(),
        }
    }
}

/// A record that a reader saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its offset.
    pub offset: i64,
    /// What its value says.
    pub record: RecordId,
}

/// All that a `read_committed` reader saw from the start of each partition on, in
/// the order in which it saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Stands in messages.
    pub reader: String,
    /// It read to the end, after everything was over; else only how far it came.
    pub complete: bool,
    /// What it saw.
    pub seen: BTreeMap<Place, Vec<Seen>>,
}

/// Everything that was done and seen.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What was written.
    pub units: Vec<Unit>,
    /// What was read.
    pub readings: Vec<Reading>,
    /// The groups' offsets when all was over.
    pub committed: BTreeMap<(String, Place), i64>,
    /// Topics whose old records retention takes away: what is missing there says
    /// nothing.
    pub expiring: BTreeSet<String>,
}

impl History {
    /// Records acknowledged at or after a time, ms since 1970.
    pub fn acknowledged_since(&self, ms: i64) -> usize {
        let units = self.units.iter();
        let late = units.filter(|unit| unit.acknowledged_ms.is_some_and(|at| at >= ms));
        late.map(Unit::acknowledged).sum()
    }
}
