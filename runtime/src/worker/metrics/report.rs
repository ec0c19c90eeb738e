//! Everything at one moment, as Prometheus' client library writes it down.
//!
//! A metric `poll-batch-avg-time-ms` of Connect's group `source-task-metrics` is
//! `kafka_connect_source_task_poll_batch_avg_time_ms` here, with the labels
//! `connector` and `task`. Of a processor, which Connect does not know, what it
//! reads is told as of a sink, and what it writes as of a source.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::TaskMetrics;
use super::meter::Lately;
use crate::kafka::TopicPartition;
use crate::task::counters::Counters;
use crate::worker::config_state::ConnectorEntry;
use crate::worker::core::Core;
use crate::worker::herder::{ConnectorKind, Leadership, State, TaskId};
use crate::worker::options;
use crate::worker::records::TargetState;

const GAUGE: MetricType = MetricType::Gauge;
const COUNTER: MetricType = MetricType::Counter;

/// A worker's metrics. It keeps no worker alive: one that ended reports nothing.
pub(in crate::worker) struct WorkerCollector(pub(in crate::worker) Weak<Core>);

impl fmt::Debug for WorkerCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkerCollector")
    }
}

impl Collector for WorkerCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(core) = self.0.upgrade() else { return Ok(()) };
        let (connectors, tasks) = (connectors(&core), tasks(&core));
        let mut report = Report(encoder);
        worker(&mut report, &core, connectors.len(), tasks.len())?;
        rebalances(&mut report, &core)?;
        of_connectors(&mut report, &core, &connectors)?;
        of_tasks(&mut report, &tasks)
    }
}

/// A connector that this worker plans and watches over.
struct Watched {
    name: String,
    entry: ConnectorEntry,
}

fn connectors(core: &Core) -> Vec<Watched> {
    let mine = core.holding.lock().expect("no holder panics").connectors.clone();
    let configs = core.configs.read().expect("no holder panics");
    let known = |name: String| Some(Watched { entry: configs.get(&name)?.clone(), name });
    mine.into_iter().filter_map(known).collect()
}

/// A task that this worker runs.
struct Task {
    id: TaskId,
    number: String,
    kind: Option<ConnectorKind>,
    state: State,
    metrics: Arc<TaskMetrics>,
    read: u64,
    read_rate: f64,
    written: u64,
    written_rate: f64,
    sent: u64,
    sent_rate: f64,
    batches: Lately,
    polls: Lately,
    puts: Lately,
    partitions: usize,
    lag_max: Option<u64>,
}

impl Task {
    fn reads_topics(&self) -> bool {
        matches!(self.kind, Some(ConnectorKind::Sink | ConnectorKind::Processor))
    }

    fn writes_topics(&self) -> bool {
        matches!(self.kind, Some(ConnectorKind::Source | ConnectorKind::Processor))
    }
}

fn tasks(core: &Core) -> Vec<Task> {
    let mine = core.holding.lock().expect("no holder panics").tasks.clone();
    let now = Instant::now();
    mine.into_iter().map(|(id, shares)| task(core, id, &shares, now)).collect()
}

fn task(core: &Core, id: TaskId, shares: &BTreeSet<TopicPartition>, now: Instant) -> Task {
    let connector = core.connector(&id.connector);
    let metrics = connector.task(id.task);
    let (read, written) = (&metrics.counters.records_in, &metrics.counters.records_out);
    let (read, written, sent) = (load(read), load(written), load(&metrics.sent));
    Task {
        number: id.task.to_string(),
        kind: core.kind_of(&id.connector),
        // Without one it is assigned, and not begun yet.
        state: core.statuses.task(&id).map_or(State::Unassigned, |status| status.state),
        read,
        read_rate: metrics.read_rate.of(read, now),
        written,
        written_rate: metrics.written_rate.of(written, now),
        sent,
        sent_rate: metrics.sent_rate.of(sent, now),
        batches: metrics.batches.lately(now),
        polls: metrics.polls.lately(now),
        puts: metrics.puts.lately(now),
        partitions: shares.len(),
        lag_max: connector.lag_max(shares),
        metrics,
        id,
    }
}

type Labels<'a> = &'a [(&'a str, &'a str)];

