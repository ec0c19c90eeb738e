//! The node itself: its id, addresses and data, and how topics come to be.

use super::{
    BrokerKey,
    ConfigKind::{Boolean, Int, List, String},
    key, unset,
};

pub(super) const KEYS: &[BrokerKey] = &[
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
];
