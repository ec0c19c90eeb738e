//! The word count as its plugins do it, in the real host and without a broker:
//! `file-source`, `split-words`, `count-words`, `file-sink`.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore::batch::Batch;
use longshore::host::connections::{Allow, Verb};
use longshore::host::{
    CheckpointReader, ConnectionConfig, Connections, HostConfig, Limits, OpenContext, Plugin,
    PluginHost, Reach,
};
use longshore::kafka::TopicPartition;
use longshore::kafka::group::Lease;
use longshore::task::failures::Stage;
use longshore::task::plugin::{Checkpoint, Next, Output};
use longshore::worker::herder::{ConnectorConfig, TaskId};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Where the plugin builder puts components.
fn plugins() -> PathBuf {
    let folder = std::env::var_os("LONGSHORE_PLUGINS").map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().expect("a test has a path");
        let target = test.ancestors().nth(3).expect("tests run from <target>/<profile>/deps");
        target.join("plugins")
    });
    assert!(
        folder.join("file-source.wasm").exists(),
        "the plugins are not built: there is no {}/file-source.wasm; build them with: \
         cargo run -p longshore-plugin-build -- connectors/file plugins/examples/wordcount",
        folder.display()
    );
    folder
}

/// Saved checkpoints, as the offsets topic holds them.
#[derive(Default)]
struct Offsets(Mutex<BTreeMap<String, String>>);

impl CheckpointReader for Offsets {
    fn get(&self, _connector: &str, partition: &str) -> Option<String> {
        self.0.lock().unwrap().get(partition).cloned()
    }

    fn list(&self, _: &str, after: Option<&str>, max: usize) -> Vec<(String, String)> {
        let saved = self.0.lock().unwrap();
        let later =
            saved.iter().filter(|(partition, _)| after.is_none_or(|a| partition.as_str() > a));
        later.take(max).map(|(partition, offset)| (partition.clone(), offset.clone())).collect()
    }
}

struct Bench {
    host: PluginHost,
    folder: TempDir,
    connections: Arc<Connections>,
    offsets: Arc<Offsets>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache_dir = folder.path().join("cache");
        let host = PluginHost::new(HostConfig { cache_dir, limits: Limits::default() }).unwrap();
        let connection = |name: &str, verb| {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            let root = folder.path().join(name).to_str().unwrap().to_owned();
            let settings = [("kind".to_owned(), "local".into()), ("root".to_owned(), root.into())];
            ConnectionConfig {
                driver: "objects".to_owned(),
                allow: Allow { connectors: vec!["*".to_owned()], verbs: vec![verb] },
                settings: BTreeMap::from(settings),
            }
        };
        let definitions = BTreeMap::from([
            ("input".to_owned(), connection("in", Verb::Read)),
            ("output".to_owned(), connection("out", Verb::Write)),
        ]);
        let connections = Connections::new(definitions, Reach::default()).unwrap();
        Self { host, folder, connections: Arc::new(connections), offsets: Arc::default() }
    }

    fn input(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join("in").join(name), bytes).unwrap();
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn context(&self, connector: &str) -> OpenContext {
        OpenContext {
            id: TaskId { connector: connector.to_owned(), task: 0 },
            connections: Arc::clone(&self.connections),
            checkpoints: Arc::clone(&self.offsets) as Arc<dyn CheckpointReader>,
            stopping: CancellationToken::new(),
            reopen: CancellationToken::new(),
            lease: Lease::unlimited(),
        }
    }

    async fn plugin(&self, name: &str) -> Arc<Plugin> {
        self.host.load(&plugins().join(format!("{name}.wasm"))).await.unwrap()
    }

    fn save(&self, saved: Vec<Checkpoint>) {
        let mut offsets = self.offsets.0.lock().unwrap();
        for Checkpoint { partition, offset } in saved {
            match offset {
                Some(offset) => offsets.insert(partition, offset),
                None => offsets.remove(&partition),
            };
        }
    }

    /// All rows of the input, batch by batch, with their checkpoints saved.
    async fn read(&self, options: &[(&str, &str)]) -> Vec<Batch> {
        let source = self.plugin("file-source").await;
        let config = config(&[&[("topic", "lines"), ("connection", "input")], options].concat());
        let mut batches = Vec::new();
        for task in source.plan(self.context("read"), &config, 4).await.unwrap() {
            let mut task = source.open_source(self.context("read"), &config, &task).await.unwrap();
            loop {
                let polled = task.poll(Duration::ZERO, 1 << 20).await.unwrap();
                batches.extend(polled.outputs.into_iter().map(|output| output.batch));
                self.save(polled.saved);
                if polled.next == Next::Done {
                    break;
                }
            }
            task.close().await;
        }
        batches
    }
}