/// Writes metrics one name after the other.
struct Report<'a>(DescriptorEncoder<'a>);

impl Report<'_> {
    /// Opens a name, under which `values` writes one line for each set of labels.
    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        values(&mut self.0.encode_descriptor(&format!("kafka_connect_{name}"), help, None, kind)?)
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, |metric| metric.encode_gauge(&value))
    }

    fn total(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.family(name, help, MetricType::Counter, |metric| {
            metric.encode_counter::<NoLabelSet, u64, f64>(&value, None)
        })
    }

    /// One value for each task that has it; a counter's name is told without `_total`.
    fn each_task(
        &mut self,
        tasks: &[Task],
        (name, help, kind): (&str, &str, MetricType),
        value: impl Fn(&Task) -> Option<f64>,
    ) -> fmt::Result {
        let is_counter = matches!(kind, MetricType::Counter);
        self.family(name, help, kind, |metric| {
            for task in tasks {
                let Some(value) = value(task) else { continue };
                let labels: Labels<'_> =
                    &[("connector", &task.id.connector), ("task", &task.number)];
                let mut line = metric.encode_family(&labels)?;
                if is_counter {
                    line.encode_counter::<NoLabelSet, f64, f64>(&value, None)?;
                } else {
                    line.encode_gauge(&value)?;
                }
            }
            Ok(())
        })
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn worker(report: &mut Report<'_>, core: &Core, connectors: usize, tasks: usize) -> fmt::Result {
    let starts = &core.metrics.task_starts;
    report.gauge(
        "worker_connector_count",
        "Connectors that this worker runs",
        connectors as f64,
    )?;
    report.gauge("worker_task_count", "Tasks that this worker runs", tasks as f64)?;
    for (name, help, count) in [
        ("attempts", "Tasks that were to start here", &starts.attempts),
        ("success", "Of these those that came to work", &starts.successes),
        ("failure", "Of these those that failed before", &starts.failures),
    ] {
        report.total(&format!("worker_task_startup_{name}"), help, load(count))?;
    }
    Ok(())
}

fn rebalances(report: &mut Report<'_>, core: &Core) -> fmt::Result {
    let rebalances = &core.metrics.rebalances;
    let now = Instant::now();
    let lately = rebalances.times.lately(now);
    let (is_under_way, ended) = {
        let state = rebalances.state.lock().expect("no holder panics");
        (state.began.is_some(), state.ended)
    };
    report.total(
        "worker_rebalance_completed_rebalances",
        "Rebalances of the worker group that this worker took part in",
        rebalances.times.count(),
    )?;
    for (name, help, value) in [
        ("rebalancing", "1 while the group rebalances", f64::from(u8::from(is_under_way))),
        ("rebalance_avg_time_ms", "How long rebalances took lately", lately.average),
        ("rebalance_max_time_ms", "The longest of these", lately.max),
        (
            "time_since_last_rebalance_ms",
            "Milliseconds since the last",
            ended.map_or(f64::NAN, |ended| (now - ended).as_millis() as f64),
        ),
        (
            "epoch",
            "The generation of the group",
            f64::from(core.generation.load(Ordering::Relaxed)),
        ),
    ] {
        report.gauge(&format!("worker_rebalance_{name}"), help, value)?;
    }
    let leader = match core.led.borrow().leader.clone() {
        Leadership::Own => Some(core.config.worker_id.clone()),
        Leadership::Of(worker) => Some(worker),
        Leadership::Unknown => None,
    };
    let help = "1 for the worker that leads the group";
    report.family("worker_rebalance_leader_name", help, MetricType::Gauge, |metric| match leader {
        Some(leader) => {
            let labels: Labels<'_> = &[("leader_name", &leader)];
            metric.encode_family(&labels)?.encode_gauge(&1_i64)
        }
        None => Ok(()),
    })
}

/// A state as Kafka Connect's metrics write it.
fn word(state: State) -> &'static str {
    match state {
        State::Unassigned => "unassigned",
        State::Running => "running",
        State::Paused => "paused",
        State::Stopped => "stopped",
        State::Failed => "failed",
        State::Restarting => "restarting",
    }
}

