//! What no client would send costs its connection and nothing else.
#![allow(missing_docs, reason = "tests")]

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::{ApiKey, MetadataRequest, RequestHeader};
use kafka_protocol::protocol::{Encodable, StrBytes};
use longshore_e2e::random::Random;
use longshore_e2e::wire::{self, Connection};
use longshore_e2e::writer::{Records, Writer};
use longshore_e2e::{Node, verify};

/// What hostile frames may make a node grow by, in bytes. One frame may hold
/// `socket.request.max.bytes`, here 1 MiB.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
const REQUEST_BYTES_MAX: u64 = 1 << 20;

/// Runs `attack` while an honest writer goes on, then checks that the node
/// serves, has not grown, and has lost nothing.
fn attacked(test: &str, attack: impl FnOnce(&mut Node, &mut Random)) {
    let mut node = Node::with().property("socket.request.max.bytes", REQUEST_BYTES_MAX).start();
    let id = node.process().id();
    wire::create_topic(node.kafka(), "honest", 1, &[]);
    let mut random = Random::announced(test);
    let writer_random = Random::seeded(random.next_u64());
    let writer = Writer::start(node.kafka(), "honest", 1, Records::Numbered, writer_random);
    writer.wait_progress(20);
    let before = node.process().resident_bytes();

    attack(&mut node, &mut random);

    writer.wait_progress(20);
    let histories = writer.finish();
    let grown = node.process().resident_bytes_max().saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "the node grew by {grown} bytes");
    verify::nothing_lost(&histories[0], &wire::read_partition(node.kafka(), "honest", 0));
    assert_eq!(node.process().id(), id);
    assert_eq!(node.process().status(), None, "the node still runs");
}

/// Sends bytes and expects to be hung up on, without an answer or with an error.
fn hung_up_on(node: &Node, bytes: &[u8]) {
    let mut connection = Connection::connect(node.kafka()).expect("the broker accepts");
    // The broker may hang up before it has read all.
    let _ = connection.send(bytes);
    connection.read_to_close().unwrap_or_else(|error| {
        panic!(
            "the broker keeps a connection that sent {:?}: {error}",
            &bytes[..bytes.len().min(32)]
        )
    });
}

#[test]
fn a_length_out_of_bounds_closes_the_connection() {
    attacked("a_length_out_of_bounds_closes_the_connection", |node, _| {
        for length in [i32::MAX, i32::MIN, -1, REQUEST_BYTES_MAX as i32 + 1, 0, 1, 7] {
            let mut bytes = length.to_be_bytes().to_vec();
            bytes.extend([0; 64]);
            hung_up_on(node, &bytes);
        }
    });
}

#[test]
fn a_truncated_frame_is_dropped_with_its_connection() {
    attacked("a_truncated_frame_is_dropped_with_its_connection", |node, _| {
        let request = MetadataRequest::default().with_topics(None);
        let whole = wire::frame(1, 9, &request);
        for length in 0..whole.len() {
            let mut connection = Connection::connect(node.kafka()).expect("the broker accepts");
            connection.send(&whole[..length]).expect("bytes can be sent");
            connection.half_close().expect("a connection can be half closed");
            let answer = connection.read_to_close().expect("the broker hangs up");
            assert!(answer.is_empty(), "{length} of {} bytes were answered", whole.len());
        }
    });
}

#[test]
fn connections_that_only_announce_large_frames_take_no_memory() {
    attacked("connections_that_only_announce_large_frames_take_no_memory", |node, _| {
        let announced = (REQUEST_BYTES_MAX as i32).to_be_bytes();
        let connections: Vec<_> = (0..300)
            .map(|_| {
                let mut connection = Connection::connect(node.kafka()).expect("the broker accepts");
                connection.send(&announced).expect("bytes can be sent");
                connection
            })
            .collect();
        // Answered while all of them wait.
        wire::create_topic(node.kafka(), "meanwhile", 1, &[]);
        drop(connections);
    });
}

#[test]
fn random_bytes_cost_their_connection() {
    attacked("random_bytes_cost_their_connection", |node, random| {
        for _ in 0..200 {
            let length = random.between(1, 2_000) as usize;
            let bytes = random.bytes(length);
            let mut connection = Connection::connect(node.kafka()).expect("the broker accepts");
            let _ = connection.send(&bytes);
            let _ = connection.half_close();
            connection.read_to_close().expect("the broker hangs up");
        }
    });
}

#[test]
fn random_bodies_of_every_request_cost_their_connection() {
    attacked("random_bodies_of_every_request_cost_their_connection", |node, random| {
        for key in 0..=85_i16 {
            for version in [-1, 0, 1, 2, 3, 4, 5, 7, 9, 11, 12, 13, 99] {
                let mut body = header(key, version);
                let length = random.between(0, 300) as usize;
                body.extend(random.bytes(length));
                send_body(node, &body);
            }
        }
    });
}

#[test]
fn counts_that_promise_more_than_the_frame_holds_take_no_memory() {
    attacked("counts_that_promise_more_than_the_frame_holds_take_no_memory", |node, _| {
        for key in 0..=85_i16 {
            for version in [0, 1, 3, 5, 9, 11, 12] {
                for promise in [&i32::MAX.to_be_bytes()[..], &[0xff, 0xff, 0xff, 0xff, 0x07]] {
                    let mut body = header(key, version);
                    // Where a field before the count is read from this, it is
                    // an absurd length itself.
                    for _ in 0..8 {
                        body.extend(promise);
                    }
                    send_body(node, &body);
                }
            }
        }
    });
}

#[test]
fn damaged_copies_of_good_requests_cost_their_connection() {
    attacked("damaged_copies_of_good_requests_cost_their_connection", |node, random| {
        wire::create_topic(node.kafka(), "damaged", 1, &[]);
        let batch = wire::batch((-1, -1), -1, &[(None, Some("value".into()))]);
        let mut honest = Connection::connect(node.kafka()).expect("the broker accepts");
        for _ in 0..300 {
            // A batch with a few bytes changed is refused or, where the change
            // is outside of what is checked, taken; the connection lives on.
            let mut damaged = batch.to_vec();
            for _ in 0..random.between(1, 4) {
                let at = random.between(0, damaged.len() as u64) as usize;
                damaged[at] = random.next_u64() as u8;
            }
            let answer = wire::produce(&mut honest, "damaged", 0, damaged.into());
            answer.expect("a refusal is an answer");
        }
        // What was taken is readable.
        for record in wire::read_partition(node.kafka(), "damaged", 0) {
            assert_eq!(record.value.as_deref(), Some(&b"value"[..]));
        }
    });
}

/// The bytes of a request's header, in the form that most versions have.
fn header(key: i16, version: i16) -> Vec<u8> {
    let flexible =
        ApiKey::try_from(key).map_or(1, |known| known.request_header_version(version.max(0)));
    let header = RequestHeader::default()
        .with_request_api_key(key)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("hostile")));
    let mut bytes = BytesMut::new();
    header.encode(&mut bytes, flexible).expect("a header can be encoded");
    bytes.to_vec()
}

/// Sends a frame and nothing more, and reads whatever comes until the end.
fn send_body(node: &Node, body: &[u8]) {
    let mut frame = BytesMut::new();
    frame.put_i32(body.len() as i32);
    frame.put_slice(body);
    let mut connection = Connection::connect(node.kafka()).expect("the broker accepts");
    let _ = connection.send(&frame);
    let _ = connection.half_close();
    connection.read_to_close().expect("the broker answers or hangs up, and then closes");
}
