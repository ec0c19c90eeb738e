//! Offsets by timestamp, against a search through all records.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn timestamps_are_found_exactly_to_the_record(
        batches in proptest::collection::vec(
            (proptest::collection::vec(0i64..200, 1..5), 0u8..5), 1..50,
        ),
        start in any::<prop::sample::Index>(),
        reopen in any::<bool>(),
    ) {
        let home = home();
        let config = config(&[
            ("segment.bytes", "1500"), ("index.interval.bytes", "150"), ("retention.ms", "-1"),
        ]);
        let mut log = open(&home.dir, &config);
        let mut model = Vec::new();
        for (timestamps, codec) in batches {
            let mut builder = BatchBuilder::new(0).codec(Codec::from_id(codec).unwrap());
            for delta in timestamps {
                builder.push(NOW_MS + delta, None, Some(&[7; 30]), &[]);
                model.push(NOW_MS + delta);
            }
            append(&log, builder.build().unwrap());
        }
        let start = start.index(model.len());
        log.delete_records_before(start as i64).unwrap();
        if reopen {
            drop(log);
            log = open(&home.dir, &config);
        }
        let visible = || model.iter().copied().enumerate().skip(start);
        for target in NOW_MS - 1..NOW_MS + 201 {
            let expected = visible().find(|(_, ms)| *ms >= target);
            let found = log.offset_for_timestamp(target).unwrap();
            prop_assert_eq!(
                found.map(|found| (found.offset as usize, found.timestamp_ms)), expected,
            );
            prop_assert!(found.is_none_or(|found| found.leader_epoch == Some(0)));
        }
        let greatest = visible().map(|(_, ms)| ms).max().unwrap();
        let expected = visible().find(|(_, ms)| *ms == greatest);
        let found = log.offset_of_max_timestamp().unwrap();
        prop_assert_eq!(found.map(|f| (f.offset as usize, f.timestamp_ms)), expected);
    }
}

#[test]
fn an_empty_log_has_no_timestamps() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    assert_eq!(log.offset_for_timestamp(0).unwrap(), None);
    assert_eq!(log.offset_of_max_timestamp().unwrap(), None);
}

#[test]
fn what_a_read_may_bring_is_guessed_by_the_offsets_of_its_segment() {
    let home = home();
    let log = open(&home.dir, &config(&[("segment.bytes", "5000")]));
    assert_eq!(log.bytes_ahead(0), 0);
    for _ in 0..60 {
        let mut builder = BatchBuilder::new(0);
        builder.push(NOW_MS, None, Some(&[7; 100]), &[]);
        append(&log, builder.build().unwrap());
    }
    let end = log.log_end_offset();
    let one = log.bytes_ahead(end - 1);
    assert!((150..200).contains(&one), "{one}");
    assert_eq!((log.bytes_ahead(end), log.bytes_ahead(-1)), (0, 0));
    let whole = log.bytes_ahead(0);
    assert!((4000..=5000).contains(&whole), "one segment's at most: {whole}");
    assert!(log.segment_count() > 1);
}

#[test]
fn a_batch_is_opened_no_further_than_the_record_that_is_looked_for() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    let mut builder = BatchBuilder::new(0).codec(Codec::Gzip);
    builder.push(NOW_MS, None, Some(b"first"), &[]);
    builder.push(NOW_MS + 1, None, Some(&[0; 300_000]), &[]);
    let mut batch = builder.build().unwrap();
    // Whoever reads it to its end finds that it has none.
    batch.truncate(batch.len() - 20);
    let mut header = BatchHeader::parse(&batch).unwrap();
    header.size_bytes = batch.len();
    header.seal(&mut batch);
    append(&log, batch);
    let found = log.offset_for_timestamp(NOW_MS).unwrap().unwrap();
    assert_eq!((found.offset, found.timestamp_ms), (0, NOW_MS));
    assert!(matches!(log.offset_for_timestamp(NOW_MS + 1), Err(ReadError::Corrupt(_))));
}
