//! Append, read, roll, reopen, against a list of records.

use kafka_protocol::error::ResponseError;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Append { count: usize, value_bytes: usize, codec: u8 },
    Reopen { clean: bool },
    Read { at: usize, max_bytes: usize },
    Truncate { at: usize },
    DeleteBefore { at: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1usize..12, 0usize..300, 0u8..5)
            .prop_map(|(count, value_bytes, codec)| Step::Append { count, value_bytes, codec }),
        1 => any::<bool>().prop_map(|clean| Step::Reopen { clean }),
        4 => (any::<prop::sample::Index>(), 1usize..3000)
            .prop_map(|(at, max_bytes)| Step::Read { at: at.index(1 << 20), max_bytes }),
        1 => any::<prop::sample::Index>().prop_map(|at| Step::Truncate { at: at.index(1 << 20) }),
        1 => any::<prop::sample::Index>()
            .prop_map(|at| Step::DeleteBefore { at: at.index(1 << 20) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_was_appended_is_read_back_in_order(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let home = home();
        let config = config(&[
            ("segment.bytes", "2000"), ("index.interval.bytes", "200"), ("retention.ms", "-1"),
        ]);
        let mut log = open(&home.dir, &config);
        // The record at each offset; batches, to know what truncation takes.
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut batch_starts: Vec<usize> = Vec::new();
        let mut start = 0usize;
        for step in steps {
            match step {
                Step::Append { count, value_bytes, codec } => {
                    let base = model.len();
                    let codec = Codec::from_id(codec).unwrap();
                    let mut builder = BatchBuilder::new(0).codec(codec);
                    batch_starts.push(base);
                    for _ in 0..count {
                        let value = vec![model.len() as u8; value_bytes];
                        builder.push(NOW_MS, None, Some(&value), &[]);
                        model.push(value);
                    }
                    let mut request = builder.build().unwrap();
                    let Ok(appended) = log.append(&mut request, &CLIENT) else {
                        prop_assert!(request.len() > 2000, "only a segment's size is refused");
                        model.truncate(base);
                        batch_starts.retain(|start| *start < base);
                        continue;
                    };
                    prop_assert_eq!(appended.base_offset, base as i64);
                    prop_assert_eq!(appended.last_offset + 1, model.len() as i64);
                }
                Step::Reopen { clean } => {
                    if clean {
                        log.close().unwrap();
                    }
                    drop(log);
                    let (reopened, recovery) =
                        Log::open(&home.dir, config.clone(), NOW_MS).unwrap();
                    // An empty log leaves no marker: there is nothing to scan.
                    prop_assert_eq!(recovery.clean_shutdown, clean && !model.is_empty());
                    prop_assert_eq!(recovery.torn_tail, None);
                    log = reopened;
                }
                Step::Read { at, max_bytes } => {
                    let from = start + at % (model.len() - start + 1);
                    let limit = ReadLimit { max_bytes, ..ALL };
                    let read = read_from(&log, from as i64, &limit);
                    prop_assert_eq!(read.len(), model.len() - from);
                    for (record, value) in read.iter().zip(&model[from..]) {
                        prop_assert_eq!(record.value.as_ref(), Some(value));
                    }
                }
                Step::Truncate { at } => {
                    let to = start + at % (model.len() - start + 1);
                    log.truncate_to(to as i64, NOW_MS).unwrap();
                    if to < model.len() {
                        // A batch goes as a whole.
                        let cut = *batch_starts.iter().rfind(|start| **start <= to).unwrap();
                        model.truncate(cut);
                        batch_starts.retain(|start| *start < cut);
                        start = start.min(cut);
                    }
                }
                Step::DeleteBefore { at } => {
                    let to = start + at % (model.len() - start + 1);
                    log.delete_records_before(to as i64).unwrap();
                    log.retain_once(NOW_MS).unwrap();
                    start = to;
                }
            }
            prop_assert_eq!(log.log_end_offset(), model.len() as i64);
            prop_assert_eq!(log.high_watermark(), model.len() as i64);
            prop_assert_eq!(log.log_start_offset(), start as i64);
        }
        let read = read_all(&log);
        prop_assert_eq!(read.len(), model.len() - start);
        for (record, value) in read.iter().zip(&model[start..]) {
            prop_assert_eq!(record.value.as_ref(), Some(value));
        }
    }

    #[test]
    fn hostile_bytes_are_refused_without_panic_and_without_trace(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        reseal in any::<bool>(),
    ) {
        let home = home();
        let log = open(&home.dir, &config(&[]));
        prop_assert!(log.append(&mut bytes.clone(), &CLIENT).is_err());
        // Damage a good batch, also with a CRC that fits the damage.
        let good = batch_of(&["one", "two", "three"]);
        let mut damaged = good.clone();
        for (at, bits) in flips {
            let at = at.index(damaged.len());
            damaged[at] ^= bits;
        }
        if reseal {
            let crc = crc32c::crc32c(&damaged[21..]);
            damaged[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        for batch in Batches::new(&damaged) {
            let Ok((header, batch)) = batch else { break };
            for record in Records::new(&header, &batch[61..]) {
                let Ok(record) = record else { break };
                record.headers().count();
            }
        }
        let end = log.log_end_offset();
        match log.append(&mut damaged, &CLIENT) {
            Ok(appended) => prop_assert_eq!(appended.last_offset + 1, log.log_end_offset()),
            Err(_) => prop_assert_eq!(log.log_end_offset(), end),
        }
    }
}

#[test]
fn a_fetch_from_inside_a_batch_returns_the_whole_batch() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    append(&log, batch_of(&["a", "b", "c"]));
    let second = batch_of(&["d", "e"]);
    append(&log, second.clone());
    let fetched = log.read(4, &ALL).unwrap();
    assert_eq!(fetched.batches.len(), second.len());
    assert_eq!(records_of(&fetched.batches)[0].offset, 3);
    // All but base offset and leader epoch is as it was sent.
    assert_eq!(fetched.batches[16..], second[16..]);
}

#[test]
fn one_batch_is_returned_even_if_it_is_too_large_but_only_when_asked() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    append(&log, batch_of(&[&"x".repeat(100_000)]));
    let small = ReadLimit { max_bytes: 10, ..ALL };
    assert_eq!(read_from(&log, 0, &small).len(), 1);
    let none = ReadLimit { at_least_one: false, ..small };
    assert!(log.read(0, &none).unwrap().batches.is_empty());
}

#[test]
fn offsets_outside_of_the_log_are_refused_and_its_end_is_empty() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    append(&log, batch_of(&["a", "b"]));
    assert!(log.read(2, &ALL).unwrap().batches.is_empty());
    for offset in [-1, 3, i64::MAX] {
        let error = log.read(offset, &ALL).unwrap_err();
        assert!(matches!(error, ReadError::OffsetOutOfRange { .. }), "{offset}");
    }
}

