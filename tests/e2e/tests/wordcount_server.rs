//! The word count as connectors of a `longshore server`, made through REST: their
//! life, a neighbour that traps, and kills while topics are compacted.
#![allow(missing_docs, reason = "tests")]

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use longshore_e2e::node::Settings;
use longshore_e2e::random::Random;
use longshore_e2e::rest::{self, Answer};
use longshore_e2e::wait::until;
use longshore_e2e::wordcount::{Counts, PARTITIONS, WordCount, assert_same, records};
use longshore_e2e::{Node, audit, cli, limits, paths, text, wire};
use serde_json::{Value, json};

const SIGKILL: i32 = 9;
const STAGES: [&str; 3] = ["read", "split", "count"];

#[test]
fn connectors_are_created_run_restarted_and_deleted() {
    let count = WordCount::new();
    count.write("a.txt", "one two two\n");
    let node = worker(&count).start();
    let address = rest_of(&node);
    start(&node, &[]);
    for name in STAGES {
        rest::wait_state(address, name, "RUNNING");
    }
    wait_counts(&node, &count);
    assert_eq!(rest::get(address, "/connectors").body, json!(["count", "read", "split"]));
    let read = rest::get(address, "/connectors/read").body;
    assert_eq!(read["type"], "source", "{read}");
    assert_eq!(read["config"]["connector.class"], "file-source", "{read}");

    let config = json!({ "connector.class": "file-source", "topic": "lines", "path": "a.txt" });
    let again = json!({ "name": "read", "config": config });
    let conflict = rest::request(address, "POST", "/connectors", Some(&again));
    assert_eq!(conflict.status, 409, "{conflict:?}");

    for path in ["/connectors/split/restart", "/connectors/count/tasks/0/restart"] {
        let answer = rest::request(address, "POST", path, None);
        assert_eq!(answer, Answer { status: 204, body: Value::Null }, "{path}");
    }
    for name in STAGES {
        rest::wait_state(address, name, "RUNNING");
    }
    count.write("b.txt", "two three\n");
    wait_counts(&node, &count);

    for name in STAGES {
        let path = format!("/connectors/{name}");
        assert_eq!(rest::request(address, "DELETE", &path, None).status, 204);
        until("404", limits::RUN, || (rest::get(address, &path).status == 404).then_some(()));
        assert_eq!(rest::get(address, &format!("{path}/status")).status, 404);
    }
    assert_eq!(rest::get(address, "/connectors").body, json!([]));
}

#[test]
fn the_workers_state_is_in_four_compacted_topics() {
    let count = WordCount::new();
    let node = worker(&count)
        .property("plugin.upload.enable", "true")
        .property("admin.listeners", "http://127.0.0.1:0")
        .start();
    for topic in ["connect-configs", "connect-offsets", "connect-status", "connect-plugins"] {
        let arguments = [
            "topic",
            "describe",
            topic,
            "--output",
            "json",
            "--bootstrap-server",
            &node.bootstrap(),
        ];
        let described: Value =
            serde_json::from_str(&cli::run(&arguments).join("\n")).expect("JSON is printed");
        let configs = described["configs"].as_array().expect("configurations");
        let policy = configs.iter().find(|config| config["name"] == "cleanup.policy");
        assert_eq!(policy.map(|config| &config["value"]), Some(&json!("compact")), "{described}");
    }
}

#[test]
fn after_an_orderly_restart_no_row_comes_twice_and_none_is_lost() {
    let mut random = Random::announced("after_an_orderly_restart");
    let count = WordCount::new();
    let mut node = worker(&count).start();
    start(&node, &[]);
    for run in 0..3 {
        let name = format!("t{run}");
        count.write(&name, text::unique_rows(&name, &mut random, 1 << 20));
        if run == 1 {
            // Once in the middle of its work.
            let before = rows(&node);
            until("new rows", limits::RUN, || (rows(&node) > before).then_some(()));
        } else {
            wait_counts(&node, &count);
        }
        let status = node.stop();
        assert!(status.success(), "an orderly stop ends with {status}");
        node.restart();
        for name in STAGES {
            rest::wait_state(rest_of(&node), name, "RUNNING");
        }
    }
    wait_counts(&node, &count);
    let counts = audit::topics(&node, &count.input());
    assert_same(&counts, &count.expected());
}

