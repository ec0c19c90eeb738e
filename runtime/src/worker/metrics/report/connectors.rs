//! What is told of connectors.

use std::fmt;

use longshore_broker::families::{Families, Labels, gauge};
use prometheus_client::metrics::MetricType;

use super::word;
use crate::worker::config_state::ConnectorEntry;
use crate::worker::core::Core;
use crate::worker::herder::{State, TaskId};
use crate::worker::options;
use crate::worker::records::TargetState;

/// A connector that this worker plans and watches over.
pub(super) struct Watched {
    name: String,
    entry: ConnectorEntry,
}

pub(super) fn watched(core: &Core) -> Vec<Watched> {
    let mine = core.told.lock().expect("no holder panics").holding().connectors.clone();
    let configs = core.configs.read().expect("no holder panics");
    let known = |name: String| Some(Watched { entry: configs.get(&name)?.clone(), name });
    mine.into_iter().filter_map(known).collect()
}

pub(super) fn tell(report: &mut Families<'_>, core: &Core, connectors: &[Watched]) -> fmt::Result {
    let states: Vec<Vec<State>> = connectors.iter().map(|it| states(core, it)).collect();
    report.family(
        "worker_connector_total_task_count",
        "Tasks of a connector, on all workers",
        MetricType::Gauge,
        |metric| {
            for (connector, states) in connectors.iter().zip(&states) {
                let labels: Labels<'_> = &[("connector", &connector.name)];
                gauge(metric, labels, states.len())?;
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
                gauge(metric, labels, count)?;
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
                gauge(metric, labels, 1_i64)?;
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
