//! What administrators' tools ask: leaders, reassignments, the quorum, pages
//! of topics, configurations replaced whole, offsets deleted one by one.

use kafka_protocol::messages::{
    AlterConfigsRequest, AlterPartitionReassignmentsRequest, BrokerId, DescribeConfigsRequest,
    DescribeQuorumRequest, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    ElectLeadersRequest, GroupId, JoinGroupRequest, ListPartitionReassignmentsRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    alter_configs_request::{AlterConfigsResource, AlterableConfig},
    alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic},
    describe_configs_request::DescribeConfigsResource,
    describe_quorum_request::{PartitionData, TopicData},
    describe_topic_partitions_request::{Cursor, TopicRequest},
    elect_leaders_request::TopicPartitions,
    join_group_request::JoinGroupRequestProtocol,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
};

use crate::support::{Client, TestBroker, name, text};

async fn replace(
    client: &mut Client,
    topic: &str,
    configs: &[(&str, Option<&str>)],
    validate_only: bool,
) -> i16 {
    let configs = configs.iter().map(|(key, value)| {
        AlterableConfig::default().with_name(text(key)).with_value(value.map(text))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configs(configs.collect());
    let request = AlterConfigsRequest::default()
        .with_resources(vec![resource])
        .with_validate_only(validate_only);
    client.call(2, &request).await.responses[0].error_code
}

/// The configurations that are set on a topic itself.
async fn own_configs(client: &mut Client, topic: &str) -> Vec<(String, String)> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let result = client.call(4, &request).await.results.remove(0);
    let own = result.configs.into_iter().filter(|config| config.config_source == 1);
    own.map(|config| (config.name.to_string(), config.value.unwrap().to_string())).collect()
}

#[tokio::test]
async fn alter_configs_returns_what_it_does_not_name_to_the_default() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let before = [("retention.ms", "1000"), ("segment.bytes", "5000")];
    client.create_topic_with("topic", 1, &before).await;
    let wanted = [("retention.ms", Some("7")), ("max.message.bytes", Some("100"))];
    assert_eq!(replace(&mut client, "topic", &wanted, true).await, 0);
    assert_eq!(own_configs(&mut client, "topic").await[0].1, "1000", "validated only");

    assert_eq!(replace(&mut client, "topic", &wanted, false).await, 0);
    let now = [("max.message.bytes", "100"), ("retention.ms", "7")];
    let now = now.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(own_configs(&mut client, "topic").await, now);
    // One wrong value changes nothing.
    let wrong = [("retention.ms", Some("8")), ("segment.bytes", Some("x"))];
    assert_eq!(replace(&mut client, "topic", &wrong, false).await, 40);
    assert_eq!(replace(&mut client, "topic", &[("retention.ms", None)], false).await, 42);
    assert_eq!(replace(&mut client, "none", &[], false).await, 3);
    assert_eq!(own_configs(&mut client, "topic").await, now);

    let broker = broker.restart(&[]).await;
    assert_eq!(own_configs(&mut broker.client().await, "topic").await, now);
}

#[tokio::test]
async fn no_election_is_held_where_the_leader_is_right() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 2).await;
    for election in [0, 1] {
        let asked =
            TopicPartitions::default().with_topic(name("topic")).with_partitions(vec![0, 1, 2]);
        let request = ElectLeadersRequest::default()
            .with_election_type(election)
            .with_topic_partitions(Some(vec![asked]));
        let response = client.call(2, &request).await;
        let results = &response.replica_election_results[0].partition_result;
        let codes: Vec<i16> = results.iter().map(|result| result.error_code).collect();
        assert_eq!((response.error_code, codes), (0, vec![84, 84, 3]));
        // All partitions: those that need none are not named.
        let response = client.call(2, &request.with_topic_partitions(None)).await;
        assert_eq!(response.replica_election_results, []);
    }
    let request = ElectLeadersRequest::default().with_election_type(9);
    assert_eq!(client.call(2, &request).await.error_code, 42);
}

