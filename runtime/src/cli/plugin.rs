//! `longshore plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value as Json;

use super::CliError;
use super::consent::Consent;
use super::output::{OutputArgs, columns};
use super::plugin_versions;
use super::plugins::{PluginArgs, Plugins};
use super::rest::{Rest, RestArgs};
use crate::host::Plugin as HostPlugin;
use crate::pipeline::PluginCatalog;
use crate::worker::herder::ConnectorKind;
use crate::yaml::did_you_mean;

/// The plugins at hand, and those of a fleet
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore plugin list
  longshore plugin inspect file-source --plugin-path target/plugins
  longshore plugin upload orders-sink.wasm
  longshore plugin rollback orders-sink")]
pub(super) struct Plugin {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List plugins
    #[command(after_help = "Example:\n  longshore plugin list --output json")]
    List {
        #[command(flatten)]
        plugins: PluginArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Upload a plugin to the fleet, and make it the active version
    #[command(after_help = "\
Example:
  longshore plugin upload target/plugins/orders-sink.wasm
  longshore plugin upload orders-sink.wasm --keep-active

Name and version are what the component says of itself. A version is never
changed. The tasks of its connectors are opened again with the active version;
a connector that names one in `connector.plugin.version` keeps it.")]
    Upload {
        /// The component
        file: PathBuf,
        /// The version that is active now stays so
        #[arg(long)]
        keep_active: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List the versions of plugins that were uploaded
    #[command(after_help = "Example:\n  longshore plugin versions orders-sink")]
    Versions {
        /// The plugin; all when left out
        name: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Make an earlier version of a plugin the active one
    #[command(after_help = "\
Example:
  longshore plugin rollback orders-sink
  longshore plugin rollback orders-sink --to 1.4.0")]
    Rollback {
        /// The plugin
        name: String,
        /// The version; the one uploaded before the active one when left out
        #[arg(long, value_name = "VERSION")]
        to: Option<String>,
    },
    /// Delete a version of a plugin that nothing uses
    #[command(after_help = "Example:\n  longshore plugin remove orders-sink 1.3.0 --yes")]
    Remove {
        /// The plugin
        name: String,
        /// The version
        version: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Show what a plugin is and which options it has
    #[command(after_help = "Example:\n  longshore plugin inspect file-source")]
    Inspect {
        /// The plugin, as connector.class names it
        name: String,
        #[command(flatten)]
        plugins: PluginArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// A plugin in the list.
#[derive(Serialize)]
struct Listed {
    class: String,
    #[serde(rename = "type")]
    kind: ConnectorKind,
    version: String,
    summary: String,
    file: String,
    sha256: String,
}

/// What `list` prints.
#[derive(Serialize)]
struct List {
    plugins: Vec<Listed>,
    folders: Vec<String>,
    /// Files that are no usable plugins, with the reason.
    broken: Vec<String>,
}

/// What `inspect` prints.
#[derive(Serialize)]
struct Inspected {
    #[serde(flatten)]
    plugin: Listed,
    config_schema: Json,
}

impl Plugin {
    pub(super) async fn run(self, rest: &RestArgs) -> Result<(), CliError> {
        match self.action {
            Action::Upload { file, keep_active, output } => {
                plugin_versions::upload(&Rest::new(rest)?, &file, !keep_active, output).await
            }
            Action::Versions { name, output } => {
                plugin_versions::list(&Rest::new(rest)?, name.as_deref(), output).await
            }
            Action::Rollback { name, to } => {
                plugin_versions::rollback(&Rest::new(rest)?, &name, to).await
            }
            Action::Remove { name, version, consent } => {
                consent.to(&format!("delete version {version} of plugin `{name}`"))?;
                plugin_versions::remove(&Rest::new(rest)?, &name, &version).await
            }
            Action::List { plugins, output } => {
                let plugins = Plugins::find(&plugins).await?;
                let folders = plugins.folders();
                let list = List {
                    plugins: plugins.catalog().iter().map(|plugin| listed(plugin)).collect(),
                    folders: folders.iter().map(|folder| folder.display().to_string()).collect(),
                    broken: plugins.broken(),
                };
                output.print(&list, list_table)
            }
            Action::Inspect { name, plugins, output } => {
                let plugins = Plugins::find(&plugins).await?;
                let Some(plugin) = plugins.catalog().get(&name) else {
                    let names = plugins.names();
                    let help = did_you_mean(&name, names.iter().map(String::as_str));
                    let help =
                        help.unwrap_or_else(|| "none was found; try `make plugins`".to_owned());
                    return Err(CliError::failed(format!("no plugin `{name}`; {help}")));
                };
                let config_schema = plugin.config_schema().clone();
                output.print(&Inspected { plugin: listed(plugin), config_schema }, inspect_table)
            }
        }
    }
}

fn listed(plugin: &HostPlugin) -> Listed {
    let manifest = plugin.manifest();
    Listed {
        class: manifest.name.clone(),
        kind: manifest.kind,
        version: manifest.version.clone(),
        summary: manifest.summary.clone(),
        file: plugin.path().display().to_string(),
        sha256: manifest.digest.clone(),
    }
}

fn kind(kind: ConnectorKind) -> &'static str {
    match kind {
        ConnectorKind::Source => "source",
        ConnectorKind::Sink => "sink",
        ConnectorKind::Processor => "processor",
    }
}

fn list_table(list: &List) -> String {
    let mut rows = vec![["NAME", "TYPE", "VERSION", "SUMMARY"].map(str::to_owned).to_vec()];
    for plugin in &list.plugins {
        rows.push(vec![
            plugin.class.clone(),
            kind(plugin.kind).to_owned(),
            plugin.version.clone(),
            plugin.summary.clone(),
        ]);
    }
    let mut text = columns(&rows);
    if list.plugins.is_empty() {
        text = match list.folders.is_empty() {
            true => "no plugin folder exists; build plugins with `make plugins`, or give --plugin-path\n".to_owned(),
            false => format!("no plugins in {}\n", list.folders.join(", ")),
        };
    }
    for broken in &list.broken {
        text.push_str(&format!("not loaded: {broken}\n"));
    }
    text
}

fn inspect_table(inspected: &Inspected) -> String {
    let plugin = &inspected.plugin;
    let mut text = format!(
        "{} {} ({})\n{}\n{}\nsha256 {}\n",
        plugin.class,
        plugin.version,
        kind(plugin.kind),
        plugin.summary,
        plugin.file,
        plugin.sha256
    );
    let schema = &inspected.config_schema;
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let mut rows = vec![["OPTION", "TYPE", "DEFAULT", "MEANING"].map(str::to_owned).to_vec()];
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let default = match &property["default"] {
            Json::Null if required.iter().any(|one| one == name) => "required".to_owned(),
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let text = |key: &str| property[key].as_str().unwrap_or_default().to_owned();
        rows.push(vec![name.clone(), text("type"), default, text("description")]);
    }
    text.push('\n');
    text.push_str(&columns(&rows));
    text
}