fn of_connectors(report: &mut Report<'_>, core: &Core, connectors: &[Watched]) -> fmt::Result {
    let states: Vec<Vec<State>> = connectors.iter().map(|it| states(core, it)).collect();
    report.family(
        "worker_connector_total_task_count",
        "Tasks of a connector, on all workers",
        MetricType::Gauge,
        |metric| {
            for (connector, states) in connectors.iter().zip(&states) {
                let labels: Labels<'_> = &[("connector", &connector.name)];
                metric.encode_family(&labels)?.encode_gauge(&(states.len() as i64))?;
            }
            Ok(())
        },
    )?;
    for state in
        [State::Running, State::Paused, State::Failed, State::Unassigned, State::Restarting]
    {
        let word = word(state);
        let (name, help) =
            (format!("worker_connector_{word}_task_count"), format!("Of these the {word}"));
        report.family(&name, &help, MetricType::Gauge, |metric| {
            for (connector, states) in connectors.iter().zip(&states) {
                let labels: Labels<'_> = &[("connector", &connector.name)];
                let count = states.iter().filter(|it| **it == state).count();
                metric.encode_family(&labels)?.encode_gauge(&(count as i64))?;
            }
            Ok(())
        })?;
    }
    type Tell = fn(&Core, &Watched) -> Option<String>;
    let told: [(&str, Tell); 4] = [
        ("connector_class", |_, it| it.entry.config.get(options::CLASS).cloned()),
        ("connector_type", |core, it| {
            core.kind_of(&it.name).map(|kind| format!("{kind:?}").to_lowercase())
        }),
        ("connector_version", |core, it| core.version_of(&it.name)),
        ("status", |core, it| {
            core.statuses.connector(&it.name).map(|status| word(status.state).to_owned())
        }),
    ];
    for (name, tell) in told {
        let help = "1, with what it is as a label";
        report.family(&format!("connector_{name}"), help, MetricType::Gauge, |metric| {
            for connector in connectors {
                let Some(value) = tell(core, connector) else { continue };
                let labels: Labels<'_> = &[("connector", &connector.name), (name, &value)];
                metric.encode_family(&labels)?.encode_gauge(&1_i64)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The states of a connector's tasks, wherever they run.
fn states(core: &Core, connector: &Watched) -> Vec<State> {
    let count = match connector.entry.target {
        TargetState::Stopped => 0,
        TargetState::Started | TargetState::Paused => connector.entry.present_tasks().len() as u32,
    };
    let state = |task| {
        let id = TaskId { connector: connector.name.clone(), task };
        core.statuses.task(&id).map_or(State::Unassigned, |status| status.state)
    };
    (0..count).map(state).collect()
}

fn of_tasks(report: &mut Report<'_>, tasks: &[Task]) -> fmt::Result {
    report.family(
        "connector_task_status",
        "1, with the state of a task as a label",
        MetricType::Gauge,
        |metric| {
            for task in tasks {
                let labels: Labels<'_> = &[
                    ("connector", &task.id.connector),
                    ("task", &task.number),
                    ("status", word(task.state)),
                ];
                metric.encode_family(&labels)?.encode_gauge(&1_i64)?;
            }
            Ok(())
        },
    )?;
    batches(report, tasks)?;
    sources(report, tasks)?;
    sinks(report, tasks)?;
    errors(report, tasks)
}

/// Milliseconds of what was measured in microseconds.
fn ms(micros: f64) -> f64 {
    micros / 1000.0
}

fn batches(report: &mut Report<'_>, tasks: &[Task]) -> fmt::Result {
    report.each_task(
        tasks,
        ("connector_task_batch_size_avg", "Records of a poll, or of a put", GAUGE),
        |task| Some(task.batches.average),
    )?;
    report.each_task(tasks, ("connector_task_batch_size_max", "The most of these", GAUGE), |task| {
        Some(task.batches.max)
    })
}

/// Name, help and type of a metric, and its value of a task.
type OfTask = (&'static str, &'static str, MetricType, fn(&Task) -> f64);

fn sources(report: &mut Report<'_>, tasks: &[Task]) -> fmt::Result {
    let polled: [OfTask; 5] = [
        ("record_poll", "Records that polls brought", COUNTER, |it| it.read as f64),
        ("record_poll_rate", "The same, a second, lately", GAUGE, |it| it.read_rate),
        (
            "record_active_count",
            "Records that polls brought and that are not written yet",
            GAUGE,
            |it| it.read.saturating_sub(it.written) as f64,
        ),
        ("poll_batch_avg_time_ms", "How long polls with records took", GAUGE, |it| {
            ms(it.polls.average)
        }),
        ("poll_batch_max_time_ms", "The longest of these", GAUGE, |it| ms(it.polls.max)),
    ];
    for (name, help, kind, value) in polled {
        // Connect's own names: of records they begin with `source-record`.
        let of_record = name.starts_with("record");
        let name = format!("source_task_{}{name}", if of_record { "source_" } else { "" });
        let value = |task: &Task| (task.kind == Some(ConnectorKind::Source)).then(|| value(task));
        report.each_task(tasks, (&name, help, kind), value)?;
    }
    let written: [OfTask; 2] = [
        ("record_write", "Records written to topics", COUNTER, |it| it.written as f64),
        ("record_write_rate", "The same, a second, lately", GAUGE, |it| it.written_rate),
    ];
    for (name, help, kind, value) in written {
        let name = format!("source_task_source_{name}");
        let value = |task: &Task| task.writes_topics().then(|| value(task));
        report.each_task(tasks, (&name, help, kind), value)?;
    }
    Ok(())
}

fn sinks(report: &mut Report<'_>, tasks: &[Task]) -> fmt::Result {
    let read: [OfTask; 4] = [
        ("sink_record_read", "Records read from topics", COUNTER, |it| it.read as f64),
        ("sink_record_read_rate", "The same, a second, lately", GAUGE, |it| it.read_rate),
        (
            "sink_record_lag_max",
            "Records that the partition furthest behind is behind",
            GAUGE,
            |it| it.lag_max.map_or(f64::NAN, |lag| lag as f64),
        ),
        ("partition_count", "Partitions that the task has", GAUGE, |it| it.partitions as f64),
    ];
    for (name, help, kind, value) in read {
        let name = format!("sink_task_{name}");
        let value = |task: &Task| task.reads_topics().then(|| value(task));
        report.each_task(tasks, (&name, help, kind), value)?;
    }
    let put: [OfTask; 4] = [
        ("sink_record_send", "Records that the plugin was given", COUNTER, |it| it.sent as f64),
        ("sink_record_send_rate", "The same, a second, lately", GAUGE, |it| it.sent_rate),
        ("put_batch_avg_time_ms", "How long the plugin took to take a batch", GAUGE, |it| {
            ms(it.puts.average)
        }),
        ("put_batch_max_time_ms", "The longest of these", GAUGE, |it| ms(it.puts.max)),
    ];
    for (name, help, kind, value) in put {
        let name = format!("sink_task_{name}");
        let value = |task: &Task| (task.kind == Some(ConnectorKind::Sink)).then(|| value(task));
        report.each_task(tasks, (&name, help, kind), value)?;
    }
    Ok(())
}

/// Totals, but with names that no counter has in OpenMetrics: they end otherwise.
fn errors(report: &mut Report<'_>, tasks: &[Task]) -> fmt::Result {
    type Pick = fn(&Counters) -> &AtomicU64;
    let all: [(&str, &str, Pick); 8] = [
        ("total_record_errors", "Records that could not be used", |it| &it.errors.record_errors),
        ("total_record_failures", "Failures of records", |it| &it.errors.record_failures),
        ("total_records_skipped", "Records that were skipped", |it| &it.skipped),
        ("total_retries", "Calls that were tried again", |it| &it.errors.retries),
        ("total_errors_logged", "Failures that were logged", |it| &it.errors.errors_logged),
        ("deadletterqueue_produce_requests", "Dead letters to be sent", |it| {
            &it.errors.dead_letter_requests
        }),
        ("deadletterqueue_produce_failures", "Those that could not be sent", |it| {
            &it.errors.dead_letter_failures
        }),
        ("last_error_timestamp", "When the last record failed, in milliseconds", |it| {
            &it.errors.last_error_timestamp
        }),
    ];
    for (name, help, pick) in all {
        let name = format!("task_error_{name}");
        let value = |task: &Task| Some(load(pick(&task.metrics.counters)) as f64);
        report.each_task(tasks, (&name, help, GAUGE), value)?;
    }
    Ok(())
}
