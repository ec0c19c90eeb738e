//! A client of Kafka Connect's REST API that others wrote, against our worker:
//! `kc` of the Python package kafka-connect-py, each of its commands that Kafka Connect
//! itself understands.
#![allow(missing_docs, reason = "tests")]

use std::process::Command;

use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, limits, paths, wire};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Client {
    url: String,
}

impl Client {
    /// Runs a command; what it printed, which is JSON or nothing.
    fn run(&self, arguments: &[&str]) -> Value {
        let program = paths::installed("python").join("bin/kc");
        let mut command = Command::new(program);
        command.args(["--url", &self.url, "--auth", "ana:secret"]).args(arguments);
        let said = Process::run("kc", &mut command).join("\n");
        if said.is_empty() {
            return Value::Null;
        }
        // What fails is told in words, and with success.
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("kc {arguments:?}: {said}"))
    }

    fn waits(&self, state: &str) {
        until(&format!("read is {state}"), limits::CLIENT, || {
            let status = self.run(&["status", "read"]);
            let task = self.run(&["task-status", "read", "0"]);
            (status["connector"]["state"] == state && task["state"] == state).then_some(())
        });
    }
}

#[test]
#[ignore = "second tier"]
fn the_commands_of_kc_work() {
    let folder = TempDir::with_prefix("longshore-kc-").expect("a temporary folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file can be written");
    };
    write("in.txt", "one\ntwo\n");
    write("users", "ana=secret\n");
    let users = folder.path().join("users");
    let node =
        Node::with().files(folder.path()).property("rest.auth.basic.file", users.display()).start();
    wire::create_topic(node.kafka(), "lines", 1, &[]);
    let rest = node.rest().expect("the node is a worker");
    let kc = Client { url: format!("http://{rest}") };

    assert!(kc.run(&["info"])["kafka_cluster_id"].is_string());
    let plugins = kc.run(&["list-plugins"]);
    assert!(
        plugins.as_array().is_some_and(|all| all.iter().any(|it| it["class"] == "file-source"))
    );
    let config = json!({ "connector.class": "file-source", "topic": "lines", "path": "in.txt" });
    let new = json!({ "name": "read", "config": config }).to_string();
    assert_eq!(kc.run(&["create", "--config-data", &new])["name"], "read");
    kc.waits("RUNNING");
    assert_eq!(kc.run(&["list"]), json!(["read"]));
    assert_eq!(kc.run(&["list", "--expand", "status"])["read"]["status"]["type"], "source");
    assert_eq!(kc.run(&["get", "read"])["config"]["path"], "in.txt");
    assert_eq!(kc.run(&["config", "read"])["topic"], "lines");
    assert_eq!(kc.run(&["list-tasks", "read"])[0]["id"]["task"], 0);
    kc.run(&["pause", "read"]);
    kc.waits("PAUSED");
    kc.run(&["resume", "read"]);
    kc.waits("RUNNING");
    kc.run(&["restart", "read", "--include-tasks"]);
    kc.waits("RUNNING");
    kc.run(&["restart-task", "read", "0"]);
    kc.waits("RUNNING");
    until("its topic is known", limits::CLIENT, || {
        (kc.run(&["list-topics", "read"])["read"]["topics"] == json!(["lines"])).then_some(())
    });
    kc.run(&["reset-topics", "read"]);
    let changed = json!({ "connector.class": "file-source", "topic": "lines", "path": "*.txt" });
    let updated = kc.run(&["update", "read", "--config-data", &changed.to_string()]);
    assert_eq!(updated["config"]["path"], "*.txt");
    // Its `validate-config` sends a text of JSON, which Kafka Connect refuses too.
    kc.run(&["delete", "read"]);
    assert_eq!(kc.run(&["list"]), json!([]));
}
