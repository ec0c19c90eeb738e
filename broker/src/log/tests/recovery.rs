//! What a crash or a damaged disk leaves: torn tails are cut, corruption refused.

use std::fs;

use proptest::prelude::*;

use super::*;

fn small() -> LogConfig {
    config(&[("segment.bytes", "1000"), ("index.interval.bytes", "100"), ("retention.ms", "-1")])
}

fn fill(log: &Log, batches: usize) {
    for index in 0..batches {
        append(log, batch_of(&[&format!("{index:040}"), "second"]));
    }
}

/// Copies a partition folder, flat as it is.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn logs(dir: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    logs
}

#[test]
fn a_log_torn_at_any_byte_of_its_last_segment_keeps_every_whole_batch() {
    let original = home();
    let log = open(&original.dir, &small());
    fill(&log, 12);
    let all = read_all(&log);
    drop(log);
    let last = logs(&original.dir).pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    let base: i64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    for length in 0..bytes.len() {
        let torn = home();
        copy(&original.dir, &torn.dir);
        let file = torn.dir.join(last.file_name().unwrap());
        fs::write(&file, &bytes[..length]).unwrap();
        let (log, recovery) = Log::open(&torn.dir, small(), NOW_MS).unwrap();
        // What is whole in the bytes that are left, counted independently.
        let whole: Vec<_> = Batches::new(&bytes[..length]).map_while(Result::ok).collect();
        let whole_bytes: usize = whole.iter().map(|(header, _)| header.size_bytes).sum();
        let end = whole.last().map_or(base, |(header, _)| header.next_offset());
        assert_eq!(log.log_end_offset(), end, "torn at {length}");
        assert_eq!(read_all(&log), all[..end as usize], "torn at {length}");
        match recovery.torn_tail {
            None => assert_eq!(whole_bytes, length),
            Some(tail) => {
                assert_eq!(tail.position as usize, whole_bytes);
                assert_eq!(tail.cut_bytes as usize, length - whole_bytes);
                assert_eq!(tail.file, file);
                assert_eq!(tail.log_end_offset, end);
            }
        }
        assert_eq!(append(&log, batch_of(&["after"])).base_offset, end);
    }
}

#[test]
fn a_tail_of_zeros_or_garbage_is_cut() {
    for garbage in [vec![0u8; 500], vec![0xff; 500], b"not a batch at all".repeat(20)] {
        let home = home();
        let log = open(&home.dir, &small());
        fill(&log, 3);
        let all = read_all(&log);
        drop(log);
        let file = logs(&home.dir).pop().unwrap();
        let mut bytes = fs::read(&file).unwrap();
        bytes.extend_from_slice(&garbage);
        fs::write(&file, bytes).unwrap();
        let (log, recovery) = Log::open(&home.dir, small(), NOW_MS).unwrap();
        assert_eq!(recovery.torn_tail.unwrap().cut_bytes as usize, garbage.len());
        assert_eq!(read_all(&log), all);
    }
}

#[test]
fn a_bad_batch_in_the_middle_ends_the_log_there_and_later_segments_go() {
    let home = home();
    let log = open(&home.dir, &small());
    fill(&log, 30);
    drop(log);
    let files = logs(&home.dir);
    assert!(files.len() > 3);
    let mut bytes = fs::read(&files[1]).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&files[1], bytes).unwrap();
    let (log, recovery) = Log::open(&home.dir, small(), NOW_MS).unwrap();
    let tail = recovery.torn_tail.unwrap();
    assert_eq!(tail.file, files[1]);
    assert!(tail.reason.contains("CRC"), "{}", tail.reason);
    assert_eq!(logs(&home.dir).len(), 2);
    assert_eq!(read_all(&log).len() as i64, tail.log_end_offset);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_flipped_bit_below_the_recovery_point_is_refused_above_it_is_cut(
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
        synced_batches in 0usize..12,
    ) {
        let home = home();
        // One segment: every batch is scanned.
        let config = config(&[("retention.ms", "-1")]);
        let log = open(&home.dir, &config);
        fill(&log, synced_batches);
        log.flush_now().unwrap();
        log.checkpoint_once().unwrap();
        let synced_end = log.log_end_offset();
        let synced_bytes = log.size_bytes() as usize;
        fill(&log, 12 - synced_batches);
        let all = read_all(&log);
        drop(log);
        let file = logs(&home.dir).pop().unwrap();
        let mut bytes = fs::read(&file).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let whole = |bytes: &[u8]| Batches::new(bytes).map(|b| b.map(|(h, _)| h)).collect::<Vec<_>>();
        fs::write(&file, &bytes).unwrap();
        match Log::open(&home.dir, config, NOW_MS) {
            Err(OpenError::Corrupt(corruption)) => {
                prop_assert!(at < synced_bytes, "{corruption}");
                prop_assert_eq!(&corruption.file, &file);
                prop_assert!(corruption.position as usize <= at);
                prop_assert_eq!(fs::read(&file).unwrap(), bytes, "evidence is left as it is");
            }
            Err(error) => prop_assert!(false, "{error}"),
            Ok((log, recovery)) => {
                if let Some(tail) = recovery.torn_tail {
                    prop_assert!(tail.log_end_offset >= synced_end);
                    prop_assert!(tail.position as usize <= at);
                    prop_assert_eq!(read_all(&log), &all[..tail.log_end_offset as usize]);
                } else {
                    // Only the leader epoch is covered neither by the CRC nor by order.
                    prop_assert_eq!(whole(&bytes).len(), 12);
                    let mut start = 0;
                    let in_batch = Batches::new(&bytes).map_while(Result::ok).find_map(|(h, _)| {
                        start += h.size_bytes;
                        (at < start).then(|| at + h.size_bytes - start)
                    });
                    prop_assert!(
                        in_batch.is_some_and(|at| (12..16).contains(&at)),
                        "byte {:?} of a batch", in_batch
                    );
                }
            }
        }
    }
}

