//! What exactly-once forbids, looked for in a history.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::{History, Outcome, Place, Reading, RecordId, Seen, Took, Unit};

/// Something that must not be.
#[allow(missing_docs, reason = "the fields are told by what Display makes of them")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A record of a transaction that was never committed was read.
    AbortedRead { reader: String, record: RecordId },
    /// A transaction of a fenced producer was acknowledged as committed.
    FencedCommit { record: RecordId },
    /// Some records of a transaction are readable and others are not.
    Torn { record: RecordId, readable: usize, of: usize },
    /// A record is there twice.
    Duplicate { reader: String, record: RecordId, at: Place, offsets: [i64; 2] },
    /// An acknowledged record is not there.
    Lost { record: RecordId, at: Place },
    /// A record that nobody sent there was read.
    Unwritten { reader: String, record: RecordId, at: Place },
    /// A record is elsewhere than was acknowledged.
    Moved { reader: String, record: RecordId, acknowledged: i64, offset: i64 },
    /// Records of one producer are in another order than they were sent in.
    OutOfOrder { reader: String, record: RecordId, after: RecordId },
    /// A reader went backwards in a partition.
    Backwards { reader: String, at: Place, offset: i64 },
    /// A reader went past a record that later readers do see: an open transaction
    /// did not hold it back.
    Skipped { reader: String, at: Place, offset: i64, record: RecordId },
    /// A reader saw a record that later readers do not see.
    Vanished { reader: String, at: Place, offset: i64, record: RecordId },
    /// The same input was consumed by two committed transactions.
    ConsumedTwice { record: RecordId, took: Took, before: i64 },
    /// Offsets were committed without the records that go with them, or the other
    /// way round.
    OffsetsTorn { group: String, at: Place, from: i64, to: i64 },
    /// A transaction has not as many records as the input that it consumed.
    Miscounted { record: RecordId, input: usize, output: usize },
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AbortedRead { reader, record } => {
                write!(out, "{reader} read {record}, which was never committed")
            }
            Self::FencedCommit { record } => {
                write!(out, "the transaction of {record} was committed by a fenced producer")
            }
            Self::Torn { record, readable, of } => {
                write!(out, "the transaction of {record} is torn: {readable} of {of} are readable")
            }
            Self::Duplicate { reader, record, at, offsets: [first, second] } => {
                write!(out, "{reader} read {record} twice, at {first} and at {second} of {at}")
            }
            Self::Lost { record, at } => {
                write!(out, "{record} of {at} was acknowledged and is lost")
            }
            Self::Unwritten { reader, record, at } => {
                write!(out, "{reader} read {record} from {at}, where nobody sent it")
            }
            Self::Moved { reader, record, acknowledged, offset } => {
                write!(out, "{reader} read {record} at {offset}, acknowledged at {acknowledged}")
            }
            Self::OutOfOrder { reader, record, after } => {
                write!(out, "{reader} read {record} after {after}")
            }
            Self::Backwards { reader, at, offset } => {
                write!(out, "{reader} went back to {offset} of {at}")
            }
            Self::Skipped { reader, at, offset, record } => {
                write!(out, "{reader} went past {record} at {offset} of {at}, readable later")
            }
            Self::Vanished { reader, at, offset, record } => {
                write!(out, "{reader} read {record} at {offset} of {at}, which is not there later")
            }
            Self::ConsumedTwice { record, took, before } => write!(
                out,
                "{record} took {} from {}, of which all below {before} was taken before",
                took.place, took.from
            ),
            Self::OffsetsTorn { group, at, from, to } => write!(
                out,
                "offsets {from} to {to} of {at} are committed for {group} without their records"
            ),
            Self::Miscounted { record, input, output } => {
                write!(out, "the transaction of {record} made {output} records of {input}")
            }
        }
    }
}

