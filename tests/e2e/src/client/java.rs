//! Kafka's own command-line tools, on a JVM.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempPath;

use crate::process::tied_command;
use crate::{Process, paths};

/// What `kafka-run-class.sh` sets for a server, beside its heap.
const SERVER: [&str; 6] = [
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

/// The arguments that name the jars, and warnings as all that is logged.
pub fn class_path() -> [String; 3] {
    let jars = paths::installed("java").join("lib/*");
    let logging = paths::repository().join("tests/systems/java/log4j2.properties");
    [
        format!("-Dlog4j2.configurationFile={}", logging.display()),
        "-cp".to_owned(),
        jars.display().to_string(),
    ]
}

/// The command that starts the tool with this class name.
pub fn tool(class: &str) -> Command {
    let mut command = Command::new("java");
    // The tools live for seconds: start fast, and stay small beside the tests.
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]);
    command.args(class_path()).arg(class);
    command
}

/// The command that starts a server as its own script does; it ends with the test.
pub fn server(class: &str, heap: [&str; 2]) -> Command {
    let mut command = tied_command(Path::new("java"));
    command.args(heap).args(SERVER).args(class_path()).arg(class);
    command
}

/// Runs a tool to its end and gives what it printed.
pub fn run(class: &str, arguments: &[&str]) -> Vec<String> {
    let name = class.rsplit('.').next().unwrap_or(class);
    Process::run(name, tool(class).args(arguments))
}

/// `kafka-topics.sh`.
pub fn topics(bootstrap: &str, arguments: &[&str]) -> Vec<String> {
    admin("org.apache.kafka.tools.TopicCommand", bootstrap, arguments)
}

/// `kafka-configs.sh`.
pub fn configs(bootstrap: &str, arguments: &[&str]) -> Vec<String> {
    admin("kafka.admin.ConfigCommand", bootstrap, arguments)
}

/// `kafka-acls.sh`.
pub fn acls(bootstrap: &str, arguments: &[&str]) -> Vec<String> {
    admin("org.apache.kafka.tools.AclCommand", bootstrap, arguments)
}

/// `kafka-transactions.sh`.
pub fn transactions(bootstrap: &str, arguments: &[&str]) -> Vec<String> {
    admin("org.apache.kafka.tools.TransactionsCommand", bootstrap, arguments)
}

/// `kafka-consumer-groups.sh`.
pub fn consumer_groups(bootstrap: &str, arguments: &[&str]) -> Vec<String> {
    admin("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", bootstrap, arguments)
}

/// `kafka-get-offsets.sh`.
pub fn get_offsets(bootstrap: &str, arguments: &[&str]) -> Vec<String> {
    admin("org.apache.kafka.tools.GetOffsetShell", bootstrap, arguments)
}

/// `kafka-dump-log.sh` over these files.
pub fn dump_log(files: &[PathBuf], arguments: &[&str]) -> Vec<String> {
    let files: Vec<_> = files.iter().map(|file| Path::display(file).to_string()).collect();
    let mut all = vec!["--files"];
    let files = files.join(",");
    all.push(&files);
    all.extend(arguments);
    run("kafka.tools.DumpLogSegments", &all)
}

fn admin(class: &str, bootstrap: &str, arguments: &[&str]) -> Vec<String> {
    let mut all = vec!["--bootstrap-server", bootstrap];
    all.extend(arguments);
    run(class, &all)
}

/// A file of properties, removed when it is dropped.
pub(super) fn properties(lines: impl Iterator<Item = String>) -> TempPath {
    let mut file = tempfile::Builder::new()
        .prefix("longshore-")
        .suffix(".properties")
        .tempfile()
        .expect("a temporary file can be made");
    for line in lines {
        writeln!(file, "{line}").expect("a temporary file can be written");
    }
    file.into_temp_path()
}
