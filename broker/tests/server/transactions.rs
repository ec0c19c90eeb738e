//! The transaction coordinator, request by request.

use std::{
    fs,
    time::{Duration, Instant},
};

use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DeleteTopicsRequest, InitProducerIdRequest, ListTransactionsRequest,
    OffsetCommitRequest, ProducerId, TransactionalId, WriteTxnMarkersRequest,
    add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction},
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic},
};
use longshore_broker::{Broker, log::BatchBuilder};

use crate::{
    support::{Client, TestBroker, config, name, text},
    transactional::{
        BOTH, CONCURRENT_TRANSACTIONS, INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING,
        INVALID_TXN_STATE, PRODUCER_FENCED, Producer, Rules, TRANSACTIONAL_ID_NOT_FOUND,
        UNSTABLE_OFFSET_COMMIT, committed, contents, describe, find_group,
    },
};

const COORDINATOR_NOT_AVAILABLE: i16 = 15;

const PATIENCE: Duration = Duration::from_secs(20);

const CONFIG: &[(&str, &str)] = &[("transaction.state.log.num.partitions", "3")];

async fn broker_with_topic() -> (TestBroker, Client) {
    let broker = TestBroker::start(CONFIG).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 3).await;
    (broker, client)
}

#[tokio::test]
async fn a_commit_reaches_every_partition_and_the_next_transaction_follows_at_once() {
    for rules in BOTH {
        let (_broker, mut client) = broker_with_topic().await;
        let mut producer = Producer::start(&mut client, "tx", rules).await;
        for round in ["a", "b"] {
            producer.write(&mut client, "topic", 0, round).await;
            producer.write(&mut client, "topic", 0, "more").await;
            producer.write(&mut client, "topic", 2, round).await;
            assert_eq!(describe(&mut client, "tx").await, (0, "Ongoing".to_owned()));
            producer.end(&mut client, true).await;
            assert_eq!(describe(&mut client, "tx").await, (0, "CompleteCommit".to_owned()));
        }
        let all = ["a", "more", "COMMIT", "b", "more", "COMMIT"];
        assert_eq!(contents(&mut client, "topic", 0).await, all, "{rules:?}");
        assert!(contents(&mut client, "topic", 1).await.is_empty());
        assert_eq!(contents(&mut client, "topic", 2).await, ["a", "COMMIT", "b", "COMMIT"]);
        let expected_epoch = if rules == Rules::Classic { 0 } else { 2 };
        assert_eq!(producer.epoch, expected_epoch, "KIP-890 bumps with every end");
    }
}

#[tokio::test]
async fn an_abort_reaches_every_partition() {
    for rules in BOTH {
        let (_broker, mut client) = broker_with_topic().await;
        let mut producer = Producer::start(&mut client, "tx", rules).await;
        producer.write(&mut client, "topic", 0, "a").await;
        producer.write(&mut client, "topic", 1, "a").await;
        producer.end(&mut client, false).await;
        producer.write(&mut client, "topic", 0, "b").await;
        producer.end(&mut client, true).await;
        assert_eq!(contents(&mut client, "topic", 0).await, ["a", "ABORT", "b", "COMMIT"]);
        assert_eq!(contents(&mut client, "topic", 1).await, ["a", "ABORT"]);
    }
}

