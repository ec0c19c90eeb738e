//! Requests that name a thing again and again are answered as if they named it once.

use kafka_protocol::{
    messages::{
        ConsumerGroupDescribeRequest, DescribeConfigsRequest, DescribeGroupsRequest,
        DescribeLogDirsRequest, DescribeProducersRequest, DescribeQuorumRequest,
        DescribeTransactionsRequest, ElectLeadersRequest, FindCoordinatorRequest, GroupId,
        ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
        TransactionalId,
        describe_configs_request::DescribeConfigsResource,
        describe_log_dirs_request::DescribableLogDirTopic,
        describe_producers_request, describe_quorum_request, elect_leaders_request,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::{
            OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
        },
    },
    protocol::Encodable,
};

use crate::support::{Client, TestBroker, name, text};

const INVALID_REQUEST: i16 = 42;
const TIMES: usize = 1000;

async fn commit(client: &mut Client, partition: i32) {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(7)
        .with_committed_metadata(Some(text("here")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(name("topic"))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("group")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let key = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group")]);
    client.call(4, &key).await;
    let response = client.call(8, &request).await;
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
}

#[tokio::test]
async fn topics_that_are_repeated_are_described_once() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 2).await;

    let named = || MetadataRequestTopic::default().with_name(Some(name("topic")));
    let request = MetadataRequest::default().with_topics(Some(vec![named(); TIMES]));
    for version in [0, 12] {
        let response = client.call(version, &request).await;
        assert_eq!(response.topics.len(), 1, "v{version}");
        assert_eq!(response.topics[0].partitions.len(), 2);
    }
    let id = client.call(12, &request).await.topics[0].topic_id;
    let by_id = MetadataRequestTopic::default().with_topic_id(id).with_name(None);
    // Beside an id a name says nothing, not even that this is another topic.
    let by_id_named = |n: usize| by_id.clone().with_name(Some(name(&n.to_string())));
    let request =
        MetadataRequest::default().with_topics(Some((0..TIMES).map(by_id_named).collect()));
    assert_eq!(client.call(12, &request).await.topics.len(), 1);
    let other = MetadataRequestTopic::default().with_name(Some(name("other")));
    let request = MetadataRequest::default().with_topics(Some(vec![
        other.clone(),
        named(),
        other,
        named(),
        by_id,
    ]));
    let found = client.call(12, &request.with_allow_auto_topic_creation(false)).await;
    let codes: Vec<_> = found.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [3, 0, 0], "the order of the request");

    let topic = describe_producers_request::TopicRequest::default()
        .with_name(name("topic"))
        .with_partition_indexes(vec![1, 0, 1]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic; TIMES]);
    let response = client.call(0, &request).await;
    let indexes = response.topics.iter().flat_map(|topic| &topic.partitions);
    assert_eq!(indexes.map(|p| p.partition_index).collect::<Vec<_>>(), [1, 0]);

    let topic =
        DescribableLogDirTopic::default().with_topic(name("topic")).with_partitions(vec![0, 1, 0]);
    let request = DescribeLogDirsRequest::default().with_topics(Some(vec![topic; TIMES]));
    let response = client.call(4, &request).await;
    assert_eq!(response.results[0].topics[0].partitions.len(), 2);

    let topic = elect_leaders_request::TopicPartitions::default()
        .with_topic(name("topic"))
        .with_partitions(vec![0, 0, 1]);
    let request = ElectLeadersRequest::default().with_topic_partitions(Some(vec![topic; TIMES]));
    let response = client.call(2, &request).await;
    let results = response.replica_election_results.iter();
    assert_eq!(results.map(|topic| topic.partition_result.len()).sum::<usize>(), 2);

    let partition = describe_quorum_request::PartitionData::default();
    let topic = describe_quorum_request::TopicData::default()
        .with_topic_name(name("__cluster_metadata"))
        .with_partitions(vec![partition; TIMES]);
    let request = DescribeQuorumRequest::default().with_topics(vec![topic; 2]);
    let response = client.call(1, &request).await;
    assert_eq!(response.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>(), 1);
}

