//! Metrics under Kafka's names: what was done is what is told.

use kafka_protocol::messages::MetadataRequest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{PATIENCE, TestBroker, batch};

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
    client.fetch("topic", 1, 0).await;

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
        ("kafka_network_requestmetrics_requests_total{request=\"Produce\",version=\"9\"}", 4.0),
        ("kafka_network_requestmetrics_requests_total{request=\"Fetch\",version=\"12\"}", 1.0),
        ("kafka_network_requestmetrics_totaltimems_count{request=\"Produce\"}", 4.0),
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
