//! DescribeProducers (61): the producers that a partition remembers, and which of
//! them have a transaction open. This is how a hanging transaction is found (KIP-664).

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DescribeProducersRequest, DescribeProducersResponse, ProducerId,
        describe_producers_response::{PartitionResponse, ProducerState, TopicResponse},
    },
};

use super::errors;
use crate::{log::Producer, node::Node, partition::Partition};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            let partition = node.partitions.get(&topic.name, *index);
            describe(partition.as_deref()).with_partition_index(*index)
        });
        let partitions = partitions.collect();
        TopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn describe(partition: Option<&Partition>) -> PartitionResponse {
    let refuse = |code: ResponseError, message: &str| {
        PartitionResponse::default()
            .with_error_code(code.code())
            .with_error_message(errors::message(&message))
    };
    let Some(partition) = partition else {
        return refuse(ResponseError::UnknownTopicOrPartition, "this broker has no such partition");
    };
    match partition.log() {
        Ok(log) => {
            let producers = log.producers();
            let states = producers.iter().map(|(id, producer)| state(*id, producer));
            PartitionResponse::default().with_active_producers(states.collect())
        }
        Err(offline) => refuse(offline.response(), &offline.to_string()),
    }
}

fn state(id: i64, producer: &Producer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(id))
        .with_producer_epoch(i32::from(producer.epoch))
        .with_last_sequence(producer.last_sequence())
        .with_last_timestamp(producer.last_timestamp_ms)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.transaction_start.unwrap_or(-1))
}