#[tokio::test]
async fn a_second_producer_of_an_id_aborts_and_fences_the_first() {
    for rules in BOTH {
        let (_broker, mut client) = broker_with_topic().await;
        let mut first = Producer::start(&mut client, "tx", rules).await;
        first.write(&mut client, "topic", 0, "of the first").await;
        let mut second = Producer::new("tx", rules);
        assert_eq!(second.try_init(&mut client, false).await, CONCURRENT_TRANSACTIONS);
        assert_eq!(second.try_init(&mut client, false).await, 0);
        assert_eq!(second.producer_id, first.producer_id);
        assert!(second.epoch > first.epoch + 1, "nobody was given the fence's epoch");

        // The zombie's end in every version, with the code that the version knows.
        for version in 0..=5 {
            let expected = if version < 2 { INVALID_PRODUCER_EPOCH } else { PRODUCER_FENCED };
            assert_eq!(first.end_in(&mut client, version, true).await.0, expected, "v{version}");
        }
        assert_eq!(first.add(&mut client, "topic", 1).await, PRODUCER_FENCED);
        for partition in 0..2 {
            let refused = first.produce(&mut client, "topic", partition, "zombie").await;
            assert_eq!(refused, INVALID_PRODUCER_EPOCH, "partition {partition}");
        }
        assert_eq!(first.try_init(&mut client, true).await, PRODUCER_FENCED);

        second.write(&mut client, "topic", 0, "of the second").await;
        second.end(&mut client, true).await;
        let all = ["of the first", "ABORT", "of the second", "COMMIT"];
        assert_eq!(contents(&mut client, "topic", 0).await, all);
    }
}

#[tokio::test]
async fn a_transaction_that_lasts_too_long_is_aborted_and_its_producer_fenced() {
    for rules in BOTH {
        let check = ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "10");
        let broker = TestBroker::start(&[check, CONFIG[0]]).await;
        let mut client = broker.client().await;
        client.create_topic("topic", 1).await;
        let mut producer = Producer::start(&mut client, "tx", rules).await;
        producer.timeout_ms = 50;
        assert_eq!(producer.try_init(&mut client, true).await, 0);
        producer.write(&mut client, "topic", 0, "late").await;
        let deadline = Instant::now() + PATIENCE;
        while contents(&mut client, "topic", 0).await != ["late", "ABORT"] {
            assert!(Instant::now() < deadline, "no abort within the deadline");
        }
        assert_eq!(producer.try_end(&mut client, true).await, PRODUCER_FENCED);
        let mut next = Producer::start(&mut client, "tx", rules).await;
        next.write(&mut client, "topic", 0, "in time").await;
        next.end(&mut client, true).await;
    }
}

#[tokio::test]
async fn an_end_sent_again_has_the_same_answer_and_the_opposite_is_refused() {
    for rules in BOTH {
        let (_broker, mut client) = broker_with_topic().await;
        let mut producer = Producer::start(&mut client, "tx", rules).await;
        let version = if rules == Rules::Classic { 3 } else { 5 };
        for commits in [true, false] {
            producer.write(&mut client, "topic", 0, "x").await;
            let first = producer.end_in(&mut client, version, commits).await;
            assert_eq!(first.0, 0);
            assert_eq!(producer.end_in(&mut client, version, commits).await, first);
            let opposite = producer.end_in(&mut client, version, !commits).await;
            assert_eq!(opposite.0, INVALID_TXN_STATE);
            if rules == Rules::EpochBump {
                (producer.producer_id, producer.epoch) = (first.1, first.2);
            }
        }
        assert_eq!(contents(&mut client, "topic", 0).await, ["x", "COMMIT", "x", "ABORT"]);
    }
}

#[tokio::test]
async fn an_end_that_comes_too_late_does_not_end_the_next_transaction() {
    let (_broker, mut client) = broker_with_topic().await;
    let mut producer = Producer::start(&mut client, "tx", Rules::EpochBump).await;
    producer.write(&mut client, "topic", 0, "first").await;
    let delayed = producer.clone();
    producer.end(&mut client, true).await;
    producer.write(&mut client, "topic", 0, "second").await;
    assert_eq!(delayed.end_in(&mut client, 5, true).await.0, PRODUCER_FENCED);
    assert_eq!(describe(&mut client, "tx").await.1, "Ongoing");
    producer.end(&mut client, false).await;
    let all = ["first", "COMMIT", "second", "ABORT"];
    assert_eq!(contents(&mut client, "topic", 0).await, all);
}