#[tokio::test]
async fn groups_and_transactions_that_are_repeated_are_described_once() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 2).await;
    commit(&mut client, 0).await;
    commit(&mut client, 1).await;

    let group = || GroupId(text("group"));
    let request = DescribeGroupsRequest::default().with_groups(vec![group(); TIMES]);
    assert_eq!(client.call(5, &request).await.groups.len(), 1);
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group(); TIMES]);
    assert_eq!(client.call(0, &request).await.groups.len(), 1);
    let id = TransactionalId(text("transaction"));
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id; TIMES]);
    assert_eq!(client.call(0, &request).await.transaction_states.len(), 1);
    let request =
        FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group"); TIMES]);
    assert_eq!(client.call(4, &request).await.coordinators.len(), 1);

    let of = |topics| OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(topics);
    let member = |n: usize| of(None).with_member_id(Some(text(&n.to_string())));
    let all = OffsetFetchRequest::default().with_groups((0..TIMES).map(member).collect());
    let answer = client.call(9, &all).await;
    assert_eq!(answer.groups.len(), 1);
    assert_eq!(answer.groups[0].topics[0].partitions.len(), 2);
    let topic = |indexes: &[i32]| {
        OffsetFetchRequestTopics::default()
            .with_name(name("topic"))
            .with_partition_indexes(indexes.to_vec())
    };
    // What each mention asks for is asked for, once.
    let named = [of(Some(vec![topic(&[1, 1])])), of(Some(vec![topic(&[1, 0]), topic(&[0])]))];
    let answer = client.call(8, &OffsetFetchRequest::default().with_groups(named.into())).await;
    let found = answer.groups[0].topics.iter().flat_map(|topic| &topic.partitions);
    assert_eq!(
        found.map(|p| (p.partition_index, p.committed_offset)).collect::<Vec<_>>(),
        [(1, 7), (0, 7)]
    );
    let topic = OffsetFetchRequestTopic::default()
        .with_name(name("topic"))
        .with_partition_indexes(vec![0; TIMES]);
    let request =
        OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic; 3]));
    let answer = client.call(7, &request).await;
    assert_eq!(answer.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>(), 1);
}

fn resource(kind: i8, of: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(of))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()))
}

#[tokio::test]
async fn configurations_of_a_resource_that_is_repeated_are_told_once() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let request = DescribeConfigsRequest::default().with_resources(vec![
        resource(2, "topic", Some(&["segment.ms"])),
        resource(4, "", None),
        resource(2, "topic", Some(&["segment.ms", "segment.bytes"])),
    ]);
    let response = client.call(4, &request).await;
    let kinds: Vec<_> = response.results.iter().map(|result| result.resource_type).collect();
    assert_eq!(kinds, [2, 4]);
    let names = response.results[0].configs.iter().map(|config| config.name.to_string());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["segment.bytes", "segment.ms"]);
    let all = [resource(2, "topic", Some(&["segment.ms"])), resource(2, "topic", None)];
    let request = DescribeConfigsRequest::default().with_resources(all.into());
    assert!(client.call(4, &request).await.results[0].configs.len() > 30);
}

#[tokio::test]
async fn an_answer_about_groups_that_are_not_there_has_an_end() {
    const GROUPS: usize = 120_000;
    let long = "a name that takes its place in the answer too";
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let groups = (0..GROUPS).map(|number| resource(32, &format!("{long} {number}"), None));
    let request = DescribeConfigsRequest::default()
        .with_resources(groups.collect())
        .with_include_documentation(true);
    let response = client.call(4, &request).await;
    assert_eq!(response.results.len(), GROUPS, "each is answered");
    let refused = response.results.iter().position(|result| result.error_code != 0);
    let refused = refused.expect("an end");
    let (told, refused) = response.results.split_at(refused);
    assert!(refused.iter().all(|result| result.error_code == INVALID_REQUEST));
    let bytes: usize = told.iter().map(|result| result.compute_size(4).unwrap()).sum();
    assert!((30 << 20..=32 << 20).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn offsets_that_are_looked_up_twice_in_a_request_are_refused() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 2).await;
    let asked = |partition| {
        ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(-1)
    };
    let topic = |partitions| {
        ListOffsetsTopic::default().with_name(name("topic")).with_partitions(partitions)
    };
    let topics = vec![topic(vec![asked(0), asked(1)]), topic(vec![asked(0)])];
    let response = client.call(7, &ListOffsetsRequest::default().with_topics(topics)).await;
    let answers = response.topics.iter().flat_map(|topic| &topic.partitions);
    let codes: Vec<_> = answers.map(|answer| (answer.partition_index, answer.error_code)).collect();
    assert_eq!(codes, [(0, INVALID_REQUEST), (1, 0), (0, INVALID_REQUEST)]);
}
