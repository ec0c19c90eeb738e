//! What clients may use, and what goes on in the background.

use super::{
    BrokerKey,
    ConfigKind::{Boolean, Int, Long, String},
    key, unset,
};

pub(super) const KEYS: &[BrokerKey] = &[
    key("max.connections", Int, "10000", "The most connections open at a time."),
    key(
        "max.connections.per.ip",
        Int,
        "2147483647",
        "The most connections open at a time from one address.",
    ),
    key(
        "max.connections.per.ip.overrides",
        String,
        "",
        "The same for single hosts, HOST:NUMBER with commas.",
    ),
    key(
        "max.connection.creation.rate",
        Int,
        "2147483647",
        "The most new connections a second; those beyond wait.",
    ),
    key(
        "connections.max.idle.ms",
        Long,
        "600000",
        "A connection without requests for this long is closed.",
    ),
    key("socket.request.max.bytes", Int, "104857600", "The largest request accepted."),
    key(
        "queued.max.request.bytes",
        Long,
        "268435456",
        "The memory that requests under way may hold together.",
    ),
    key("fetch.max.bytes", Int, "57671680", "The most bytes that one fetch answers with."),
    key(
        "fetch.memory.bytes",
        Long,
        "268435456",
        "The memory that fetch responses under way may hold together.",
    ),
    key(
        "log.retention.check.interval.ms",
        Long,
        "300000",
        "How often segments past their retention are looked for.",
    ),
    key(
        "log.cleaner.threads",
        Int,
        "1",
        "Accepted for compatibility: one log is compacted at a time.",
    ),
    key("log.cleaner.enable", Boolean, "true", "Whether compacted topics are compacted."),
    key("log.cleaner.backoff.ms", Long, "15000", "How often logs to compact are looked for."),
    key(
        "log.flush.scheduler.interval.ms",
        Long,
        "1000",
        "How often logs whose flush.ms has passed or that have rolled a segment are looked for.",
    ),
    key(
        "log.flush.offset.checkpoint.interval.ms",
        Int,
        "60000",
        "How often recovery points are written down: what a start after a crash reads again.",
    ),
    key(
        "num.recovery.threads.per.data.dir",
        Int,
        "2",
        "The number of partitions that are opened at a time at start.",
    ),
    key(
        "producer.id.expiration.ms",
        Int,
        "86400000",
        "How long an idempotent producer that sends nothing is remembered.",
    ),
    unset(
        "metrics.listener",
        String,
        "host:port at which GET /metrics answers with the metrics for Prometheus; unset serves none.",
    ),
    key(
        "quota.window.num",
        Int,
        "11",
        "The number of windows over which rates of clients are taken.",
    ),
    key("quota.window.size.seconds", Int, "1", "The length of each of these windows."),
    key(
        "controller.quota.window.num",
        Int,
        "11",
        "The number of windows whose share of changes to topics may be used at once.",
    ),
    key("controller.quota.window.size.seconds", Int, "1", "The length of each of these windows."),
];
