//! Commands of the binary other than `server`.
//!
//! ```no_run
//! use longshore_e2e::{cli, limits};
//!
//! let mut run = cli::start(&["run", "pipeline.yaml", "--set", "connectors.read.path=a.txt"]);
//! assert!(run.ended(limits::CLIENT).success());
//! ```

use std::process::{Command, Stdio};

use crate::{Process, paths, process::tied_command};

/// The command `longshore arguments…`; the caller may set its folder and
/// environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = tied_command(&paths::longshore());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Starts a command, such as `run`, to be waited on, stopped or killed.
pub fn start(arguments: &[&str]) -> Process {
    Process::spawn(&name(arguments), &mut command(arguments))
}

/// Runs a command to its end and gives the lines of its standard output.
///
/// # Panics
/// When it fails.
pub fn run(arguments: &[&str]) -> Vec<String> {
    Process::run(&name(arguments), &mut command(arguments))
}

fn name(arguments: &[&str]) -> String {
    format!("longshore {}", arguments.first().unwrap_or(&""))
}