#[test]
fn consumers_see_nothing_above_the_high_watermark() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    log.set_sole_replica(false);
    let mut ends = log.subscribe();
    ends.mark_unchanged();
    append(&log, batch_of(&["a"]));
    append(&log, batch_of(&["b"]));
    assert!(ends.has_changed().unwrap());
    let consumer = ReadLimit { up_to: ReadUpTo::HighWatermark, ..ALL };
    assert!(log.read(0, &consumer).unwrap().batches.is_empty());
    log.set_high_watermark(1);
    assert_eq!(records_of(&log.read(0, &consumer).unwrap().batches).len(), 1);
    assert_eq!(records_of(&log.read(0, &ALL).unwrap().batches).len(), 2);
}

#[test]
fn batches_that_break_a_topics_rules_are_refused_by_kind() {
    let home = home();
    let compacted = config(&[("cleanup.policy", "compact"), ("max.message.bytes", "1000")]);
    let log = open(&home.dir, &compacted);
    let refuse = |mut batch: Vec<u8>| log.append(&mut batch, &CLIENT).unwrap_err();

    assert!(matches!(
        refuse(batch_of(&["keyless"])),
        AppendError::Keyless { batch_indexes } if batch_indexes == [0]
    ));
    assert!(matches!(refuse(Vec::new()), AppendError::InvalidRecord(_)));
    assert!(matches!(
        refuse(batch_of(&[&"x".repeat(2000)])),
        AppendError::MessageTooLarge { max_bytes: 1000, .. }
    ));
    let mut flipped = batch_of(&["x"]);
    *flipped.last_mut().unwrap() ^= 1;
    assert!(matches!(refuse(flipped), AppendError::Batch(BatchError::Crc { .. })));
    let mut old = batch_of(&["x"]);
    old[16] = 1;
    assert!(matches!(refuse(old), AppendError::Batch(BatchError::Magic(1))));
    let mut cut = batch_of(&["x"]);
    cut.pop();
    assert!(matches!(refuse(cut), AppendError::Batch(BatchError::Truncated { .. })));
    let mut future = BatchBuilder::new(0);
    future.push(NOW_MS + 3_600_001, Some(b"k"), None, &[]);
    assert!(matches!(refuse(future.build().unwrap()), AppendError::InvalidTimestamp { .. }));
    assert_eq!(log.log_end_offset(), 0);
}

