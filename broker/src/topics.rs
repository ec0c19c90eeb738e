//! The internal topics.

use std::collections::BTreeMap;

use crate::{config::BrokerConfig, controller::NewTopic};

/// Where groups and their offsets are kept.
pub(crate) const CONSUMER_OFFSETS: &str = "__consumer_offsets";

/// Whether only the broker itself writes to this topic.
pub(crate) fn is_internal(name: &str) -> bool {
    name == CONSUMER_OFFSETS
}

/// How the offsets topic is made.
pub(crate) fn consumer_offsets(config: &BrokerConfig) -> NewTopic {
    NewTopic {
        name: CONSUMER_OFFSETS.to_owned(),
        partitions: config.offsets_topic_partitions,
        replication_factor: -1,
        assignments: BTreeMap::new(),
        configs: BTreeMap::from([
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            ("segment.bytes".to_owned(), config.offsets_topic_segment_bytes.to_string()),
        ]),
    }
}
