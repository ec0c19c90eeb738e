//! How far the log is from raw files: `cargo test --release speed -- --ignored --nocapture`.

use std::os::unix::fs::FileExt;
use std::time::Instant;

use super::*;

const BATCH_RECORDS: usize = 160;
const BATCHES: usize = 16_384;

#[test]
#[ignore = "a measurement, for the release profile"]
fn speed_of_append_and_read_against_raw_files() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    let mut builder = BatchBuilder::new(0);
    for _ in 0..BATCH_RECORDS {
        builder.push(NOW_MS, None, Some(&[b'x'; 92]), &[]);
    }
    let mut batch = builder.build().unwrap();
    let bytes = batch.len() * BATCHES;
    let mib_per_s = |started: Instant| bytes as f64 / 1048576.0 / started.elapsed().as_secs_f64();

    let file = std::fs::File::create_new(home.dir.with_extension("raw")).unwrap();
    let started = Instant::now();
    for index in 0..BATCHES {
        file.write_all_at(&batch, (index * batch.len()) as u64).unwrap();
    }
    let raw_write = mib_per_s(started);
    let started = Instant::now();
    for _ in 0..BATCHES {
        log.append(&mut batch, &CLIENT).unwrap();
    }
    let append = mib_per_s(started);

    let file = std::fs::File::open(home.dir.with_extension("raw")).unwrap();
    let chunk = 1024 * 1024;
    let started = Instant::now();
    for position in (0..bytes).step_by(chunk) {
        let length = chunk.min(bytes - position);
        assert_eq!(files::read_at(&file, position as u64, length).unwrap().len(), length);
    }
    let raw_read = mib_per_s(started);
    let limit = ReadLimit { max_bytes: chunk, ..ALL };
    let (mut offset, mut read_bytes) = (0, 0);
    let started = Instant::now();
    while offset < log.log_end_offset() {
        let fetched = log.read(offset, &limit).unwrap().batches;
        read_bytes += fetched.len();
        offset += (fetched.len() / batch.len() * BATCH_RECORDS) as i64;
    }
    let read = mib_per_s(started);
    assert_eq!(read_bytes, bytes);
    println!(
        "batches of {} bytes: append {append:.0} MiB/s, raw write {raw_write:.0} ({:.2}); \
         read {read:.0} MiB/s, raw read {raw_read:.0} ({:.2})",
        batch.len(),
        append / raw_write,
        read / raw_read,
    );
}
