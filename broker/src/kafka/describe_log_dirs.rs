//! DescribeLogDirs (35): the data directory and the size of each partition in it.

use std::{collections::BTreeMap, sync::Arc};

use kafka_protocol::{
    messages::TopicName,
    messages::{
        DescribeLogDirsRequest, DescribeLogDirsResponse,
        describe_log_dirs_response::{
            DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
        },
    },
    protocol::StrBytes,
};

use super::errors;
use crate::{node::Node, partition::Partition};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeLogDirsRequest,
    version: i16,
) -> DescribeLogDirsResponse {
    let partitions: Vec<Arc<Partition>> = match request.topics {
        None => node.partitions.all(),
        Some(topics) => topics
            .iter()
            .flat_map(|topic| {
                let indexes = topic.partitions.iter();
                indexes.filter_map(|index| node.partitions.get(&topic.topic, *index))
            })
            .collect(),
    };
    let mut topics: BTreeMap<String, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for partition in partitions {
        // An offline partition has no size that is known.
        let Ok(log) = partition.log() else { continue };
        let size = i64::try_from(log.size_bytes()).unwrap_or(i64::MAX);
        let described = DescribeLogDirsPartition::default()
            .with_partition_index(partition.index())
            .with_partition_size(size)
            .with_offset_lag(0)
            .with_is_future_key(false);
        topics.entry(partition.topic().to_owned()).or_default().push(described);
    }
    let topics = topics.into_iter().map(|(name, mut partitions)| {
        partitions.sort_by_key(|partition| partition.partition_index);
        DescribeLogDirsTopic::default()
            .with_name(TopicName(StrBytes::from_string(name)))
            .with_partitions(partitions)
    });
    let path = node.config.log_dir.to_string_lossy().into_owned();
    let mut result = DescribeLogDirsResult::default()
        .with_error_code(errors::NONE)
        .with_log_dir(StrBytes::from_string(path))
        .with_topics(topics.collect());
    if version >= 4 {
        let (total, usable) = space(&node.config.log_dir);
        result = result.with_total_bytes(total).with_usable_bytes(usable);
    }
    DescribeLogDirsResponse::default().with_results(vec![result])
}

/// Bytes of the volume, and those that are free; -1 when the system does not say.
fn space(path: &std::path::Path) -> (i64, i64) {
    match rustix::fs::statvfs(path) {
        Ok(volume) => {
            let bytes = |blocks: u64| {
                i64::try_from(blocks.saturating_mul(volume.f_frsize)).unwrap_or(i64::MAX)
            };
            (bytes(volume.f_blocks), bytes(volume.f_bavail))
        }
        Err(_) => (-1, -1),
    }
}
