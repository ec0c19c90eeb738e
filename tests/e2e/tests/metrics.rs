//! Scrapes, read by Prometheus' own Python client.
#![allow(missing_docs, reason = "tests")]

use longshore_e2e::client::{Client, Consume, Produce, scrape};
use longshore_e2e::ports::free_address;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, cli, limits, paths, rest};
use serde_json::{Value, json};

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
    let address = free_address().to_string();
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

/// The value of the sample of this name with these labels.
fn labelled(families: &[Value], name: &str, labels: Value) -> Option<f64> {
    let mut samples =
        families.iter().flat_map(|family| family["samples"].as_array().into_iter().flatten());
    let found = samples.find(|sample| sample["name"] == name && sample["labels"] == labels);
    found.and_then(|found| found["value"].as_f64())
}

#[test]
fn a_worker_tells_what_its_connectors_do_under_kafka_connects_names() {
    const ROWS: usize = 500;
    let address = free_address().to_string();
    let folder = tempfile::TempDir::with_prefix("longshore-").expect("a folder can be made");
    let file = folder.path().join("in.txt");
    let rows: String = (0..ROWS).map(|row| format!("row {row}\n")).collect();
    std::fs::write(&file, rows).expect("a file can be written");
    let allow = json!({ "connectors": ["*"], "verbs": ["read", "write"] });
    let files =
        json!({ "driver": "objects", "kind": "local", "root": folder.path(), "allow": allow });
    let node = Node::with()
        .roles("broker,controller,worker")
        .property("metrics.listener", &address)
        .property("rest.listeners", "http://127.0.0.1:0")
        .property("plugin.path", json!([paths::plugins(), paths::plugins().join("evil")]))
        .property("connections", json!({ "files": files }))
        .start();
    let bootstrap = node.bootstrap();
    cli::run(&["topic", "create", "rows", "--partitions", "2", "--bootstrap-server", &bootstrap]);
    let worker = node.rest().expect("the node is a worker");
    let read = [("connector.class", "file-source"), ("topic", "rows"), ("path", "in.txt")];
    rest::create(worker, "read", &[&read[..], &[("tail", "true")]].concat());
    let write = [("connector.class", "file-sink"), ("topics", "rows"), ("path", "out")];
    rest::create(worker, "write", &[&write[..], &[("format", "lines")]].concat());
    const QUICK_FAILURE: [(&str, &str); 2] =
        [("errors.retry.delay.max.ms", "50"), ("errors.restart.max", "0")];
    let evil = [("connector.class", "evil-source"), ("evil", "panic"), ("evil.in", "poll")];
    rest::create(worker, "evil", &[&evil[..], &QUICK_FAILURE].concat());
    rest::wait_state(worker, "evil", "FAILED");

    let url = format!("http://{address}/metrics");
    let task = |connector: &str| json!({ "connector": connector, "task": "0" });
    let mut families = Vec::new();
    until("all rows", limits::RUN, || {
        families = scrape(&url);
        let sent =
            labelled(&families, "kafka_connect_sink_task_sink_record_send_total", task("write"));
        // How far behind a sink is, is asked of the cluster now and then.
        let lag = labelled(&families, "kafka_connect_sink_task_sink_record_lag_max", task("write"));
        (sent == Some(ROWS as f64) && lag.is_some()).then_some(())
    });
    let value = |name: &str, labels: Value| {
        let name = format!("kafka_connect_{name}");
        labelled(&families, &name, labels.clone()).unwrap_or_else(|| panic!("no {name} {labels}"))
    };
    for name in ["source_task_source_record_poll_total", "source_task_source_record_write_total"] {
        assert_eq!(value(name, task("read")), ROWS as f64, "{name}");
    }
    assert_eq!(value("sink_task_sink_record_read_total", task("write")), ROWS as f64);
    assert_eq!(value("sink_task_partition_count", task("write")), 2.0);
    // Markers of transactions count as well, as they do for whoever lists offsets.
    assert!(value("sink_task_sink_record_lag_max", task("write")) <= (ROWS + 10) as f64);
    for (name, connector) in [
        ("source_task_source_record_poll_rate", "read"),
        ("source_task_source_record_write_rate", "read"),
        ("source_task_poll_batch_avg_time_ms", "read"),
        ("sink_task_sink_record_send_rate", "write"),
        ("sink_task_put_batch_avg_time_ms", "write"),
        ("sink_task_put_batch_max_time_ms", "write"),
        ("connector_task_batch_size_avg", "write"),
        ("connector_task_running_ratio", "write"),
        ("connector_task_offset_commit_max_time_ms", "read"),
        ("source_task_transaction_size_max", "read"),
    ] {
        assert!(value(name, task(connector)) > 0.0, "{name}");
    }
    assert_eq!(value("connector_task_pause_ratio", task("write")), 0.0);
    assert_eq!(value("connector_task_offset_commit_success_percentage", task("read")), 100.0);
    assert_eq!(value("connector_task_offset_commit_failure_percentage", task("read")), 0.0);
    for name in [
        "total_record_errors",
        "total_record_failures",
        "total_records_skipped",
        "total_retries",
        "total_errors_logged",
        "deadletterqueue_produce_requests",
        "deadletterqueue_produce_failures",
    ] {
        assert_eq!(value(&format!("task_error_{name}"), task("write")), 0.0, "{name}");
    }
    let none = || json!({});
    assert_eq!(value("worker_connector_count", none()), 3.0);
    assert!(value("worker_connector_startup_success_total", none()) >= 3.0);
    assert_eq!(value("worker_connector_startup_success_percentage", none()), 100.0);
    assert!(value("worker_task_startup_success_percentage", none()) > 0.0);
    assert!(value("worker_rebalance_completed_rebalances_total", none()) >= 1.0);
    assert_eq!(value("worker_rebalance_rebalancing", none()), 0.0);
    assert!(value("worker_rebalance_rebalance_avg_time_ms", none()) >= 0.0);
    let id = worker.to_string();
    assert_eq!(value("worker_rebalance_leader_name", json!({ "leader_name": id })), 1.0);
    let of = |connector: &str| json!({ "connector": connector });
    assert_eq!(value("worker_connector_running_task_count", of("write")), 1.0);
    assert_eq!(value("worker_connector_failed_task_count", of("write")), 0.0);
    assert_eq!(value("worker_connector_failed_task_count", of("evil")), 1.0);
    let status = json!({ "connector": "write", "task": "0", "status": "running" });
    assert_eq!(value("connector_task_status", status), 1.0);
    let class = json!({ "connector": "read", "connector_class": "file-source" });
    assert_eq!(value("connector_connector_class", class), 1.0);
    let is_told = |name: &str| families.iter().any(|family| family["name"] == name);
    for (group, names) in KAFKA_CONNECTS {
        for name in names {
            let name = format!("kafka_connect_{group}_{name}");
            assert!(is_told(&name), "no family {name}");
        }
    }
}

