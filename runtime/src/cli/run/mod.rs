//! `longshore run`: a pipeline with a node of its own, until it is drained.
//!
//! | module | what it is |
//! | --- | --- |
//! | `again` | the command that goes on where a run ended |
//! | `place` | the data directory and the node's settings |
//! | `drain` | connectors started, waited for in their order, watched for failure |
//! | `progress` | a line while it works |
//! | `top` | the keys with the largest values |
//! | `summary` | what it says at the end |

mod again;
mod drain;
mod place;
mod progress;
mod summary;
mod top;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::cluster::Cluster;
use super::node::RunningNode;
use super::output::print;
use super::plugins::{PluginArgs, Plugins};
use super::{CliError, current_folder, signals};
use crate::pipeline::{self, Rendered, Setting};

/// Run a pipeline with a node of its own, until everything is drained
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  longshore run configs/pipelines/wordcount.yaml
  longshore run pipeline.yaml --set connections.input.root=/home/me/books --keep

Ends with 0 when every source has read all there is and everything that came
of it is written; with 1 when a task failed. SIGINT and SIGTERM drain and end
with 130; --data-dir goes on from there.")]
pub(super) struct Run {
    /// The pipeline
    #[arg(value_name = "PIPELINE")]
    file: PathBuf,
    /// Change a value of the pipeline, such as connectors.read.path=notes.txt
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Setting>,
    /// Go on serving when it is done, until a signal
    #[arg(long)]
    keep: bool,
    /// Where the log is kept; one that is there is gone on with [default: a new folder in .data]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Port of the Kafka listener [default: a free one; 9092 with --keep]
    #[arg(long, value_name = "PORT")]
    kafka_port: Option<u16>,
    /// Port of the REST listener [default: a free one; 8083 with --keep]
    #[arg(long, value_name = "PORT")]
    rest_port: Option<u16>,
    #[command(flatten)]
    plugins: PluginArgs,
}

/// How a run ended.
enum Ending {
    Drained,
    Stopped,
}

impl Run {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let plugins = Plugins::find(&self.plugins).await?;
        let pipeline = pipeline::load(&self.file, &self.set, &plugins)?;
        let rendered = pipeline::render(&pipeline, &current_folder()?);
        let stopping = signals::stopping()?;
        let started = Instant::now();
        let data_dir = place::data_dir(self.data_dir.as_deref(), &rendered.name)?;
        let usual =
            |given: Option<u16>, kept: u16| given.unwrap_or(if self.keep { kept } else { 0 });
        let ports =
            place::Ports { kafka: usual(self.kafka_port, 9092), rest: usual(self.rest_port, 8083) };
        let config = place::node(&data_dir, ports, &rendered)?;
        let node = tokio::select! {
            node = Box::pin(RunningNode::start(config, Some(plugins))) => node?,
            () = stopping.cancelled() => return Err(CliError::Stopped),
        };
        let worked = tokio::select! {
            worked = Box::pin(work(&node, &rendered, started)) => worked.map(|()| Ending::Drained),
            () = stopping.cancelled() => Ok(Ending::Stopped),
        };
        let outcome = match worked {
            Ok(Ending::Drained) => {
                let said = summary::print(&node, &rendered, &data_dir, started, self.keep);
                if self.keep && said.is_ok() {
                    summary::how_to_play(&node, &rendered)?;
                    stopping.cancelled().await;
                }
                said
            }
            Ok(Ending::Stopped) => Err(CliError::Stopped),
            Err(error) => Err(error),
        };
        Box::pin(node.shutdown()).await;
        if outcome.is_err() {
            eprintln!("go on with: {}", again::command(std::env::args(), &data_dir));
        }
        outcome
    }
}

/// Everything from creating topics to the last commit, and the top keys.
async fn work(node: &RunningNode, rendered: &Rendered, started: Instant) -> Result<(), CliError> {
    let herder = node.herder().expect("a run has a worker");
    let kafka = node.kafka().expect("a run has a broker").to_string();
    let cluster = Cluster::at(&kafka)?;
    drain::create_topics(cluster.admin(), &rendered.topics).await?;
    drain::start(&*herder, &rendered.connectors).await?;
    let show = progress::Progress::start(std::sync::Arc::clone(&herder), rendered, started);
    let drained = drain::drained(&*herder, &rendered.connectors).await;
    show.finish();
    drained?;
    if let Some(top) = &rendered.top {
        print(&top::table(&cluster, top).await?)?;
    }
    Ok(())
}
