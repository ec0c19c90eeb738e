//! Real kills: this test binary runs itself, armed with a crash point, and then
//! looks at what the killed process left.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::*;
use crate::crash::CRASH_AT;

const VICTIM_DIR: &str = "LONGSHORE_TEST_VICTIM_DIR";
const KEYS: i64 = 13;

fn victim_config() -> LogConfig {
    config(&[
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "-1"),
        ("segment.bytes", "2000"),
        ("index.interval.bytes", "200"),
        ("min.cleanable.dirty.ratio", "0.01"),
    ])
}

/// Not a test of its own: what the killed process does.
#[test]
fn victim() {
    let Some(dir) = std::env::var_os(VICTIM_DIR) else { return };
    let dir = PathBuf::from(dir);
    let log = open(&dir, &victim_config());
    let mut acknowledged =
        fs::File::options().create(true).append(true).open(dir.with_extension("acks")).unwrap();
    for round in 0..60 {
        let offset = log.log_end_offset();
        let mut builder = BatchBuilder::new(0).producer(1, 0, offset as i32);
        for next in offset..offset + 3 {
            let key = (next % KEYS).to_be_bytes();
            let value = [next.to_be_bytes(); 12].concat();
            builder.push(NOW_MS, Some(&key), Some(&value), &[]);
        }
        let appended = append(&log, builder.build().unwrap());
        acknowledged.write_all(&appended.last_offset.to_be_bytes()).unwrap();
        if round % 10 == 9 {
            log.clean_once(NOW_MS, &CleanOptions::default()).unwrap();
            log.flush_once(NOW_MS).unwrap();
            log.checkpoint_once().unwrap();
        }
        if round % 20 == 19 {
            log.delete_records_before((offset - 6).max(0)).unwrap();
            log.retain_once(NOW_MS).unwrap();
        }
    }
    log.close().unwrap();
}

/// Runs the victim on `dir`; whether the crash point killed it.
fn run_victim(dir: &Path, crash_at: &str) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "log::tests::crashes::victim", "--test-threads=1"])
        .env(VICTIM_DIR, dir)
        .env(CRASH_AT, crash_at)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success() || status.signal() == Some(9), "{crash_at}: {status}");
    !status.success()
}

/// Opens what is left and compares it with what must be there.
fn examine(dir: &Path, crash_at: &str) {
    let (log, recovery) = Log::open(dir, victim_config(), NOW_MS).unwrap();
    assert_eq!(recovery.torn_tail, None, "{crash_at}: a kill tears nothing");
    let end = log.log_end_offset();
    let acks = fs::read(dir.with_extension("acks")).unwrap_or_default();
    let acknowledged =
        acks.chunks_exact(8).last().map_or(-1, |last| i64::from_be_bytes(last.try_into().unwrap()));
    assert!(end > acknowledged, "{crash_at}: offset {acknowledged} was acknowledged, end is {end}");
    assert_eq!(end % 3, 0, "{crash_at}: half a batch");
    let records = read_all(&log);
    let mut latest = vec![-1; KEYS as usize];
    for record in &records {
        let key = record.offset % KEYS;
        assert_eq!(record.key.as_deref(), Some(&key.to_be_bytes()[..]), "{crash_at}");
        let value = record.value.as_deref().unwrap();
        assert_eq!(value[..8], record.offset.to_be_bytes(), "{crash_at}");
        latest[key as usize] = record.offset;
    }
    for offset in log.log_start_offset().max(end - KEYS)..end {
        assert_eq!(latest[(offset % KEYS) as usize], offset, "{crash_at}: latest of a key");
    }
    assert!(
        log.producers().iter().all(|(id, p)| *id == 1 && i64::from(p.last_sequence()) == end - 1)
    );
    let segments = log.segment_list();
    for pair in segments.windows(2) {
        let end = pair[0].find_end_offset().unwrap();
        assert!(end <= pair[1].base_offset(), "{crash_at}: replaced segments came back");
    }
    let leftovers = fs::read_dir(dir).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        [".cleaned", ".swap", ".deleted"].iter().any(|suffix| name.ends_with(suffix))
    });
    assert_eq!(leftovers.count(), 0, "{crash_at}");
}

