//! `longshore plugin`.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value as Json;

use super::CliError;
use super::output::{OutputArgs, columns};
use super::plugins::{PluginArgs, Plugins};
use crate::host::Plugin as HostPlugin;
use crate::pipeline::PluginCatalog;
use crate::worker::herder::ConnectorKind;
use crate::yaml::did_you_mean;

/// The plugins at hand
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore plugin list
  longshore plugin inspect file-source --plugin-path target/plugins")]
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
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
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
