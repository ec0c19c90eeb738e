//! ListOffsets and DeleteRecords.

use kafka_protocol::messages::{
    DeleteRecordsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest,
    delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    list_offsets_response::ListOffsetsPartitionResponse,
    offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
};
use longshore_broker::log::BatchBuilder;

use crate::support::{Client, TestBroker, batch_at, name};

pub(crate) async fn look_up(
    client: &mut Client,
    version: i16,
    timestamp: i64,
) -> ListOffsetsPartitionResponse {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
    let topic =
        ListOffsetsTopic::default().with_name(name("topic")).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    client.call(version, &request).await.topics[0].partitions[0].clone()
}

async fn delete(client: &mut Client, offset: i64) -> (i16, i64) {
    let partition = DeleteRecordsPartition::default().with_offset(offset);
    let topic =
        DeleteRecordsTopic::default().with_name(name("topic")).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
    let response = client.call(2, &request).await;
    let partition = &response.topics[0].partitions[0];
    (partition.error_code, partition.low_watermark)
}

#[tokio::test]
async fn deleted_records_are_gone_for_good() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    for value in ["a", "b", "c"] {
        client.produce("topic", 0, 1, batch_at(1, &[value])).await;
    }
    assert_eq!(delete(&mut client, 2).await, (0, 2));
    assert_eq!(delete(&mut client, 1).await, (0, 2), "the start never moves back");
    assert_eq!(delete(&mut client, 9).await.0, 1);
    assert_eq!(look_up(&mut client, 8, -2).await.offset, 2);
    let early = client.fetch("topic", 0, 1).await;
    assert_eq!(early.responses[0].partitions[0].error_code, 1);
    assert_eq!(early.responses[0].partitions[0].log_start_offset, 2);

    let broker = broker.restart(&[]).await;
    let mut client = broker.client().await;
    assert_eq!(look_up(&mut client, 8, -2).await.offset, 2);
    assert_eq!(delete(&mut client, -1).await, (0, 3));
}

#[tokio::test]
async fn of_a_compacted_topic_nothing_is_deleted_by_offset() {
    for (policy, outcome) in [("compact", (44, -1)), ("compact,delete", (0, 1))] {
        let broker = TestBroker::start(&[]).await;
        let mut client = broker.client().await;
        client.create_topic_with("topic", 1, &[("cleanup.policy", policy)]).await;
        let mut keyed = BatchBuilder::new(0);
        keyed.push(0, Some(b"k"), Some(b"v"), &[]);
        assert_eq!(client.produce("topic", 0, 1, keyed.build().unwrap()).await.error_code, 0);
        assert_eq!(delete(&mut client, -1).await, outcome, "{policy}");
        let start = outcome.1.max(0);
        assert_eq!(look_up(&mut client, 8, -2).await.offset, start, "{policy}");
    }
}

#[tokio::test]
async fn each_partition_of_a_deletion_has_its_own_outcome() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 2).await;
    for value in ["a", "b"] {
        client.produce("topic", 1, 1, batch_at(1, &[value])).await;
    }
    let asked = [(0, -1), (0, 1), (0, -2), (1, 2), (1, 0), (1, 3), (2, 0)];
    let partitions = asked.iter().map(|(index, offset)| {
        DeleteRecordsPartition::default().with_partition_index(*index).with_offset(*offset)
    });
    let topics =
        [("topic", partitions.collect()), ("__consumer_offsets", vec![Default::default()])];
    let topics = topics.into_iter().map(|(topic, partitions)| {
        DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(partitions)
    });
    let request = DeleteRecordsRequest::default().with_topics(topics.collect());
    let response = client.call(2, &request).await;
    let outcome = |at: usize| {
        let partitions = response.topics[at].partitions.iter();
        partitions.map(|found| (found.error_code, found.low_watermark)).collect::<Vec<_>>()
    };
    // An empty log ends where it begins; beyond the high watermark, or before
    // there could be records, is out of range.
    assert_eq!(outcome(0), [(0, 0), (1, -1), (1, -1), (0, 2), (0, 2), (1, -1), (3, -1)]);
    assert_eq!(outcome(1), [(17, -1)], "Kafka's own topics are left alone");
}

#[tokio::test]
async fn the_end_of_an_epoch_is_told_and_a_wrong_epoch_is_fenced() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    client.produce("topic", 0, 1, batch_at(1, &["a", "b"])).await;
    for (current, asked, code, epoch, end) in
        [(-1, 0, 0, 0, 2), (0, 0, 0, 0, 2), (0, 5, 0, -1, -1), (5, 0, 75, -1, -1)]
    {
        let partition = OffsetForLeaderPartition::default()
            .with_current_leader_epoch(current)
            .with_leader_epoch(asked);
        let topic = OffsetForLeaderTopic::default()
            .with_topic(name("topic"))
            .with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        let response = client.call(4, &request).await;
        let found = &response.topics[0].partitions[0];
        assert_eq!(
            (found.error_code, found.leader_epoch, found.end_offset),
            (code, epoch, end),
            "current {current}, asked {asked}"
        );
    }
}
