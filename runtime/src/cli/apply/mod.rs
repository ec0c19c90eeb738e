//! `longshore apply` and `longshore diff`: a fleet as pipelines' files say.
//!
//! | module | what it is |
//! | --- | --- |
//! | `files` | the files read, and what is wrong with them together |
//! | `fleet` | what the fleet has, and what it says of the files |
//! | `change` | the changes carried out |

mod change;
mod files;
mod fleet;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CliError;
use super::cluster::{Cluster, ClusterArgs};
use super::consent::Consent;
use super::output::{Format, OutputArgs, print, print_json};
use super::rest::{Rest, RestArgs};
use crate::pipeline::Setting;
use crate::pipeline::compare::{Comparison, Kind, Prune, compare};
use files::Files;
use fleet::FleetClient;

/// The pipelines, and what of the fleet is compared with them.
#[derive(Debug, Args)]
struct Scope {
    /// Pipelines: files, or folders of .yaml and .yml files
    #[arg(short, long = "file", required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Change a value of the pipeline first; for one file
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Setting>,
    /// Delete connectors and connections that the pipelines have no more; `all`:
    /// those of pipelines without a file as well. Topics are never deleted
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, default_missing_value = "parts")]
    prune: Option<PruneArg>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PruneArg {
    /// Of the pipelines that the files name
    Parts,
    /// Of all pipelines
    All,
}

/// Bring a fleet to what pipelines' files say
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore apply -f configs/pipelines
  longshore apply -f pipelines --prune --yes
  longshore apply -f pipelines --dry-run

Topics are created, given more partitions and configured; connections and
connectors are created and changed, through the worker at --rest-url. What is
already as the files say is left alone: a second time changes nothing. All files
are checked, by the fleet too, before anything is changed; cut off, it goes on
where it was when it is called again.")]
pub(super) struct Apply {
    #[command(flatten)]
    scope: Scope,
    /// Only show what would be changed
    #[arg(long)]
    dry_run: bool,
    /// Exit with 4 if something was changed, or would be
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Show what `apply` would change
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore diff -f configs/pipelines
  longshore diff -f pipelines --prune all --output json

Exits 0 when the fleet is as the files say, 4 when it is not. Secrets are masked.")]
pub(super) struct Diff {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    output: OutputArgs,
}

impl Scope {
    async fn compare(&self, client: &FleetClient) -> Result<(Files, Comparison), CliError> {
        let files = Files::read(&self.files, &self.set)?;
        client.check(&files).await?;
        let fleet = client.read(&files.wanted).await?;
        files.check_fleet(&fleet)?;
        let prune = match self.prune {
            None => Prune::Nothing,
            Some(PruneArg::Parts) => Prune::Parts,
            Some(PruneArg::All) => Prune::Pipelines,
        };
        let comparison = compare(&files.wanted, &fleet, prune);
        Ok((files, comparison))
    }
}

impl Diff {
    pub(super) async fn run(self, rest: &RestArgs, cluster: &ClusterArgs) -> Result<(), CliError> {
        let client = FleetClient::new(Rest::new(rest)?, Cluster::new(cluster)?);
        let (_, comparison) = self.scope.compare(&client).await?;
        match self.output.output {
            Format::Json => print_json(&masked(&comparison))?,
            Format::Table => show(&comparison)?,
        }
        match comparison.changes.is_empty() {
            true => Ok(()),
            false => Err(CliError::Different),
        }
    }
}

impl Apply {
    pub(super) async fn run(self, rest: &RestArgs, cluster: &ClusterArgs) -> Result<(), CliError> {
        let client = FleetClient::new(Rest::new(rest)?, Cluster::new(cluster)?);
        let (files, comparison) = self.scope.compare(&client).await?;
        show(&comparison)?;
        if comparison.changes.is_empty() {
            return print("nothing to change");
        }
        if !self.dry_run {
            let deleted: Vec<String> = comparison
                .changes
                .iter()
                .filter(|change| change.after.is_none() && change.kind != Kind::Pipeline)
                .map(|change| format!("{} `{}`", change.kind, change.name))
                .collect();
            if !deleted.is_empty() {
                self.consent.to(&format!("delete {}", deleted.join(", ")))?;
            }
            change::carry_out(&client, &files.wanted, &comparison).await?;
        }
        match self.exit_code {
            true => Err(CliError::Different),
            false => Ok(()),
        }
    }
}

/// Prints every change, and what stays that no file has any more.
fn show(comparison: &Comparison) -> Result<(), CliError> {
    let mut text: String = comparison.changes.iter().map(|change| change.unified()).collect();
    for (kind, name) in &comparison.left {
        text.push_str(&format!("{kind} {name} is in no file any more; --prune deletes it\n"));
    }
    print(&text)
}

/// The changes for programs: what is in a diff, without secrets.
fn masked(comparison: &Comparison) -> serde_json::Value {
    let changes = comparison.changes.iter().map(|change| {
        let (before, after) = change.shown();
        serde_json::json!({
            "kind": change.kind, "name": change.name, "before": before, "after": after,
        })
    });
    serde_json::json!({ "changes": changes.collect::<Vec<_>>(), "left": comparison.left })
}
