//! A scrape, read by Prometheus' own Python client.
#![allow(missing_docs, reason = "tests")]

use std::net::TcpListener;

use longshore_e2e::client::{Client, Consume, Produce, scrape};
use longshore_e2e::{Node, cli};
use serde_json::Value;

/// The port is free again when this returns, and taken by the node right after.
fn free_address() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    socket.local_addr().expect("it is bound").to_string()
}

/// The value of the sample of this name with this label, or without any.
fn sample(families: &[Value], name: &str, label: Option<(&str, &str)>) -> f64 {
    let mut samples =
        families.iter().flat_map(|family| family["samples"].as_array().into_iter().flatten());
    let found = samples.find(|sample| {
        sample["name"] == name && label.is_none_or(|(key, value)| sample["labels"][key] == value)
    });
    found
        .and_then(|found| found["value"].as_f64())
        .unwrap_or_else(|| panic!("no sample {name} {label:?}"))
}

#[test]
fn a_scrape_is_read_by_prometheus_own_parser() {
    let address = free_address();
    let node = Node::with().property("metrics.listener", &address).start();
    let bootstrap = node.bootstrap();
    let create =
        ["topic", "create", "pages", "--partitions", "2", "--bootstrap-server", &bootstrap];
    cli::run(&create);
    Client::Confluent.produce_all(&bootstrap, &Produce::to("pages", 100));
    Client::Confluent.consume_all(&bootstrap, &Consume::from("pages", "readers").records_max(100));

    let families = scrape(&format!("http://{address}/metrics"));
    let kind = |name: &str| {
        let family = families.iter().find(|family| family["name"] == name);
        family
            .and_then(|family| family["type"].as_str())
            .unwrap_or_else(|| panic!("no family {name}"))
    };
    // What the usual dashboards of Kafka draw, by its type.
    for (name, wanted) in [
        ("kafka_server_brokertopicmetrics_messagesin", "counter"),
        ("kafka_server_brokertopicmetrics_bytesin", "counter"),
        ("kafka_server_brokertopicmetrics_bytesout", "counter"),
        ("kafka_server_brokertopicmetrics_bytesrejected", "counter"),
        ("kafka_server_brokertopicmetrics_totalproducerequests", "counter"),
        ("kafka_server_brokertopicmetrics_failedproducerequests", "counter"),
        ("kafka_server_brokertopicmetrics_totalfetchrequests", "counter"),
        ("kafka_server_brokertopicmetrics_failedfetchrequests", "counter"),
        ("kafka_network_requestmetrics_requests", "counter"),
        ("kafka_network_requestmetrics_totaltimems", "histogram"),
        ("kafka_network_requestchannel_requestqueuesize", "gauge"),
        ("kafka_server_delayedoperationpurgatory_purgatorysize", "gauge"),
        ("kafka_server_replicamanager_underreplicatedpartitions", "gauge"),
        ("kafka_server_replicamanager_underminisrpartitioncount", "gauge"),
        ("kafka_server_replicamanager_isrshrinks", "counter"),
        ("kafka_server_replicamanager_isrexpands", "counter"),
        ("kafka_controller_kafkacontroller_offlinepartitionscount", "gauge"),
        ("kafka_controller_kafkacontroller_activecontrollercount", "gauge"),
        ("kafka_controller_controllerstats_uncleanleaderelections", "counter"),
        ("kafka_log_logflushstats_logflushrateandtimems", "histogram"),
        ("kafka_log_log_size", "gauge"),
    ] {
        assert_eq!(kind(name), wanted, "{name}");
    }
    let topic = Some(("topic", "pages"));
    assert_eq!(sample(&families, "kafka_server_brokertopicmetrics_messagesin_total", topic), 100.0);
    let failed = "kafka_server_brokertopicmetrics_failedproducerequests_total";
    assert_eq!(sample(&families, failed, topic), 0.0);
    let fetched =
        sample(&families, "kafka_server_brokertopicmetrics_totalfetchrequests_total", topic);
    assert!(fetched >= 1.0, "{fetched}");
    let all = sample(
        &families,
        "kafka_network_requestmetrics_totaltimems_count",
        Some(("request", "Produce")),
    );
    assert!(all >= 1.0, "{all}");
    assert_eq!(
        sample(&families, "kafka_controller_kafkacontroller_activecontrollercount", None),
        1.0
    );
}
