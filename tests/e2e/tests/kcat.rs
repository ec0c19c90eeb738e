//! Debian's kcat (librdkafka 2.0.2) against the broker.
#![allow(missing_docs, reason = "tests")]

use longshore_e2e::client::kcat;
use longshore_e2e::wire::{self, Connection};
use longshore_e2e::{Node, Process};

/// A batch's attributes are at bytes 21 and 22; their low bits name the codec.
const CODEC_BYTE: usize = 22;
const CODEC_MASK: u8 = 0b111;

#[test]
fn debians_kcat_connects_and_lists_brokers_topics_and_partitions() {
    let node = Node::start();
    wire::create_topic(node.kafka(), "lines", 3, &[]);
    let listing = kcat::run(&node.bootstrap(), &["-L"]).join("\n");
    assert!(listing.contains(&format!("at {}", node.bootstrap())), "{listing}");
    assert!(listing.contains("topic \"lines\" with 3 partitions"), "{listing}");
}

#[test]
fn producing_to_an_unknown_topic_creates_it() {
    let node = Node::start();
    kcat::produce(&node.bootstrap(), &["-P", "-t", "new"], &["first", "second"]);
    assert_eq!(consume(&node, "new"), ["first", "second"]);
}

#[test]
fn keys_nulls_and_repeated_headers_come_back_as_sent() {
    let node = Node::start();
    let arguments = ["-P", "-t", "full", "-K:", "-Z", "-H", "a=1", "-H", "b=2", "-H", "a=3"];
    kcat::produce(&node.bootstrap(), &arguments, &["key:value", "gone:"]);
    let format = ["-C", "-t", "full", "-e", "-q", "-f", "%k|%s|%S|%h\\n"];
    assert_eq!(
        kcat::run(&node.bootstrap(), &format),
        ["key|value|5|a=1,b=2,a=3", "gone||-1|a=1,b=2,a=3"]
    );
}

#[test]
fn every_codec_is_stored_as_it_came_and_read_back() {
    let node = Node::start();
    let lines: Vec<_> = (0..500).map(|number| format!("the same words {number}")).collect();
    for (codec, name) in (0..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        wire::create_topic(node.kafka(), name, 1, &[]);
        kcat::produce(&node.bootstrap(), &["-P", "-t", name, "-z", name], &lines);
        assert_eq!(consume(&node, name), lines, "{name}");
        let mut connection = Connection::connect(node.kafka()).expect("the broker is up");
        let fetched = wire::fetch(&mut connection, name, 0, 0);
        let attributes = wire::whole_batches(&fetched)[0][CODEC_BYTE];
        assert_eq!(attributes & CODEC_MASK, codec, "{name} in the log");
    }
}

#[test]
fn a_message_near_the_limit_comes_back_whole() {
    let node = Node::start();
    let message = "m".repeat(900_000);
    kcat::produce(&node.bootstrap(), &["-P", "-t", "large"], std::slice::from_ref(&message));
    assert_eq!(consume(&node, "large"), [message]);
}

#[test]
fn an_oversized_message_is_refused_and_the_next_one_accepted() {
    let node = Node::start();
    wire::create_topic(node.kafka(), "small", 1, &[("max.message.bytes", "1000")]);
    let arguments = ["-P", "-t", "small"];
    let mut command = kcat::command(&node.bootstrap(), &arguments);
    command.args(["-l", "/dev/stdin"]);
    let file = node.folder().join("large.txt");
    std::fs::write(&file, "m".repeat(5_000)).expect("a file can be written");
    command.stdin(std::fs::File::open(file).expect("the file was written"));
    let mut refused = Process::spawn("kcat -P", &mut command);
    assert!(!refused.ended(longshore_e2e::limits::CLIENT).success(), "kcat reports the refusal");
    kcat::produce(&node.bootstrap(), &arguments, &["fits"]);
    assert_eq!(consume(&node, "small"), ["fits"]);
}

#[test]
fn a_group_reads_commits_and_resumes() {
    let node = Node::start();
    wire::create_topic(node.kafka(), "pages", 2, &[]);
    let lines: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    kcat::produce(&node.bootstrap(), &["-P", "-t", "pages"], &lines);

    let mut read = group_read(&node, "40");
    assert_eq!(read.len(), 40);
    read.extend(group_read(&node, "60"));
    read.sort_by_key(|line| line.parse::<u32>().expect("lines are numbers"));
    assert_eq!(read, lines, "none twice, none left out");
}

#[test]
fn a_read_from_inside_a_batch_begins_at_the_asked_offset() {
    let node = Node::start();
    wire::create_topic(node.kafka(), "batched", 1, &[]);
    let records: Vec<_> = (0..10).map(|number| (None, Some(number.to_string().into()))).collect();
    let mut connection = Connection::connect(node.kafka()).expect("the broker is up");
    let batch = wire::batch((-1, -1), -1, &records);
    assert_eq!(wire::produce(&mut connection, "batched", 0, batch).expect("an answer"), (0, 0));
    let read = kcat::run(&node.bootstrap(), &["-C", "-t", "batched", "-o", "7", "-e", "-q"]);
    assert_eq!(read, ["7", "8", "9"]);
}

#[test]
fn an_offset_is_found_by_timestamp() {
    let node = Node::start();
    wire::create_topic(node.kafka(), "times", 1, &[]);
    let mut connection = Connection::connect(node.kafka()).expect("the broker is up");
    for timestamp in [1_000, 2_000, 3_000] {
        let records = [(None, Some("one".into())), (None, Some("two".into()))];
        let batch = wire::batch_at(timestamp, (-1, -1), -1, &records);
        let (error, _) = wire::produce(&mut connection, "times", 0, batch).expect("an answer");
        assert_eq!(error, 0);
    }
    let end = "-1";
    for (asked, offset) in
        [("0", "0"), ("1000", "0"), ("1001", "2"), ("2000", "2"), ("3000", "4"), ("3001", end)]
    {
        let query = format!("times:0:{asked}");
        let answer = kcat::run(&node.bootstrap(), &["-Q", "-t", &query]);
        assert_eq!(answer, [format!("times [0] offset {offset}")], "timestamp {asked}");
    }
}

fn consume(node: &Node, topic: &str) -> Vec<String> {
    kcat::run(&node.bootstrap(), &["-C", "-t", topic, "-e", "-q"])
}

fn group_read(node: &Node, count: &str) -> Vec<String> {
    let group = ["-X", "auto.offset.reset=earliest", "-X", "enable.auto.offset.store=true"];
    let mut arguments = vec!["-q", "-c", count];
    arguments.extend(group);
    arguments.extend(["-G", "readers", "pages"]);
    kcat::run(&node.bootstrap(), &arguments)
}