/// Judges a history. At least one of its readings must be complete.
///
/// # Panics
/// When none is.
pub fn check(history: &History) -> Vec<Violation> {
    let written = Written::of(&history.units);
    let mut found = Vec::new();
    for reading in &history.readings {
        for (place, seen) in &reading.seen {
            check_partition(&written, reading, place, seen, &mut found);
        }
    }
    let mut complete = history.readings.iter().filter(|reading| reading.complete);
    let last = complete.next().expect("someone read to the end");
    for reading in history.readings.iter().filter(|other| !std::ptr::eq(*other, last)) {
        compare(history, reading, last, &mut found);
    }
    let readable = Readable::of(last);
    for unit in &history.units {
        check_unit(history, &readable, unit, &mut found);
    }
    check_offsets(history, &readable, last, &mut found);
    found
}

/// What was written, by producer and number.
struct Written<'a>(HashMap<(&'a str, u64), &'a Unit>);

impl<'a> Written<'a> {
    fn of(units: &'a [Unit]) -> Self {
        Self(units.iter().map(|unit| ((unit.producer.as_str(), unit.sequence), unit)).collect())
    }

    /// The unit of a record, if it was sent to that place.
    fn unit(&self, record: &RecordId, place: &Place) -> Option<&'a Unit> {
        let unit = *self.0.get(&(record.producer.as_str(), record.sequence))?;
        (unit.places.get(record.index as usize) == Some(place)).then_some(unit)
    }
}

/// What there is to read when all is over.
struct Readable<'a>(HashMap<&'a RecordId, i64>);

impl<'a> Readable<'a> {
    fn of(reading: &'a Reading) -> Self {
        let seen = reading.seen.values().flatten();
        Self(seen.map(|seen| (&seen.record, seen.offset)).collect())
    }

    fn has(&self, record: &RecordId) -> bool {
        self.0.contains_key(record)
    }
}

/// What one reader saw of one partition, on its own.
fn check_partition(
    written: &Written<'_>,
    reading: &Reading,
    place: &Place,
    seen: &[Seen],
    found: &mut Vec<Violation>,
) {
    let reader = || reading.reader.clone();
    let mut offsets: HashMap<&RecordId, i64> = HashMap::new();
    let mut latest: HashMap<&str, &RecordId> = HashMap::new();
    let mut end = i64::MIN;
    for Seen { offset, record } in seen {
        if *offset < end {
            let (at, offset) = (place.clone(), *offset);
            found.push(Violation::Backwards { reader: reader(), at, offset });
        }
        end = offset + 1;
        if let Some(first) = offsets.insert(record, *offset) {
            found.push(Violation::Duplicate {
                reader: reader(),
                record: record.clone(),
                at: place.clone(),
                offsets: [first, *offset],
            });
            continue;
        }
        match latest.insert(&record.producer, record) {
            Some(after) if after > record => found.push(Violation::OutOfOrder {
                reader: reader(),
                record: record.clone(),
                after: after.clone(),
            }),
            _ => {}
        }
        let Some(unit) = written.unit(record, place) else {
            found.push(Violation::Unwritten {
                reader: reader(),
                record: record.clone(),
                at: place.clone(),
            });
            continue;
        };
        if unit.atomic && unit.outcome == Outcome::NotCommitted {
            found.push(Violation::AbortedRead { reader: reader(), record: record.clone() });
        }
        if let Some(acknowledged) = unit.offsets[record.index as usize]
            && acknowledged != *offset
        {
            found.push(Violation::Moved {
                reader: reader(),
                record: record.clone(),
                acknowledged,
                offset: *offset,
            });
        }
    }
}