fn config(options: &[(&str, &str)]) -> ConnectorConfig {
    options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn one(outputs: Vec<Output>, topic: &str) -> Option<Batch> {
    let mut outputs = outputs.into_iter();
    let output = outputs.next()?;
    assert_eq!((output.topic.as_str(), outputs.len()), (topic, 0));
    Some(output.batch)
}

/// Rows of a topic as its consumer has them: with offsets and timestamps.
fn as_consumed(batches: Vec<Batch>) -> Vec<Arc<Batch>> {
    let mut offset = 0;
    let number = |mut batch: Batch| {
        let records = batch.len() as i64;
        batch.columns.offset = (offset..offset + records).collect();
        batch.columns.timestamp_ms = vec![1_700_000_000_000; batch.len()];
        offset += records;
        Arc::new(batch)
    };
    batches.into_iter().map(number).collect()
}

async fn count(bench: &Bench, lines: Vec<Batch>) -> Vec<Batch> {
    let strings = [("key.converter", "string"), ("value.converter", "bytes")];
    let longs = [("key.converter", "string"), ("value.converter", "long")];
    let split = config(&[&[("topics", "lines"), ("output.topic", "words")][..], &strings].concat());
    let sum = config(&[&[("topics", "words"), ("output.topic", "counts")][..], &longs].concat());
    let plugin = bench.plugin("split-words").await;
    let mut split = plugin.open_processor(bench.context("split"), &split, 0).await.unwrap();
    let plugin = bench.plugin("count-words").await;
    let mut sum = plugin.open_processor(bench.context("count"), &sum, 0).await.unwrap();
    let mut counts = Vec::new();
    for batch in as_consumed(lines) {
        let words = split.process("lines", batch).await.unwrap();
        assert!(words.rejects.is_empty(), "{words:?}");
        let Some(words) = one(words.outputs, "words") else { continue };
        let totals = sum.process("words", Arc::new(words)).await.unwrap();
        assert!(totals.rejects.is_empty(), "{totals:?}");
        assert_eq!(totals.changes.len(), totals.outputs[0].batch.len());
        counts.extend(one(totals.outputs, "counts"));
    }
    counts
}

async fn write(bench: &Bench, counts: &[Arc<Batch>]) {
    let options = [
        ("topics", "counts"),
        ("connection", "output"),
        ("key.converter", "string"),
        ("value.converter", "long"),
        ("flush.size", "1000"),
    ];
    let plugin = bench.plugin("file-sink").await;
    let mut sink = plugin.open_sink(bench.context("write"), &config(&options)).await.unwrap();
    let partition = TopicPartition::new("counts", 0);
    assert!(sink.assigned(std::slice::from_ref(&partition)).await.unwrap().is_empty());
    for batch in counts {
        let rejects = sink.put(&partition, "counts", Arc::clone(batch)).await.unwrap();
        assert!(rejects.is_empty(), "{rejects:?}");
    }
    let progress = sink.drain().await.unwrap();
    assert!(progress.stalled.is_empty(), "{progress:?}");
    let end: usize = counts.iter().map(|batch| batch.len()).sum();
    assert_eq!(progress.marks.last().map(|mark| mark.next), Some(end as i64));
    sink.close().await;
}

/// The last line of each word.
fn result(folder: &Path) -> (BTreeMap<String, i64>, Vec<String>) {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut counts = BTreeMap::new();
    for name in &names {
        for line in std::fs::read_to_string(folder.join(name)).unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let word = line["key"].as_str().unwrap().to_owned();
            counts.insert(word, line["value"].as_i64().unwrap());
        }
    }
    (counts, names)
}