#[test]
fn log_append_time_replaces_the_producers_timestamps() {
    let home = home();
    let log = open(&home.dir, &config(&[("message.timestamp.type", "LogAppendTime")]));
    let mut builder = BatchBuilder::new(0).codec(Codec::Zstd);
    builder.push(5, None, Some(b"v"), &[]);
    builder.push(9_999_999_999_999, None, Some(b"w"), &[]);
    assert_eq!(append(&log, builder.build().unwrap()).log_append_time_ms, NOW_MS);
    assert!(read_all(&log).iter().all(|record| record.timestamp_ms == NOW_MS));
}

#[test]
fn a_topic_may_demand_a_codec() {
    let home = home();
    let log = open(&home.dir, &config(&[("compression.type", "lz4")]));
    let mut builder = BatchBuilder::new(0).codec(Codec::Gzip).producer(9, 1, 5);
    builder.push(NOW_MS, Some(b"k"), Some(b"v"), &[(b"h", Some(b"1")), (b"h", None)]);
    builder.push(NOW_MS + 7, None, None, &[]);
    append(&log, builder.build().unwrap());
    let fetched = log.read(0, &ALL).unwrap().batches;
    let (header, batch) = Batches::new(&fetched).next().unwrap().unwrap();
    assert_eq!(header.codec_id(), Codec::Lz4.id());
    assert_eq!((header.producer_id, header.base_sequence), (9, 5));
    let payload = Codec::Lz4.decompress(&batch[61..]).unwrap();
    let first = Records::new(&header, &payload).next().unwrap().unwrap();
    let headers: Vec<_> = first.headers().collect();
    assert_eq!(headers, [(&b"h"[..], Some(&b"1"[..])), (&b"h"[..], None)]);
    assert_eq!(read_all(&log)[1].timestamp_ms, NOW_MS + 7);
}

#[test]
fn a_repeated_batch_is_answered_with_the_first_ones_offsets() {
    let home = home();
    let config = config(&[]);
    let sent = |sequence| {
        let mut builder = BatchBuilder::new(0).producer(7, 0, sequence);
        builder.push(NOW_MS, None, Some(b"v"), &[]);
        builder.push(NOW_MS, None, Some(b"w"), &[]);
        builder.build().unwrap()
    };
    let log = open(&home.dir, &config);
    append(&log, batch_of(&["other"]));
    assert_eq!(append(&log, sent(0)).base_offset, 1);
    assert_eq!(append(&log, sent(2)).base_offset, 3);
    let again = append(&log, sent(0));
    assert!(again.duplicate);
    assert_eq!((again.base_offset, again.last_offset), (1, 2));
    assert_eq!(log.log_end_offset(), 5);
    assert!(matches!(log.append(&mut sent(6), &CLIENT), Err(AppendError::Sequence(_))));

    // After a crash the five are rebuilt from the log, after a close the newest is.
    drop(log);
    let log = open(&home.dir, &config);
    assert!(append(&log, sent(0)).duplicate);
    log.close().unwrap();
    let log = open(&home.dir, &config);
    assert!(append(&log, sent(2)).duplicate);
    assert!(!append(&log, sent(4)).duplicate);
}

