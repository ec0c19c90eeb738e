//! `configs/pipelines/sns.yaml` on moto's server: every row is published, at least once,
//! those of a customer in order, and the worker is killed meanwhile.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use longshore_e2e::random::Random;
use longshore_e2e::s3::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use longshore_e2e::sqs::{SqsServer, Taken};
use longshore_e2e::{Process, cli, limits, paths};
use serde_json::{Value, json};
use tempfile::TempDir;

const BILLING: &str = "billing.fifo";
const ROWS: u64 = 400;
const CUSTOMERS: u64 = 10;

fn row(n: u64) -> Value {
    json!({ "n": n, "customer": format!("c{}", n % CUSTOMERS), "name": "ä😀", "price": 1.10 })
}

fn start(server: &SqsServer, arn: &str, folder: &TempDir) -> Process {
    let pipeline = paths::repository().join("configs/pipelines/sns.yaml");
    let mut command = cli::command(&["run", &pipeline.display().to_string()]);
    for setting in [
        format!("connections.input.root={}", folder.path().join("in").display()),
        format!("connections.news.endpoint={}", server.endpoint()),
        format!("connectors.announce.topic.arn={arn}"),
    ] {
        command.args(["--set", &setting]);
    }
    command.arg("--data-dir").arg(folder.path().join("data"));
    command.arg("--plugin-path").arg(paths::plugins());
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID);
    command.env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
    Process::spawn("longshore run", &mut command)
}

#[test]
fn the_example_publishes_every_row_in_order_over_a_kill() {
    let mut random = Random::announced("the_example_publishes_every_row_in_order_over_a_kill");
    let server = SqsServer::start();
    server.make(BILLING);
    let arn = server.subscribe(BILLING, "orders.fifo");
    let folder = TempDir::with_prefix("longshore-").expect("a temporary folder");
    std::fs::create_dir(folder.path().join("in")).expect("a folder can be made");
    let rows: String = (0..ROWS).map(|n| format!("{}\n", row(n))).collect();
    std::fs::write(folder.path().join("in/orders.jsonl"), rows).expect("the disk has room");

    let mut process = start(&server, &arn, &folder);
    std::thread::sleep(Duration::from_micros(random.between(500_000, 3_000_000)));
    process.kill();
    let mut process = start(&server, &arn, &folder);
    let (began, mut came) = (Instant::now(), BTreeMap::<String, Vec<u64>>::new());
    while came.values().map(Vec::len).sum::<usize>() < ROWS as usize {
        assert_eq!(process.status(), None, "longshore run ended");
        assert!(began.elapsed() < limits::RUN, "{came:?}");
        for Taken { body, attributes, group, .. } in server.take(BILLING) {
            let body: Value = serde_json::from_str(&body).expect("JSON");
            let n = body["n"].as_u64().expect("a number");
            assert_eq!(body, row(n));
            let customer = format!("c{}", n % CUSTOMERS);
            assert_eq!(group.as_deref(), Some(customer.as_str()));
            assert_eq!(attributes.get("customer"), Some(&format!("String:{customer}")));
            let numbers = came.entry(customer).or_default();
            if !numbers.contains(&n) {
                numbers.push(n);
            }
        }
    }
    for (customer, numbers) in came {
        assert!(numbers.is_sorted(), "those of {customer} came as {numbers:?}");
    }
}
