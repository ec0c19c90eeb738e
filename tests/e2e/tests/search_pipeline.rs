//! `configs/pipelines/elasticsearch.yaml` with OpenSearch, and worker and server that are
//! killed: each document is that of its last row, with that row's offset for a version.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use longshore_e2e::kills::Killed;
use longshore_e2e::opensearch::OpenSearch;
use longshore_e2e::random::Random;
use longshore_e2e::{Process, cli, kills, limits, paths};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "canary-key-of-search";

/// Of so many orders each changes again and again.
const ORDERS: u64 = 100;

/// A run of the example, and where it ends up.
struct Load {
    server: OpenSearch,
    folder: TempDir,
    rows: u64,
    /// What it is set to beside what the example says.
    more: Vec<String>,
}

impl Load {
    fn new() -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder");
        std::fs::create_dir(folder.path().join("in")).expect("a folder can be made");
        Self { server: OpenSearch::start(), folder, rows: 0, more: Vec::new() }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn row(n: u64) -> Value {
        json!({ "id": format!("ä/{}", n % ORDERS), "n": n, "price": 1.10, "tags": ["a", null],
            "inner": { "text": "Ünï\n😀" } })
    }

    fn write(&mut self, name: &str, rows: u64) {
        let rows = self.rows..self.rows + rows;
        self.rows = rows.end;
        let text: String = rows.map(|n| format!("{}\n", Self::row(n))).collect();
        std::fs::write(self.place("in").join(name), text).expect("the disk has room");
    }

    fn start(&self) -> Process {
        let pipeline = paths::repository().join("configs/pipelines/elasticsearch.yaml");
        let mut command = cli::command(&["run", &pipeline.display().to_string()]);
        let own = [
            format!("connections.input.root={}", self.place("in").display()),
            format!("connections.cluster.url={}", self.server.url()),
        ];
        for setting in own.iter().chain(&self.more) {
            command.args(["--set", setting]);
        }
        command.arg("--data-dir").arg(self.place("data"));
        command.arg("--plugin-path").arg(paths::plugins()).env("SEARCH_API_KEY", KEY);
        Process::spawn("longshore run", &mut command)
    }

    fn run(&self) -> Process {
        let mut process = self.start();
        let status = process.ended(limits::RUN);
        assert!(status.success(), "longshore run ended with {status}");
        process
    }

    /// Each order's document is its last row. Answers their versions.
    fn check(&self) -> Vec<i64> {
        let documents = self.server.documents("orders");
        let last = (self.rows - ORDERS..self.rows).map(Self::row);
        let last: BTreeMap<_, _> =
            last.map(|row| (row["id"].as_str().expect("an id").to_owned(), row)).collect();
        let (versions, found): (Vec<_>, BTreeMap<_, _>) = documents
            .into_iter()
            .map(|(id, (version, document))| (version, (id, document)))
            .unzip();
        assert_eq!(found, last);
        versions
    }
}

impl Killed for Load {
    fn begin(&mut self, name: &str, random: &mut Random) -> Process {
        self.write(name, random.between(5_000, 20_000));
        self.start()
    }

    fn kill_server(&mut self) {
        self.server.kill();
        self.server.start_again();
    }
}

#[test]
fn the_example_has_a_document_of_each_orders_last_row_and_shows_no_secret() {
    let mut load = Load::new();
    load.write("a.jsonl", 1_000);
    let process = load.run();
    let versions = load.check();
    // An order's offset is at least that of its tenth row.
    assert!(versions.iter().all(|version| *version >= 9), "{versions:?}");
    assert!(!process.all_lines().join("\n").contains(KEY), "a secret is shown");
    // Another run finds nothing new to do.
    load.run();
    assert_eq!(load.check(), versions);
}

#[test]
fn a_block_is_waited_for_and_a_malformed_row_costs_itself_alone() {
    let mut load = Load::new();
    load.write("a.jsonl", 1_000);
    let malformed = "{\"id\":\"malformed\",\"n\":\"text\"}\n{\"id\":\"ä/1\",\"n\":\"text\"}\n";
    std::fs::write(load.place("in/b.jsonl"), malformed).expect("the disk has room");
    // As a server has it whose disk is nearly full.
    load.server
        .put("/orders", &json!({ "mappings": { "properties": { "n": { "type": "long" } } } }));
    let block = |on| json!({ "index.blocks.read_only_allow_delete": on });
    load.server.put("/orders/_settings", &block(json!(true)));
    load.more = vec!["connectors.load.errors.tolerance=all".to_owned()];
    let mut process = load.start();
    process.wait_for("word of the block", limits::RUN, |line| {
        line.text.contains("cluster-block-exception").then_some(())
    });
    assert!(load.server.documents("orders").is_empty());
    load.server.put("/orders/_settings", &block(Value::Null));
    let status = process.ended(limits::RUN);
    assert!(status.success(), "longshore run ended with {status}");
    load.check();
}

#[test]
#[ignore = "second tier: thirteen runs"]
fn at_ten_kills_of_the_worker_and_three_of_the_server_each_document_is_its_last_row() {
    kills(
        "at_ten_kills_of_the_worker_and_three_of_the_server_each_document_is_its_last_row",
        "insert",
    );
}

#[test]
#[ignore = "second tier: thirteen runs"]
fn at_ten_kills_of_the_worker_and_three_of_the_server_fields_end_with_the_last_row() {
    kills(
        "at_ten_kills_of_the_worker_and_three_of_the_server_fields_end_with_the_last_row",
        "upsert",
    );
}

fn kills(test: &str, write_method: &str) {
    let mut random = Random::announced(test);
    let mut load = Load::new();
    load.more = vec![format!("connectors.load.write.method={write_method}")];
    load.write("first.jsonl", 10_000);
    let began = Instant::now();
    load.run();
    kills::at_ten_moments_and_three(&mut load, &mut random, began.elapsed());
    load.run();
    load.check();
}