/// What a reader saw of each partition must be how the last one's begins; all of
/// it, if it read to the end.
fn compare(history: &History, reading: &Reading, last: &Reading, found: &mut Vec<Violation>) {
    let places: std::collections::BTreeSet<_> =
        reading.seen.keys().chain(last.seen.keys()).collect();
    for place in places.into_iter().filter(|place| !history.expiring.contains(&place.topic)) {
        let empty = Vec::new();
        let seen = reading.seen.get(place).unwrap_or(&empty);
        let there = last.seen.get(place).unwrap_or(&empty);
        let same = seen.iter().zip(there).take_while(|(seen, there)| seen == there).count();
        let (reader, at) = (reading.reader.clone(), place.clone());
        // One of each place says enough: whatever comes after is another's.
        match (seen.get(same), there.get(same)) {
            (None, None) => {}
            (None, Some(_)) if !reading.complete => {}
            (Some(seen), Some(there)) if there.offset >= seen.offset => {
                let (offset, record) = (seen.offset, seen.record.clone());
                found.push(Violation::Vanished { reader, at, offset, record });
            }
            (_, Some(there)) => {
                let (offset, record) = (there.offset, there.record.clone());
                found.push(Violation::Skipped { reader, at, offset, record });
            }
            (Some(seen), None) => {
                let (offset, record) = (seen.offset, seen.record.clone());
                found.push(Violation::Vanished { reader, at, offset, record });
            }
        }
    }
}

/// What is left of a unit at the end.
fn check_unit(history: &History, readable: &Readable<'_>, unit: &Unit, found: &mut Vec<Violation>) {
    if unit.committed_when_fenced {
        found.push(Violation::FencedCommit { record: unit.record(0) });
    }
    let kept: Vec<_> = (0..unit.places.len())
        .filter(|index| !history.expiring.contains(&unit.places[*index].topic))
        .collect();
    let missing: Vec<_> =
        kept.iter().copied().filter(|index| !readable.has(&unit.record(*index))).collect();
    let there = kept.len() - missing.len();
    if unit.atomic && there > 0 && !missing.is_empty() {
        let record = unit.record(missing[0]);
        found.push(Violation::Torn { record, readable: there, of: kept.len() });
        return;
    }
    for index in missing {
        let acknowledged = match unit.atomic {
            true => unit.outcome == Outcome::Committed,
            false => unit.offsets[index].is_some(),
        };
        if acknowledged {
            let at = unit.places[index].clone();
            found.push(Violation::Lost { record: unit.record(index), at });
        }
    }
}

/// The transactions that can be read must have consumed their input without a gap
/// and without an overlap, up to the group's offset, a record for each.
fn check_offsets(
    history: &History,
    readable: &Readable<'_>,
    last: &Reading,
    found: &mut Vec<Violation>,
) {
    let mut taken: BTreeMap<(&str, &Place), Vec<(&Took, &Unit)>> = BTreeMap::new();
    for (group, place) in history.committed.keys() {
        taken.entry((group, place)).or_default();
    }
    for unit in &history.units {
        let Some(took) = &unit.took else { continue };
        if !unit.places.is_empty() && readable.has(&unit.record(0)) {
            taken.entry((&took.group, &took.place)).or_default().push((took, unit));
        }
    }
    for ((group, place), mut units) in taken {
        let torn = |from, to| Violation::OffsetsTorn {
            group: group.to_owned(),
            at: place.clone(),
            from,
            to,
        };
        units.sort_by_key(|(took, _)| (took.from, took.to));
        let mut next = 0;
        for (took, unit) in units {
            if took.from < next {
                let (record, took) = (unit.record(0), took.clone());
                found.push(Violation::ConsumedTwice { record, took, before: next });
            } else if took.from > next {
                found.push(torn(next, took.from));
            }
            next = next.max(took.to);
            let input = last.seen.get(place).map_or(0, |seen| {
                seen.iter().filter(|seen| (took.from..took.to).contains(&seen.offset)).count()
            });
            let output = unit.places.len();
            if input != output {
                found.push(Violation::Miscounted { record: unit.record(0), input, output });
            }
        }
        let committed = history.committed.get(&(group.to_owned(), place.clone())).copied();
        let committed = committed.unwrap_or(0).max(0);
        if committed != next {
            found.push(torn(next.min(committed), next.max(committed)));
        }
    }
}
