//! What groups have committed for a topic goes with it, whatever interrupts the deletion.

use std::{fs, path::Path};

use kafka_protocol::messages::{
    DeleteTopicsRequest, FindCoordinatorRequest, GroupId, OffsetCommitRequest, OffsetFetchRequest,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_fetch_request::OffsetFetchRequestTopic,
};

use crate::support::{Client, TestBroker, name, text};

fn group() -> GroupId {
    GroupId(text("group"))
}

async fn commit(client: &mut Client, topic: &str) {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(7);
    let topic =
        OffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let response = client.call(7, &request).await;
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
}

async fn committed(client: &mut Client, topic: &str) -> i64 {
    let topic =
        OffsetFetchRequestTopic::default().with_name(name(topic)).with_partition_indexes(vec![0]);
    let request =
        OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic]));
    client.call(7, &request).await.topics[0].partitions[0].committed_offset
}

async fn delete(client: &mut Client) {
    let request = DeleteTopicsRequest::default().with_topic_names(vec![name("topic")]);
    assert_eq!(client.call(5, &request).await.responses[0].error_code, 0);
}

/// The folders of a stopped broker that begin so, as they are now.
fn copy(from: &Path, to: &Path, prefixes: &[&str]) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let folder = path.file_name().unwrap().to_str().unwrap();
        if !prefixes.iter().any(|prefix| folder.starts_with(prefix)) {
            continue;
        }
        let copied = to.join(folder);
        let _ = fs::remove_dir_all(&copied);
        fs::create_dir_all(&copied).unwrap();
        for file in fs::read_dir(&path).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, copied.join(file.file_name().unwrap())).unwrap();
        }
    }
}

/// Commits for two topics, deletes one of them and does what `then` wants, and brings the
/// folders with these prefixes back as they were before the deletion.
async fn interrupted(then: impl AsyncFnOnce(&mut Client), prefixes: &[&str]) -> TestBroker {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    client.create_topic("other", 1).await;
    let key = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group")]);
    client.call(4, &key).await;
    commit(&mut client, "topic").await;
    commit(&mut client, "other").await;
    drop(client);
    let TestBroker { broker, directory } = broker;
    broker.shutdown().await;
    let before = tempfile::tempdir().unwrap();
    copy(directory.path(), before.path(), prefixes);

    let start = async || {
        let config = crate::support::config(directory.path(), &[]);
        longshore_broker::Broker::start(config).await.unwrap()
    };
    let broker = start().await;
    let mut client = Client::connect(broker.local_addr()).await;
    assert_eq!(committed(&mut client, "topic").await, 7);
    delete(&mut client).await;
    assert_eq!(committed(&mut client, "topic").await, -1);
    then(&mut client).await;
    drop(client);
    broker.shutdown().await;
    copy(before.path(), directory.path(), prefixes);
    let broker = start().await;
    TestBroker { broker, directory }
}

#[tokio::test]
async fn offsets_of_a_topic_whose_deletion_a_crash_cut_short_are_gone_after_it() {
    let broker = interrupted(async |_| {}, &["__consumer_offsets"]).await;
    let mut client = broker.client().await;
    assert_eq!(committed(&mut client, "topic").await, -1);
    client.create_topic("topic", 1).await;
    let broker = broker.restart(&[]).await;
    let mut client = broker.client().await;
    assert_eq!(committed(&mut client, "topic").await, -1, "not for its namesake either");
    assert_eq!(committed(&mut client, "other").await, 7);
}

#[tokio::test]
async fn a_topic_made_anew_before_the_crash_begins_without_the_offsets_of_the_old_one() {
    let remade = async |client: &mut Client| client.create_topic("topic", 1).await;
    let broker = interrupted(remade, &["__consumer_offsets", "topic-"]).await;
    let mut client = broker.client().await;
    assert_eq!(committed(&mut client, "topic").await, -1);
    assert_eq!(committed(&mut client, "other").await, 7);
    commit(&mut client, "topic").await;
    let broker = broker.restart(&[]).await;
    assert_eq!(committed(&mut broker.client().await, "topic").await, 7, "its own stay");
}
