//! Groups of the consumer protocol (KIP-848).

use kafka_protocol::messages::{
    ApiVersionsRequest, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, DeleteGroupsRequest, DescribeGroupsRequest,
    FindCoordinatorRequest, GroupId, JoinGroupRequest, ListGroupsRequest, MetadataRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    consumer_group_heartbeat_request::TopicPartitions,
    join_group_request::JoinGroupRequestProtocol,
    metadata_request::MetadataRequestTopic,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    offset_fetch_request::OffsetFetchRequestGroup,
};

use crate::support::{Client, TestBroker, name, text};

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

fn beat(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group("g"))
        .with_member_id(text(member))
        .with_member_epoch(epoch)
        .with_rebalance_timeout_ms(-1)
        .with_subscribed_topic_names(None)
        .with_topic_partitions(None)
}

fn join(member: &str, topic: &str) -> ConsumerGroupHeartbeatRequest {
    beat(member, 0)
        .with_rebalance_timeout_ms(10_000)
        .with_subscribed_topic_names(Some(vec![name(topic)]))
        .with_topic_partitions(Some(vec![]))
}

/// Says that the member owns what the answer gave it.
fn owning(
    member: &str,
    epoch: i32,
    given: &ConsumerGroupHeartbeatResponse,
) -> ConsumerGroupHeartbeatRequest {
    let topics = given.assignment.clone().expect("an assignment").topic_partitions;
    let owned = topics.into_iter().map(|topic| {
        TopicPartitions::default().with_topic_id(topic.topic_id).with_partitions(topic.partitions)
    });
    beat(member, epoch).with_topic_partitions(Some(owned.collect()))
}

fn partitions(answer: &ConsumerGroupHeartbeatResponse) -> usize {
    let assignment = answer.assignment.as_ref().expect("an assignment");
    assignment.topic_partitions.iter().map(|topic| topic.partitions.len()).sum()
}

async fn tell(
    client: &mut Client,
    request: &ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let answer = client.call(1, request).await;
    assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
    answer
}

async fn start() -> (TestBroker, Client) {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 4).await;
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
    assert_eq!(client.call(4, &request).await.coordinators[0].error_code, 0);
    (broker, client)
}

fn commit(member: &str, epoch: i32) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(7);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(name("topic"))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group("g"))
        .with_generation_id_or_member_epoch(epoch)
        .with_member_id(text(member))
        .with_topics(vec![topic])
}

async fn commit_code(client: &mut Client, version: i16, request: &OffsetCommitRequest) -> i16 {
    client.call(version, request).await.topics[0].partitions[0].error_code
}

#[tokio::test]
async fn members_share_a_topic_and_go_on_after_a_restart_of_the_broker() {
    let (broker, mut client) = start().await;
    let alone = tell(&mut client, &join("a", "topic")).await;
    assert_eq!((alone.member_epoch, partitions(&alone)), (1, 4));
    assert_eq!(alone.heartbeat_interval_ms, 5000);
    let waiting = tell(&mut client, &join("b", "topic")).await;
    assert_eq!((waiting.member_epoch, partitions(&waiting)), (2, 0));
    let fewer = tell(&mut client, &beat("a", 1)).await;
    assert_eq!((fewer.member_epoch, partitions(&fewer)), (1, 2));

    let broker = broker.restart(&[]).await;
    let mut client = broker.client().await;
    assert_eq!(tell(&mut client, &beat("b", 2)).await.assignment, None, "a has not let go");
    assert_eq!(tell(&mut client, &owning("a", 1, &fewer)).await.member_epoch, 2);
    assert_eq!(partitions(&tell(&mut client, &beat("b", 2)).await), 2);

    let request =
        ConsumerGroupDescribeRequest::default().with_group_ids(vec![group("g"), group("none")]);
    let described = client.call(1, &request).await.groups;
    assert_eq!(described[0].group_state.as_str(), "Stable");
    assert_eq!((described[0].group_epoch, described[0].assignment_epoch), (2, 2));
    assert_eq!(described[0].assignor_name.as_str(), "uniform");
    let first = &described[0].members[0];
    assert_eq!(first.assignment.topic_partitions[0].topic_name, name("topic"));
    assert_eq!(first.assignment, first.target_assignment);
    assert_eq!(first.member_type, 1);
    assert_eq!(described[1].error_code, 69);
    let listed = client
        .call(5, &ListGroupsRequest::default().with_types_filter(vec![text("Consumer")]))
        .await
        .groups;
    assert_eq!((listed.len(), listed[0].group_state.as_str()), (1, "Stable"));
    assert_eq!(listed[0].protocol_type.as_str(), "consumer");
    let classic = DescribeGroupsRequest::default().with_groups(vec![group("g")]);
    assert_eq!(client.call(5, &classic).await.groups[0].group_state.as_str(), "Dead");
}

