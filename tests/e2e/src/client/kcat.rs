//! Debian's kcat, on librdkafka 2.0.2.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::{Process, limits};

/// The command `kcat -b bootstrap arguments…`.
pub fn command(bootstrap: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-b", bootstrap]).args(arguments);
    command
}

/// Runs kcat to its end and gives the lines of its standard output.
pub fn run(bootstrap: &str, arguments: &[&str]) -> Vec<String> {
    Process::run("kcat", &mut command(bootstrap, arguments))
}

/// Runs kcat with `lines` as its standard input.
///
/// # Panics
/// When kcat fails, as it does when a record is not delivered.
pub fn produce<T: AsRef<str>>(bootstrap: &str, arguments: &[&str], lines: &[T]) {
    let mut command = command(bootstrap, arguments);
    let mut kcat = Process::spawn("kcat -P", command.stdin(Stdio::piped()));
    let mut stdin = kcat.stdin().expect("stdin is piped");
    for line in lines {
        writeln!(stdin, "{}", line.as_ref()).expect("kcat reads its input");
    }
    drop(stdin);
    let status = kcat.ended(limits::CLIENT);
    assert!(status.success(), "kcat -P ended with {status}");
}
