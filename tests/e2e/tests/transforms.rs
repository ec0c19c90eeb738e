//! Transforms and predicates as a user has them: the example pipeline by its own command,
//! and a sink that is created through REST.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use kafka_protocol::records::Record;
use longshore_e2e::client::kcat;
use longshore_e2e::fleet::commits::committed;
use longshore_e2e::sink_files::records_in;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, cli, limits, paths, rest, wire};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The folders of a run of `configs/pipelines/masked.yaml`.
struct Masked(TempDir);

impl Masked {
    fn new(orders: &[&str]) -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
        std::fs::create_dir(folder.path().join("in")).expect("a folder can be made");
        let text: String = orders.iter().map(|order| format!("{order}\n")).collect();
        std::fs::write(folder.path().join("in/orders.jsonl"), text).expect("the disk has room");
        Self(folder)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs it to its end, or goes on where it ended.
    fn run(&self) {
        let pipeline = paths::repository().join("configs/pipelines/masked.yaml");
        let mut command = cli::command(&["run", &pipeline.display().to_string()]);
        for setting in [
            format!("connections.input.root={}", self.place("in").display()),
            format!("connections.output.root={}", self.place("out").display()),
            "connectors.read.path=*.jsonl".to_owned(),
        ] {
            command.args(["--set", &setting]);
        }
        command.arg("--data-dir").arg(self.place("data"));
        command.arg("--plugin-path").arg(paths::plugins());
        let status = Process::spawn("longshore run", &mut command).ended(limits::RUN);
        assert!(status.success(), "longshore run ended with {status}");
    }

    /// What the sink wrote, in the order of its values' ids and prices.
    fn written(&self) -> Vec<(Value, Value)> {
        let mut records = records_in(&self.place("out/orders"));
        let place = |value: &Value| (value["id"].as_u64(), value["price"].to_string());
        records.sort_by_key(|(_, value)| place(value));
        records
    }

    /// A broker on its log.
    fn broker(&self) -> Node {
        Node::with().property("log.dirs", self.place("data/log").display()).start()
    }
}

#[test]
fn the_example_masks_keys_flattens_and_casts_and_keeps_what_it_cannot_use() {
    let masked = Masked::new(&[
        r#"{"id": 7, "card": "4111 1111", "price": "12.50", "customer": {"name": "Ada"}}"#,
        r#"{"id": 8, "card": "5500 0000", "price": "3", "customer": {"name": "Bob"}}"#,
        "no object of JSON",
        "[1, 2]",
        r#"{"id": 7, "card": "4111 1111", "price": "20", "customer": {"name": "Ada"}}"#,
    ]);
    masked.run();
    let flat = |id: u64, price: f64, name: &str| {
        let value = json!({ "id": id, "card": "", "price": price, "customer.name": name });
        (json!(id.to_string()), value)
    };
    let mut expected = vec![flat(7, 12.5, "Ada"), flat(7, 20.0, "Ada"), flat(8, 3.0, "Bob")];
    assert_eq!(masked.written(), expected);

    let mut broker = masked.broker();
    let orders: Vec<_> =
        (0..2).map(|at| wire::read_partition(broker.kafka(), "orders", at)).collect();
    let keys = |of: &[Record]| of.iter().map(|it| text(it.key.as_deref())).collect::<Vec<_>>();
    let mut by_partition: Vec<_> = orders.iter().map(|records| keys(records)).collect();
    by_partition.sort();
    let together = [vec![vec![], vec!["7", "8", "7"]], vec![vec!["7", "7"], vec!["8"]]];
    assert!(together.iter().any(|keys| *keys == by_partition), "{by_partition:?}");
    for order in orders.iter().flatten() {
        let order: Value = serde_json::from_str(&text(order.value.as_deref())).expect("JSON");
        assert_eq!(order["card"], "", "no card is in the topic");
        assert!(order["customer"]["name"].is_string(), "{order} is as it was but for its card");
    }
    let letters = wire::read_partition(broker.kafka(), "orders-dead", 0);
    let told: Vec<_> = letters
        .iter()
        .map(|letter| (text(letter.value.as_deref()), story(letter)["stage"].clone()))
        .collect();
    let told: Vec<_> = told.iter().map(|(value, stage)| (value.as_str(), stage.as_str())).collect();
    assert_eq!(told, [("no object of JSON", "VALUE_CONVERTER"), ("[1, 2]", "TRANSFORMATION")]);

    // Another producer deletes an order, and writes one.
    let late = r#"9:{"id": 9, "card": "", "price": "1", "customer": {"name": "Cem"}}"#;
    kcat::produce(&broker.bootstrap(), &["-P", "-t", "orders", "-K:", "-Z"], &["8:", late]);
    broker.stop();
    masked.run();
    expected.push(flat(9, 1.0, "Cem"));
    assert_eq!(masked.written(), expected, "a tombstone is not written");
}

