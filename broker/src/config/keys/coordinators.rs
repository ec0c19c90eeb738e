//! Coordinators: internal topics, offsets, transactions, groups.

use super::{
    BrokerKey,
    ConfigKind::{Int, List, Long},
    key,
};

pub(super) const KEYS: &[BrokerKey] = &[
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
];
