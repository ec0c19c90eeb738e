//! Compaction beside transactions: what was aborted goes, what is open stays.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::committed::read_committed;
use super::*;
use MarkerKind::{Abort, Commit};

const ANY: CleanOptions = CleanOptions { map_bytes: 1 << 20 };

fn compacted() -> LogConfig {
    config(&[
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1500"),
        ("index.interval.bytes", "200"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "1000"),
    ])
}

fn push_out(log: &Log) {
    let before = log.segment_count();
    while log.segment_count() == before {
        let mut builder = BatchBuilder::new(0);
        builder.push(NOW_MS, Some(b"filler"), Some(&[b'f'; 300]), &[]);
        append(log, builder.build().unwrap());
    }
}

fn clean(log: &Log, now_ms: i64) {
    push_out(log);
    log.clean_once(now_ms, &ANY).unwrap().unwrap();
}

/// The headers of all batches there are.
fn headers(log: &Log) -> Vec<BatchHeader> {
    let mut found = Vec::new();
    let mut offset = log.log_start_offset();
    loop {
        let fetched = log.read(offset, &ALL).unwrap().batches;
        let Some(last) = Batches::new(&fetched).last() else { return found };
        offset = last.unwrap().0.next_offset();
        found.extend(Batches::new(&fetched).map(|batch| batch.unwrap().0));
    }
}

fn markers(log: &Log) -> Vec<i64> {
    let with_records = headers(log).into_iter().filter(|h| h.is_control() && h.record_count > 0);
    with_records.map(|header| header.base_offset).collect()
}

fn keyed(producer_id: i64, sequence: i32, key: &str, value: &str) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0).producer(producer_id, 0, sequence).transactional();
    builder.push(NOW_MS, Some(key.as_bytes()), Some(value.as_bytes()), &[]);
    builder.build().unwrap()
}

#[test]
fn an_aborted_record_takes_no_committed_ones_place_and_is_removed() {
    let home = home();
    let log = open(&home.dir, &compacted());
    append_verified(&log, keyed(1, 0, "k", "committed")).unwrap();
    end(&log, &marker(1, 0, Commit));
    append_verified(&log, keyed(2, 0, "k", "aborted")).unwrap();
    end(&log, &marker(2, 0, Abort));
    clean(&log, NOW_MS);
    let all = read_all(&log);
    assert_eq!((all[0].offset, all[0].value.as_deref()), (0, Some(&b"committed"[..])));
    assert!(all.iter().all(|record| record.value.as_deref() != Some(b"aborted")));
    assert_eq!(read_committed(&log, 0, 1000)[0].value.as_deref(), Some(&b"committed"[..]));
}

#[test]
fn nothing_of_an_open_transaction_or_after_it_is_cleaned() {
    let home = home();
    let log = open(&home.dir, &compacted());
    append_verified(&log, keyed(1, 0, "k", "open")).unwrap();
    for _ in 0..4 {
        push_out(&log);
    }
    assert_eq!(log.clean_once(NOW_MS, &ANY).unwrap(), None);
    end(&log, &marker(1, 0, Commit));
    push_out(&log);
    assert!(log.clean_once(NOW_MS, &ANY).unwrap().is_some());
    assert_eq!(read_all(&log)[0].value.as_deref(), Some(&b"open"[..]));
}

#[test]
fn a_marker_stays_until_its_records_are_gone_and_its_horizon_has_passed() {
    for kind in [Abort, Commit] {
        let home = home();
        let log = open(&home.dir, &compacted());
        append_verified(&log, keyed(1, 0, "k", "first")).unwrap();
        // A later epoch is what is known of the producer from then on.
        end(&log, &marker(1, 1, kind));
        let mut newer = BatchBuilder::new(0).producer(1, 1, 0);
        newer.push(NOW_MS, Some(b"k"), Some(b"second"), &[]);
        append(&log, newer.build().unwrap());
        clean(&log, NOW_MS);
        assert_eq!(markers(&log), [1], "{kind:?}: its records were there until now");
        clean(&log, NOW_MS + 10);
        let horizon = headers(&log).into_iter().find(BatchHeader::is_control).unwrap();
        assert_eq!(horizon.delete_horizon_ms(), Some(NOW_MS + 1010), "{kind:?}");
        let reopened = open_again(&home, log);
        clean(&reopened, NOW_MS + 1009);
        assert_eq!(markers(&reopened), [1], "{kind:?}: its time has not come");
        clean(&reopened, NOW_MS + 1010);
        assert_eq!(markers(&reopened), [0_i64; 0], "{kind:?}");
        let txn_indexes = std::fs::read_dir(&home.dir).unwrap().filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "txnindex")
        });
        assert_eq!(txn_indexes.count(), 0, "{kind:?}: the index goes with what it tells of");
    }
}

