//! Membership and committed offsets.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetFetchRequest, SyncGroupRequest,
    join_group_request::JoinGroupRequestProtocol,
    leave_group_request::MemberIdentity,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
    sync_group_request::SyncGroupRequestAssignment,
};

use longshore_broker::Broker;

use crate::{
    support::{Client, TestBroker, config, name, text},
    transactional::{Producer, Rules},
};

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

pub(crate) fn join(id: &str, member: &str) -> JoinGroupRequest {
    JoinGroupRequest::default()
        .with_group_id(group(id))
        .with_member_id(text(member))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("connect"))
        .with_protocols(vec![
            JoinGroupRequestProtocol::default()
                .with_name(text("eager"))
                .with_metadata(Bytes::from_static(b"meta")),
        ])
}

pub(crate) async fn coordinator(client: &mut Client) {
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
    let response = client.call(4, &request).await;
    assert_eq!(response.coordinators[0].error_code, 0);
}

/// Joins as a new member would: refused once, to be given an id.
pub(crate) async fn join_anew(client: &mut Client, id: &str) -> JoinGroupResponse {
    let first = client.call(9, &join(id, "")).await;
    assert_eq!(first.error_code, 79, "MEMBER_ID_REQUIRED");
    client.call(9, &join(id, &first.member_id)).await
}

pub(crate) fn sync(
    id: &str,
    joined: &JoinGroupResponse,
    assignments: &[(&str, &str)],
) -> SyncGroupRequest {
    let assignments = assignments.iter().map(|(member, assignment)| {
        SyncGroupRequestAssignment::default()
            .with_member_id(text(member))
            .with_assignment(Bytes::copy_from_slice(assignment.as_bytes()))
    });
    SyncGroupRequest::default()
        .with_group_id(group(id))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(assignments.collect())
}

pub(crate) async fn beat(client: &mut Client, id: &str, joined: &JoinGroupResponse) -> i16 {
    let request = HeartbeatRequest::default()
        .with_group_id(group(id))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone());
    client.call(4, &request).await.error_code
}

/// A commit of partition 0 of `topic`.
pub(crate) fn commit(
    id: &str,
    member: &str,
    generation: i32,
    offset: i64,
    metadata: &str,
) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text(metadata)));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(name("topic"))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group(id))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(text(member))
        .with_topics(vec![topic])
}

pub(crate) async fn commit_code(client: &mut Client, request: &OffsetCommitRequest) -> i16 {
    client.call(8, request).await.topics[0].partitions[0].error_code
}

pub(crate) async fn committed(
    client: &mut Client,
    groups: &[&str],
) -> HashMap<String, (i64, String)> {
    let groups = groups.iter().map(|id| {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(name("topic"))
            .with_partition_indexes(vec![0]);
        OffsetFetchRequestGroup::default().with_group_id(group(id)).with_topics(Some(vec![topic]))
    });
    let request = OffsetFetchRequest::default().with_groups(groups.collect());
    let response = client.call(8, &request).await;
    let found = response.groups.into_iter().map(|group| {
        assert_eq!(group.error_code, 0);
        let partition = &group.topics[0].partitions[0];
        let metadata = partition.metadata.as_deref().unwrap_or_default().to_owned();
        (group.group_id.to_string(), (partition.committed_offset, metadata))
    });
    found.collect()
}

/// A broker with the topic that is committed to, and a client that has found the
/// groups' coordinator.
async fn begin() -> (TestBroker, Client) {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    coordinator(&mut client).await;
    (broker, client)
}

/// The same broker, where offsets expire as soon as nobody keeps them.
async fn restart_without_retention(broker: TestBroker) -> TestBroker {
    let TestBroker { broker, directory } = broker;
    broker.shutdown().await;
    let mut expiring = config(directory.path(), &[("offsets.retention.check.interval.ms", "10")]);
    expiring.offsets_retention = Duration::from_millis(1);
    TestBroker { broker: Broker::start(expiring).await.unwrap(), directory }
}

