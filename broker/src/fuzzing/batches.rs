//! Appends to the log of one partition, and what comes back from it.

use super::{files, folder};
use crate::log::{
    AppendOptions, Appended, BatchHeader, Batches, CleanOptions, CleanupPolicy, Codec, Log,
    LogConfig, Origin, ReadLimit, ReadUpTo, Records, TimestampType, check_crc,
    limits::BATCH_HEADER_BYTES,
};

const NOW_MS: i64 = 1_700_000_000_000;
const DAY_MS: i64 = 86_400_000;
/// Small, so that inputs fill several segments.
const SEGMENT_BYTES: i32 = 4096;
/// After the fields that the broker patches.
const UNPATCHED_FROM: usize = 16;
const ATTRIBUTES_LOW_AT: usize = 22;

/// Appends the parts of the input behind its first byte, which is the topic's
/// configuration, one after another; then reads, compacts and opens anew. The
/// lowest bit of a part's tag has its checksum set right, the next makes it the
/// broker's own, the next gives it the coordinator's word.
///
/// # Panics
/// When an accepted batch does not come back as it was, or is lost.
pub fn batches(bytes: &[u8]) {
    let Some((settings, bytes)) = bytes.split_first() else { return };
    let home = folder();
    let dir = home.path().join("topic-0");
    let config = config(*settings);
    let (log, _) = Log::open(&dir, config.clone(), NOW_MS).expect("an empty folder opens");
    for (tag, part) in files::parts(bytes) {
        append(&log, tag, part.to_vec());
    }
    let before = read_all(&log);
    // These open a client's batch: what it packed badly is an error.
    let _ = (log.offset_for_timestamp(NOW_MS), log.offset_of_max_timestamp());
    let log_end_offset = log.log_end_offset();
    drop(log);

    // As after a kill: all that was accepted is scanned, and whole.
    let (log, recovery) = Log::open(&dir, config.clone(), NOW_MS).expect("a killed log opens");
    assert_eq!(recovery.torn_tail, None);
    assert_eq!(log.log_end_offset(), log_end_offset);
    assert_eq!(read_all(&log), before);

    let _ = log.clean_once(NOW_MS + DAY_MS, &CleanOptions::default());
    let after = read_all(&log);
    assert_eq!(log.log_end_offset(), log_end_offset);
    log.close().expect("it is online");
    let (log, recovery) = Log::open(&dir, config, NOW_MS).expect("a closed log opens");
    assert!(recovery.clean_shutdown || log_end_offset == 0);
    assert_eq!(read_all(&log), after);
}

fn config(settings: u8) -> LogConfig {
    let codecs = [
        None,
        Some(Codec::None),
        Some(Codec::Gzip),
        Some(Codec::Snappy),
        Some(Codec::Lz4),
        Some(Codec::Zstd),
    ];
    let compact = settings & 0x40 != 0;
    LogConfig {
        cleanup_policy: CleanupPolicy { delete: !compact, compact },
        compression_type: codecs[usize::from(settings & 0x0f) % codecs.len()],
        message_timestamp_type: match settings & 0x80 {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        },
        message_timestamp_before_max_ms: i64::MAX,
        message_timestamp_after_max_ms: i64::MAX,
        min_cleanable_dirty_ratio: 0.0,
        segment_bytes: SEGMENT_BYTES,
        index_interval_bytes: 64,
        ..LogConfig::default()
    }
}

fn append(log: &Log, tag: u8, mut batch: Vec<u8>) {
    if tag & 1 != 0 {
        files::mend_batches(&mut batch);
    }
    let origin = if tag & 2 != 0 { Origin::Broker } else { Origin::Client };
    let verification = BatchHeader::parse(&batch)
        .ok()
        .filter(|_| tag & 4 != 0)
        .map(|header| log.begin_verification(&header, NOW_MS));
    let options = AppendOptions { leader_epoch: 0, origin, now_ms: NOW_MS, verification };
    let sent = batch.clone();
    let before = log.log_end_offset();
    match log.append(&mut batch, &options) {
        Ok(appended) if !appended.duplicate => {
            assert_eq!(appended.base_offset, before);
            assert_eq!(log.log_end_offset(), appended.last_offset + 1);
            if origin == Origin::Client {
                check_stored(log, &sent, &appended);
            }
        }
        Ok(_) | Err(_) => assert_eq!(log.log_end_offset(), before, "nothing was written"),
    }
}

/// What the log has of a client's batch is what it sent, or can be read whole.
fn check_stored(log: &Log, sent: &[u8], appended: &Appended) {
    let limit = ReadLimit { max_bytes: 1, at_least_one: true, up_to: ReadUpTo::LogEnd };
    let fetched = log.read(appended.base_offset, &limit).expect("it was appended");
    let (stored, bytes) = only_batch(&fetched.batches);
    assert_eq!(
        (stored.base_offset, stored.last_offset()),
        (appended.base_offset, appended.last_offset)
    );
    let config = log.config();
    let codec = config.compression_type.map(Codec::id);
    let is_client_codec = codec.is_none_or(|codec| codec == sent[ATTRIBUTES_LOW_AT] & 7);
    if is_client_codec && config.message_timestamp_type == TimestampType::CreateTime {
        assert_eq!(bytes[UNPATCHED_FROM..], sent[UNPATCHED_FROM..], "batches stay opaque");
    }
    if !is_client_codec || config.cleanup_policy.compact {
        let records = count_records(&stored, bytes).expect("the broker itself has read it");
        assert_eq!(i32::try_from(records), Ok(stored.record_count));
    }
}

fn only_batch(bytes: &[u8]) -> (BatchHeader, &[u8]) {
    let mut batches = Batches::new(bytes);
    let (header, batch) = batches.next().expect("a batch").expect("a whole one");
    check_crc(&header, batch).expect("a right checksum");
    assert!(batches.next().is_none(), "one was asked for");
    (header, batch)
}

/// How many records a batch has, or `None` if they cannot be read.
fn count_records(header: &BatchHeader, batch: &[u8]) -> Option<usize> {
    let codec = Codec::from_id(header.codec_id()).ok()?;
    let payload = codec.decompress(&batch[BATCH_HEADER_BYTES..]).ok()?;
    let records: Result<Vec<_>, _> = Records::new(header, &payload).collect();
    Some(records.ok()?.iter().map(|record| record.headers().count()).fold(0, |all, _| all + 1))
}

/// All batches, as consumers fetch them.
fn read_all(log: &Log) -> Vec<u8> {
    let limit = ReadLimit { max_bytes: 2000, at_least_one: true, up_to: ReadUpTo::HighWatermark };
    let mut all = Vec::new();
    let mut offset = log.log_start_offset();
    loop {
        let fetched = log.read(offset, &limit).expect("it is within the log");
        let Some(last) = Batches::new(&fetched.batches).last() else { return all };
        let next = last.expect("whole batches").0.next_offset();
        assert!(next > offset, "a fetch makes progress");
        let committed = ReadLimit { up_to: ReadUpTo::LastStable, ..limit };
        log.read(offset, &committed).expect("it is within the log");
        all.extend_from_slice(&fetched.batches);
        offset = next;
    }
}
