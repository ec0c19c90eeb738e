//! What is there after a shutdown and after a loss.

use std::fs;

use kafka_protocol::messages::{
    DeleteTopicsRequest, ListOffsetsRequest, MetadataRequest, OffsetForLeaderEpochRequest,
    ProduceResponse, ResponseHeader,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    metadata_request::MetadataRequestTopic,
    offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
};
use kafka_protocol::protocol::Decodable;
use longshore_broker::{Broker, DataDirError, StartError};
use tokio::{io::AsyncWriteExt, sync::mpsc, task::JoinSet};

use crate::support::{
    Client, TestBroker, batch, batches, config, encode, fetch_request, name, produce_request,
};

#[tokio::test]
async fn records_and_topics_are_there_after_a_restart() {
    let broker = TestBroker::start(&[]).await;
    let cluster = broker.broker.cluster_id().to_owned();
    let mut client = broker.client().await;
    client.create_topic("topic", 2).await;
    client.produce("topic", 1, 1, batch(&["a", "b"])).await;
    let broker = broker.restart(&[]).await;
    assert_eq!(broker.broker.cluster_id(), cluster);
    let mut client = broker.client().await;
    assert_eq!(batches(&client.fetch("topic", 1, 0).await)[0].record_count, 2);
    assert_eq!(client.produce("topic", 1, 1, batch(&["c"])).await.base_offset, 2);
}

#[tokio::test]
async fn a_partition_that_was_never_written_to_is_led_in_the_same_epoch_after_a_restart() {
    let broker = TestBroker::start(&[]).await;
    broker.client().await.create_topic("topic", 1).await;
    let broker = broker.restart(&[]).await;
    assert_eq!(leader_epoch(&mut broker.client().await).await, 0);
    let TestBroker { broker, directory } = broker;
    drop(broker);
    let broker = Broker::start(config(directory.path(), &[])).await.unwrap();
    let mut client = Client::connect(broker.local_addr()).await;
    assert_eq!(leader_epoch(&mut client).await, 0, "a crash lost nothing either");
    broker.shutdown().await;
}

#[tokio::test]
async fn a_broker_that_was_dropped_without_shutdown_starts_again() {
    let TestBroker { broker, directory } = TestBroker::start(&[]).await;
    let mut client = Client::connect(broker.local_addr()).await;
    client.create_topic("topic", 1).await;
    client.produce("topic", 0, -1, batch(&["acknowledged"])).await;
    drop(broker);
    let broker = Broker::start(config(directory.path(), &[])).await.unwrap();
    let mut client = Client::connect(broker.local_addr()).await;
    assert_eq!(batches(&client.fetch("topic", 0, 0).await).len(), 1);
    broker.shutdown().await;
}

/// A disk that failed and a broker that stops must not look alike to those who are
/// told: an error of storage wakes operators.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_client_hears_of_a_log_that_a_shutdown_has_closed() {
    const PARTITIONS: i32 = 8;
    let mut broker = TestBroker::start(&[]).await;
    broker.client().await.create_topic("topic", PARTITIONS).await;
    for _ in 0..10 {
        let mut writers = JoinSet::new();
        let (writing, mut begun) = mpsc::channel(PARTITIONS as usize);
        for partition in 0..PARTITIONS {
            let (mut client, writing) = (broker.client().await, writing.clone());
            writers.spawn(async move {
                loop {
                    let request = produce_request("topic", partition, -1, batch(&["a"]));
                    let frame = encode(9, 1, &request);
                    if client.stream.write_all(&frame).await.is_err() {
                        return;
                    }
                    let Some(mut answer) = client.receive_frame().await else { return };
                    ResponseHeader::decode(&mut answer, 1).unwrap();
                    let answer = ProduceResponse::decode(&mut answer, 9).unwrap();
                    let told = &answer.responses[0].partition_responses[0];
                    assert_eq!(told.error_code, 0, "{:?}", told.error_message);
                    let _ = writing.try_send(partition);
                }
            });
        }
        for _ in 0..PARTITIONS {
            begun.recv().await.unwrap();
        }
        broker = broker.restart(&[]).await;
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
    }
}

#[tokio::test]
async fn two_brokers_never_share_a_directory() {
    let broker = TestBroker::start(&[]).await;
    let second = Broker::start(config(broker.directory.path(), &[])).await;
    assert!(matches!(second, Err(StartError::DataDir(DataDirError::InUse { .. }))));
}