#[test]
fn retention_deletes_by_age_and_by_size_and_by_log_start() {
    let home = home();
    let by_age = config(&[("segment.bytes", "300"), ("retention.ms", "1000")]);
    let log = open(&home.dir, &by_age);
    for index in 0..10 {
        let mut builder = BatchBuilder::new(0);
        builder.push(NOW_MS - 2000 + index * 300, None, Some(&[b'x'; 100]), &[]);
        append(&log, builder.build().unwrap());
    }
    assert!(log.segment_count() > 4);
    log.retain_once(NOW_MS).unwrap();
    let oldest = read_all(&log)[0].timestamp_ms;
    assert!(oldest >= NOW_MS - 1000 - 300, "one segment may reach further back");
    assert!(log.log_start_offset() > 0);

    log.set_config(config(&[("retention.bytes", "400"), ("retention.ms", "-1")]));
    log.retain_once(NOW_MS).unwrap();
    assert!((400..800).contains(&log.size_bytes()), "{}", log.size_bytes());

    log.delete_records_before(10).unwrap();
    log.retain_once(NOW_MS).unwrap();
    assert_eq!((log.size_bytes(), log.log_start_offset(), log.log_end_offset()), (0, 10, 10));
    assert_eq!(append(&log, batch_of(&["next"])).base_offset, 10);
    drop(log);
    assert_eq!(open(&home.dir, &by_age).log_start_offset(), 10);
}

#[test]
fn leader_epochs_end_where_the_next_begins_also_after_a_restart() {
    let home = home();
    let config = config(&[]);
    let log = open(&home.dir, &config);
    for (epoch, value) in [(0, "a"), (0, "b"), (3, "c"), (4, "d")] {
        let options = AppendOptions { leader_epoch: epoch, ..CLIENT };
        log.append(&mut batch_of(&[value]), &options).unwrap();
    }
    let check = |log: &Log| {
        assert_eq!(log.end_offset_for_epoch(0), Some((0, 2)));
        assert_eq!(log.end_offset_for_epoch(2), Some((0, 2)));
        assert_eq!(log.end_offset_for_epoch(3), Some((3, 3)));
        assert_eq!(log.end_offset_for_epoch(4), Some((4, 4)));
        assert_eq!(log.end_offset_for_epoch(5), None);
    };
    check(&log);
    drop(log);
    std::fs::remove_file(home.dir.join("leader-epoch-checkpoint")).unwrap();
    check(&open(&home.dir, &config));
}

#[test]
fn a_closed_or_deleted_partition_takes_no_calls() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    append(&log, batch_of(&["a"]));
    log.close().unwrap();
    let refused = |log: &Log| {
        let appended = log.append(&mut batch_of(&["b"]), &CLIENT).unwrap_err();
        assert!(matches!(appended, AppendError::Offline(_)), "{appended}");
        let Err(read) = log.read(0, &ALL) else { panic!("it was read") };
        assert!(matches!(read, ReadError::Offline(_)), "{read}");
        assert_eq!(appended.response(), read.response());
        read.response()
    };
    assert_eq!(refused(&log), ResponseError::NotLeaderOrFollower, "no disk failed");
    let log = open(&home.dir, &config(&[]));
    log.delete().unwrap();
    assert!(!home.dir.exists());
    assert_eq!(refused(&log), ResponseError::UnknownTopicOrPartition);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_the_disk_are_answered_when_it_has_their_records() {
    let home = home();
    let log = std::sync::Arc::new(open(&home.dir, &config(&[("flush.messages", "1")])));
    let mut waiting = tokio::task::JoinSet::new();
    for index in 0..50 {
        let log = std::sync::Arc::clone(&log);
        waiting.spawn(async move {
            let mut batch = batch_of(&[&format!("v{index}")]);
            let appended = log.append(&mut batch, &CLIENT).unwrap();
            assert!(appended.flush_before_answer);
            log.flushed(appended.last_offset).await.unwrap();
            assert!(log.flushed_offset() > appended.last_offset);
        });
    }
    waiting.join_all().await;
    assert_eq!(log.flushed_offset(), 50);
}
