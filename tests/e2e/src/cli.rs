//! Commands of the binary other than `server`.
//!
//! ```no_run
//! use longshore_e2e::{cli, limits};
//!
//! let mut run = cli::start(&["run", "pipeline.yaml", "--set", "connectors.read.path=a.txt"]);
//! assert!(run.ended(limits::CLIENT).success());
//! ```

use std::process::{Command, Stdio};

use crate::process::{Stream, tied_command};
use crate::{Process, limits, paths};

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

/// Runs a command that must fail: its exit code and what it said on standard error.
///
/// # Panics
/// When it succeeds, or a signal ended it.
pub fn refused(arguments: &[&str]) -> (i32, String) {
    let mut process = start(arguments);
    let status = process.ended(limits::CLIENT);
    assert!(!status.success(), "{} succeeded", name(arguments));
    let code = status.code().expect("it ended by itself");
    (code, process.lines(Stream::Err).join("\n"))
}

/// Runs a command to its end and gives the JSON that it printed.
///
/// # Panics
/// When it fails, or prints something else.
pub fn json(arguments: &[&str]) -> serde_json::Value {
    let text = run(&[arguments, &["--output", "json"]].concat()).join("\n");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn name(arguments: &[&str]) -> String {
    format!("longshore {}", arguments.first().unwrap_or(&""))
}