#[tokio::test]
async fn commits_and_fetches_are_fenced_by_the_members_epoch() {
    let (_broker, mut client) = start().await;
    tell(&mut client, &join("a", "topic")).await;
    for (version, request, code) in [
        (9, commit("a", 1), 0),
        (9, commit("a", 0), 113),
        (9, commit("x", 1), 25),
        (9, commit("", -1), 25),
        (8, commit("a", 1), 35),
    ] {
        assert_eq!(commit_code(&mut client, version, &request).await, code, "{request:?}");
    }
    let fetch = |member: Option<&str>, epoch| {
        let of = OffsetFetchRequestGroup::default()
            .with_group_id(group("g"))
            .with_member_id(member.map(text))
            .with_member_epoch(epoch)
            .with_topics(None);
        OffsetFetchRequest::default().with_groups(vec![of])
    };
    for (member, epoch, code) in
        [(Some("a"), 1, 0), (Some("a"), 2, 113), (Some("x"), 1, 25), (None, -1, 0)]
    {
        let found = client.call(9, &fetch(member, epoch)).await.groups.remove(0);
        assert_eq!((found.error_code, found.topics.len()), (code, usize::from(code == 0)));
    }
}

#[tokio::test]
async fn a_group_changes_its_protocol_only_while_it_is_empty() {
    let (broker, mut client) = start().await;
    let classic = |member: &str| {
        JoinGroupRequest::default()
            .with_group_id(group("g"))
            .with_member_id(text(member))
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(10_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![JoinGroupRequestProtocol::default().with_name(text("range"))])
    };
    tell(&mut client, &join("a", "topic")).await;
    assert_eq!(commit_code(&mut client, 9, &commit("a", 1)).await, 0);
    assert_eq!(client.call(3, &classic("")).await.error_code, 23, "INCONSISTENT_GROUP_PROTOCOL");
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group("g")]);
    assert_eq!(client.call(2, &delete).await.results[0].error_code, 68);
    tell(&mut client, &beat("a", -1)).await;
    let joined = client.call(3, &classic("")).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!(client.call(1, &join("a", "topic")).await.error_code, 69);

    // What is left of the consumer protocol is gone for good, the offsets stay.
    let broker = broker.restart(&[]).await;
    let mut client = broker.client().await;
    let none = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group("g")]);
    assert_eq!(client.call(0, &none).await.groups[0].error_code, 69);
    tell(&mut client, &join("b", "topic")).await;
    let of = OffsetFetchRequestGroup::default().with_group_id(group("g")).with_topics(None);
    let all = OffsetFetchRequest::default().with_groups(vec![of]);
    let found = client.call(8, &all).await.groups.remove(0);
    assert_eq!(found.topics[0].partitions[0].committed_offset, 7);
    tell(&mut client, &beat("b", -1)).await;
    assert_eq!(client.call(2, &delete).await.results[0].error_code, 0);
    let broker = broker.restart(&[]).await;
    let mut client = broker.client().await;
    assert!(client.call(5, &ListGroupsRequest::default()).await.groups.is_empty());
}

