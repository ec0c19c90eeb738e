//! What a Fetch asks for, as it waits: with nothing of the frame that it came in.

use kafka_protocol::messages::FetchRequest;

use super::access::Access;
use crate::{auth::AclOperation, partition::Isolation};

/// A Fetch request. It may wait for minutes, so it is small: smaller than its frame, but
/// for many topics of few partitions, or in an old version.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) isolation: Isolation,
    pub(super) bytes_min: usize,
    pub(super) bytes_max: usize,
    pub(super) topics: Box<[AskedTopic]>,
}

#[derive(Debug)]
pub(super) struct AskedTopic {
    pub(super) name: Box<str>,
    /// Whether the client may not read it.
    pub(super) is_refused: bool,
    pub(super) partitions: Box<[AskedPartition]>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct AskedPartition {
    pub(super) index: i32,
    pub(super) leader_epoch: i32,
    pub(super) offset: i64,
    pub(super) bytes_max: usize,
}

impl Asked {
    pub(super) fn of(request: &FetchRequest, access: &Access) -> Self {
        let bytes = |number: i32| usize::try_from(number).unwrap_or(0);
        let topics = request.topics.iter().map(|topic| AskedTopic {
            name: topic.topic.as_str().into(),
            is_refused: !access.allows_topic(AclOperation::Read, &topic.topic),
            partitions: topic
                .partitions
                .iter()
                .map(|partition| AskedPartition {
                    index: partition.partition,
                    leader_epoch: partition.current_leader_epoch,
                    offset: partition.fetch_offset,
                    bytes_max: bytes(partition.partition_max_bytes),
                })
                .collect(),
        });
        Self {
            isolation: Isolation::from_level(request.isolation_level),
            bytes_min: bytes(request.min_bytes),
            bytes_max: bytes(request.max_bytes),
            topics: topics.collect(),
        }
    }

    /// The memory that it takes.
    pub(super) fn size_bytes(&self) -> usize {
        let of_topic = |topic: &AskedTopic| {
            size_of::<AskedTopic>() + topic.name.len() + size_of_val(&*topic.partitions)
        };
        size_of::<Self>() + self.topics.iter().map(of_topic).sum::<usize>()
    }
}
