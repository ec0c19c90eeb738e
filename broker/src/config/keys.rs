//! The table of broker properties: Kafka's names, Kafka's defaults unless the
//! documentation says why not.

pub use crate::log::ConfigKind;

/// One broker property.
#[derive(Debug, Clone, Copy)]
pub struct BrokerKey {
    /// Kafka's name.
    pub name: &'static str,
    /// Its type.
    pub kind: ConfigKind,
    /// The value when it is left out; `None` means unset.
    pub default: Option<&'static str>,
    /// The topic configuration that it is the default of, if it is one.
    pub topic: Option<&'static str>,
    /// One sentence for people.
    pub doc: &'static str,
}

const fn key(
    name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    doc: &'static str,
) -> BrokerKey {
    BrokerKey { name, kind, default: Some(default), topic: None, doc }
}

const fn unset(name: &'static str, kind: ConfigKind, doc: &'static str) -> BrokerKey {
    BrokerKey { name, kind, default: None, topic: None, doc }
}

/// A default for every topic; its own default is that of the topic's key.
const fn topic_default(
    name: &'static str,
    kind: ConfigKind,
    topic: &'static str,
    doc: &'static str,
) -> BrokerKey {
    BrokerKey { name, kind, default: None, topic: Some(topic), doc }
}

use ConfigKind::{Boolean, Double, Int, List, Long, String};

