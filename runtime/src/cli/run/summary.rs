//! What a run says at the end.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use super::super::CliError;
use super::super::node::RunningNode;
use super::super::output;
use super::again;
use crate::pipeline::Rendered;
use crate::pipeline::model::Driver;
use crate::worker::herder::{ConnectorKind, Herder};

/// Where everything is, how long it took, how fast it was.
pub(super) fn print(
    node: &RunningNode,
    rendered: &Rendered,
    data_dir: &Path,
    started: Instant,
    kept: bool,
) -> Result<(), CliError> {
    let seconds = started.elapsed().as_secs_f64();
    let herder = node.herder().expect("a run has a worker");
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        writeln!(text, "{name:<8} {value}").expect("a string takes all");
    };
    for folder in results(&*herder, rendered) {
        row("result", &folder);
    }
    row("data", &data_dir.display().to_string());
    let topics: Vec<String> = rendered
        .topics
        .iter()
        .map(|topic| format!("{} ({})", topic.name, partitions(topic.partitions)))
        .collect();
    row("topics", &topics.join(", "));
    if !kept {
        row("serve it", &format!("{} --keep", again::command(std::env::args(), data_dir)));
    }
    let (rows, bytes) = read(&*herder, rendered);
    row(
        "read",
        &format!(
            "{} rows, {:.1} MB in {seconds:.1} s: {} rows/s, {:.2} MB/s, starting and ending included",
            thousands(rows),
            bytes as f64 / 1e6,
            thousands((rows as f64 / seconds) as u64),
            bytes as f64 / 1e6 / seconds
        ),
    );
    output::print(&text)
}

fn partitions(count: i32) -> String {
    if count == 1 { "1 partition".to_owned() } else { format!("{count} partitions") }
}

/// Records and bytes of all sources.
fn read(herder: &dyn Herder, rendered: &Rendered) -> (u64, u64) {
    let mut sums = (0, 0);
    for connector in &rendered.connectors {
        let is_source = herder
            .connector(&connector.name)
            .is_ok_and(|info| info.kind == Some(ConnectorKind::Source));
        if is_source && let Ok(progress) = herder.progress(&connector.name) {
            sums = (sums.0 + progress.records_in, sums.1 + progress.bytes_in);
        }
    }
    sums
}

/// The folders and buckets that sinks write to; of folders also their `path` in it.
fn results(herder: &dyn Herder, rendered: &Rendered) -> Vec<String> {
    let mut folders = Vec::new();
    for connector in &rendered.connectors {
        let is_sink = herder
            .connector(&connector.name)
            .is_ok_and(|info| info.kind == Some(ConnectorKind::Sink));
        let connection = connector.config.get("connection").map_or("files", String::as_str);
        if let Some(connection) = rendered.connections.get(connection).filter(|_| is_sink) {
            let path = connector.config.get("path").map_or("", String::as_str);
            // What is in a database has no folder.
            let root = connection.root.iter().filter(|_| connection.driver == Driver::Objects);
            folders.extend(root.map(|root| Path::new(root).join(path).display().to_string()));
            folders.extend(connection.bucket.iter().map(|bucket| format!("s3://{bucket}")));
        }
    }
    folders
}

/// How to go on by hand while the node serves.
pub(super) fn how_to_play(node: &RunningNode, rendered: &Rendered) -> Result<(), CliError> {
    let kafka = node.kafka().expect("a run has a broker");
    let rest = node.rest().expect("a run has a worker");
    let topic = rendered.topics.first().map_or("lines", |topic| topic.name.as_str());
    let last = rendered.top.as_ref().map_or(topic, |top| top.topic.as_str());
    let first = rendered
        .connectors
        .iter()
        .find_map(|connector| connector.config.get("topic").cloned())
        .unwrap_or_else(|| topic.to_owned());
    output::print(&format!(
        "
serving; Ctrl-C ends it. Try, in another terminal:
  kcat -b {kafka} -L
  echo 'to be or not to be' | kcat -b {kafka} -t {first} -P
  longshore consume {last} --from-beginning --print-key --value-converter long --bootstrap-server {kafka}
  longshore connector list --rest-url http://{rest}
  curl http://{rest}/connectors?expand=status
"
    ))
}

/// 1234567 as 1,234,567.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn thousands_are_parted_by_commas() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }
}
