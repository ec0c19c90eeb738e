//! `configs/pipelines/http.yaml` with Werkzeug's server, which fails, and a worker that is
//! killed: every row arrives, at least once, in the order of its key.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use longshore_e2e::http::{CLIENT, HttpServer, SECRET, TOKEN, Taken};
use longshore_e2e::kills::Killed;
use longshore_e2e::random::Random;
use longshore_e2e::{Process, cli, kills, limits, paths};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A run of the example, and where it ends up.
struct Delivery {
    server: HttpServer,
    folder: TempDir,
    rows: u64,
}

impl Delivery {
    fn new() -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder");
        std::fs::create_dir(folder.path().join("in")).expect("a folder can be made");
        Self { server: HttpServer::start(), folder, rows: 0 }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of orders: a hundred of them change again and again.
    fn write(&mut self, name: &str, rows: u64) {
        let row = |n| format!("{{\"id\":\"ä/{}\",\"n\":{n},\"price\":1.10}}\n", n % 100);
        let text: String = (self.rows..self.rows + rows).map(row).collect();
        self.rows += rows;
        std::fs::write(self.place("in").join(name), text).expect("the disk has room");
    }

    fn start(&self) -> Process {
        let pipeline = paths::repository().join("configs/pipelines/http.yaml");
        let mut command = cli::command(&["run", &pipeline.display().to_string()]);
        for setting in [
            format!("connections.input.root={}", self.place("in").display()),
            format!("connections.shop.url={}", self.server.url()),
            format!("connections.shop.oauth2.token.url={}", self.server.token_url()),
            // Rows have no key, so that only in one partition they stay in order.
            "topics.orders.partitions=1".to_owned(),
        ] {
            command.args(["--set", &setting]);
        }
        command.arg("--data-dir").arg(self.place("data"));
        command.arg("--plugin-path").arg(paths::plugins());
        command.env("SHOP_CLIENT_ID", CLIENT).env("SHOP_CLIENT_SECRET", SECRET);
        Process::spawn("longshore run", &mut command)
    }

    fn run(&self) -> Process {
        let mut process = self.start();
        let status = process.ended(limits::RUN);
        assert!(status.success(), "longshore run ended with {status}");
        process
    }

    /// Every row came; each order's first arrivals are in the order of its changes.
    fn check(&self) {
        let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for taken in self.server.taken() {
            let row: Value = serde_json::from_str(&taken.body).expect("a row");
            let (id, n) =
                (row["id"].as_str().expect("an id"), row["n"].as_u64().expect("a number"));
            assert_eq!(taken.body, format!("{{\"id\":\"{id}\",\"n\":{n},\"price\":1.10}}"));
            assert_eq!(taken.path, format!("orders/%C3%A4%2F{}", n % 100));
            assert_eq!((taken.method.as_str(), content_type(&taken)), ("PUT", "application/json"));
            let order = seen.entry(id.to_owned()).or_default();
            if !order.contains(&n) {
                order.push(n);
            }
        }
        for order in seen.values() {
            assert!(order.is_sorted(), "an order's changes came as {order:?}");
        }
        let rows: usize = seen.values().map(Vec::len).sum();
        assert_eq!(rows as u64, self.rows, "rows that came");
    }
}

impl Killed for Delivery {
    fn begin(&mut self, name: &str, random: &mut Random) -> Process {
        self.write(name, random.between(500, 2_000));
        self.start()
    }

    fn kill_server(&mut self) {
        self.server.kill_and_start_again();
    }
}

fn content_type(taken: &Taken) -> &str {
    &taken.headers["content-type"]
}

#[test]
fn the_example_delivers_every_row_in_order_through_faults_and_shows_no_secret() {
    let mut delivery = Delivery::new();
    delivery.write("a.jsonl", 500);
    delivery.server.set(&json!({ "auth": "oauth2", "faults": {
        "20": { "status": 429, "headers": { "Retry-After": "1" } },
        "21": { "status": 500 },
        "60": { "cut": true },
        "100": { "status": 503 },
        "101": { "status": 503, "body": SECRET },
    } }));
    let process = delivery.run();
    delivery.check();
    let taken = delivery.server.taken().len();
    assert!((500..=501).contains(&taken), "{taken}: only what failed is sent again");
    let shown = process.all_lines().join("\n");
    assert!(!shown.contains(SECRET) && !shown.contains(TOKEN), "a secret is shown");
    // Another run finds nothing new to do.
    delivery.run();
    assert_eq!(delivery.server.taken().len(), taken);
}

#[test]
#[ignore = "second tier: thirteen runs"]
fn at_ten_kills_of_the_worker_and_three_of_the_server_every_row_comes_in_order() {
    let test = "at_ten_kills_of_the_worker_and_three_of_the_server_every_row_comes_in_order";
    let mut random = Random::announced(test);
    let mut delivery = Delivery::new();
    delivery.write("first.jsonl", 1_000);
    let began = Instant::now();
    delivery.run();
    kills::at_ten_moments_and_three(&mut delivery, &mut random, began.elapsed());
    delivery.run();
    delivery.check();
}
