//! What the topics of a word count must hold after kills: every row at least
//! once, and no more of anything twice than was in flight.
//!
//! A source has one poll without its checkpoint at most, and a processor one
//! batch of each partition without its commit; a kill repeats no more than that.
//! The texts' rows must all differ (see [`unique_rows`](crate::text::unique_rows)).

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;

use crate::Node;
use crate::wire::Pair;
use crate::wordcount::{Counts, count_independently, records, walk};

/// Payload of one poll, and of one batch that a processor is given.
const IN_FLIGHT_BYTES: usize = 1 << 20;

/// What came twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated {
    /// Kills that it is due to.
    pub kills: usize,
    /// Rows that are in `lines` more than once, each repetition counted.
    pub rows: usize,
    /// Their bytes.
    pub row_bytes: usize,
    /// Words that `words` has beyond those of `lines`.
    pub words: u64,
    /// What the counts of all words have beyond `words`.
    pub counted: u64,
}

/// Checks the topics of a word count over all files in `texts`, after `kills`
/// kills, and gives what is there twice, and the counts. The word count must
/// have come to its end.
///
/// # Panics
/// When something is lost, made up, or repeated that was not in flight.
pub fn topics(node: &Node, texts: &Path, kills: usize) -> (Repeated, Counts) {
    let lines = records(node, "lines");
    let (rows, row_bytes) = repeated_rows(texts, &lines);
    let largest = lines.iter().flatten().map(size).max().unwrap_or(0);
    assert!(
        row_bytes <= kills * (IN_FLIGHT_BYTES + largest),
        "{row_bytes} bytes of rows came again after {kills} kills"
    );

    let in_lines = count_rows(&lines);
    let words = records(node, "words");
    let in_words = sums(&words);
    let excess_words = excess("words", &in_words, &in_lines);
    let batch_of_lines = lines.iter().map(|log| heaviest_batch(log, words_of)).sum::<u64>();
    assert!(
        excess_words <= kills as u64 * batch_of_lines,
        "{excess_words} words were split again after {kills} kills"
    );

    let counts = latest(&records(node, "counts"));
    let counted = excess("counts", &counts, &in_words);
    let batch_of_words = words.iter().map(|log| heaviest_batch(log, long)).sum::<u64>();
    assert!(
        counted <= kills as u64 * batch_of_words,
        "{counted} words were counted again after {kills} kills"
    );
    (Repeated { kills, rows, row_bytes, words: excess_words, counted }, counts)
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

/// By how much the counts of one stage exceed those of the stage before it, over
/// all words.
fn excess(topic: &str, counts: &Counts, before: &Counts) -> u64 {
    for word in counts.keys() {
        assert!(before.contains_key(word), "{topic} has {word}, which was not there before");
    }
    let over = before.iter().map(|(word, least)| {
        let count = counts.get(word).copied().unwrap_or(0);
        assert!(count >= *least, "{topic}: {word} has {count}, but occurs {least} times");
        count - least
    });
    over.sum()
}

/// The words of all rows in a topic, counted independently.
fn count_rows(lines: &[Vec<Pair>]) -> Counts {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("rows.txt");
    let rows = lines.iter().flatten().map(|(_, value)| value.as_deref().unwrap_or_default());
    std::fs::write(&file, rows.collect::<Vec<_>>().join(&b'\n')).expect("rows can be written");
    count_independently(&[file])
}

/// The most that the weights of neighbouring records add up to, as many as can
/// be in one batch.
fn heaviest_batch(log: &[Pair], weight: impl Fn(&Pair) -> u64) -> u64 {
    let (mut bytes, mut sum, mut most) = (0, 0, 0);
    let mut first = log.iter();
    for record in log {
        bytes += size(record);
        sum += weight(record);
        while bytes > IN_FLIGHT_BYTES + size(record) {
            let gone = first.next().expect("the first of a batch is not behind its last");
            bytes -= size(gone);
            sum -= weight(gone);
        }
        most = most.max(sum);
    }
    most
}

fn size((key, value): &Pair) -> usize {
    key.as_ref().map_or(0, Bytes::len) + value.as_ref().map_or(0, Bytes::len)
}

/// Words of a row; here, where no word has marks, as simple as this.
fn words_of((_, value): &Pair) -> u64 {
    let row = String::from_utf8_lossy(value.as_deref().unwrap_or_default());
    let words = row.split(|character: char| !character.is_alphanumeric());
    words.filter(|word| !word.is_empty()).count() as u64
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
