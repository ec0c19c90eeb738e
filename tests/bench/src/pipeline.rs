//! The word count from end to end, as a user runs it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use longshore_e2e::random::Random;
use longshore_e2e::{cli, paths};

use crate::report::{Figure, heading, mebibytes, megabytes_per_second};

/// Bytes of the text that is counted.
const TEXT_BYTES: usize = 100 << 20;
/// Distinct words in it.
const WORDS: u64 = 50_000;
const SEED: u64 = 2026;

pub(crate) fn measure() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let text = folder.path().join("text.txt");
    let rows = write_text(&text);
    heading(&format!(
        "Word count of {} MiB, {rows} rows: file to topic, two processors, topic to file",
        TEXT_BYTES >> 20
    ));
    let mut resident_most: u64 = 0;
    let mut run = 0;
    let seconds = Figure::of(|| {
        run += 1;
        let (seconds, resident) = word_count(folder.path(), run);
        resident_most = resident_most.max(resident);
        seconds
    });
    seconds.print("from start to exit", "s");
    let median = seconds.median();
    println!("  {:<58} {:>9.0} rows/s", "rows end to end", rows as f64 / median);
    let rate = megabytes_per_second(TEXT_BYTES as u64, median);
    println!("  {:<58} {rate:>9.2} MB/s", "text end to end");
    println!(
        "  {:<58} {:>9.2} MiB",
        "resident memory, loaded (most of all runs)",
        mebibytes(resident_most)
    );
}

/// Seconds of a run, and the most memory that it had resident, in bytes.
fn word_count(folder: &Path, run: u32) -> (f64, u64) {
    let pipeline = paths::repository().join("configs/pipelines/wordcount.yaml");
    let data = folder.join(format!("data-{run}"));
    let out = folder.join(format!("out-{run}"));
    std::fs::create_dir(&out).expect("the result's folder can be made");
    let argument = |path: &Path| path.display().to_string();
    let began = Instant::now();
    let mut process = cli::start(&[
        "run",
        &argument(&pipeline),
        "--data-dir",
        &argument(&data),
        "--set",
        &format!("connections.input.root={}", folder.display()),
        "--set",
        "connectors.read.path=text.txt",
        "--set",
        &format!("connections.output.root={}", out.display()),
    ]);
    let mut resident = 0;
    while process.status().is_none() {
        resident = resident.max(process.resident_bytes_max_if_alive().unwrap_or(0));
        // Memory is sampled; the process' end is what is waited for.
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    assert!(process.status().is_some_and(|status| status.success()), "{process}");
    let seconds = began.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&data).expect("the data of a run can be removed");
    (seconds, resident)
}

/// Rows of about 80 bytes; the same text in each run and on each machine.
fn write_text(path: &Path) -> u64 {
    let mut random = Random::seeded(SEED);
    let mut file = BufWriter::new(File::create(path).expect("a file can be made"));
    let (mut bytes, mut rows) = (0, 0);
    let mut row = String::new();
    while bytes < TEXT_BYTES {
        row.clear();
        while row.len() < 80 {
            // The square of a uniform number: few words are frequent, many rare.
            let number = random.between(0, WORDS) * random.between(0, WORDS) / WORDS;
            row.push_str(&format!("word{number:x} "));
        }
        row.push('\n');
        file.write_all(row.as_bytes()).expect("the disk has room");
        bytes += row.len();
        rows += 1;
    }
    file.flush().expect("the disk has room");
    rows
}
