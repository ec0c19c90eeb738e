//! OffsetForLeaderEpoch (23): where an epoch ended, for clients that check
//! whether the log was cut behind them (KIP-320).

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
        offset_for_leader_epoch_request::OffsetForLeaderPartition,
        offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult},
    },
};

use super::errors;
use crate::{node::Node, partition::Partition};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let partition = node.partitions.get(&topic.topic, asked.partition);
            answer(partition.as_deref(), asked)
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn answer(partition: Option<&Partition>, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let response = EpochEndOffset::default().with_partition(asked.partition);
    let ended = match partition {
        None => Err(ResponseError::UnknownTopicOrPartition),
        Some(partition) => partition
            .check_leader_epoch(asked.current_leader_epoch)
            .and_then(|()| partition.end_of_epoch(asked.leader_epoch))
            .map_err(|error| error.code()),
    };
    match ended {
        Ok(ended) => {
            // An epoch that is newer than all has not ended anywhere.
            let (epoch, end_offset) = ended.unwrap_or((-1, -1));
            response
                .with_error_code(errors::NONE)
                .with_leader_epoch(epoch)
                .with_end_offset(end_offset)
        }
        Err(code) => {
            response.with_error_code(code.code()).with_leader_epoch(-1).with_end_offset(-1)
        }
    }
}
