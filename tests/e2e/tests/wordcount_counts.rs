//! The word count counts what an independent program counts.
#![allow(missing_docs, reason = "tests")]

use std::time::{Duration, Instant};

use longshore_e2e::random::Random;
use longshore_e2e::wordcount::{Counts, WordCount, assert_same};
use longshore_e2e::{limits, text};

const MIB: u64 = 1 << 20;

/// A build that is not optimized counts a text a sixteenth as long.
const FULL_SIZE: u64 = if cfg!(debug_assertions) { 6 * MIB } else { 100 * MIB };

#[test]
fn an_empty_file_has_no_words() {
    let count = WordCount::new();
    count.write("empty.txt", "");
    count.run();
    assert_eq!(count.counts(), Counts::new());
    assert_eq!(count.expected(), Counts::new());
}

#[test]
fn a_last_row_without_its_newline_is_counted() {
    let count = WordCount::new();
    count.write("a.txt", "one two\ntwo three\nlast LAST");
    count.run();
    let words = [("last", 2), ("one", 1), ("three", 1), ("two", 2)];
    let words: Counts = words.into_iter().map(|(word, n)| (word.to_owned(), n)).collect();
    assert_eq!(count.counts(), words);
    assert_eq!(count.expected(), words);
}

#[test]
fn cr_lf_belongs_to_no_word() {
    let count = WordCount::new();
    count.write("a.txt", "one two\r\n\r\ntwo three\r\nfour\rfive\r\n\n six\r");
    count.run_and_compare();
    assert_eq!(count.counts().get("two"), Some(&2));
}

#[test]
fn bytes_that_are_not_utf8_part_words() {
    let mut random = Random::announced("bytes_that_are_not_utf8_part_words");
    let count = WordCount::new();
    count.write(
        "latin1.txt",
        b"na\xefve caf\xe9\ncaf\xc3\xa9 \xff\xfe\n\xed\xa0\x80surrogate\xf0\x9f\n",
    );
    count.write("cut.txt", b"a cut character \xe8\xaa");
    // Every byte above 0xdf is cut off: what the longer forms encode may be newer
    // than Python's tables.
    let random = random.bytes(300_000).into_iter();
    let cut = random.flat_map(|byte| std::iter::once(byte).chain((byte > 0xdf).then_some(b'-')));
    count.write("random.bin", cut.collect::<Vec<_>>());
    count.run_and_compare();
    // Random bytes may have them once more.
    assert!(count.counts().contains_key("caf"));
    assert!(count.counts().contains_key("café"));
}

#[test]
fn words_of_all_scripts_are_lower_cased_character_by_character() {
    let count = WordCount::new();
    count.write("a.txt", "ΣΑΣ İstanbul Straße ǅungla ﬁne Ⅻ ٤٢ e\u{301}te\u{301} 日本語、日本語 x₂");
    // Each a word or none. Left out: letters and marks of Unicode 15 and 16,
    // which Debian's Python does not know.
    let newer = ['\u{897}', '\u{cf3}', '\u{ece}', '\u{1c89}', '\u{1c8a}'];
    let known = (0x80..0x2fff).filter_map(char::from_u32).filter(|it| !newer.contains(it));
    let rows: Vec<String> = known.map(|character| format!("a {character} b")).collect();
    count.write("all.txt", rows.join("\n"));
    count.run_and_compare();
    assert_eq!(count.counts().get("σασ"), Some(&1));
}

#[test]
fn a_row_of_a_megabyte_and_a_word_of_a_megabyte_pass() {
    let count = WordCount::new();
    let row = "To be, or not to be? ".repeat(50_000);
    assert!(row.len() > 1_000_000);
    count.write("row.txt", format!("before\n{row}\nafter\n"));
    count.write("word.txt", format!("before {} after", "w".repeat(1 << 20)));
    count.run_and_compare();
}

#[test]
fn ten_thousand_small_files_are_read() {
    let mut random = Random::announced("ten_thousand_small_files_are_read");
    let count = WordCount::new();
    for number in 0..10_000 {
        let folder = count.input().join(format!("{:02}", number % 100));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let words = random.between(0, 20);
        let text: String = (0..words).map(|_| format!("w{} ", random.between(0, 500))).collect();
        std::fs::write(folder.join(format!("{number}.txt")), text).expect("a text can be written");
    }
    count.run_and_compare();
}

#[test]
fn one_hundred_mebibytes_are_counted_within_200_megabytes_of_memory() {
    counted_within_memory("one_hundred_mebibytes", FULL_SIZE);
}

#[test]
#[ignore = "second tier"]
fn one_gibibyte_is_counted_within_200_megabytes_of_memory() {
    counted_within_memory("one_gibibyte", 1024 * MIB);
}

fn counted_within_memory(test: &str, bytes: u64) {
    let mut random = Random::announced(test);
    let count = WordCount::new();
    let rows = text::write(&count.input().join("text.txt"), &mut random, bytes);
    let began = Instant::now();
    let mut process = count.start(&[]);
    let mut resident = 0;
    let status = loop {
        // The kernel keeps the maximum: only the last look before the end counts.
        resident = process.resident_bytes_max_if_alive().unwrap_or(resident).max(resident);
        if let Some(status) = process.status() {
            break status;
        }
        assert!(began.elapsed() < limits::LONG_RUN, "still counting: {process}");
        std::thread::park_timeout(Duration::from_millis(20));
    };
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{test}: {rows} rows, {bytes} bytes in {seconds:.1} s: {:.2} MB/s; resident {} MB at most",
        bytes as f64 / 1e6 / seconds,
        resident / 1_000_000
    );
    assert!(status.success(), "longshore run ended with {status}: {process}");
    assert_same(&count.counts(), &count.expected());
    // Half of it is code and its tables when the build is not optimized.
    if !cfg!(debug_assertions) {
        assert!(resident < limits::RESIDENT_BYTES_MAX, "{resident} bytes were resident");
    }
}