/// What Kafka Connect 4.1's documentation lists, but for what
/// `runtime/src/worker/metrics/mod.rs` says to have no counterpart. Those that are counters
/// here are told without `_total`.
const KAFKA_CONNECTS: [(&str, &[&str]); 7] = [
    (
        "worker",
        &[
            "connector_count",
            "connector_startup_attempts",
            "connector_startup_failure_percentage",
            "connector_startup_failure",
            "connector_startup_success_percentage",
            "connector_startup_success",
            "task_count",
            "task_startup_attempts",
            "task_startup_failure_percentage",
            "task_startup_failure",
            "task_startup_success_percentage",
            "task_startup_success",
            "connector_failed_task_count",
            "connector_paused_task_count",
            "connector_restarting_task_count",
            "connector_running_task_count",
            "connector_total_task_count",
            "connector_unassigned_task_count",
        ],
    ),
    (
        "worker_rebalance",
        &[
            "completed_rebalances",
            "epoch",
            "leader_name",
            "rebalance_avg_time_ms",
            "rebalance_max_time_ms",
            "rebalancing",
            "time_since_last_rebalance_ms",
        ],
    ),
    ("connector", &["connector_class", "connector_type", "connector_version", "status"]),
    (
        "connector_task",
        &[
            "batch_size_avg",
            "batch_size_max",
            "connector_class",
            "connector_type",
            "connector_version",
            "offset_commit_avg_time_ms",
            "offset_commit_failure_percentage",
            "offset_commit_max_time_ms",
            "offset_commit_success_percentage",
            "pause_ratio",
            "running_ratio",
            "status",
        ],
    ),
    (
        "sink_task",
        &[
            "offset_commit_completion_rate",
            "offset_commit_completion",
            "offset_commit_seq_no",
            "partition_count",
            "put_batch_avg_time_ms",
            "put_batch_max_time_ms",
            "sink_record_active_count",
            "sink_record_active_count_avg",
            "sink_record_active_count_max",
            "sink_record_lag_max",
            "sink_record_read_rate",
            "sink_record_read",
            "sink_record_send_rate",
            "sink_record_send",
        ],
    ),
    (
        "source_task",
        &[
            "poll_batch_avg_time_ms",
            "poll_batch_max_time_ms",
            "source_record_active_count",
            "source_record_active_count_avg",
            "source_record_active_count_max",
            "source_record_poll_rate",
            "source_record_poll",
            "source_record_write_rate",
            "source_record_write",
            "transaction_size_avg",
            "transaction_size_max",
            "transaction_size_min",
        ],
    ),
    (
        "task_error",
        &[
            "deadletterqueue_produce_failures",
            "deadletterqueue_produce_requests",
            "last_error_timestamp",
            "total_errors_logged",
            "total_record_errors",
            "total_record_failures",
            "total_records_skipped",
            "total_retries",
        ],
    ),
];
