//! What many tasks cost one worker: a thousand that idle, sixteen at full speed.

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, limits, rest, wire};
use tempfile::TempDir;

use crate::beside::{Side, cpu_seconds};
use crate::connect::{Worker, bytes_in};
use crate::report::{heading, mebibytes};

/// Connectors of each kind, and tasks of each connector.
const CONNECTORS: usize = 50;
const TASKS: usize = 10;
/// How long the tasks are given to come to rest, and how long is then measured.
const SETTLE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(30);

/// Tasks of the sink, and the numbers of partitions that it reads in turn.
const SINK_TASKS: usize = 16;
const PARTITIONS: [i32; 3] = [16, 128, 512];
/// Records that are in the topic, in batches, and their bytes.
const RECORDS: usize = 1_024_000;
const BATCH_RECORDS: usize = 1000;
const RECORD_BYTES: usize = 200;

pub(crate) fn measure() {
    heading(&format!(
        "{} idle tasks on one worker: {CONNECTORS} sources that follow files, {CONNECTORS} sinks, \
         {TASKS} tasks each",
        2 * CONNECTORS * TASKS
    ));
    idle_tasks();
    heading(&format!(
        "A sink of {SINK_TASKS} tasks at full speed: {RECORDS} records of {RECORD_BYTES} B to files"
    ));
    for partitions in PARTITIONS {
        full_speed(partitions);
    }
}

fn print(what: &str, figure: f64, unit: &str) {
    println!("  {what:<58} {figure:>9.2} {unit}");
}

fn idle_tasks() {
    let folder = TempDir::with_prefix("longshore-idle-").expect("a temporary folder");
    let mut node = Node::start();
    let mut worker = Worker::start(Side::Longshore, &node.bootstrap(), folder.path());
    wire::create_topic(node.kafka(), "idle", TASKS as i32, &[]);
    for file in 0..TASKS {
        std::fs::write(folder.path().join(format!("{file}.log")), "").expect("a file can be made");
    }
    let before = worker.process.resident_bytes();
    let tasks = &TASKS.to_string();
    let mut names = Vec::new();
    for number in 0..CONNECTORS {
        let (source, sink) = (format!("source-{number}"), format!("sink-{number}"));
        let class = ("connector.class", "file-source");
        let files = [("path", "*.log"), ("tail", "true"), ("tasks.max", tasks)];
        rest::create(worker.rest, &source, &[&[class, ("topic", "idle")][..], &files].concat());
        let class = ("connector.class", "file-sink");
        let files = [("path", sink.as_str()), ("tasks.max", tasks)];
        rest::create(worker.rest, &sink, &[&[class, ("topics", "idle")][..], &files].concat());
        names.extend([source, sink]);
    }
    for name in &names {
        until(&format!("{name} runs"), limits::RUN, || is_running(&worker, name).then_some(()));
    }
    // Time itself is what is measured here; no condition would say it.
    thread::sleep(SETTLE);
    let cpu = [cpu_seconds(&worker.process), cpu_seconds(node.process())];
    thread::sleep(IDLE);
    let a_minute = 60.0 / IDLE.as_secs_f64();
    let grown = worker.process.resident_bytes().saturating_sub(before);
    let a_task = mebibytes(grown) * 1024.0 / (names.len() * TASKS) as f64;
    print("memory of the worker without tasks", mebibytes(before), "MiB");
    print("memory a task", a_task, "KiB");
    print("CPU of the worker", (cpu_seconds(&worker.process) - cpu[0]) * a_minute, "s/min");
    print("CPU of the broker", (cpu_seconds(node.process()) - cpu[1]) * a_minute, "s/min");
    assert!(worker.process.terminate().success(), "the worker ends in order");
}

fn is_running(worker: &Worker, name: &str) -> bool {
    let status = rest::get(worker.rest, &format!("/connectors/{name}/status")).body;
    let tasks = status["tasks"].as_array();
    tasks.is_some_and(|tasks| {
        tasks.len() == TASKS && tasks.iter().all(|task| task["state"] == "RUNNING")
    })
}

/// The most memory that a worker has resident while a sink of many tasks writes all
/// that is in a topic of so many partitions.
fn full_speed(partitions: i32) {
    let folder = TempDir::with_prefix("longshore-sink-").expect("a temporary folder");
    let node = Node::start();
    fill(&node, partitions);
    let mut worker = Worker::start(Side::Longshore, &node.bootstrap(), folder.path());
    let out = folder.path().join("out");
    let began = Instant::now();
    let tasks = SINK_TASKS.to_string();
    let records = (RECORDS / partitions as usize).to_string();
    let class = ("connector.class", "file-sink");
    let files = [("path", "out"), ("format", "lines"), ("flush.size", records.as_str())];
    let options = [class, ("topics", "rows"), ("tasks.max", &tasks)];
    rest::create(worker.rest, "sink", &[&options[..], &files].concat());
    let bytes = (RECORDS * (RECORD_BYTES + 1)) as u64;
    until("all rows", limits::RUN, || (bytes_in(&out) >= bytes).then_some(()));
    let seconds = began.elapsed().as_secs_f64();
    let most = worker.process.resident_bytes_max();
    let what = format!("resident memory at most, {partitions} partitions");
    print(&what, most as f64 / 1e6, "MB");
    print(&format!("records, {partitions} partitions"), RECORDS as f64 / seconds, "1/s");
    assert!(worker.process.terminate().success(), "the worker ends in order");
}

/// As many records in each partition.
fn fill(node: &Node, partitions: i32) {
    wire::create_topic(node.kafka(), "rows", partitions, &[]);
    let mut connection = wire::Connection::connect(node.kafka()).expect("the broker accepts");
    let of_a_partition = RECORDS / partitions as usize;
    let value = Bytes::from(vec![b'x'; RECORD_BYTES]);
    let batch = wire::batch((-1, -1), -1, &vec![(None, Some(value)); BATCH_RECORDS]);
    for partition in 0..partitions {
        for _ in 0..of_a_partition / BATCH_RECORDS {
            let answer = wire::produce(&mut connection, "rows", partition, batch.clone());
            assert_eq!(answer.expect("an answer to Produce").0, 0, "produce");
        }
    }
}
