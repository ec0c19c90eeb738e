//! A partition of `__consumer_offsets` that cannot be read takes its groups along:
//! they must not be served as new, or their consumers begin anew.

use std::fs;

use kafka_protocol::messages::{
    DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    OffsetCommitRequest, OffsetFetchRequest,
    join_group_request::JoinGroupRequestProtocol,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
};
use longshore_broker::Broker;

use crate::support::{Client, TestBroker, config, name, text};

const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;

/// Two groups of different partitions of three: the hash of one letter is its code.
const LOST: &str = "a";
const KEPT: &str = "b";
const LOST_PARTITION: usize = b'a' as usize % 3;

fn id(group: &str) -> GroupId {
    GroupId(text(group))
}

async fn find(client: &mut Client, group: &str) -> i16 {
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(group)]);
    client.call(4, &request).await.coordinators[0].error_code
}

async fn commit(client: &mut Client, group: &str) -> i16 {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(7);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(name("topic"))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(id(group))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    client.call(8, &request).await.topics[0].partitions[0].error_code
}

/// The group's error code and committed offset.
async fn fetch(client: &mut Client, group: &str) -> (i16, Option<i64>) {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(name("topic"))
        .with_partition_indexes(vec![0]);
    let asked =
        OffsetFetchRequestGroup::default().with_group_id(id(group)).with_topics(Some(vec![topic]));
    let response = client.call(8, &OffsetFetchRequest::default().with_groups(vec![asked])).await;
    let answered = &response.groups[0];
    let partition = answered.topics.first().and_then(|topic| topic.partitions.first());
    (answered.error_code, partition.map(|partition| partition.committed_offset))
}

/// The code that versions before 8 have: theirs is one for the whole answer.
async fn fetch_alone(client: &mut Client, group: &str) -> i16 {
    let request = OffsetFetchRequest::default().with_group_id(id(group)).with_topics(None);
    client.call(7, &request).await.error_code
}

async fn join(client: &mut Client, group: &str) -> i16 {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
    let request = JoinGroupRequest::default()
        .with_group_id(id(group))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    client.call(9, &request).await.error_code
}

#[tokio::test]
async fn groups_whose_offsets_are_lost_are_not_served_as_new() {
    let TestBroker { broker, directory } = TestBroker::start(&[]).await;
    let mut client = Client::connect(broker.local_addr()).await;
    client.create_topic("topic", 1).await;
    for group in [LOST, KEPT] {
        assert_eq!(find(&mut client, group).await, 0);
        assert_eq!(commit(&mut client, group).await, 0);
    }
    broker.shutdown().await;
    let folder = directory.path().join(format!("__consumer_offsets-{LOST_PARTITION}"));
    fs::remove_file(folder.join(".kafka_cleanshutdown")).unwrap();
    let log = folder.join("00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&log, bytes).unwrap();

    let broker = Broker::start(config(directory.path(), &[])).await.unwrap();
    let mut client = Client::connect(broker.local_addr()).await;
    assert_eq!(find(&mut client, LOST).await, COORDINATOR_NOT_AVAILABLE);
    assert_eq!(fetch(&mut client, LOST).await, (NOT_COORDINATOR, None));
    assert_eq!(fetch_alone(&mut client, LOST).await, NOT_COORDINATOR);
    assert_eq!(join(&mut client, LOST).await, NOT_COORDINATOR);
    assert_eq!(commit(&mut client, LOST).await, NOT_COORDINATOR);
    let beat = HeartbeatRequest::default().with_group_id(id(LOST)).with_member_id(text("m"));
    assert_eq!(client.call(4, &beat).await.error_code, NOT_COORDINATOR);
    let describe = DescribeGroupsRequest::default().with_groups(vec![id(LOST)]);
    assert_eq!(client.call(5, &describe).await.groups[0].error_code, NOT_COORDINATOR);

    assert_eq!(find(&mut client, KEPT).await, 0);
    assert_eq!(fetch(&mut client, KEPT).await, (0, Some(7)));
    assert_eq!(commit(&mut client, KEPT).await, 0);
    broker.shutdown().await;
}
