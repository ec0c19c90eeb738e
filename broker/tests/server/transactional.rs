//! A transactional producer made of single requests, so that each can be
//! repeated, left out or sent too late.

use std::time::{SystemTime, UNIX_EPOCH};

use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest,
    FindCoordinatorRequest, GroupId, InitProducerIdRequest, OffsetFetchRequest, ProducerId,
    TransactionalId, TxnOffsetCommitRequest,
    add_partitions_to_txn_request::AddPartitionsToTxnTopic,
    offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
    txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic},
};
use longshore_broker::log::{BatchBuilder, Batches, Records};

use crate::support::{Client, name, produce_request, text};

/// Kafka's codes that the tests ask for.
pub(crate) const INVALID_PRODUCER_EPOCH: i16 = 47;
pub(crate) const INVALID_TXN_STATE: i16 = 48;
pub(crate) const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
pub(crate) const INVALID_TRANSACTION_TIMEOUT: i16 = 50;
pub(crate) const CONCURRENT_TRANSACTIONS: i16 = 51;
pub(crate) const UNSTABLE_OFFSET_COMMIT: i16 = 88;
pub(crate) const PRODUCER_FENCED: i16 = 90;
pub(crate) const TRANSACTIONAL_ID_NOT_FOUND: i16 = 105;

/// Which requests a producer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// It says which partitions it writes to.
    Classic,
    /// KIP-890: partitions come by themselves, each end bumps the epoch.
    EpochBump,
}

pub(crate) const BOTH: [Rules; 2] = [Rules::Classic, Rules::EpochBump];

/// What a transactional producer knows.
#[derive(Debug, Clone)]
pub(crate) struct Producer {
    pub(crate) id: TransactionalId,
    pub(crate) rules: Rules,
    pub(crate) timeout_ms: i32,
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    /// Sequences begin anew with each epoch.
    sequences: Vec<(String, i32, i16, i32)>,
}

impl Producer {
    pub(crate) fn new(id: &str, rules: Rules) -> Self {
        Self {
            id: TransactionalId(text(id)),
            rules,
            timeout_ms: 60_000,
            producer_id: -1,
            epoch: -1,
            sequences: Vec::new(),
        }
    }

