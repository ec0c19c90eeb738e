//! Frames that no client would send cost their connection and nothing else.

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};
use proptest::{
    prelude::{Strategy, any, prop, prop_oneof},
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tokio::io::AsyncWriteExt;

use crate::support::{Client, TestBroker, batch, batches, encode, fetch_request, produce_request};

async fn assert_serves(broker: &TestBroker) {
    let mut client = broker.client().await;
    assert_eq!(client.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
    assert_eq!(client.produce("topic", 0, 1, batch(&["good"])).await.error_code, 0);
}

async fn send_raw(broker: &TestBroker, bytes: &[u8]) -> Client {
    let mut client = broker.client().await;
    // The broker may close before all is written.
    let _ = client.stream.write_all(bytes).await;
    client
}

#[tokio::test]
async fn impossible_lengths_end_the_connection_at_once() {
    let broker = TestBroker::start(&[]).await;
    broker.client().await.create_topic("topic", 1).await;
    for length in [i32::MAX, -1, i32::MIN, 0, 1, 7, 200 << 20] {
        let mut client = send_raw(&broker, &length.to_be_bytes()).await;
        assert!(client.is_closed().await, "{length}");
    }
    for text in ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\0\x01\0\x01"] {
        assert!(send_raw(&broker, text.as_bytes()).await.is_closed().await);
    }
    assert_serves(&broker).await;
}

#[tokio::test]
async fn arrays_that_claim_thousands_of_millions_of_elements_allocate_nothing() {
    let broker = TestBroker::start(&[]).await;
    broker.client().await.create_topic("topic", 1).await;
    for claim in [i32::MAX, 1 << 30, 1 << 20, -2] {
        let mut frame = BytesMut::new();
        frame.put_u32(16);
        frame.put_i16(3);
        frame.put_i16(1);
        frame.put_i32(1);
        frame.put_i16(-1);
        frame.put_i32(claim);
        frame.put_u16(0);
        assert!(send_raw(&broker, &frame).await.is_closed().await, "{claim}");
    }
    // The same in the compact form: a varint of five bytes.
    let mut frame = BytesMut::new();
    frame.put_u32(18);
    frame.put_i16(3);
    frame.put_i16(9);
    frame.put_i32(1);
    frame.put_i16(-1);
    frame.put_u8(0);
    frame.put_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
    assert!(send_raw(&broker, &frame).await.is_closed().await);
    assert_serves(&broker).await;
}

#[tokio::test]
async fn a_truncated_request_harms_nobody() {
    let broker = TestBroker::start(&[]).await;
    broker.client().await.create_topic("topic", 1).await;
    let frame = encode(9, 1, &produce_request("topic", 0, -1, batch(&["cut"])));
    for cut in 0..frame.len() {
        drop(send_raw(&broker, &frame[..cut]).await);
    }
    // And with a length that fits what is there.
    for cut in 8..frame.len() - 4 {
        let mut short = BytesMut::new();
        short.put_u32(cut as u32);
        short.put_slice(&frame[4..4 + cut]);
        assert!(send_raw(&broker, &short).await.is_closed().await, "{cut}");
    }
    assert_serves(&broker).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_and_the_others_go_on() {
    let broker = TestBroker::start(&[("max.connections", "2")]).await;
    let (mut one, two) = (broker.client().await, broker.client().await);
    one.call(0, &ApiVersionsRequest::default()).await;
    assert!(broker.client().await.is_closed().await);
    assert_eq!(one.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
    drop(two);
    // The place of the one that left is free again, once its end is noticed.
    loop {
        let mut client = broker.client().await;
        client.send(0, &ApiVersionsRequest::default()).await;
        if client.receive_frame().await.is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let broker = TestBroker::start(&[("max.connections.per.ip", "2")]).await;
    let (mut one, two) = (broker.client().await, broker.client().await);
    one.call(0, &ApiVersionsRequest::default()).await;
    assert!(broker.client().await.is_closed().await);
    assert_eq!(one.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
    drop(two);
    loop {
        let mut client = broker.client().await;
        client.send(0, &ApiVersionsRequest::default()).await;
        if client.receive_frame().await.is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn a_single_host_may_have_a_bound_of_its_own() {
    let bounds =
        [("max.connections.per.ip", "1"), ("max.connections.per.ip.overrides", "127.0.0.1:2")];
    let broker = TestBroker::start(&bounds).await;
    let (mut one, mut two) = (broker.client().await, broker.client().await);
    for client in [&mut one, &mut two] {
        assert_eq!(client.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
    }
    assert!(broker.client().await.is_closed().await);
}

#[tokio::test]
async fn a_listener_that_is_full_or_flooded_leaves_the_others_alone() {
    let broker = TestBroker::start(&[
        ("listeners", "FLOODED://127.0.0.1:0,PLAINTEXT://127.0.0.1:0"),
        ("listener.security.protocol.map", "FLOODED:PLAINTEXT"),
        ("listener.name.flooded.max.connections", "8"),
        ("listener.name.flooded.max.connection.creation.rate", "4"),
        ("quota.window.num", "2"),
    ])
    .await;
    let began = std::time::Instant::now();
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut client = broker.client().await;
        assert_eq!(client.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
        open.push(client);
        let mut other = Client::connect(broker.broker.local_addrs()[1]).await;
        assert_eq!(other.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
    }
    // Four at once, the others in at least a second.
    assert!(began.elapsed().as_millis() >= 900, "{:?}", began.elapsed());
    assert!(broker.client().await.is_closed().await);
}

#[tokio::test]
async fn a_request_beyond_the_limit_is_refused_before_it_is_read() {
    let broker = TestBroker::start(&[("socket.request.max.bytes", "2000")]).await;
    broker.client().await.create_topic("topic", 1).await;
    let mut client = broker.client().await;
    let large = produce_request("topic", 0, 1, batch(&["x".repeat(3000).as_str()]));
    let _ = client.stream.write_all(&encode(9, 1, &large)).await;
    assert!(client.is_closed().await);
    assert_serves(&broker).await;
}

#[tokio::test]
async fn readers_that_take_nothing_do_not_keep_the_memory_from_others() {
    let broker = TestBroker::start(&[("fetch.memory.bytes", "1000000")]).await;
    let mut good = broker.client().await;
    good.create_topic_with("topic", 1, &[("max.message.bytes", "2000000")]).await;
    let large = "x".repeat(900_000);
    assert_eq!(good.produce("topic", 0, 1, batch(&[&large])).await.error_code, 0);
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut client = broker.client().await;
        // More than sockets hold between them.
        for _ in 0..60 {
            client.send(12, &fetch_request("topic", 0, 0)).await;
        }
        slow.push(client);
    }
    // Turns are fair, so by the last of these the others are stuck.
    for _ in 0..60 {
        assert_eq!(batches(&good.fetch("topic", 0, 0).await).len(), 1);
    }
}

/// Bytes that look like a request to different depths.
fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..300);
    let framed = (0..70_i16, -1..15_i16, prop::collection::vec(any::<u8>(), 0..300)).prop_map(
        |(key, version, body)| {
            let mut frame = BytesMut::new();
            frame.put_u32(8 + body.len() as u32);
            frame.put_i16(key);
            frame.put_i16(version);
            frame.put_i32(1);
            frame.put_slice(&body);
            frame.to_vec()
        },
    );
    let flipped = (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(
        |(place, byte, produce)| {
            let mut frame = match produce {
                true => encode(9, 1, &produce_request("topic", 0, 1, batch(&["x"]))).to_vec(),
                false => encode(9, 1, &MetadataRequest::default().with_topics(None)).to_vec(),
            };
            let place = place.index(frame.len());
            frame[place] = byte;
            frame
        },
    );
    prop_oneof![noise, framed, flipped]
}

#[tokio::test]
async fn random_bytes_leave_a_broker_that_serves_good_clients() {
    let broker = TestBroker::start(&[]).await;
    broker.client().await.create_topic("topic", 1).await;
    let seed: [u8; 32] = match std::env::var("LONGSHORE_SEED") {
        Ok(text) => std::array::from_fn(|place| text.as_bytes().get(place).copied().unwrap_or(0)),
        Err(_) => std::array::from_fn(|_| uuid::Uuid::new_v4().as_bytes()[0] % 26 + b'a'),
    };
    println!("LONGSHORE_SEED={}", String::from_utf8_lossy(&seed));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for _ in 0..500 {
        let bytes = hostile_bytes().new_tree(&mut runner).unwrap().current();
        drop(send_raw(&broker, &bytes).await);
    }
    assert_serves(&broker).await;
}