#[tokio::test]
async fn a_corrupt_partition_is_offline_and_the_others_are_served() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic_with("topic", 2, &[("flush.messages", "1")]).await;
    for partition in 0..2 {
        for _ in 0..3 {
            client.produce("topic", partition, -1, batch(&["x"])).await;
        }
    }
    let TestBroker { broker, directory } = broker;
    broker.shutdown().await;
    // Not a clean shutdown, as far as the log can tell, and a flipped bit below
    // the recovery point.
    let folder = directory.path().join("topic-0");
    let mut names: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let clean = names.iter().find(|path| path.to_string_lossy().contains("clean"));
    clean.map(fs::remove_file).transpose().unwrap();
    let segment = names.iter().find(|path| path.extension().is_some_and(|e| e == "log")).unwrap();
    let mut bytes = fs::read(segment).unwrap();
    bytes[40] ^= 1;
    fs::write(segment, bytes).unwrap();

    let broker = Broker::start(config(directory.path(), &[])).await.unwrap();
    let mut client = Client::connect(broker.local_addr()).await;
    let produced = client.produce("topic", 1, 1, batch(&["x"])).await;
    assert_eq!((produced.error_code, produced.base_offset), (0, 3));
    let fetched = client.fetch("topic", 0, 0).await;
    assert_eq!(fetched.responses[0].partitions[0].error_code, 56);
    assert_eq!(client.produce("topic", 0, 1, batch(&["x"])).await.error_code, 56);
    broker.shutdown().await;
}

#[tokio::test]
async fn an_address_that_means_every_interface_must_be_advertised_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let every = ("listeners", "PLAINTEXT://0.0.0.0:0");
    let refused = Broker::start(config(directory.path(), &[every])).await;
    assert!(matches!(refused, Err(StartError::NotAdvertisable { .. })));
    let advertised = ("advertised.listeners", "PLAINTEXT://example.org:1234");
    let broker = Broker::start(config(directory.path(), &[every, advertised])).await.unwrap();
    let address = ([127, 0, 0, 1], broker.local_addr().port()).into();
    let mut client = Client::connect(address).await;
    let request = kafka_protocol::messages::MetadataRequest::default();
    let response = client.call(1, &request).await;
    assert_eq!(response.brokers[0].host.as_str(), "example.org");
    assert_eq!(response.brokers[0].port, 1234);
}

/// Where an epoch of partition 0 ended: the epoch that it is about, and the offset.
async fn end_of_epoch(client: &mut Client, epoch: i32) -> (i32, i64) {
    let partition =
        OffsetForLeaderPartition::default().with_current_leader_epoch(-1).with_leader_epoch(epoch);
    let topic =
        OffsetForLeaderTopic::default().with_topic(name("topic")).with_partitions(vec![partition]);
    let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
    let answer = client.call(4, &request).await.topics[0].partitions[0].clone();
    assert_eq!(answer.error_code, 0);
    (answer.leader_epoch, answer.end_offset)
}

async fn leader_epoch(client: &mut Client) -> i32 {
    let topic = MetadataRequestTopic::default().with_name(Some(name("topic")));
    let request = MetadataRequest::default().with_topics(Some(vec![topic]));
    client.call(12, &request).await.topics[0].partitions[0].leader_epoch
}

async fn epoch_of_log_end(client: &mut Client) -> i32 {
    let partition =
        ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(-1);
    let topic =
        ListOffsetsTopic::default().with_name(name("topic")).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    client.call(7, &request).await.topics[0].partitions[0].leader_epoch
}

#[tokio::test]
async fn who_has_read_what_a_crash_lost_finds_out_by_the_leader_epoch() {
    let TestBroker { broker, directory } = TestBroker::start(&[]).await;
    let mut client = Client::connect(broker.local_addr()).await;
    // The batches are of the past: retention would take them.
    client.create_topic_with("topic", 1, &[("retention.ms", "-1")]).await;
    for value in ["kept", "kept too", "lost"] {
        client.produce("topic", 0, -1, batch(&[value])).await;
    }
    assert_eq!(leader_epoch(&mut client).await, 0);
    drop(broker);
    // What the kernel had not written is gone after a power failure.
    let log = directory.path().join("topic-0/00000000000000000000.log");
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 1]).unwrap();

    let broker = Broker::start(config(directory.path(), &[])).await.unwrap();
    let mut client = Client::connect(broker.local_addr()).await;
    assert_eq!(leader_epoch(&mut client).await, 1);
    assert_eq!(end_of_epoch(&mut client, 0).await, (0, 2), "offset 2 was read, and is no more");
    let mut old = fetch_request("topic", 0, 2);
    old.topics[0].partitions[0].current_leader_epoch = 0;
    let fenced = client.call(12, &old).await.responses[0].partitions[0].error_code;
    assert_eq!(fenced, 74, "FENCED_LEADER_EPOCH sends a consumer to the new epoch");
    // A consumer that begins here asks for the end of the epoch that it is told.
    assert_eq!(epoch_of_log_end(&mut client).await, 1);
    assert_eq!(end_of_epoch(&mut client, 1).await, (1, 2));
    client.produce("topic", 0, -1, batch(&["new"])).await;
    assert_eq!(batches(&client.fetch("topic", 0, 2).await)[0].leader_epoch, 1);
    assert_eq!(end_of_epoch(&mut client, 0).await, (0, 2));
    assert_eq!(end_of_epoch(&mut client, 1).await, (1, 3));

    broker.shutdown().await;
    let broker = Broker::start(config(directory.path(), &[])).await.unwrap();
    let mut client = Client::connect(broker.local_addr()).await;
    assert_eq!(leader_epoch(&mut client).await, 1, "a clean shutdown loses nothing");
    assert_eq!(end_of_epoch(&mut client, 0).await, (0, 2));
    broker.shutdown().await;
}