#[tokio::test]
async fn new_partitions_and_topics_reach_the_members_with_their_next_heartbeat() {
    let (_broker, mut client) = start().await;
    let by_pattern = join("a", "topic")
        .with_subscribed_topic_names(None)
        .with_subscribed_topic_regex(Some(text("topic.*|__consumer_.*")));
    let first = tell(&mut client, &by_pattern).await;
    assert_eq!(partitions(&first), 7, "internal topics match a pattern as any other");
    client.create_topic("topic-2", 3).await;
    let more = tell(&mut client, &beat("a", 1)).await;
    assert_eq!((more.member_epoch, partitions(&more)), (2, 10));
    // A member learns the names of what it was given by the ids, with empty
    // names where null is meant.
    let topics = more.assignment.unwrap().topic_partitions.into_iter().map(|topic| {
        MetadataRequestTopic::default().with_topic_id(topic.topic_id).with_name(Some(name("")))
    });
    let request = MetadataRequest::default().with_topics(Some(topics.collect()));
    let mut names: Vec<String> = client
        .call(12, &request)
        .await
        .topics
        .into_iter()
        .map(|topic| topic.name.unwrap().to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["__consumer_offsets", "topic", "topic-2"]);
}

#[tokio::test]
async fn heartbeats_that_cannot_be_are_refused_with_kafkas_code() {
    let (_broker, mut client) = start().await;
    let instance = |member: &str, epoch: i32| {
        let request = if epoch == 0 { join(member, "topic") } else { beat(member, epoch) };
        request.with_instance_id(Some(text("i")))
    };
    tell(&mut client, &instance("a", 0)).await;
    let long = "x".repeat(5000);
    for (request, code) in [
        (join("a", "topic").with_group_id(group("")), 42),
        (join("", "topic"), 42),
        (join(&long, "topic"), 42),
        (beat("x", 0), 42),
        (beat("x", 3), 25),
        (beat("x", 3).with_group_id(group("none")), 25),
        (instance("a", 3), 110),
        (instance("b", 1), 82),
        (instance("b", 0), 111),
        (join("b", "topic").with_server_assignor(Some(text("sticky"))), 112),
        (join("b", "topic").with_subscribed_topic_regex(Some(text("("))), 128),
    ] {
        let refused = client.call(1, &request).await;
        assert_eq!(refused.error_code, code, "{request:?}");
        assert!(refused.error_message.is_some());
    }
    // In v0 the broker makes a member's id.
    let named = client.call(0, &join("", "topic").with_group_id(group("v0"))).await;
    assert_eq!(named.error_code, 0);
    assert!(!named.member_id.unwrap().is_empty());
}

#[tokio::test]
async fn a_join_that_could_not_be_written_down_leaves_no_member_behind() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 4).await;
    // Nobody has asked for the coordinator yet, so its topic is not there.
    let refused = client.call(1, &join("ghost", "topic")).await;
    assert_eq!(refused.error_code, 15, "{:?}", refused.error_message);
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
    assert_eq!(client.call(4, &request).await.coordinators[0].error_code, 0);
    assert_eq!(partitions(&tell(&mut client, &join("a", "topic")).await), 4);
}

#[tokio::test]
async fn clients_are_told_that_the_consumer_protocol_is_in_force() {
    let (_broker, mut client) = start().await;
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"));
    let told = client.call(4, &request).await;
    let feature = told.finalized_features.iter().find(|f| f.name.as_str() == "group.version");
    assert_eq!(feature.map(|feature| feature.max_version_level), Some(1));
    assert!(told.finalized_features_epoch >= 0);
}

#[tokio::test]
async fn offsets_of_a_topic_that_a_member_reads_are_not_deleted_under_it() {
    let (_broker, mut client) = start().await;
    let epoch = tell(&mut client, &join("m", "topic")).await.member_epoch;
    assert_eq!(commit_code(&mut client, 9, &commit("m", epoch)).await, 0);
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(name("topic"))
        .with_partitions(vec![OffsetDeleteRequestPartition::default()]);
    let request = OffsetDeleteRequest::default().with_group_id(group("g")).with_topics(vec![topic]);
    let response = client.call(0, &request).await;
    assert_eq!(response.topics[0].partitions[0].error_code, 86);
    tell(&mut client, &beat("m", -1)).await;
    let response = client.call(0, &request).await;
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
}
