//! The files that the Helm chart makes for three workers, in processes of this machine:
//! they form a group, finish a pipeline, and are rolled in order.
#![allow(missing_docs, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use longshore_e2e::chart::{Chart, KUBERNETES_NEWEST};
use longshore_e2e::client::scrape;
use longshore_e2e::process::{Stream, tied_command};
use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, cli, limits, paths, rest, wire};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Workers, and tasks of each connector.
const WORKERS: u8 = 3;
/// Rows are written at this pace, a file a task.
const ROWS_PAUSE: std::time::Duration = std::time::Duration::from_millis(2);

#[test]
#[ignore = "second tier"]
fn three_rendered_workers_form_a_group_and_a_roll_loses_and_repeats_no_record() {
    let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
    let place = |name: &str| folder.path().join(name);
    for name in ["in", "out", "pipelines"] {
        std::fs::create_dir(place(name)).expect("a folder can be made");
    }
    let broker = Node::start();
    let (port, metrics_port) = ports_of_all_workers();
    let manifests = {
        let chart = Chart::new();
        let values = chart.values(&json!({
            "worker": {
                "replicas": WORKERS,
                "bootstrapServers": [broker.bootstrap()],
                "storageReplicationFactor": 1,
                // A pod has an address of its own; so has each process here.
                "rest": { "address": "${env:POD_IP}", "advertisedHost": "${env:POD_IP}", "port": port },
                "cache": { "path": place("cache") },
                "connections": { "files": {
                    "driver": "objects",
                    "kind": "local",
                    "root": folder.path(),
                    "allow": { "connectors": ["*"], "verbs": ["read", "write"] },
                } },
            },
            "plugins": { "path": [paths::plugins()] },
            "metrics": { "port": metrics_port },
            "pipelines": { "copy": {
                "topics": { "lines": { "partitions": 2 * WORKERS } },
                "connectors": {
                    "read": {
                        "connector.class": "file-source",
                        "topic": "lines",
                        "path": "in/*",
                        "tail": true,
                        "tasks.max": WORKERS,
                    },
                    "write": {
                        "connector.class": "file-sink",
                        "topics": "lines",
                        "path": "out",
                        "format": "lines",
                        "rotate.schedule.interval.ms": 500,
                        "tasks.max": WORKERS,
                    },
                },
            } },
        }));
        chart.render(&values, &[KUBERNETES_NEWEST])
    };
    for (file, text) in manifests.files("-worker") {
        std::fs::write(place(file), text).expect("a file can be written");
    }
    for (file, text) in manifests.files("-pipelines") {
        std::fs::write(place("pipelines").join(file), text).expect("a file can be written");
    }

    let mut workers: Vec<Worker> =
        (0..WORKERS).map(|number| Worker::start(number, port, &place("node.yaml"))).collect();
    workers.iter_mut().for_each(Worker::wait_ready);
    create(&broker, workers[0].address, &place("pipelines/copy.yaml"));

    let writer = Writer::start(&place("in"));
    wait_spread(workers[0].address);
    for worker in &workers {
        let families = scrape(&format!("http://{}:{metrics_port}/metrics", worker.address.ip()));
        let has = |name: &str| families.iter().any(|family| family["name"] == name);
        assert!(has("kafka_connect_worker_task_count"), "{} tells of its tasks", worker.name);
    }
    for number in (0..usize::from(WORKERS)).rev() {
        let before = rows_of(&place("out")).len();
        workers[number].roll();
        let another = workers[(number + 1) % usize::from(WORKERS)].address;
        wait_spread(another);
        // It goes on meanwhile.
        until("further rows", limits::RUN, || {
            (rows_of(&place("out")).len() > before).then_some(())
        });
    }
    let written = writer.stop();

    let mut copied = Vec::new();
    until("all rows", limits::RUN, || {
        copied = rows_of(&place("out"));
        (copied.len() >= written.len()).then_some(())
    });
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for row in &copied {
        *times.entry(row).or_default() += 1;
    }
    let repeated: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(repeated.is_empty(), "{} rows are repeated: {repeated:?}", repeated.len());
    let lost: Vec<_> = written.iter().filter(|row| !times.contains_key(row.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} rows are lost: {lost:?}", lost.len(), written.len());
    for worker in &mut workers {
        assert!(worker.process.terminate().success());
    }
}

/// Makes what a pipeline's file stands for.
fn create(broker: &Node, worker: SocketAddr, pipeline: &Path) {
    let rendered = cli::run(&["render", &pipeline.display().to_string()]).join("\n");
    let rendered: Value = serde_json::from_str(&rendered).expect("it prints JSON");
    for topic in rendered["topics"].as_array().expect("topics") {
        let partitions = topic["partitions"].as_i64().expect("a number") as i32;
        wire::create_topic(
            broker.kafka(),
            topic["name"].as_str().expect("a name"),
            partitions,
            &[],
        );
    }
    for connector in rendered["connectors"].as_array().expect("connectors") {
        let answer = rest::request(worker, "POST", "/connectors", Some(connector));
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}

/// A worker as its pod would run it.
struct Worker {
    name: String,
    address: SocketAddr,
    node: PathBuf,
    process: Process,
}

impl Worker {
    fn start(number: u8, port: u16, node: &Path) -> Self {
        let name = format!("test-longshore-worker-{number}");
        let address = SocketAddr::from((host_of(number), port));
        let process = Self::launch(&name, address, node);
        Self { name, address, node: node.to_owned(), process }
    }

    fn launch(name: &str, address: SocketAddr, node: &Path) -> Process {
        let mut command = tied_command(&paths::longshore());
        command.arg("server").arg("-c").arg(node);
        command.env("POD_NAME", name).env("POD_IP", address.ip().to_string());
        Process::spawn(name, &mut command)
    }

    fn wait_ready(&mut self) {
        self.process.wait_for("ready line", limits::READY, |line| {
            (line.stream == Stream::Out && line.text.starts_with("longshore ready ")).then_some(())
        });
        assert_eq!(rest::get(self.address, "/health").status, 200);
    }

    /// What a StatefulSet does with a pod: SIGTERM, then another with its name.
    fn roll(&mut self) {
        let status = self.process.terminate();
        assert!(status.success(), "{} drains: {status}", self.name);
        self.process = Self::launch(&self.name, self.address, &self.node);
        self.wait_ready();
    }
}

fn host_of(number: u8) -> [u8; 4] {
    [127, 0, 0, 11 + number]
}

/// Two ports that are free at the address of every worker.
fn ports_of_all_workers() -> (u16, u16) {
    let listen = |number, port| TcpListener::bind(SocketAddr::from((host_of(number), port)));
    until("free ports", limits::READY, || {
        let ports: Vec<TcpListener> =
            (0..2).map(|_| listen(0, 0)).collect::<Result<_, _>>().ok()?;
        let port = |at: usize| ports[at].local_addr().map(|address| address.port()).ok();
        let (rest, metrics) = (port(0)?, port(1)?);
        let free = |number| listen(number, rest).is_ok() && listen(number, metrics).is_ok();
        (1..WORKERS).all(free).then_some((rest, metrics))
    })
}

/// Waits until each worker of the fleet runs tasks.
fn wait_spread(asked: SocketAddr) {
    until("tasks on every worker", limits::RUN, || {
        let mut workers = BTreeSet::new();
        for name in ["copy-read", "copy-write"] {
            let status = rest::get(asked, &format!("/connectors/{name}/status")).body;
            let tasks = status["tasks"].as_array()?.clone();
            if tasks.is_empty() || tasks.iter().any(|task| task["state"] != "RUNNING") {
                return None;
            }
            workers.extend(tasks.iter().map(|task| task["worker_id"].to_string()));
        }
        (workers.len() == usize::from(WORKERS)).then_some(())
    });
}

/// All rows of the finished files.
fn rows_of(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let files = files.map(|file| file.expect("an entry").path());
    let finished = files.filter(|file| file.extension().is_some_and(|end| end == "txt"));
    let text = |file: PathBuf| std::fs::read_to_string(file).expect("a finished file stays");
    finished.flat_map(|file| text(file).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Appends rows, no two of them equal, until it is stopped.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Writer {
    fn start(folder: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, folder) = (stop.clone(), folder.to_owned());
        let thread = std::thread::spawn(move || {
            let mut files: Vec<_> = (0..2 * WORKERS)
                .map(|file| std::fs::File::create(folder.join(file.to_string())))
                .map(|file| file.expect("a file can be made"))
                .collect();
            let mut rows = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                for file in &mut files {
                    let row = format!("row {}", rows.len());
                    writeln!(file, "{row}").expect("the disk has room");
                    rows.push(row);
                }
                std::thread::sleep(ROWS_PAUSE);
            }
            rows
        });
        Self { stop, thread }
    }

    /// All that was written.
    fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer writes")
    }
}