/// Every property that the broker reads.
pub const BROKER_KEYS: &[BrokerKey] = &[
    key("node.id", Int, "1", "The id of this node in its cluster."),
    unset("broker.id", Int, "The older name of node.id."),
    unset(
        "cluster.id",
        String,
        "The id that a fresh data directory is formatted with; by default a random one.",
    ),
    key(
        "listeners",
        List,
        "PLAINTEXT://127.0.0.1:9092",
        "The addresses to listen on, each NAME://host:port; port 0 takes a free one.",
    ),
    unset(
        "advertised.listeners",
        List,
        "The addresses that clients are told to connect to; by default those listened on.",
    ),
    key("log.dirs", List, "data", "The data directory; exactly one is supported."),
    unset("log.dir", String, "The older name of log.dirs."),
    key(
        "auto.create.topics.enable",
        Boolean,
        "true",
        "Whether a topic is created when a client that allows it first names it.",
    ),
    key(
        "background.threads",
        Int,
        "10",
        "Accepted for compatibility: there is a thread for each processor.",
    ),
    key("delete.topic.enable", Boolean, "true", "Whether topics may be deleted."),
    key(
        "num.io.threads",
        Int,
        "8",
        "Accepted for compatibility: there is a thread for each processor.",
    ),
    key(
        "num.network.threads",
        Int,
        "3",
        "Accepted for compatibility: there is a thread for each processor.",
    ),
    key("num.partitions", Int, "1", "The number of partitions of a topic that states none."),
    key(
        "default.replication.factor",
        Int,
        "1",
        "The replication factor of a topic that states none; one node can hold one replica.",
    ),
    key(
        "offsets.topic.num.partitions",
        Int,
        "50",
        "The number of partitions of __consumer_offsets.",
    ),
    key(
        "offsets.topic.segment.bytes",
        Int,
        "104857600",
        "The segment size of __consumer_offsets, small so that it is compacted early.",
    ),
    key(
        "offsets.retention.minutes",
        Int,
        "10080",
        "How long the offsets of a group without members are kept.",
    ),
    key(
        "offsets.retention.check.interval.ms",
        Long,
        "600000",
        "How often expired offsets are looked for.",
    ),
    key(
        "transaction.state.log.num.partitions",
        Int,
        "50",
        "The number of partitions of __transaction_state.",
    ),
    key(
        "transaction.state.log.segment.bytes",
        Int,
        "104857600",
        "The segment size of __transaction_state, small so that it is compacted early.",
    ),
    key(
        "transaction.state.log.replication.factor",
        Int,
        "1",
        "The replicas of __transaction_state; one node can hold one.",
    ),
    key(
        "transaction.state.log.min.isr",
        Int,
        "1",
        "The replicas that a transaction's decision needs; one node can hold one.",
    ),
    key(
        "transaction.max.timeout.ms",
        Int,
        "900000",
        "The longest transaction.timeout.ms that a producer may ask for.",
    ),
    key(
        "transactional.id.expiration.ms",
        Int,
        "604800000",
        "How long a transactional id that nobody uses is kept.",
    ),
    key(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        Int,
        "10000",
        "How often transactions that have lasted too long are looked for.",
    ),
    key(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        Int,
        "3600000",
        "How often transactional ids that nobody uses are looked for.",
    ),
    key("offset.metadata.max.bytes", Int, "4096", "The longest metadata string of a commit."),
    key(
        "group.initial.rebalance.delay.ms",
        Int,
        "3000",
        "How long an empty group waits for more members before its first rebalance.",
    ),
    key("group.min.session.timeout.ms", Int, "6000", "The shortest session timeout allowed."),
    key("group.max.session.timeout.ms", Int, "1800000", "The longest session timeout allowed."),
    key("group.max.size", Int, "2147483647", "The most members that a group may have."),
    key(
        "group.consumer.session.timeout.ms",
        Int,
        "45000",
        "How long a member of the consumer protocol may be silent.",
    ),
    key(
        "group.consumer.heartbeat.interval.ms",
        Int,
        "5000",
        "How often members of the consumer protocol are told to beat.",
    ),
    key(
        "group.consumer.min.session.timeout.ms",
        Int,
        "45000",
        "The shortest session timeout that a group of the consumer protocol may set for itself.",
    ),
    key(
        "group.consumer.max.session.timeout.ms",
        Int,
        "60000",
        "The longest session timeout that a group of the consumer protocol may set for itself.",
    ),
    key(
        "group.consumer.min.heartbeat.interval.ms",
        Int,
        "5000",
        "The shortest heartbeat interval that a group of the consumer protocol may set for itself.",
    ),
    key(
        "group.consumer.max.heartbeat.interval.ms",
        Int,
        "15000",
        "The longest heartbeat interval that a group of the consumer protocol may set for itself.",
    ),
    key(
        "group.consumer.max.size",
        Int,
        "2147483647",
        "The most members that a group of the consumer protocol may have.",
    ),
    key(
        "group.consumer.assignors",
        List,
        "uniform,range",
        "The assignors that groups of the consumer protocol may use, the default first.",
    ),
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
    topic_default(
        "log.message.timestamp.after.max.ms",
        Long,
        "message.timestamp.after.max.ms",
        "How far a producer's timestamp may lie in the future.",
    ),
    topic_default(
        "log.message.timestamp.before.max.ms",
        Long,
        "message.timestamp.before.max.ms",
        "How far a producer's timestamp may lie in the past.",
    ),
    topic_default(
        "unclean.leader.election.enable",
        Boolean,
        "unclean.leader.election.enable",
        "Whether a replica that is not in sync may become leader.",
    ),
    topic_default("log.cleanup.policy", List, "cleanup.policy", "delete, compact or both."),
    topic_default(
        "compression.type",
        String,
        "compression.type",
        "producer keeps batches as they come.",
    ),
    topic_default(
        "compression.gzip.level",
        Int,
        "compression.gzip.level",
        "How hard gzip tries where the broker compresses.",
    ),
    topic_default(
        "compression.lz4.level",
        Int,
        "compression.lz4.level",
        "Accepted for compatibility.",
    ),
    topic_default(
        "compression.zstd.level",
        Int,
        "compression.zstd.level",
        "How hard zstd tries where the broker compresses.",
    ),
    topic_default(
        "log.local.retention.bytes",
        Long,
        "local.retention.bytes",
        "Accepted for compatibility.",
    ),
    topic_default(
        "log.local.retention.ms",
        Long,
        "local.retention.ms",
        "Accepted for compatibility.",
    ),
    topic_default(
        "log.cleaner.delete.retention.ms",
        Long,
        "delete.retention.ms",
        "How long a tombstone stays readable.",
    ),
    topic_default(
        "log.segment.delete.delay.ms",
        Long,
        "file.delete.delay.ms",
        "How long a deleted file stays on disk.",
    ),
    topic_default(
        "log.flush.interval.messages",
        Long,
        "flush.messages",
        "Records after which a log is flushed to disk.",
    ),
    topic_default(
        "log.flush.interval.ms",
        Long,
        "flush.ms",
        "Time after which a log is flushed to disk.",
    ),
    topic_default(
        "log.index.interval.bytes",
        Int,
        "index.interval.bytes",
        "Bytes between two entries of the offset index.",
    ),
    topic_default("message.max.bytes", Int, "max.message.bytes", "The largest batch accepted."),
    topic_default(
        "log.cleaner.max.compaction.lag.ms",
        Long,
        "max.compaction.lag.ms",
        "The longest that a record stays ineligible for compaction.",
    ),
    topic_default(
        "log.message.timestamp.type",
        String,
        "message.timestamp.type",
        "CreateTime or LogAppendTime.",
    ),
    topic_default(
        "log.cleaner.min.cleanable.ratio",
        Double,
        "min.cleanable.dirty.ratio",
        "The share of dirty bytes from which a log is compacted.",
    ),
    topic_default(
        "log.cleaner.min.compaction.lag.ms",
        Long,
        "min.compaction.lag.ms",
        "The shortest that a record stays uncompacted.",
    ),
    topic_default(
        "min.insync.replicas",
        Int,
        "min.insync.replicas",
        "The replicas that acks=all needs.",
    ),
    topic_default("log.preallocate", Boolean, "preallocate", "Whether segments are preallocated."),
    topic_default(
        "log.retention.bytes",
        Long,
        "retention.bytes",
        "The bytes of a partition beyond which its oldest segments go.",
    ),
    topic_default(
        "log.retention.ms",
        Long,
        "retention.ms",
        "The age at which segments go; minutes and hours have keys of their own.",
    ),
    unset("log.retention.minutes", Int, "log.retention.ms in minutes."),
    unset("log.retention.hours", Int, "log.retention.ms in hours."),
    topic_default(
        "log.segment.bytes",
        Int,
        "segment.bytes",
        "The size at which a segment is full.",
    ),
    topic_default(
        "log.index.size.max.bytes",
        Int,
        "segment.index.bytes",
        "The size at which an index is full.",
    ),
    topic_default("log.roll.ms", Long, "segment.ms", "The age at which a segment is full."),
    unset("log.roll.hours", Int, "log.roll.ms in hours."),
    topic_default("log.roll.jitter.ms", Long, "segment.jitter.ms", "Spread of the rolls in time."),
    key(
        "listener.security.protocol.map",
        List,
        "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
        "How each listener's bytes are protected, NAME:PROTOCOL.",
    ),
    unset(
        "authorizer.class.name",
        String,
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer checks ACLs; unset checks none.",
    ),
    unset("super.users", String, "Principals that may do everything, User:NAME, with semicolons."),
    key(
        "allow.everyone.if.no.acl.found",
        Boolean,
        "false",
        "Whether what no ACL speaks of is allowed.",
    ),
    unset(
        "sasl.enabled.mechanisms",
        List,
        "How clients may log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512.",
    ),
    key(
        "sasl.kerberos.min.time.before.relogin",
        Long,
        "60000",
        "Accepted for compatibility: GSSAPI is not served.",
    ),
    key(
        "sasl.server.max.receive.size",
        Int,
        "524288",
        "The largest request accepted from a client that has not authenticated.",
    ),
    key(
        "connections.max.reauth.ms",
        Long,
        "0",
        "How long after its authentication a client must authenticate again; 0 is never.",
    ),
    key(
        "connection.failed.authentication.delay.ms",
        Int,
        "100",
        "How long the answer to a failed authentication is held back.",
    ),
    key("ssl.keystore.type", String, "PEM", "The form of keys and certificates."),
    unset(
        "ssl.keystore.location",
        String,
        "A PEM file with the broker's private key and certificate chain; read anew when it changes.",
    ),
    unset("ssl.keystore.certificate.chain", String, "The certificate chain itself, as PEM."),
    unset("ssl.keystore.key", String, "The private key itself, as PEM, not encrypted."),
    key("ssl.truststore.type", String, "PEM", "The form of trusted certificates."),
    unset(
        "ssl.truststore.location",
        String,
        "A PEM file with the authorities that clients' certificates are checked against.",
    ),
    unset("ssl.truststore.certificates", String, "The authorities themselves, as PEM."),
    key(
        "ssl.client.auth",
        String,
        "none",
        "Whether clients show a certificate: none, requested or required.",
    ),
    key("ssl.enabled.protocols", List, "TLSv1.2,TLSv1.3", "The versions of TLS that are spoken."),
    key(
        "ssl.principal.mapping.rules",
        String,
        "DEFAULT",
        "From a client certificate's subject to its principal: DEFAULT or RULE:pattern/replacement/[LU].",
    ),
];