#[test]
fn a_kill_at_any_crash_point_loses_nothing_that_was_acknowledged() {
    let points = [
        "log-append-before-index",
        "log-roll-middle",
        "log-flush-before-checkpoint",
        "log-retain-middle",
        "log-close-before-marker",
        "clean-after-write",
        "clean-before-swap",
        "clean-middle-of-swap",
        "clean-after-swap",
    ];
    for point in points {
        let home = home();
        let mut kills = 0;
        // One folder is killed again and again, so that crashes meet earlier ones.
        for nth in [1, 2, 3, 5, 8] {
            let crash_at = format!("{point}:{nth}");
            if run_victim(&home.dir, &crash_at) {
                kills += 1;
                examine(&home.dir, &crash_at);
            }
        }
        assert!(kills > 0, "{point} was never come to");
    }
}

/// The state of a folder in the middle of a swap, made by hand: the merged
/// segment as `suffix` beside the segments it replaces, some already deleted.
#[test]
fn a_swap_that_stopped_anywhere_is_finished_and_an_uncommitted_one_forgotten() {
    let config = victim_config();
    let before = home();
    let log = open(&before.dir, &config);
    for offset in 0..120i64 {
        let mut builder = BatchBuilder::new(0);
        builder.push(NOW_MS, Some(&(offset % 20).to_be_bytes()), Some(&[7; 100]), &[]);
        append(&log, builder.build().unwrap());
        if offset % 40 == 39 {
            log.clean_once(NOW_MS, &CleanOptions::default()).unwrap();
        }
    }
    log.roll(&mut log.lock_appender(), NOW_MS).unwrap();
    let old_records = read_all(&log);
    let old_bases: Vec<i64> = log.segment_list().iter().map(|s| s.base_offset()).collect();
    log.flush_now().unwrap();
    log.checkpoint_once().unwrap();
    let copy = |from: &Path, to: &Path| {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    };
    let pristine = home();
    copy(&before.dir, &pristine.dir);
    log.clean_once(NOW_MS, &CleanOptions::default()).unwrap().unwrap();
    let new_records = read_all(&log);
    assert_ne!(old_records, new_records);
    let merged = log.segment_list().remove(0);
    let (base, end) = (merged.base_offset(), merged.find_end_offset().unwrap());
    let replaced: Vec<i64> = old_bases.into_iter().filter(|b| (base..end).contains(b)).collect();
    assert!(replaced.len() > 1, "the first group merges segments");
    let expected: Vec<_> = {
        let kept = old_records.iter().filter(|record| record.offset >= end);
        new_records.iter().filter(|record| record.offset < end).chain(kept).cloned().collect()
    };
    let swaps = (0..=replaced.len()).map(|deleted| (".swap", deleted));
    for (suffix, deleted) in std::iter::once((".cleaned", 0)).chain(swaps) {
        let crashed = home();
        copy(&pristine.dir, &crashed.dir);
        for extension in ["log", "index", "timeindex"] {
            let name = format!("{base:020}.{extension}");
            fs::copy(before.dir.join(&name), crashed.dir.join(format!("{name}{suffix}"))).unwrap();
            for offset in &replaced[..deleted] {
                let name = crashed.dir.join(format!("{offset:020}.{extension}"));
                fs::rename(&name, name.with_extension(format!("{extension}.deleted"))).unwrap();
            }
        }
        let log = open(&crashed.dir, &config);
        let wanted = if suffix == ".swap" { &expected } else { &old_records };
        assert_eq!(&read_all(&log), wanted, "{suffix}, {deleted} deleted");
        let bases = log.segment_list().iter().filter(|s| s.base_offset() < end).count();
        assert_eq!(bases, if suffix == ".swap" { 1 } else { replaced.len() }, "{suffix}");
    }
}