#[tokio::test]
async fn an_end_without_a_transaction_is_refused_but_kip_890_may_abort() {
    let (_broker, mut client) = broker_with_topic().await;
    let mut classic = Producer::start(&mut client, "classic", Rules::Classic).await;
    for commits in [true, false] {
        assert_eq!(classic.try_end(&mut client, commits).await, INVALID_TXN_STATE);
    }
    let mut bumping = Producer::start(&mut client, "bumping", Rules::EpochBump).await;
    assert_eq!(bumping.try_end(&mut client, true).await, INVALID_TXN_STATE);
    bumping.end(&mut client, false).await;
    assert_eq!(bumping.epoch, 1);
    let unknown = Producer::new("unknown", Rules::Classic);
    assert_eq!(unknown.end_in(&mut client, 3, true).await.0, INVALID_PRODUCER_ID_MAPPING);
}

#[tokio::test]
async fn offsets_of_a_transaction_appear_when_it_commits_and_not_before() {
    for rules in BOTH {
        let (_broker, mut client) = broker_with_topic().await;
        let mut producer = Producer::start(&mut client, "tx", rules).await;
        producer.commit_offset(&mut client, "group", "topic", 5).await;
        assert_eq!(committed(&mut client, "group", "topic", false).await, (0, -1));
        let unstable = (UNSTABLE_OFFSET_COMMIT, -1);
        assert_eq!(committed(&mut client, "group", "topic", true).await, unstable);
        producer.end(&mut client, true).await;
        assert_eq!(committed(&mut client, "group", "topic", true).await, (0, 5));

        producer.commit_offset(&mut client, "group", "topic", 9).await;
        assert_eq!(committed(&mut client, "group", "topic", false).await, (0, 5));
        producer.end(&mut client, false).await;
        assert_eq!(committed(&mut client, "group", "topic", true).await, (0, 5), "aborted");
    }
}

#[tokio::test]
async fn offsets_are_not_taken_from_a_producer_that_is_fenced_or_has_not_added_the_group() {
    let (_broker, mut client) = broker_with_topic().await;
    find_group(&mut client, "group").await;
    let mut producer = Producer::start(&mut client, "tx", Rules::Classic).await;
    producer.write(&mut client, "topic", 0, "x").await;
    let not_added = producer.try_commit_offset(&mut client, "group", "topic", 5).await;
    assert_eq!(not_added, INVALID_TXN_STATE);
    assert_eq!(producer.add_offsets(&mut client, "group").await, 0);
    let _second = Producer::start(&mut client, "tx", Rules::Classic).await;
    let fenced = producer.try_commit_offset(&mut client, "group", "topic", 5).await;
    assert_eq!(fenced, INVALID_PRODUCER_EPOCH);
    assert_eq!(committed(&mut client, "group", "topic", true).await, (0, -1));
}

#[tokio::test]
async fn a_plain_commit_after_one_in_a_transaction_wins_here_and_after_a_restart() {
    let (broker, mut client) = broker_with_topic().await;
    let mut producer = Producer::start(&mut client, "tx", Rules::Classic).await;
    producer.commit_offset(&mut client, "group", "topic", 5).await;
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(7);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(name("topic"))
        .with_partitions(vec![partition]);
    let plain = OffsetCommitRequest::default()
        .with_group_id(kafka_protocol::messages::GroupId(text("group")))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    assert_eq!(client.call(8, &plain).await.topics[0].partitions[0].error_code, 0);
    producer.end(&mut client, true).await;
    assert_eq!(committed(&mut client, "group", "topic", true).await, (0, 7));
    let broker = broker.restart(CONFIG).await;
    let mut client = broker.client().await;
    assert_eq!(committed(&mut client, "group", "topic", true).await, (0, 7));
}

