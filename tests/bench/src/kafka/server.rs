//! A broker of either kind.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::protocol::StrBytes;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, limits, wire};

use super::apache::{Apache, Formatted};
use crate::beside::{Side, cpu_seconds};
use crate::report::milliseconds;

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

    /// CPU seconds of the process so far.
    pub(super) fn cpu_seconds(&mut self) -> f64 {
        cpu_seconds(self.process())
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
