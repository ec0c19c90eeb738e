//! TxnOffsetCommit (28): offsets that hold once a transaction commits.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        TxnOffsetCommitRequest, TxnOffsetCommitResponse,
        txn_offset_commit_response::{
            TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
        },
    },
};

use super::{errors, offset_commit};
use crate::{
    clock,
    group::{CommittedOffset, TransactionalProducer},
    limits,
    node::Node,
    topics::CONSUMER_OFFSETS,
    txn::{ClientVersion, Partitions, ProducerIdAndEpoch, TransactionError},
};

/// From here on clients know TRANSACTION_ABORTABLE.
const KNOWS_ABORTABLE_FROM: i16 = 4;
/// From here on clients do not send AddOffsetsToTxn before (KIP-890).
const ADDS_PARTITION_FROM: i16 = 5;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: TxnOffsetCommitRequest,
    version: i16,
) -> TxnOffsetCommitResponse {
    let each = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let metadata = partition.committed_metadata.as_ref();
            offset_commit::refuse(node, &topic.name, partition.partition_index, metadata)
        });
        partitions.collect()
    });
    let refused: Vec<Vec<Option<ResponseError>>> = each.collect();
    let committed = commit(node, &request, &refused, version).await;
    let topics = request.topics.into_iter().zip(&refused).map(|(topic, codes)| {
        let partitions = topic.partitions.iter().zip(codes).map(|(partition, code)| {
            let code = committed.err().or(*code);
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code.map_or(errors::NONE, |code| code.code()))
        });
        TxnOffsetCommitResponseTopic::default()
            .with_partitions(partitions.collect())
            .with_name(topic.name)
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

async fn commit(
    node: &Node,
    request: &TxnOffsetCommitRequest,
    refused: &[Vec<Option<ResponseError>>],
    version: i16,
) -> Result<(), ResponseError> {
    let group = request.group_id.as_str();
    if group.is_empty() || group.len() > limits::GROUP_ID_BYTES_MAX {
        return Err(ResponseError::InvalidGroupId);
    }
    let (id, index) = (request.transactional_id.as_str(), node.groups.partition_of(group));
    let producer = ProducerIdAndEpoch { id: *request.producer_id, epoch: request.producer_epoch };
    if version >= ADDS_PARTITION_FROM {
        let mut partitions = Partitions::default();
        partitions.insert(CONSUMER_OFFSETS, index);
        let client = ClientVersion::EpochBump;
        let added = node.transactions.add_partitions(id, producer, &partitions, client).await;
        added.map_err(|error| code(error, version))?;
    }
    let offsets = offsets(request, refused);
    let writer = TransactionalProducer { id: producer.id, epoch: producer.epoch };
    let member = (&*request.member_id, request.group_instance_id.as_deref(), request.generation_id);
    let committing = node
        .transactions
        .while_in_transaction(id, producer, CONSUMER_OFFSETS, index, || {
            node.groups.commit_in_transaction(group, writer, member, offsets)
        })
        .map_err(|error| code(error, version))?;
    let settled = match committing {
        Ok(Some(committing)) => committing.settled().await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    settled.map_err(|error| {
        tracing::debug!(group, %error, "a commit in a transaction was refused");
        match errors::commit(&error) {
            // Clients know this one for both protocols of groups.
            ResponseError::StaleMemberEpoch => ResponseError::IllegalGeneration,
            code => code,
        }
    })
}

fn offsets(
    request: &TxnOffsetCommitRequest,
    refused: &[Vec<Option<ResponseError>>],
) -> Vec<(String, i32, CommittedOffset)> {
    let now_ms = clock::wall_ms();
    let mut offsets = Vec::new();
    for (topic, codes) in request.topics.iter().zip(refused) {
        for (partition, code) in topic.partitions.iter().zip(codes) {
            if code.is_some() {
                continue;
            }
            let metadata = partition.committed_metadata.as_ref();
            let offset = CommittedOffset {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: metadata.map(ToString::to_string).unwrap_or_default(),
                commit_timestamp_ms: now_ms,
            };
            offsets.push((topic.name.to_string(), partition.partition_index, offset));
        }
    }
    offsets
}

fn code(error: TransactionError, version: i16) -> ResponseError {
    match error {
        TransactionError::TransactionAbortable if version < KNOWS_ABORTABLE_FROM => {
            ResponseError::InvalidTxnState
        }
        // Clients that add offsets by themselves do not expect it here; this
        // they all try again.
        TransactionError::ConcurrentTransactions if version < ADDS_PARTITION_FROM => {
            ResponseError::CoordinatorLoadInProgress
        }
        // The code that every client takes for the end of its producer here.
        TransactionError::ProducerFenced => ResponseError::InvalidProducerEpoch,
        error => errors::transaction(error, true),
    }
}