#[tokio::test]
async fn an_open_transaction_survives_a_restart_and_can_be_ended() {
    for rules in BOTH {
        for commits in [true, false] {
            let (broker, mut client) = broker_with_topic().await;
            let mut producer = Producer::start(&mut client, "tx", rules).await;
            producer.write(&mut client, "topic", 0, "before").await;
            producer.commit_offset(&mut client, "group", "topic", 5).await;
            let broker = broker.restart(CONFIG).await;
            let mut client = broker.client().await;
            assert_eq!(describe(&mut client, "tx").await.1, "Ongoing");
            let unstable = (UNSTABLE_OFFSET_COMMIT, -1);
            assert_eq!(committed(&mut client, "group", "topic", true).await, unstable);
            producer.write(&mut client, "topic", 0, "after").await;
            producer.end(&mut client, commits).await;
            let (marker, offset) = if commits { ("COMMIT", 5) } else { ("ABORT", -1) };
            let all = ["before", "after", marker];
            assert_eq!(contents(&mut client, "topic", 0).await, all);
            assert_eq!(committed(&mut client, "group", "topic", true).await, (0, offset));
            // And once more, now that the log holds the end as well.
            let broker = broker.restart(CONFIG).await;
            let mut client = broker.client().await;
            assert_eq!(committed(&mut client, "group", "topic", true).await, (0, offset));
            producer.write(&mut client, "topic", 0, "next").await;
            producer.end(&mut client, true).await;
        }
    }
}

#[tokio::test]
async fn a_producer_that_goes_on_after_an_error_gets_one_new_epoch_however_often_it_asks() {
    let (_broker, mut client) = broker_with_topic().await;
    let mut producer = Producer::start(&mut client, "tx", Rules::Classic).await;
    let before = producer.clone();
    assert_eq!(producer.try_init(&mut client, true).await, 0);
    assert_eq!((producer.producer_id, producer.epoch), (before.producer_id, before.epoch + 1));
    // The answer was lost: it asks with what it had.
    let mut again = before.clone();
    assert_eq!(again.try_init(&mut client, true).await, 0);
    assert_eq!(again.epoch, producer.epoch);
    // Once the new epoch is in use, who still has the old one is a zombie.
    producer.write(&mut client, "topic", 0, "x").await;
    let mut zombie = before;
    assert_eq!(zombie.try_init(&mut client, true).await, PRODUCER_FENCED);
    assert_eq!(describe(&mut client, "tx").await.1, "Ongoing", "it aborted nothing");
    producer.end(&mut client, true).await;
}

#[tokio::test]
async fn a_producer_that_asks_amid_its_transaction_goes_on_after_the_abort() {
    let (_broker, mut client) = broker_with_topic().await;
    let mut producer = Producer::start(&mut client, "tx", Rules::Classic).await;
    producer.write(&mut client, "topic", 0, "x").await;
    assert_eq!(producer.try_init(&mut client, true).await, CONCURRENT_TRANSACTIONS);
    assert_eq!(producer.try_init(&mut client, true).await, 0);
    producer.write(&mut client, "topic", 0, "y").await;
    producer.end(&mut client, true).await;
    assert_eq!(contents(&mut client, "topic", 0).await, ["x", "ABORT", "y", "COMMIT"]);
}

#[tokio::test]
async fn a_batch_for_a_partition_that_was_not_added_is_refused() {
    let (_broker, mut client) = broker_with_topic().await;
    let mut producer = Producer::start(&mut client, "tx", Rules::Classic).await;
    assert_eq!(producer.produce(&mut client, "topic", 0, "x").await, INVALID_TXN_STATE);
    producer.write(&mut client, "topic", 1, "x").await;
    assert_eq!(producer.produce(&mut client, "topic", 0, "x").await, INVALID_TXN_STATE);
    producer.end(&mut client, true).await;
    assert_eq!(producer.produce(&mut client, "topic", 1, "y").await, INVALID_TXN_STATE);
    assert!(contents(&mut client, "topic", 0).await.is_empty());
}

