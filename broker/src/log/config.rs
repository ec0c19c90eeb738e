//! Topic configs: what they mean to the log, and the one table that names them.

use super::codec::Codec;

/// What happens to old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Whole old segments are deleted by time and size.
    pub delete: bool,
    /// Only the latest value of each key is kept.
    pub compact: bool,
}

/// Who stamps records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker, when it appends.
    LogAppendTime,
}

/// The configs of one topic, as the log uses them. Field names are Kafka's.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `cleanup.policy`
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type`; `None` is `producer`: batches stay as they came.
    pub compression_type: Option<Codec>,
    /// `delete.retention.ms`
    pub delete_retention_ms: i64,
    /// `file.delete.delay.ms`
    pub file_delete_delay_ms: i64,
    /// `flush.messages`
    pub flush_messages: i64,
    /// `flush.ms`
    pub flush_ms: i64,
    /// `index.interval.bytes`
    pub index_interval_bytes: i32,
    /// `max.compaction.lag.ms`
    pub max_compaction_lag_ms: i64,
    /// `max.message.bytes`
    pub max_message_bytes: i32,
    /// `message.timestamp.after.max.ms`
    pub message_timestamp_after_max_ms: i64,
    /// `message.timestamp.before.max.ms`
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.type`
    pub message_timestamp_type: TimestampType,
    /// `min.cleanable.dirty.ratio`, 0 to 1
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`
    pub min_compaction_lag_ms: i64,
    /// `min.insync.replicas`
    pub min_insync_replicas: i32,
    /// `retention.bytes`; -1 is no limit
    pub retention_bytes: i64,
    /// `retention.ms`; -1 is no limit
    pub retention_ms: i64,
    /// `segment.bytes`
    pub segment_bytes: i32,
    /// `segment.index.bytes`
    pub segment_index_bytes: i32,
    /// `segment.jitter.ms`
    pub segment_jitter_ms: i64,
    /// `segment.ms`
    pub segment_ms: i64,
    /// `unclean.leader.election.enable`
    pub unclean_leader_election_enable: bool,
}

/// How a config's text is to be understood, as DescribeConfigs tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigKind {
    /// `true` or `false`
    Boolean,
    /// One of a few words
    String,
    /// 32 bits
    Int,
    /// 64 bits
    Long,
    /// A floating-point number
    Double,
    /// Words separated by commas
    List,
}

/// One row of the table.
#[derive(Debug)]
pub struct TopicConfig {
    /// Kafka's name
    pub name: &'static str,
    /// How to read its text
    pub kind: ConfigKind,
    /// What holds when a topic does not set it
    pub default: &'static str,
    /// What it does, for DescribeConfigs and our documentation
    pub doc: &'static str,
    set: fn(&mut LogConfig, &str) -> Result<(), String>,
}

/// A topic config that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No topic config has this name.
    #[error("unknown topic config {name}")]
    Unknown {
        /// As given.
        name: String,
    },
    /// The value is out of range or of another type.
    #[error("invalid value {value} for configuration {name}: {reason}")]
    Invalid {
        /// The config.
        name: String,
        /// As given.
        value: String,
        /// What it must be.
        reason: String,
    },
}

impl LogConfig {
    /// Reads Kafka's string map, taking defaults for what it does not name.
    ///
    /// # Errors
    /// The first unknown name or invalid value.
    pub fn from_map<K, V>(map: impl IntoIterator<Item = (K, V)>) -> Result<Self, ConfigError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut config = Self::default();
        for (name, value) in map {
            config.set(name.as_ref(), value.as_ref())?;
        }
        config.check()?;
        Ok(config)
    }

    /// Sets one config by its Kafka name.
    ///
    /// # Errors
    /// When the name is unknown or the value invalid; `self` is then unchanged.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let row = topic_config(name).ok_or_else(|| ConfigError::Unknown { name: name.into() })?;
        (row.set)(self, value.trim()).map_err(|reason| ConfigError::Invalid {
            name: name.into(),
            value: value.into(),
            reason,
        })
    }

    /// Checks what one value alone cannot tell.
    fn check(&self) -> Result<(), ConfigError> {
        if self.min_compaction_lag_ms > self.max_compaction_lag_ms {
            return Err(ConfigError::Invalid {
                name: "min.compaction.lag.ms".into(),
                value: self.min_compaction_lag_ms.to_string(),
                reason: format!(
                    "must not exceed max.compaction.lag.ms, which is {}",
                    self.max_compaction_lag_ms
                ),
            });
        }
        Ok(())
    }

    /// Milliseconds after which a segment is rolled.
    pub(crate) fn roll_ms(&self) -> i64 {
        if self.cleanup_policy.compact {
            self.segment_ms.min(self.max_compaction_lag_ms)
        } else {
            self.segment_ms
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        let mut config = Self {
            cleanup_policy: CleanupPolicy { delete: true, compact: false },
            compression_type: None,
            delete_retention_ms: 0,
            file_delete_delay_ms: 0,
            flush_messages: 0,
            flush_ms: 0,
            index_interval_bytes: 0,
            max_compaction_lag_ms: 0,
            max_message_bytes: 0,
            message_timestamp_after_max_ms: 0,
            message_timestamp_before_max_ms: 0,
            message_timestamp_type: TimestampType::CreateTime,
            min_cleanable_dirty_ratio: 0.0,
            min_compaction_lag_ms: 0,
            min_insync_replicas: 0,
            retention_bytes: 0,
            retention_ms: 0,
            segment_bytes: 0,
            segment_index_bytes: 0,
            segment_jitter_ms: 0,
            segment_ms: 0,
            unclean_leader_election_enable: false,
        };
        for row in TOPIC_CONFIGS {
            (row.set)(&mut config, row.default).expect("a test reads every default of the table");
        }
        config
    }
}

/// The row of one config, if topics have it.
#[must_use]
pub fn topic_config(name: &str) -> Option<&'static TopicConfig> {
    TOPIC_CONFIGS.iter().find(|row| row.name == name)
}

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
        "index.interval.bytes",
        Int,
        "4096",
        "Bytes of records between two index entries.",
        index_interval_bytes >= 0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_of_the_table_is_valid_and_the_names_are_sorted() {
        let mut config = LogConfig::default();
        for row in TOPIC_CONFIGS {
            config.set(row.name, row.default).unwrap();
        }
        assert_eq!(config, LogConfig::default());
        assert!(TOPIC_CONFIGS.is_sorted_by_key(|row| row.name));
    }

    #[test]
    fn a_map_with_kafkas_names_is_read() {
        let config = LogConfig::from_map([
            ("cleanup.policy", "compact, delete"),
            ("retention.ms", "-1"),
            ("segment.bytes", "1048576"),
            ("min.cleanable.dirty.ratio", "0.01"),
            ("compression.type", "zstd"),
        ])
        .unwrap();
        assert_eq!(config.cleanup_policy, CleanupPolicy { delete: true, compact: true });
        assert_eq!(config.retention_ms, -1);
        assert_eq!(config.segment_bytes, 1_048_576);
        assert_eq!(config.compression_type, Some(Codec::Zstd));
    }

    #[test]
    fn nonsense_is_refused_with_its_name_and_reason() {
        for (name, value) in [
            ("cleanup.policy", ""),
            ("cleanup.policy", "shrink"),
            ("retention.ms", "-2"),
            ("segment.bytes", "99999999999"),
            ("min.cleanable.dirty.ratio", "NaN"),
            ("min.cleanable.dirty.ratio", "1.5"),
            ("preallocate", "true"),
            ("flush.messages", "0"),
        ] {
            let error = LogConfig::from_map([(name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert_eq!(
            LogConfig::from_map([("retention.hours", "1")]),
            Err(ConfigError::Unknown { name: "retention.hours".into() })
        );
        assert!(
            LogConfig::from_map([("min.compaction.lag.ms", "9"), ("max.compaction.lag.ms", "8")])
                .is_err()
        );
    }
}