    /// One InitProducerId; with `goes_on` it says what it has (KIP-360).
    pub(crate) async fn try_init(&mut self, client: &mut Client, goes_on: bool) -> i16 {
        let mut request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.id.clone()))
            .with_transaction_timeout_ms(self.timeout_ms);
        if goes_on {
            request = request
                .with_producer_id(ProducerId(self.producer_id))
                .with_producer_epoch(self.epoch);
        }
        let version = if self.rules == Rules::Classic { 4 } else { 5 };
        let response = client.call(version, &request).await;
        if response.error_code == 0 {
            self.producer_id = *response.producer_id;
            self.epoch = response.producer_epoch;
        }
        response.error_code
    }

    /// A new producer of this id, ready for its first transaction.
    pub(crate) async fn start(client: &mut Client, id: &str, rules: Rules) -> Self {
        let find = FindCoordinatorRequest::default()
            .with_key_type(1)
            .with_coordinator_keys(vec![text(id)]);
        assert_eq!(client.call(4, &find).await.coordinators[0].error_code, 0);
        let mut producer = Self::new(id, rules);
        while producer.try_init(client, false).await == CONCURRENT_TRANSACTIONS {}
        assert!(producer.producer_id >= 0);
        producer
    }

    pub(crate) async fn add(&self, client: &mut Client, topic: &str, partition: i32) -> i16 {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(name(topic))
            .with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id.clone())
            .with_v3_and_below_producer_id(ProducerId(self.producer_id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let response = client.call(3, &request).await;
        response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
    }

    /// Produces a value; the partition must be in the transaction or come by itself.
    pub(crate) async fn produce(
        &mut self,
        client: &mut Client,
        topic: &str,
        partition: i32,
        value: &str,
    ) -> i16 {
        let epoch = self.epoch;
        let known = self.sequences.iter_mut().find(|(known_topic, known_partition, of, _)| {
            known_topic == topic && *known_partition == partition && *of == epoch
        });
        let sequence = known.as_ref().map_or(0, |(.., next)| *next);
        let mut builder =
            BatchBuilder::new(0).producer(self.producer_id, epoch, sequence).transactional();
        // Of today, or retention takes it away at the next start.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        builder.push(now.as_millis() as i64, None, Some(value.as_bytes()), &[]);
        let request = produce_request(topic, partition, -1, builder.build().unwrap())
            .with_transactional_id(Some(self.id.clone()));
        let version = if self.rules == Rules::Classic { 9 } else { 12 };
        let response = client.call(version, &request).await;
        let code = response.responses[0].partition_responses[0].error_code;
        if code == 0 {
            match known {
                Some((.., next)) => *next += 1,
                None => self.sequences.push((topic.to_owned(), partition, epoch, 1)),
            }
        }
        code
    }

    /// Adds the partition if the rules ask for it, and produces.
    pub(crate) async fn write(
        &mut self,
        client: &mut Client,
        topic: &str,
        partition: i32,
        value: &str,
    ) {
        if self.rules == Rules::Classic {
            assert_eq!(self.add(client, topic, partition).await, 0);
        }
        assert_eq!(self.produce(client, topic, partition, value).await, 0);
    }

    pub(crate) async fn add_offsets(&self, client: &mut Client, group: &str) -> i16 {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_group_id(GroupId(text(group)));
        client.call(3, &request).await.error_code
    }

    /// Commits an offset of partition 0 in the transaction.
    pub(crate) async fn try_commit_offset(
        &self,
        client: &mut Client,
        group: &str,
        topic: &str,
        offset: i64,
    ) -> i16 {
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(name(topic))
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id.clone())
            .with_group_id(GroupId(text(group)))
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_topics(vec![topic]);
        let version = if self.rules == Rules::Classic { 3 } else { 5 };
        client.call(version, &request).await.topics[0].partitions[0].error_code
    }

    pub(crate) async fn commit_offset(
        &self,
        client: &mut Client,
        group: &str,
        topic: &str,
        offset: i64,
    ) {
        find_group(client, group).await;
        if self.rules == Rules::Classic {
            assert_eq!(self.add_offsets(client, group).await, 0);
        }
        assert_eq!(self.try_commit_offset(client, group, topic, offset).await, 0);
    }

    /// One EndTxn in this version: code, producer id and epoch of the answer.
    pub(crate) async fn end_in(
        &self,
        client: &mut Client,
        version: i16,
        commits: bool,
    ) -> (i16, i64, i16) {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_committed(commits);
        let response = client.call(version, &request).await;
        (response.error_code, *response.producer_id, response.producer_epoch)
    }

    pub(crate) async fn try_end(&mut self, client: &mut Client, commits: bool) -> i16 {
        match self.rules {
            Rules::Classic => self.end_in(client, 3, commits).await.0,
            Rules::EpochBump => {
                let (code, producer_id, epoch) = self.end_in(client, 5, commits).await;
                if code == 0 {
                    (self.producer_id, self.epoch) = (producer_id, epoch);
                }
                code
            }
        }
    }

    pub(crate) async fn end(&mut self, client: &mut Client, commits: bool) {
        assert_eq!(self.try_end(client, commits).await, 0);
    }
}

pub(crate) async fn find_group(client: &mut Client, group: &str) {
    let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(group)]);
    assert_eq!(client.call(4, &find).await.coordinators[0].error_code, 0);
}

/// The state of a transactional id, and its error code.
pub(crate) async fn describe(client: &mut Client, id: &str) -> (i16, String) {
    let request = DescribeTransactionsRequest::default()
        .with_transactional_ids(vec![TransactionalId(text(id))]);
    let response = client.call(0, &request).await;
    let state = &response.transaction_states[0];
    (state.error_code, state.transaction_state.to_string())
}

/// What a partition holds, in order: values, and how transactions ended.
pub(crate) async fn contents(client: &mut Client, topic: &str, partition: i32) -> Vec<String> {
    let (mut contents, mut offset) = (Vec::new(), 0);
    loop {
        let response = client.fetch(topic, partition, offset).await;
        let records = response.responses[0].partitions[0].records.clone().unwrap_or_default();
        // A fetch ends with the segment at the latest.
        if records.is_empty() {
            return contents;
        }
        for batch in Batches::new(&records) {
            let (header, bytes) = batch.unwrap();
            offset = header.next_offset();
            for record in Records::new(&header, &bytes[61..]) {
                let record = record.unwrap();
                contents.push(match header.is_control() {
                    true if record.key.unwrap()[3] == 1 => "COMMIT".to_owned(),
                    true => "ABORT".to_owned(),
                    false => String::from_utf8(record.value.unwrap().to_vec()).unwrap(),
                });
            }
        }
    }
}

/// Code and offset that are committed for partition 0.
pub(crate) async fn committed(
    client: &mut Client,
    group: &str,
    topic: &str,
    stable: bool,
) -> (i16, i64) {
    let topic =
        OffsetFetchRequestTopics::default().with_name(name(topic)).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(Some(vec![topic]));
    let request =
        OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(stable);
    let response = client.call(8, &request).await;
    let partition = &response.groups[0].topics[0].partitions[0];
    (partition.error_code, partition.committed_offset)
}
