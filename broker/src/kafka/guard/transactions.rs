//! Transactional and idempotent producers.

use kafka_protocol::{
    error::ResponseError,
    messages::{
        AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeTransactionsRequest,
        EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest, TxnOffsetCommitRequest,
        WriteTxnMarkersRequest,
        add_partitions_to_txn_request::AddPartitionsToTxnTopic,
        add_partitions_to_txn_response::{
            AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
        },
        describe_transactions_response::TransactionState,
        txn_offset_commit_request::TxnOffsetCommitRequestTopic,
        txn_offset_commit_response::{
            TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
        },
        write_txn_markers_response::{
            WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
        },
    },
    protocol::Request,
};

use super::{CLUSTER, Context, GROUP, Guarded, TOPIC, TRANSACTIONAL_ID, Verdict, withhold};
use crate::auth::{AclOperation, CLUSTER_NAME, ResourceType};

impl Guarded for InitProducerIdRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let write = AclOperation::Write;
        let code = match &self.transactional_id {
            Some(id) if context.access.allows_transactional_id(write, id) => {
                return Verdict::Pass;
            }
            Some(_) => TRANSACTIONAL_ID,
            None if context.access.allows_idempotence() => return Verdict::Pass,
            None => CLUSTER,
        };
        Verdict::Refuse(
            <Self as Request>::Response::default()
                .with_error_code(code)
                .with_producer_id((-1).into())
                .with_producer_epoch(-1),
        )
    }
}

fn added(topic: &AddPartitionsToTxnTopic, code: i16) -> AddPartitionsToTxnTopicResult {
    let results = topic.partitions.iter().map(|index| {
        AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(*index)
            .with_partition_error_code(code)
    });
    AddPartitionsToTxnTopicResult::default()
        .with_name(topic.name.clone())
        .with_results_by_partition(results.collect())
}

/// Partitions are added all or none.
impl Guarded for AddPartitionsToTxnRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let write = AclOperation::Write;
        let response = <Self as Request>::Response::default();
        if context.version >= 4 {
            // From v4 on only brokers ask.
            return match context.access.allows_cluster(AclOperation::ClusterAction) {
                true => Verdict::Pass,
                false => Verdict::Refuse(response.with_error_code(CLUSTER)),
            };
        }
        let topics = &self.v3_and_below_topics;
        let id = &self.v3_and_below_transactional_id;
        let results = if context.access.allows_transactional_id(write, id) {
            let allowed: Vec<bool> =
                topics.iter().map(|t| context.access.allows_topic(write, &t.name)).collect();
            if allowed.iter().all(|allowed| *allowed) {
                return Verdict::Pass;
            }
            let not_attempted = ResponseError::OperationNotAttempted.code();
            let code = |allowed: bool| if allowed { not_attempted } else { TOPIC };
            topics.iter().zip(allowed).map(|(topic, allowed)| added(topic, code(allowed))).collect()
        } else {
            topics.iter().map(|topic| added(topic, TRANSACTIONAL_ID)).collect()
        };
        Verdict::Refuse(response.with_results_by_topic_v3_and_below(results))
    }
}

impl Guarded for AddOffsetsToTxnRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let (write, read) = (AclOperation::Write, AclOperation::Read);
        let code = if !context.access.allows_transactional_id(write, &self.transactional_id) {
            TRANSACTIONAL_ID
        } else if !context.access.allows_group(read, &self.group_id) {
            GROUP
        } else {
            return Verdict::Pass;
        };
        Verdict::Refuse(<Self as Request>::Response::default().with_error_code(code))
    }
}

impl Guarded for EndTxnRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let write = AclOperation::Write;
        match context.access.allows_transactional_id(write, &self.transactional_id) {
            true => Verdict::Pass,
            false => Verdict::Refuse(
                <Self as Request>::Response::default().with_error_code(TRANSACTIONAL_ID),
            ),
        }
    }
}

fn committed(topic: &TxnOffsetCommitRequestTopic, code: i16) -> TxnOffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| {
        TxnOffsetCommitResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(code)
    });
    TxnOffsetCommitResponseTopic::default()
        .with_partitions(partitions.collect())
        .with_name(topic.name.clone())
}

impl Guarded for TxnOffsetCommitRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let (write, read) = (AclOperation::Write, AclOperation::Read);
        let whole = if !context.access.allows_transactional_id(write, &self.transactional_id) {
            Some(TRANSACTIONAL_ID)
        } else if !context.access.allows_group(read, &self.group_id) {
            Some(GROUP)
        } else {
            None
        };
        if let Some(code) = whole {
            let topics = self.topics.iter().map(|topic| committed(topic, code)).collect();
            return Verdict::Refuse(<Self as Request>::Response::default().with_topics(topics));
        }
        let refused = withhold(&mut self.topics, |t| context.access.allows_topic(read, &t.name));
        Verdict::refusing(refused, |response: &mut Self::Response, refused| {
            response.topics.extend(refused.iter().map(|topic| committed(topic, TOPIC)));
        })
    }
}

/// Brokers write markers, and whoever may alter the cluster ends with one a
/// transaction that hangs (KIP-664).
impl Guarded for WriteTxnMarkersRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let access = context.access;
        if access.shows(AclOperation::Alter, ResourceType::Cluster, CLUSTER_NAME)
            || access.allows_cluster(AclOperation::ClusterAction)
        {
            return Verdict::Pass;
        }
        let markers = self.markers.iter().map(|marker| {
            let topics = marker.topics.iter().map(|topic| {
                let partitions = topic.partition_indexes.iter().map(|index| {
                    WritableTxnMarkerPartitionResult::default()
                        .with_partition_index(*index)
                        .with_error_code(CLUSTER)
                });
                WritableTxnMarkerTopicResult::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions.collect())
            });
            WritableTxnMarkerResult::default()
                .with_producer_id(marker.producer_id)
                .with_topics(topics.collect())
        });
        let markers = markers.collect();
        Verdict::Refuse(<Self as Request>::Response::default().with_markers(markers))
    }
}

impl Guarded for DescribeTransactionsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let access = context.access.clone();
        let describe = AclOperation::Describe;
        if access.is_open() {
            return Verdict::Pass;
        }
        let refused = withhold(&mut self.transactional_ids, |id| {
            access.allows_transactional_id(describe, id)
        });
        Verdict::patch(move |response: &mut Self::Response| {
            for state in &mut response.transaction_states {
                state
                    .topics
                    .retain(|topic| access.shows(describe, ResourceType::Topic, &topic.topic));
            }
            response.transaction_states.extend(refused.into_iter().map(|id| {
                TransactionState::default()
                    .with_error_code(TRANSACTIONAL_ID)
                    .with_transactional_id(id)
            }));
        })
    }
}

impl Guarded for ListTransactionsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let access = context.access.clone();
        if access.is_open() {
            return Verdict::Pass;
        }
        Verdict::patch(move |response: &mut Self::Response| {
            response.transaction_states.retain(|state| {
                let id = &state.transactional_id;
                access.shows(AclOperation::Describe, ResourceType::TransactionalId, id)
            });
        })
    }
}
