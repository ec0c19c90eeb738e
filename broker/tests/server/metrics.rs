//! Metrics under Kafka's names: what was done is what is told.

use kafka_protocol::messages::MetadataRequest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{PATIENCE, TestBroker, batch, fetch_request};

/// The value of the line that begins with a name and its labels.
fn value(text: &str, line: &str) -> Option<f64> {
    let found = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '))?;
    Some(found.parse().unwrap())
}

#[tokio::test]
async fn what_was_produced_and_fetched_is_told_by_topic_and_partition() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic_with("topic", 2, &[("flush.messages", "1")]).await;
    client.create_topic_with("safe", 1, &[("min.insync.replicas", "2")]).await;
    let sent = batch(&["one", "two"]);
    for _ in 0..3 {
        assert_eq!(client.produce("topic", 1, -1, sent.clone()).await.error_code, 0);
    }
    // What is refused does not count.
    assert_eq!(client.produce("topic", 1, -1, vec![0; 70]).await.error_code, 2);
    assert_eq!(client.produce("safe", 0, -1, sent.clone()).await.error_code, 19);
    let large = batch(&["x".repeat(2 << 20).as_str()]);
    assert_eq!(client.produce("safe", 0, 1, large.clone()).await.error_code, 10);
    client.fetch("topic", 1, 0).await;
    client.fetch("topic", 1, 100).await;

    let text = broker.broker.metrics();
    let bytes = (3 * sent.len()) as f64;
    for (line, expected) in [
        ("kafka_server_brokertopicmetrics_messagesin_total{topic=\"topic\"}", 6.0),
        ("kafka_server_brokertopicmetrics_bytesin_total{topic=\"topic\"}", bytes),
        ("kafka_server_brokertopicmetrics_bytesout_total{topic=\"topic\"}", bytes),
        ("kafka_log_log_size{topic=\"topic\",partition=\"1\"}", bytes),
        ("kafka_log_log_size{topic=\"topic\",partition=\"0\"}", 0.0),
        ("kafka_log_log_logendoffset{topic=\"topic\",partition=\"1\"}", 6.0),
        ("kafka_log_log_logstartoffset{topic=\"topic\",partition=\"1\"}", 0.0),
        ("kafka_server_brokertopicmetrics_totalproducerequests_total{topic=\"topic\"}", 4.0),
        ("kafka_server_brokertopicmetrics_totalproducerequests_total{topic=\"safe\"}", 2.0),
        // A damaged batch and one too large are the client's fault, too few replicas is not.
        ("kafka_server_brokertopicmetrics_failedproducerequests_total{topic=\"topic\"}", 0.0),
        ("kafka_server_brokertopicmetrics_failedproducerequests_total{topic=\"safe\"}", 1.0),
        ("kafka_server_brokertopicmetrics_bytesrejected_total{topic=\"safe\"}", large.len() as f64),
        ("kafka_server_brokertopicmetrics_totalfetchrequests_total{topic=\"topic\"}", 2.0),
        ("kafka_server_brokertopicmetrics_failedfetchrequests_total{topic=\"topic\"}", 0.0),
        ("kafka_network_requestmetrics_requests_total{request=\"Produce\",version=\"9\"}", 6.0),
        ("kafka_network_requestmetrics_requests_total{request=\"Fetch\",version=\"12\"}", 2.0),
        ("kafka_network_requestmetrics_totaltimems_count{request=\"Produce\"}", 6.0),
        ("kafka_network_requestmetrics_totaltimems_bucket{le=\"+Inf\",request=\"Produce\"}", 6.0),
        ("kafka_network_requestchannel_requestqueuesize", 0.0),
        ("kafka_server_replicamanager_isrshrinks_total", 0.0),
        ("kafka_server_replicamanager_partitioncount", 3.0),
        ("kafka_server_replicamanager_offlinereplicacount", 0.0),
        ("kafka_server_replicamanager_underreplicatedpartitions", 0.0),
        ("kafka_server_replicamanager_atminisrpartitioncount", 2.0),
        ("kafka_server_replicamanager_underminisrpartitioncount", 1.0),
        ("kafka_log_logmanager_offlinelogdirectorycount", 0.0),
        ("kafka_server_kafkaserver_brokerstate", 3.0),
        ("kafka_controller_kafkacontroller_activebrokercount", 1.0),
        ("kafka_controller_kafkacontroller_activecontrollercount", 1.0),
        ("kafka_controller_kafkacontroller_globaltopiccount", 2.0),
        ("kafka_coordinator_group_groupmetadatamanager_numgroups", 0.0),
        ("kafka_server_socket_server_metrics_connection_count{listener=\"PLAINTEXT\"}", 1.0),
    ] {
        assert_eq!(value(&text, line), Some(expected), "{line} in\n{text}");
    }
    let flushes = value(&text, "kafka_log_logflushstats_logflushrateandtimems_count").unwrap();
    assert!(flushes >= 3.0, "each produce waited for a flush: {flushes}");
    let millis = value(&text, "kafka_log_logflushstats_logflushrateandtimems_sum").unwrap();
    assert!(millis > 0.0);
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_fetch_that_waits_is_in_purgatory_until_there_is_something() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let line = "kafka_server_delayedoperationpurgatory_purgatorysize{delayedOperation=\"Fetch\"}";
    let becomes = async |waiting: f64| {
        let seen = async {
            while value(&broker.broker.metrics(), line) != Some(waiting) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("never {waiting} in purgatory"));
    };
    assert_eq!(value(&broker.broker.metrics(), line), Some(0.0));
    let mut reader = broker.client().await;
    let patient = fetch_request("topic", 0, 0).with_max_wait_ms(60_000);
    reader.send(12, &patient).await;
    becomes(1.0).await;
    client.produce("topic", 0, 1, batch(&["news"])).await;
    assert!(reader.receive_frame().await.is_some());
    becomes(0.0).await;
    // Whoever goes away waits no more.
    reader.send(12, &fetch_request("topic", 0, 1).with_max_wait_ms(60_000)).await;
    becomes(1.0).await;
    drop(reader);
    becomes(0.0).await;
}

#[tokio::test]
async fn connections_are_counted_until_they_end() {
    let broker = TestBroker::start(&[]).await;
    let line = "kafka_server_socket_server_metrics_connection_count{listener=\"PLAINTEXT\"}";
    let metadata = MetadataRequest::default().with_topics(None);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = broker.client().await;
        client.call(9, &metadata).await;
        clients.push(client);
    }
    assert_eq!(value(&broker.broker.metrics(), line), Some(3.0));
    clients.truncate(1);
    let ended = async {
        while value(&broker.broker.metrics(), line) != Some(1.0) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ended).await.expect("connections that ended are not counted");
}

#[tokio::test]
async fn the_metrics_listener_answers_prometheus() {
    let broker = TestBroker::start(&[("metrics.listener", "127.0.0.1:0")]).await;
    let address = broker.broker.metrics_addr().unwrap();
    for (path, status) in [("/metrics", "200 OK"), ("/other", "404 Not Found")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        if path == "/metrics" {
            assert!(answer.contains("content-type: application/openmetrics-text"), "{answer}");
            assert!(answer.contains("kafka_server_replicamanager_partitioncount 0"), "{answer}");
        }
    }
    broker.broker.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err(), "the port is free again");
}
