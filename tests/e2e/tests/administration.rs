//! The administration clients of the libraries; Java's are in `java_tools.rs`.
#![allow(missing_docs, reason = "tests")]

use longshore_e2e::Node;
use longshore_e2e::client::Client;

#[test]
fn confluent_manages_topics_configs_offsets_and_groups() {
    Client::Confluent.administrate(&Node::start().bootstrap());
}

#[test]
fn kafkajs_manages_topics_configs_offsets_and_groups() {
    Client::KafkaJs.administrate(&Node::start().bootstrap());
}
