//! The same life over the broker itself and the real clients.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use longshore_broker::{Broker, BrokerConfig};

use super::*;
use crate::kafka::admin::NewTopic;
use crate::kafka::{Consumer, Fetched, Overrides, Start, TopicPartition};
use crate::worker::clients::Clients;
use crate::worker::kafka_clients::KafkaClients;

struct Node {
    broker: Broker,
    clients: Arc<KafkaClients>,
    scene: Arc<Scene>,
    worker: Worker,
    herder: Arc<dyn Herder>,
}

impl Node {
    async fn start(dir: &Path) -> Self {
        let dir = dir.to_str().unwrap();
        let properties = [
            ("node.id", "1"),
            ("log.dirs", dir),
            ("listeners", "PLAINTEXT://127.0.0.1:0"),
            ("offsets.topic.num.partitions", "2"),
            ("group.initial.rebalance.delay.ms", "0"),
        ];
        let broker = BrokerConfig::from_properties(properties).unwrap();
        let broker = Broker::start(broker).await.unwrap();
        let address = broker.local_addr().to_string();
        let mut config = WorkerConfig::new(&address, "fleet", "w1:8083");
        config.topic_refresh_interval = Duration::from_millis(200);
        let clients = Arc::new(KafkaClients::new(&config).unwrap());
        let scene: Arc<Scene> = Arc::default();
        let plugins = Arc::new(Troupe(scene.clone()));
        let worker = Worker::start(config, plugins, clients.clone()).await.unwrap();
        let herder = worker.herder();
        until("the worker is ready", || herder.ready()).await;
        Self { broker, clients, scene, worker, herder }
    }

    async fn stop(self) {
        let Self { broker, clients, scene: _, worker, herder } = self;
        worker.shutdown().await;
        drop((herder, clients));
        broker.shutdown().await;
    }

    async fn create_topic(&self, name: &str) {
        let topic = NewTopic {
            name: name.to_owned(),
            partitions: Some(2),
            replication_factor: Some(1),
            configs: BTreeMap::new(),
        };
        self.clients.admin().create_topic(&topic).await.unwrap();
    }

    async fn drained(&self, name: &str) {
        let drained = self.herder.drained(name);
        tokio::time::timeout(DEADLINE, drained).await.expect("drained in time").unwrap();
    }

    /// All values of a topic.
    async fn values(&self, topic: &str) -> Vec<String> {
        let consumer = self.clients.consumer(None, &Overrides::new()).unwrap().share();
        let partitions = [0, 1].map(|number| TopicPartition::new(topic, number));
        let ends = consumer.end_offsets(&partitions).await.unwrap();
        let starts = partitions.map(|at| (at, Start::Earliest));
        consumer.assign(&starts).await.unwrap();
        let mut values = Vec::new();
        // Not every offset has a record: transactions end with one of their own.
        let mut positions: HashMap<TopicPartition, i64> = HashMap::new();
        while ends.iter().any(|(at, end)| positions.get(at).unwrap_or(&0) < end) {
            let next = Consumer::next(&*consumer, 1 << 20, DEADLINE).await.unwrap();
            let Fetched { partition, batch, next_offset, .. } = next.expect("records in time");
            positions.insert(partition, next_offset);
            for at in 0..batch.len() {
                values.push(String::from_utf8(batch.value(at).unwrap().to_vec()).unwrap());
            }
        }
        values
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_runs_over_the_broker_and_resumes_after_both_were_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path()).await;
    node.create_topic("lines").await;
    node.create_topic("counts").await;
    let rows = [("connector.class", "rows"), ("topic", "lines"), ("rows", "200")];
    let count = [("connector.class", "count"), ("topics", "lines"), ("output.topic", "counts")];
    let keep = [("connector.class", "keep"), ("topics", "counts"), ("tasks.max", "2")];
    for (name, pairs) in [("rows", &rows[..]), ("count", &count[..]), ("keep", &keep[..])] {
        node.herder.create(name, config(pairs)).await.unwrap();
    }
    for name in ["rows", "count", "keep"] {
        node.drained(name).await;
    }
    assert_eq!(node.values("lines").await.len(), 200);
    assert_eq!(node.scene.sunk.lock().unwrap().len(), 200);
    node.stop().await;

