//! Requests at a fixed rate over one socket, timed in microseconds: what
//! ProducerPerformance rounds to milliseconds, without a JVM in the way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::protocol::Decodable;
use longshore_e2e::wire::PRODUCE_VERSION;
use longshore_e2e::{limits, wire};

use crate::report::milliseconds;

/// Records of a request's one batch.
pub(super) const BATCH_RECORDS: usize = 10;
/// How long a run takes.
pub(super) const DURATION: Duration = Duration::from_secs(5);

/// p50, p99 and p99.9 in milliseconds, from sending a request to its answer. A
/// request never waits for the answers of others.
pub(super) fn latency_ms(
    address: SocketAddr,
    topic: &str,
    record_bytes: usize,
    requests_per_second: u32,
) -> [f64; 3] {
    let interval = Duration::from_secs(1) / requests_per_second;
    let requests = (DURATION.as_nanos() / interval.as_nanos()) as u32;
    let mut writer = TcpStream::connect(address).expect("the broker accepts");
    writer.set_nodelay(true).expect("a TCP socket");
    writer.set_read_timeout(Some(limits::ANSWER)).expect("a TCP socket");
    let mut reader = writer.try_clone().expect("a socket can be shared");
    let frame = request(topic, record_bytes);
    let (sent, to_answer) = mpsc::channel();
    let mut latencies = std::thread::scope(|scope| {
        scope.spawn(move || {
            let began = Instant::now();
            for number in 0..requests {
                let due = interval * number;
                std::thread::sleep(due.saturating_sub(began.elapsed()));
                sent.send(Instant::now()).expect("the reading half waits");
                writer.write_all(&frame).expect("the broker reads");
            }
        });
        let answered = to_answer.iter().map(|sent| {
            acknowledged(&mut reader);
            milliseconds(sent.elapsed())
        });
        answered.collect::<Vec<_>>()
    });
    latencies.sort_by(f64::total_cmp);
    [0.5, 0.99, 0.999].map(|share| latencies[(share * latencies.len() as f64) as usize])
}

fn request(topic: &str, record_bytes: usize) -> Bytes {
    let value = Bytes::from(vec![b'x'; record_bytes]);
    // No producer id: the same batch may be sent again and again.
    let batch = wire::batch((-1, -1), -1, &vec![(None, Some(value)); BATCH_RECORDS]);
    wire::frame(1, PRODUCE_VERSION, &wire::produce_request(topic, 0, batch))
}

fn acknowledged(socket: &mut TcpStream) {
    let mut length = [0; 4];
    socket.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut answer).expect("a whole answer");
    let mut answer = Bytes::from(answer);
    // Response header v1: correlation id and no tagged fields.
    answer.advance(5);
    let answer = ProduceResponse::decode(&mut answer, PRODUCE_VERSION).expect("a whole answer");
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "produce");
}
