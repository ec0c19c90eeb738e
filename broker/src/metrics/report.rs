//! Everything at one moment.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::Ordering},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use super::families::{Families, Labels, counter, gauge};
use crate::{
    group::GroupState,
    node::Node,
    partition::{Partition, TrafficCounts},
    time_histogram::TimeCounts,
};

/// The metrics of a node.
pub(crate) struct NodeCollector(pub(crate) Arc<Node>);

impl fmt::Debug for NodeCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeCollector")
    }
}

impl Collector for NodeCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut report = Families::new(encoder, "");
        let partitions = self.0.partitions.all();
        requests(&mut report, &self.0)?;
        topics(&mut report, &partitions)?;
        logs(&mut report, &partitions)?;
        cluster(&mut report, &self.0, &partitions)?;
        groups(&mut report, &self.0)
    }
}

fn histogram(counts: &TimeCounts, metric: &mut MetricEncoder<'_>) -> fmt::Result {
    let buckets: Vec<(f64, u64)> =
        counts.buckets().map(|(bound, count)| (bound.unwrap_or(f64::INFINITY), count)).collect();
    metric.encode_histogram::<NoLabelSet>(counts.total_ms(), counts.count(), &buckets, None)
}

fn requests(report: &mut Families<'_>, node: &Node) -> fmt::Result {
    let (used, all) = node.request_memory.used_and_all_bytes();
    report.gauge(
        "kafka_network_socketserver_memorypoolused",
        "Bytes that requests under way hold",
        used,
    )?;
    report.gauge(
        "kafka_network_socketserver_memorypoolavailable",
        "Bytes that further requests may hold",
        all - used,
    )?;
    report.gauge(
        "kafka_network_requestchannel_requestqueuesize",
        "Requests that have come and whose answer is not begun",
        node.metrics.under_way.queued() as usize,
    )?;
    report.family(
        "kafka_server_delayedoperationpurgatory_purgatorysize",
        "Answers that wait: of fetches for records, of produces for a flush, of joins for members",
        MetricType::Gauge,
        |metric| {
            for (operation, waiting) in node.metrics.under_way.delayed() {
                gauge(metric, &[("delayedOperation", operation)], waiting.cast_signed())?;
            }
            Ok(())
        },
    )?;
    report.family(
        "kafka_network_requestmetrics_requests",
        "Requests, by API and version",
        MetricType::Counter,
        |metric| {
            for api in node.metrics.requests.rows() {
                for (version, count) in api.requests.iter().enumerate() {
                    let count = count.load(Ordering::Relaxed);
                    if count > 0 {
                        let version = version.to_string();
                        counter(metric, &[("request", &api.name), ("version", &version)], count)?;
                    }
                }
            }
            Ok(())
        },
    )?;
    report.family(
        "kafka_network_requestmetrics_totaltimems",
        "Milliseconds from a request's arrival to the last byte of its answer",
        MetricType::Histogram,
        |metric| {
            for api in node.metrics.requests.rows() {
                let counts = api.times.counts();
                if counts.count() > 0 {
                    let labels: Labels<'_> = &[("request", &api.name)];
                    histogram(&counts, &mut metric.encode_family(&labels)?)?;
                }
            }
            Ok(())
        },
    )?;
    report.family(
        "kafka_server_socket_server_metrics_connection_count",
        "Connections that are open, by listener",
        MetricType::Gauge,
        |metric| {
            let listeners = node.config.listeners.iter().zip(node.metrics.connections.open());
            for (listener, open) in listeners {
                gauge(metric, &[("listener", &listener.name)], open.cast_signed())?;
            }
            Ok(())
        },
    )
}

