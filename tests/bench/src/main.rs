//! Measures Longshore on this machine and prints ratios of one run.
//!
//! Figures of different machines, or of different runs on a shared one, do not
//! compare; a ratio whose two sides were measured in turn does. Nothing here
//! asserts a speed.

mod beside;
mod connect;
mod guest;
mod kafka;
mod log;
mod pipeline;
mod report;
mod start;
mod tasks;

use std::path::PathBuf;

const HELP: &str = "\
Usage: longshore-bench [PART...]
       longshore-bench kafka|connect [--runs N] [--json FILE]

Parts (all of them unless named, but the last two):
  log       produce and fetch against raw append and read of the same bytes
  guest     a record through a WASM plugin against the same code native
  start     cold start to first acknowledgement, memory of an idle node
  pipeline  rows per second through the word count, memory while it runs
  tasks     what a thousand idle tasks cost a worker, and sixteen at full speed
  kafka     the broker beside Apache Kafka's; about 27 minutes on a quiet machine
  connect   the worker beside Kafka Connect's, with file connectors

Example: make bench; make bench-kafka; make bench-connect
";

const PARTS: [&str; 7] = ["log", "guest", "start", "pipeline", "tasks", "kafka", "connect"];

fn main() {
    let mut parts = Vec::new();
    let (mut runs, mut json) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| refuse(&argument, "needs a value"));
        match argument.as_str() {
            "--runs" => match value().parse::<usize>() {
                Ok(number @ 1..) => runs = Some(number),
                _ => refuse(&argument, "takes a number of at least 1"),
            },
            "--json" => json = Some(PathBuf::from(value())),
            part if PARTS.contains(&part) => parts.push(argument),
            _ => refuse(&argument, "no such part"),
        }
    }
    let beside = |part: &str| parts.iter().any(|name| name == part);
    let (kafka, connect) = (beside("kafka"), beside("connect"));
    if kafka == connect && (runs.is_some() || json.is_some()) {
        refuse("--runs and --json", "are options of the part kafka, and of connect");
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|name| name == part);
    if wanted("log") {
        log::measure();
    }
    if wanted("guest") {
        guest::measure();
    }
    if wanted("start") {
        start::measure();
    }
    if wanted("pipeline") {
        pipeline::measure();
    }
    if wanted("tasks") {
        tasks::measure();
    }
    if kafka {
        kafka::measure(runs, json.as_deref());
    }
    if connect {
        connect::measure(runs, json.as_deref());
    }
}

fn refuse(argument: &str, why: &str) -> ! {
    eprint!("{argument}: {why}\n\n{HELP}");
    std::process::exit(2);
}
