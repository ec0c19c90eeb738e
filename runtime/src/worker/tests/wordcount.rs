//! Rows of a file through the real plugins to a file: the worker, the WASM
//! host and the broker in one process.
//!
//! Skipped where the plugins are not built (`longshore-plugin-build`); another
//! file is counted with `LONGSHORE_WORDCOUNT_FILE=PATH`, and timed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

use longshore_broker::{Broker, BrokerConfig};
use serde_json::json;

use super::*;
use crate::host::adapt::WorkerPlugins;
use crate::host::{Connections, FleetPlugins, HostConfig, Limits, OwnPlugins, PluginHost, Reach};
use crate::kafka::admin::NewTopic;
use crate::worker::clients::Clients;
use crate::worker::kafka_clients::KafkaClients;

/// Where `longshore-plugin-build` leaves them: beside this test's folder.
fn plugins() -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    let folder = here.ancestors().nth(3)?.join("plugins");
    folder.join("count-words.wasm").exists().then_some(folder)
}

struct Run {
    broker: Broker,
    worker: Worker,
    herder: Arc<dyn Herder>,
}

impl Run {
    async fn start(dir: &Path, plugins: PathBuf, input: &Path) -> Self {
        let properties = [
            ("node.id", "1".to_owned()),
            ("log.dirs", dir.join("data").display().to_string()),
            ("listeners", "PLAINTEXT://127.0.0.1:0".to_owned()),
            ("group.initial.rebalance.delay.ms", "0".to_owned()),
            ("offsets.topic.num.partitions", "2".to_owned()),
        ];
        let config = BrokerConfig::from_properties(properties).unwrap();
        let broker = Broker::start(config).await.unwrap();
        let address = broker.local_addr().to_string();
        let config = WorkerConfig::new(&address, "fleet", "w1:8083");
        let clients = Arc::new(KafkaClients::new(&config).unwrap());
        for (name, policy) in [("lines", "delete"), ("words", "delete"), ("counts", "compact")] {
            let topic = NewTopic {
                name: name.to_owned(),
                partitions: Some(4),
                replication_factor: Some(1),
                configs: BTreeMap::from([("cleanup.policy".to_owned(), policy.to_owned())]),
            };
            // After a restart they are there.
            let _ = clients.admin().create_topic(&topic).await;
        }
        let host = HostConfig { cache_dir: dir.join("cache"), limits: Limits::default() };
        let host = PluginHost::new(host).unwrap();
        let catalog = host.scan(&[plugins]).await;
        let fleet = Arc::new(FleetPlugins::new(host, OwnPlugins::default()));
        assert!(catalog.broken().is_empty(), "{:?}", catalog.broken());
        let output = dir.join("out");
        std::fs::create_dir_all(&output).unwrap();
        let connection = |root: &Path, verb: &str| {
            let allow = json!({"connectors": ["*"], "verbs": [verb]});
            let text = json!({"driver": "objects", "kind": "local", "root": root, "allow": allow});
            serde_json::from_value(text).unwrap()
        };
        let connections = BTreeMap::from([
            ("input".to_owned(), connection(input, "read")),
            ("output".to_owned(), connection(&output, "write")),
        ]);
        let connections = Arc::new(Connections::new(connections, Reach::default()).unwrap());
        let plugins = Arc::new(WorkerPlugins { catalog, connections, fleet });
        let worker = Worker::start(config, plugins, clients).await.unwrap();
        let herder = worker.herder();
        until("the worker is ready", || herder.ready()).await;
        Self { broker, worker, herder }
    }

    async fn stop(self) {
        let Self { broker, worker, herder } = self;
        worker.shutdown().await;
        drop(herder);
        broker.shutdown().await;
    }

    async fn create(&self, path: &str) {
        let stages: [(&str, &[(&str, &str)]); 4] = [
            (
                "read",
                &[
                    ("connector.class", "file-source"),
                    ("connection", "input"),
                    ("path", path),
                    ("topic", "lines"),
                ],
            ),
            (
                "split",
                &[
                    ("connector.class", "split-words"),
                    ("topics", "lines"),
                    ("output.topic", "words"),
                ],
            ),
            (
                "count",
                &[
                    ("connector.class", "count-words"),
                    ("topics", "words"),
                    ("output.topic", "counts"),
                ],
            ),
            (
                "write",
                &[
                    ("connector.class", "file-sink"),
                    ("connection", "output"),
                    ("topics", "counts"),
                    ("path", "wordcount"),
                    ("value.converter", "long"),
                    ("key.converter", "string"),
                ],
            ),
        ];
        for (name, pairs) in stages {
            self.herder.create(name, config(pairs)).await.unwrap();
        }
    }

    async fn drained(&self) {
        for name in ["read", "split", "count", "write"] {
            let began = Instant::now();
            self.herder.drained(name).await.unwrap();
            let progress = self.herder.progress(name).unwrap();
            eprintln!("{name} drained after another {:?}: {progress:?}", began.elapsed());
        }
    }
}

/// The last line of each word is its count.
fn counted(out: &Path) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    let mut files: Vec<_> = walk(out);
    files.sort();
    for file in files {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let (word, count) = (row["key"].as_str(), row["value"].as_u64());
            let (Some(word), Some(count)) = (word, count) else { panic!("{line}") };
            counts.insert(word.to_owned(), count);
        }
    }
    counts
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_a_file_are_counted_into_a_file_and_a_restart_repeats_none() {
    let Some(plugins) = plugins() else {
        return eprintln!("skipped: the plugins are not built");
    };
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    std::fs::create_dir_all(&input).unwrap();
    let (input, name) = match std::env::var("LONGSHORE_WORDCOUNT_FILE").map(PathBuf::from) {
        Ok(file) => {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            (file.parent().unwrap().to_owned(), name)
        }
        Err(_) => {
            let rows = "one two two\r\nthree three three\n".repeat(500) + "one";
            std::fs::write(input.join("a.txt"), rows).unwrap();
            (input, "a.txt".to_owned())
        }
    };
    let mut expected: HashMap<String, u64> = HashMap::new();
    for word in std::fs::read_to_string(input.join(&name)).unwrap().split_ascii_whitespace() {
        *expected.entry(word.to_owned()).or_default() += 1;
    }

    let run = Run::start(dir.path(), plugins.clone(), &input).await;
    let began = Instant::now();
    run.create(&name).await;
    run.drained().await;
    eprintln!("all drained after {:?}", began.elapsed());
    assert_eq!(counted(&dir.path().join("out")), expected);
    run.stop().await;

    let run = Run::start(dir.path(), plugins, &input).await;
    run.drained().await;
    assert_eq!(run.herder.progress("read").unwrap().records_out, 0, "no row was read twice");
    assert_eq!(run.herder.progress("write").unwrap().records_in, 0, "nothing came again");
    run.stop().await;
    assert_eq!(counted(&dir.path().join("out")), expected);
}
