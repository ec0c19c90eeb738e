//! `longshore server`.

use std::path::PathBuf;

use clap::Args;

use super::node::{NodeConfig, RunningNode, table};
use super::{CliError, notify, output, signals};

const EXAMPLE: &str = "\
Example:
  longshore server -c configs/node.yaml

When it serves it prints one line, without what it does not run:
  longshore ready kafka=127.0.0.1:9092 rest=127.0.0.1:8083
SIGTERM and SIGINT drain it; a second one ends it at once. systemd is told both
(Type=notify).";

fn long_help() -> String {
    format!(
        "{EXAMPLE}\n\nProperties of the file [defaults], all of them optional. A value may refer to \
         the environment and to files, ${{env:NAME}} and ${{file:PATH}}:\n{}",
        table()
    )
}

/// Run a node: broker, controller, worker, or all of them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE, after_long_help = long_help())]
pub(super) struct Server {
    /// The node's file: Kafka's property names as YAML keys
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

impl Server {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let config = NodeConfig::load(&self.config)?;
        let stopping = signals::stopping()?;
        let starting = Box::pin(RunningNode::start(config, None));
        let node = tokio::select! {
            node = starting => node?,
            () = stopping.cancelled() => return Ok(()),
        };
        output::print(&ready_line(&node))?;
        notify::systemd("READY=1");
        stopping.cancelled().await;
        notify::systemd("STOPPING=1");
        Box::pin(node.shutdown()).await;
        Ok(())
    }
}

fn ready_line(node: &RunningNode) -> String {
    let mut line = String::from("longshore ready");
    for (name, address) in [("kafka", node.kafka()), ("rest", node.rest())] {
        if let Some(address) = address {
            line.push_str(&format!(" {name}={address}"));
        }
    }
    line
}
