//! A fleet on a cluster with ACLs needs the rights that the page on operation names, and
//! says which one it lacks.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use longshore_e2e::fleet::{Fleet, copies, ticks};
use longshore_e2e::wait::until;
use longshore_e2e::{Node, cli, limits, rest};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../deploy/README.md");

#[test]
fn the_rights_that_the_page_names_are_enough_and_the_leaders_is_asked_for_by_name() {
    let broker = Node::with()
        .property("listeners", "SASL_PLAINTEXT://127.0.0.1:0")
        .property("sasl.enabled.mechanisms", "PLAIN")
        .property(
            "listener.name.sasl_plaintext.plain.sasl.jaas.config",
            r#"'Plain required user_admin="a" user_worker="w";'"#,
        )
        .property(
            "authorizer.class.name",
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        )
        .property("super.users", "User:admin")
        .start();
    let admin = Admin::of(&broker);
    for topic in ["ticks", "words"] {
        admin.run(&["topic", "create", topic]);
    }
    let (of_leader, others): (Vec<_>, Vec<_>) =
        rights().into_iter().partition(|right| right.contains(&"connect-cluster-loaders"));
    assert_eq!((of_leader.len(), others.len()), (1, 4));
    for right in &others {
        admin.run(right);
    }
    // A source writes it, a sink and a processor read it.
    admin.allow("ticks", &[WRITTEN, READ, PROCESSED]);
    admin.allow("words", &[WRITTEN]);
    admin.allow("split-changelog", &["`NAME-changelog` of a processor"]);
    admin.allow("refused", &["of dead letters"]);

    let mut fleet = Fleet::on(&broker);
    fleet.set("group.id", "loaders");
    fleet.set("worker.client.security.protocol", "SASL_PLAINTEXT");
    fleet.set("worker.client.sasl.mechanism", "PLAIN");
    fleet.set("worker.client.sasl.username", "worker");
    fleet.set("worker.client.sasl.password", "w");
    fleet.add(1);
    let names = ["tick".to_owned()];
    let ticker = ticks::Ticker::start(&fleet.input(), &names);
    let mut source = BTreeMap::from(ticks::source("tick.txt"));
    source.insert("exactly.once.support", "required");
    let source = json!(source);
    let create = || rest::request(fleet.rest(), "PUT", "/connectors/tick/config", Some(&source));
    let refused = until("the leader to say what it lacks", limits::RUN, || {
        let answer = create();
        let told = answer.body["message"].as_str().unwrap_or_default();
        told.contains("connect-cluster-loaders").then(|| told.to_owned())
    });
    assert!(refused.contains("WRITE and DESCRIBE"), "{refused}");

    admin.run(&of_leader[0]);
    until("the leader to have its right", limits::RUN, || (create().status < 300).then_some(()));
    let tolerant = [("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", "refused")];
    fleet.create("copy", &[&ticks::SINK[..], &tolerant].concat());
    let split =
        [("connector.class", "split-words"), ("topics", "ticks"), ("output.topic", "words")];
    fleet.create("split", &split);
    for name in ["tick", "copy", "split"] {
        rest::wait_state(fleet.rest(), name, "RUNNING");
    }
    let count = ticker.stop();
    copies::wait_once(&fleet.output().join("copy"), 1, count);
    set_back(&fleet, "copy");
}

/// Stops a connector and has its group's offsets forgotten: one partition's, then all.
fn set_back(fleet: &Fleet, name: &str) {
    let ask = |method: &str, path: &str, body: Option<&Value>| {
        let path = format!("/connectors/{name}{path}");
        until(&format!("{method} {path} to be done"), limits::RUN, || {
            let answer = rest::request(fleet.rest(), method, &path, body);
            // A task may still be on its way out.
            let passes = [400, 409].contains(&answer.status);
            assert!(passes || answer.status < 300, "{method} {path}: {answer:?}");
            (!passes).then_some(())
        });
    };
    ask("PUT", "/stop", None);
    let first = json!({ "kafka_topic": "ticks", "kafka_partition": 0 });
    ask("PATCH", "/offsets", Some(&json!({ "offsets": [{ "partition": first, "offset": null }] })));
    ask("DELETE", "/offsets", None);
}

/// Rows of the page's table.
const WRITTEN: &str = "that a source or processor writes";
const READ: &str = "that a sink reads";
const PROCESSED: &str = "that a processor reads";

/// The page's commands, without their first word.
fn rights() -> Vec<Vec<&'static str>> {
    let lines = PAGE.lines().filter_map(|line| line.strip_prefix("longshore acl add "));
    lines.map(|line| ["acl", "add"].into_iter().chain(line.split(' ')).collect()).collect()
}

/// Whoever may do everything.
struct Admin {
    bootstrap: String,
    config: PathBuf,
}

impl Admin {
    fn of(broker: &Node) -> Self {
        let config = broker.folder().join("admin.properties");
        let text = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n\
                    sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
                    required username=\"admin\" password=\"a\";\n";
        std::fs::write(&config, text).expect("a file can be written");
        Self { bootstrap: broker.bootstrap(), config }
    }

    /// Lets the worker do with a topic what these rows of the page's table say.
    fn allow(&self, topic: &str, rows: &[&str]) {
        for row in rows {
            let line = PAGE.lines().find_map(|line| line.strip_prefix(&format!("| {row} | ")));
            let line = line.unwrap_or_else(|| panic!("the page has no row `{row}`"));
            let operations = line.trim_end_matches(" |").split([',', ';']);
            for operation in operations.filter_map(|it| it.split_whitespace().next()) {
                let what = ["--topic", topic, "--operation", operation];
                let whose = ["acl", "add", "--allow-principal", "User:worker"];
                self.run(&[&whose[..], &what].concat());
            }
        }
    }

    fn run(&self, arguments: &[&str]) {
        let config = self.config.display().to_string();
        let reach = ["--bootstrap-server", &self.bootstrap, "--command-config", &config];
        cli::run(&[arguments, &reach].concat());
    }
}
