//! What exactly-once forbids: a row, a word or a count that is lost, made up, there
//! twice or in another place, in a topic or in the sink's files.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Value, json};

use super::evidence::{Counted, Evidence, Sink};
use crate::text;
use crate::wordcount::{Counts, differences};

/// Something that exactly-once forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum Violation {
    RowLost { row: String },
    RowRepeated { row: String, times: usize },
    RowMadeUp { row: String },
    RowOutOfOrder { row: String, after: u64 },
    Miscounted { topic: &'static str, word: String, counted: Option<u64>, rows: Option<u64> },
    CountedAgain { word: String, total: u64, before: u64 },
    FileForeign { file: String },
    FileTorn { file: String },
    RecordLost { partition: i32, offset: i64, before: String },
    RecordRepeated { partition: i32, offset: i64, file: String },
    RecordAltered { partition: i32, offset: i64, file: String, line: String },
    RecordMadeUp { file: String, line: String },
    CommitNotDurable { partition: i32, committed: i64, durable: i64 },
    RecordsUnwritten { partition: i32, from: i64, count: usize },
    Stuck { what: String },
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RowLost { row } => write!(out, "the row `{row}` is lost"),
            Self::RowRepeated { row, times } => {
                write!(out, "the row `{row}` is there {times} times")
            }
            Self::RowMadeUp { row } => write!(out, "nobody wrote the row `{row}`"),
            Self::RowOutOfOrder { row, after } => {
                write!(out, "the row `{row}` comes after number {after} of its file")
            }
            Self::Miscounted { topic, word, counted, rows } => {
                write!(out, "`{topic}` has {counted:?} of `{word}`, the rows have {rows:?}")
            }
            Self::CountedAgain { word, total, before } => {
                write!(out, "`{word}` has the total {total} after {before}")
            }
            Self::FileForeign { file } => write!(out, "{file} is no file of the topic's"),
            Self::FileTorn { file } => write!(out, "{file} is torn"),
            Self::RecordLost { partition, offset, before } => {
                write!(
                    out,
                    "counts-{partition} at {offset} is in no file, though {before} is there"
                )
            }
            Self::RecordRepeated { partition, offset, file } => {
                write!(out, "counts-{partition} at {offset} is in {file} again")
            }
            Self::RecordAltered { partition, offset, file, line } => {
                write!(out, "counts-{partition} at {offset} is in {file} as `{line}`")
            }
            Self::RecordMadeUp { file, line } => {
                write!(out, "{file} has `{line}`, for which there is no record")
            }
            Self::CommitNotDurable { partition, committed, durable } => write!(
                out,
                "{committed} is committed of counts-{partition}, where files reach to {durable}"
            ),
            Self::RecordsUnwritten { partition, from, count } => {
                write!(out, "{count} records of counts-{partition} from {from} on are in no file")
            }
            Self::Stuck { what } => write!(out, "nothing goes on: no {what}"),
        }
    }
}

/// What is wrong when all has come to its end.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    rows(evidence, &mut found);
    let mut sums = Counts::new();
    for record in evidence.words.iter().flatten() {
        *sums.entry(record.word.clone()).or_default() += record.number;
    }
    same_words("words", &sums, evidence, &mut found);
    let mut totals = Counts::new();
    for Counted { word, number: total, .. } in evidence.counts.iter().flatten() {
        let (word, total) = (word.clone(), *total);
        let before = totals.insert(word.clone(), total).unwrap_or(0);
        if total <= before {
            found.push(Violation::CountedAgain { word, total, before });
        }
    }
    same_words("counts", &totals, evidence, &mut found);
    let unwritten = files(&evidence.counts, &evidence.sink, &mut found);
    for (partition, records) in (0..).zip(unwritten) {
        if let [first, ..] = records {
            let (from, count) = (first.offset, records.len());
            found.push(Violation::RecordsUnwritten { partition, from, count });
        }
    }
    found
}

/// What is wrong with the sink's files and commits while it is at work.
pub fn check_sink(counts: &[Vec<Counted>], sink: &Sink) -> Vec<Violation> {
    let mut found = Vec::new();
    files(counts, sink, &mut found);
    found
}

