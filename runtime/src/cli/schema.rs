//! `longshore schema`.

use clap::Args;

use super::output::print_json;
use super::{CliError, node};
use crate::pipeline::model;

/// Print the JSON Schema of pipelines or node files, for editors
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore schema > longshore.schema.json
  # then, as the first line of a pipeline, for editors with the YAML language server:
  # yaml-language-server: $schema=longshore.schema.json

  longshore schema --node > longshore-node.schema.json")]
pub(super) struct SchemaCommand {
    /// The schema of node files
    #[arg(long)]
    node: bool,
}

impl SchemaCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        print_json(&if self.node { node::schema() } else { model::schema() })
    }
}
