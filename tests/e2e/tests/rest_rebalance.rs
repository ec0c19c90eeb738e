//! What REST answers while a fleet rebalances: 409 with Kafka Connect's words from a
//! worker that leads no more, which then changes nothing; what has to wait for a task's
//! end waits, and everything else goes on.
#![allow(missing_docs, reason = "tests")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use longshore_e2e::rest::Answer;
use longshore_e2e::wait::until;
use longshore_e2e::workers::{Worker, free_ports};
use longshore_e2e::{Node, limits, paths, rest, wire};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A worker that says nothing for so long is no member any more.
const SESSION_MS: u32 = 6_000;

/// Two workers, the first of which leads at first, and a connector for each at least.
struct Fleet {
    workers: [Worker; 2],
    connectors: Vec<String>,
    metrics: u16,
    _broker: Node,
    _folder: TempDir,
}

impl Fleet {
    fn new() -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
        let broker = Node::start();
        wire::create_topic(broker.kafka(), "lines", 1, &[]);
        let (port, metrics) = free_ports(2);
        let node = node_file(folder.path(), &broker.bootstrap(), port, metrics);
        let workers = [0, 1].map(|number| {
            let worker = Worker::start(number, port, &node);
            worker.wait_ready();
            worker
        });
        let connectors: Vec<String> = (0..4).map(|number| format!("read-{number}")).collect();
        for name in &connectors {
            rest::create(workers[0].address, name, &SOURCE);
        }
        Self { workers, connectors, metrics, _broker: broker, _folder: folder }
    }

    /// A connector whose task this worker runs, once there is one and all tasks run.
    fn connector_on(&self, asked: &Worker, worker: &Worker) -> String {
        let id = worker.address.to_string();
        until(&format!("a task on {}", worker.name), limits::RUN, || {
            let status = |name: &String| rest::wait_state(asked.address, name, "RUNNING");
            let mut all = self.connectors.iter();
            all.find(|name| status(name)["tasks"][0]["worker_id"] == id).cloned()
        })
    }

    /// Whom a worker takes for the leader, by its metrics.
    fn takes_for_leader(&self, asked: &Worker, leader: &Worker) -> bool {
        let metrics = SocketAddr::new(asked.address.ip(), self.metrics);
        let text = rest::get(metrics, "/metrics").body;
        let text = text.as_str().expect("metrics are text");
        text.contains(&format!("leader_name=\"{}\"", leader.address))
    }
}

const SOURCE: [(&str, &str); 4] =
    [("connector.class", "file-source"), ("topic", "lines"), ("path", "in.txt"), ("tail", "true")];

fn node_file(folder: &Path, bootstrap: &str, rest: u16, metrics: u16) -> PathBuf {
    std::fs::write(folder.join("in.txt"), "one\ntwo\n").expect("a file can be written");
    let properties = json!({
        "process.roles": "worker",
        "bootstrap.servers": bootstrap,
        "rest.listeners": format!("http://${{env:POD_IP}}:{rest}"),
        "metrics.listener": format!("${{env:POD_IP}}:{metrics}"),
        "session.timeout.ms": SESSION_MS,
        "plugin.path": [paths::plugins()],
        "plugin.cache.dir": folder.join("cache"),
        "connections": { "files": {
            "driver": "objects", "kind": "local", "root": folder,
            "allow": { "connectors": ["*"], "verbs": ["read", "write"] },
        } },
    });
    let path = folder.join("node.yaml");
    // JSON is YAML.
    std::fs::write(&path, properties.to_string()).expect("a node file can be written");
    path
}

fn new(name: &str) -> Value {
    let config: serde_json::Map<_, _> =
        SOURCE.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({ "name": name, "config": config })
}

/// Panics unless it is Kafka Connect's 409, with its words.
fn is_conflict(answer: &Answer, words: &str) {
    assert_eq!((answer.status, &answer.body["error_code"]), (409, &json!(409)), "{answer:?}");
    let message = answer.body["message"].as_str().expect("it says why");
    assert!(message.contains(words), "{answer:?}");
}

#[test]
#[ignore = "second tier"]
fn what_a_rebalance_is_in_the_way_of_is_refused_with_409_or_waits() {
    let mut fleet = Fleet::new();
    a_leader_of_the_past_changes_nothing(&fleet);
    offsets_wait_for_the_end_of_a_task(&fleet);
    for worker in &mut fleet.workers {
        worker.stop();
    }
}

