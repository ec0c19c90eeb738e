//! The example pipeline with a schema registry: what it writes is read by Confluent's own
//! client, and what that one writes comes out of the sink. And a registry behind TLS and a
//! password, by a connection.
#![allow(missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};

use longshore_e2e::https_front::{HttpsFront, PASSWORD, USER};
use longshore_e2e::registry::{CONFLUENT_API, SchemaRegistry};
use longshore_e2e::sink_files::records_in;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, canaries, cli, limits, paths, rest, wire};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
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

/// A schema of orders as somebody else has it.
const THEIRS: &str = r##"{
    "$schema": "http://json-schema.org/draft-07/schema#", "title": "shop.Order", "type": "object",
    "$defs": { "label": { "type": "string", "enum": ["new", "old"] } },
    "properties": {
        "id": { "type": "integer" },
        "note": { "type": ["null", "string"] },
        "price": { "type": "number" },
        "tags": { "type": "array", "items": { "$ref": "#/$defs/label" } }
    },
    "required": ["id"]
}"##;

#[test]
#[ignore = "second tier"]
fn confluents_client_validates_json_of_the_source_and_writes_json_for_the_sink() {
    let registry = SchemaRegistry::start();
    let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
    let row = row(1, json!("é😀"));
    std::fs::write(folder.path().join("orders.jsonl"), format!("{row}\n"))
        .expect("a file can be written");
    let node = Node::with().files(folder.path()).start();
    wire::create_topic(node.kafka(), "orders", 1, &[]);
    let address = node.rest().expect("the node is a worker");
    let with = |own: &[(&'static str, &'static str)]| {
        let converter = [
            ("value.converter", "json-schema"),
            ("value.converter.schema.registry.url", registry.url()),
            ("value.converter.decimal.format", "NUMERIC"),
        ];
        [own, &converter].concat()
    };
    let source =
        with(&[("connector.class", "file-source"), ("topic", "orders"), ("path", "orders.jsonl")]);
    rest::create(address, "read", &source);
    let written = until("the record in the topic", limits::RUN, || {
        let read = registry.read("json-schema", &node.bootstrap(), "orders");
        (!read.is_empty()).then_some(read)
    });
    let first = json!({ "id": 1, "note": "é😀", "price": 12.50 });
    assert_eq!(written, std::slice::from_ref(&first));

    let second = json!({ "id": 2, "note": null, "price": 3.5, "tags": ["new", "old"] });
    let bootstrap = node.bootstrap();
    registry.write("json-schema", &bootstrap, "orders", THEIRS, &[&second.to_string()]);
    let sink = with(&[
        ("connector.class", "file-sink"),
        ("topics", "orders"),
        ("path", "out"),
        ("rotate.schedule.interval.ms", "300"),
    ]);
    rest::create(address, "write", &sink);
    let records = until("both records in files", limits::RUN, || {
        let records = records_in(&folder.path().join("out"));
        (records.len() >= 2).then_some(records)
    });
    assert_eq!(records.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), [first, second]);
}

/// Writes an authority, and a certificate of it for this machine with its key.
fn certificates(folder: &Path) {
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("a file can be written");
    };
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key can be made");
    write("ca.pem", &params.self_signed(&key).expect("an authority can be made").pem());
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key can be made");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("it is a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate can be made");
    write("certificate.pem", &certificate.pem());
    write("key.pem", &key.serialize_pem());
}

/// A node that takes connections from requests, which may refer to the passwords.
fn node_with_passwords(folder: &Path) -> Node {
    Node::with()
        .files(folder)
        .property("connection.resources.enable", "true")
        .property("connection.resources.file.allowed.paths", json!([folder]))
        .property("connection.resources.env.allowlist.pattern", json!("[A-Z]+_USER"))
        .environment("REGISTRY_USER", &format!("{USER}:{PASSWORD}"))
        .environment("WRONG_USER", &format!("{USER}:canary-wrong-password"))
        .start()
}

