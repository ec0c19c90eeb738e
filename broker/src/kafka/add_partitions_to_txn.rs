//! AddPartitionsToTxn (24): the partitions that a transaction writes to. Up to
//! v3 a client asks for one transaction; from v4 on a broker asks for several,
//! or only whether they have the partitions.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
        add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction},
        add_partitions_to_txn_response::{
            AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult,
            AddPartitionsToTxnTopicResult,
        },
    },
};

use super::errors;
use crate::{
    node::Node,
    topics,
    txn::{ClientVersion, Partitions, ProducerIdAndEpoch, TransactionError},
};

/// From here on clients know PRODUCER_FENCED (KIP-588).
const KNOWS_FENCING_FROM: i16 = 2;
/// From here on the request holds several transactions.
const BATCHED_FROM: i16 = 4;
/// From here on clients know TRANSACTION_ABORTABLE.
const KNOWS_ABORTABLE_FROM: i16 = 5;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: AddPartitionsToTxnRequest,
    version: i16,
) -> AddPartitionsToTxnResponse {
    if version < BATCHED_FROM {
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(request.v3_and_below_transactional_id)
            .with_producer_id(request.v3_and_below_producer_id)
            .with_producer_epoch(request.v3_and_below_producer_epoch)
            .with_topics(request.v3_and_below_topics);
        let results = of_transaction(node, transaction, version).await.topic_results;
        return AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results);
    }
    let mut results = Vec::with_capacity(request.transactions.len());
    for transaction in request.transactions {
        results.push(of_transaction(node, transaction, version).await);
    }
    AddPartitionsToTxnResponse::default().with_results_by_transaction(results)
}

async fn of_transaction(
    node: &Node,
    transaction: AddPartitionsToTxnTransaction,
    version: i16,
) -> AddPartitionsToTxnResult {
    let refused = |topic: &AddPartitionsToTxnTopic, index| refuse(node, topic, index);
    let any_refused = transaction
        .topics
        .iter()
        .any(|topic| topic.partitions.iter().any(|index| refused(topic, *index).is_some()));
    let producer =
        ProducerIdAndEpoch { id: *transaction.producer_id, epoch: transaction.producer_epoch };
    let id = &transaction.transactional_id;
    let code = |error| code(error, version);
    // All partitions are added or none.
    let added = if transaction.verify_only {
        Ok(())
    } else if any_refused {
        Err(ResponseError::OperationNotAttempted)
    } else {
        let mut partitions = Partitions::default();
        for topic in &transaction.topics {
            topic.partitions.iter().for_each(|index| partitions.insert(&topic.name, *index));
        }
        let client = ClientVersion::Classic;
        node.transactions.add_partitions(id, producer, &partitions, client).await.map_err(code)
    };
    let topics = transaction.topics.iter().map(|topic| {
        let results = topic.partitions.iter().map(|&index| {
            let verified = match transaction.verify_only {
                true => node
                    .transactions
                    .verify_partition(id, producer, &topic.name, index)
                    .map_err(code),
                false => Ok(()),
            };
            let error = refused(topic, index).or(added.err()).or(verified.err());
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(index)
                .with_partition_error_code(error.map_or(errors::NONE, |error| error.code()))
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(results.collect())
    });
    let topics = topics.collect();
    AddPartitionsToTxnResult::default()
        .with_topic_results(topics)
        .with_transactional_id(transaction.transactional_id)
}

fn refuse(node: &Node, topic: &AddPartitionsToTxnTopic, index: i32) -> Option<ResponseError> {
    if topics::is_internal(&topic.name) {
        return Some(ResponseError::TopicAuthorizationFailed);
    }
    match node.partitions.get(&topic.name, index) {
        Some(_) => None,
        None => Some(ResponseError::UnknownTopicOrPartition),
    }
}

fn code(error: TransactionError, version: i16) -> ResponseError {
    match error {
        TransactionError::TransactionAbortable if version < KNOWS_ABORTABLE_FROM => {
            ResponseError::InvalidTxnState
        }
        error => errors::transaction(error, version >= KNOWS_FENCING_FROM),
    }
}
