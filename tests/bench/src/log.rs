//! Produce and fetch over a socket, against a plain append and read of the
//! very same bytes.

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;

use bytes::{Buf, Bytes};
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::protocol::Decodable;
use longshore_e2e::wire::PRODUCE_VERSION;
use longshore_e2e::{Node, wire};

use crate::report::{Figure, heading, megabytes_per_second, seconds};

const TOPIC: &str = "bench";
/// Bytes of one record's value.
const VALUE_BYTES: usize = 100;
/// Records of a batch, so that one is about 64 KiB.
const BATCH_RECORDS: usize = 600;
/// Batches of one run: about 190 MB.
const BATCHES: usize = 3_000;
/// Requests sent before the first answer is awaited.
const IN_FLIGHT: usize = 8;

pub(crate) fn measure() {
    heading(&format!(
        "The log: {BATCHES} batches of {BATCH_RECORDS} records of {VALUE_BYTES} bytes, acks=all, \
         {IN_FLIGHT} requests in flight; raw = write(2) and read(2) of the same bytes"
    ));
    let node = Node::start();
    let batch = batch();
    let bytes = (batch.len() * BATCHES) as u64;
    let rate = |seconds: f64| megabytes_per_second(bytes, seconds);
    let file = node.folder().join("raw");

    let mut topics = 0;
    let mut produced = String::new();
    let (produce, append, ratio) = Figure::of_pair(
        || {
            topics += 1;
            produced = format!("{TOPIC}-{topics}");
            wire::create_topic(node.kafka(), &produced, 1, &[]);
            rate(seconds(|| produce_all(node.kafka(), &produced, &batch)))
        },
        || rate(seconds(|| append_all(&file, &batch))),
    );
    produce.print("produce", "MB/s");
    append.print("raw append", "MB/s");
    ratio.print("produce / raw append", "");

    let (fetch, read, ratio) = Figure::of_pair(
        || rate(seconds(|| fetch_all(node.kafka(), &produced))),
        || rate(seconds(|| read_all(&file))),
    );
    fetch.print("fetch", "MB/s");
    read.print("raw read", "MB/s");
    ratio.print("fetch / raw read", "");
}

fn batch() -> Bytes {
    let value = Bytes::from(vec![b'x'; VALUE_BYTES]);
    let records = vec![(None, Some(value)); BATCH_RECORDS];
    // No producer id: the same batch may be sent again and again.
    wire::batch((-1, -1), -1, &records)
}

fn produce_all(address: SocketAddr, topic: &str, batch: &Bytes) {
    let mut connection = wire::Connection::connect(address).expect("the broker accepts");
    let request = wire::produce_request(topic, 0, batch.clone());
    let frame = wire::frame(1, PRODUCE_VERSION, &request);
    let mut answered = 0;
    for sent in 0..BATCHES {
        connection.send(&frame).expect("the broker reads");
        if sent + 1 - answered == IN_FLIGHT {
            acknowledged(&mut connection);
            answered += 1;
        }
    }
    for _ in answered..BATCHES {
        acknowledged(&mut connection);
    }
}

/// Reads one answer, which must say that the batch was taken.
fn acknowledged(connection: &mut wire::Connection) {
    let mut answer = connection.read_frame().expect("an answer");
    // Response header v1: correlation id and no tagged fields.
    answer.advance(5);
    let answer = ProduceResponse::decode(&mut answer, PRODUCE_VERSION).expect("a whole answer");
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "produce");
}

fn fetch_all(address: SocketAddr, topic: &str) {
    let mut connection = wire::Connection::connect(address).expect("the broker accepts");
    let (mut next, end) = (0, (BATCHES * BATCH_RECORDS) as i64);
    while next < end {
        let bytes = wire::fetch(&mut connection, topic, 0, next);
        let last = wire::whole_batches(&bytes).pop().expect("a batch at every offset");
        next = (&last[0..8]).get_i64() + i64::from((&last[23..27]).get_i32()) + 1;
    }
}

fn append_all(path: &std::path::Path, batch: &Bytes) {
    let mut file = File::create(path).expect("a file can be made");
    for _ in 0..BATCHES {
        file.write_all(batch).expect("the disk has room");
    }
}

fn read_all(path: &std::path::Path) {
    let mut file = File::open(path).expect("the file was written");
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer).expect("the file can be read") > 0 {}
}