#[test]
fn a_log_that_ends_below_its_recovery_point_is_refused() {
    let home = home();
    let log = open(&home.dir, &small());
    fill(&log, 3);
    log.flush_now().unwrap();
    log.checkpoint_once().unwrap();
    drop(log);
    fs::write(logs(&home.dir).pop().unwrap(), b"").unwrap();
    let error = Log::open(&home.dir, small(), NOW_MS).unwrap_err();
    assert!(error.to_string().contains("below its recovery point 6"), "{error}");
}

#[test]
fn rebuilt_indexes_equal_those_that_appending_made() {
    let home = home();
    let log = open(&home.dir, &small());
    fill(&log, 40);
    log.close().unwrap();
    let read_indexes = || {
        let mut files: Vec<_> = fs::read_dir(&home.dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "index" || e == "timeindex"))
            .collect();
        files.sort();
        files.into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let written = read_indexes();
    assert!(written.iter().any(|(bytes, _)| bytes.len() > 16));
    for (_, path) in &written {
        fs::remove_file(path).unwrap();
    }
    fs::remove_file(home.dir.join(".kafka_cleanshutdown")).unwrap();
    let log = open(&home.dir, &small());
    drop(log);
    assert_eq!(read_indexes(), written, "rebuilt where they are missing");
    for (_, path) in &written {
        fs::write(path, b"torn").unwrap();
    }
    let log = open(&home.dir, &small());
    assert_eq!(read_all(&log).len(), 80);
    drop(log);
    assert_eq!(read_indexes(), written, "rebuilt where they are malformed");
}

#[test]
fn a_marker_that_does_not_fit_the_files_is_not_believed() {
    let home = home();
    let log = open(&home.dir, &small());
    fill(&log, 3);
    log.close().unwrap();
    fs::write(
        home.dir.join(".kafka_cleanshutdown"),
        br#"{"version":0,"brokerEpoch":-1,"logEndOffset":4}"#,
    )
    .unwrap();
    let (log, recovery) = Log::open(&home.dir, small(), NOW_MS).unwrap();
    assert!(!recovery.clean_shutdown);
    assert_eq!(log.log_end_offset(), 6);
    assert!(!home.dir.join(".kafka_cleanshutdown").exists());
}

#[test]
fn a_leader_epoch_whose_checkpoint_failed_is_there_after_a_clean_close() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    append(&log, batch_of(&["one"]));
    let newer = AppendOptions { leader_epoch: 4, ..CLIENT };
    crate::log::files::faults::set_bytes_left(Some(0));
    assert!(log.append(&mut batch_of(&["two"]), &newer).is_err());
    crate::log::files::faults::set_bytes_left(None);
    log.append(&mut batch_of(&["two"]), &newer).unwrap();
    log.close().unwrap();
    drop(log);
    let log = open(&home.dir, &config(&[]));
    assert_eq!(log.end_offset_for_epoch(0), Some((0, 1)));
    assert_eq!(log.latest_epoch(), Some(4));
}

#[test]
fn opening_a_log_leaves_the_expiry_of_producers_to_the_configuration() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    let mut builder = BatchBuilder::new(0).producer(7, 0, 0);
    builder.push(NOW_MS, None, Some(b"v"), &[]);
    append(&log, builder.build().unwrap());
    log.close().unwrap();
    drop(log);
    let month_ms = 30 * 24 * 60 * 60 * 1000;
    let (log, _) = Log::open(&home.dir, config(&[]), NOW_MS + month_ms).unwrap();
    assert_eq!(log.producers().len(), 1);
    assert_eq!(log.expire_producers(NOW_MS + month_ms, 2 * month_ms), 0);
    assert_eq!(log.expire_producers(NOW_MS + month_ms, month_ms), 1);
}
