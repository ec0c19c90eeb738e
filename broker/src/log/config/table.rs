//! Every topic config: its default, what it takes, and what it does.

use super::{CleanupPolicy, ConfigKind, TimestampType, TopicConfig};
use crate::log::Codec;

macro_rules! row {
    // A number with a least value, in the field of its name.
    ($name:literal, $kind:ident, $default:literal, $doc:literal, $field:ident >= $least:expr) => {
        row!($name, $kind, $default, $doc, |config, text| {
            config.$field = at_least(text, $least)?;
            Ok(())
        })
    };
    ($name:literal, $kind:ident, $default:literal, $doc:literal, $set:expr) => {
        TopicConfig {
            name: $name,
            kind: ConfigKind::$kind,
            default: $default,
            doc: $doc,
            set: $set,
        }
    };
}

/// Every topic config there is, in the order of their names.
pub static TOPIC_CONFIGS: &[TopicConfig] = &[
    row!(
        "cleanup.policy",
        List,
        "delete",
        "What happens to old records: delete removes segments by retention.ms and \
         retention.bytes, compact keeps the latest value of each key; both may be given.",
        |config, text| {
            let mut policy = CleanupPolicy { delete: false, compact: false };
            for word in text.split(',').map(str::trim) {
                match word {
                    "delete" => policy.delete = true,
                    "compact" => policy.compact = true,
                    _ => return Err("must be delete, compact, or both".into()),
                }
            }
            config.cleanup_policy = policy;
            Ok(())
        }
    ),
    row!(
        "compression.gzip.level",
        Int,
        "-1",
        "How hard gzip tries where compression.type re-encodes: 1 to 9, or -1 for its default.",
        |config, text| {
            let level = within(text, -1, 9).ok().filter(|level| *level != 0);
            config.compression_levels.gzip = level.ok_or("must be -1 or from 1 to 9")?;
            Ok(())
        }
    ),
    row!(
        "compression.lz4.level",
        Int,
        "9",
        "Accepted for compatibility, 1 to 17: LZ4 is written at its fastest.",
        |_, text| within(text, 1, 17).map(drop)
    ),
    row!(
        "compression.type",
        String,
        "producer",
        "producer leaves batches as they came; uncompressed, gzip, snappy, lz4 and zstd \
         re-encode those that differ when they are appended.",
        |config, text| {
            config.compression_type = match text {
                "producer" => None,
                "uncompressed" => Some(Codec::None),
                "gzip" => Some(Codec::Gzip),
                "snappy" => Some(Codec::Snappy),
                "lz4" => Some(Codec::Lz4),
                "zstd" => Some(Codec::Zstd),
                _ => {
                    return Err("must be producer, uncompressed, gzip, snappy, lz4 or zstd".into());
                }
            };
            Ok(())
        }
    ),
    row!(
        "compression.zstd.level",
        Int,
        "3",
        "How hard zstd tries where compression.type re-encodes: -131072 to 22.",
        |config, text| {
            config.compression_levels.zstd = within(text, -131_072, 22)?;
            Ok(())
        }
    ),
    row!(
        "delete.retention.ms",
        Long,
        "86400000",
        "How long tombstones stay readable on a compacted topic after the cleaner first saw them.",
        delete_retention_ms >= 0
    ),
    row!(
        "file.delete.delay.ms",
        Long,
        "60000",
        "Accepted for compatibility: files are unlinked at once, since readers hold them open.",
        file_delete_delay_ms >= 0
    ),
    row!(
        "flush.messages",
        Long,
        "9223372036854775807",
        "Records after which an append is answered only when an fsync has covered it. 1 makes \
         every produce wait for a group-committed fsync; by default a power failure may cost \
         what the operating system had not written yet.",
        flush_messages >= 1
    ),
    row!(
        "flush.ms",
        Long,
        "9223372036854775807",
        "Milliseconds after which records are flushed to disk in the background.",
        flush_ms >= 0
    ),
    row!(
        "follower.replication.throttled.replicas",
        List,
        "",
        "Accepted for compatibility: replication is not throttled.",
        |_, text| throttled(text)
    ),
    row!(
        "index.interval.bytes",
        Int,
        "4096",
        "Bytes of records between two index entries.",
        index_interval_bytes >= 0
    ),
    row!(
        "leader.replication.throttled.replicas",
        List,
        "",
        "Accepted for compatibility: replication is not throttled.",
        |_, text| throttled(text)
    ),
    row!(
        "local.retention.bytes",
        Long,
        "-2",
        "Accepted for compatibility: nothing is tiered, retention.bytes holds.",
        |_, text| at_least(text, -2_i64).map(drop)
    ),
    row!(
        "local.retention.ms",
        Long,
        "-2",
        "Accepted for compatibility: nothing is tiered, retention.ms holds.",
        |_, text| at_least(text, -2_i64).map(drop)
    ),
    row!(
        "max.compaction.lag.ms",
        Long,
        "9223372036854775807",
        "The longest time that a record stays out of reach of the cleaner.",
        max_compaction_lag_ms >= 1
    ),
    row!(
        "max.message.bytes",
        Int,
        "1048588",
        "The largest record batch, compressed, header included.",
        max_message_bytes >= 0
    ),
    row!(
        "message.timestamp.after.max.ms",
        Long,
        "3600000",
        "How far a producer's timestamp may lie in the broker's future.",
        message_timestamp_after_max_ms >= 0
    ),
    row!(
        "message.timestamp.before.max.ms",
        Long,
        "9223372036854775807",
        "How far a producer's timestamp may lie in the broker's past.",
        message_timestamp_before_max_ms >= 0
    ),
    row!(
        "message.timestamp.type",
        String,
        "CreateTime",
        "CreateTime keeps the producer's timestamps, LogAppendTime replaces them by the broker's.",
        |config, text| {
            config.message_timestamp_type = match text {
                "CreateTime" => TimestampType::CreateTime,
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => return Err("must be CreateTime or LogAppendTime".into()),
            };
            Ok(())
        }
    ),
    row!(
        "min.cleanable.dirty.ratio",
        Double,
        "0.5",
        "The share of a compacted log that must be dirty before it is cleaned.",
        |config, text| {
            config.min_cleanable_dirty_ratio = text
                .parse()
                .ok()
                .filter(|ratio| (0.0..=1.0).contains(ratio))
                .ok_or("must be a number from 0 to 1")?;
            Ok(())
        }
    ),
    row!(
        "min.compaction.lag.ms",
        Long,
        "0",
        "How long a record is safe from the cleaner.",
        min_compaction_lag_ms >= 0
    ),
    row!(
        "min.insync.replicas",
        Int,
        "1",
        "Replicas that must have a record before a produce with acks=all is answered.",
        min_insync_replicas >= 1
    ),
    row!(
        "preallocate",
        Boolean,
        "false",
        "Segment files are never preallocated; only false is accepted.",
        |_, text| match text {
            "false" => Ok(()),
            _ => Err("segment files cannot be preallocated, only false is supported".into()),
        }
    ),
    row!(
        "remote.log.copy.disable",
        Boolean,
        "false",
        "There is no tiered storage; only false is accepted.",
        |_, text| not_tiered(text)
    ),
    row!(
        "remote.log.delete.on.disable",
        Boolean,
        "false",
        "There is no tiered storage; only false is accepted.",
        |_, text| not_tiered(text)
    ),
    row!(
        "remote.storage.enable",
        Boolean,
        "false",
        "There is no tiered storage; only false is accepted.",
        |_, text| not_tiered(text)
    ),
    row!(
        "retention.bytes",
        Long,
        "-1",
        "Bytes of a partition above which its oldest segments are deleted; -1 is no limit.",
        retention_bytes >= -1
    ),
    row!(
        "retention.ms",
        Long,
        "604800000",
        "Age in milliseconds at which segments are deleted; -1 is no limit.",
        retention_ms >= -1
    ),
    row!("segment.bytes", Int, "1073741824", "The largest segment file.", segment_bytes >= 14),
    row!(
        "segment.index.bytes",
        Int,
        "10485760",
        "The largest index file; a segment is rolled when its index is full.",
        segment_index_bytes >= 24
    ),
    row!(
        "segment.jitter.ms",
        Long,
        "0",
        "Up to this much is taken off segment.ms, so that not all segments roll together.",
        segment_jitter_ms >= 0
    ),
    row!(
        "segment.ms",
        Long,
        "604800000",
        "Age in milliseconds at which a segment is rolled even if it is not full.",
        segment_ms >= 1
    ),
    row!(
        "unclean.leader.election.enable",
        Boolean,
        "false",
        "Whether a replica that is not in sync may become leader when no other is left.",
        |config, text| {
            config.unclean_leader_election_enable =
                text.parse().map_err(|_| "must be true or false".to_owned())?;
            Ok(())
        }
    ),
];

fn at_least<T>(text: &str, least: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    text.parse()
        .ok()
        .filter(|value| *value >= least)
        .ok_or_else(|| format!("must be a whole number of at least {least}"))
}

fn within(text: &str, least: i32, most: i32) -> Result<i32, String> {
    text.parse()
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
}

fn not_tiered(text: &str) -> Result<(), String> {
    match text {
        "false" => Ok(()),
        _ => Err("there is no tiered storage, only false is supported".into()),
    }
}

/// `*`, or partition:broker with commas.
fn throttled(text: &str) -> Result<(), String> {
    let number = |text: &str| text.trim().parse::<u32>().is_ok();
    let pair = |entry: &str| entry.split_once(':').is_some_and(|(a, b)| number(a) && number(b));
    match text {
        "" | "*" => Ok(()),
        _ if text.split(',').all(pair) => Ok(()),
        _ => Err("must be * or PARTITION:BROKER, with commas".into()),
    }
}
