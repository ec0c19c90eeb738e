//! The commands.
//!
//! | module | what it is |
//! | --- | --- |
//! | `error` | what a command may fail with, and its exit code |
//! | `output` | tables and JSON on stdout |
//! | `signals` | SIGINT and SIGTERM: the first drains, the second ends |
//! | `notify` | what systemd is told of a service |
//! | `consent` | `--yes`, for what deletes or aborts |
//! | `prompt` | a password typed on a terminal |
//! | [`node`] | a node's file, and its roles running |
//! | `server` | `longshore server` |
//! | `run` | `longshore run` |
//! | `lint`, `render`, `schema` | pipelines without a cluster |
//! | `apply` | `longshore apply`, `longshore diff`: pipelines and a fleet |
//! | `cluster` | Kafka clients for one command |
//! | `client_config` | their TLS and SASL, from a file |
//! | `topic`, `group`, `produce`, `consume`, `config`, `acl`, `user`, `quota`, `txn` | commands that speak Kafka's protocol |
//! | `acl_entries`, `hanging`, `reset`, `time` | entries of ACLs, hanging transactions, new offsets of groups, times |
//! | `rest` | a client of the REST API |
//! | `connector`, `connection`, `health`, `offsets` | the commands that speak to it, and a part for offsets |
//! | `plugins` | where plugins are, and which there are |
//! | `plugin`, `plugin_versions` | the command that shows them, and a fleet's |

mod acl;
mod acl_entries;
mod apply;
mod client_config;
mod cluster;
mod config;
mod connection;
mod connector;
mod consent;
mod consume;
mod error;
mod group;
mod hanging;
mod health;
mod lint;
pub mod node;
mod notify;
mod offsets;
mod output;
mod plugin;
mod plugin_versions;
mod plugins;
mod produce;
mod prompt;
mod quota;
mod render;
mod reset;
mod rest;
mod run;
mod schema;
mod server;
mod signals;
mod time;
mod topic;
mod txn;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use error::CliError;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    it failed, and stderr says why
  2    the command line is wrong
  3    the cluster or the worker cannot be reached
  4    the fleet is not as the files say (diff; apply with --exit-code)
  130  ended by a signal before it was done";

fn after_help() -> String {
    format!("{}\n\n{EXIT_CODES}", consent::RULE)
}

/// Moves data between external systems and a replicated log that speaks Kafka's protocol.
#[derive(Debug, Parser)]
#[command(name = "longshore", version, after_long_help = after_help(), max_term_width = 100)]
pub struct Cli {
    /// What is logged to stderr: error, warn, info, debug, trace, or MODULE=LEVEL,...
    #[arg(
        long,
        global = true,
        help_heading = cluster::EVERYWHERE,
        env = "LONGSHORE_LOG",
        value_name = "FILTER"
    )]
    log: Option<String>,
    #[command(flatten)]
    cluster: cluster::ClusterArgs,
    #[command(flatten)]
    rest: rest::RestArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a pipeline with a node of its own, until everything is drained
    Run(run::Run),
    /// Run a node: broker, controller, worker, or all of them
    Server(server::Server),
    /// Bring a fleet to what pipelines' files say
    Apply(apply::Apply),
    /// Show what `apply` would change
    Diff(apply::Diff),
    /// Topics of the cluster
    Topic(topic::Topic),
    /// Produce lines of stdin to a topic
    Produce(produce::Produce),
    /// Print a topic's records
    Consume(consume::Consume),
    /// Groups of consumers and workers
    Group(group::Group),
    /// Configurations of topics, brokers and groups
    Config(config::Config),
    /// Who may do what: ACLs
    Acl(acl::AclCommand),
    /// Users that authenticate by SCRAM
    User(user::User),
    /// How much clients may use
    Quota(quota::Quota),
    /// Transactions: which are open, which hang, and how to end them
    Txn(txn::Txn),
    /// A worker's connectors, over its REST API
    Connector(connector::Connector),
    /// A fleet's connections: how connectors reach systems, and which may
    Connection(connection::Connection),
    /// The plugins at hand, and those of a fleet
    Plugin(plugin::Plugin),
    /// Tell whether a worker can be sent requests
    Health(health::Health),
    /// Tell everything that is wrong with pipelines
    Lint(lint::Lint),
    /// Print the flat Kafka Connect configurations that a pipeline stands for
    Render(render::Render),
    /// Print the JSON Schema of pipelines or node files, for editors
    Schema(schema::SchemaCommand),
}

impl Command {
    /// What is logged when nobody says: servers tell their story, commands
    /// only what goes wrong.
    fn usual_log(&self) -> &'static str {
        match self {
            Self::Server(_) => "info",
            // Its tasks tell what failed; that clients lose a broker which ends
            // with them is no news.
            Self::Run(_) => "warn,longshore_broker::kafka=error,longshore::kafka::librdkafka=off",
            _ => "warn",
        }
    }
}

/// Runs the command line; what `main` returns.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = log_to_stderr(&cli) {
        return error.report();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return CliError::failed(format!("no threads: {error}")).report(),
    };
    let outcome = runtime.block_on(Box::pin(run(cli)));
    // Blocking work that is still under way (a slow disk) must not keep the process.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

async fn run(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Server(command) => Box::pin(command.run()).await,
        Command::Apply(command) => Box::pin(command.run(&cli.rest, &cli.cluster)).await,
        Command::Diff(command) => Box::pin(command.run(&cli.rest, &cli.cluster)).await,
        Command::Topic(command) => Box::pin(command.run(&cli.cluster)).await,
        Command::Produce(command) => Box::pin(command.run(&cli.cluster)).await,
        Command::Consume(command) => Box::pin(command.run(&cli.cluster)).await,
        Command::Group(command) => Box::pin(command.run(&cli.cluster)).await,
        Command::Config(command) => Box::pin(command.run(&cli.cluster)).await,
        Command::Acl(command) => Box::pin(command.run(&cli.cluster)).await,
        Command::User(command) => Box::pin(command.run(&cli.cluster)).await,
        Command::Quota(command) => Box::pin(command.run(&cli.cluster)).await,
        Command::Txn(command) => Box::pin(command.run(&cli.cluster)).await,
        Command::Connector(command) => Box::pin(command.run(&cli.rest)).await,
        Command::Connection(command) => Box::pin(command.run(&cli.rest)).await,
        Command::Lint(command) => Box::pin(command.run()).await,
        Command::Plugin(command) => Box::pin(command.run(&cli.rest)).await,
        Command::Health(command) => Box::pin(command.run(&cli.rest)).await,
        Command::Run(command) => Box::pin(command.run()).await,
        Command::Render(command) => command.run(),
        Command::Schema(command) => command.run(),
    }
}

fn log_to_stderr(cli: &Cli) -> Result<(), CliError> {
    let wanted = cli.log.as_deref().unwrap_or_else(|| cli.command.usual_log());
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    crate::logging::to_stderr(wanted, terminal).map_err(|error| {
        CliError::usage(format!("--log `{wanted}`: {error}; try info, or longshore=debug,warn"))
    })
}

/// What relative folders of pipelines are resolved against.
fn current_folder() -> Result<std::path::PathBuf, CliError> {
    std::env::current_dir()
        .map_err(|error| CliError::failed(format!("the current folder is gone: {error}")))
}
