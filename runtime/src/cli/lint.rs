//! `longshore lint`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::output::{Format, OutputArgs, print_json};
use super::plugins::{PluginArgs, Plugins};
use super::{CliError, output};
use crate::pipeline::{self, NoPlugins, PipelineError, PluginCatalog, Setting};
use crate::yaml::Spot;

/// Tell everything that is wrong with pipelines
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore lint configs/pipelines/*.yaml
  longshore lint --output json pipeline.yaml

Exits 1 when there is anything to tell.")]
pub(super) struct Lint {
    /// Pipelines
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change a value first, as `longshore run` would
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Setting>,
    /// Do not look at plugins and their options
    #[arg(long)]
    no_plugins: bool,
    #[command(flatten)]
    plugins: PluginArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What `--output json` prints.
#[derive(Serialize)]
struct Told {
    files: usize,
    problems: Vec<Spot>,
    /// Files that could not be read at all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
}

impl Lint {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let plugins =
            if self.no_plugins { None } else { Some(Plugins::find(&self.plugins).await?) };
        let catalog: &dyn PluginCatalog = match &plugins {
            Some(plugins) => plugins,
            None => &NoPlugins,
        };
        let mut told = Told { files: self.files.len(), problems: Vec::new(), unread: Vec::new() };
        for file in &self.files {
            match pipeline::load(file, &self.set, catalog) {
                Ok(_) => {}
                Err(PipelineError::Wrong(report)) if self.output.output == Format::Json => {
                    told.problems.extend(report.spots);
                }
                Err(PipelineError::Wrong(report)) => {
                    told.problems.extend(report.spots.iter().cloned());
                    CliError::File(report).report();
                }
                Err(error) => {
                    told.unread.push(error.to_string());
                    if self.output.output == Format::Table {
                        CliError::from(error).report();
                    }
                }
            }
        }
        let clean = told.problems.is_empty() && told.unread.is_empty();
        match self.output.output {
            Format::Json => print_json(&told)?,
            Format::Table if clean => {
                output::print(&format!("{} without problems", files(told.files)))?
            }
            Format::Table => {}
        }
        if clean { Ok(()) } else { Err(CliError::Told) }
    }
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}
