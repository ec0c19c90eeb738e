//! A broker of either kind, and what `/proc` says of its process.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::protocol::StrBytes;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, limits, wire};

use super::apache::{Apache, Formatted};
use crate::report::milliseconds;

/// `/proc` counts CPU time in hundredths of a second, whatever the kernel's clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Longshore,
    Kafka,
    /// Longshore once more: what differs from the first is the machine's noise.
    Control,
}

pub(super) enum Server {
    Longshore(Node),
    Kafka(Apache),
}

impl Server {
    /// Starts a broker on fresh folders; also the milliseconds from the start of the
    /// process to the first acknowledgement with acks=all. Formatting Kafka's
    /// folder does not count.
    pub(super) fn start(side: Side) -> (Self, f64) {
        let (began, server) = match side {
            Side::Longshore | Side::Control => {
                let began = Instant::now();
                (began, Self::Longshore(Node::start()))
            }
            Side::Kafka => {
                let formatted = Formatted::new();
                let began = Instant::now();
                (began, Self::Kafka(formatted.start()))
            }
        };
        first_acknowledgement(server.address());
        (server, milliseconds(began.elapsed()))
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Longshore(node) => node.kafka(),
            Self::Kafka(apache) => apache.kafka,
        }
    }

    pub(super) fn process(&mut self) -> &mut Process {
        match self {
            Self::Longshore(node) => node.process(),
            Self::Kafka(apache) => &mut apache.process,
        }
    }

    /// CPU seconds of the process so far, user and system, threads that ended included.
    pub(super) fn cpu_seconds(&mut self) -> f64 {
        let path = format!("/proc/{}/stat", self.process().id());
        let stat = std::fs::read_to_string(path).expect("the process runs");
        // The name, in parentheses, may hold anything; then come fields 3 and on.
        let fields = stat.rsplit(')').next().expect("a last piece");
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<f64>().expect("utime and stime are numbers"));
        ticks.sum::<f64>() / TICKS_PER_SECOND
    }
}

/// Creates a topic and produces a record, each tried until the broker takes it.
fn first_acknowledgement(address: SocketAddr) {
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_static_str("first")))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
    let mut connection =
        until("listener", limits::READY, || wire::Connection::connect(address).ok());
    until("topic", limits::READY, || {
        let answer = connection.call(5, &request).expect("an answer to CreateTopics");
        (answer.topics[0].error_code == 0).then_some(())
    });
    let batch = wire::batch((-1, -1), -1, &[(None, Some(Bytes::from_static(b"first")))]);
    until("acknowledgement", limits::READY, || {
        let answer = wire::produce(&mut connection, "first", 0, batch.clone());
        (answer.expect("an answer to Produce").0 == 0).then_some(())
    });
}