/// Each row is once in the topic, and within a partition those of a file are in order.
fn rows(evidence: &Evidence, found: &mut Vec<Violation>) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    seen.extend(evidence.rows.iter().map(|row| (row.as_str(), 0)));
    for partition in &evidence.lines {
        let mut last: HashMap<&str, u64> = HashMap::new();
        for row in partition {
            match seen.get_mut(row.as_str()) {
                Some(times) => *times += 1,
                None => found.push(Violation::RowMadeUp { row: row.clone() }),
            }
            let Some((file, number)) = text::origin(row) else { continue };
            if let Some(after) = last.insert(file, number).filter(|after| *after >= number) {
                found.push(Violation::RowOutOfOrder { row: row.clone(), after });
            }
        }
    }
    for row in &evidence.rows {
        match seen[row.as_str()] {
            0 => found.push(Violation::RowLost { row: row.clone() }),
            1 => {}
            times => found.push(Violation::RowRepeated { row: row.clone(), times }),
        }
    }
}

fn same_words(
    topic: &'static str,
    counts: &Counts,
    evidence: &Evidence,
    found: &mut Vec<Violation>,
) {
    for (word, counted, rows) in differences(counts, &evidence.words_of_rows) {
        found.push(Violation::Miscounted { topic, word, counted, rows });
    }
}

/// A partition's files hold its records, each once and in order: each file begins with
/// the record whose offset is its name. Gives the records behind the last file.
fn files<'a>(
    counts: &'a [Vec<Counted>],
    sink: &Sink,
    found: &mut Vec<Violation>,
) -> Vec<&'a [Counted]> {
    let mut next = vec![0; counts.len()];
    // Byte order of names is the order of offsets within a partition.
    for (file, bytes) in &sink.files {
        let place = place(file);
        let records = place.and_then(|(partition, _)| counts.get(partition));
        let (Some((partition, first)), Some(records)) = (place, records) else {
            found.push(Violation::FileForeign { file: file.clone() });
            continue;
        };
        let Some(lines) = bytes.strip_suffix(b"\n") else {
            found.push(Violation::FileTorn { file: file.clone() });
            continue;
        };
        let begin = records.partition_point(|record| record.offset < first);
        let number = partition as i32;
        for lost in records.get(next[partition]..begin).into_iter().flatten() {
            let (offset, before) = (lost.offset, file.clone());
            found.push(Violation::RecordLost { partition: number, offset, before });
        }
        let lines: Vec<_> = lines.split(|byte| *byte == b'\n').collect();
        for again in records.get(begin..next[partition]).into_iter().flatten().take(lines.len()) {
            let (offset, file) = (again.offset, file.clone());
            found.push(Violation::RecordRepeated { partition: number, offset, file });
        }
        next[partition] =
            next[partition].max(begin + compare(number, file, &lines, &records[begin..], found));
    }
    for (partition, committed) in &sink.committed {
        let at = *partition as usize;
        let durable = counts[at].get(next[at]).map(|record| record.offset);
        if let Some(durable) = durable.filter(|durable| durable < committed) {
            let (partition, committed) = (*partition, *committed);
            found.push(Violation::CommitNotDurable { partition, committed, durable });
        }
    }
    counts.iter().zip(next).map(|(records, next)| &records[next..]).collect()
}

/// Compares a file's lines with the records from its first one on, and gives how many
/// of these it has.
fn compare(
    partition: i32,
    file: &str,
    lines: &[&[u8]],
    records: &[Counted],
    found: &mut Vec<Violation>,
) -> usize {
    let mut at = 0;
    for line in lines {
        let shown = || String::from_utf8_lossy(line).into_owned();
        let value: Value = serde_json::from_slice(line).unwrap_or_default();
        let is = |record: &Counted| value == json!({ "key": record.word, "value": record.number });
        if records.get(at).is_some_and(is) {
            at += 1;
            continue;
        }
        let file = file.to_owned();
        if let Some(again) = records[..at].iter().rev().find(|record| is(record)) {
            let offset = again.offset;
            found.push(Violation::RecordRepeated { partition, offset, file });
        } else if let Some(skipped) = records[at..].iter().position(is) {
            for lost in &records[at..at + skipped] {
                let (offset, before) = (lost.offset, shown());
                found.push(Violation::RecordLost { partition, offset, before });
            }
            at += skipped + 1;
        } else if let Some(record) = records.get(at) {
            let (offset, line) = (record.offset, shown());
            found.push(Violation::RecordAltered { partition, offset, file, line });
            at += 1;
        } else {
            found.push(Violation::RecordMadeUp { file, line: shown() });
        }
    }
    at
}

/// The partition and the first offset that the name of one of the sink's files says.
fn place(file: &str) -> Option<(usize, i64)> {
    let mut parts = file.strip_suffix(".jsonl")?.split('+');
    let (topic, partition, offset) = (parts.next()?, parts.next()?, parts.next()?);
    (topic == "counts" && parts.next().is_none()).then_some(())?;
    Some((partition.parse().ok()?, offset.parse().ok()?))
}