#[tokio::test]
async fn partitions_are_added_all_or_none() {
    let (_broker, mut client) = broker_with_topic().await;
    let producer = Producer::start(&mut client, "tx", Rules::Classic).await;
    let topics = [("topic", vec![0, 9]), ("none", vec![0]), ("__consumer_offsets", vec![0])];
    let topics: Vec<_> = topics
        .into_iter()
        .map(|(topic, partitions)| {
            AddPartitionsToTxnTopic::default().with_name(name(topic)).with_partitions(partitions)
        })
        .collect();
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(producer.id.clone())
        .with_v3_and_below_producer_id(ProducerId(producer.producer_id))
        .with_v3_and_below_producer_epoch(producer.epoch)
        .with_v3_and_below_topics(topics.clone());
    let response = client.call(3, &request).await;
    let codes: Vec<i16> = response
        .results_by_topic_v3_and_below
        .iter()
        .flat_map(|topic| &topic.results_by_partition)
        .map(|partition| partition.partition_error_code)
        .collect();
    assert_eq!(codes, [55, 3, 3, 29]);
    assert_eq!(describe(&mut client, "tx").await.1, "Empty");

    // Brokers of other nodes ask for many at once, or only whether.
    for (verify_only, code) in [(true, 120), (false, 0), (true, 0)] {
        let topic =
            AddPartitionsToTxnTopic::default().with_name(name("topic")).with_partitions(vec![1]);
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(producer.id.clone())
            .with_producer_id(ProducerId(producer.producer_id))
            .with_producer_epoch(producer.epoch)
            .with_verify_only(verify_only)
            .with_topics(vec![topic]);
        let request = AddPartitionsToTxnRequest::default().with_transactions(vec![transaction]);
        let response = client.call(5, &request).await;
        let result = &response.results_by_transaction[0].topic_results[0].results_by_partition[0];
        assert_eq!(result.partition_error_code, code, "verify only {verify_only}");
    }
}

#[tokio::test]
async fn a_topic_deleted_amid_a_transaction_does_not_keep_it_from_ending() {
    for rules in BOTH {
        let (_broker, mut client) = broker_with_topic().await;
        client.create_topic("other", 1).await;
        let mut producer = Producer::start(&mut client, "tx", rules).await;
        producer.write(&mut client, "other", 0, "x").await;
        producer.write(&mut client, "topic", 0, "x").await;
        let delete = DeleteTopicsRequest::default().with_topic_names(vec![name("other")]);
        assert_eq!(client.call(5, &delete).await.responses[0].error_code, 0);
        producer.end(&mut client, true).await;
        assert_eq!(contents(&mut client, "topic", 0).await, ["x", "COMMIT"]);
        producer.write(&mut client, "topic", 0, "y").await;
        producer.end(&mut client, true).await;
    }
}

#[tokio::test]
async fn decisions_and_markers_are_flushed_where_the_topics_ask_for_it() {
    // Every step then waits for the disk: nothing may be answered out of turn.
    for rules in BOTH {
        let flush = ("log.flush.interval.messages", "1");
        let broker = TestBroker::start(&[flush, CONFIG[0]]).await;
        let mut client = broker.client().await;
        client.create_topic("topic", 2).await;
        let mut producer = Producer::start(&mut client, "tx", rules).await;
        for commits in [true, false, true] {
            // The markers of the last one may still be on their way to the disk.
            let deadline = Instant::now() + PATIENCE;
            while describe(&mut client, "tx").await.1.starts_with("Prepare") {
                assert!(Instant::now() < deadline, "markers are never flushed");
            }
            producer.write(&mut client, "topic", 0, "x").await;
            producer.write(&mut client, "topic", 1, "x").await;
            producer.end(&mut client, commits).await;
        }
        let deadline = Instant::now() + PATIENCE;
        let all = ["x", "COMMIT", "x", "ABORT", "x", "COMMIT"];
        while contents(&mut client, "topic", 1).await != all {
            assert!(Instant::now() < deadline, "a marker is missing");
        }
    }
}