fn topics(report: &mut Families<'_>, partitions: &[Arc<Partition>]) -> fmt::Result {
    let mut topics: BTreeMap<&str, TrafficCounts> = BTreeMap::new();
    for partition in partitions {
        partition.traffic().add_to(topics.entry(partition.topic()).or_default());
    }
    type Pick = fn(&TrafficCounts) -> u64;
    let families: [(&str, &str, Pick); 8] = [
        (
            "kafka_server_brokertopicmetrics_messagesin",
            "Records appended since the start, by topic",
            |traffic| traffic.messages_in,
        ),
        (
            "kafka_server_brokertopicmetrics_bytesin",
            "Bytes of records appended since the start, by topic",
            |traffic| traffic.bytes_in,
        ),
        (
            "kafka_server_brokertopicmetrics_bytesout",
            "Bytes of records read for fetches since the start, by topic",
            |traffic| traffic.bytes_out,
        ),
        (
            "kafka_server_brokertopicmetrics_bytesrejected",
            "Bytes of batches that were too large, by topic",
            |traffic| traffic.bytes_rejected,
        ),
        (
            "kafka_server_brokertopicmetrics_totalproducerequests",
            "Batches that clients sent to partitions, by topic",
            |traffic| traffic.produces,
        ),
        (
            "kafka_server_brokertopicmetrics_failedproducerequests",
            "Of these the refused, without those too large or damaged, by topic",
            |traffic| traffic.failed_produces,
        ),
        (
            "kafka_server_brokertopicmetrics_totalfetchrequests",
            "Looks of fetches into partitions, by topic",
            |traffic| traffic.fetches,
        ),
        (
            "kafka_server_brokertopicmetrics_failedfetchrequests",
            "Of these the failed, without those at offsets that are not there, by topic",
            |traffic| traffic.failed_fetches,
        ),
    ];
    for (name, help, pick) in families {
        report.family(name, help, MetricType::Counter, |metric| {
            for (topic, traffic) in &topics {
                counter(metric, &[("topic", topic)], pick(traffic))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn logs(report: &mut Families<'_>, partitions: &[Arc<Partition>]) -> fmt::Result {
    type Pick = fn(&crate::log::Log) -> i64;
    let families: [(&str, &str, Pick); 3] = [
        ("kafka_log_log_size", "Bytes of a partition's segments", |log| {
            i64::try_from(log.size_bytes()).unwrap_or(i64::MAX)
        }),
        ("kafka_log_log_logendoffset", "The offset of the next record", |log| log.log_end_offset()),
        ("kafka_log_log_logstartoffset", "The first offset that may be read", |log| {
            log.log_start_offset()
        }),
    ];
    for (name, help, pick) in families {
        report.family(name, help, MetricType::Gauge, |metric| {
            for partition in partitions {
                let Ok(log) = partition.log() else { continue };
                let index = partition.index().to_string();
                let labels = [("topic", partition.topic()), ("partition", &*index)];
                gauge(metric, &labels, pick(log))?;
            }
            Ok(())
        })?;
    }
    let mut flushes = TimeCounts::default();
    for log in partitions.iter().filter_map(|partition| partition.log().ok()) {
        log.flush_times().add_to(&mut flushes);
    }
    report.family(
        "kafka_log_logflushstats_logflushrateandtimems",
        "Milliseconds that flushes of logs to the disk took",
        MetricType::Histogram,
        |metric| histogram(&flushes, metric),
    )
}

fn cluster(report: &mut Families<'_>, node: &Node, partitions: &[Arc<Partition>]) -> fmt::Result {
    let image = node.image();
    let offline = partitions.iter().filter(|partition| partition.log().is_err()).count();
    let all: usize = image.topics().map(|topic| topic.partitions.len()).sum();
    // Each partition has one replica, here, which is in sync while its log can be used.
    let wants = |wanted: fn(i32) -> bool| {
        let logs = partitions.iter().filter_map(|partition| partition.log().ok());
        logs.filter(|log| wanted(log.config().min_insync_replicas)).count()
    };
    let (at_min, under_min) = (wants(|least| least == 1), wants(|least| least > 1));
    for (name, help, value) in [
        ("kafka_server_replicamanager_partitioncount", "Partitions on this node", partitions.len()),
        (
            "kafka_server_replicamanager_leadercount",
            "Partitions that this node leads",
            partitions.len() - offline,
        ),
        (
            "kafka_server_replicamanager_offlinereplicacount",
            "Partitions whose log cannot be used",
            offline,
        ),
        (
            "kafka_server_replicamanager_underreplicatedpartitions",
            "Partitions that this node leads with a replica missing",
            0,
        ),
        (
            "kafka_server_replicamanager_atminisrpartitioncount",
            "Partitions that take no acks=all once they lose a replica",
            at_min,
        ),
        (
            "kafka_server_replicamanager_underminisrpartitioncount",
            "Partitions that take no acks=all: min.insync.replicas is above what there are",
            under_min,
        ),
        (
            "kafka_log_logmanager_offlinelogdirectorycount",
            "Log directories that cannot be used; without its own a node does not start",
            0,
        ),
        ("kafka_server_kafkaserver_brokerstate", "3: running", 3),
        ("kafka_controller_kafkacontroller_activecontrollercount", "1 on the controller", 1),
        (
            "kafka_controller_kafkacontroller_activebrokercount",
            "Brokers of the cluster",
            image.brokers().count(),
        ),
        ("kafka_controller_kafkacontroller_fencedbrokercount", "Brokers that do not answer", 0),
        (
            "kafka_controller_kafkacontroller_globaltopiccount",
            "Topics of the cluster",
            image.topics().count(),
        ),
        ("kafka_controller_kafkacontroller_globalpartitioncount", "Partitions of the cluster", all),
        (
            "kafka_controller_kafkacontroller_offlinepartitionscount",
            "Partitions without a leader that can serve",
            offline,
        ),
        (
            "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
            "Partitions that another than their first replica leads",
            0,
        ),
        (
            "kafka_server_replicamanager_reassigningpartitions",
            "Partitions on their way to other brokers",
            0,
        ),
    ] {
        report.gauge(name, help, value)?;
    }
    // What only replicas on other brokers could raise: dashboards ask for them.
    for (name, help) in [
        ("kafka_server_replicamanager_isrshrinks", "Replicas that fell out of sync"),
        ("kafka_server_replicamanager_isrexpands", "Replicas that came to be in sync"),
        ("kafka_server_replicamanager_failedisrupdates", "Changes of an ISR that were refused"),
        (
            "kafka_controller_controllerstats_uncleanleaderelections",
            "Leaders that were not in sync when elected",
        ),
    ] {
        report.total(name, help, 0)?;
    }
    Ok(())
}

fn groups(report: &mut Families<'_>, node: &Node) -> fmt::Result {
    let groups = node.groups.list();
    let in_state = |state: &str| groups.iter().filter(|group| group.state == state).count();
    for (name, help, value) in [
        ("kafka_coordinator_group_groupmetadatamanager_numgroups", "Groups", groups.len()),
        (
            "kafka_coordinator_group_groupmetadatamanager_numgroupsstable",
            "Groups whose members have their assignments",
            in_state(GroupState::Stable.name()),
        ),
        (
            "kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance",
            "Groups whose members are joining",
            in_state(GroupState::PreparingRebalance.name()),
        ),
        (
            "kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance",
            "Groups that wait for their leader's assignment",
            in_state(GroupState::CompletingRebalance.name()),
        ),
        (
            "kafka_coordinator_group_groupmetadatamanager_numgroupsempty",
            "Groups without members",
            in_state(GroupState::Empty.name()),
        ),
    ] {
        report.gauge(name, help, value)?;
    }
    Ok(())
}
