//! Transactions (KIP-664): which there are, which hang, and how to end them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use kafka_protocol::messages::{
    DescribeProducersRequest, DescribeTransactionsRequest, InitProducerIdRequest,
    ListTransactionsRequest, ProducerId, WriteTxnMarkersRequest,
};
use kafka_protocol::protocol::StrBytes;
use serde::Serialize;

use super::AdminClient;
use super::answers::{check, text, unanswered};
use super::offsets::{leader_of, leaders};
use crate::kafka::error::ClientError;
use crate::kafka::net::{Lane, Target, refused};
use crate::kafka::types::TopicPartition;

/// Which transactions to list; what is empty filters nothing.
#[derive(Clone, Debug, Default)]
pub struct TransactionFilter {
    /// Kafka's names of states: `Ongoing`, `PrepareAbort`, ...
    pub states: Vec<String>,
    /// Ids of producers.
    pub producer_ids: Vec<i64>,
    /// Open for longer than this. Needs version 1 of the request (Kafka 3.8).
    pub longer_than: Option<Duration>,
}

/// A line of the list of transactional ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransactionListing {
    /// The transactional id.
    pub transactional_id: String,
    /// `node.id` of its coordinator.
    pub coordinator: i32,
    /// The producer that has it.
    pub producer_id: i64,
    /// `Empty`, `Ongoing`, `PrepareCommit`, `CompleteCommit`, ...
    pub state: String,
}

/// A transactional id in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransactionDescription {
    /// The transactional id.
    pub transactional_id: String,
    /// `node.id` of its coordinator.
    pub coordinator: i32,
    /// The producer that has it.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The state of its transaction.
    pub state: String,
    /// `transaction.timeout.ms` of the producer.
    pub timeout_ms: i32,
    /// When the transaction began, in milliseconds since 1970, if one is open.
    pub start_ms: Option<i64>,
    /// The partitions that the transaction wrote to, by topic.
    pub partitions: BTreeMap<String, BTreeSet<i32>>,
}

impl TransactionDescription {
    /// Whether no transaction is open: neither the time that one began, which
    /// Kafka keeps, nor an id that is known tells so.
    pub fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "Empty" | "CompleteCommit" | "CompleteAbort" | "Dead")
    }
}

/// What became of a transactional id that was fenced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// The epoch that no producer before it has.
    pub epoch: i16,
    /// The state of the transaction that had to end first, if one had to:
    /// `PrepareAbort`, `CompleteCommit`, ...
    pub ended: Option<String>,
}

/// A producer as a partition remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProducerState {
    /// The producer's id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// The sequence number of its last record.
    pub last_sequence: i32,
    /// The time of its last record, in milliseconds since 1970.
    pub last_timestamp_ms: i64,
    /// The epoch of the coordinator that wrote its last marker, if one did.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction begins, if it has one.
    pub transaction_start: Option<i64>,
}

/// A transaction that is open on a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// The partition.
    pub partition: TopicPartition,
    /// Where it begins there.
    pub start: i64,
    /// Its producer.
    pub producer_id: i64,
    /// The producer's `transactional.id`, if a coordinator knows it.
    pub transactional_id: Option<String>,
}

/// A producer's id and its epoch.
type ProducerEpoch = (i64, i16);

/// Of a request that means whoever it is.
const NOBODY: ProducerEpoch = (-1, -1);

fn is_code(error: &ClientError, code: ResponseError) -> bool {
    error.code() == Some(code)
}

