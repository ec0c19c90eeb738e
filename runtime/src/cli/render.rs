//! `longshore render`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::output::{print, print_json};
use super::{CliError, current_folder};
use crate::pipeline::{self, NoPlugins, Setting};

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum RenderFormat {
    #[default]
    Json,
    Yaml,
}

/// Print the flat Kafka Connect configurations that a pipeline stands for
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore render configs/pipelines/wordcount.yaml
  longshore render pipeline.yaml --output yaml --set topics.lines.partitions=4

Each of `connectors` is what POST /connectors takes. References to secrets
stay references.")]
pub(super) struct Render {
    /// The pipeline
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Change a value first
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Setting>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: RenderFormat,
}

impl Render {
    pub(super) fn run(self) -> Result<(), CliError> {
        let pipeline = pipeline::load(&self.file, &self.set, &NoPlugins)?;
        let rendered = pipeline::render(&pipeline, &current_folder()?);
        match self.output {
            RenderFormat::Json => print_json(&rendered),
            RenderFormat::Yaml => {
                let text = serde_yaml::to_string(&rendered)
                    .map_err(|error| CliError::failed(format!("cannot print YAML: {error}")))?;
                print(&text)
            }
        }
    }
}
