//! The options of a connector that the worker reads, whatever its plugin.

/// Options of every connector.
const CONNECTOR: [&str; 12] = [
    "connector.class",
    "errors.log.enable",
    "errors.log.include.messages",
    "errors.retry.delay.max.ms",
    "errors.retry.timeout",
    "errors.tolerance",
    "header.converter",
    "key.converter",
    "key.converter.schemas.enable",
    "tasks.max",
    "value.converter",
    "value.converter.schemas.enable",
];

/// Options of what reads topics.
const READS_TOPICS: [&str; 3] = ["errors.deadletterqueue.topic.name", "topics", "topics.regex"];

/// Options that pass whole families on.
const PREFIXES: [&str; 3] = ["admin.override.", "consumer.override.", "producer.override."];

/// True for an option that the worker reads.
#[must_use]
pub fn is_workers(name: &str) -> bool {
    CONNECTOR.contains(&name)
        || READS_TOPICS.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The options that the worker reads, for suggestions.
pub fn workers<'a>() -> impl Iterator<Item = &'a str> {
    CONNECTOR.into_iter().chain(READS_TOPICS)
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