/// A few plain lines that count ASCII words.
fn plainly(texts: &[Vec<u8>]) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for text in texts {
        for word in text.split(|byte| !byte.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
        {
            let word = String::from_utf8(word.to_ascii_lowercase()).unwrap();
            *counts.entry(word).or_insert(0) += 1;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_many_files_are_counted_through_the_real_plugins() {
    let bench = Bench::new();
    let mut texts: Vec<Vec<u8>> = (0..200)
        .map(|at| format!("The row {at}\r\nthe OTHER row of {}", at % 7).into_bytes())
        .collect();
    texts.push(b"no words here: \xff\xfe ...\n".to_vec());
    texts.push(Vec::new());
    texts.push(b"x".repeat(1_000_000));
    for (at, text) in texts.iter().enumerate() {
        bench.input(&format!("{at}.txt"), text);
    }
    let lines = bench.read(&[("path", "*.txt")]).await;
    assert_eq!(lines.iter().map(Batch::len).sum::<usize>(), 402);
    assert!(bench.read(&[("path", "*.txt")]).await.is_empty(), "nothing is read twice");

    let counts = as_consumed(count(&bench, lines).await);
    write(&bench, &counts).await;
    let (found, names) = result(&bench.out());
    assert_eq!(found, plainly(&texts));
    assert_eq!(names[0], "counts+0+00000000000000000000.jsonl");

    // A replay from the start changes nothing.
    write(&bench, &counts).await;
    assert_eq!(result(&bench.out()), (found, names));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_too_long_stops_the_task_and_names_the_remedy() {
    let bench = Bench::new();
    bench.input("a.txt", b"short\nfar too long\n");
    let source = bench.plugin("file-source").await;
    let config = config(&[
        ("topic", "lines"),
        ("connection", "input"),
        ("path", "a.txt"),
        ("max.row.bytes", "8"),
    ]);
    let task = &source.plan(bench.context("read"), &config, 1).await.unwrap()[0];
    let mut task = source.open_source(bench.context("read"), &config, task).await.unwrap();
    let polled = task.poll(Duration::ZERO, 1 << 20).await.unwrap();
    assert_eq!(polled.outputs[0].batch.len(), 1, "the rows before it are given out first");
    let error = task.poll(Duration::ZERO, 1 << 20).await.unwrap_err().to_string();
    assert!(error.contains("`a.txt`: the row at byte 6 is longer than 8 bytes"), "{error}");
    assert!(error.contains("raise `max.row.bytes`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_converter_cannot_read_has_failed_there_though_the_sink_refuses_it() {
    let bench = Bench::new();
    let options = [
        ("topics", "counts"),
        ("connection", "output"),
        ("key.converter", "string"),
        ("value.converter", "long"),
    ];
    let plugin = bench.plugin("file-sink").await;
    let mut sink = plugin.open_sink(bench.context("write"), &config(&options)).await.unwrap();
    let partition = TopicPartition::new("counts", 0);
    sink.assigned(std::slice::from_ref(&partition)).await.unwrap();
    let mut batch = Batch::default();
    for (offset, key, value) in
        [(0, &b"\xff"[..], &[0; 8][..]), (1, b"k", &[0; 8]), (2, b"k", b"1")]
    {
        batch.push(Some(key), Some(value), -1);
        batch.columns.offset.push(offset);
    }
    let rejects = sink.put(&partition, "counts", Arc::new(batch)).await.unwrap();
    let failed: Vec<_> = rejects.iter().map(|it| (it.at, it.failure.stage)).collect();
    assert_eq!(failed, [(0, Stage::KeyConverter), (2, Stage::ValueConverter)]);
    sink.close().await;
}
