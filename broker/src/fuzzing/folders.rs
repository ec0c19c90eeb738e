//! A partition's folder as a crash, a failing disk or a foreign hand left it.

use std::path::Path;

use super::{files, folder};
use crate::log::{
    AppendOptions, BatchBuilder, Batches, CleanOptions, CleanupPolicy, Log, LogConfig, Origin,
    ReadLimit, ReadUpTo,
};

const NOW_MS: i64 = 1_700_000_000_000;
const DAY_MS: i64 = 86_400_000;
/// A part's tag, less its highest bit, is a place in this list. The bit has the
/// file's checksums set right.
const NAMES: [&str; 18] = [
    "00000000000000000000.log",
    "00000000000000000000.index",
    "00000000000000000000.timeindex",
    "00000000000000000000.txnindex",
    "00000000000000000005.log",
    "00000000000000000005.index",
    "00000000000000000005.timeindex",
    "00000000000000000005.txnindex",
    "00000000000000000005.snapshot",
    "00000000000000000009.snapshot",
    "leader-epoch-checkpoint",
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "cleaner-offset-checkpoint",
    ".kafka_cleanshutdown",
    "00000000000000000000.log.swap",
    "00000000000000000000.txnindex.swap",
    "00000000000000000005.log.deleted",
];
const MEND: u8 = 0x80;

/// Writes the parts of the input as the files of a folder, opens it, reads,
/// appends, compacts, closes and opens it anew.
///
/// # Panics
/// When what was scanned and found whole cannot be read, or is lost by a restart.
pub fn folders(bytes: &[u8]) {
    let home = folder();
    let dir = home.path().join("topic-0");
    std::fs::create_dir(&dir).expect("there is room for a folder");
    for (tag, part) in files::parts(bytes) {
        write(&dir, tag, part.to_vec());
    }
    let config = LogConfig {
        cleanup_policy: CleanupPolicy { delete: true, compact: true },
        min_cleanable_dirty_ratio: 0.0,
        segment_bytes: 4096,
        index_interval_bytes: 64,
        ..LogConfig::default()
    };
    let Ok((log, recovery)) = Log::open(&dir, config.clone(), NOW_MS) else { return };
    look_up(&log);
    let read = read_all(&log);
    if recovery.clean_shutdown {
        // What was closed cleanly is trusted: it is read as it is found.
        return;
    }
    let read = read.expect("what was scanned can be read");
    let log_end_offset = log.log_end_offset();
    drop(log);

    let (log, recovery) = Log::open(&dir, config.clone(), NOW_MS).expect("it opened before");
    assert_eq!((recovery.torn_tail, log.log_end_offset()), (None, log_end_offset));
    assert_eq!(read_all(&log).expect("it was read before"), read);
    append(&log);
    let _ = log.clean_once(NOW_MS + DAY_MS, &CleanOptions::default());
    let _ = log.retain_once(NOW_MS + DAY_MS);
    look_up(&log);
    let (log_end_offset, read) = (log.log_end_offset(), read_all(&log).expect("it is whole"));
    log.close().expect("it is online");
    let (log, _) = Log::open(&dir, config, NOW_MS).expect("a closed log opens");
    assert_eq!(log.log_end_offset(), log_end_offset);
    assert_eq!(read_all(&log).expect("it is whole"), read);
}

fn write(dir: &Path, tag: u8, mut bytes: Vec<u8>) {
    let name = NAMES[usize::from(tag & !MEND) % NAMES.len()];
    if tag & MEND != 0 {
        match name {
            name if name.contains(".log") => files::mend_batches(&mut bytes),
            name if name.ends_with(".snapshot") => files::mend_snapshot(&mut bytes),
            _ => {}
        }
    }
    std::fs::write(dir.join(name), bytes).expect("there is room for a file");
}

fn append(log: &Log) {
    let mut builder = BatchBuilder::new(0);
    builder.push(NOW_MS, Some(b"key"), Some(b"value"), &[]);
    let mut batch = builder.build().expect("a batch without a codec always builds");
    let leader_epoch = log.latest_epoch().unwrap_or(0);
    let options =
        AppendOptions { leader_epoch, origin: Origin::Client, now_ms: NOW_MS, verification: None };
    let _ = log.append(&mut batch, &options);
}

/// Asks everything that requests ask. An answer may be an error.
fn look_up(log: &Log) {
    for timestamp_ms in [-1, 0, NOW_MS, i64::MAX] {
        let _ = log.offset_for_timestamp(timestamp_ms);
    }
    let _ = log.offset_of_max_timestamp();
    for epoch in [-1, 0, 1, 2, i32::MAX] {
        let _ = log.end_offset_for_epoch(epoch);
    }
    let limit = ReadLimit { max_bytes: 1, at_least_one: true, up_to: ReadUpTo::LastStable };
    for offset in [log.log_start_offset(), 3, 5, 7, log.log_end_offset()] {
        let _ = log.read(offset, &limit);
        let _ = log.batch_bytes_at(offset);
    }
    let _ = log.producers();
}

/// All batches, or `None` if one cannot be read.
fn read_all(log: &Log) -> Option<Vec<u8>> {
    let limit = ReadLimit { max_bytes: 1000, at_least_one: true, up_to: ReadUpTo::HighWatermark };
    let mut all = Vec::new();
    let mut offset = log.log_start_offset();
    loop {
        let fetched = log.read(offset, &limit).ok()?;
        let Some(last) = Batches::new(&fetched.batches).last() else { return Some(all) };
        let next = last.ok()?.0.next_offset();
        if next <= offset {
            return None;
        }
        all.extend_from_slice(&fetched.batches);
        offset = next;
    }
}