impl AdminClient {
    pub(super) async fn find_open(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<OpenTransaction>, ClientError> {
        let mut open: Vec<OpenTransaction> = self
            .producers(partitions)
            .await?
            .into_iter()
            .filter_map(|(partition, ProducerState { producer_id, transaction_start, .. })| {
                let start = transaction_start?;
                Some(OpenTransaction { partition, start, producer_id, transactional_id: None })
            })
            .collect();
        let producer_ids: BTreeSet<i64> = open.iter().map(|open| open.producer_id).collect();
        if producer_ids.is_empty() {
            return Ok(open);
        }
        let producer_ids = producer_ids.into_iter().collect();
        let filter = TransactionFilter { producer_ids, ..Default::default() };
        for listed in self.list_transactions(&filter).await? {
            for open in open.iter_mut().filter(|open| open.producer_id == listed.producer_id) {
                open.transactional_id = Some(listed.transactional_id.clone());
            }
        }
        Ok(open)
    }

    /// The transactional ids of all coordinators.
    pub async fn list_transactions(
        &self,
        filter: &TransactionFilter,
    ) -> Result<Vec<TransactionListing>, ClientError> {
        self.cluster.retry(|| self.try_list_transactions(filter)).await
    }

    async fn try_list_transactions(
        &self,
        filter: &TransactionFilter,
    ) -> Result<Vec<TransactionListing>, ClientError> {
        let what = || "listing transactions".to_owned();
        let mut found = Vec::new();
        for broker in self.cluster.metadata(Some(&[])).await?.brokers {
            let longer_than_ms = filter.longer_than.map(|time| time.as_millis() as i64);
            let mut too_old = false;
            let make = |version: i16| {
                let request = ListTransactionsRequest::default()
                    .with_state_filters(filter.states.iter().map(|state| text(state)).collect())
                    .with_producer_id_filters(
                        filter.producer_ids.iter().copied().map(ProducerId).collect(),
                    );
                match longer_than_ms {
                    Some(ms) if version >= 1 => request.with_duration_filter(ms),
                    Some(_) => {
                        too_old = true;
                        request
                    }
                    None => request,
                }
            };
            let target = Target::Node(broker.node_id.0);
            let answer = self.cluster.call(&target, Lane::Common, make, None).await?;
            if too_old {
                let message =
                    text("the broker cannot filter by duration, which came with Kafka 3.8");
                return Err(refused(what(), ResponseError::UnsupportedVersion, Some(&message)));
            }
            check(what(), answer.error_code, None)?;
            if let Some(unknown) = answer.unknown_state_filters.first() {
                let message = format!("there is no state `{unknown}`");
                let message = StrBytes::from_string(message);
                return Err(refused(what(), ResponseError::InvalidRequest, Some(&message)));
            }
            found.extend(answer.transaction_states.into_iter().map(|listed| TransactionListing {
                transactional_id: listed.transactional_id.to_string(),
                coordinator: broker.node_id.0,
                producer_id: listed.producer_id.0,
                state: listed.transaction_state.to_string(),
            }));
        }
        found.sort_by(|a, b| a.transactional_id.cmp(&b.transactional_id));
        Ok(found)
    }

    /// A transactional id in full. One that is not known is refused with
    /// `TransactionalIdNotFound`.
    pub async fn describe_transaction(
        &self,
        transactional_id: &str,
    ) -> Result<TransactionDescription, ClientError> {
        self.cluster.retry(|| self.try_describe_transaction(transactional_id)).await
    }

    async fn try_describe_transaction(
        &self,
        transactional_id: &str,
    ) -> Result<TransactionDescription, ClientError> {
        let what = || format!("describing the transaction of `{transactional_id}`");
        let coordinator = self.cluster.transaction_coordinator(transactional_id).await?;
        let request = DescribeTransactionsRequest::default()
            .with_transactional_ids(vec![text(transactional_id).into()]);
        let target = Target::Node(coordinator);
        let answer = self.cluster.call(&target, Lane::Common, |_| request, None).await?;
        let found =
            answer.transaction_states.into_iter().next().ok_or_else(|| unanswered(what()))?;
        check(what(), found.error_code, None)?;
        Ok(TransactionDescription {
            transactional_id: transactional_id.to_owned(),
            coordinator,
            producer_id: found.producer_id.0,
            producer_epoch: found.producer_epoch,
            state: found.transaction_state.to_string(),
            timeout_ms: found.transaction_timeout_ms,
            start_ms: Some(found.transaction_start_time_ms).filter(|start| *start >= 0),
            partitions: found
                .topics
                .into_iter()
                .map(|topic| (topic.topic.to_string(), topic.partitions.into_iter().collect()))
                .collect(),
        })
    }

    /// Gives a transactional id to a producer that does not exist: whoever has
    /// it is fenced, and its open transaction is aborted.
    pub async fn fence(
        &self,
        transactional_id: &str,
        timeout_ms: i32,
    ) -> Result<Fenced, ClientError> {
        let ended = Mutex::new(None);
        let attempt = || async {
            let fenced = self.try_fence(transactional_id, NOBODY, timeout_ms).await;
            let code = fenced.as_ref().err().and_then(ClientError::code);
            // The answer while a transaction is being ended; how, its state tells.
            if code == Some(ResponseError::ConcurrentTransactions) {
                let found = self.try_describe_transaction(transactional_id).await?;
                *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.state);
            }
            fenced
        };
        let (_, epoch) = self.cluster.retry(attempt).await?;
        Ok(Fenced { epoch, ended: ended.into_inner().unwrap_or_else(PoisonError::into_inner) })
    }

    /// Fences the producer that has a transactional id now. A request of this that
    /// arrives late does not fence whoever took the id over meanwhile (on Apache Kafka not
    /// between its transactions): it says who is meant, as a producer does that goes on
    /// after an error (KIP-360).
    pub(super) async fn fence_present(
        &self,
        transactional_id: &str,
        timeout_ms: i32,
    ) -> Result<(), ClientError> {
        let attempt = || async {
            let found = match self.try_describe_transaction(transactional_id).await {
                Err(error) if is_code(&error, ResponseError::TransactionalIdNotFound) => {
                    return Ok(());
                }
                found => found?,
            };
            let owner = (found.producer_id, found.producer_epoch);
            self.try_fence_owner(transactional_id, owner, timeout_ms).await
        };
        self.cluster.retry(attempt).await
    }