#[tokio::test]
async fn a_reassignment_to_brokers_that_are_not_there_is_refused() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    for (topic, partition, replicas, code) in [
        ("topic", 0, Some(vec![1]), 0),
        ("topic", 0, Some(vec![2]), 39),
        ("topic", 0, Some(vec![1, 1]), 39),
        ("topic", 0, Some(vec![]), 39),
        ("topic", 0, None, 85),
        ("topic", 1, Some(vec![1]), 3),
        ("none", 0, Some(vec![1]), 3),
        ("none", -1, None, 3),
    ] {
        let asked = ReassignablePartition::default()
            .with_partition_index(partition)
            .with_replicas(replicas.clone().map(|ids| ids.into_iter().map(BrokerId).collect()));
        let asked =
            ReassignableTopic::default().with_name(name(topic)).with_partitions(vec![asked]);
        let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![asked]);
        let response = client.call(0, &request).await;
        let found = &response.responses[0].partitions[0];
        assert_eq!(found.error_code, code, "{topic}-{partition} {replicas:?}");
    }
    let request = ListPartitionReassignmentsRequest::default().with_topics(None);
    let response = client.call(0, &request).await;
    assert_eq!((response.error_code, response.topics.len()), (0, 0));
}

#[tokio::test]
async fn the_quorum_is_the_node_itself_and_its_log_grows_with_each_change() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let request = |topic: &str, partition| {
        let partition = PartitionData::default().with_partition_index(partition);
        let topic =
            TopicData::default().with_topic_name(name(topic)).with_partitions(vec![partition]);
        DescribeQuorumRequest::default().with_topics(vec![topic])
    };
    let metadata = request("__cluster_metadata", 0);
    let before = client.call(2, &metadata).await;
    assert_eq!((before.error_code, before.nodes[0].node_id.0), (0, 1));
    let before = &before.topics[0].partitions[0];
    assert_eq!((before.leader_id.0, before.leader_epoch), (1, 1));
    assert_eq!(before.current_voters[0].replica_id.0, 1);
    assert_eq!(before.current_voters[0].log_end_offset, before.high_watermark);
    assert!(before.current_voters[0].last_caught_up_timestamp > 0);
    client.create_topic("topic", 1).await;
    let after = client.call(0, &metadata).await;
    assert_eq!(after.topics[0].partitions[0].high_watermark, before.high_watermark + 1);
    for wrong in [request("__cluster_metadata", 1), request("topic", 0)] {
        assert_eq!(client.call(2, &wrong).await.topics[0].partitions[0].error_code, 3);
    }
}

/// A partition by its topic's name and its number.
type Place = (String, i32);

/// The partitions of an answer, and where the next page begins.
fn page(response: &DescribeTopicPartitionsResponse) -> (Vec<Place>, Option<Place>) {
    let found = response.topics.iter().flat_map(|topic| {
        let name = topic.name.as_ref().unwrap().to_string();
        topic.partitions.iter().map(move |partition| (name.clone(), partition.partition_index))
    });
    let cursor = response.next_cursor.as_ref();
    (found.collect(), cursor.map(|at| (at.topic_name.to_string(), at.partition_index)))
}

#[tokio::test]
async fn topics_are_described_page_by_page_without_gap_or_repetition() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let mut expected = Vec::new();
    for (topic, partitions) in [("a", 3), ("b", 1), ("c", 5)] {
        client.create_topic(topic, partitions).await;
        expected.extend((0..partitions).map(|partition| (topic.to_owned(), partition)));
    }
    for limit in 1..=10 {
        let mut request =
            DescribeTopicPartitionsRequest::default().with_response_partition_limit(limit);
        let mut found = Vec::new();
        loop {
            let (more, next) = page(&client.call(0, &request).await);
            assert!(more.len() <= limit as usize && !more.is_empty(), "limit {limit}: {more:?}");
            found.extend(more);
            let Some((topic, partition)) = next else { break };
            let cursor =
                Cursor::default().with_topic_name(name(&topic)).with_partition_index(partition);
            request = request.with_cursor(Some(cursor));
        }
        assert_eq!(found, expected, "limit {limit}");
    }
}

