//! What is told of the worker and of its group.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Instant;

use longshore_broker::families::{Families, gauge};
use prometheus_client::metrics::MetricType;

use super::load;
use crate::worker::core::Core;
use crate::worker::herder::Leadership;

pub(super) fn starts(
    report: &mut Families<'_>,
    core: &Core,
    connectors: usize,
    tasks: usize,
) -> fmt::Result {
    report.gauge("worker_connector_count", "Connectors that this worker runs", connectors)?;
    report.gauge("worker_task_count", "Tasks that this worker runs", tasks)?;
    for (what, starts) in
        [("connector", &core.metrics.connector_starts), ("task", &core.metrics.task_starts)]
    {
        for (name, help, count) in [
            ("attempts", "that were to start here", &starts.attempts),
            ("success", "of these that came to work", &starts.successes),
            ("failure", "of these that failed before", &starts.failures),
        ] {
            let name = format!("worker_{what}_startup_{name}");
            report.total(&name, &format!("Each {what} {help}"), load(count))?;
        }
        let succeeded = starts.outcomes.lately(Instant::now()).average;
        for (name, help, percentage) in [
            ("success", "came to work", succeeded),
            ("failure", "failed before", 100.0 - succeeded),
        ] {
            let name = format!("worker_{what}_startup_{name}_percentage");
            let help = format!("Of those that started lately, how many in a hundred {help}");
            report.gauge(&name, &help, percentage)?;
        }
    }
    Ok(())
}

pub(super) fn rebalances(report: &mut Families<'_>, core: &Core) -> fmt::Result {
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
        Some(leader) => gauge(metric, &[("leader_name", &leader)], 1_i64),
        None => Ok(()),
    })
}
