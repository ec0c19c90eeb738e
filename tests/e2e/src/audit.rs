//! What the topics of a word count must hold, whatever was killed meanwhile:
//! every row once, each of its words split once, each of those counted once.
//!
//! Read with `read_committed`, for a transaction that a kill ended is in the log
//! too. The texts' rows must all differ (see
//! [`unique_rows`](crate::text::unique_rows)).

use std::collections::HashMap;
use std::path::Path;

use crate::Node;
use crate::wire::Pair;
use crate::wordcount::{Counts, assert_same, count_independently, records, walk};

/// Checks the topics of a word count over all files in `texts`, which must have
/// come to its end, and gives the counts.
///
/// # Panics
/// When something is lost, made up, or there twice.
pub fn topics(node: &Node, texts: &Path) -> Counts {
    let lines = records(node, "lines");
    assert_eq!(repeated_rows(texts, &lines), (0, 0), "rows of `lines` came again, and their bytes");
    let in_lines = count_rows(&lines);
    let in_words = sums(&records(node, "words"));
    assert_same(&in_words, &in_lines);
    let counts = records(node, "counts");
    only_grow(&counts);
    let counts = latest(&counts);
    assert_same(&counts, &in_lines);
    counts
}

/// The latest count of each word in the topic `counts`.
pub fn counts(node: &Node) -> Counts {
    latest(&records(node, "counts"))
}

/// How many rows are in the topic more than once, and their bytes.
///
/// # Panics
/// When a row is missing, or one is there that is in no text.
pub fn repeated_rows(texts: &Path, lines: &[Vec<Pair>]) -> (usize, usize) {
    let mut files = Vec::new();
    walk(texts, &mut files);
    let texts: Vec<_> =
        files.iter().map(|file| std::fs::read(file).expect("a text can be read")).collect();
    let mut seen: HashMap<&[u8], usize> = HashMap::new();
    for row in texts.iter().flat_map(|text| text.split(|byte| *byte == b'\n')) {
        if !row.is_empty() {
            assert!(seen.insert(row, 0).is_none(), "the texts' rows differ");
        }
    }
    for (_, value) in lines.iter().flatten() {
        let row = value.as_deref().expect("a row is no null");
        let times = seen.get_mut(row);
        *times.unwrap_or_else(|| panic!("no text has the row {}", String::from_utf8_lossy(row))) +=
            1;
    }
    let lost = seen.values().filter(|times| **times == 0).count();
    assert_eq!(lost, 0, "rows of {} that are lost", seen.len());
    let repeated = seen.iter().map(|(row, times)| (times - 1, (times - 1) * row.len()));
    repeated.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// The words of all rows in a topic, counted independently.
fn count_rows(lines: &[Vec<Pair>]) -> Counts {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("rows.txt");
    let rows = lines.iter().flatten().map(|(_, value)| value.as_deref().unwrap_or_default());
    std::fs::write(&file, rows.collect::<Vec<_>>().join(&b'\n')).expect("rows can be written");
    count_independently(&[file])
}

/// A total that is there twice was counted twice, or from a state of before.
fn only_grow(counts: &[Vec<Pair>]) {
    let mut totals = Counts::new();
    for record in counts.iter().flatten() {
        let (word, total) = (word(record), long(record));
        let before = totals.insert(word.clone(), total).unwrap_or(0);
        assert!(before < total, "{word} has {total} after {before}");
    }
}

fn long((_, value): &Pair) -> u64 {
    let bytes = value.as_deref().expect("a count is no null");
    u64::from_be_bytes(bytes.try_into().expect("a long has 8 bytes"))
}

fn sums(words: &[Vec<Pair>]) -> Counts {
    let mut sums = Counts::new();
    for record in words.iter().flatten() {
        *sums.entry(word(record)).or_default() += long(record);
    }
    sums
}

fn latest(counts: &[Vec<Pair>]) -> Counts {
    counts.iter().flatten().map(|record| (word(record), long(record))).collect()
}

fn word((key, _): &Pair) -> String {
    String::from_utf8(key.as_deref().expect("a word is the key").to_vec()).expect("UTF-8")
}