#[tokio::test]
async fn an_id_that_nobody_uses_is_forgotten_for_good() {
    let config = [
        ("transactional.id.expiration.ms", "1"),
        ("transaction.remove.expired.transaction.cleanup.interval.ms", "10"),
        CONFIG[0],
    ];
    let broker = TestBroker::start(&config).await;
    let mut client = broker.client().await;
    Producer::start(&mut client, "tx", Rules::Classic).await;
    let deadline = Instant::now() + PATIENCE;
    while describe(&mut client, "tx").await.0 != TRANSACTIONAL_ID_NOT_FOUND {
        assert!(Instant::now() < deadline, "the id is still there");
    }
    let broker = broker.restart(CONFIG).await;
    let mut client = broker.client().await;
    assert_eq!(describe(&mut client, "tx").await.0, TRANSACTIONAL_ID_NOT_FOUND);
}

#[tokio::test]
async fn transactions_are_listed_by_state_producer_and_duration() {
    let (_broker, mut client) = broker_with_topic().await;
    let mut open = Producer::start(&mut client, "open", Rules::Classic).await;
    open.write(&mut client, "topic", 0, "x").await;
    let idle = Producer::start(&mut client, "idle", Rules::Classic).await;
    let mut listed = async |request: ListTransactionsRequest| {
        let response = client.call(1, &request.with_transactional_id_pattern(None)).await;
        assert_eq!(response.error_code, 0);
        let mut ids: Vec<String> = response
            .transaction_states
            .iter()
            .map(|state| {
                format!("{} {}", state.transactional_id.as_str(), &*state.transaction_state)
            })
            .collect();
        ids.sort();
        (ids, response.unknown_state_filters.len())
    };
    let all = ListTransactionsRequest::default().with_duration_filter(-1);
    let both = vec!["idle Empty".to_owned(), "open Ongoing".to_owned()];
    assert_eq!(listed(all.clone()).await, (both.clone(), 0));
    let by_state = all.clone().with_state_filters(vec![text("Ongoing"), text("Nonsense")]);
    assert_eq!(listed(by_state).await, (both[1..].to_vec(), 1));
    let by_producer = all.clone().with_producer_id_filters(vec![ProducerId(idle.producer_id)]);
    assert_eq!(listed(by_producer).await, (both[..1].to_vec(), 0));
    let by_duration = all.with_duration_filter(3_600_000);
    assert_eq!(listed(by_duration).await, (Vec::new(), 0));
    open.end(&mut client, true).await;
}

#[tokio::test]
async fn an_administrator_can_end_what_no_coordinator_knows_of() {
    let (_broker, mut client) = broker_with_topic().await;
    let mut producer = Producer::start(&mut client, "tx", Rules::Classic).await;
    producer.write(&mut client, "topic", 0, "x").await;
    let topics = [("topic", 0), ("none", 0), ("__transaction_state", 0)].map(|(topic, index)| {
        WritableTxnMarkerTopic::default().with_name(name(topic)).with_partition_indexes(vec![index])
    });
    let marker = WritableTxnMarker::default()
        .with_producer_id(ProducerId(producer.producer_id))
        .with_producer_epoch(producer.epoch)
        .with_coordinator_epoch(0)
        .with_transaction_result(false)
        .with_topics(topics.to_vec());
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let response = client.call(1, &request).await;
    let codes: Vec<i16> =
        response.markers[0].topics.iter().map(|topic| topic.partitions[0].error_code).collect();
    assert_eq!(codes, [0, 3, 29]);
    assert_eq!(contents(&mut client, "topic", 0).await, ["x", "ABORT"]);
}

#[tokio::test]
async fn ids_that_cannot_be_are_refused() {
    let (_broker, mut client) = broker_with_topic().await;
    for id in [String::new(), "x".repeat(2000)] {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text(&id))))
            .with_transaction_timeout_ms(1000);
        assert_eq!(client.call(4, &request).await.error_code, 42, "{} bytes", id.len());
    }
    // A producer id without its epoch says nothing.
    let half = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text("tx"))))
        .with_transaction_timeout_ms(1000)
        .with_producer_id(ProducerId(5));
    assert_eq!(client.call(4, &half).await.error_code, 42);
}

