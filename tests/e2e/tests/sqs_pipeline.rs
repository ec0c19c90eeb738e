//! `configs/pipelines/sqs.yaml` on moto's server, with a worker that is killed: every order
//! passes, at least once, those of a customer in order, and none stays behind.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use longshore_e2e::process::Stream;
use longshore_e2e::random::Random;
use longshore_e2e::s3::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use longshore_e2e::sqs::{SqsServer, Taken};
use longshore_e2e::wait::until;
use longshore_e2e::{Process, cli, limits, paths};
use serde_json::{Value, json};
use tempfile::TempDir;

const ORDERS: &str = "orders.fifo";
const BILLING: &str = "billing.fifo";
const CUSTOMERS: u64 = 10;

/// Runs of the example, and where it ends up.
struct Passing {
    server: SqsServer,
    folder: TempDir,
    sent: u64,
    came: Vec<Taken>,
}

impl Passing {
    fn new() -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder");
        let passing = Self { server: SqsServer::start(), folder, sent: 0, came: Vec::new() };
        for queue in [ORDERS, BILLING] {
            passing.server.make(queue);
        }
        passing
    }

    fn send(&mut self, count: u64) {
        self.server.send(ORDERS, self.sent, count, CUSTOMERS);
        self.sent += count;
    }

    fn start(&self) -> Process {
        self.start_from(ORDERS)
    }

    fn start_from(&self, orders: &str) -> Process {
        let pipeline = paths::repository().join("configs/pipelines/sqs.yaml");
        let data: PathBuf = self.folder.path().join("data");
        let mut command = cli::command(&["run", &pipeline.display().to_string()]);
        let url = |queue: &str| format!("{}/123456789012/{queue}", self.server.endpoint());
        for setting in [
            format!("connections.queues.endpoint={}", self.server.endpoint()),
            format!("connectors.collect.queue.url={}", url(orders)),
            format!("connectors.deliver.queue.url={}", url(BILLING)),
            // What a killed worker received is there again soon.
            "connectors.collect.visibility.timeout.seconds=10".to_owned(),
        ] {
            command.args(["--set", &setting]);
        }
        command.arg("--data-dir").arg(data).arg("--plugin-path").arg(paths::plugins());
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID);
        command.env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        Process::spawn("longshore run", &mut command)
    }

    /// How many orders came, each counted once.
    fn look(&mut self) -> u64 {
        self.came.extend(self.server.take(BILLING));
        let mut numbers: Vec<_> = self.came.iter().map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len() as u64
    }

    /// Waits until all have come, and none is left.
    fn all_come(&mut self, process: &mut Process) {
        let began = Instant::now();
        while self.look() < self.sent || self.server.count(ORDERS) != (0, 0) {
            assert_eq!(process.status(), None, "longshore run ended");
            let left = self.server.count(ORDERS);
            assert!(began.elapsed() < limits::RUN, "{} of {}, {left:?}", self.look(), self.sent);
            std::thread::park_timeout(Duration::from_millis(200));
        }
    }

    /// All came whole, and each customer's first arrivals are in order.
    fn check(&self) {
        let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for taken in &self.came {
            let n = number(taken);
            let customer = format!("c{}", n % CUSTOMERS);
            let body: Value = serde_json::from_str(&taken.body).expect("JSON");
            let order = json!({ "n": n, "customer": customer, "name": "ä😀", "price": 1.10 });
            assert_eq!((body, taken.group.as_deref()), (order, Some(customer.as_str())));
            let attributes = [
                ("bytes", format!("Binary:ff{:02x}", n % 256)),
                ("tags", "String.Array:[\"a\",null,\"\"]".to_owned()),
                ("text", format!("String:ü {n}")),
            ];
            let expected: BTreeMap<_, _> =
                attributes.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
            assert_eq!(taken.attributes, expected);
            let order = seen.entry(customer).or_default();
            if !order.contains(&n) {
                order.push(n);
            }
        }
        for (customer, order) in &seen {
            assert!(order.is_sorted(), "the orders of {customer} came as {order:?}");
        }
        assert_eq!(seen.values().map(Vec::len).sum::<usize>() as u64, self.sent);
    }
}

fn number(taken: &Taken) -> u64 {
    let body: Value = serde_json::from_str(&taken.body).expect("JSON");
    body["n"].as_u64().expect("a number")
}

/// Kills the worker at a moment of its work, in which orders come.
fn kill(passing: &mut Passing, random: &mut Random, longest: Duration) {
    passing.send(random.between(20, 60));
    let mut process = passing.start();
    let moment = Duration::from_micros(random.between(0, longest.as_micros() as u64));
    let began = Instant::now();
    while began.elapsed() < moment {
        assert_eq!(process.status(), None, "longshore run ended");
        std::thread::park_timeout(Duration::from_millis(1));
    }
    process.kill();
    println!("killed after {moment:?}");
}

/// How long a run takes until all came.
fn measured(passing: &mut Passing) -> Duration {
    passing.send(50);
    let began = Instant::now();
    let mut process = passing.start();
    passing.all_come(&mut process);
    let took = began.elapsed();
    process.kill();
    took
}

#[test]
fn the_example_passes_every_order_on_over_a_kill() {
    let test = "the_example_passes_every_order_on_over_a_kill";
    let mut random = Random::announced(test);
    let mut passing = Passing::new();
    kill(&mut passing, &mut random, Duration::from_secs(4));
    let mut process = passing.start();
    passing.all_come(&mut process);
    passing.check();
}

#[test]
fn a_worker_that_is_stopped_amid_its_work_leaves_nothing_hidden() {
    let mut passing = Passing::new();
    passing.send(500);
    let mut process = passing.start();
    until("orders under way", limits::RUN, || (passing.server.count(ORDERS).1 > 0).then_some(()));
    process.terminate();
    let (left, hidden) = passing.server.count(ORDERS);
    assert!(left > 0, "it was stopped too late");
    assert_eq!(hidden, 0);
}

#[test]
fn an_error_that_names_a_secret_is_told_without_it() {
    let passing = Passing::new();
    // No such queue: the error says which.
    let mut process = passing.start_from(&format!("no-{SECRET_ACCESS_KEY}.fifo"));
    until("the error", limits::RUN, || {
        assert_eq!(process.status(), None, "longshore run ended");
        let told = "no-********.fifo` failed";
        process.lines(Stream::Err).iter().any(|line| line.contains(told)).then_some(())
    });
    let shown = process.all_lines();
    let shows = shown.iter().find(|line| line.contains(SECRET_ACCESS_KEY));
    assert_eq!(shows, None);
}

#[test]
#[ignore = "second tier: fifteen runs"]
fn at_ten_kills_of_the_worker_and_three_of_the_server_every_order_comes_in_order() {
    let test = "at_ten_kills_of_the_worker_and_three_of_the_server_every_order_comes_in_order";
    let mut random = Random::announced(test);
    let mut passing = Passing::new();
    let longest = measured(&mut passing);
    for _ in 0..10 {
        kill(&mut passing, &mut random, longest);
    }
    let mut process = passing.start();
    passing.all_come(&mut process);
    for _ in 0..3 {
        // moto keeps nothing: it is killed when it has nothing that anybody waits for.
        passing.server.kill();
        std::thread::sleep(Duration::from_micros(random.between(0, 3_000_000)));
        passing.server.start_again(&[ORDERS, BILLING]);
        passing.send(random.between(20, 60));
        passing.all_come(&mut process);
    }
    passing.check();
}
