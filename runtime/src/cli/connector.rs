//! `longshore connector`: a worker's connectors, over its REST API.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::CliError;
use super::consent::Consent;
use super::offsets::Offsets;
use super::output::{OutputArgs, columns, print};
use super::rest::{Rest, RestArgs};
use crate::worker::herder::{ConnectorConfig, ConnectorInfo, ConnectorStatus, State};

/// A worker's connectors, over its REST API
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore connector list
  longshore connector create connector.json
  longshore connector restart wordcount-read --include-tasks --rest-url http://127.0.0.1:8083")]
pub(super) struct Connector {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List connectors with their states
    #[command(after_help = "Example:\n  longshore connector list --output json")]
    List(OutputArgs),
    /// Show the state of a connector and its tasks
    #[command(after_help = "Example:\n  longshore connector status wordcount-read")]
    Status {
        /// The connector
        name: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Create connectors from a file: {"name", "config"}, or what `render` prints
    #[command(after_help = "\
Example:
  longshore connector create connector.json
  longshore render pipeline.yaml | longshore connector create -")]
    Create {
        /// JSON; - is stdin
        file: PathBuf,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Restart a connector
    #[command(
        after_help = "Example:\n  longshore connector restart wordcount-read --include-tasks"
    )]
    Restart {
        /// The connector
        name: String,
        /// Its tasks as well
        #[arg(long)]
        include_tasks: bool,
        /// Only what failed
        #[arg(long)]
        only_failed: bool,
    },
    /// Have a connector hold what it has and wait
    #[command(after_help = "Example:\n  longshore connector pause wordcount-read")]
    Pause {
        /// The connector
        name: String,
    },
    /// Have a connector go on that was paused or stopped
    #[command(after_help = "Example:\n  longshore connector resume wordcount-read")]
    Resume {
        /// The connector
        name: String,
    },
    /// Have a connector end its tasks, keeping its configuration and offsets
    #[command(after_help = "Example:\n  longshore connector stop wordcount-read")]
    Stop {
        /// The connector
        name: String,
    },
    /// How far a connector has come, shown and, while it is stopped, changed
    Offsets(Offsets),
    /// Delete a connector
    #[command(after_help = "Example:\n  longshore connector delete wordcount-read --yes")]
    Delete {
        /// The connector
        name: String,
        #[command(flatten)]
        consent: Consent,
    },
}

impl Connector {
    pub(super) async fn run(self, rest: &RestArgs) -> Result<(), CliError> {
        let rest = Rest::new(rest)?;
        match self.action {
            Action::List(output) => list(&rest, output).await,
            Action::Status { name, output } => {
                let path = format!("/connectors/{}/status", Rest::segment(&name));
                let status: ConnectorStatus = rest.get(&path).await?;
                output.print(&status, status_table)
            }
            Action::Create { file, output } => create(&rest, &file, output).await,
            Action::Restart { name, include_tasks, only_failed } => {
                let path = format!(
                    "/connectors/{}/restart?includeTasks={include_tasks}&onlyFailed={only_failed}",
                    Rest::segment(&name)
                );
                rest.post(&path, &json!({})).await?;
                print(&format!("restarting {name}"))
            }
            Action::Pause { name } => control(&rest, &name, "pause", "pausing").await,
            Action::Resume { name } => control(&rest, &name, "resume", "resuming").await,
            Action::Stop { name } => control(&rest, &name, "stop", "stopping").await,
            Action::Offsets(offsets) => offsets.run(&rest).await,
            Action::Delete { name, consent } => {
                consent.to(&format!("delete connector `{name}`"))?;
                rest.delete(&format!("/connectors/{}", Rest::segment(&name))).await?;
                print(&format!("deleted {name}"))
            }
        }
    }
}

/// Asks for another state, which the connector takes up in its own time.
async fn control(rest: &Rest, name: &str, action: &str, said: &str) -> Result<(), CliError> {
    rest.put(&format!("/connectors/{}/{action}", Rest::segment(name))).await?;
    print(&format!("{said} {name}"))
}