fn open_again(home: &Home, log: Log) -> Log {
    drop(log);
    open(&home.dir, &compacted())
}

#[test]
fn a_producer_whose_records_are_gone_is_still_fenced_after_a_restart() {
    let home = home();
    let mut log = open(&home.dir, &compacted());
    append_verified(&log, keyed(1, 0, "k", "v")).unwrap();
    end(&log, &marker(1, 5, Abort));
    for round in 0..4 {
        clean(&log, NOW_MS + round * 2000);
    }
    assert_eq!(markers(&log), [0_i64; 0]);
    drop(log);
    for entry in std::fs::read_dir(&home.dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "snapshot") {
            std::fs::remove_file(path).unwrap();
        }
    }
    log = open(&home.dir, &compacted());
    let error = append_verified(&log, keyed(1, 1, "k", "zombie")).unwrap_err();
    assert!(
        matches!(error, AppendError::Sequence(SequenceError::Fenced { current: 5, .. })),
        "{error}"
    );
    assert_eq!(log.last_stable_offset(), log.log_end_offset());
}

#[derive(Debug, Clone)]
enum Step {
    Send { producer: usize, keys: Vec<(u8, bool)>, codec: u8 },
    Plain { key: u8 },
    End { producer: usize, commit: bool, bump: bool },
    Clean { map_slots: usize, later_ms: i64 },
    Reopen { clean: bool },
}

const PRODUCERS: usize = 4;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..PRODUCERS, proptest::collection::vec((0u8..12, any::<bool>()), 1..5), 0u8..5)
            .prop_map(|(producer, keys, codec)| Step::Send { producer, keys, codec }),
        4 => (0u8..12).prop_map(|key| Step::Plain { key }),
        6 => (0..PRODUCERS, any::<bool>(), any::<bool>())
            .prop_map(|(producer, commit, bump)| Step::End { producer, commit, bump }),
        4 => (10usize..100, 0i64..800)
            .prop_map(|(map_slots, later_ms)| Step::Clean { map_slots, later_ms }),
        1 => any::<bool>().prop_map(|clean| Step::Reopen { clean }),
    ]
}

/// A record's offset, key and, unless it is a tombstone, value.
type Sent = (i64, u8, Option<i64>);

#[derive(Debug, Default, Clone)]
struct Sender {
    epoch: i16,
    sequence: i32,
    /// First offset and records of the open transaction.
    open: Option<(i64, Vec<Sent>)>,
}

