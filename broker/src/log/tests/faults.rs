//! A full disk in the middle of a write.

use super::*;
use crate::log::files::faults::{set_bytes_left, set_out_of_files};

#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_batch_leaves_the_log_as_it_was() {
    let home = home();
    let config = config(&[]);
    let log = open(&home.dir, &config);
    append(&log, batch_of(&["first"]));
    let size = log.size_bytes();
    for bytes_left in [0, 1, 30, 60] {
        set_bytes_left(Some(bytes_left));
        let error = log.append(&mut batch_of(&["second"]), &CLIENT).unwrap_err();
        set_bytes_left(None);
        assert!(matches!(error, AppendError::File(_)), "{error}");
        assert!(error.to_string().contains(".log"), "{error}");
        assert_eq!((log.log_end_offset(), log.size_bytes()), (1, size));
        let file = home.dir.join("00000000000000000000.log");
        assert_eq!(std::fs::metadata(file).unwrap().len(), size);
    }
    assert_eq!(append(&log, batch_of(&["second"])).base_offset, 1);
    assert_eq!(read_all(&log).len(), 2);
    drop(log);
    assert_eq!(open(&home.dir, &config).log_end_offset(), 2);
}

#[test]
fn a_disk_that_is_full_when_a_segment_is_rolled_refuses_the_append_only() {
    let home = home();
    let config = config(&[("segment.bytes", "200"), ("index.interval.bytes", "0")]);
    let log = open(&home.dir, &config);
    append(&log, batch_of(&[&"x".repeat(100)]));
    set_bytes_left(Some(0));
    assert!(log.append(&mut batch_of(&[&"y".repeat(100)]), &CLIENT).is_err());
    set_bytes_left(None);
    assert_eq!((log.log_end_offset(), log.segment_count()), (1, 1));
    assert_eq!(append(&log, batch_of(&[&"y".repeat(100)])).base_offset, 1);
    assert_eq!(log.segment_count(), 2);
    drop(log);
    let log = open(&home.dir, &config);
    assert_eq!(read_all(&log).len(), 2);
}

#[test]
fn a_flush_that_finds_no_free_descriptor_leaves_the_partition_online() {
    let home = home();
    let log = open(&home.dir, &config(&[("segment.bytes", "200")]));
    for _ in 0..3 {
        append(&log, batch_of(&[&"x".repeat(100)]));
    }
    assert_eq!(log.segment_count(), 3);
    set_out_of_files(true);
    let flushed = log.flush_now();
    set_out_of_files(false);
    flushed.unwrap();
    log.check_online().unwrap();
    assert_eq!(log.flushed_offset(), 3);
}
