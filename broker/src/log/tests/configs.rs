//! Topic configs that no other test of the log turns on.

use super::*;

fn append_at(log: &Log, ms: i64) {
    let mut builder = BatchBuilder::new(0);
    builder.push(ms, None, Some(b"value"), &[]);
    append(log, builder.build().unwrap());
}

#[test]
fn segment_ms_rolls_a_segment_by_its_age_and_jitter_takes_some_of_it_off() {
    let rolled_after = |pairs: &[(&str, &str)]| {
        let home = home();
        let log = open(&home.dir, &config(pairs));
        append_at(&log, NOW_MS);
        let mut ms = 0;
        while log.segment_count() == 1 {
            ms += 10;
            append_at(&log, NOW_MS + ms);
        }
        ms
    };
    assert_eq!(rolled_after(&[("segment.ms", "1000")]), 1010);
    let jittered = rolled_after(&[("segment.ms", "1000"), ("segment.jitter.ms", "900")]);
    assert!((100..1010).contains(&jittered), "{jittered}");
    let compacted = [("cleanup.policy", "delete"), ("max.compaction.lag.ms", "500")];
    assert_eq!(rolled_after(&[compacted[0], compacted[1], ("segment.ms", "700")]), 710);
}

#[test]
fn a_full_index_rolls_its_segment() {
    let home = home();
    let log =
        open(&home.dir, &config(&[("segment.index.bytes", "24"), ("index.interval.bytes", "0")]));
    for _ in 0..20 {
        append_at(&log, NOW_MS);
    }
    // Three entries of eight bytes, or two of twelve, for each.
    assert!((4..=20).contains(&log.segment_count()), "{}", log.segment_count());
}

#[test]
fn index_interval_bytes_says_how_many_entries_there_are() {
    let entries = |interval: &str| {
        let home = home();
        let log = open(&home.dir, &config(&[("index.interval.bytes", interval)]));
        for _ in 0..100 {
            append_at(&log, NOW_MS);
        }
        log.close().unwrap();
        std::fs::metadata(home.dir.join("00000000000000000000.index")).unwrap().len() / 8
    };
    let (sparse, dense) = (entries("4096"), entries("0"));
    assert!(dense > 90 && sparse < 10, "{dense} {sparse}");
}

#[test]
fn flush_ms_flushes_what_has_waited_so_long() {
    let home = home();
    let log = open(&home.dir, &config(&[("flush.ms", "1000")]));
    append_at(&log, NOW_MS);
    log.flush_once(NOW_MS + 900).unwrap();
    assert_eq!(log.flushed_offset(), 0);
    log.flush_once(NOW_MS + 1000).unwrap();
    assert_eq!(log.flushed_offset(), 1);
}

#[test]
fn a_compression_level_says_how_hard_a_re_encode_tries() {
    let size = |codec: &str, key: &str, level: &str| {
        let home = home();
        let log = open(&home.dir, &config(&[("compression.type", codec), (key, level)]));
        let mut builder = BatchBuilder::new(0);
        for number in 0..2_000_u64 {
            let value = format!("{} {}", number, number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40);
            builder.push(NOW_MS, None, Some(value.as_bytes()), &[]);
        }
        append(&log, builder.build().unwrap());
        assert_eq!(read_all(&log).len(), 2_000);
        log.size_bytes()
    };
    for (codec, key, least, most) in [
        ("gzip", "compression.gzip.level", "1", "9"),
        ("zstd", "compression.zstd.level", "-100", "19"),
    ] {
        let (fast, small) = (size(codec, key, least), size(codec, key, most));
        assert!(small < fast, "{codec}: {small} {fast}");
    }
    size("lz4", "compression.lz4.level", "17");
}

#[test]
fn a_recovery_point_is_written_down_after_a_roll_and_else_only_by_a_checkpoint() {
    let home = home();
    let log = open(&home.dir, &config(&[("flush.ms", "1000")]));
    let written = || checkpoint::read_offset(&home.dir.join(files::RECOVERY_POINT)).unwrap();
    let at_open = written();
    append_at(&log, NOW_MS);
    log.flush_once(NOW_MS + 1000).unwrap();
    assert_eq!((log.flushed_offset(), written()), (1, at_open));
    log.checkpoint_once().unwrap();
    assert_eq!(written(), Some(1));
    append_at(&log, NOW_MS);
    log.roll(&mut log.lock_appender(), NOW_MS).unwrap();
    log.flush_once(NOW_MS + 1000).unwrap();
    assert_eq!(written(), Some(2));
    append_at(&log, NOW_MS);
    log.roll(&mut log.lock_appender(), NOW_MS).unwrap();
    // As an append does whose topic has flush.messages=1.
    log.flush_now().unwrap();
    assert_eq!(written(), Some(2));
    log.flush_once(NOW_MS + 1000).unwrap();
    assert_eq!(written(), Some(3));
}

#[test]
fn a_batch_that_is_opened_may_become_so_large_and_is_to_be_split_beyond() {
    let batch = |bytes| {
        let mut builder = BatchBuilder::new(0).codec(Codec::Zstd);
        builder.push(NOW_MS, Some(b"key"), Some(&vec![0; bytes]), &[]);
        builder.build().unwrap()
    };
    let most = limits::APPEND_DECOMPRESSED_BYTES_MIN;
    let own = ("max.message.bytes", "100000");
    for opens in [("cleanup.policy", "compact"), ("compression.type", "lz4")] {
        let home = home();
        let log = open(&home.dir, &config(&[opens, own]));
        append(&log, batch(most - 100));
        let refused = log.append(&mut batch(most), &CLIENT).unwrap_err();
        assert!(
            matches!(
                refused,
                AppendError::Codec(CodecError::TooLarge { max_bytes }) if max_bytes == most
            ),
            "{refused}"
        );
        assert_eq!(refused.response(), kafka_protocol::error::ResponseError::MessageTooLarge);
        log.set_config(config(&[opens]));
        append(&log, batch(most));
    }
    let home = home();
    append(&open(&home.dir, &config(&[own])), batch(most));
}

#[test]
fn keys_are_asked_for_when_a_batch_is_recompressed_too() {
    let home = home();
    let log =
        open(&home.dir, &config(&[("cleanup.policy", "compact"), ("compression.type", "lz4")]));
    for codec in [Codec::None, Codec::Gzip] {
        let mut builder = BatchBuilder::new(0).codec(codec);
        for key in [Some(&b"key"[..]), None, Some(b"key"), None] {
            builder.push(NOW_MS, key, Some(b"value"), &[]);
        }
        let refused = log.append(&mut builder.build().unwrap(), &CLIENT).unwrap_err();
        assert!(
            matches!(&refused, AppendError::Keyless { batch_indexes } if *batch_indexes == [1, 3]),
            "{codec:?}: {refused}"
        );
    }
}
