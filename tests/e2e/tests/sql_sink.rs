//! `sql-sink` against servers of others: types, refusals, and kills of both sides.
#![allow(missing_docs, reason = "tests")]

use longshore_e2e::client::kcat;
use longshore_e2e::databases::{Database, Kind};
use longshore_e2e::random::Random;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, cli, limits, paths, rest, wire};
use serde_json::{Value, json};
use tempfile::TempDir;

fn worker(connection: &Value) -> Node {
    Node::with()
        .roles("broker,controller,worker")
        .property("rest.listeners", "http://127.0.0.1:0")
        .property("plugin.path", json!([paths::plugins()]))
        .property("connections", json!({ "database": connection }))
        .start()
}

fn create(node: &Node, more: &[(&str, &str)]) {
    let options = [("connector.class", "sql-sink"), ("topics", "orders")];
    let options: Vec<_> = options.into_iter().chain(more.iter().copied()).collect();
    rest::create(node.rest().expect("the node is a worker"), "load", &options);
}

fn until_rows(database: &Database, statement: &str, expected: &[&str]) {
    until(&format!("{expected:?} of {statement}"), limits::RUN, || {
        database.rows_if_any(statement).filter(|rows| *rows == expected)
    });
}

fn order(id: i64, fields: &str, schema: &str) -> String {
    format!(
        r#"{id}|{{"schema":{{"type":"struct","fields":[{{"type":"int64","optional":false,"field":"id"}}{schema}],"optional":false}},"payload":{{"id":{id}{fields}}}}}"#
    )
}

const SCHEMA: &str = concat!(
    r#",{"type":"string","optional":true,"field":"na`\"me"}"#,
    r#",{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"price"}"#,
    r#",{"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"at"}"#,
    r#",{"type":"int32","optional":true,"name":"org.apache.kafka.connect.data.Date","version":1,"field":"day"}"#,
    r#",{"type":"boolean","optional":true,"field":"paid"}"#,
    r#",{"type":"double","optional":true,"field":"kg"}"#,
    r#",{"type":"bytes","optional":true,"field":"raw"}"#,
    r#",{"type":"array","items":{"type":"string","optional":false},"optional":true,"field":"tags"}"#
);
const FIELDS: &str = concat!(
    r#","na`\"me":"Ünï😀'","price":"++Y=","at":1704067200123,"day":19723,"paid":true,"kg":1.5"#,
    r#","raw":"AP8=","tags":["a","b"]"#
);

/// `id` as key, which JSON reads as a number, and a struct with its schema as value.
const KEYED: [(&str, &str); 9] = [
    ("key.converter", "json"),
    ("value.converter", "json"),
    ("value.converter.schemas.enable", "true"),
    ("insert.mode", "upsert"),
    ("pk.mode", "record_key"),
    ("pk.fields", "id"),
    ("auto.create", "true"),
    ("auto.evolve", "true"),
    ("delete.enabled", "true"),
];

