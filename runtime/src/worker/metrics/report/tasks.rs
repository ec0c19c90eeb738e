//! What is told of tasks.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use longshore_broker::families::{Families, Labels, gauge};
use prometheus_client::encoding::NoLabelSet;
use prometheus_client::metrics::MetricType;

use super::{load, word};
use crate::kafka::TopicPartition;
use crate::task::counters::Counters;
use crate::task::meter::Lately;
use crate::worker::core::Core;
use crate::worker::herder::{ConnectorKind, State, TaskId};
use crate::worker::metrics::TaskMetrics;
use crate::worker::metrics::states::Ratios;
use crate::worker::options;

const GAUGE: MetricType = MetricType::Gauge;
const COUNTER: MetricType = MetricType::Counter;

/// A task that this worker runs, as it is at one moment.
pub(super) struct Task {
    id: TaskId,
    number: String,
    kind: Option<ConnectorKind>,
    state: State,
    metrics: Arc<TaskMetrics>,
    ratios: Ratios,
    read: u64,
    read_rate: f64,
    written: u64,
    written_rate: f64,
    sent: u64,
    sent_rate: f64,
    batches: Lately,
    polls: Lately,
    puts: Lately,
    active: Lately,
    transactions: Lately,
    commits: u64,
    commit_rate: f64,
    commit_times: Lately,
    /// How many commits in a hundred succeeded.
    commit_successes: f64,
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

    fn is(&self, kind: ConnectorKind) -> bool {
        self.kind == Some(kind)
    }
}

pub(super) fn running(core: &Core) -> Vec<Task> {
    let mine = core.told.lock().expect("no holder panics").holding().tasks.clone();
    let now = Instant::now();
    mine.into_iter().map(|(id, shares)| task(core, id, &shares, now)).collect()
}

fn task(core: &Core, id: TaskId, shares: &BTreeSet<TopicPartition>, now: Instant) -> Task {
    let connector = core.connector(&id.connector);
    let metrics = connector.task(id.task);
    let counters = &*metrics.counters;
    let (read, written) = (load(&counters.records_in), load(&counters.records_out));
    let (sent, commits) = (load(&metrics.sent), counters.commits.times.count());
    Task {
        number: id.task.to_string(),
        kind: core.kind_of(&id.connector),
        // Without one it is assigned, and not begun yet.
        state: core.statuses.task(&id).map_or(State::Unassigned, |status| status.state),
        ratios: metrics.states.ratios(now),
        read,
        read_rate: metrics.read_rate.of(read, now),
        written,
        written_rate: metrics.written_rate.of(written, now),
        sent,
        sent_rate: metrics.sent_rate.of(sent, now),
        batches: metrics.batches.lately(now),
        polls: metrics.polls.lately(now),
        puts: metrics.puts.lately(now),
        active: counters.active.lately(now),
        transactions: counters.transactions.lately(now),
        commits,
        commit_rate: metrics.commit_rate.of(commits, now),
        commit_times: counters.commits.times.lately(now),
        commit_successes: counters.commits.successes.lately(now).average,
        partitions: shares.len(),
        lag_max: connector.lag_max(shares),
        metrics,
        id,
    }
}

