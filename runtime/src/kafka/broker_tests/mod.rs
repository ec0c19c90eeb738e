//! The clients against the included broker, over real sockets.
//!
//! | module | what it is |
//! | --- | --- |
//! | `membership` | a group of workers |
//! | `speed` | a measurement, by hand |

mod membership;
mod speed;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_broker::{Broker, BrokerConfig};
use tokio::sync::watch;

use super::admin::{Admin, AdminClient, NewTopic};
use super::{
    ClientError, ClusterConfig, ConnectorConsumer, ConsumeError, Consumer, ConsumerConfig,
    KafkaProducer, OffsetCommit, OffsetReset, ProduceError, Producer, ProducerConfig, Start,
    TaskConsumer, TopicPartition,
};
use crate::batch::Batch;

/// The longest that anything here may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);
/// How long one read waits.
const WAIT: Duration = Duration::from_millis(200);
const READ_BYTES: usize = 1 << 20;

async fn broker(dir: &Path, port: u16) -> Broker {
    let config = BrokerConfig::from_properties([
        ("node.id", "1".to_owned()),
        ("listeners", format!("PLAINTEXT://127.0.0.1:{port}")),
        ("log.dirs", dir.display().to_string()),
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
    ])
    .unwrap();
    Broker::start(config).await.unwrap()
}

pub(super) struct Cluster {
    broker: Option<Broker>,
    dir: tempfile::TempDir,
    pub(super) port: u16,
    pub(super) admin: Arc<AdminClient>,
}

impl Cluster {
    pub(super) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let broker = broker(dir.path(), 0).await;
        let port = broker.local_addr().port();
        let admin = Arc::new(AdminClient::new(config(port)).unwrap());
        Self { broker: Some(broker), dir, port, admin }
    }

    pub(super) async fn topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let configs = configs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let topic = NewTopic {
            name: name.into(),
            partitions: Some(partitions),
            replication_factor: Some(1),
            configs,
        };
        self.admin.create_topic(&topic).await.unwrap();
    }

    fn producer(&self) -> KafkaProducer {
        KafkaProducer::new(&ProducerConfig::new(config(self.port))).unwrap()
    }

    pub(super) fn consumer(&self, group: &str, reset: OffsetReset) -> ConnectorConsumer {
        let mut config = ConsumerConfig::new(config(self.port), Some(group.into()));
        config.offset_reset = reset;
        ConnectorConsumer::new(&config, self.admin.clone()).unwrap()
    }

    async fn stop(&mut self) {
        self.broker.take().unwrap().shutdown().await;
    }

    async fn start_again(&mut self) {
        self.broker = Some(broker(self.dir.path(), self.port).await);
    }
}

pub(super) fn config(port: u16) -> ClusterConfig {
    ClusterConfig::new(format!("127.0.0.1:{port}"), "test")
}

pub(super) fn values(values: impl IntoIterator<Item = String>) -> Batch {
    let mut batch = Batch::default();
    for value in values {
        batch.push(None, Some(value.as_bytes()), -1);
    }
    batch
}

