//! From `exec` to the first acknowledgement, and what memory a node takes.

use std::time::Instant;

use bytes::Bytes;
use longshore_e2e::{Node, wire};

use crate::report::{Figure, heading, mebibytes, milliseconds};

pub(crate) fn measure() {
    heading("A node of controller, broker and worker");
    Figure::of(|| milliseconds_to_first_acknowledgement("broker,controller"))
        .print("cold start to first acknowledgement, without worker", "ms");
    let mut node = Node::with()
        .roles("broker,controller,worker")
        .property("rest.listeners", "HTTP://127.0.0.1:0")
        .start();
    let idle = mebibytes(node.process().resident_bytes());
    println!("  {:<58} {idle:>9.2} MiB", "resident memory, idle");
}

/// Process start, a fresh data folder, topic creation and one acks=all record.
fn milliseconds_to_first_acknowledgement(roles: &str) -> f64 {
    let began = Instant::now();
    let node = Node::with().roles(roles).start();
    wire::create_topic(node.kafka(), "first", 1, &[]);
    let mut connection = wire::Connection::connect(node.kafka()).expect("the broker accepts");
    let batch = wire::batch((-1, -1), -1, &[(None, Some(Bytes::from_static(b"first")))]);
    let (error, _) =
        wire::produce(&mut connection, "first", 0, batch).expect("an answer to Produce");
    assert_eq!(error, 0, "produce");
    milliseconds(began.elapsed())
}
