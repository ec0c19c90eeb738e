//! All that there is in the end: the rows that were written, the records of every
//! topic, the sink's files and the offsets that it committed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kafka_protocol::records::Record;

use super::PARTITIONS;
use super::count::Count;
use crate::sink_files::files_in;
use crate::wire;
use crate::wordcount::{self, Counts};

/// A word and a number, as a record of `words` or `counts` has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub word: String,
    /// Its value.
    pub number: u64,
}

/// What is judged. Topics are read as `read_committed` shows them; a list of lists is
/// by partition.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// All rows that were written.
    pub rows: Vec<String>,
    /// Their words, counted by another program.
    pub words_of_rows: Counts,
    /// The topic of rows.
    pub lines: Vec<Vec<String>>,
    /// The topic of words, each with how often it was in some rows.
    pub words: Vec<Vec<Counted>>,
    /// The topic of words, each with how often it was until then.
    pub counts: Vec<Vec<Counted>>,
    /// What became of those.
    pub sink: Sink,
}

/// The sink's files, and how far it says that they are whole.
#[derive(Debug, Clone, Default)]
pub struct Sink {
    /// The contents of the finished files, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The offsets that its group has committed, by partition.
    pub committed: BTreeMap<i32, i64>,
}

impl Evidence {
    /// What there is now.
    pub fn of(count: &Count) -> Self {
        let texts: Vec<PathBuf> = std::fs::read_dir(count.fleet.input())
            .expect("a folder can be listed")
            .map(|entry| entry.expect("a folder can be listed").path())
            .collect();
        let rows = texts.iter().flat_map(|text| {
            let text = std::fs::read_to_string(text).expect("a text can be read");
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        });
        let sink = Sink::of(count);
        Self {
            rows: rows.collect(),
            words_of_rows: wordcount::count_independently(&texts),
            lines: by_partition(count, "lines", |record| text(record.value.as_deref())),
            words: by_partition(count, "words", counted),
            counts: counts(count),
            sink,
        }
    }
}

impl Sink {
    /// What there is now, in this order: files only come, and what a commit covers must
    /// be there before it.
    pub fn of(count: &Count) -> Self {
        let committed = count.committed("write", "counts");
        Self { committed, files: files_in(&count.folder()) }
    }
}

/// The records that the sink has to write, as far as they are committed now.
pub fn counts(count: &Count) -> Vec<Vec<Counted>> {
    by_partition(count, "counts", counted)
}

/// How many records are in a topic.
pub fn records(count: &Count, topic: &str) -> usize {
    by_partition(count, topic, drop).iter().map(Vec::len).sum()
}

fn by_partition<T>(count: &Count, topic: &str, record: impl Fn(Record) -> T) -> Vec<Vec<T>> {
    let read = |partition| wire::read_partition(count.broker.kafka(), topic, partition);
    (0..PARTITIONS).map(|partition| read(partition).into_iter().map(&record).collect()).collect()
}

fn counted(record: Record) -> Counted {
    let value: [u8; 8] = record.value.as_deref().unwrap_or_default().try_into().expect("a long");
    let (word, number) = (text(record.key.as_deref()), u64::from_be_bytes(value));
    Counted { offset: record.offset, word, number }
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8(bytes.expect("no null").to_vec()).expect("UTF-8")
}