pub(super) fn tell(report: &mut Families<'_>, core: &Core, tasks: &[Task]) -> fmt::Result {
    type Word<'a> = &'a dyn Fn(&Task) -> Option<String>;
    let kind = |task: &Task| task.kind.map(|kind| format!("{kind:?}").to_lowercase());
    let class = |task: &Task| {
        let configs = core.configs.read().expect("no holder panics");
        configs.get(&task.id.connector)?.config.get(options::CLASS).cloned()
    };
    let words: [(&str, Word<'_>); 4] = [
        ("status", &|task| Some(word(task.state).to_owned())),
        ("connector_class", &class),
        ("connector_type", &kind),
        ("connector_version", &|task| core.version_of(&task.id.connector)),
    ];
    for (name, value) in words {
        let help = "1, with what a task is as a label";
        report.family(&format!("connector_task_{name}"), help, GAUGE, |metric| {
            for task in tasks {
                let Some(value) = value(task) else { continue };
                let (connector, number) = (&*task.id.connector, &*task.number);
                let labels = [("connector", connector), ("task", number), (name, &value)];
                gauge(metric, &labels, 1_i64)?;
            }
            Ok(())
        })?;
    }
    of_all(report, tasks)?;
    sources(report, tasks)?;
    sinks(report, tasks)?;
    errors(report, tasks)
}

/// Name, help and type of a metric, and its value of a task.
type OfTask = (&'static str, &'static str, MetricType, fn(&Task) -> f64);

/// One value for each task that has it.
fn each(
    report: &mut Families<'_>,
    tasks: &[Task],
    has: impl Fn(&Task) -> bool,
    prefix: &str,
    metrics: &[OfTask],
) -> fmt::Result {
    for (name, help, kind, value) in metrics {
        report.family(&format!("{prefix}_{name}"), help, *kind, |metric| {
            for task in tasks.iter().filter(|task| has(task)) {
                let labels: Labels<'_> =
                    &[("connector", &task.id.connector), ("task", &task.number)];
                if matches!(kind, MetricType::Counter) {
                    let mut line = metric.encode_family(&labels)?;
                    line.encode_counter::<NoLabelSet, f64, f64>(&value(task), None)?;
                } else {
                    gauge(metric, labels, value(task))?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Milliseconds of what was measured in microseconds.
fn ms(micros: f64) -> f64 {
    micros / 1000.0
}

fn of_all(report: &mut Families<'_>, tasks: &[Task]) -> fmt::Result {
    let all: [OfTask; 8] = [
        ("batch_size_avg", "Records of a poll, or of a put", GAUGE, |it| it.batches.average),
        ("batch_size_max", "The most of these", GAUGE, |it| it.batches.max),
        ("running_ratio", "The part of its time here that it ran", GAUGE, |it| it.ratios.running),
        ("pause_ratio", "The part that it was paused", GAUGE, |it| it.ratios.paused),
        ("offset_commit_avg_time_ms", "How long commits took that succeeded", GAUGE, |it| {
            ms(it.commit_times.average)
        }),
        ("offset_commit_max_time_ms", "The longest of these", GAUGE, |it| ms(it.commit_times.max)),
        ("offset_commit_success_percentage", "How many in a hundred succeeded", GAUGE, |it| {
            it.commit_successes
        }),
        ("offset_commit_failure_percentage", "How many in a hundred failed", GAUGE, |it| {
            100.0 - it.commit_successes
        }),
    ];
    each(report, tasks, |_| true, "connector_task", &all)
}

fn sources(report: &mut Families<'_>, tasks: &[Task]) -> fmt::Result {
    let polled: [OfTask; 10] = [
        ("source_record_poll", "Records that polls brought", COUNTER, |it| it.read as f64),
        ("source_record_poll_rate", "The same, a second, lately", GAUGE, |it| it.read_rate),
        (
            "source_record_active_count",
            "Records that polls brought and that are not written yet",
            GAUGE,
            |it| it.metrics.counters.unwritten() as f64,
        ),
        ("source_record_active_count_avg", "How many these were lately", GAUGE, |it| {
            it.active.average
        }),
        ("source_record_active_count_max", "The most of these", GAUGE, |it| it.active.max),
        ("poll_batch_avg_time_ms", "How long polls with records took", GAUGE, |it| {
            ms(it.polls.average)
        }),
        ("poll_batch_max_time_ms", "The longest of these", GAUGE, |it| ms(it.polls.max)),
        ("transaction_size_avg", "Records of a transaction", GAUGE, |it| it.transactions.average),
        ("transaction_size_max", "The most of these", GAUGE, |it| it.transactions.max),
        ("transaction_size_min", "The least of these", GAUGE, |it| it.transactions.min),
    ];
    let is_source = |task: &Task| task.is(ConnectorKind::Source);
    each(report, tasks, is_source, "source_task", &polled)?;
    let written: [OfTask; 2] = [
        ("source_record_write", "Records written to topics", COUNTER, |it| it.written as f64),
        ("source_record_write_rate", "The same, a second, lately", GAUGE, |it| it.written_rate),
    ];
    each(report, tasks, Task::writes_topics, "source_task", &written)
}

fn sinks(report: &mut Families<'_>, tasks: &[Task]) -> fmt::Result {
    let read: [OfTask; 10] = [
        ("sink_record_read", "Records read from topics", COUNTER, |it| it.read as f64),
        ("sink_record_read_rate", "The same, a second, lately", GAUGE, |it| it.read_rate),
        (
            "sink_record_lag_max",
            "Records that the partition furthest behind is behind",
            GAUGE,
            |it| it.lag_max.map_or(f64::NAN, |lag| lag as f64),
        ),
        ("partition_count", "Partitions that the task has", GAUGE, |it| it.partitions as f64),
        ("sink_record_active_count", "Records that were read since the last commit", GAUGE, |it| {
            it.metrics.counters.uncommitted() as f64
        }),
        ("sink_record_active_count_avg", "How many these were lately", GAUGE, |it| {
            it.active.average
        }),
        ("sink_record_active_count_max", "The most of these", GAUGE, |it| it.active.max),
        ("offset_commit_completion", "Commits that succeeded", COUNTER, |it| it.commits as f64),
        ("offset_commit_completion_rate", "The same, a second, lately", GAUGE, |it| it.commit_rate),
        ("offset_commit_seq_no", "The number of the last commit", GAUGE, |it| {
            it.metrics.counters.commits.successes.count() as f64
        }),
    ];
    each(report, tasks, Task::reads_topics, "sink_task", &read)?;
    let put: [OfTask; 4] = [
        ("sink_record_send", "Records that the plugin was given", COUNTER, |it| it.sent as f64),
        ("sink_record_send_rate", "The same, a second, lately", GAUGE, |it| it.sent_rate),
        ("put_batch_avg_time_ms", "How long the plugin took to take a batch", GAUGE, |it| {
            ms(it.puts.average)
        }),
        ("put_batch_max_time_ms", "The longest of these", GAUGE, |it| ms(it.puts.max)),
    ];
    each(report, tasks, |task| task.is(ConnectorKind::Sink), "sink_task", &put)
}

/// Totals, but with names that no counter has in OpenMetrics: they end otherwise.
fn errors(report: &mut Families<'_>, tasks: &[Task]) -> fmt::Result {
    fn of(task: &Task, pick: fn(&Counters) -> &AtomicU64) -> f64 {
        load(pick(&task.metrics.counters)) as f64
    }
    let all: [OfTask; 8] = [
        ("total_record_errors", "Records that could not be used", GAUGE, |it| {
            of(it, |it| &it.errors.record_errors)
        }),
        ("total_record_failures", "Failures of records", GAUGE, |it| {
            of(it, |it| &it.errors.record_failures)
        }),
        ("total_records_skipped", "Records that were skipped", GAUGE, |it| {
            of(it, |it| &it.skipped)
        }),
        ("total_retries", "Calls that were tried again", GAUGE, |it| {
            of(it, |it| &it.errors.retries)
        }),
        ("total_errors_logged", "Failures that were logged", GAUGE, |it| {
            of(it, |it| &it.errors.errors_logged)
        }),
        ("deadletterqueue_produce_requests", "Dead letters to be sent", GAUGE, |it| {
            of(it, |it| &it.errors.dead_letter_requests)
        }),
        ("deadletterqueue_produce_failures", "Those that could not be sent", GAUGE, |it| {
            of(it, |it| &it.errors.dead_letter_failures)
        }),
        ("last_error_timestamp", "When the last record failed, in milliseconds", GAUGE, |it| {
            of(it, |it| &it.errors.last_error_timestamp)
        }),
    ];
    each(report, tasks, |_| true, "task_error", &all)
}
