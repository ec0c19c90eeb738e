//! Real kills in the middle of transactions: what a `read_committed` reader finds
//! in the folder of the killed process.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::committed::read_committed;
use super::*;
use crate::crash::CRASH_AT;

const VICTIM_DIR: &str = "LONGSHORE_TEST_TRANSACTIONAL_VICTIM_DIR";
const KEYS: i64 = 13;
const BATCH: i64 = 3;

fn victim_config() -> LogConfig {
    config(&[
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "-1"),
        ("segment.bytes", "2000"),
        ("index.interval.bytes", "200"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "3"),
    ])
}

/// What the victim notes of a transaction: before its marker, and after.
struct Note {
    first_offset: i64,
    records: i64,
    commit: bool,
    done: bool,
}

impl Note {
    fn write(&self, notes: &mut fs::File) {
        let fields =
            [self.first_offset, self.records, i64::from(self.commit), i64::from(self.done)];
        notes.write_all(&fields.map(i64::to_be_bytes).concat()).unwrap();
    }

    fn read_all(path: &Path) -> Vec<Self> {
        let bytes = fs::read(path).unwrap_or_default();
        let field = |note: &[u8], at: usize| i64::from_be_bytes(*note[at..].first_chunk().unwrap());
        let notes = bytes.chunks_exact(32).map(|note| Note {
            first_offset: field(note, 0),
            records: field(note, 8),
            commit: field(note, 16) == 1,
            done: field(note, 24) == 1,
        });
        notes.collect()
    }

    fn offsets(&self) -> impl Iterator<Item = i64> + use<> {
        self.first_offset..self.first_offset + self.records
    }
}

/// Not a test of its own: what the killed process does.
#[test]
fn transactional_victim() {
    let Some(dir) = std::env::var_os(VICTIM_DIR) else { return };
    let dir = PathBuf::from(dir);
    let log = open(&dir, &victim_config());
    let mut notes =
        fs::File::options().create(true).append(true).open(dir.with_extension("notes")).unwrap();
    // As a coordinator does after its own restart.
    for (id, producer) in log.producers() {
        if producer.transaction_start.is_some() {
            end(&log, &marker(id, producer.epoch, MarkerKind::Abort));
        }
    }
    for round in 0..60i64 {
        let id = round % 3;
        let state = log.producers().into_iter().find(|(known, _)| *known == id);
        let (epoch, sequence) =
            state.map_or((0, 0), |(_, state)| (state.epoch, state.last_sequence() + 1));
        let first_offset = log.log_end_offset();
        let mut builder = BatchBuilder::new(0).producer(id, epoch, sequence).transactional();
        for offset in first_offset..first_offset + BATCH {
            let value = [offset.to_be_bytes(); 12].concat();
            builder.push(NOW_MS, Some(&(offset % KEYS).to_be_bytes()), Some(&value), &[]);
        }
        append_verified(&log, builder.build().unwrap()).unwrap();
        let commit = (round * 7) % 5 < 3;
        let kind = if commit { MarkerKind::Commit } else { MarkerKind::Abort };
        let mut note = Note { first_offset, records: BATCH, commit, done: false };
        note.write(&mut notes);
        end(&log, &marker(id, epoch + i16::from(round % 2 == 0), kind));
        note.done = true;
        note.write(&mut notes);
        if round % 10 == 9 {
            log.clean_once(NOW_MS + round, &CleanOptions::default()).unwrap();
            log.flush_once(NOW_MS).unwrap();
            log.checkpoint_once().unwrap();
        }
    }
    log.close().unwrap();
}

/// Runs the victim on `dir`; whether the crash point killed it.
fn run_victim(dir: &Path, crash_at: &str) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "log::tests::crashes_transactions::transactional_victim"])
        .env(VICTIM_DIR, dir)
        .env(CRASH_AT, crash_at)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success() || status.signal() == Some(9), "{crash_at}: {status}");
    !status.success()
}

fn examine(dir: &Path, crash_at: &str) {
    let log = open(dir, &victim_config());
    let notes = Note::read_all(&dir.with_extension("notes"));
    let wanted = |done: bool| {
        let committed = notes.iter().filter(move |note| note.commit && (note.done || !done));
        committed.flat_map(Note::offsets).collect::<BTreeSet<i64>>()
    };
    let (acknowledged, attempted) = (wanted(true), wanted(false));
    let seen: BTreeSet<i64> =
        read_committed(&log, 0, 700).iter().map(|record| record.offset).collect();
    for offset in &seen {
        assert!(attempted.contains(offset), "{crash_at}: {offset} was never committed");
    }
    let stable = log.last_stable_offset();
    for offset in &acknowledged {
        let newer = seen.range(offset + 1..).any(|newer| newer % KEYS == offset % KEYS);
        assert!(*offset < stable, "{crash_at}: {offset} is committed, {stable} is stable");
        assert!(newer || seen.contains(offset), "{crash_at}: {offset} is lost");
    }
}

#[test]
fn a_kill_in_a_transaction_shows_nothing_aborted_and_loses_nothing_committed() {
    let points = [
        "log-append-before-index",
        "log-marker-before-index",
        "log-roll-middle",
        "log-flush-before-checkpoint",
        "log-close-before-marker",
        "clean-after-write",
        "clean-before-swap",
        "clean-middle-of-swap",
        "clean-after-swap",
    ];
    for point in points {
        let home = home();
        let mut kills = 0;
        for nth in [1, 4, 9, 2] {
            let crash_at = format!("{point}:{nth}");
            if run_victim(&home.dir, &crash_at) {
                kills += 1;
                examine(&home.dir, &crash_at);
            }
        }
        assert!(kills > 0, "{point} was never come to");
    }
}