#[tokio::test]
async fn two_members_share_a_group_of_any_protocol_type() {
    let (broker, mut one) = begin().await;
    let mut two = broker.client().await;
    let alone = join_anew(&mut one, "g").await;
    assert_eq!((alone.error_code, alone.generation_id), (0, 1));
    assert_eq!(alone.leader, alone.member_id);
    let assigned = one.call(5, &sync("g", &alone, &[(&alone.member_id, "all")])).await;
    assert_eq!(assigned.assignment, "all");
    assert_eq!(beat(&mut one, "g", &alone).await, 0);

    // The second's join waits until the first has heard of the rebalance.
    let first = two.call(9, &join("g", "")).await;
    let waiting = two.send(9, &join("g", &first.member_id)).await;
    while beat(&mut one, "g", &alone).await != 27 {
        tokio::task::yield_now().await;
    }
    let leader = one.call(9, &join("g", &alone.member_id)).await;
    let follower = two.receive::<JoinGroupRequest>(9, waiting).await;
    assert_eq!((leader.generation_id, follower.generation_id), (2, 2));
    assert_eq!(leader.members.len(), 2);
    assert!(follower.members.is_empty());
    assert_eq!(leader.members[0].metadata, "meta");

    let waiting = two.send(5, &sync("g", &follower, &[])).await;
    let halves = [(&*leader.member_id, "first"), (&*follower.member_id, "second")];
    assert_eq!(one.call(5, &sync("g", &leader, &halves)).await.assignment, "first");
    assert_eq!(two.receive::<SyncGroupRequest>(5, waiting).await.assignment, "second");

    let request = DescribeGroupsRequest::default().with_groups(vec![group("g"), group("none")]);
    let described = one.call(5, &request).await.groups;
    assert_eq!(described[0].group_state.as_str(), "Stable");
    assert_eq!(described[0].protocol_type.as_str(), "connect");
    assert_eq!(described[0].members.len(), 2);
    assert_eq!(described[0].members[1].client_host.as_str(), "/127.0.0.1");
    assert_eq!(described[1].group_state.as_str(), "Dead");
    let filter = ListGroupsRequest::default().with_states_filter(vec![text("stable")]);
    let listed = one.call(5, &filter).await.groups;
    assert_eq!((listed.len(), listed[0].group_type.as_str()), (1, "classic"));

    let leaving = MemberIdentity::default().with_member_id(follower.member_id.clone());
    let stranger = MemberIdentity::default().with_member_id(text("stranger"));
    let request = LeaveGroupRequest::default()
        .with_group_id(group("g"))
        .with_members(vec![leaving, stranger]);
    let left = two.call(5, &request).await;
    let codes: Vec<i16> = left.members.iter().map(|member| member.error_code).collect();
    assert_eq!(codes, [0, 25]);
    assert_eq!(beat(&mut one, "g", &leader).await, 27);
}

#[tokio::test]
async fn before_v4_a_member_is_taken_without_a_second_join() {
    let (_broker, mut client) = begin().await;
    for version in 0..4 {
        let id = format!("g{version}");
        let joined = client.call(version, &join(&id, "")).await;
        assert_eq!((joined.error_code, joined.generation_id), (0, 1), "version {version}");
    }
}

#[tokio::test]
async fn a_static_member_comes_back_without_a_rebalance_and_fences_its_former_self() {
    let (broker, mut one) = begin().await;
    let mut two = broker.client().await;
    let fixed = |member: &str| join("g", member).with_group_instance_id(Some(text("fixed")));
    let first = one.call(9, &fixed("")).await;
    assert_eq!((first.error_code, first.generation_id), (0, 1));
    let give = sync("g", &first, &[(&first.member_id, "mine")])
        .with_group_instance_id(Some(text("fixed")));
    one.call(5, &give).await;
    let again = two.call(9, &fixed("")).await;
    assert_eq!((again.error_code, again.generation_id), (0, 1));
    assert!(again.skip_assignment);
    assert_ne!(again.member_id, first.member_id);
    let mine = sync("g", &again, &[]).with_group_instance_id(Some(text("fixed")));
    assert_eq!(two.call(5, &mine).await.assignment, "mine");
    assert_eq!(one.call(5, &give).await.error_code, 82);
    let beat = HeartbeatRequest::default()
        .with_group_id(group("g"))
        .with_generation_id(1)
        .with_member_id(first.member_id)
        .with_group_instance_id(Some(text("fixed")));
    assert_eq!(one.call(4, &beat).await.error_code, 82);
}

#[tokio::test]
async fn joins_that_cannot_be_are_refused_with_kafkas_code() {
    let (_broker, mut client) = begin().await;
    let joined = join_anew(&mut client, "g").await;
    client.call(5, &sync("g", &joined, &[])).await;
    for (request, code) in [
        (join("", ""), 24),
        (join("g", "stranger"), 25),
        (join("none", "stranger"), 25),
        (join("g", "").with_session_timeout_ms(1), 26),
        (join("g", "").with_session_timeout_ms(i32::MAX), 26),
        (join("g", "").with_session_timeout_ms(-1), 26),
        (join("g", "").with_protocols(vec![]), 23),
        (join("g", "").with_protocol_type(text("consumer")), 23),
    ] {
        assert_eq!(client.call(9, &request).await.error_code, code, "{request:?}");
    }
    let full = TestBroker::start(&[("group.max.size", "1")]).await;
    let mut client = full.client().await;
    coordinator(&mut client).await;
    join_anew(&mut client, "g").await;
    assert_eq!(client.call(9, &join("g", "")).await.error_code, 81);
}

