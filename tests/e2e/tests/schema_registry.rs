//! The example pipeline with a schema registry: what it writes, as others read it.
#![allow(missing_docs, reason = "tests")]

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use longshore_e2e::sink_files::records_in;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, cli, limits, paths, wire};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Reads framed Avro with fastavro, the schemas being asked of the registry.
const READER: &str = r#"
import fastavro, io, json, sys, urllib.request
for line in sys.stdin:
    frame = bytes(json.loads(line))
    assert frame[0] == 0
    url = f"{sys.argv[1]}/schemas/ids/{int.from_bytes(frame[1:5], 'big')}"
    with urllib.request.urlopen(url) as answer:
        schema = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
    print(json.dumps(fastavro.schemaless_reader(io.BytesIO(frame[5:]), schema), default=str))
"#;

/// Apicurio Registry, and where its Confluent API is.
fn registry() -> (Process, String) {
    let jar = std::fs::read_dir(paths::install("registry"))
        .expect("the folder can be read")
        .map(|entry| entry.expect("the folder can be read").path())
        .find(|path| path.to_string_lossy().ends_with("-runner.jar"))
        .expect("the archive has a runner");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.expect("a free port");
    let mut command = Command::new("java");
    command.arg("-Xmx400m").arg(format!("-Dquarkus.http.port={}", address.port()));
    let mut process = Process::spawn("Apicurio Registry", command.arg("-jar").arg(jar));
    until("the registry listens", limits::READY, || {
        assert_eq!(process.status(), None, "Apicurio Registry ended");
        TcpStream::connect(address).ok()
    });
    (process, format!("http://{address}/apis/ccompat/v7"))
}

fn order(id: i64, note: Value) -> Value {
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
        // The price is 12.50, as base64 of 1250.
        "payload": { "id": id, "note": note, "price": "BOI=" },
    })
}

#[test]
#[ignore = "second tier"]
fn avro_is_read_by_others_and_comes_out_of_the_sink_as_json() {
    let (_registry, url) = registry();
    let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
    let place = |name: &str| folder.path().join(name);
    std::fs::create_dir(place("in")).expect("a folder can be made");
    let rows = [order(1, json!("é😀")), order(2, Value::Null), json!({ "id": 3 })];
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(place("in/orders.jsonl"), text).expect("the disk has room");

    let pipeline = paths::repository().join("configs/pipelines/avro.yaml");
    let mut command = cli::command(&["run", &pipeline.display().to_string()]);
    for setting in [
        format!("connections.input.root={}", place("in").display()),
        format!("connections.output.root={}", place("out").display()),
        "connectors.read.path=*.jsonl".to_owned(),
        format!("connectors.read.value.converter.schema.registry.url={url}"),
        format!("connectors.write.value.converter.schema.registry.url={url}"),
    ] {
        command.args(["--set", &setting]);
    }
    command.arg("--data-dir").arg(place("data")).arg("--plugin-path").arg(paths::plugins());
    let status = Process::spawn("longshore run", &mut command).ended(limits::RUN);
    assert!(status.success(), "longshore run ended with {status}");

    let mut written: Vec<_> =
        records_in(&place("out/orders")).into_iter().map(|(_, value)| value).collect();
    written.sort_by_key(|value| value["id"].as_i64());
    let plain = |id: i64, note: Value| json!({ "id": id, "note": note, "price": 12.50 });
    assert_eq!(written, [plain(1, json!("é😀")), plain(2, Value::Null)]);

    let broker = Node::with().property("log.dirs", place("data/log").display()).start();
    let mut python = Command::new(paths::installed("python").join("bin/python"));
    python.args(["-c", READER, &url]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = python.spawn().expect("Python starts");
    let mut input = reader.stdin.take().expect("it is piped");
    for at in 0..2 {
        for record in wire::read_partition(broker.kafka(), "orders", at) {
            let value = record.value.expect("no value is null");
            writeln!(input, "{}", json!(value.to_vec())).expect("it reads");
        }
    }
    drop(input);
    let output = reader.wait_with_output().expect("it ends");
    let mut read: Vec<Value> = String::from_utf8(output.stdout)
        .expect("it writes text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("it writes JSON"))
        .collect();
    read.sort_by_key(|value| value["id"].as_i64());
    let other = |id: i64, note: Value| json!({ "id": id, "note": note, "price": "12.50" });
    assert_eq!(read, [other(1, json!("é😀")), other(2, Value::Null)]);
    let letters = wire::read_partition(broker.kafka(), "orders-dead", 0);
    assert_eq!(letters.len(), 1, "the row without a schema is kept");
}
