//! The commands that administrate a cluster, each checked by Kafka's own tools
//! and the other way round: against the broker, and against Apache Kafka.
#![allow(missing_docs, reason = "tests")]

use std::io::Write;

use longshore_e2e::client::{Client, Consume, Produce, java, open_transaction};
use longshore_e2e::node::Settings;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, cli, limits};
use serde_json::{Value, json};

/// A node that checks ACLs, where everyone may do everything.
fn settings() -> Settings {
    Node::with()
        .property(
            "authorizer.class.name",
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        )
        .property("super.users", "User:ANONYMOUS")
        .property("auto.create.topics.enable", "false")
}

#[test]
fn topics_and_configs_are_those_of_kafkas_tools() {
    topics_and_configs(&settings().start());
}

#[test]
fn acls_are_those_of_kafkas_tool() {
    acls(&settings().start());
}

#[test]
fn users_and_quotas_are_those_of_kafkas_tool() {
    users_and_quotas(&settings().start());
}

#[test]
fn offsets_of_groups_are_reset_and_deleted() {
    groups(&settings().start());
}

#[test]
fn a_stuck_transaction_is_found_and_ended_and_readers_go_on() {
    transactions(&settings().start());
}

#[test]
fn a_hanging_transaction_is_found_and_ended_and_readers_go_on() {
    hanging_transaction(&mut settings().start());
}

/// One start of Apache Kafka serves all of them: it takes many seconds.
#[test]
fn apache_kafka_takes_the_same_commands() {
    let mut node = settings().apache_kafka().start();
    topics_and_configs(&node);
    acls(&node);
    users_and_quotas(&node);
    groups(&node);
    transactions(&node);
    hanging_transaction(&mut node);
}

fn run(node: &Node, arguments: &str) -> Vec<String> {
    let bootstrap = node.bootstrap();
    let mut all: Vec<&str> = arguments.split(' ').collect();
    all.extend(["--bootstrap-server", &bootstrap]);
    cli::run(&all)
}

fn look(node: &Node, arguments: &str) -> Value {
    let bootstrap = node.bootstrap();
    let mut all: Vec<&str> = arguments.split(' ').collect();
    all.extend(["--bootstrap-server", &bootstrap]);
    cli::json(&all)
}

fn refused(node: &Node, arguments: &str) -> (i32, String) {
    let bootstrap = node.bootstrap();
    let mut all: Vec<&str> = arguments.split(' ').collect();
    all.extend(["--bootstrap-server", &bootstrap]);
    cli::refused(&all)
}

/// Waits until a command prints what is wanted: Kafka tells of a change a little
/// later than it made it.
fn eventually(node: &Node, arguments: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until(arguments, limits::CLIENT, || Some(look(node, arguments)).filter(&wanted))
}

