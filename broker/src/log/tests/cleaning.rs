//! Compaction against a model: the latest value of every key, at its offset.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use proptest::prelude::*;

use super::*;

const ANY: CleanOptions = CleanOptions { map_bytes: 1 << 20 };

fn compacted(extra: &[(&str, &str)]) -> LogConfig {
    let base = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1500"),
        ("index.interval.bytes", "200"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "1000"),
    ];
    config(&[&base[..], extra].concat())
}

fn keyed(key: &str, value: Option<&str>) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0);
    builder.push(NOW_MS, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
    builder.build().unwrap()
}

/// Offset and value of the last record of every key.
type Latest = BTreeMap<Vec<u8>, (i64, Option<Vec<u8>>)>;

fn latest_of(records: &[Owned]) -> Latest {
    let keyed = records
        .iter()
        .filter_map(|record| Some((record.key.clone()?, (record.offset, record.value.clone()))));
    keyed.collect()
}

/// Fills up the active segment so that what was written before may be cleaned.
fn push_out(log: &Log) {
    let before = log.segment_count();
    while log.segment_count() == before {
        append(log, keyed("filler", Some(&"f".repeat(300))));
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append { records: Vec<(u8, Option<u8>)>, codec: u8, producer: Option<u8> },
    Clean { map_slots: usize, later_ms: i64 },
    Reopen { clean: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (
            proptest::collection::vec((0u8..25, proptest::option::weighted(0.8, any::<u8>())), 1..6),
            0u8..5,
            proptest::option::of(0u8..3),
        ).prop_map(|(records, codec, producer)| Step::Append { records, codec, producer }),
        3 => (20usize..200, 0i64..800)
            .prop_map(|(map_slots, later_ms)| Step::Clean { map_slots, later_ms }),
        1 => any::<bool>().prop_map(|clean| Step::Reopen { clean }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_latest_value_of_every_key_and_its_offset_stay(
        steps in proptest::collection::vec(step(), 1..150),
    ) {
        let home = home();
        let config = compacted(&[]);
        let mut log = open(&home.dir, &config);
        let mut model: Latest = Latest::new();
        let mut written: BTreeMap<i64, Owned> = BTreeMap::new();
        let mut sequences = [0i32; 3];
        let mut last_batches: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        let mut now_ms = NOW_MS;
        for step in steps {
            match step {
                Step::Append { records, codec, producer } => {
                    let codec = Codec::from_id(codec).unwrap();
                    let mut builder = BatchBuilder::new(0).codec(codec);
                    if let Some(id) = producer {
                        let sequence = &mut sequences[usize::from(id)];
                        builder = builder.producer(i64::from(id), 0, *sequence);
                        *sequence += records.len() as i32;
                    }
                    let base = log.log_end_offset();
                    for (delta, (key, value)) in records.into_iter().enumerate() {
                        let key = format!("key-{key}").into_bytes();
                        let value = value.map(|value| vec![value; usize::from(value)]);
                        builder.push(now_ms, Some(&key), value.as_deref(), &[(b"h", Some(b"v"))]);
                        let offset = base + delta as i64;
                        model.insert(key.clone(), (offset, value.clone()));
                        let owned =
                            Owned { offset, timestamp_ms: now_ms, key: Some(key), value };
                        written.insert(offset, owned);
                    }
                    let batch = builder.build().unwrap();
                    if let Some(id) = producer {
                        last_batches.insert(id, batch.clone());
                    }
                    let options = AppendOptions { now_ms, ..CLIENT };
                    log.append(&mut batch.clone(), &options).unwrap();
                }
                Step::Clean { map_slots, later_ms } => {
                    now_ms += later_ms;
                    let options = CleanOptions { map_bytes: map_slots * 24 };
                    log.clean_once(now_ms, &options).unwrap();
                }
                Step::Reopen { clean } => {
                    if clean {
                        log.close().unwrap();
                    }
                    drop(log);
                    log = Log::open(&home.dir, config.clone(), now_ms).unwrap().0;
                }
            }
            prop_assert_eq!(log.log_end_offset(), written.len() as i64);
        }
        // No record is there that was not written, none has changed.
        let read = read_all(&log);
        for record in &read {
            prop_assert_eq!(Some(record), written.get(&record.offset));
        }
        // Every key has its latest value, except tombstones that were removed.
        let mut found = latest_of(&read);
        for (key, latest) in &model {
            match found.remove(key) {
                Some(kept) => prop_assert_eq!(&kept, latest),
                None => prop_assert!(latest.1.is_none(), "only a tombstone may go"),
            }
        }
        prop_assert!(found.is_empty());
        // Every offset can be fetched from, and the index agrees with a scan.
        for offset in 0..log.log_end_offset() {
            let expected: Vec<_> = read.iter().filter(|r| r.offset >= offset).collect();
            let limit = ReadLimit { max_bytes: 500, ..ALL };
            let from: Vec<_> = read_from(&log, offset, &limit);
            prop_assert_eq!(from.iter().collect::<Vec<_>>(), expected);
        }
        // Producers go on: their last batch is still known as a duplicate.
        for batch in last_batches.values() {
            prop_assert!(append(&log, batch.clone()).duplicate);
        }
    }
}

/// Tells the other threads to stop, also when this one panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn fifty_cleanings_beside_a_reader_and_a_writer_lose_nothing() {
    const CLEANINGS: usize = 60;
    let home = home();
    let config = compacted(&[("segment.bytes", "4000")]);
    let log = Arc::new(open(&home.dir, &config));
    let done = AtomicBool::new(false);
    let written = AtomicI64::new(0);
    let cleaned = AtomicI64::new(0);
    let value_at = |offset: i64| format!("{offset:050}");
    let key_at = |offset: i64| format!("key-{}", (offset * 7919) % 101);
    let cleanings = std::thread::scope(|scope| {
        // A failed assertion anywhere must end the others too.
        scope.spawn(|| {
            let _stop = Stop(&done);
            let mut offset = 0;
            while !done.load(Ordering::Acquire) {
                // Some way ahead of the cleaner, lest it never catches up.
                if offset > (cleaned.load(Ordering::Acquire) + 2) * 300 {
                    std::thread::yield_now();
                    continue;
                }
                let mut builder = BatchBuilder::new(0).codec(Codec::Lz4);
                for next in offset..offset + 10 {
                    let (key, value) = (key_at(next), value_at(next));
                    builder.push(NOW_MS, Some(key.as_bytes()), Some(value.as_bytes()), &[]);
                }
                assert_eq!(append(&log, builder.build().unwrap()).base_offset, offset);
                offset += 10;
                written.store(offset, Ordering::Release);
            }
        });
        scope.spawn(|| {
            let _stop = Stop(&done);
            while !done.load(Ordering::Acquire) {
                let end = written.load(Ordering::Acquire);
                let records = read_all(&log);
                let mut last = -1;
                for record in &records {
                    assert!(record.offset > last, "offsets grow");
                    last = record.offset;
                    let key = record.key.as_deref().unwrap();
                    assert_eq!(key, key_at(record.offset).as_bytes());
                    assert_eq!(record.value.as_deref().unwrap(), value_at(last).as_bytes());
                }
                // Whatever is the latest of its key now was there or came later.
                let latest = latest_of(&records);
                for offset in (0.max(end - 101)..end).rev() {
                    assert!(latest[key_at(offset).as_bytes()].0 >= offset);
                }
            }
        });
        let _stop = Stop(&done);
        let mut cleanings = 0;
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
        while cleanings < CLEANINGS && !done.load(Ordering::Acquire) {
            assert!(std::time::Instant::now() < deadline, "only {cleanings} cleanings in time");
            match log.clean_once(NOW_MS, &ANY).unwrap() {
                Some(_) => {
                    cleanings += 1;
                    cleaned.store(cleanings as i64, Ordering::Release);
                }
                None => std::thread::yield_now(),
            }
        }
        cleanings
    });
    assert!(cleanings >= CLEANINGS);
    let end = written.load(Ordering::Acquire);
    drop(Arc::into_inner(log).unwrap());
    let log = open(&home.dir, &config);
    assert_eq!(log.log_end_offset(), end);
    let latest = latest_of(&read_all(&log));
    for offset in end - 101..end {
        let (found, value) = &latest[key_at(offset).as_bytes()];
        assert_eq!((*found, value.as_deref()), (offset, Some(value_at(offset).as_bytes())));
    }
}

#[test]
fn tombstones_stay_readable_until_their_horizon_and_then_go() {
    let home = home();
    let log = open(&home.dir, &compacted(&[]));
    append(&log, keyed("a", Some("1")));
    append(&log, keyed("a", None));
    append(&log, keyed("b", Some("2")));
    push_out(&log);
    log.clean_once(NOW_MS, &ANY).unwrap().unwrap();
    let latest = latest_of(&read_all(&log));
    assert_eq!(latest[&b"a"[..]], (1, None), "the tombstone hides the value, and is there");
    let fetched = log.read(1, &ALL).unwrap().batches;
    let (header, _) = Batches::new(&fetched).next().unwrap().unwrap();
    assert_eq!(header.delete_horizon_ms(), Some(NOW_MS + 1000));

    push_out(&log);
    log.clean_once(NOW_MS + 999, &ANY).unwrap().unwrap();
    let latest = latest_of(&read_all(&log));
    assert!(latest.contains_key(&b"a"[..]), "its time has not come");
    let tombstone = read_from(&log, 1, &ALL).into_iter().next().unwrap();
    assert_eq!(tombstone.timestamp_ms, NOW_MS, "the horizon does not change timestamps");

    push_out(&log);
    log.clean_once(NOW_MS + 1000, &ANY).unwrap().unwrap();
    let latest = latest_of(&read_all(&log));
    assert!(!latest.contains_key(&b"a"[..]));
    assert_eq!(latest[&b"b"[..]], (2, Some(b"2".to_vec())));
}

#[test]
fn small_segments_are_merged_and_the_active_one_is_left_alone() {
    let home = home();
    let log = open(&home.dir, &compacted(&[]));
    for index in 0..100 {
        append(&log, keyed(&format!("{}", index % 3), Some(&"v".repeat(100))));
    }
    let before = log.segment_count();
    assert!(before > 8);
    let cleaned = log.clean_once(NOW_MS, &ANY).unwrap().unwrap();
    assert_eq!(cleaned.segments_before, before - 1, "all but the active one");
    assert!(cleaned.bytes_after * 3 < cleaned.bytes_before);
    assert_eq!(log.first_dirty_offset(), cleaned.first_dirty_offset);
    assert_eq!(log.clean_once(NOW_MS, &ANY).unwrap(), None, "nothing is dirty now");
    for _ in 0..10 {
        push_out(&log);
        log.clean_once(NOW_MS, &ANY).unwrap().unwrap();
    }
    assert!(log.segment_count() <= 4, "{} segments", log.segment_count());
}

#[test]
fn a_log_that_is_clean_enough_or_too_young_is_left_alone() {
    let home = home();
    let config = compacted(&[("min.compaction.lag.ms", "5000")]);
    let log = open(&home.dir, &config);
    for _ in 0..4 {
        push_out(&log);
    }
    assert_eq!(log.clean_once(NOW_MS + 5000 - 1, &ANY).unwrap(), None);
    assert!(log.clean_once(NOW_MS + 5000, &ANY).unwrap().is_some());

    let distinct = |from: i64| {
        for index in from..from + 40 {
            append(&log, keyed(&format!("{index}"), Some(&"v".repeat(100))));
        }
    };
    log.set_config(compacted(&[("min.cleanable.dirty.ratio", "0.5")]));
    distinct(0);
    log.clean_once(NOW_MS, &ANY).unwrap().unwrap();
    push_out(&log);
    assert_eq!(log.clean_once(NOW_MS, &ANY).unwrap(), None, "a small part is dirty");
    log.set_config(compacted(&[
        ("min.cleanable.dirty.ratio", "0.5"),
        ("max.compaction.lag.ms", "60000"),
    ]));
    assert!(log.clean_once(NOW_MS + 60_001, &ANY).unwrap().is_some(), "it waited too long");
}

#[test]
fn compaction_also_runs_in_a_short_life() {
    let home = home();
    // Kafka's default segment size: nothing would ever be rolled by itself.
    let config = config(&[("cleanup.policy", "compact")]);
    for life in 0..3 {
        let log = open(&home.dir, &config);
        for index in 0..600 {
            append(&log, keyed(&format!("{}", index % 5), Some(&"v".repeat(2000))));
        }
        assert!(log.clean_once(NOW_MS, &ANY).unwrap().is_some(), "life {life}");
        assert!(log.size_bytes() < 100_000, "{} bytes", log.size_bytes());
        log.close().unwrap();
    }
}

#[test]
fn what_a_topic_held_before_it_was_compacted_is_cleaned_too() {
    let home = home();
    let log = open(&home.dir, &config(&[("segment.bytes", "1500")]));
    append(&log, batch_of(&["keyless", "records"]));
    append(&log, keyed("k", Some("v")));
    log.set_config(compacted(&[]));
    push_out(&log);
    log.clean_once(NOW_MS, &ANY).unwrap().unwrap();
    assert_eq!(read_all(&log)[0].key.as_deref(), Some(&b"k"[..]));
}

#[test]
fn a_map_too_small_for_one_batch_is_an_error_that_says_so() {
    let home = home();
    let log = open(&home.dir, &compacted(&[]));
    push_out(&log);
    push_out(&log);
    let error = log.clean_once(NOW_MS, &CleanOptions { map_bytes: 24 }).unwrap_err();
    assert!(matches!(error, MaintenanceError::MapTooSmall { map_bytes: 24 }), "{error}");
}

#[test]
fn the_end_of_a_cleaned_range_stays_as_an_empty_batch() {
    let home = home();
    let log = open(&home.dir, &compacted(&[]));
    append(&log, keyed("other", Some("kept")));
    for _ in 0..2 {
        // Wholly superseded by what stands in the active segment.
        push_out(&log);
    }
    let end = log.segment_list().last().unwrap().base_offset();
    append(&log, keyed("filler", Some("newest")));
    log.roll(&mut log.lock_appender(), NOW_MS).unwrap();
    for _ in 0..2 {
        log.clean_once(NOW_MS, &ANY).unwrap().unwrap();
        for pair in log.segment_list().windows(2) {
            let segment_end = pair[0].find_end_offset().unwrap();
            assert_eq!(segment_end, pair[1].base_offset(), "the range of a swap is exact");
        }
        push_out(&log);
    }
    assert!(read_all(&log).iter().all(|record| record.offset == 0 || record.offset >= end));
}

#[test]
fn a_producers_last_batch_outlives_its_records() {
    let home = home();
    let config = compacted(&[]);
    let log = open(&home.dir, &config);
    let mut builder = BatchBuilder::new(0).producer(42, 3, 7);
    builder.push(NOW_MS, Some(b"k"), Some(b"old"), &[]);
    let sent = builder.build().unwrap();
    append(&log, sent.clone());
    append(&log, keyed("k", Some("new")));
    push_out(&log);
    log.clean_once(NOW_MS, &ANY).unwrap().unwrap();
    assert!(read_all(&log).iter().all(|record| record.offset != 0), "its record is gone");
    drop(log);
    // The state can only come from the log now.
    for entry in std::fs::read_dir(&home.dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "snapshot") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let again = append(&open(&home.dir, &config), sent);
    assert!(again.duplicate);
    assert_eq!(again.base_offset, 0);
}

#[test]
fn records_of_the_past_do_not_roll_a_segment_at_every_pass() {
    let home = home();
    let config = compacted(&[("min.cleanable.dirty.ratio", "0.5"), ("segment.bytes", "100000")]);
    let log = open(&home.dir, &config);
    let month_ms = 30 * 24 * 60 * 60 * 1000;
    for pass in 0..20 {
        let mut builder = BatchBuilder::new(0);
        builder.push(NOW_MS - month_ms, Some(format!("key {pass}").as_bytes()), Some(b"v"), &[]);
        append(&log, builder.build().unwrap());
        log.clean_once(NOW_MS + pass, &ANY).unwrap();
    }
    assert_eq!(log.segment_count(), 1);
    // The wall clock still rolls, and what is rolled is cleaned.
    log.clean_once(NOW_MS + month_ms, &ANY).unwrap();
    assert_eq!(log.segment_count(), 2);
}
