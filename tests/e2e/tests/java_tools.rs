//! Kafka's own command-line tools against the broker.
#![allow(missing_docs, reason = "tests")]

use std::io::Write;
use std::process::Stdio;

use longshore_e2e::client::{Client, Consume, Produce, java};
use longshore_e2e::wire::Connection;
use longshore_e2e::{Node, Process, limits, wire};

#[test]
fn kafka_topics_creates_describes_extends_and_deletes() {
    let node = Node::start();
    let topics = |arguments: &[&str]| java::topics(&node.bootstrap(), arguments);

    topics(&[
        "--create",
        "--topic",
        "lines",
        "--partitions",
        "2",
        "--config",
        "retention.ms=86400000",
    ]);
    assert_eq!(topics(&["--list", "--exclude-internal"]), ["lines"]);
    let described = topics(&["--describe", "--topic", "lines"]).join("\n");
    assert!(described.contains("PartitionCount: 2"), "{described}");
    assert!(described.contains("retention.ms=86400000"), "{described}");

    topics(&["--alter", "--topic", "lines", "--partitions", "5"]);
    let described = topics(&["--describe", "--topic", "lines"]).join("\n");
    assert!(described.contains("PartitionCount: 5"), "{described}");

    topics(&["--delete", "--topic", "lines"]);
    assert_eq!(topics(&["--list", "--exclude-internal"]).concat(), "");
}

#[test]
fn kafka_configs_sets_lists_and_removes() {
    let node = Node::start();
    wire::create_topic(node.kafka(), "tuned", 1, &[]);
    let configs = |arguments: &[&str]| {
        let mut all = vec!["--entity-type", "topics", "--entity-name", "tuned"];
        all.extend(arguments);
        java::configs(&node.bootstrap(), &all).join("\n")
    };

    configs(&["--alter", "--add-config", "cleanup.policy=compact,max.message.bytes=2000000"]);
    let described = configs(&["--describe"]);
    assert!(described.contains("cleanup.policy=compact"), "{described}");
    assert!(described.contains("max.message.bytes=2000000"), "{described}");

    configs(&["--alter", "--delete-config", "cleanup.policy"]);
    let described = configs(&["--describe"]);
    assert!(!described.contains("cleanup.policy"), "{described}");
    let all = configs(&["--describe", "--all"]);
    assert!(all.contains("cleanup.policy=delete"), "{all}");
    assert!(all.contains("DEFAULT_CONFIG"), "each config tells its source: {all}");
}

#[test]
fn the_console_producer_and_consumer_pass_keys_and_values() {
    let node = Node::start();
    wire::create_topic(node.kafka(), "typed", 1, &[]);
    let bootstrap = node.bootstrap();

    let mut command = java::tool("org.apache.kafka.tools.ConsoleProducer");
    command.args(["--bootstrap-server", &bootstrap, "--topic", "typed"]);
    command.args(["--property", "parse.key=true", "--property", "key.separator=:"]);
    let mut producer = Process::spawn("ConsoleProducer", command.stdin(Stdio::piped()));
    let mut stdin = producer.stdin().expect("stdin is piped");
    stdin.write_all(b"a:one\nb:two\nc:three\n").expect("the producer reads its input");
    drop(stdin);
    assert!(producer.ended(limits::CLIENT).success());

    let mut command = java::tool("org.apache.kafka.tools.consumer.ConsoleConsumer");
    command.args(["--bootstrap-server", &bootstrap, "--topic", "typed", "--from-beginning"]);
    command.args(["--max-messages", "3", "--property", "print.key=true"]);
    command.args(["--property", "key.separator=:"]);
    assert_eq!(Process::run("ConsoleConsumer", &mut command), ["a:one", "b:two", "c:three"]);
}

#[test]
fn kafka_consumer_groups_shows_lag_and_resets_offsets() {
    let node = Node::start();
    wire::create_topic(node.kafka(), "pages", 1, &[]);
    Client::Confluent.produce_all(&node.bootstrap(), &Produce::to("pages", 100));
    let work = Consume::from("pages", "readers").records_max(30);
    Client::Confluent.consume_all(&node.bootstrap(), &work);
    let groups = |arguments: &[&str]| java::consumer_groups(&node.bootstrap(), arguments);

    assert_eq!(groups(&["--list"]), ["readers"]);
    let row = group_row(&groups(&["--describe", "--group", "readers"]));
    assert_eq!(row, ["30", "100", "70"], "committed, end and lag");

    groups(&[
        "--reset-offsets",
        "--group",
        "readers",
        "--topic",
        "pages",
        "--to-offset",
        "95",
        "--execute",
    ]);
    let row = group_row(&groups(&["--describe", "--group", "readers"]));
    assert_eq!(row, ["95", "100", "5"], "after the reset");
}

#[test]
fn kafka_consumer_groups_names_the_members_of_a_live_group() {
    let node = Node::start();
    wire::create_topic(node.kafka(), "pages", 2, &[]);
    let member = Client::Java.consume(&node.bootstrap(), &Consume::from("pages", "live"));
    member.wait_assigned(2);
    let state =
        java::consumer_groups(&node.bootstrap(), &["--describe", "--group", "live", "--state"]);
    assert!(state.join("\n").contains("Stable"), "{state:?}");
    let arguments = ["--describe", "--group", "live", "--members", "--verbose"];
    let members = java::consumer_groups(&node.bootstrap(), &arguments).join("\n");
    assert!(members.contains("pages(0,1)") || members.contains("pages:0,1"), "{members}");
}

#[test]
fn kafka_get_offsets_tells_earliest_latest_and_greatest_timestamp() {
    let node = Node::start();
    wire::create_topic(node.kafka(), "counted", 1, &[]);
    let mut connection = Connection::connect(node.kafka()).expect("the broker is up");
    for timestamp in [1_000, 3_000, 2_000] {
        let batch = wire::batch_at(timestamp, (-1, -1), -1, &[(None, Some("value".into()))]);
        let (error, _) = wire::produce(&mut connection, "counted", 0, batch).expect("an answer");
        assert_eq!(error, 0);
    }
    for (time, offset) in [("earliest", "0"), ("latest", "3"), ("-3", "1")] {
        let arguments = ["--topic", "counted", "--time", time];
        let answer = java::get_offsets(&node.bootstrap(), &arguments);
        assert_eq!(answer, [format!("counted:0:{offset}")], "--time {time}");
    }
}

#[test]
fn the_performance_tool_moves_a_hundred_thousand_records() {
    let node = Node::start();
    wire::create_topic(node.kafka(), "load", 2, &[]);
    let bootstrap = format!("bootstrap.servers={}", node.bootstrap());
    let mut arguments = vec!["--topic", "load", "--num-records", "100000", "--record-size", "200"];
    arguments.extend(["--throughput", "-1", "--producer-props", &bootstrap, "acks=all"]);
    let report = java::run("org.apache.kafka.tools.ProducerPerformance", &arguments).join("\n");
    assert!(report.contains("100000 records sent"), "{report}");
    let stored = |partition| wire::read_partition(node.kafka(), "load", partition).len();
    assert_eq!(stored(0) + stored(1), 100_000);
}

/// Committed offset, end offset and lag in the one row of a description.
fn group_row(lines: &[String]) -> Vec<String> {
    let columns = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = columns.into_iter().find(|row| row.len() > 5 && row[1] == "pages");
    let row = row.unwrap_or_else(|| panic!("no row of the topic in {lines:?}"));
    row[3..6].iter().map(|column| (*column).to_owned()).collect()
}