/// Reads until `done` says that what came is enough.
pub(super) async fn read_until(
    consumer: &TaskConsumer,
    mut done: impl FnMut(&TopicPartition, &Batch, i64, bool) -> bool,
) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(fetched) = consumer.next(READ_BYTES, WAIT).await.unwrap() {
            fetched.batch.validate().unwrap();
            if done(&fetched.partition, &fetched.batch, fetched.next_offset, fetched.at_end) {
                return;
            }
        }
        assert!(Instant::now() < deadline, "not everything was read in {DEADLINE:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_produced_is_consumed_with_nulls_headers_and_timestamps() {
    let cluster = Cluster::start().await;
    cluster.topic("t", 1, &[]).await;
    let mut batch = Batch::default();
    batch.push(Some(b"k"), None, 1_700_000_000_123);
    batch.push_header(b"h", Some(b"1"));
    batch.push_header(b"h", None);
    batch.push(None, Some(b""), 1_700_000_000_456);
    batch.push(Some(b""), Some(b"value"), 1_700_000_000_789);
    batch.push_header(b"last", Some(b""));
    let producer = cluster.producer();
    producer.send("t", Some(0), &batch).await.unwrap().wait().await.unwrap();

    let consumer = cluster.consumer("connect-c", OffsetReset::Earliest).share();
    consumer.assign(&[(TopicPartition::new("t", 0), Start::Earliest)]).await.unwrap();
    let mut found = Batch::default();
    read_until(&consumer, |_, batch, next_offset, _| {
        found = batch.clone();
        next_offset == 3
    })
    .await;
    assert_eq!(found.len(), 3);
    assert_eq!((found.key(0), found.value(0)), (Some(&b"k"[..]), None));
    assert_eq!((found.key(1), found.value(1)), (None, Some(&b""[..])));
    assert_eq!((found.key(2), found.value(2)), (Some(&b""[..]), Some(&b"value"[..])));
    assert_eq!(found.columns.offset, [0, 1, 2]);
    assert_eq!(
        found.columns.timestamp_ms,
        [1_700_000_000_123, 1_700_000_000_456, 1_700_000_000_789]
    );
    assert_eq!(found.columns.header_count, [2, 0, 1]);
    let headers: Vec<_> =
        (0..3).map(|at| (found.header_name(at), found.header_value(at))).collect();
    assert_eq!(
        headers,
        [(&b"h"[..], Some(&b"1"[..])), (&b"h"[..], None), (&b"last"[..], Some(&b""[..]))]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_megabytes_pass_and_one_beyond_the_limit_is_named() {
    let cluster = Cluster::start().await;
    cluster.topic("large", 1, &[("max.message.bytes", "10000000")]).await;
    let producer = cluster.producer();
    let row = vec![b'x'; 5 << 20];
    let mut batch = Batch::default();
    for _ in 0..3 {
        batch.push(None, Some(&row), -1);
    }
    producer.send("large", None, &batch).await.unwrap().wait().await.unwrap();

    let mut beyond = Batch::default();
    beyond.push(None, Some(b"small"), -1);
    beyond.push(None, Some(&vec![b'x'; 9 << 20]), -1);
    let error = producer.send("large", None, &beyond).await.unwrap().wait().await.unwrap_err();
    assert!(matches!(error, ProduceError::TooLarge { at: 1, .. }), "{error}");

    let consumer = cluster.consumer("connect-large", OffsetReset::Earliest).share();
    consumer.assign(&[(TopicPartition::new("large", 0), Start::Earliest)]).await.unwrap();
    let mut sizes = Vec::new();
    read_until(&consumer, |_, batch, next_offset, _| {
        sizes.extend((0..batch.len()).map(|at| batch.value(at).unwrap().len()));
        next_offset == 4
    })
    .await;
    assert_eq!(sizes, [5 << 20, 5 << 20, 5 << 20, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_resumes_at_its_committed_offset_and_the_group_shows_its_lag() {
    let cluster = Cluster::start().await;
    cluster.topic("t", 2, &[]).await;
    let producer = cluster.producer();
    for partition in 0..2 {
        let batch = values((0..10).map(|n| format!("{partition}:{n}")));
        producer.send("t", Some(partition), &batch).await.unwrap().wait().await.unwrap();
    }
    let (a, b) = (TopicPartition::new("t", 0), TopicPartition::new("t", 1));
    {
        let consumer = cluster.consumer("connect-c", OffsetReset::Earliest).share();
        assert!(consumer.committed(std::slice::from_ref(&a)).await.unwrap().is_empty());
        let commit = |partition: &TopicPartition, offset| OffsetCommit {
            partition: partition.clone(),
            offset,
            metadata: "fleet-1".into(),
        };
        consumer.commit(&[commit(&a, 7), commit(&b, 10)]).await.unwrap();
    }
    let consumer = cluster.consumer("connect-c", OffsetReset::Earliest).share();
    let partitions = [a.clone(), b.clone()];
    let committed = consumer.committed(&partitions).await.unwrap();
    assert_eq!((committed[&a].offset, &*committed[&a].metadata), (7, "fleet-1"));
    assert_eq!(consumer.beginning_offsets(&partitions).await.unwrap()[&a], 0);
    assert_eq!(consumer.end_offsets(&partitions).await.unwrap()[&b], 10);
    let starts = partitions.map(|p| (p.clone(), Start::Offset(committed[&p].offset)));
    consumer.assign(&starts).await.unwrap();
    let mut seen = Vec::new();
    read_until(&consumer, |partition, batch, _, at_end| {
        seen.extend((0..batch.len()).map(|at| batch.value(at).unwrap().to_vec()));
        partition == &a && at_end
    })
    .await;
    assert_eq!(seen, [b"0:7", b"0:8", b"0:9"]);

    let lags = cluster.admin.group_lag("connect-c").await.unwrap();
    let lags: Vec<_> = lags.iter().map(|lag| (lag.partition.partition, lag.lag())).collect();
    assert_eq!(lags, [(0, Some(3)), (1, Some(0))]);
    let groups = cluster.admin.list_groups().await.unwrap();
    assert!(groups.iter().any(|group| group.group_id == "connect-c"), "{groups:?}");
    assert_eq!(cluster.admin.describe_group("connect-c").await.unwrap().members, []);
    cluster.admin.delete_group("connect-c").await.unwrap();
    assert!(cluster.admin.group_lag("connect-c").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_created_described_changed_and_deleted() {
    let cluster = Cluster::start().await;
    let admin = &cluster.admin;
    let described = admin.describe_cluster().await.unwrap();
    assert_eq!(described.brokers.len(), 1);
    assert_eq!(
        described.cluster_id.as_deref(),
        Some(cluster.broker.as_ref().unwrap().cluster_id())
    );
    cluster.topic("t", 3, &[("cleanup.policy", "compact")]).await;
    let again = NewTopic {
        name: "t".into(),
        partitions: None,
        replication_factor: None,
        configs: BTreeMap::new(),
    };
    let error = admin.create_topic(&again).await.unwrap_err();
    assert_eq!(error.code(), Some(kafka_protocol::ResponseError::TopicAlreadyExists), "{error}");
    admin.create_partitions("t", 5).await.unwrap();
    let topics = admin.describe_topics(&["t", "none"]).await.unwrap();
    assert_eq!(topics.keys().collect::<Vec<_>>(), ["t"]);
    assert_eq!(topics["t"].partitions.len(), 5);
    assert!(admin.list_topics().await.unwrap().iter().any(|topic| topic.name == "t"));
    let configs = admin.topic_configs("t").await.unwrap();
    assert_eq!(configs["cleanup.policy"].value.as_deref(), Some("compact"));
    assert!(!configs["cleanup.policy"].is_default && configs["retention.ms"].is_default);
    let changes = BTreeMap::from([
        ("retention.ms".to_owned(), Some("1234567".to_owned())),
        ("cleanup.policy".to_owned(), None),
    ]);
    admin.alter_topic_configs("t", &changes).await.unwrap();
    let configs = admin.topic_configs("t").await.unwrap();
    assert_eq!(configs["retention.ms"].value.as_deref(), Some("1234567"));
    assert_eq!(configs["cleanup.policy"].value.as_deref(), Some("delete"));
    admin.delete_topic("t").await.unwrap();
    let started = Instant::now();
    let error = admin.delete_topic("t").await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5), "it is an answer, not a retry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_belongs_to_one_task_and_can_be_handed_on() {
    let cluster = Cluster::start().await;
    cluster.topic("t", 1, &[]).await;
    let producer = cluster.producer();
    let batch = values((0..100).map(|n| n.to_string()));
    producer.send("t", Some(0), &batch).await.unwrap().wait().await.unwrap();
    let connector = cluster.consumer("connect-c", OffsetReset::Earliest);
    let (one, two) = (connector.share(), connector.share());
    let partition = TopicPartition::new("t", 0);
    let start = [(partition.clone(), Start::Earliest)];
    one.assign(&start).await.unwrap();
    let error = two.assign(&start).await.unwrap_err();
    assert!(matches!(error, ConsumeError::AssignedTwice { .. }), "{error}");
    read_until(&one, |_, _, next_offset, _| next_offset == 100).await;

    one.seek(&partition, Start::Offset(95)).await.unwrap();
    let mut seen = Vec::new();
    read_until(&one, |_, batch, next_offset, _| {
        seen.extend_from_slice(&batch.columns.offset);
        next_offset == 100
    })
    .await;
    assert_eq!(seen, [95, 96, 97, 98, 99]);

    for round in 0..5 {
        let (old, new) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        old.unassign(std::slice::from_ref(&partition)).await.unwrap();
        new.assign(&[(partition.clone(), Start::Offset(90))]).await.unwrap();
        let mut first = None;
        read_until(new, |_, batch, next_offset, _| {
            first = first.or(batch.offset(0));
            next_offset == 100
        })
        .await;
        assert_eq!(first, Some(90), "round {round}");
    }
    two.pause(std::slice::from_ref(&partition)).unwrap();
    producer.send("t", Some(0), &values(["late".into()])).await.unwrap().wait().await.unwrap();
    assert!(two.next(READ_BYTES, Duration::from_secs(1)).await.unwrap().is_none());
    two.resume(std::slice::from_ref(&partition)).unwrap();
    read_until(&two, |_, _, next_offset, _| next_offset == 101).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_not_in_the_log_follows_the_policy() {
    let cluster = Cluster::start().await;
    cluster.topic("t", 1, &[]).await;
    let producer = cluster.producer();
    let batch = values(["a".into(), "b".into()]);
    producer.send("t", Some(0), &batch).await.unwrap().wait().await.unwrap();
    let beyond = [(TopicPartition::new("t", 0), Start::Offset(1_000))];

    let earliest = cluster.consumer("connect-a", OffsetReset::Earliest).share();
    earliest.assign(&beyond).await.unwrap();
    let mut first = None;
    read_until(&earliest, |_, batch, next_offset, _| {
        first = first.or(batch.offset(0));
        next_offset == 2
    })
    .await;
    assert_eq!(first, Some(0));

    let fail = cluster.consumer("connect-b", OffsetReset::Fail).share();
    fail.assign(&beyond).await.unwrap();
    let deadline = Instant::now() + DEADLINE;
    let error = loop {
        match fail.next(READ_BYTES, WAIT).await {
            Err(error) => break error,
            Ok(found) => assert!(found.is_none_or(|found| found.batch.is_empty())),
        }
        assert!(Instant::now() < deadline);
    };
    assert!(matches!(error, ConsumeError::OutOfRange { position: 1_000, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_restart_loses_and_doubles_nothing() {
    let mut cluster = Cluster::start().await;
    cluster.topic("t", 1, &[]).await;
    let producer = Arc::new(cluster.producer());
    let sender = producer.clone();
    let (progress, mut sent) = watch::channel(0u32);
    let sending = tokio::spawn(async move {
        for batch in 0..200u32 {
            let rows = values((0..50).map(|n| format!("{}", batch * 50 + n)));
            sender.send("t", Some(0), &rows).await.unwrap().wait().await.unwrap();
            progress.send_replace(batch);
        }
    });
    for stop in [50, 120] {
        sent.wait_for(|batch| *batch >= stop).await.unwrap();
        cluster.stop().await;
        cluster.start_again().await;
    }
    tokio::time::timeout(DEADLINE, sending).await.unwrap().unwrap();
    assert!(!producer.is_fatal());
    let consumer = cluster.consumer("connect-c", OffsetReset::Earliest).share();
    consumer.assign(&[(TopicPartition::new("t", 0), Start::Earliest)]).await.unwrap();
    let mut seen = Vec::new();
    read_until(&consumer, |_, batch, _, at_end| {
        seen.extend(
            (0..batch.len()).map(|at| {
                String::from_utf8_lossy(batch.value(at).unwrap()).parse::<u32>().unwrap()
            }),
        );
        at_end
    })
    .await;
    assert_eq!(seen, (0..10_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_buffer_makes_senders_wait_and_a_flush_tells_what_is_left() {
    let mut cluster = Cluster::start().await;
    cluster.topic("t", 1, &[]).await;
    let mut config = ProducerConfig::new(config(cluster.port));
    config.buffer_bytes = 100_000;
    let producer = Arc::new(KafkaProducer::new(&config).unwrap());
    let rows = values((0..100).map(|n| format!("{n:0>400}")));
    producer.send("t", None, &rows).await.unwrap().wait().await.unwrap();
    cluster.stop().await;
    let first = producer.send("t", None, &rows).await.unwrap();
    let second = tokio::spawn({
        let (producer, rows) = (producer.clone(), rows.clone());
        async move { producer.send("t", None, &rows).await.unwrap().wait().await }
    });
    let error = producer.flush(Duration::from_millis(300)).await.unwrap_err();
    // The first batch fills the buffer; not one record of the second is in it.
    assert!(matches!(error, ProduceError::TimedOut { unacknowledged: 100, .. }), "{error}");
    assert!(!second.is_finished());
    cluster.start_again().await;
    tokio::time::timeout(DEADLINE, first.wait()).await.unwrap().unwrap();
    tokio::time::timeout(DEADLINE, second).await.unwrap().unwrap().unwrap();
    producer.flush(DEADLINE).await.unwrap();
}
