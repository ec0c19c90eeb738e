//! Texts to count: the same for the same seed, on every machine.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::random::Random;

/// Distinct words of the common kind.
const WORDS: u64 = 20_000;
/// Bytes of a row, about.
const ROW_BYTES: usize = 80;
/// What stands between words.
const BETWEEN: [&str; 8] = [" ", " ", " ", " ", ", ", ". ", "--", "\t"];
/// Words of other scripts, and with characters that change when lower-cased.
const OTHERS: [&str; 8] = ["Straße", "СЛОВО", "λόγος", "ΛΌΓΟΣ", "語", "naïve", "İstanbul", "٤٢"];

/// Writes rows until the file has at least `bytes` bytes, and gives their
/// number. Words come in all frequencies.
pub fn write(path: &Path, random: &mut Random, bytes: u64) -> u64 {
    let mut file = BufWriter::new(File::create(path).expect("a file can be made"));
    let (mut written, mut rows) = (0, 0);
    let mut row = String::new();
    while written < bytes {
        row.clear();
        fill(&mut row, ROW_BYTES, random);
        row.push('\n');
        file.write_all(row.as_bytes()).expect("the disk has room");
        written += row.len() as u64;
        rows += 1;
    }
    file.flush().expect("the disk has room");
    rows
}

/// Rows of which no two are equal, since each begins with `name` and its
/// number; at least `bytes` bytes of them.
pub fn unique_rows(name: &str, random: &mut Random, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 2 * ROW_BYTES);
    for number in 0.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(&row(name, number, random));
    }
    text
}

/// A row with its end, that begins with `name` and `number`.
pub fn row(name: &str, number: u64, random: &mut Random) -> String {
    // A word of its own for each row would be all that the count keeps.
    let mut row = format!("{name}:{}:{} ", number / 1000, number % 1000);
    let words = row.len();
    fill(&mut row, words + ROW_BYTES, random);
    row.push('\n');
    row
}

/// The name and number that a [`row`] begins with.
pub fn origin(row: &str) -> Option<(&str, u64)> {
    let mut parts = row.split_once(' ')?.0.split(':');
    let (name, thousands, rest) = (parts.next()?, parts.next()?, parts.next()?);
    Some((name, thousands.parse::<u64>().ok()? * 1000 + rest.parse::<u64>().ok()?))
}

/// Words up to `bytes` bytes.
fn fill(row: &mut String, bytes: usize, random: &mut Random) {
    while row.len() < bytes {
        match random.between(0, 50) {
            0 => row.push_str(pick(&OTHERS, random)),
            // The square of a uniform number: few words are frequent, many rare.
            kind => {
                let number = random.between(0, WORDS) * random.between(0, WORDS) / WORDS;
                let stem = if kind == 1 { "WORD" } else { "word" };
                row.push_str(&format!("{stem}{number:x}"));
            }
        }
        row.push_str(pick(&BETWEEN, random));
    }
}

fn pick(from: &[&'static str], random: &mut Random) -> &'static str {
    from[random.between(0, from.len() as u64) as usize]
}
