//! The files that the Helm chart makes for three workers, in processes of this machine:
//! they form a group, the chart's job brings them a pipeline, and they are rolled in order.
#![allow(missing_docs, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use longshore_e2e::background::Background;
use longshore_e2e::chart::{Chart, KUBERNETES_NEWEST, Manifests};
use longshore_e2e::client::scrape;
use longshore_e2e::process::tied_command;
use longshore_e2e::wait::until;
use longshore_e2e::workers::{Worker, free_ports};
use longshore_e2e::{Node, Process, limits, paths, rest};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Workers, and tasks of each connector.
const WORKERS: u8 = 3;
/// Rows are written at this pace, a file a task.
const ROWS_PAUSE: std::time::Duration = std::time::Duration::from_millis(2);
/// `ana:secret`, as basic authentication sends it.
const ANA: (&str, &str) = ("Authorization", "Basic YW5hOnNlY3JldA==");
/// Where the job's pod has what stands in the test's folder.
const JOB_FOLDERS: [(&str, &str); 2] =
    [("/etc/longshore/pipelines", "pipelines"), ("/etc/longshore/client/rest", "client")];

#[test]
#[ignore = "second tier"]
fn three_rendered_workers_form_a_group_and_a_roll_loses_and_repeats_no_record() {
    let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
    let place = |name: &str| folder.path().join(name);
    for name in ["in", "out", "pipelines", "client"] {
        std::fs::create_dir(place(name)).expect("a folder can be made");
    }
    let write = |name: &str, text: &str| {
        std::fs::write(place(name), text).expect("a file can be written");
    };
    write("users", "ana=secret\n");
    write("client/client.properties", "basic.auth.user.info=ana:secret\n");
    let broker = Node::with().property("auto.create.topics.enable", "false").start();
    let (port, metrics_port) = free_ports(WORKERS);
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
                "config": { "rest.auth.basic.file": place("users") },
                "connections": { "files": {
                    "driver": "objects",
                    "kind": "local",
                    "root": folder.path(),
                    "allow": { "connectors": ["*"], "verbs": ["read", "write"] },
                } },
            },
            "plugins": { "path": [paths::plugins()] },
            "metrics": { "port": metrics_port },
            "pipelineJob": { "restConfig": { "secretName": "rest-client" } },
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
        write(file, text);
    }
    for (file, text) in manifests.files("-pipelines") {
        write(&format!("pipelines/{file}"), text);
    }

    let mut workers: Vec<Worker> =
        (0..WORKERS).map(|number| Worker::start(number, port, &place("node.yaml"))).collect();
    workers.iter().for_each(Worker::wait_ready);
    let applied = apply(&manifests, workers[0].address, folder.path());
    for created in ["topic lines", "connector copy-read", "connector copy-write"] {
        assert!(applied.contains(&format!("created {created}")), "{created}: {applied}");
    }

    let writer = Writer::start(&place("in"));
    wait_spread(workers[0].address);
    for worker in &workers {
        let families = scrape(&format!("http://{}:{metrics_port}/metrics", worker.address.ip()));
        let has = |name: &str| families.iter().any(|family| family["name"] == name);
        assert!(has("kafka_connect_worker_task_count"), "{} tells of its tasks", worker.name);
    }
    // As after an upgrade that changes no pipeline, whichever worker answers the service.
    let tasks = ask(workers[0].address, "/connectors/copy-read/tasks");
    for worker in &workers {
        assert_eq!(apply(&manifests, worker.address, folder.path()).trim(), "nothing to change");
    }
    assert_eq!(ask(workers[0].address, "/connectors/copy-read/tasks"), tasks);
    for number in (0..usize::from(WORKERS)).rev() {
        let before = rows_of(&place("out")).len();
        // What a StatefulSet does with a pod: SIGTERM, then another with its name.
        workers[number].stop();
        workers[number].start_again();
        workers[number].wait_ready();
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
    workers.iter_mut().for_each(Worker::stop);
}

/// Runs the container of the job that applies the pipelines, to one worker instead of
/// the service of all; what it said.
fn apply(manifests: &Manifests, worker: SocketAddr, folder: &Path) -> String {
    let pod = &manifests.get("Job", "-pipelines")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let here = |text: &Value| {
        let mut text = text.as_str().expect("a text").to_owned();
        for (mounted, name) in JOB_FOLDERS {
            text = text.replace(mounted, &folder.join(name).display().to_string());
        }
        text
    };
    let list = |name: &str| container[name].as_array().expect("a list").clone();
    let mut command: Command = tied_command(&paths::longshore());
    command.args(list("args").iter().map(here));
    for variable in list("env") {
        command.env(here(&variable["name"]), here(&variable["value"]));
    }
    command.env("LONGSHORE_REST_URL", format!("http://{worker}"));
    Process::run("the job", &mut command).join("\n")
}

/// What a worker answers to who may ask it.
fn ask(worker: SocketAddr, path: &str) -> Value {
    rest::request_with(worker, "GET", path, &[ANA], None).body
}

/// Waits until each worker of the fleet runs tasks.
fn wait_spread(asked: SocketAddr) {
    until("tasks on every worker", limits::RUN, || {
        let mut workers = BTreeSet::new();
        for name in ["copy-read", "copy-write"] {
            let status = ask(asked, &format!("/connectors/{name}/status"));
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
struct Writer(Background<Vec<String>>);

impl Writer {
    fn start(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self(Background::start(move |told| {
            let mut files: Vec<_> = (0..2 * WORKERS)
                .map(|file| std::fs::File::create(folder.join(file.to_string())))
                .map(|file| file.expect("a file can be made"))
                .collect();
            let mut rows = Vec::new();
            while !told.to_end() {
                for file in &mut files {
                    let row = format!("row {}", rows.len());
                    writeln!(file, "{row}").expect("the disk has room");
                    rows.push(row);
                }
                told.rest(ROWS_PAUSE);
            }
            rows
        }))
    }

    /// All that was written.
    fn stop(self) -> Vec<String> {
        self.0.finish()
    }
}