/// Defines a connection to the registry for one connector.
fn connect(node: &Node, front: &HttpsFront, folder: &Path, of: [&str; 4]) {
    let [name, user, connector, verb] = of;
    let definition = json!({
        "driver": "schema-registry",
        "schema.registry.url": format!("{}{CONFLUENT_API}", front.url()),
        "basic.auth.credentials.source": "USER_INFO",
        "basic.auth.user.info": user,
        "ssl.ca.pem": format!("${{file:{}}}", folder.join("ca.pem").display()),
        "allow": { "connectors": [connector], "verbs": [verb] },
    });
    let address = node.rest().expect("the node is a worker");
    let answer = rest::request(address, "PUT", &format!("/connections/{name}"), Some(&definition));
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[test]
#[ignore = "second tier"]
fn a_registry_behind_tls_and_a_password_is_asked_by_those_who_may_and_shows_it_to_nobody() {
    let registry = SchemaRegistry::start();
    let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
    certificates(folder.path());
    let place = |name: &str| folder.path().join(name);
    let front = HttpsFront::start(&registry.server(), &place("certificate.pem"), &place("key.pem"));
    let row = row(1, json!("a note"));
    std::fs::write(place("orders.jsonl"), format!("{row}\n")).expect("a file can be written");
    let mut node = node_with_passwords(folder.path());
    for of in [
        ["to-write", "${env:REGISTRY_USER}", "read", "write"],
        ["to-read", "${env:REGISTRY_USER}", "write", "read"],
        ["to-look", "${env:REGISTRY_USER}", "no-writer", "read"],
        ["wrong", "${env:WRONG_USER}", "stranger", "read"],
    ] {
        connect(&node, &front, folder.path(), of);
    }
    wire::create_topic(node.kafka(), "orders", 1, &[]);
    let address = node.rest().expect("the node is a worker");
    let source = |name: &str, connection: &str| {
        rest::create(
            address,
            name,
            &[
                ("connector.class", "file-source"),
                ("topic", "orders"),
                ("path", "orders.jsonl"),
                ("value.converter", "avro"),
                ("value.converter.schema.registry.connection", connection),
            ],
        );
    };
    let sink = |name: &str, connection: &str| {
        rest::create(
            address,
            name,
            &[
                ("connector.class", "file-sink"),
                ("topics", "orders"),
                ("path", name),
                ("rotate.schedule.interval.ms", "300"),
                ("value.converter", "avro"),
                ("value.converter.schema.registry.connection", connection),
            ],
        );
    };
    source("read", "to-write");
    sink("write", "to-read");
    let records = until("the record in a file", limits::RUN, || {
        let records = records_in(&place("write"));
        (!records.is_empty()).then_some(records)
    });
    assert_eq!(records[0].1, json!({ "id": 1, "note": "a note", "price": 12.50 }));
    let theirs = registry.read("avro", &node.bootstrap(), "orders");
    assert_eq!(theirs, [json!({ "id": 1, "note": "a note", "price": "12.50" })]);

    // Who may only read registers nothing; whose password is wrong is not let in.
    source("no-writer", "to-look");
    let told = trace(address, "no-writer", "FAILED");
    assert!(told.contains("does not allow to write"), "{told}");
    sink("stranger", "wrong");
    let told = until("the registry's word in the log", limits::RUN, || {
        let lines = node.process().all_lines();
        lines.into_iter().find(|line| line.contains("stranger") && line.contains("(401)"))
    });
    assert!(told.contains("schema registry"), "{told}");

    let shown = rest::get(address, "/connections").body.to_string();
    assert!(shown.contains("${env:REGISTRY_USER}"), "{shown}");
    let lines = node.process().all_lines().join("\n");
    for (what, text) in [("the REST answer", &shown), ("the log", &lines)] {
        assert!(canaries::shown(text.as_bytes()).is_none(), "a password is in {what}: {text}");
    }
    for at in [node.folder(), folder.path()] {
        let found = canaries::in_files(at);
        assert!(found.is_empty(), "a password is in {found:?}");
    }
}

/// The trace of a connector's task once it is in that state.
fn trace(address: std::net::SocketAddr, name: &str, state: &str) -> String {
    until(&format!("the task of {name} is {state}"), limits::RUN, || {
        let status = rest::get(address, &format!("/connectors/{name}/status")).body;
        let task = status["tasks"].get(0)?;
        (task["state"] == state).then(|| task["trace"].to_string())
    })
}