#[test]
fn a_sink_drops_and_leaves_alone_what_predicates_say_and_sets_aside_what_it_cannot_cast() {
    let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
    let node = Node::with().files(folder.path()).start();
    wire::create_topic(node.kafka(), "orders", 1, &[]);
    let produce = |header: &[&str], order: &str| {
        let arguments = [&["-P", "-t", "orders", "-K|"], header].concat();
        kcat::produce(&node.bootstrap(), &arguments, &[order]);
    };
    produce(&[], r#"a|{"price":"12.50"}"#);
    produce(&["-H", "test=1"], r#"b|{"price":"1"}"#);
    produce(&["-H", "draft=1"], r#"c|{"price":"a lot"}"#);
    produce(&["-H", "from=shop"], r#"d|{"price": "cheap"}"#);
    produce(&[], r#"e|{"price":"3"}"#);

    let kind = |name| format!("org.apache.kafka.connect.transforms.{name}");
    let (filter, cast) = (kind("Filter"), kind("Cast$Value"));
    let has_header = kind("predicates.HasHeaderKey");
    let options = [
        ("connector.class", "file-sink"),
        ("topics", "orders"),
        ("path", "out"),
        ("rotate.schedule.interval.ms", "300"),
        ("key.converter", "string"),
        ("value.converter", "json"),
        ("transforms", "real, price"),
        ("transforms.real.type", &filter),
        ("transforms.real.predicate", "test"),
        ("transforms.price.type", &cast),
        ("transforms.price.spec", "price:float64"),
        ("transforms.price.predicate", "draft"),
        ("transforms.price.negate", "true"),
        ("predicates", "test, draft"),
        ("predicates.test.type", &has_header),
        ("predicates.test.name", "test"),
        ("predicates.draft.type", &has_header),
        ("predicates.draft.name", "draft"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dead"),
    ];
    let address = node.rest().expect("the node is a worker");
    rest::create(address, "write", &options);
    let written = |price: Value| json!({ "price": price });
    let expected = [
        (json!("a"), written(json!(12.5))),
        (json!("c"), written(json!("a lot"))),
        (json!("e"), written(json!(3.0))),
    ];
    let records = until("all records in files", limits::RUN, || {
        let records = records_in(&folder.path().join("out"));
        (records.len() >= expected.len()).then_some(records)
    });
    assert_eq!(records, expected);
    until("the commit of all records", limits::RUN, || {
        let committed = committed(&node, "connect-write", "orders", 1);
        (committed.get(&0) == Some(&5)).then_some(())
    });
    rest::wait_state(address, "write", "RUNNING");

    let letters = wire::read_partition(node.kafka(), "dead", 0);
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    let value = text(letter.value.as_deref());
    assert_eq!(
        (text(letter.key.as_deref()).as_str(), value.as_str()),
        ("d", r#"{"price": "cheap"}"#)
    );
    let own = letter.headers.iter().find(|(name, _)| name.as_str() == "from");
    assert_eq!(text(own.expect("its own header").1.as_deref()), "shop");
    let story = story(letter);
    for (name, told) in [
        ("topic", "orders"),
        ("partition", "0"),
        ("offset", "3"),
        ("connector.name", "write"),
        ("task.id", "0"),
        ("stage", "TRANSFORMATION"),
        ("class.name", cast.as_str()),
    ] {
        assert_eq!(story[name], told, "{name}");
    }
    assert!(story["exception.message"].contains("`price`"), "{story:?}");
}

/// What a dead letter's headers tell, by the last part of their names.
fn story(letter: &Record) -> BTreeMap<String, String> {
    let headers = letter.headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("__connect.errors.")?;
        Some((name.to_owned(), text(value.as_deref())))
    });
    headers.collect()
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8(bytes.expect("no null").to_vec()).expect("UTF-8")
}
