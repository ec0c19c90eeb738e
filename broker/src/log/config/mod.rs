//! Topic configs: what they mean to the log, and the one table that names them.

mod table;

use super::codec::{Codec, CodecLevels};
pub use table::TOPIC_CONFIGS;

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
    /// `compression.gzip.level` and `compression.zstd.level`
    pub compression_levels: CodecLevels,
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
            compression_levels: CodecLevels::default(),
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
    fn every_topic_config_of_kafka_4_1_is_in_the_table_and_no_other() {
        let of_kafka = "cleanup.policy compression.gzip.level compression.lz4.level \
            compression.type compression.zstd.level delete.retention.ms file.delete.delay.ms \
            flush.messages flush.ms follower.replication.throttled.replicas \
            index.interval.bytes leader.replication.throttled.replicas local.retention.bytes \
            local.retention.ms max.compaction.lag.ms max.message.bytes \
            message.timestamp.after.max.ms message.timestamp.before.max.ms \
            message.timestamp.type min.cleanable.dirty.ratio min.compaction.lag.ms \
            min.insync.replicas preallocate remote.log.copy.disable \
            remote.log.delete.on.disable remote.storage.enable retention.bytes retention.ms \
            segment.bytes segment.index.bytes segment.jitter.ms segment.ms \
            unclean.leader.election.enable";
        let names: Vec<_> = TOPIC_CONFIGS.iter().map(|row| row.name).collect();
        assert_eq!(names, of_kafka.split_whitespace().collect::<Vec<_>>());
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
            ("remote.storage.enable", "true"),
            ("remote.log.copy.disable", "true"),
            ("remote.log.delete.on.disable", "true"),
            ("local.retention.ms", "-3"),
            ("compression.gzip.level", "0"),
            ("compression.gzip.level", "10"),
            ("compression.lz4.level", "18"),
            ("compression.zstd.level", "23"),
            ("leader.replication.throttled.replicas", "1"),
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
