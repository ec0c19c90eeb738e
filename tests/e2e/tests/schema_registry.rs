//! The example pipeline with a schema registry: what it writes is read by Confluent's own
//! client, and what that one writes comes out of the sink.
#![allow(missing_docs, reason = "tests")]

use std::path::PathBuf;

use longshore_e2e::registry::SchemaRegistry;
use longshore_e2e::sink_files::records_in;
use longshore_e2e::{Node, Process, cli, limits, paths, wire};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The folders of a run of `configs/pipelines/avro.yaml`.
struct Orders(TempDir);

impl Orders {
    fn new(rows: &[Value]) -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
        std::fs::create_dir(folder.path().join("in")).expect("a folder can be made");
        let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
        std::fs::write(folder.path().join("in/orders.jsonl"), text).expect("the disk has room");
        Self(folder)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs it to its end, or goes on where it ended.
    fn run(&self, registry: &SchemaRegistry) {
        let pipeline = paths::repository().join("configs/pipelines/avro.yaml");
        let mut command = cli::command(&["run", &pipeline.display().to_string()]);
        let url = registry.url();
        for setting in [
            format!("connections.input.root={}", self.place("in").display()),
            format!("connections.output.root={}", self.place("out").display()),
            "connectors.read.path=*.jsonl".to_owned(),
            format!("connectors.read.value.converter.schema.registry.url={url}"),
            format!("connectors.write.value.converter.schema.registry.url={url}"),
        ] {
            command.args(["--set", &setting]);
        }
        command.arg("--data-dir").arg(self.place("data"));
        command.arg("--plugin-path").arg(paths::plugins());
        let status = Process::spawn("longshore run", &mut command).ended(limits::RUN);
        assert!(status.success(), "longshore run ended with {status}");
    }

    /// The values that the sink wrote, in the order of their ids.
    fn written(&self) -> Vec<Value> {
        let records = records_in(&self.place("out/orders")).into_iter();
        by_id(records.map(|(_, value)| value).collect())
    }

    /// A broker on its log.
    fn broker(&self) -> Node {
        Node::with().property("log.dirs", self.place("data/log").display()).start()
    }
}

fn by_id(mut orders: Vec<Value>) -> Vec<Value> {
    orders.sort_by_key(|order| order["id"].as_i64());
    orders
}

/// A row of the source: an order whose price is 12.50, as base64 of 1250.
fn row(id: i64, note: Value) -> Value {
    json!({
        "schema": {
            "type": "struct", "name": "shop.Order", "optional": false, "fields": [
                { "field": "id", "type": "int64", "optional": false },
                { "field": "note", "type": "string", "optional": true },
                {
                    "field": "price", "type": "bytes", "optional": false, "version": 1,
                    "name": "org.apache.kafka.connect.data.Decimal", "parameters": { "scale": "2" },
                },
            ],
        },
        "payload": { "id": id, "note": note, "price": "BOI=" },
    })
}

/// A later schema of orders, as somebody else has it.
const LATER: &str = r#"{
    "type": "record", "name": "Order", "namespace": "shop", "fields": [
        { "name": "id", "type": "long" },
        { "name": "note", "type": ["null", "string"], "default": null },
        { "name": "price", "type": {
            "type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2
        } },
        { "name": "labels", "type": { "type": "map", "values": "int" }, "default": {} }
    ]
}"#;

#[test]
#[ignore = "second tier"]
fn confluents_client_reads_what_the_source_wrote_and_writes_what_the_sink_reads() {
    let registry = SchemaRegistry::start();
    let orders = Orders::new(&[row(1, json!("é😀")), row(2, Value::Null), json!({ "id": 3 })]);
    orders.run(&registry);
    let order = |id: i64, note: Value| json!({ "id": id, "note": note, "price": 12.50 });
    let mut expected = vec![order(1, json!("é😀")), order(2, Value::Null)];
    assert_eq!(orders.written(), expected);

    let mut broker = orders.broker();
    let letters = wire::read_partition(broker.kafka(), "orders-dead", 0);
    assert_eq!(letters.len(), 1, "the row without a schema is kept");
    let read = by_id(registry.read("avro", &broker.bootstrap(), "orders"));
    let theirs = |id: i64, note: Value| json!({ "id": id, "note": note, "price": "12.50" });
    assert_eq!(read, [theirs(1, json!("é😀")), theirs(2, Value::Null)]);

    let later = r#"{ "id": 4, "note": "later", "price": 3.10, "labels": { "a": 1 } }"#;
    registry.write("avro", &broker.bootstrap(), "orders", LATER, &[later]);
    broker.stop();
    orders.run(&registry);
    expected.push(json!({ "id": 4, "note": "later", "price": 3.10, "labels": { "a": 1 } }));
    assert_eq!(orders.written(), expected);
}
