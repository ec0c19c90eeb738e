//! What one client compresses every other reads.
#![allow(missing_docs, reason = "tests")]

use longshore_e2e::client::{Client, Consume, Produce};
use longshore_e2e::{Node, wire};

#[test]
fn every_codec_of_every_client_is_read_by_java() {
    read_by(Client::Java);
}

#[test]
fn every_codec_of_every_client_is_read_by_confluent() {
    read_by(Client::Confluent);
}

fn read_by(reader: Client) {
    let node = Node::start();
    wire::create_topic(node.kafka(), "mixed", 1, &[]);
    let mut acked = Vec::new();
    // kafkajs brings gzip alone.
    let all = ["none", "gzip", "snappy", "lz4", "zstd"];
    for (client, codecs) in
        [(Client::Confluent, &all[..]), (Client::KafkaJs, &all[..2]), (Client::Java, &all[1..])]
    {
        for codec in codecs {
            let work = Produce::to("mixed", 100).setting("compression.type", codec);
            acked.extend(client.produce_all(&node.bootstrap(), &work));
        }
    }
    let work = Consume::from("mixed", "reader").records_max(acked.len() as u64);
    assert_eq!(reader.consume_all(&node.bootstrap(), &work), acked);
}