#[tokio::test]
async fn a_partition_that_lost_all_of_its_records_is_led_in_an_epoch_that_was_never_there() {
    let rarely = [("log.flush.scheduler.interval.ms", "3600000")];
    let TestBroker { broker, directory } = TestBroker::start(&rarely).await;
    let mut client = Client::connect(broker.local_addr()).await;
    client.create_topic_with("topic", 1, &[("retention.ms", "-1")]).await;
    for value in ["lost", "lost too"] {
        client.produce("topic", 0, -1, batch(&[value])).await;
    }
    drop(broker);
    let folder = directory.path().join("topic-0");
    fs::write(folder.join("00000000000000000000.log"), b"").unwrap();
    let broker = Broker::start(config(directory.path(), &[])).await.unwrap();
    let mut client = Client::connect(broker.local_addr()).await;
    assert_eq!(leader_epoch(&mut client).await, 1);
    assert_eq!(end_of_epoch(&mut client, 0).await, (0, 0), "nothing of it is left");
    broker.shutdown().await;

    // The log has been led in an epoch that an older journal does not know.
    fs::write(folder.join("leader-epoch-checkpoint"), "0\n1\n9 0\n").unwrap();
    let broker = Broker::start(config(directory.path(), &[])).await.unwrap();
    let mut client = Client::connect(broker.local_addr()).await;
    assert_eq!(leader_epoch(&mut client).await, 10);
    broker.shutdown().await;
}

#[tokio::test]
async fn folders_of_a_topic_whose_deletion_a_crash_interrupted_are_set_aside_at_start() {
    let TestBroker { broker, directory } = TestBroker::start(&[]).await;
    let mut client = Client::connect(broker.local_addr()).await;
    for topic in ["deleted", "kept"] {
        client.create_topic(topic, 1).await;
        client.produce(topic, 0, -1, batch(&["x"])).await;
    }
    // The journal has the deletion, the folder was not yet renamed.
    let (folder, aside) = (directory.path().join("deleted-0"), directory.path().join("aside"));
    fs::create_dir(&aside).unwrap();
    for file in fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), aside.join(file.file_name())).unwrap();
    }
    let request = DeleteTopicsRequest::default().with_topic_names(vec![name("deleted")]);
    assert_eq!(client.call(5, &request).await.responses[0].error_code, 0);
    broker.shutdown().await;
    assert!(!folder.exists());
    fs::rename(&aside, &folder).unwrap();
    // Not a partition's, though it is named like one.
    fs::create_dir(directory.path().join("notes-1")).unwrap();

    let broker = Broker::start(config(directory.path(), &[])).await.unwrap();
    assert!(!folder.exists());
    assert!(directory.path().join("deleted-0.0-stray").join("partition.metadata").is_file());
    assert!(directory.path().join("notes-1").exists());
    let mut client = Client::connect(broker.local_addr()).await;
    assert_eq!(batches(&client.fetch("kept", 0, 0).await).len(), 1);
    broker.shutdown().await;
}

#[tokio::test]
async fn without_its_journal_a_broker_removes_nothing() {
    let TestBroker { broker, directory } = TestBroker::start(&[]).await;
    let mut client = Client::connect(broker.local_addr()).await;
    client.create_topic("topic", 1).await;
    broker.shutdown().await;
    fs::remove_dir_all(directory.path().join("metadata")).unwrap();
    let broker = Broker::start(config(directory.path(), &[])).await.unwrap();
    assert!(directory.path().join("topic-0").exists());
    broker.shutdown().await;
}
