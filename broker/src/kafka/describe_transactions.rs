//! DescribeTransactions (65).

use std::sync::Arc;

use kafka_protocol::{
    messages::{
        DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName,
        describe_transactions_response::{TopicData, TransactionState},
    },
    protocol::StrBytes,
};

use super::errors;
use crate::node::Node;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let each = request.transactional_ids.into_iter().map(|id| {
        let answer = TransactionState::default();
        let (state, metadata) = match node.transactions.describe(&id) {
            Ok(found) => found,
            Err(error) => {
                let code = errors::transaction(error, true).code();
                return answer.with_error_code(code).with_transactional_id(id);
            }
        };
        let topics = metadata.partitions.topics().map(|(topic, partitions)| {
            TopicData::default()
                .with_topic(TopicName(StrBytes::from_string(topic.to_owned())))
                .with_partitions(partitions.iter().copied().collect())
        });
        answer
            .with_transactional_id(id)
            .with_transaction_state(StrBytes::from_static_str(state.name()))
            .with_transaction_timeout_ms(metadata.timeout_ms)
            .with_transaction_start_time_ms(metadata.start_ms)
            .with_producer_id(ProducerId(metadata.producer.id))
            .with_producer_epoch(metadata.producer.epoch)
            .with_topics(topics.collect())
    });
    DescribeTransactionsResponse::default().with_transaction_states(each.collect())
}