    let node = Node::start(dir.path()).await;
    assert_eq!(node.herder.connectors(), ["count", "keep", "rows"]);
    let longer = [("connector.class", "rows"), ("topic", "lines"), ("rows", "300")];
    node.herder.put_config("rows", config(&longer)).await.unwrap();
    until("the rows are there", || node.herder.progress("rows").unwrap().records_out == 100).await;
    for name in ["rows", "count", "keep"] {
        node.drained(name).await;
    }
    let mut values = node.values("lines").await;
    assert_eq!(values.len(), 300, "no row was read twice");
    values.sort();
    values.dedup();
    assert_eq!(values.len(), 300, "no row was left out");
    assert_eq!(node.scene.sunk.lock().unwrap().len(), 100, "only the new ones were delivered");
    assert_eq!(node.herder.progress("keep").unwrap().records_in, 100);
    until("the lag is seen", || node.herder.progress("keep").unwrap().lag == 0).await;
    node.stop().await;
}

/// The stage that each dead letter of `topic` tells, by its value.
async fn stages(node: &Node, topic: &str) -> BTreeMap<String, String> {
    let consumer = node.clients.consumer(None, &Overrides::new()).unwrap().share();
    let at = TopicPartition::new(topic, 0);
    let end = consumer.end_offsets(std::slice::from_ref(&at)).await.unwrap()[&at];
    consumer.assign(&[(at, Start::Earliest)]).await.unwrap();
    let (mut stages, mut position) = (BTreeMap::new(), 0);
    while position < end {
        let next = Consumer::next(&*consumer, 1 << 20, DEADLINE).await.unwrap();
        let Fetched { batch, next_offset, .. } = next.expect("records in time");
        position = next_offset;
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        for record in 0..batch.len() {
            let mut headers = batch.headers_of(record);
            let stage = headers.find(|it| batch.header_name(*it) == b"__connect.errors.stage");
            stages.insert(text(batch.value(record)), text(batch.header_value(stage.unwrap())));
        }
    }
    stages
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_and_a_partition_that_waits_over_the_broker() {
    for late in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::start(dir.path()).await;
        node.create_topic("lines").await;
        *node.scene.refused.lock().unwrap() = Some("x:7".to_owned());
        node.scene.refuses_late.store(late, std::sync::atomic::Ordering::SeqCst);
        node.scene.faults.lock().unwrap().insert(TopicPartition::new("lines", 0), 5);
        let keep = [
            ("connector.class", "keep"),
            ("topics", "lines"),
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", "dead"),
            ("errors.retry.delay.max.ms", "10"),
        ];
        node.herder.create("keep", config(&keep)).await.unwrap();
        let producer = node.clients.producer(&Overrides::new()).unwrap();
        for _ in 0..2 {
            let mut batch = crate::batch::Batch::default();
            for row in 0..100 {
                let row = format!("x:{row}");
                batch.push(Some(row.as_bytes()), Some(row.as_bytes()), -1);
            }
            producer.send("lines", None, &batch).await.unwrap().wait().await.unwrap();
        }
        node.drained("keep").await;
        let sunk = node.scene.sunk.lock().unwrap().clone();
        assert_eq!(sunk.len(), 198, "late: {late}");
        assert!(sunk.values().all(|(_, times)| *times == 1), "what was not applied is put once");
        let told = stages(&node, "dead").await;
        assert_eq!(told, BTreeMap::from([("x:7".to_owned(), "TASK_PUT".to_owned())]));
        node.stop().await;
    }
}
