//! DeleteRecords by many at once, and while retention runs.

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