async fn list(rest: &Rest, output: OutputArgs) -> Result<(), CliError> {
    let all: Json = rest.get("/connectors?expand=status&expand=info").await?;
    output.print(&all, |all| {
        let mut rows = vec![cells(&["NAME", "TYPE", "CLASS", "STATE", "TASKS"])];
        for (name, one) in all.as_object().into_iter().flatten() {
            let text = |pointer: &str| one.pointer(pointer).and_then(Json::as_str).unwrap_or("-");
            let tasks = one.pointer("/status/tasks").and_then(Json::as_array);
            rows.push(vec![
                name.clone(),
                text("/status/type").to_owned(),
                text("/info/config/connector.class").to_owned(),
                text("/status/connector/state").to_owned(),
                tasks.map_or_else(|| "-".to_owned(), |tasks| tally(tasks)),
            ]);
        }
        columns(&rows)
    })
}

/// `2 RUNNING, 1 FAILED`.
fn tally(tasks: &[Json]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for state in tasks.iter().filter_map(|task| task["state"].as_str()) {
        match counts.iter_mut().find(|(known, _)| *known == state) {
            Some((_, count)) => *count += 1,
            None => counts.push((state, 1)),
        }
    }
    let told: Vec<String> =
        counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

fn status_table(status: &ConnectorStatus) -> String {
    let mut rows = vec![cells(&["", "STATE", "WORKER"])];
    let connector = &status.connector;
    rows.push(vec![status.name.clone(), state(connector.state), connector.worker_id.clone()]);
    for task in &status.tasks {
        rows.push(vec![format!("task {}", task.id), state(task.state), task.worker_id.clone()]);
    }
    let mut text = columns(&rows);
    let traces = std::iter::once((status.name.clone(), &connector.trace))
        .chain(status.tasks.iter().map(|task| (format!("task {}", task.id), &task.trace)));
    for (who, trace) in traces {
        if let Some(trace) = trace {
            text.push_str(&format!("\n{who}: {trace}\n"));
        }
    }
    text
}

/// Connect's name of a state.
fn state(state: State) -> String {
    match serde_json::to_value(state) {
        Ok(Json::String(name)) => name,
        _ => format!("{state:?}"),
    }
}

async fn create(rest: &Rest, file: &std::path::Path, output: OutputArgs) -> Result<(), CliError> {
    let json = read_json(file)?;
    let mut created: Vec<ConnectorInfo> = Vec::new();
    for body in bodies(&json, file)? {
        created.push(rest.post("/connectors", &body).await.and_then(|answer| {
            serde_json::from_value(answer)
                .map_err(|error| CliError::failed(format!("the worker's answer: {error}")))
        })?);
    }
    output.print(&created, |created| {
        created.iter().map(|info| format!("created {}\n", info.name)).collect()
    })
}

/// The JSON of a file; - is stdin.
pub(super) fn read_json(file: &std::path::Path) -> Result<Json, CliError> {
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text =
        text.map_err(|error| CliError::failed(format!("cannot read {}: {error}", file.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| CliError::failed(format!("{} is not JSON: {error}", file.display())))
}

/// One connector, or the `connectors` of a rendered pipeline.
fn bodies(json: &Json, file: &std::path::Path) -> Result<Vec<Json>, CliError> {
    let is_one = |body: &Json| {
        body["name"].is_string()
            && serde_json::from_value::<ConnectorConfig>(body["config"].clone()).is_ok()
    };
    let all = match json.get("connectors").and_then(Json::as_array) {
        Some(rendered) => rendered.clone(),
        None => vec![json.clone()],
    };
    if all.is_empty() || !all.iter().all(is_one) {
        return Err(CliError::failed(format!(
            "{} is no connector: write {{\"name\": \"...\", \"config\": {{\"connector.class\": \"...\"}}}}",
            file.display()
        )));
    }
    Ok(all)
}

pub(super) fn cells(row: &[&str]) -> Vec<String> {
    row.iter().map(|cell| (*cell).to_owned()).collect()
}
