//! The dashboards and alerting rules of `deploy`: Prometheus itself scrapes a node and is
//! asked for all that they ask for.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use longshore_e2e::ports::free_address;
use longshore_e2e::process::tied_command;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, limits, paths, rest, wire};
use serde_json::{Value, json};
use tempfile::TempDir;

fn deploy() -> PathBuf {
    paths::repository().join("deploy")
}

fn rules() -> PathBuf {
    deploy().join("helm/longshore/files/alerts.yaml")
}

/// Every expression of the dashboards, with Grafana's variables as "all" has them.
fn panels() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in ["broker", "worker"] {
        let file = deploy().join("dashboards").join(format!("{name}.json"));
        let text = std::fs::read(file).expect("there is a dashboard");
        let board: Value = serde_json::from_slice(&text).expect("dashboards are JSON");
        for panel in board["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let mut expression = target["expr"].as_str().expect("an expression").to_owned();
                for (variable, all) in [
                    ("$__rate_interval", "1m"),
                    ("$job", ".*"),
                    ("$connector", ".*"),
                    ("$topic", ".*"),
                ] {
                    expression = expression.replace(variable, all);
                }
                found.push((format!("{name}: {}", panel["title"]), expression));
            }
        }
    }
    found
}

/// The names of metrics in the alerting rules.
fn alerted() -> BTreeSet<String> {
    let text = std::fs::read_to_string(rules()).expect("there are rules");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("kafka_"));
    words.map(str::to_owned).collect()
}

/// A node of all roles with a source, a sink and metrics, and Prometheus over it.
struct Place {
    prometheus: SocketAddr,
    /// Last, since it outlives what writes into it.
    _running: (Process, Node, TempDir),
}

impl Place {
    fn new() -> Self {
        paths::set_up("promtool");
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
        let metrics = free_address();
        let files = json!({
            "driver": "objects", "kind": "local", "root": folder.path(),
            "allow": { "connectors": ["*"], "verbs": ["read", "write"] },
        });
        let node = Node::with()
            .roles("broker,controller,worker")
            .property("metrics.listener", metrics)
            .property("rest.listeners", "http://127.0.0.1:0")
            .property("plugin.path", json!([paths::plugins()]))
            .property("connections", json!({ "files": files }))
            .start();
        wire::create_topic(node.kafka(), "lines", 2, &[]);
        std::fs::write(folder.path().join("in.txt"), "one\ntwo\n").expect("a file can be written");
        let worker = node.rest().expect("the node is a worker");
        let read = [("connector.class", "file-source"), ("topic", "lines"), ("path", "in.txt")];
        rest::create(worker, "read", &[&read[..], &[("tail", "true")]].concat());
        let write = [("connector.class", "file-sink"), ("topics", "lines"), ("path", "out")];
        rest::create(worker, "write", &[&write[..], &[("format", "lines")]].concat());
        for name in ["read", "write"] {
            rest::wait_state(worker, name, "RUNNING");
        }

        let config = json!({
            "global": { "scrape_interval": "1s" },
            "scrape_configs": [
                { "job_name": "longshore", "static_configs": [{ "targets": [metrics] }] },
            ],
        });
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).expect("a file can be written");
        let prometheus = free_address();
        let program = PathBuf::from("/usr/bin/prometheus");
        let mut command: Command = tied_command(&program);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()));
        command.arg(format!("--web.listen-address={prometheus}"));
        let process = Process::spawn("prometheus", &mut command);
        let ready = |line: &longshore_e2e::process::Line| {
            line.text.contains("Server is ready").then_some(())
        };
        process.wait_for("word that it is ready", limits::READY, ready);
        Self { prometheus, _running: (process, node, folder) }
    }

    /// Whether an expression has a sample now.
    ///
    /// # Panics
    /// When Prometheus refuses it.
    fn has_samples(&self, expression: &str) -> bool {
        let count = format!("count({expression})");
        let text: String = count.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = rest::get(self.prometheus, &format!("/api/v1/query?query={text}"));
        assert_eq!(answer.body["status"], "success", "{expression}: {}", answer.body);
        answer.body["data"]["result"].as_array().is_some_and(|all| !all.is_empty())
    }
}

#[test]
#[ignore = "second tier"]
fn promtool_takes_the_rules_and_they_tell_when_they_should() {
    paths::set_up("promtool");
    for (action, file) in
        [("check", rules()), ("test", paths::repository().join("tests/deploy/alerts_test.yaml"))]
    {
        Process::run("promtool", Command::new("promtool").args([action, "rules"]).arg(file));
    }
}

#[test]
#[ignore = "second tier"]
fn each_panel_shows_something_and_each_rule_looks_at_what_is_there() {
    let place = Place::new();
    let panels = panels();
    assert!(panels.len() > 50, "{}", panels.len());
    let mut empty = Vec::new();
    until("a sample for each panel", limits::CLIENT, || {
        empty = panels.iter().filter(|(_, it)| !place.has_samples(it)).collect();
        println!("without samples: {empty:?}");
        empty.is_empty().then_some(())
    });
    let alerted = alerted();
    assert!(alerted.len() > 15, "{alerted:?}");
    let missing: Vec<_> = alerted.iter().filter(|name| !place.has_samples(name)).collect();
    assert!(missing.is_empty(), "nobody tells of {missing:?}");
}