fn values_of_every_type_arrive_and_rows_are_replaced_deleted_and_given_columns(kind: Kind) {
    let database = Database::start(kind);
    let node = worker(&database.connection());
    wire::create_topic(node.kafka(), "orders", 1, &[]);
    let produce = |line: &str| {
        kcat::produce(&node.bootstrap(), &["-P", "-t", "orders", "-K|", "-Z"], &[line]);
    };
    produce(&order(7, FIELDS, SCHEMA));
    produce(&order(8, "", ""));
    produce("8|");
    create(&node, &KEYED);
    let [quoted, text] = match kind {
        Kind::Postgresql => [
            r#""na`""me""#,
            "7|Ünï😀'|-10.50|2024-01-01 00:00:00.123|2024-01-01|t|1.5|\\x00ff|[\"a\", \"b\"]",
        ],
        Kind::Mariadb => [
            r#"`na``"me`"#,
            "7|Ünï😀'|-10.50|2024-01-01 00:00:00.123|2024-01-01|1|1.5|00FF|[\"a\",\"b\"]",
        ],
    };
    let raw = if kind == Kind::Mariadb { "hex(raw)" } else { "raw" };
    let all = format!("SELECT id, {quoted}, price, at, day, paid, kg, {raw}, tags FROM orders");
    until_rows(&database, &all, &[text]);
    produce(&order(7, r#","note":"late""#, r#",{"type":"string","optional":true,"field":"note"}"#));
    until_rows(&database, "SELECT id, note, kg FROM orders", &["7|late|1.5"]);
    produce("7|");
    until_rows(&database, "SELECT count(*) FROM orders", &["0"]);
    rest::wait_state(node.rest().expect("it is a worker"), "load", "RUNNING");
}

#[test]
fn values_of_every_type_arrive_in_postgresql() {
    values_of_every_type_arrive_and_rows_are_replaced_deleted_and_given_columns(Kind::Postgresql);
}

#[test]
#[ignore = "second tier"]
fn values_of_every_type_arrive_in_mariadb() {
    values_of_every_type_arrive_and_rows_are_replaced_deleted_and_given_columns(Kind::Mariadb);
}

fn a_row_that_the_database_refuses_is_set_aside_alone(kind: Kind) {
    let database = Database::start(kind);
    database.rows("CREATE TABLE orders (id INTEGER PRIMARY KEY, name VARCHAR(5) NOT NULL)");
    let node = worker(&database.connection());
    wire::create_topic(node.kafka(), "orders", 1, &[]);
    let lines = [
        r#"{"id":1,"name":"a"}"#,
        r#"{"id":2,"name":"too long"}"#,
        r#"{"id":1,"name":"again"}"#,
        r#"{"id":3,"name":null}"#,
        "no JSON",
        r#"{"id":4,"name":"d"}"#,
    ];
    kcat::produce(&node.bootstrap(), &["-P", "-t", "orders"], &lines);
    create(
        &node,
        &[
            ("value.converter", "json"),
            ("pk.mode", "record_value"),
            ("pk.fields", "id"),
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", "dead"),
        ],
    );
    until_rows(&database, "SELECT id, name FROM orders ORDER BY id", &["1|a", "4|d"]);
    until_rows(&database, "SELECT next_offset FROM longshore_offsets", &["6"]);
    let letters = wire::read_partition(node.kafka(), "dead", 0);
    let mut told: Vec<_> = letters
        .iter()
        .map(|it| String::from_utf8_lossy(it.value.as_deref().unwrap_or_default()).into_owned())
        .collect();
    told.sort();
    assert_eq!(told, ["no JSON", lines[2], lines[1], lines[3]]);
}

#[test]
#[ignore = "second tier"]
fn a_row_that_postgresql_refuses_is_set_aside_alone() {
    a_row_that_the_database_refuses_is_set_aside_alone(Kind::Postgresql);
}

#[test]
#[ignore = "second tier"]
fn a_row_that_mariadb_refuses_is_set_aside_alone() {
    a_row_that_the_database_refuses_is_set_aside_alone(Kind::Mariadb);
}

#[test]
#[ignore = "second tier"]
fn a_refused_login_waits_for_the_user_and_shows_no_password() {
    let database = Database::start(Kind::Postgresql);
    let node = worker(&database.connection_with("canary77"));
    wire::create_topic(node.kafka(), "orders", 1, &[]);
    create(&node, &[("value.converter", "json")]);
    let rest = node.rest().expect("it is a worker");
    let status = rest::wait_state(rest, "load", "FAILED").to_string();
    assert!(status.contains("password authentication failed"), "{status}");
    assert!(!status.contains("canary77"), "{status}");
}

/// What is killed at a seeded moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Worker,
    Server,
}

fn kills_neither_lose_nor_repeat_a_row(kind: Kind, test: &str) {
    const WORKER_KILLS: usize = 10;
    const SERVER_KILLS: usize = 3;
    const ROWS_AT_ONCE: usize = 1_500;
    let mut random = Random::announced(test);
    let mut victims =
        [vec![Victim::Worker; WORKER_KILLS], vec![Victim::Server; SERVER_KILLS]].concat();
    random.shuffle(&mut victims);
    let mut database = Database::start(kind);
    // No primary key: what is written twice is there twice.
    database.rows("CREATE TABLE orders (id INTEGER NOT NULL)");
    let mut node = worker(&database.connection());
    wire::create_topic(node.kafka(), "orders", 4, &[]);
    create(&node, &[("value.converter", "json"), ("batch.size", "50")]);
    let count = |database: &Database| -> usize {
        database.rows("SELECT count(*) FROM orders")[0].parse().expect("it is a number")
    };
    let mut produced = 0;
    for victim in victims {
        let lines: Vec<_> = (produced..produced + ROWS_AT_ONCE)
            .map(|id| format!(r#"{id}:{{"id":{id}}}"#))
            .collect();
        let before = count(&database);
        kcat::produce(&node.bootstrap(), &["-P", "-t", "orders", "-K:"], &lines);
        produced += ROWS_AT_ONCE;
        // It is at work when it dies.
        let moment = random.between(before as u64 + 1, produced as u64) as usize;
        until("rows enough", limits::RUN, || (count(&database) >= moment).then_some(()));
        match victim {
            Victim::Worker => {
                node.kill();
                println!("{victim:?} killed, {} of {produced} rows written", count(&database));
                node.restart();
            }
            Victim::Server => {
                database.kill();
                database.launch();
                println!("{victim:?} killed, {} of {produced} rows written", count(&database));
            }
        }
    }
    until("every row", limits::RUN, || (count(&database) >= produced).then_some(()));
    let there = database.rows("SELECT id FROM orders ORDER BY id");
    let expected: Vec<_> = (0..produced).map(|id| id.to_string()).collect();
    assert!(there == expected, "{} rows of {produced}, or others", there.len());
    until_rows(
        &database,
        "SELECT sum(next_offset) FROM longshore_offsets",
        &[&produced.to_string()],
    );
}

#[test]
#[ignore = "second tier"]
fn kills_neither_lose_nor_repeat_a_row_in_postgresql() {
    kills_neither_lose_nor_repeat_a_row(Kind::Postgresql, "kills_in_postgresql");
}

#[test]
#[ignore = "second tier"]
fn kills_neither_lose_nor_repeat_a_row_in_mariadb() {
    kills_neither_lose_nor_repeat_a_row(Kind::Mariadb, "kills_in_mariadb");
}

#[test]
fn the_example_loads_orders_and_replaces_those_that_changed() {
    let database = Database::start(Kind::Postgresql);
    let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
    let pipeline = paths::repository().join("configs/pipelines/orders-to-sql.yaml");
    let connection = database.connection();
    let load = |file: &str, orders: &[&str]| {
        let text: String = orders.iter().map(|order| format!("{order}\n")).collect();
        std::fs::write(folder.path().join(file), text).expect("the disk has room");
        let mut command = cli::command(&["run", &pipeline.display().to_string()]);
        command.env("DB_PASSWORD", connection["password"].as_str().expect("it is text"));
        command.arg("--set").arg(format!("connections.input.root={}", folder.path().display()));
        command.arg("--set").arg(format!("connections.shop.port={}", connection["port"]));
        command.arg("--data-dir").arg(folder.path().join("data"));
        command.arg("--plugin-path").arg(paths::plugins());
        let status = Process::spawn("longshore run", &mut command).ended(limits::RUN);
        assert!(status.success(), "longshore run ended with {status}");
    };
    load("1.jsonl", &[r#"{"id": 7, "customer": "Ada"}"#, r#"{"id": 8, "customer": "Bob"}"#]);
    let all = "SELECT id, customer FROM orders ORDER BY id";
    assert_eq!(database.rows(all), ["7|Ada", "8|Bob"]);
    load("2.jsonl", &[r#"{"id": 8, "customer": "Bob", "paid": true}"#]);
    let all = "SELECT id, customer, paid FROM orders ORDER BY id";
    assert_eq!(database.rows(all), ["7|Ada|", "8|Bob|true"]);
}
