//! The internal topics.

use std::collections::BTreeMap;

use crate::{config::BrokerConfig, controller::NewTopic};

/// Where groups and their offsets are kept.
pub(crate) const CONSUMER_OFFSETS: &str = "__consumer_offsets";

/// Where transactional ids and their transactions are kept.
pub(crate) const TRANSACTION_STATE: &str = "__transaction_state";

/// Whether only the broker itself writes to this topic.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(name, CONSUMER_OFFSETS | TRANSACTION_STATE)
}

/// The partition of an internal topic that holds this key.
pub(crate) fn partition_for(key: &str, partitions: i32) -> i32 {
    (java_hash(key) & i32::MAX).checked_rem(partitions).unwrap_or(0)
}

/// `String.hashCode` of Java, by which Kafka's tools find a key's partition.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

/// How the offsets topic is made.
pub(crate) fn consumer_offsets(config: &BrokerConfig) -> NewTopic {
    let segment_bytes = config.offsets_topic_segment_bytes;
    compacted(CONSUMER_OFFSETS, config.offsets_topic_partitions, segment_bytes)
}

/// How the topic of the transactions is made.
pub(crate) fn transaction_state(config: &BrokerConfig) -> NewTopic {
    let segment_bytes = config.transaction_topic_segment_bytes;
    compacted(TRANSACTION_STATE, config.transaction_topic_partitions, segment_bytes)
}

fn compacted(name: &str, partitions: i32, segment_bytes: i32) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions,
        replication_factor: -1,
        assignments: BTreeMap::new(),
        configs: BTreeMap::from([
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            ("segment.bytes".to_owned(), segment_bytes.to_string()),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_to_the_partition_that_kafka_looks_in() {
        for (text, hash) in [("", 0), ("a", 97), ("ü", 252), ("polygenelubricants", i32::MIN)] {
            assert_eq!(java_hash(text), hash, "{text}");
        }
        assert_eq!(partition_for("a", 50), 47);
        assert_eq!(partition_for("a", 0), 0, "a topic that is not there");
    }
}