#[tokio::test]
async fn commits_that_cannot_be_are_refused_with_kafkas_code() {
    let (_broker, mut client) = begin().await;
    let joined = join_anew(&mut client, "g").await;
    let completing = commit("g", &joined.member_id, 1, 1, "");
    assert_eq!(commit_code(&mut client, &completing).await, 27);
    client.call(5, &sync("g", &joined, &[])).await;
    let long = "x".repeat(5000);
    let mut elsewhere = commit("g", &joined.member_id, 1, 1, "");
    elsewhere.topics[0].partitions[0].partition_index = 5;
    for (request, code) in [
        (commit("g", "", -1, 1, ""), 25),
        (commit("g", "stranger", 1, 1, ""), 25),
        (commit("g", &joined.member_id, 2, 1, ""), 22),
        (commit("none", "m", 1, 1, ""), 22),
        (commit("g", &joined.member_id, 1, 1, &long), 12),
        (elsewhere, 3),
    ] {
        assert_eq!(commit_code(&mut client, &request).await, code);
    }
    assert_eq!(committed(&mut client, &["g"]).await["g"].0, -1);
    // From v9 on a client tells a group that is gone from a generation that is.
    let absent = client.call(9, &commit("none", "m", 1, 1, "")).await;
    assert_eq!(absent.topics[0].partitions[0].error_code, 69);
}

#[tokio::test]
async fn the_empty_group_id_has_offsets_but_no_members() {
    let (_broker, mut client) = begin().await;
    assert_eq!(commit_code(&mut client, &commit("", "", -1, 4, "")).await, 0);
    assert_eq!(committed(&mut client, &[""]).await[""].0, 4);
    let nobody = JoinGroupResponse::default();
    assert_eq!(client.call(9, &join("", "")).await.error_code, 24);
    assert_eq!(client.call(5, &sync("", &nobody, &[])).await.error_code, 24);
    assert_eq!(beat(&mut client, "", &nobody).await, 24);
    let leaving = LeaveGroupRequest::default().with_group_id(group(""));
    assert_eq!(client.call(5, &leaving).await.error_code, 24);
}

#[tokio::test]
async fn offsets_expire_only_where_nobody_subscribes_and_the_group_goes_with_its_last() {
    let (broker, mut client) = begin().await;
    client.create_topic("kept", 1).await;
    let mut subscription = b"\0\x01\0\0\0\x01\0\x04kept".to_vec();
    subscription.extend_from_slice(&[0xff; 4]);
    let subscribed = |member: &str| {
        let mut request = join("live", member).with_protocol_type(text("consumer"));
        request.protocols[0].metadata = subscription.clone().into();
        request.with_session_timeout_ms(120_000)
    };
    let first = client.call(9, &subscribed("")).await;
    let joined = client.call(9, &subscribed(&first.member_id)).await;
    client.call(5, &sync("live", &joined, &[(&joined.member_id, "x")])).await;
    let mut both = commit("live", &joined.member_id, 1, 1, "");
    both.topics.push(both.topics[0].clone().with_name(name("kept")));
    assert_eq!(commit_code(&mut client, &both).await, 0);
    assert_eq!(commit_code(&mut client, &commit("simple", "", -1, 2, "")).await, 0);

    let broker = restart_without_retention(broker).await;
    let mut client = broker.client().await;
    let all = |id: &str| {
        let of = OffsetFetchRequestGroup::default().with_group_id(group(id)).with_topics(None);
        OffsetFetchRequest::default().with_groups(vec![of])
    };
    loop {
        let found = client.call(8, &all("live")).await;
        let topics: Vec<&str> = found.groups[0].topics.iter().map(|topic| &**topic.name).collect();
        let simple = client.call(8, &all("simple")).await;
        if topics == ["kept"] && simple.groups[0].topics.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    loop {
        let listed = client.call(5, &ListGroupsRequest::default()).await.groups;
        if listed.len() == 1 {
            assert_eq!(listed[0].group_id, group("live"));
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_offset_that_an_open_transaction_is_about_to_replace_does_not_expire() {
    let (broker, mut client) = begin().await;
    assert_eq!(commit_code(&mut client, &commit("open", "", -1, 5, "")).await, 0);
    let producer = Producer::start(&mut client, "producer", Rules::EpochBump).await;
    producer.commit_offset(&mut client, "open", "topic", 9).await;

    let broker = restart_without_retention(broker).await;
    let mut client = broker.client().await;
    coordinator(&mut client).await;
    // The second has expired in another pass than the first, which saw all groups.
    for _ in 0..2 {
        assert_eq!(commit_code(&mut client, &commit("other", "", -1, 1, "")).await, 0);
        while committed(&mut client, &["other"]).await["other"].0 >= 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(committed(&mut client, &["open"]).await["open"].0, 5);
}

#[tokio::test]
async fn only_groups_without_members_are_deleted_and_stay_so() {
    let (broker, mut client) = begin().await;
    commit_code(&mut client, &commit("idle", "", -1, 5, "")).await;
    join_anew(&mut client, "busy").await;
    let names = vec![group("idle"), group("busy"), group("none")];
    let request = DeleteGroupsRequest::default().with_groups_names(names);
    let results = client.call(2, &request).await.results;
    let codes: Vec<i16> = results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [0, 68, 69]);
    let broker = broker.restart(&[]).await;
    let mut client = broker.client().await;
    assert_eq!(committed(&mut client, &["idle"]).await["idle"].0, -1);
    // The name is free again.
    assert_eq!(commit_code(&mut client, &commit("idle", "", -1, 6, "")).await, 0);
}