/// An id of partition 1 of three: the hash of one letter is its code.
const OF_PARTITION_1: &str = "a";

fn state_folder(broker: &TestBroker, partition: i32) -> std::path::PathBuf {
    broker.directory.path().join(format!("__transaction_state-{partition}"))
}

const FIRST_SEGMENT: &str = "00000000000000000000.log";

#[tokio::test]
async fn an_id_left_in_a_partition_that_is_not_its_own_does_not_get_its_old_epoch_back() {
    let (broker, mut client) = broker_with_topic().await;
    let first = Producer::start(&mut client, OF_PARTITION_1, Rules::Classic).await;
    let broker = broker.restart(CONFIG).await;
    let old = fs::read(state_folder(&broker, 1).join(FIRST_SEGMENT)).unwrap();
    let mut client = broker.client().await;
    let second = Producer::start(&mut client, OF_PARTITION_1, Rules::Classic).await;
    assert_eq!(second.epoch, first.epoch + 1);
    let TestBroker { broker, directory } = broker;
    broker.shutdown().await;
    let folder = directory.path().join("__transaction_state-2");
    assert!(!folder.join(".kafka_cleanshutdown").exists(), "nothing was ever written here");
    fs::write(folder.join(FIRST_SEGMENT), old).unwrap();
    let broker = Broker::start(config(directory.path(), CONFIG)).await.unwrap();
    let broker = TestBroker { broker, directory };
    let mut client = broker.client().await;
    let third = Producer::start(&mut client, OF_PARTITION_1, Rules::Classic).await;
    assert_eq!((third.producer_id, third.epoch), (second.producer_id, second.epoch + 1));
}

/// Stops the broker, lets `damage` work on the first segment of a partition of
/// the state topic and starts it again. The log was closed cleanly: nothing but
/// the load of the ids looks at it.
async fn restart_damaged(
    broker: TestBroker,
    partition: i32,
    damage: impl FnOnce(&mut Vec<u8>),
) -> TestBroker {
    let segment = state_folder(&broker, partition).join(FIRST_SEGMENT);
    let TestBroker { broker, directory } = broker;
    broker.shutdown().await;
    let mut bytes = fs::read(&segment).unwrap();
    damage(&mut bytes);
    fs::write(&segment, bytes).unwrap();
    let broker = Broker::start(config(directory.path(), CONFIG)).await.unwrap();
    TestBroker { broker, directory }
}

#[tokio::test]
async fn ids_of_a_partition_with_a_flipped_bit_are_not_begun_anew() {
    let (broker, mut client) = broker_with_topic().await;
    Producer::start(&mut client, OF_PARTITION_1, Rules::Classic).await;
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    let broker = restart_damaged(broker, 1, flip).await;
    let mut client = broker.client().await;
    let mut again = Producer::new(OF_PARTITION_1, Rules::Classic);
    assert_eq!(again.try_init(&mut client, false).await, COORDINATOR_NOT_AVAILABLE);
    Producer::start(&mut client, "b", Rules::Classic).await;
}

#[tokio::test]
async fn ids_of_a_partition_with_an_unreadable_record_are_not_begun_anew() {
    for value in [&b"\x00\x63"[..], b"\x00\x01\x00", b""] {
        let (broker, mut client) = broker_with_topic().await;
        Producer::start(&mut client, "b", Rules::Classic).await;
        let broker = restart_damaged(broker, 1, |bytes| {
            let mut builder = BatchBuilder::new(0);
            builder.push(0, Some(b"\x00\x00\x00\x01a"), Some(value), &[]);
            *bytes = builder.build().unwrap();
        })
        .await;
        let mut client = broker.client().await;
        let mut again = Producer::new(OF_PARTITION_1, Rules::Classic);
        let code = again.try_init(&mut client, false).await;
        assert_eq!(code, COORDINATOR_NOT_AVAILABLE, "{value:?}");
        Producer::start(&mut client, "b", Rules::Classic).await;
    }
}
