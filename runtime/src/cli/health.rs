//! `longshore health`.

use clap::Args;

use super::CliError;
use super::output::print;
use super::rest::{Rest, RestArgs};

/// Tell whether a worker can be sent requests
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore health
  longshore health --rest-url https://worker-1.example.com:8083 --rest-config rest.properties

For health checks of containers: a worker tells it without a password. Exits 0 when the
worker is a member of its fleet and keeps up with it, 1 when it is not yet, or does not,
and 3 when nobody answers.")]
pub(super) struct Health {}

impl Health {
    pub(super) async fn run(self, rest: &RestArgs) -> Result<(), CliError> {
        print(&Rest::new(rest)?.ready().await?)
    }
}
