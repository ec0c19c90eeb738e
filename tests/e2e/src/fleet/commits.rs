//! What a sink's group has committed, against what its files hold: no commit may
//! ever cover a row that is in no finished file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{OffsetFetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::{copies, ticks};
use crate::wire::Connection;
use crate::{Node, wire};

/// The offsets that a group has committed in a topic, by partition.
pub fn committed(broker: &Node, group: &str, topic: &str, partitions: i32) -> BTreeMap<i32, i64> {
    let mut connection = Connection::connect(broker.kafka()).expect("the broker accepts");
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let asked = OffsetFetchRequestTopic::default()
        .with_name(TopicName(text(topic)))
        .with_partition_indexes((0..partitions).collect());
    let request = OffsetFetchRequest::default()
        .with_group_id(text(group).into())
        .with_topics(Some(vec![asked]));
    let answer = connection.call(5, &request).expect("an answer to OffsetFetch");
    assert_eq!(answer.error_code, 0, "the offsets of {group}");
    let all = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let known = all.filter(|partition| partition.committed_offset >= 0);
    known.map(|partition| (partition.partition_index, partition.committed_offset)).collect()
}

/// The ticker's rows that a commit of the sink `name` covers and that none of the
/// finished files in `folder` has.
pub fn not_durable(
    broker: &Node,
    name: &str,
    folder: &Path,
    topic: &str,
    partitions: i32,
) -> Vec<(String, u64)> {
    // In this order: what is durable only grows.
    let committed = committed(broker, &format!("connect-{name}"), topic, partitions);
    let durable: BTreeSet<(String, u64)> = copies::read(folder)
        .into_iter()
        .flat_map(|(name, rows)| rows.into_iter().map(move |row| (name.clone(), row)))
        .collect();
    let mut missing = Vec::new();
    for (partition, offset) in committed {
        for record in wire::read_partition(broker.kafka(), topic, partition) {
            let row = record.value.expect("a row is no null");
            let row = ticks::parse(std::str::from_utf8(&row).expect("a row is text"));
            if record.offset < offset && !durable.contains(&row) {
                missing.push(row);
            }
        }
    }
    missing
}
