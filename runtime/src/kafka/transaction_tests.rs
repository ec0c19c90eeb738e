//! Transactions against the included broker, over real sockets.

use std::collections::HashMap;
use std::time::Duration;

use kafka_protocol::ResponseError;

use super::broker_tests::{Cluster, DEADLINE, config, read_until, values};
use super::{
    Admin, Consumer, ErrorClass, KafkaTransactions, OffsetCommit, OffsetReset, ProduceError,
    ProducerConfig, Start, TopicPartition, Transactional, TransactionalProducer,
};

const ID: &str = "fleet-count-0";

fn transactions(cluster: &Cluster, id: &str) -> KafkaTransactions {
    let transactional = Transactional { id: id.to_owned(), timeout: DEADLINE };
    let config = ProducerConfig {
        transactional: Some(transactional),
        delivery_timeout: DEADLINE,
        ..ProducerConfig::new(config(cluster.port))
    };
    KafkaTransactions::new(&config).unwrap()
}

fn partition(topic: &str) -> TopicPartition {
    TopicPartition::new(topic, 0)
}

async fn send(producer: &KafkaTransactions, topic: &str, value: &str) -> Result<(), ProduceError> {
    let batch = values([value.to_owned()]);
    producer.records().send(topic, Some(0), &batch).await?.wait().await
}

fn offset(topic: &str, offset: i64) -> OffsetCommit {
    OffsetCommit { partition: partition(topic), offset, metadata: "fleet".into() }
}

/// What `read_committed` shows of a partition up to its end.
async fn visible(cluster: &Cluster, topic: &str) -> Vec<String> {
    let consumer = cluster.consumer("connect-look", OffsetReset::Earliest).share();
    let at = partition(topic);
    let end = consumer.end_offsets(std::slice::from_ref(&at)).await.unwrap()[&at];
    consumer.assign(&[(at, Start::Offset(0))]).await.unwrap();
    let mut seen = Vec::new();
    if end > 0 {
        read_until(&consumer, |_, batch, next_offset, _| {
            let text = |at| String::from_utf8(batch.value(at).unwrap().to_vec()).unwrap();
            seen.extend((0..batch.len()).map(text));
            // Control records count: the position passes them.
            next_offset >= end
        })
        .await;
    }
    seen
}

