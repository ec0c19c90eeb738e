//! DeleteRecords by many at once, and while retention runs; retention where it is not plain.

use super::*;

#[test]
fn deletions_at_the_same_time_neither_fail_nor_bring_records_back() {
    let home = home();
    let config = config(&[("segment.bytes", "300"), ("retention.ms", "-1")]);
    let log = open(&home.dir, &config);
    for number in 0..200 {
        append(&log, batch_of(&[&format!("value {number}")]));
    }
    for round in 0..20 {
        std::thread::scope(|threads| {
            for deleter in 0..4 {
                let (log, offset) = (&log, round * 10 + (deleter * 7) % 10);
                threads.spawn(move || {
                    let start = log.delete_records_before(offset).unwrap();
                    assert!(start >= offset, "asked for {offset}, the log starts at {start}");
                });
            }
            threads.spawn(|| log.retain_once(NOW_MS).unwrap());
        });
        let (start, first) = (log.log_start_offset(), *log.segments().keys().next().unwrap());
        assert_eq!(start, round * 10 + 7);
        assert!(first <= start, "the log starts at {start}, its first segment at {first}");
        let stored = std::fs::read_to_string(home.dir.join("log-start-offset-checkpoint"));
        assert_eq!(stored.unwrap(), format!("0\n1\nt 0 {start}\n"));
    }
}

#[test]
fn records_without_a_timestamp_are_as_old_as_their_file() {
    let home = home();
    let log = open(&home.dir, &config(&[("segment.bytes", "300"), ("retention.ms", "60000")]));
    for _ in 0..10 {
        let mut builder = BatchBuilder::new(0);
        builder.push(NO_TIMESTAMP, None, Some(&[b'x'; 100]), &[]);
        append(&log, builder.build().unwrap());
    }
    let now_ms = crate::clock::wall_ms();
    assert_eq!(log.retain_once(now_ms).unwrap(), 0, "they were written just now");
    assert_eq!(read_all(&log).len(), 10);
    log.retain_once(now_ms + 120_000).unwrap();
    assert_eq!(log.log_start_offset(), 10);
}

/// One thread does this for all partitions in turn.
#[test]
fn neither_retention_nor_a_checkpoint_waits_for_a_compaction() {
    let home = home();
    let log = open(&home.dir, &config(&[("segment.bytes", "300"), ("retention.ms", "1000")]));
    for number in 0..20 {
        append(&log, batch_of(&[&format!("value {number}")]));
    }
    let compaction = log.lock_maintenance();
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            assert_eq!(log.retain_once(NOW_MS + 5000).unwrap(), 0);
            log.flush_once(NOW_MS + 5000).unwrap();
            log.checkpoint_once().unwrap();
            done.send(()).unwrap();
        });
        let ended = is_done.recv_timeout(std::time::Duration::from_secs(30));
        drop(compaction);
        ended.expect("neither waits");
    });
    let checkpoint = home.dir.join("recovery-point-offset-checkpoint");
    assert!(!checkpoint.exists());
    log.flush_once(NOW_MS + 5000).unwrap();
    assert_eq!(std::fs::read_to_string(checkpoint).unwrap(), "0\n1\nt 0 20\n", "made up for");
    assert!(log.retain_once(NOW_MS + 5000).unwrap() > 0);
}

#[test]
fn a_log_that_was_deleted_writes_nothing_into_the_folder_of_its_namesake() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    for value in ["a", "b", "c"] {
        append(&log, batch_of(&[value]));
    }
    log.delete().unwrap();
    let namesake = open(&home.dir, &config(&[]));
    // As far as a call has come that waited for another's fsync meanwhile.
    assert!(matches!(log.advance_log_start(2), Err(MaintenanceError::Offline(_))));
    assert!(!home.dir.join("log-start-offset-checkpoint").exists());
    drop(namesake);
    assert_eq!(open(&home.dir, &config(&[])).log_start_offset(), 0);
}

#[test]
fn a_log_is_not_deleted_while_its_start_is_written_down() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    append(&log, batch_of(&["a"]));
    let writing = log.lock_log_start();
    std::thread::scope(|threads| {
        let (deleted, waits) = std::sync::mpsc::channel();
        let log = &log;
        threads.spawn(move || deleted.send(log.delete()).unwrap());
        let waiting = waits.recv_timeout(std::time::Duration::from_millis(300));
        assert!(waiting.is_err() && home.dir.exists(), "it waits for who writes");
        drop(writing);
        waits.recv().unwrap().unwrap();
    });
    assert!(!home.dir.exists());
}