#[test]
fn a_plugin_that_traps_fails_with_its_own_words_and_the_others_go_on() {
    let count = WordCount::new();
    count.write("a.txt", "one two two\n");
    let node = worker(&count).start();
    let address = rest_of(&node);
    start(&node, &[]);
    let evil = [("connector.class", "evil-source"), ("evil", "panic"), ("evil.in", "poll")];
    rest::create(address, "evil", &evil);
    wait_counts(&node, &count);
    let status = rest::wait_state(address, "evil", "FAILED");
    let trace = status["tasks"][0]["trace"].as_str().expect("a trace");
    assert!(trace.contains("the plugin's own words"), "{trace}");
    count.write("b.txt", "two three\n");
    wait_counts(&node, &count);
    for name in STAGES {
        rest::wait_state(address, name, "RUNNING");
    }
    assert_eq!(rest::request(address, "DELETE", "/connectors/evil", None).status, 204);
}

#[test]
fn killed_after_a_cleaning_was_written_it_counts_each_word_once() {
    killed_while_compacting("clean-after-write:4");
}

#[test]
fn killed_before_a_cleaning_is_swapped_in_it_counts_each_word_once() {
    killed_while_compacting("clean-before-swap:4");
}

#[test]
fn killed_in_the_middle_of_a_cleanings_swap_it_counts_each_word_once() {
    killed_while_compacting("clean-middle-of-swap:4");
}

#[test]
fn killed_after_a_cleanings_swap_it_counts_each_word_once() {
    killed_while_compacting("clean-after-swap:4");
}

/// Dies twice at a point of the cleaner, at work on the worker's own topics,
/// the changelog and the counts.
fn killed_while_compacting(point: &str) {
    let mut random = Random::announced(point);
    let count = WordCount::new();
    let mut node = worker(&count)
        .property("log.cleaner.backoff.ms", 20)
        .property("log.cleaner.min.cleanable.ratio", 0.01)
        .property("log.roll.ms", 200)
        .start();
    start(&node, &[]);
    for run in 0..3 {
        let name = format!("t{run}");
        count.write(&name, text::unique_rows(&name, &mut random, 1 << 20));
        wait_counts(&node, &count);
        node.kill();
        if run == 2 {
            break;
        }
        node.set_environment("LONGSHORE_CRASH_AT", Some(point));
        node.launch();
        let more = format!("m{run}");
        count.write(&more, text::unique_rows(&more, &mut random, 1 << 20));
        let status = node.died();
        assert_eq!(status.signal(), Some(SIGKILL), "it died at {point}: {status}");
        node.set_environment("LONGSHORE_CRASH_AT", None);
        node.restart();
    }
    node.set_environment("LONGSHORE_CRASH_AT", None);
    node.restart();
    wait_counts(&node, &count);
    assert_same(&audit::topics(&node, &count.input()), &count.expected());
}

/// A node of all roles that may read the texts.
fn worker(count: &WordCount) -> Settings {
    let evil: PathBuf = paths::plugins().join("evil");
    let allow = json!({ "connectors": ["*"], "verbs": ["read"] });
    let input =
        json!({ "driver": "objects", "kind": "local", "root": count.input(), "allow": allow });
    Node::with()
        .roles("broker,controller,worker")
        .property("rest.listeners", "http://127.0.0.1:0")
        .property("plugin.path", json!([paths::plugins(), evil]))
        .property("offsets.topic.num.partitions", 4)
        .property("connections", json!({ "input": input }))
}

fn rest_of(node: &Node) -> SocketAddr {
    node.rest().expect("the node is a worker")
}

/// Creates topics and connectors; the source follows its files.
fn start(node: &Node, more: &[(&str, &str)]) {
    for (topic, policy) in [("lines", "delete"), ("words", "delete"), ("counts", "compact")] {
        let configs = [&[("cleanup.policy", policy)], more].concat();
        wire::create_topic(node.kafka(), topic, PARTITIONS, &configs);
    }
    let address = rest_of(node);
    let read = [("connector.class", "file-source"), ("connection", "input"), ("path", "**/*")];
    rest::create(address, "read", &[&read[..], &[("topic", "lines"), ("tail", "true")]].concat());
    for (name, class, from, to) in
        [("split", "split-words", "lines", "words"), ("count", "count-words", "words", "counts")]
    {
        rest::create(
            address,
            name,
            &[("connector.class", class), ("topics", from), ("output.topic", to)],
        );
    }
}

/// Waits until every word has at least the count that it must have.
fn wait_counts(node: &Node, count: &WordCount) {
    let expected = count.expected();
    let mut counts = Counts::new();
    until("counts", limits::RUN, || {
        counts = audit::counts(node);
        let enough = |(word, least)| counts.get(word).is_some_and(|count| count >= least);
        expected.iter().all(enough).then_some(())
    });
}

fn rows(node: &Node) -> usize {
    records(node, "lines").iter().map(Vec::len).sum()
}
