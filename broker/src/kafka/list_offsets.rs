//! ListOffsets (2): the first, the last, and by timestamp.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse,
        list_offsets_request::ListOffsetsPartition,
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    },
};

use super::{distinct, errors};
use crate::{
    node::Node,
    partition::{Isolation, OffsetSpec, Partition, PartitionError},
};

/// Asks for the record with the greatest timestamp (KIP-734).
const NEWEST: i64 = -3;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: ListOffsetsRequest,
    version: i16,
) -> ListOffsetsResponse {
    let mut asked = request.topics.iter().flat_map(|topic| &topic.partitions);
    // Look-ups by time read files and open batches.
    let turn = match asked.any(|asked| opens_batches(asked.timestamp)) {
        true => Some(node.look_ups.next().await),
        false => None,
    };
    let node = Arc::clone(node);
    let looking = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        look_up(&node, request, version)
    });
    looking.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a look-up of offsets failed");
        ListOffsetsResponse::default()
    })
}

/// Whether a record is looked for, be it the newest.
fn opens_batches(timestamp: i64) -> bool {
    timestamp >= 0 || timestamp == NEWEST
}

fn look_up(node: &Node, request: ListOffsetsRequest, version: i16) -> ListOffsetsResponse {
    let isolation = Isolation::from_level(request.isolation_level);
    // As in Kafka: a client that asks twice would not know which answer is which.
    let named = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|asked| (topic.name.clone(), asked.partition_index))
    });
    let repeated = distinct::repeated(named);
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            if !repeated.is_empty()
                && repeated.contains(&(topic.name.clone(), asked.partition_index))
            {
                return refuse(asked, ResponseError::InvalidRequest);
            }
            let partition = node.partitions.get(&topic.name, asked.partition_index);
            answer(partition.as_deref(), asked, version, isolation)
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn answer(
    partition: Option<&Partition>,
    asked: &ListOffsetsPartition,
    version: i16,
    isolation: Isolation,
) -> ListOffsetsPartitionResponse {
    let refuse = |code| refuse(asked, code);
    let spec = match asked.timestamp {
        -1 => OffsetSpec::Latest,
        -2 => OffsetSpec::Earliest,
        NEWEST if version >= 7 => OffsetSpec::MaxTimestamp,
        // Without tiered storage the local start is the start.
        -4 if version >= 8 => OffsetSpec::Earliest,
        timestamp if timestamp >= 0 => OffsetSpec::Timestamp(timestamp),
        _ => return refuse(ResponseError::UnsupportedVersion),
    };
    let Some(partition) = partition else {
        return refuse(ResponseError::UnknownTopicOrPartition);
    };
    let found = partition
        .check_leader_epoch(asked.current_leader_epoch)
        .and_then(|()| partition.find_offset(spec, isolation));
    match found {
        Ok(found) => {
            let response = ListOffsetsPartitionResponse::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(errors::NONE)
                .with_timestamp(found.timestamp_ms)
                .with_offset(found.offset);
            match version {
                4.. => response.with_leader_epoch(found.leader_epoch),
                _ => response,
            }
        }
        Err(error) => refuse(PartitionError::code(&error)),
    }
}

fn refuse(asked: &ListOffsetsPartition, code: ResponseError) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse::default()
        .with_partition_index(asked.partition_index)
        .with_error_code(code.code())
        .with_timestamp(-1)
        .with_offset(-1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kafka_protocol::messages::list_offsets_request::ListOffsetsTopic;
    use tokio::time::timeout;

    use super::*;
    use crate::temporary::TemporaryBroker;

    #[tokio::test]
    async fn look_ups_that_open_batches_take_turns_and_the_others_need_none() {
        let broker = TemporaryBroker::start(&[]).await;
        let node = broker.node();
        let look_up = async |timestamp| {
            let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
            let topic = ListOffsetsTopic::default().with_partitions(vec![partition]);
            handle(node, ListOffsetsRequest::default().with_topics(vec![topic]), 7).await
        };
        let turns = node.look_ups.all().await;
        for latest_or_earliest in [-1, -2] {
            look_up(latest_or_earliest).await;
        }
        for opening in [0, NEWEST] {
            let answered = timeout(Duration::from_millis(300), look_up(opening)).await;
            assert!(answered.is_err(), "it is not the turn of {opening}");
        }
        drop(turns);
        look_up(0).await;
    }
}