/// A value tells its own offset, the key is padded so that segments fill up.
fn record_of(key: u8, value: Option<i64>) -> (Vec<u8>, Option<Vec<u8>>) {
    (format!("key-{key:030}").into_bytes(), value.map(|v| format!("{v:060}").into_bytes()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_latest_committed_value_of_every_key_stays_and_no_aborted_one_shows(
        steps in proptest::collection::vec(step(), 20..200),
    ) {
        let home = home();
        let mut log = open(&home.dir, &compacted());
        let mut senders = vec![Sender::default(); PRODUCERS];
        // Offset and value of the latest committed record of each key; all committed.
        let mut latest: BTreeMap<u8, (i64, Option<i64>)> = BTreeMap::new();
        let mut committed: BTreeMap<i64, (u8, Option<i64>)> = BTreeMap::new();
        let mut now_ms = NOW_MS;
        for step in steps {
            let base = log.log_end_offset();
            match step {
                Step::Send { producer, keys, codec } => {
                    let sender = &mut senders[producer];
                    let mut builder = BatchBuilder::new(0)
                        .codec(Codec::from_id(codec).unwrap())
                        .producer(producer as i64, sender.epoch, sender.sequence)
                        .transactional();
                    let open = sender.open.get_or_insert_with(|| (base, Vec::new()));
                    for (delta, (key, tombstone)) in keys.iter().enumerate() {
                        let offset = base + delta as i64;
                        let number = (!tombstone).then_some(offset);
                        let (text, value) = record_of(*key, number);
                        builder.push(now_ms, Some(&text), value.as_deref(), &[]);
                        open.1.push((offset, *key, number));
                    }
                    sender.sequence += keys.len() as i32;
                    let mut batch = builder.build().unwrap();
                    let verification = Some(ask(&log, &batch));
                    let options = AppendOptions { now_ms, verification, ..CLIENT };
                    log.append(&mut batch, &options).unwrap();
                }
                Step::Plain { key } => {
                    let mut builder = BatchBuilder::new(0);
                    let (text, value) = record_of(key, Some(base));
                    builder.push(now_ms, Some(&text), value.as_deref(), &[]);
                    let options = AppendOptions { now_ms, ..CLIENT };
                    log.append(&mut builder.build().unwrap(), &options).unwrap();
                    committed.insert(base, (key, Some(base)));
                }
                Step::End { producer, commit, bump } => {
                    let sender = &mut senders[producer];
                    if bump {
                        (sender.epoch, sender.sequence) = (sender.epoch + 1, 0);
                    }
                    let kind = if commit { Commit } else { Abort };
                    log.append_marker(&marker(producer as i64, sender.epoch, kind), 0, now_ms)
                        .unwrap();
                    for (offset, key, value) in sender.open.take().unwrap_or_default().1 {
                        if commit {
                            committed.insert(offset, (key, value));
                        }
                    }
                }
                Step::Clean { map_slots, later_ms } => {
                    now_ms += later_ms;
                    log.clean_once(now_ms, &CleanOptions { map_bytes: map_slots * 24 }).unwrap();
                }
                Step::Reopen { clean } => {
                    if clean {
                        log.close().unwrap();
                    }
                    drop(log);
                    log = Log::open(&home.dir, compacted(), now_ms).unwrap().0;
                }
            }
            let open = senders.iter().filter_map(|sender| Some(sender.open.as_ref()?.0));
            let stable = open.min().unwrap_or(log.log_end_offset());
            prop_assert_eq!(log.last_stable_offset(), stable);
        }
        let stable = log.last_stable_offset();
        for (offset, (key, value)) in committed.range(..stable) {
            latest.insert(*key, (*offset, *value));
        }
        for from in [0, stable / 2] {
            let read = read_committed(&log, from, 600);
            for record in &read {
                let (key, value) = committed[&record.offset];
                prop_assert_eq!((record.key.clone().unwrap(), record.value.clone()), record_of(key, value));
            }
            for (key, (offset, value)) in &latest {
                let there = read.iter().any(|record| record.offset == *offset);
                prop_assert!(there || value.is_none() || *offset < from, "key {key} at {offset}");
            }
        }
        // Of what is still open not one record is missing.
        let above: Vec<i64> = read_all(&log).iter().map(|record| record.offset).collect();
        for (offset, _, _) in senders.iter().filter_map(|s| s.open.as_ref()).flat_map(|o| &o.1) {
            prop_assert!(above.contains(offset), "{offset} is gone");
        }
    }
}

#[test]
fn a_reader_beside_cleanings_never_sees_an_aborted_record() {
    let home = home();
    let mut config = compacted();
    // Markers and their index entries go as soon as they may.
    config.delete_retention_ms = 0;
    let log = open(&home.dir, &config);
    let done = std::sync::atomic::AtomicBool::new(false);
    let is_done = || done.load(std::sync::atomic::Ordering::Acquire);
    let read = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut read = 0;
            while !is_done() {
                for record in read_committed(&log, 0, 500) {
                    assert_ne!(record.value.as_deref(), Some(&b"aborted"[..]), "{record:?}");
                    read += 1;
                }
            }
            read
        });
        let cleaner = scope.spawn(|| {
            let mut now_ms = NOW_MS;
            while !is_done() {
                now_ms += 1;
                log.clean_once(now_ms, &ANY).unwrap();
                std::thread::yield_now();
            }
        });
        for round in 0..600 {
            let (kind, value) =
                if round % 2 == 0 { (Commit, "committed") } else { (Abort, "aborted") };
            let (id, sequence) = (round % 4, (round / 4) as i32);
            let key = format!("{}", round % 11);
            append_verified(&log, keyed(id, sequence, &key, value)).unwrap();
            end(&log, &marker(id, 0, kind));
            if reader.is_finished() || cleaner.is_finished() {
                break;
            }
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        cleaner.join().unwrap();
        reader.join().unwrap()
    });
    assert!(read > 0, "the reader had something to read");
    assert_eq!(log.last_stable_offset(), log.log_end_offset());
}