async fn committed(cluster: &Cluster, group: &str) -> HashMap<TopicPartition, i64> {
    let consumer = cluster.consumer(group, OffsetReset::Earliest).share();
    let found = consumer.committed(&[partition("in")]).await.unwrap();
    found.into_iter().map(|(at, it)| (at, it.offset)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_and_offsets_of_a_transaction_become_visible_together_or_never() {
    let cluster = Cluster::start().await;
    for topic in ["in", "out", "changelog"] {
        cluster.topic(topic, 1, &[]).await;
    }
    let producer = transactions(&cluster, ID);
    producer.init().await.unwrap();

    producer.begin().await.unwrap();
    send(&producer, "out", "kept").await.unwrap();
    send(&producer, "changelog", "kept").await.unwrap();
    producer.send_offsets("connect-count", &[offset("in", 7)]).await.unwrap();
    producer.commit().await.unwrap();

    producer.begin().await.unwrap();
    send(&producer, "out", "given up").await.unwrap();
    send(&producer, "changelog", "given up").await.unwrap();
    producer.send_offsets("connect-count", &[offset("in", 9)]).await.unwrap();
    producer.abort().await;

    for topic in ["out", "changelog"] {
        assert_eq!(visible(&cluster, topic).await, ["kept"], "{topic}");
    }
    assert_eq!(committed(&cluster, "connect-count").await, HashMap::from([(partition("in"), 7)]));
    // An offset without a record is a transaction too.
    producer.begin().await.unwrap();
    producer.send_offsets("connect-count", &[offset("in", 8)]).await.unwrap();
    producer.commit().await.unwrap();
    assert_eq!(committed(&cluster, "connect-count").await, HashMap::from([(partition("in"), 8)]));
    let lags = cluster.admin.group_lag("connect-count").await.unwrap();
    assert_eq!((lags.len(), lags[0].committed, &*lags[0].metadata), (1, 8, "fleet"));
}

/// How far a transaction came before its producer was killed.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum After {
    Begin,
    Produce,
    Offsets,
    Commit,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_step_a_producer_dies_after_the_next_one_finds_all_of_it_or_nothing() {
    let cluster = Cluster::start().await;
    for topic in ["in", "out"] {
        cluster.topic(topic, 1, &[]).await;
    }
    let mut expected = Vec::new();
    let mut position = None;
    let steps = [After::Begin, After::Produce, After::Offsets, After::Commit];
    for (turn, killed) in steps.into_iter().enumerate() {
        let producer = transactions(&cluster, ID);
        producer.init().await.unwrap();
        // What the predecessor left open has ended: nothing waits for it.
        assert_eq!(visible(&cluster, "out").await, expected, "before {killed:?}");
        let found = committed(&cluster, "connect-count").await;
        assert_eq!(found.get(&partition("in")).copied(), position, "before {killed:?}");

        let (value, next) = (format!("{killed:?}"), turn as i64 + 1);
        producer.begin().await.unwrap();
        if killed >= After::Produce {
            send(&producer, "out", &value).await.unwrap();
        }
        if killed >= After::Offsets {
            producer.send_offsets("connect-count", &[offset("in", next)]).await.unwrap();
        }
        if killed >= After::Commit {
            producer.commit().await.unwrap();
            expected.push(value);
            position = Some(next);
        }
        // Killed: it says nothing more, and is not asked to.
        drop(producer);
    }
    transactions(&cluster, ID).init().await.unwrap();
    assert_eq!(visible(&cluster, "out").await, expected);
    assert_eq!(expected, ["Commit"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_whose_id_was_taken_over_commits_nothing_and_says_who_did_it() {
    let cluster = Cluster::start().await;
    cluster.topic("out", 1, &[]).await;
    let (old, new) = (transactions(&cluster, ID), transactions(&cluster, ID));
    old.init().await.unwrap();
    old.begin().await.unwrap();
    send(&old, "out", "old").await.unwrap();
    new.init().await.unwrap();
    let error = old.commit().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fenced, "{error}");
    let told = error.to_string();
    assert!(
        told.contains(&format!("longshore txn describe {ID}"))
            && told.contains("another producer with this id took over"),
        "{told}"
    );
    // It cannot write into the next one's transaction either.
    new.begin().await.unwrap();
    let begun = old.begin().await.unwrap_err();
    assert_eq!(begun.class(), ErrorClass::Fenced, "{begun}");
    send(&new, "out", "new").await.unwrap();
    new.commit().await.unwrap();
    assert_eq!(visible(&cluster, "out").await, ["new"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_refused_is_told_whichever_record_is_heard_of_first() {
    let cluster = Cluster::start().await;
    cluster.topic("out", 1, &[]).await;
    cluster.topic("small", 1, &[("max.message.bytes", "1000")]).await;
    let producer = transactions(&cluster, ID);
    producer.init().await.unwrap();
    producer.begin().await.unwrap();
    let own = send(&producer, "small", &"x".repeat(2000)).await.unwrap_err();
    // Its transaction has failed: this one is not even taken.
    let other = send(&producer, "out", "fine").await.unwrap_err();
    for error in [own, other] {
        let told = producer.cause(error);
        let text = told.to_string();
        assert!(text.contains("small [0]") && text.contains("too large"), "{text}");
        assert_eq!(told.class(), ErrorClass::Fatal, "{text}");
    }
    producer.abort().await;
    assert!(visible(&cluster, "out").await.is_empty());
    // In a transaction that goes on an error is its own cause.
    producer.begin().await.unwrap();
    assert!(matches!(producer.cause(ProduceError::Closed), ProduceError::Closed));
    send(&producer, "out", "kept").await.unwrap();
    producer.commit().await.unwrap();
    assert_eq!(visible(&cluster, "out").await, ["kept"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stable_end_stands_before_an_open_transaction_and_stable_offsets_wait_for_its_end() {
    let cluster = Cluster::start().await;
    for topic in ["in", "out"] {
        cluster.topic(topic, 1, &[]).await;
    }
    let producer = transactions(&cluster, ID);
    producer.init().await.unwrap();
    producer.begin().await.unwrap();
    send(&producer, "out", "a").await.unwrap();
    producer.send_offsets("connect-count", &[offset("in", 1)]).await.unwrap();

    let consumer = cluster.consumer("connect-count", OffsetReset::Earliest).share();
    let out = [partition("out")];
    assert_eq!(consumer.end_offsets(&out).await.unwrap()[&out[0]], 1);
    assert_eq!(consumer.stable_offsets(&out).await.unwrap()[&out[0]], 0);
    // The figures of tools do not wait.
    assert!(cluster.admin.group_lag("connect-count").await.unwrap().is_empty());
    let input = [partition("in")];
    let mut asked = consumer.committed(&input);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut asked).await;
    assert!(early.is_err(), "an offset was answered that the transaction may change");
    producer.commit().await.unwrap();
    assert_eq!(asked.await.unwrap()[&input[0]].offset, 1);
    // The commit's own marker is a record.
    assert_eq!(consumer.stable_offsets(&out).await.unwrap()[&out[0]], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_arrives_late_does_not_fence_who_took_the_id_over() {
    let cluster = Cluster::start().await;
    cluster.topic("out", 1, &[]).await;
    let (old, new) = (transactions(&cluster, ID), transactions(&cluster, ID));
    old.init().await.unwrap();
    let owner = cluster.admin.describe_transaction(ID).await.unwrap();
    new.init().await.unwrap();
    let late = || async {
        let owner = (owner.producer_id, owner.producer_epoch);
        cluster.admin.try_fence_owner(ID, owner, 60_000).await.unwrap();
    };
    late().await;
    new.begin().await.unwrap();
    send(&new, "out", "a").await.unwrap();
    late().await;
    send(&new, "out", "b").await.unwrap();
    new.commit().await.unwrap();
    assert_eq!(visible(&cluster, "out").await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_the_leader_fences_cannot_go_on_whether_a_transaction_was_open_or_not() {
    let cluster = Cluster::start().await;
    cluster.topic("out", 1, &[]).await;
    cluster.admin.fence_producer("nobody-has-it", DEADLINE).await.unwrap();
    for is_open in [true, false] {
        let owner = transactions(&cluster, ID);
        owner.init().await.unwrap();
        if is_open {
            owner.begin().await.unwrap();
            send(&owner, "out", "lost").await.unwrap();
        }
        let fenced = cluster.admin.describe_transaction(ID).await.unwrap();
        cluster.admin.fence_producer(ID, DEADLINE).await.unwrap();
        assert!(cluster.admin.describe_transaction(ID).await.unwrap().is_over());
        let fenced = (fenced.producer_id, fenced.producer_epoch);
        let error = cluster.admin.try_fence(ID, fenced, 60_000).await.unwrap_err();
        assert_eq!(error.code(), Some(ResponseError::ProducerFenced), "its next epoch is nobody's");
        let before = cluster.admin.describe_transaction(ID).await.unwrap().producer_epoch;
        // Each asks for the id in its next epoch, as a producer may after an error.
        if !is_open {
            owner.begin().await.unwrap();
        }
        send(&owner, "out", "zombie").await.unwrap_err();
        owner.abort().await;
        let error = owner.begin().await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Fenced, "{is_open}: {error}");
        let after = cluster.admin.describe_transaction(ID).await.unwrap().producer_epoch;
        assert_eq!(after, before);
    }
    assert!(visible(&cluster, "out").await.is_empty());
}
