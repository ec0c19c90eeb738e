//! Kafka's own ProducerPerformance and ConsumerPerformance, in one warm JVM.

use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Stdio};

use longshore_e2e::process::{Stream, tied_command};
use longshore_e2e::{Process, limits, paths};

/// A JVM that runs one load after another.
pub(super) struct Driver {
    process: Process,
    stdin: ChildStdin,
    runs: usize,
    bootstrap: String,
}

/// What ProducerPerformance is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Produce<'a> {
    pub(super) topic: &'a str,
    pub(super) records: u64,
    pub(super) record_bytes: usize,
    pub(super) acks: &'a str,
    /// Records per second; as fast as it can if `None`.
    pub(super) rate: Option<u64>,
}

/// What ProducerPerformance says of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Produced {
    pub(super) records_per_second: f64,
    /// p50, p99 and p99.9 in whole milliseconds, from `send` to the callback.
    pub(super) latency_ms: [f64; 3],
}

impl Driver {
    pub(super) fn start(bootstrap: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = tied_command(Path::new("java"));
        // The heap and collector of kafka-producer-perf-test.sh.
        command
            .args(["-Xmx512M", "-server", "-XX:+UseG1GC"])
            .args(longshore_e2e::client::java::class_path());
        command.arg(folder.join("java/Drivers.java")).stdin(Stdio::piped());
        let mut process = Process::spawn("Kafka's performance tools", &mut command);
        let stdin = process.stdin().expect("stdin is piped");
        Self { process, stdin, runs: 0, bootstrap: bootstrap.to_owned() }
    }

    pub(super) fn produce(&mut self, load: &Produce<'_>) -> Produced {
        let rate = load.rate.map_or("-1".to_owned(), |rate| rate.to_string());
        let mut arguments = vec![
            "--topic".to_owned(),
            load.topic.to_owned(),
            "--num-records".to_owned(),
            load.records.to_string(),
            "--record-size".to_owned(),
            load.record_bytes.to_string(),
            "--throughput".to_owned(),
            rate,
            "--producer-props".to_owned(),
            format!("bootstrap.servers={}", self.bootstrap),
            format!("acks={}", load.acks),
        ];
        if load.rate.is_some() {
            // Otherwise the default of 5 ms is most of what is measured.
            arguments.push("linger.ms=0".to_owned());
        }
        let lines = self.run("org.apache.kafka.tools.ProducerPerformance", &arguments);
        let last = lines.iter().rev().find_map(|line| parse_produced(line));
        last.unwrap_or_else(|| panic!("ProducerPerformance has no result in {lines:#?}"))
    }

    /// Consumes so many records of a topic from its start, as a new group.
    pub(super) fn consume(&mut self, topic: &str, records: u64) {
        let arguments = [
            "--bootstrap-server",
            &self.bootstrap.clone(),
            "--topic",
            topic,
            "--messages",
            &records.to_string(),
            "--timeout",
            "60000",
        ]
        .map(str::to_owned);
        let lines = self.run("org.apache.kafka.tools.ConsumerPerformance", &arguments);
        // start, end, MB, MB/s, records, …
        let read = lines.last().and_then(|line| line.split(", ").nth(4)?.parse::<u64>().ok());
        assert!(
            read >= Some(records),
            "ConsumerPerformance read {read:?} of {records}: {lines:#?}"
        );
    }

    /// Runs a tool to its end, and gives what it printed to standard output.
    fn run(&mut self, class: &str, arguments: &[String]) -> Vec<String> {
        let before = self.process.lines(Stream::Out).len();
        let line = [&[class.to_owned()], arguments].concat().join("\t");
        writeln!(self.stdin, "{line}").expect("the JVM reads its input");
        self.runs += 1;
        let mut done = 0;
        self.process.wait_for(class, limits::RUN, |line| {
            done += usize::from(line.stream == Stream::Out && line.text == "done");
            (done == self.runs).then_some(())
        });
        let mut lines = self.process.lines(Stream::Out).split_off(before);
        lines.pop();
        lines
    }
}

/// `100000 records sent, 9990.0 records/sec (9.76 MB/sec), 24.01 ms avg latency,
/// 409.00 ms max latency, 1 ms 50th, 251 ms 95th, 342 ms 99th, 345 ms 99.9th.`
fn parse_produced(line: &str) -> Option<Produced> {
    let before = |mark: &str| -> Option<f64> {
        line.split(mark)
            .next()
            .filter(|head| head.len() < line.len())?
            .rsplit(' ')
            .next()?
            .parse()
            .ok()
    };
    Some(Produced {
        records_per_second: before(" records/sec")?,
        latency_ms: [before(" ms 50th")?, before(" ms 99th")?, before(" ms 99.9th")?],
    })
}

/// Where the tools' jars are, for tests of the set-up before minutes are spent.
pub(super) fn check_installed() {
    paths::installed("java");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_run_is_read_and_those_of_its_windows_are_not() {
        let last = "100000 records sent, 9990.5 records/sec (9.76 MB/sec), 24.01 ms avg latency, \
                    409.00 ms max latency, 1 ms 50th, 251 ms 95th, 342 ms 99th, 345 ms 99.9th.";
        let produced = Produced { records_per_second: 9990.5, latency_ms: [1.0, 342.0, 345.0] };
        assert_eq!(parse_produced(last), Some(produced));
        let window = "50005 records sent, 10001.0 records/sec (9.77 MB/sec), 0.7 ms avg latency, \
                      120.0 ms max latency.";
        assert_eq!(parse_produced(window), None);
    }
}