fn topics_and_configs(node: &Node) {
    let bootstrap = node.bootstrap();
    run(node, "topic create tuned --partitions 2 --config retention.ms=86400000");
    run(node, "topic create tuned --if-not-exists");
    let (code, told) = refused(node, "topic create tuned");
    assert_eq!(code, 1);
    assert!(told.contains("TOPIC_ALREADY_EXISTS"), "{told}");
    let (code, told) = refused(node, "topic describe tunde");
    assert!(code == 1 && told.contains("`tuned`"), "{told}");
    run(node, "topic alter tuned --partitions 5 --config segment.bytes=2097152");
    let described = java::topics(&bootstrap, &["--describe", "--topic", "tuned"]).join("\n");
    assert!(described.contains("PartitionCount: 5"), "{described}");
    assert!(described.contains("segment.bytes=2097152"), "{described}");
    let described = look(node, "topic describe tuned");
    assert_eq!(described["partitions"].as_array().map(Vec::len), Some(5));
    assert_eq!(described["partitions"][4]["offline"], json!([]));

    run(node, "config alter topic tuned --append cleanup.policy=compact --delete segment.bytes");
    let configs = |arguments: &[&str]| {
        let mut all = vec!["--entity-type", "topics", "--entity-name", "tuned"];
        all.extend(arguments);
        java::configs(&bootstrap, &all).join("\n")
    };
    let described = configs(&["--describe"]);
    assert!(described.contains("cleanup.policy=delete,compact"), "{described}");
    assert!(!described.contains("segment.bytes"), "{described}");
    configs(&["--alter", "--add-config", "max.message.bytes=2000000"]);
    run(node, "config alter topic tuned --subtract cleanup.policy=delete");
    let value = |value: &Value, name: &str| {
        let all = value["configs"].as_array().expect("a list of configs").iter();
        all.clone().find(|config| config["name"] == name).cloned().unwrap_or_default()
    };
    let own = eventually(node, "config describe topic tuned", |own| {
        value(own, "cleanup.policy")["value"] == "compact"
    });
    assert_eq!(value(&own, "max.message.bytes")["value"], "2000000");
    assert_eq!(value(&own, "max.message.bytes")["source"], "DYNAMIC_TOPIC_CONFIG");
    assert_eq!(value(&own, "segment.bytes"), Value::Null, "it was not set, so --all shows it");
    let all = look(node, "config describe topic tuned --all");
    assert_eq!(value(&all, "segment.bytes")["source"], "DEFAULT_CONFIG");
    let broker = look(node, "config describe broker 1 --all");
    assert_eq!(value(&broker, "auto.create.topics.enable")["source"], "STATIC_BROKER_CONFIG");
    assert_eq!(value(&broker, "auto.create.topics.enable")["value"], "false");
    let (code, told) = refused(node, "config alter topic tuned --add retention.mss=1");
    assert!(code == 1 && told.contains("`retention.ms`"), "{told}");
    let (code, told) = refused(node, "config alter topic tuned --add retention.ms=soon");
    assert!(code == 1 && told.contains("INVALID_CONFIG"), "{told}");
    run(node, "topic delete tuned --yes");
    let (code, _) = refused(node, "topic delete tuned --yes");
    assert_eq!(code, 1);
    run(node, "topic delete tuned --if-exists --yes");
}

fn acls(node: &Node) {
    let bootstrap = node.bootstrap();
    run(node, "acl add --allow-principal User:alice --producer --topic orders");
    run(
        node,
        "acl add --deny-principal User:alice --deny-host 10.0.0.9 --operation All --topic pay. --pattern prefixed",
    );
    let listed = until("the ACLs in Kafka's tool", limits::CLIENT, || {
        let listed = java::acls(&bootstrap, &["--list"]).join("\n");
        listed.contains("patternType=PREFIXED").then_some(listed)
    });
    for operation in ["WRITE", "DESCRIBE", "CREATE"] {
        let entry =
            format!("(principal=User:alice, host=*, operation={operation}, permissionType=ALLOW)");
        assert!(listed.contains(&entry), "{entry} in {listed}");
    }
    let entry = "(principal=User:alice, host=10.0.0.9, operation=ALL, permissionType=DENY)";
    assert!(listed.contains(entry), "{listed}");

    let bob = [
        "--add",
        "--allow-principal",
        "User:bob",
        "--consumer",
        "--topic",
        "orders",
        "--group",
        "readers",
    ];
    java::acls(&bootstrap, &bob);
    let bobs = eventually(node, "acl list --principal User:bob", |acls| {
        acls.as_array().is_some_and(|acls| acls.len() == 3)
    });
    let entry = json!({
        "principal": "User:bob", "host": "*", "operation": "READ", "permission": "ALLOW",
        "resource_type": "GROUP", "resource_name": "readers", "pattern_type": "LITERAL",
    });
    assert!(bobs.as_array().expect("a list").contains(&entry), "{bobs}");
    let matching = look(node, "acl list --topic pay.eu --pattern match");
    assert_eq!(matching[0]["resource_name"], "pay.", "a prefix speaks of the topic");

    run(node, "acl remove --allow-principal User:alice --producer --topic orders --yes");
    let (code, told) =
        refused(node, "acl remove --allow-principal User:alice --producer --topic orders --yes");
    assert!(code == 1 && told.contains("no entry was removed"), "{told}");
    let (code, told) = refused(node, "acl remove --topic orders --pattern match");
    assert!(code == 2 && told.contains("--yes"), "{told}");
    // Kafka's tool calls it so.
    let removed = look(node, "acl remove --topic orders --force");
    assert_eq!(removed.as_array().map(Vec::len), Some(2), "{removed}");
    let listed = java::acls(&bootstrap, &["--list", "--topic", "orders"]).join("\n");
    assert!(!listed.contains("principal="), "{listed}");
}

