//! What is there after a shutdown and after a loss.

use std::fs;

use longshore_broker::{Broker, DataDirError, StartError};

use crate::support::{Client, TestBroker, batch, batches, config};

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
