//! The options of a connector that the worker reads, whatever its plugin.

use crate::worker::error_options;

/// Options of every connector but for those of its errors, and of what reads topics.
const NAMES: [&str; 14] = [
    "connector.class",
    "connector.plugin.version",
    "exactly.once.support",
    "header.converter",
    "key.converter",
    "predicates",
    "processing.guarantee",
    "tasks.max",
    "topics",
    "topics.regex",
    "transaction.boundary",
    "transaction.boundary.interval.ms",
    "transforms",
    "value.converter",
];

/// Options that pass whole families on.
const PREFIXES: [&str; 7] = [
    "consumer.override.",
    "header.converter.",
    "key.converter.",
    "predicates.",
    "producer.override.",
    "transforms.",
    "value.converter.",
];

/// True for an option that the worker reads.
#[must_use]
pub fn is_workers(name: &str) -> bool {
    workers().any(|known| known == name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The options that the worker reads, for suggestions.
pub fn workers<'a>() -> impl Iterator<Item = &'a str> {
    NAMES.into_iter().chain(error_options::OPTIONS)
}

/// Kafka's topic configurations.
pub const TOPIC_CONFIGS: [&str; 27] = [
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
];