fn users_and_quotas(node: &Node) {
    let bootstrap = node.bootstrap();
    let configs = |arguments: &str| {
        java::configs(&bootstrap, &arguments.split(' ').collect::<Vec<_>>()).join("\n")
    };
    let mut password = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    writeln!(password, "a secret").expect("a temporary file can be written");
    let path = password.path().display();
    run(node, &format!("user set alice --iterations 8192 --password-file {path}"));
    run(node, "quota set --user alice --client-id app producer_byte_rate=1048576");
    run(node, "quota set --user-default request_percentage=50.5");
    let described = until("the user in Kafka's tool", limits::CLIENT, || {
        let described = configs("--describe --entity-type users --entity-name alice");
        described.contains("SCRAM-SHA-512=iterations=8192").then_some(described)
    });
    assert!(!described.contains("a secret"), "{described}");
    let described = configs(
        "--describe --entity-type users --entity-name alice --entity-type clients --entity-name app",
    );
    assert!(described.contains("producer_byte_rate=1048576"), "{described}");
    let described = configs("--describe --entity-type users --entity-default");
    assert!(described.contains("request_percentage=50.5"), "{described}");

    configs(
        "--alter --entity-type users --entity-name bob --add-config SCRAM-SHA-256=[iterations=4096,password=x]",
    );
    configs(
        "--alter --entity-type clients --entity-name batch --add-config consumer_byte_rate=1000",
    );
    let users =
        eventually(node, "user list", |users| users.as_array().is_some_and(|all| all.len() == 2));
    assert_eq!(users[1], json!({"user": "bob", "mechanism": "SCRAM-SHA-256", "iterations": 4096}));
    let quotas = eventually(node, "quota list --client-id batch", |found| found[0].is_object());
    assert_eq!(quotas[0]["quotas"], json!({"consumer_byte_rate": 1000.0}));
    assert_eq!(quotas[0]["entity"], json!({"client-id": "batch"}));

    run(node, "user delete alice --yes");
    eventually(node, "user list", |users| users.as_array().is_some_and(|all| all.len() == 1));
    let (code, told) = refused(node, "user delete alice --yes");
    assert!(code == 1 && told.contains("no user `alice`"), "{told}");
    run(node, "quota remove --user alice --client-id app --yes");
    eventually(node, "quota list --user alice", |found| found == &json!([]));
    let (code, told) = refused(node, "quota remove --user alice --client-id app --yes");
    assert!(code == 1 && told.contains("has no quotas"), "{told}");
}

