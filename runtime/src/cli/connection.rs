//! `longshore connection`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::CliError;
use super::consent::Consent;
use super::output::{OutputArgs, columns, print};
use super::rest::{Condition, Rest, RestArgs};
use crate::pipeline::model;
use crate::worker::resources::{ConnectionInfo, Origin};
use crate::yaml::{Document, Report, check_schema, read};

/// Connections: how connectors reach systems, and which connectors may
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore connection list
  longshore connection put orders orders.yaml
  longshore connection get orders > orders.yaml

A connection's file:
  driver: objects
  kind: local
  root: ${env:ORDERS}          # or ${file:PATH}, ${dir:FOLDER:FILE}
  allow: { connectors: [\"orders-*\"], verbs: [read] }

References to secrets are resolved on the worker that opens the connection, and
looked at again: whoever has it open opens it anew when they change. They are
shown as they are, what they stand for is not.")]
pub(super) struct Connection {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List connections
    #[command(after_help = "Example:\n  longshore connection list --output json")]
    List(OutputArgs),
    /// Show a connection, as `put` takes it
    #[command(after_help = "Example:\n  longshore connection get orders")]
    Get {
        /// The connection
        name: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Create or change a connection
    #[command(after_help = "\
Example:
  longshore connection put orders orders.yaml
  longshore connection put orders orders.yaml --if-version 3")]
    Put {
        /// The connection
        name: String,
        /// YAML or JSON; - is stdin
        file: PathBuf,
        /// Only if it has this version still; 0: only if it is not there
        #[arg(long, value_name = "N")]
        if_version: Option<u64>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Delete a connection that no connector names
    #[command(after_help = "Example:\n  longshore connection delete orders --yes")]
    Delete {
        /// The connection
        name: String,
        #[command(flatten)]
        consent: Consent,
    },
}

impl Connection {
    pub(super) async fn run(self, rest: &RestArgs) -> Result<(), CliError> {
        let rest = Rest::new(rest)?;
        match self.action {
            Action::List(output) => {
                let all: Vec<ConnectionInfo> = rest.get("/connections").await?;
                output.print(&all, |all| list_table(all))
            }
            Action::Get { name, output } => {
                let info: ConnectionInfo = rest.get(&path(&name)).await?;
                output.print(&info, as_file)
            }
            Action::Put { name, file, if_version, output } => {
                let definition = definition(&file)?;
                let condition = condition(&rest, &name, if_version).await?;
                let answer = rest.change(&path(&name), &definition, condition).await?;
                let info: ConnectionInfo = serde_json::from_value(answer)
                    .map_err(|error| CliError::failed(format!("the worker's answer: {error}")))?;
                output.print(&info, |info| {
                    format!("{} has version {}", info.name, info.version.unwrap_or_default())
                })
            }
            Action::Delete { name, consent } => {
                consent.to(&format!("delete connection `{name}`"))?;
                rest.delete(&path(&name)).await?;
                print(&format!("deleted {name}"))
            }
        }
    }
}

/// Where a connection is.
fn path(name: &str) -> String {
    format!("/connections/{}", Rest::segment(name))
}

/// What the worker is to compare before it changes anything.
async fn condition(rest: &Rest, name: &str, version: Option<u64>) -> Result<Condition, CliError> {
    match version {
        None => Ok(Condition::None),
        Some(0) => Ok(Condition::Absent),
        Some(version) => {
            let (present, tag) = rest.get_tagged::<ConnectionInfo>(&path(name)).await?;
            match present.version {
                Some(found) if found == version => Ok(tag.map_or(Condition::None, Condition::Tag)),
                found => Err(CliError::failed(format!(
                    "the connection `{name}` has version {}, not {version}",
                    found.map_or_else(|| "none".to_owned(), |found| found.to_string())
                ))),
            }
        }
    }
}

/// A connection's file, checked.
fn definition(file: &Path) -> Result<Json, CliError> {
    let (document, mut problems) = if file.as_os_str() == "-" {
        let text = std::io::read_to_string(std::io::stdin())
            .map_err(|error| CliError::failed(format!("cannot read stdin: {error}")))?;
        Document::parse("stdin", &text)
    } else {
        read(file).map_err(|error| CliError::failed(error.to_string()))?
    };
    if problems.is_empty() {
        problems = check_schema("", &document.root, &schema());
    }
    match Report::of(&document, problems) {
        Some(report) => Err(CliError::File(Box::new(report))),
        None => Ok(document.root.to_json()),
    }
}

/// The JSON Schema of one connection: a pipeline's.
fn schema() -> Json {
    let mut schema = model::schema();
    json!({ "$ref": "#/$defs/Connection", "$defs": schema["$defs"].take() })
}

fn origin(info: &ConnectionInfo) -> String {
    match (info.origin, info.version) {
        (Origin::Fleet, Some(version)) => version.to_string(),
        (Origin::Fleet, None) => "-".to_owned(),
        (Origin::Worker, _) => "the worker's file".to_owned(),
    }
}

fn list_table(all: &[ConnectionInfo]) -> String {
    let mut rows =
        vec![["NAME", "DRIVER", "VERSION", "ALLOWS", "USED BY"].map(str::to_owned).to_vec()];
    for info in all {
        let texts = |pointer: &str| {
            let list = info.definition.get("allow").and_then(|allow| allow.pointer(pointer));
            let list = list.and_then(Json::as_array).into_iter().flatten();
            list.filter_map(Json::as_str).collect::<Vec<_>>().join(",")
        };
        let driver = info.definition.get("driver").and_then(Json::as_str).unwrap_or("-");
        let allows = match (texts("/verbs"), texts("/connectors")) {
            (verbs, connectors) if verbs.is_empty() || connectors.is_empty() => "nobody".to_owned(),
            (verbs, connectors) => format!("{connectors} to {verbs}"),
        };
        let used_by: Vec<&str> = info.used_by.iter().map(String::as_str).collect();
        let used_by = if used_by.is_empty() { "-".to_owned() } else { used_by.join(",") };
        rows.push(vec![info.name.clone(), driver.to_owned(), origin(info), allows, used_by]);
    }
    columns(&rows)
}

/// A connection as its file, which `put` takes.
fn as_file(info: &ConnectionInfo) -> String {
    let head = match info.version {
        Some(version) => format!("# {}, version {version}\n", info.name),
        None => format!("# {}, of the worker's own file\n", info.name),
    };
    head + &serde_yaml::to_string(&info.definition).unwrap_or_default()
}