/// A leader is frozen until another leads, and finds requests that came meanwhile.
fn a_leader_of_the_past_changes_nothing(fleet: &Fleet) {
    let [past, present] = &fleet.workers;
    assert!(fleet.takes_for_leader(present, past));
    let name = fleet.connector_on(past, past);
    past.process.signal(Signal::STOP);
    until("another leader", limits::RUN, || fleet.takes_for_leader(present, present).then_some(()));
    let of = |path: &str| format!("/connectors/{name}{path}");
    let requests = [
        ("POST", "/connectors".to_owned(), Some(new("late"))),
        ("PUT", of("/config"), Some(new("late")["config"].clone())),
        ("PATCH", of("/config"), Some(json!({ "tail": "false" }))),
        ("PUT", of("/stop"), None),
        ("POST", of("/restart?includeTasks=true"), None),
        ("DELETE", of(""), None),
    ];
    let before = rest::get(present.address, &of("/config")).body;
    std::thread::scope(|scope| {
        let waiting: Vec<_> = requests
            .iter()
            .map(|(method, path, body)| {
                scope.spawn(|| rest::request(past.address, method, path, body.as_ref()))
            })
            .collect();
        until("all requests on their way", limits::CLIENT, || {
            (waiting_connections(past.address) >= requests.len()).then_some(())
        });
        past.process.signal(Signal::CONT);
        for answer in waiting {
            let answer = answer.join().expect("it is answered");
            is_conflict(&answer, "Cannot complete request momentarily due to no known leader URL");
        }
    });
    assert_eq!(rest::get(present.address, &of("/config")).body, before);
    assert_eq!(rest::get(present.address, "/connectors/late").status, 404);
    // A member again, it sends on what the leader has to do.
    until("the way to the new leader", limits::RUN, || {
        let answer = rest::request(past.address, "POST", "/connectors", Some(&new("late")));
        assert!([201, 409].contains(&answer.status), "{answer:?}");
        (answer.status == 201).then_some(())
    });
    assert!(fleet.takes_for_leader(past, present));
    assert_eq!(rest::request(present.address, "DELETE", "/connectors/late", None).status, 204);
}

/// A task whose worker does not answer may still write offsets.
fn offsets_wait_for_the_end_of_a_task(fleet: &Fleet) {
    let [frozen, leader] = &fleet.workers;
    let name = fleet.connector_on(leader, frozen);
    let of = |path: &str| format!("/connectors/{name}{path}");
    let offsets = |position: u32| {
        let partition = json!({ "path": "in.txt" });
        json!({ "offsets": [{ "partition": partition, "offset": { "position": position } }] })
    };
    frozen.process.signal(Signal::STOP);
    let ask = |method: &str, path: &str, body: Option<&Value>| {
        rest::request(leader.address, method, path, body)
    };
    assert_eq!(ask("PUT", &of("/stop"), None).status, 204);
    std::thread::scope(|scope| {
        let altered = scope.spawn(|| ask("PATCH", &of("/offsets"), Some(&offsets(4))));
        // What needs nobody else is done meanwhile.
        assert_eq!(ask("POST", "/connectors", Some(&new("more"))).status, 201);
        assert_eq!(ask("DELETE", "/connectors/more", None).status, 204);
        assert!(!altered.is_finished(), "the task's worker has not said that it ended");
        assert_eq!(altered.join().expect("it is answered").status, 200);
    });
    frozen.process.signal(Signal::CONT);
    until("the worker's return", limits::RUN, || {
        (fleet.takes_for_leader(frozen, leader) && frozen.is_ready()).then_some(())
    });
    assert_eq!(ask("GET", &of("/offsets"), None).body, offsets(4));
}

/// Connections to a listener whose bytes nobody has read, in the kernel's table.
fn waiting_connections(to: SocketAddr) -> usize {
    let SocketAddr::V4(to) = to else { panic!("IPv4 only") };
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(to.ip().octets()), to.port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel has a table");
    let unread = |row: &&str| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let queue = fields.get(4).and_then(|queues| queue_of(queues));
        fields.get(1) == Some(&local.as_str()) && fields[3] == "01" && queue > Some(0)
    };
    table.lines().filter(unread).count()
}

/// The bytes to be read of `tx:rx`.
fn queue_of(queues: &str) -> Option<u64> {
    u64::from_str_radix(queues.split_once(':')?.1, 16).ok()
}