fn groups(node: &Node) {
    let bootstrap = node.bootstrap();
    run(node, "topic create pages");
    Client::Confluent.produce_all(&bootstrap, &Produce::to("pages", 100));
    let work = Consume::from("pages", "readers").records_max(30);
    Client::Confluent.consume_all(&bootstrap, &work);
    let offsets = |described: &Value| described["offsets"][0].clone();
    let described = eventually(node, "group describe readers", |found| found["state"] == "Empty");
    assert_eq!(offsets(&described)["committed"], 30);
    assert_eq!(offsets(&described)["lag"], 70);
    let listed = look(node, "group list --state empty --type classic");
    assert!(
        listed.as_array().expect("a list").iter().any(|group| group["group_id"] == "readers"),
        "{listed}"
    );

    let planned = look(node, "group reset-offsets readers --topic pages --shift-by -10");
    assert_eq!(
        planned,
        json!([{"topic": "pages", "partition": 0, "committed": 30, "new_offset": 20}])
    );
    assert_eq!(offsets(&look(node, "group describe readers"))["committed"], 30, "it was a dry run");
    for (way, offset) in [
        ("--shift-by -10", 20),
        ("--to-latest", 100),
        ("--to-offset 1000", 100),
        ("--to-datetime 1999-12-31T23:59:59.000+02:00", 0),
        ("--by-duration P365D", 0),
        ("--to-datetime 2999-01-01T00:00:00", 100),
        ("--to-earliest", 0),
    ] {
        run(node, &format!("group reset-offsets readers --all-topics {way} --execute"));
        let rows = java::consumer_groups(&bootstrap, &["--describe", "--group", "readers"]);
        let row = rows.iter().find(|row| row.contains("pages")).expect("a row of the topic");
        let committed = row.split_whitespace().nth(3);
        assert_eq!(committed, Some(offset.to_string().as_str()), "{way}: {row}");
    }

    let member = Client::Java.consume(&bootstrap, &Consume::from("pages", "readers"));
    member.wait_assigned(1);
    let described = look(node, "group describe readers");
    assert_eq!(described["group_type"], "Classic");
    assert_eq!(described["members"][0]["partitions"], json!({"pages": [0]}));
    assert_eq!(described["offsets"][0]["member_id"], described["members"][0]["member_id"]);
    let (code, told) =
        refused(node, "group reset-offsets readers --topic pages --to-latest --execute");
    assert!(code == 1 && told.contains("stop its members"), "{told}");
    let (code, told) = refused(node, "group delete readers --yes");
    assert!(code == 1 && told.contains("NON_EMPTY_GROUP"), "{told}");
    drop(member);

    let work = Consume::from("pages", "newer").setting("group.protocol", "consumer");
    let mut member = Client::Java.consume(&bootstrap, &work);
    member.wait_assigned(1);
    let described = eventually(node, "group describe newer", |found| {
        found["members"][0]["partitions"] == json!({"pages": [0]})
    });
    assert_eq!(described["group_type"], "Consumer");
    assert_eq!(described["state"], "Stable");
    member.leave();
    eventually(node, "group describe newer", |found| found["state"] == "Empty");
    run(node, "group delete-offsets newer --topic pages --yes");
    run(node, "group delete newer --yes");
    let (code, told) = refused(node, "group describe newer");
    assert!(code == 1 && told.contains("no group `newer`"), "{told}");
}

