//! The notes of a producer: one JSON line before each step and one after it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Outcome, Place, Took, Unit};

/// A step of a producer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It is about to send these records.
    Began {
        /// The number of the transaction, or of what is sent at once.
        sequence: u64,
        /// Whether this is a transaction.
        atomic: bool,
        /// Where each record goes.
        places: Vec<Place>,
        /// The input whose offsets go with it.
        took: Option<Took>,
    },
    /// It is about to ask for the commit.
    Committing {
        /// Which transaction.
        sequence: u64,
    },
    /// The broker acknowledged a record.
    Acked {
        /// Of which transaction or sending.
        sequence: u64,
        /// Which record of it.
        index: usize,
        /// Where it is.
        offset: i64,
        /// When, ms since 1970.
        at_ms: i64,
    },
    /// The broker said how a transaction ended, or fenced its producer.
    Ended {
        /// Which one.
        sequence: u64,
        /// Committed; else aborted or fenced.
        committed: bool,
        /// When, ms since 1970.
        at_ms: i64,
    },
}

/// The file of one producer's notes.
#[derive(Debug)]
pub struct Notes(File);

impl Notes {
    /// Begins the notes of a producer.
    pub fn create(path: &Path) -> io::Result<Self> {
        File::create_new(path).map(Self)
    }

    /// Adds a line with one write: once this returns, a kill cannot take it back.
    pub fn note(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event).expect("an event is JSON");
        line.push(b'\n');
        self.0.write_all(&line)
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is past 1970").as_millis() as i64
}

/// The events of whole lines; the last line may be torn.
///
/// # Panics
/// When another line is no event.
pub fn parse(notes: &[u8]) -> impl Iterator<Item = Event> {
    let lines = notes.split_inclusive(|byte| *byte == b'\n');
    let whole = lines.filter(|line| line.ends_with(b"\n"));
    whole.map(|line| serde_json::from_slice(line).expect("a line is an event"))
}

/// What a producer's events make together.
pub fn units(producer: &str, events: impl IntoIterator<Item = Event>) -> Vec<Unit> {
    let mut units: BTreeMap<u64, Unit> = BTreeMap::new();
    for event in events {
        let begun = "a unit begins before anything becomes of it";
        match event {
            Event::Began { sequence, atomic, places, took } => {
                let unit = Unit {
                    producer: producer.to_owned(),
                    sequence,
                    atomic,
                    offsets: vec![None; places.len()],
                    places,
                    outcome: if atomic { Outcome::NotCommitted } else { Outcome::Unknown },
                    committed_when_fenced: false,
                    took,
                    acknowledged_ms: None,
                };
                units.insert(sequence, unit);
            }
            Event::Committing { sequence } => {
                units.get_mut(&sequence).expect(begun).outcome = Outcome::Unknown;
            }
            Event::Acked { sequence, index, offset, at_ms } => {
                let unit = units.get_mut(&sequence).expect(begun);
                unit.offsets[index] = Some(offset);
                if !unit.atomic {
                    unit.acknowledged_ms = Some(at_ms);
                }
            }
            Event::Ended { sequence, committed, at_ms } => {
                let unit = units.get_mut(&sequence).expect(begun);
                if committed {
                    unit.committed_when_fenced = unit.outcome == Outcome::NotCommitted;
                    unit.acknowledged_ms = Some(at_ms);
                    unit.outcome = Outcome::Committed;
                } else {
                    unit.outcome = Outcome::NotCommitted;
                }
            }
        }
    }
    units.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(sequence: u64) -> Event {
        Event::Began { sequence, atomic: true, places: vec![Place::new("t", 0)], took: None }
    }

    fn ended(sequence: u64, committed: bool) -> Event {
        Event::Ended { sequence, committed, at_ms: 9 }
    }

    fn outcome(events: Vec<Event>) -> (Outcome, bool) {
        let units = units("p", events);
        (units[0].outcome, units[0].committed_when_fenced)
    }

    #[test]
    fn what_became_of_a_transaction_is_known_as_far_as_was_noted() {
        let committing = Event::Committing { sequence: 1 };
        assert_eq!(outcome(vec![began(1)]), (Outcome::NotCommitted, false));
        assert_eq!(outcome(vec![began(1), committing.clone()]), (Outcome::Unknown, false));
        let committed = vec![began(1), committing.clone(), ended(1, true)];
        assert_eq!(outcome(committed), (Outcome::Committed, false));
        let aborted = vec![began(1), committing, ended(1, false)];
        assert_eq!(outcome(aborted), (Outcome::NotCommitted, false));
        let zombie = vec![began(1), ended(1, false), ended(1, true)];
        assert_eq!(outcome(zombie), (Outcome::Committed, true));
    }

    #[test]
    fn a_torn_last_line_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        let mut notes = Notes::create(&path).unwrap();
        notes.note(&began(1)).unwrap();
        notes.note(&ended(1, true)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(parse(&bytes).collect::<Vec<_>>(), [began(1), ended(1, true)]);
        assert_eq!(parse(&bytes[..bytes.len() - 1]).collect::<Vec<_>>(), [began(1)]);
    }
}