#[tokio::test]
async fn topics_are_described_in_order_and_the_unknown_are_told() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let named = |topics: &[&str]| {
        let topics = topics.iter().map(|topic| TopicRequest::default().with_name(name(topic)));
        DescribeTopicPartitionsRequest::default()
            .with_response_partition_limit(100)
            .with_topics(topics.collect())
    };
    let response = client.call(0, &named(&["topic", "none", "a/b", "topic"])).await;
    let found: Vec<_> = response
        .topics
        .iter()
        .map(|topic| (topic.name.as_ref().unwrap().to_string(), topic.error_code))
        .collect();
    assert_eq!(found, [("a/b".into(), 17), ("none".into(), 3), ("topic".into(), 0)]);
    let partition = &response.topics[2].partitions[0];
    assert_eq!((partition.leader_id.0, partition.leader_epoch), (1, 0));
    assert_eq!(partition.replica_nodes, [BrokerId(1)]);
    assert_eq!(partition.isr_nodes, [BrokerId(1)]);
    // A cursor at a topic that has gone goes on with the next.
    let cursor = Cursor::default().with_topic_name(name("b")).with_partition_index(4);
    let all = DescribeTopicPartitionsRequest::default().with_response_partition_limit(10);
    let (found, next) = page(&client.call(0, &all.clone().with_cursor(Some(cursor))).await);
    assert_eq!((found, next), (vec![("topic".to_owned(), 0)], None));
    let bad = Cursor::default().with_topic_name(name("b")).with_partition_index(-1);
    let response = client.call(0, &named(&["topic"]).with_cursor(Some(bad))).await;
    assert_eq!(response.topics[0].error_code, 42);
}

fn commit(group: &str, topic: &str, partitions: i32) -> OffsetCommitRequest {
    let partitions = (0..partitions).map(|partition| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(5)
    });
    let topic = OffsetCommitRequestTopic::default()
        .with_name(name(topic))
        .with_partitions(partitions.collect());
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

async fn committed(client: &mut Client, group: &str, topic: &str) -> Vec<i64> {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(name(topic))
        .with_partition_indexes(vec![0, 1]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let response = client.call(8, &request).await;
    let partitions = &response.groups[0].topics[0].partitions;
    partitions.iter().map(|partition| partition.committed_offset).collect()
}

/// Deletes the offset of partition 0: the whole answer's code, the partition's.
async fn delete_offset(client: &mut Client, group: &str, topic: &str) -> (i16, Option<i16>) {
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(name(topic))
        .with_partitions(vec![OffsetDeleteRequestPartition::default()]);
    let request =
        OffsetDeleteRequest::default().with_group_id(GroupId(text(group))).with_topics(vec![topic]);
    let response = client.call(0, &request).await;
    let partition = response.topics.first().map(|topic| topic.partitions[0].error_code);
    (response.error_code, partition)
}

async fn join(client: &mut Client, group: &str, protocol_type: &str, metadata: &[u8]) {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(bytes::Bytes::copy_from_slice(metadata));
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_protocol_type(text(protocol_type))
        .with_protocols(vec![protocol]);
    assert_eq!(client.call(3, &request).await.error_code, 0);
}

#[tokio::test]
async fn single_offsets_are_deleted_for_good_and_those_in_use_are_kept() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("read", 2).await;
    client.create_topic("other", 2).await;
    for group in ["consumers", "workers"] {
        // The coordinator is asked for first, which makes the offsets topic.
        let find = kafka_protocol::messages::FindCoordinatorRequest::default()
            .with_coordinator_keys(vec![text(group)]);
        client.call(4, &find).await;
        for topic in ["read", "other"] {
            let response = client.call(8, &commit(group, topic, 2)).await;
            assert_eq!(response.topics[0].partitions[0].error_code, 0);
        }
    }
    assert_eq!(delete_offset(&mut client, "none", "read").await, (69, None));
    assert_eq!(delete_offset(&mut client, "consumers", "gone").await, (0, Some(3)));

    let mut member = broker.client().await;
    join(&mut member, "consumers", "consumer", b"\0\x01\0\0\0\x01\0\x04read\xff\xff\xff\xff").await;
    assert_eq!(delete_offset(&mut client, "consumers", "read").await, (0, Some(86)));
    assert_eq!(delete_offset(&mut client, "consumers", "other").await, (0, Some(0)));
    let mut worker = broker.client().await;
    join(&mut worker, "workers", "connect", b"").await;
    assert_eq!(delete_offset(&mut client, "workers", "other").await, (68, None));

    let broker = broker.restart(&[]).await;
    let mut client = broker.client().await;
    assert_eq!(committed(&mut client, "consumers", "read").await, [5, 5]);
    assert_eq!(committed(&mut client, "consumers", "other").await, [-1, 5]);
}