fn transactions(node: &Node) {
    let bootstrap = node.bootstrap();
    run(node, "topic create orders");
    let mut producer = open_transaction(&bootstrap, "pay-1", "orders", 2);
    Client::Confluent.produce_all(&bootstrap, &Produce::to("orders", 3));
    let work = Consume::from("orders", "auditors").setting("isolation.level", "read_committed");
    let reader = Client::Confluent.consume(&bootstrap, &work.records_max(3));

    let ongoing = look(node, "txn list --state Ongoing");
    assert_eq!(ongoing[0]["transactional_id"], "pay-1");
    assert_eq!(look(node, "txn list --longer-than 1h"), json!([]));
    let id = ongoing[0]["producer_id"].clone();
    assert_eq!(look(node, &format!("txn list --producer-id {id}"))[0]["transactional_id"], "pay-1");
    let listed = java::transactions(&bootstrap, &["list"]).join("\n");
    assert!(listed.contains("pay-1") && listed.contains("Ongoing"), "{listed}");
    let described = look(node, "txn describe pay-1");
    assert_eq!(described["partitions"], json!({"orders": [0]}));
    assert_eq!(described["timeout_ms"], 600_000);
    let producers = look(node, "txn producers --topic orders --partition 0");
    let open = producers.as_array().expect("a list").iter().find(|row| row["producer_id"] == id);
    assert_eq!(open.expect("the producer is known")["transaction_start"], 0);
    assert_eq!(look(node, "txn hanging --older-than 0s"), json!([]), "its coordinator has it");
    let (code, told) = refused(node, "txn abort --transactional-id pay-2 --yes");
    assert!(
        code == 1 && told.contains("TRANSACTIONAL_ID_NOT_FOUND") && told.contains("pay-1"),
        "{told}"
    );
    assert!(reader.consumed().is_empty(), "nothing is read beyond an open transaction");

    let at_0 = "txn abort --topic orders --partition 0 --start-offset 0 --yes";
    let (code, told) = refused(node, at_0);
    assert!(code == 1 && told.contains("does not hang") && told.contains("`pay-1`"), "{told}");
    assert!(reader.consumed().is_empty(), "it goes on");
    let told = run(node, "txn abort --transactional-id pay-1 --yes").join("\n");
    assert!(told.contains("its transaction was aborted"), "{told}");
    reader.wait_consumed(3);
    let ended = eventually(node, "txn describe pay-1", |found| found["state"] != "PrepareAbort");
    assert!(
        ["CompleteAbort", "Empty"].contains(&ended["state"].as_str().expect("a text")),
        "{ended}"
    );
    let offsets: Vec<i64> = reader.consumed().iter().map(|at| at.offset).collect();
    assert_eq!(offsets, [2, 3, 4], "what was aborted is not read");
    writeln!(producer.stdin().expect("stdin is piped"), "commit").expect("the producer lives");
    producer.wait_for("fencing", limits::CLIENT, |line| (line.text == "fenced").then_some(()));
    let (code, told) = refused(node, at_0);
    assert!(code == 1 && told.contains("aborted or was in no transaction"), "{told}");

    let mut producer = open_transaction(&bootstrap, "pay-3", "orders", 1);
    writeln!(producer.stdin().expect("stdin is piped"), "commit").expect("the producer lives");
    producer.wait_for("commit", limits::CLIENT, |line| (line.text == "committed").then_some(()));
    eventually(node, "txn describe pay-3", |found| found["state"] == "CompleteCommit");
    let told = run(node, "txn abort --transactional-id pay-3 --yes").join("\n");
    assert!(told.contains("no transaction was open"), "what is committed stays so: {told}");

    let forced = open_transaction(&bootstrap, "pay-4", "orders", 1);
    let producers = look(node, "txn producers --topic orders --partition 0");
    let starts = producers.as_array().expect("a list").iter();
    let start = starts.filter_map(|row| row["transaction_start"].as_i64()).next();
    let start = start.expect("it is open");
    let abort = format!("txn abort --topic orders --partition 0 --start-offset {start} --force -y");
    run(node, &abort);
    drop(forced);
    run(node, "topic delete orders --yes");
}

/// A transaction whose coordinator lost its state: nobody will end it.
fn hanging_transaction(node: &mut Node) {
    let bootstrap = node.bootstrap();
    run(node, "topic create lost");
    open_transaction(&bootstrap, "gone-1", "lost", 2).kill();
    node.stop();
    for entry in node.log_dir().read_dir().expect("the data folder is there").flatten() {
        if entry.file_name().to_string_lossy().starts_with("__transaction_state-") {
            std::fs::remove_dir_all(entry.path()).expect("a folder can be removed");
        }
    }
    node.restart();
    Client::Confluent.produce_all(&bootstrap, &Produce::to("lost", 3));
    let work = Consume::from("lost", "waiting").setting("isolation.level", "read_committed");
    let reader = Client::Confluent.consume(&bootstrap, &work.records_max(3));

    assert_eq!(look(node, "txn hanging --topic lost"), json!([]), "it is young");
    let found = eventually(node, "txn hanging --older-than 0s", |found| found[0].is_object());
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(found[0]["topic"], "lost");
    assert_eq!(found[0]["transaction_start"], 0);
    let (code, told) = refused(node, "txn abort --topic lost --partition 0 --start-offset 1 --yes");
    assert!(code == 1 && told.contains("open are those at 0"), "{told}");
    assert!(reader.consumed().is_empty(), "nothing is read beyond an open transaction");

    run(node, "txn abort --topic lost --partition 0 --start-offset 0 --yes");
    reader.wait_consumed(3);
    assert_eq!(look(node, "txn hanging --older-than 0s"), json!([]));
}