    pub(in crate::kafka) async fn try_fence_owner(
        &self,
        transactional_id: &str,
        owner: ProducerEpoch,
        timeout_ms: i32,
    ) -> Result<(), ClientError> {
        let fenced = async {
            let next = self.try_fence(transactional_id, owner, timeout_ms).await?;
            // The coordinator would let the owner go on in the next epoch. In the one after
            // that it is nobody.
            self.try_fence(transactional_id, next, timeout_ms).await
        };
        match fenced.await {
            Err(error) if is_code(&error, ResponseError::ProducerFenced) => Ok(()),
            fenced => fenced.map(drop),
        }
    }

    /// The id's next epoch, as its owner would ask for it.
    pub(in crate::kafka) async fn try_fence(
        &self,
        transactional_id: &str,
        (producer_id, producer_epoch): ProducerEpoch,
        timeout_ms: i32,
    ) -> Result<ProducerEpoch, ClientError> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(text(transactional_id).into()))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(producer_id))
            .with_producer_epoch(producer_epoch);
        let target = Target::TransactionCoordinator(transactional_id.into());
        let answer = self.cluster.call(&target, Lane::Common, |_| request, None).await?;
        check(format!("fencing `{transactional_id}`"), answer.error_code, None)?;
        Ok((answer.producer_id.0, answer.producer_epoch))
    }

    /// The producers that partitions remember.
    pub async fn producers(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, ProducerState)>, ClientError> {
        let definite = super::client::UNKNOWN_TOPIC;
        self.cluster.retry_unless(definite, || self.try_producers(partitions)).await
    }

    async fn try_producers(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, ProducerState)>, ClientError> {
        let mut by_leader: BTreeMap<i32, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
        for (partition, leader) in self.leaders_of(partitions).await? {
            let topics = by_leader.entry(leader).or_default();
            topics.entry(&partition.topic).or_default().push(partition.partition);
        }
        let mut found = Vec::new();
        for (leader, topics) in by_leader {
            let topics = topics.into_iter().map(|(name, partitions)| {
                TopicRequest::default()
                    .with_name(text(name).into())
                    .with_partition_indexes(partitions)
            });
            let request = DescribeProducersRequest::default().with_topics(topics.collect());
            let target = Target::Node(leader);
            let answer = self.cluster.call(&target, Lane::Common, |_| request, None).await?;
            for topic in answer.topics {
                let name: Arc<str> = topic.name.as_str().into();
                for partition in topic.partitions {
                    let key = TopicPartition::new(name.clone(), partition.partition_index);
                    let message = partition.error_message.as_ref();
                    check(format!("describing producers of {key}"), partition.error_code, message)?;
                    found.extend(partition.active_producers.into_iter().map(|producer| {
                        let state = ProducerState {
                            producer_id: producer.producer_id.0,
                            producer_epoch: producer.producer_epoch,
                            last_sequence: producer.last_sequence,
                            last_timestamp_ms: producer.last_timestamp,
                            coordinator_epoch: Some(producer.coordinator_epoch).filter(|n| *n >= 0),
                            transaction_start: Some(producer.current_txn_start_offset)
                                .filter(|offset| *offset >= 0),
                        };
                        (key.clone(), state)
                    }));
                }
            }
        }
        found.sort_by(|a, b| (&a.0, a.1.producer_id).cmp(&(&b.0, b.1.producer_id)));
        Ok(found)
    }

    /// Writes an abort marker to one partition, for a transaction that no
    /// coordinator ends any more.
    pub async fn abort_hanging(
        &self,
        partition: &TopicPartition,
        producer: &ProducerState,
    ) -> Result<(), ClientError> {
        self.cluster.retry(|| self.try_abort_hanging(partition, producer)).await
    }

    async fn try_abort_hanging(
        &self,
        partition: &TopicPartition,
        producer: &ProducerState,
    ) -> Result<(), ClientError> {
        let what = || format!("aborting a transaction on {partition}");
        let leaders = self.leaders_of(std::slice::from_ref(partition)).await?;
        let (_, leader) = leaders.first().ok_or_else(|| unanswered(what()))?;
        let topic = WritableTxnMarkerTopic::default()
            .with_name(text(&partition.topic).into())
            .with_partition_indexes(vec![partition.partition]);
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(producer.producer_id))
            .with_producer_epoch(producer.producer_epoch as i16)
            .with_transaction_result(false)
            // Where no marker was written yet, any epoch is new.
            .with_coordinator_epoch(producer.coordinator_epoch.unwrap_or(0))
            .with_topics(vec![topic]);
        let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
        let target = Target::Node(*leader);
        let answer = self.cluster.call(&target, Lane::Common, |_| request, None).await?;
        let code = answer
            .markers
            .first()
            .and_then(|marker| marker.topics.first())
            .and_then(|topic| topic.partitions.first())
            .ok_or_else(|| unanswered(what()))?
            .error_code;
        check(what(), code, None)
    }

    async fn leaders_of<'a>(
        &self,
        partitions: &'a [TopicPartition],
    ) -> Result<Vec<(&'a TopicPartition, i32)>, ClientError> {
        let names: BTreeSet<&str> = partitions.iter().map(|partition| &*partition.topic).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let leaders = leaders(&self.cluster, &names).await?;
        partitions
            .iter()
            .map(|partition| Ok((partition, leader_of(&leaders, partition)?)))
            .collect()
    }
}
