//! Clients that others wrote, behind one vocabulary.
//!
//! Kafka's `VerifiableProducer` and `VerifiableConsumer` say what they do as
//! JSON lines; the programs in `tests/conformance` make confluent-kafka and
//! kafkajs say the same, so one test serves all three.

mod event;
pub mod java;
pub mod kcat;

use std::process::{Command, Stdio};
use std::time::Duration;

pub use event::{Event, RecordAt};

use tempfile::TempPath;

use crate::process::{Process, Stream};
use crate::{limits, paths};

/// A client library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// confluent-kafka for Python, on a current librdkafka.
    Confluent,
    /// kafkajs for Node.js: a client with no line of Kafka's or librdkafka's.
    KafkaJs,
    /// Kafka's own Java client.
    Java,
}

/// A producer's work: values are the numbers from 0 on, in decimal, keys null.
#[derive(Debug, Clone, Default)]
pub struct Produce {
    topic: String,
    records: u64,
    value_prefix: Option<u32>,
    records_per_second: Option<u32>,
    settings: Vec<(String, String)>,
}

impl Produce {
    /// Produces `records` records to `topic`, with acks=all.
    pub fn to(topic: &str, records: u64) -> Self {
        Self { topic: topic.to_owned(), records, ..Self::default() }
    }

    /// Values become `prefix.number`.
    pub fn value_prefix(mut self, prefix: u32) -> Self {
        self.value_prefix = Some(prefix);
        self
    }

    /// Slows the producer down to about that many records a second; kafkajs
    /// knows nothing of this.
    pub fn records_per_second(mut self, records: u32) -> Self {
        self.records_per_second = Some(records);
        self
    }

    /// Sets a property of the producer, under Kafka's name.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A group member's work: it consumes from the earliest offset, and commits
/// what it has consumed after each poll.
#[derive(Debug, Clone, Default)]
pub struct Consume {
    topic: String,
    group: String,
    records_max: Option<u64>,
    session_timeout_ms: Option<u32>,
    settings: Vec<(String, String)>,
}

impl Consume {
    /// Joins `group` and consumes `topic` until told to stop.
    pub fn from(topic: &str, group: &str) -> Self {
        Self { topic: topic.to_owned(), group: group.to_owned(), ..Self::default() }
    }

    /// How long the group waits for a member that says nothing; 6 s unless set.
    pub fn session_timeout_ms(mut self, milliseconds: u32) -> Self {
        self.session_timeout_ms = Some(milliseconds);
        self
    }

    /// Commits, leaves and ends after just so many records.
    pub fn records_max(mut self, records: u64) -> Self {
        self.records_max = Some(records);
        self
    }

    /// Sets a property of the consumer, under Kafka's name.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running client that tells what it does.
#[derive(Debug)]
pub struct Running {
    process: Process,
    /// Removed with the client, which may read it at any time of its life.
    _settings: Option<TempPath>,
}

impl Client {
    /// Starts a producer.
    pub fn produce(self, bootstrap: &str, work: &Produce) -> Running {
        let mut command = self.command("produce");
        command.args(["--bootstrap-server", bootstrap, "--topic", &work.topic]);
        command.args(["--max-messages", &work.records.to_string(), "--acks=-1"]);
        if let Some(prefix) = work.value_prefix {
            command.args(["--value-prefix", &prefix.to_string()]);
        }
        if let Some(records) = work.records_per_second {
            command.args(["--throughput", &records.to_string()]);
        }
        let settings = self.settings(&mut command, "--producer.config", &work.settings);
        self.spawn("producer", command, settings)
    }

    /// Produces all records and gives where each was acknowledged.
    ///
    /// # Panics
    /// When one was refused, or the whole takes longer than [`limits::CLIENT`].
    pub fn produce_all(self, bootstrap: &str, work: &Produce) -> Vec<RecordAt> {
        let mut producer = self.produce(bootstrap, work);
        producer.ends_well();
        let acked = producer.acked();
        assert_eq!(acked.len() as u64, work.records, "acknowledged records");
        acked
    }

    /// Starts a group member.
    pub fn consume(self, bootstrap: &str, work: &Consume) -> Running {
        let mut command = self.command("consume");
        command.args(["--bootstrap-server", bootstrap, "--topic", &work.topic]);
        command.args(["--group-id", &work.group, "--verbose"]);
        // Kafka's program sets this one itself, whatever its file says.
        let protocol = work.settings.iter().find(|(name, _)| name == "group.protocol");
        if let (Self::Java, Some((_, protocol))) = (self, protocol) {
            // In the consumer protocol the broker says how long a session lasts.
            command.args(["--group-protocol", protocol]);
        } else {
            // A test that kills a member waits for its session to end.
            let session_timeout_ms = work.session_timeout_ms.unwrap_or(6_000);
            command.args(["--session-timeout", &session_timeout_ms.to_string()]);
        }
        if let Some(records) = work.records_max {
            command.args(["--max-messages", &records.to_string()]);
        }
        let settings = self.settings(&mut command, "--consumer.config", &work.settings);
        self.spawn("consumer", command, settings)
    }

    /// Consumes just `work.records_max` records and gives them.
    pub fn consume_all(self, bootstrap: &str, work: &Consume) -> Vec<RecordAt> {
        let mut consumer = self.consume(bootstrap, work);
        consumer.ends_well();
        consumer.consumed()
    }

    /// Runs a client's own administration calls, one after the other; the
    /// program checks the answers itself.
    ///
    /// # Panics
    /// When one is not as Kafka's; and for Java, whose tools are in [`java`].
    pub fn administrate(self, bootstrap: &str) {
        let mut command = match self {
            Self::Confluent => program_of_python("confluent_admin.py"),
            Self::KafkaJs => program_of_node("kafkajs_admin.js"),
            Self::Java => panic!("Kafka's own tools administrate for Java"),
        };
        Process::run(&format!("{self:?} admin"), command.arg(bootstrap));
    }

    fn command(self, verb: &str) -> Command {
        let mut command = match self {
            Self::Confluent => program_of_python("confluent_client.py"),
            Self::KafkaJs => program_of_node("kafkajs_client.js"),
            Self::Java if verb == "produce" => {
                return java::tool("org.apache.kafka.tools.VerifiableProducer");
            }
            Self::Java => return java::tool("org.apache.kafka.tools.VerifiableConsumer"),
        };
        command.arg(verb);
        command
    }

    /// The Java tools read settings from a file, the others from arguments.
    fn settings(
        self,
        command: &mut Command,
        option: &str,
        settings: &[(String, String)],
    ) -> Option<TempPath> {
        let lines = settings.iter().map(|(name, value)| format!("{name}={value}"));
        if self == Self::Java {
            let file = java::properties(lines);
            command.arg(option).arg(&file);
            return Some(file);
        }
        for line in lines {
            command.args(["--property", &line]);
        }
        None
    }

    fn spawn(self, role: &str, mut command: Command, settings: Option<TempPath>) -> Running {
        let name = format!("{self:?} {role}");
        let process = Process::spawn(&name, command.stdin(Stdio::null()));
        Running { process, _settings: settings }
    }
}

impl Running {
    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        self.process.lines(Stream::Out).iter().filter_map(|line| Event::parse(line)).collect()
    }

    /// The records that the broker has acknowledged so far, in that order.
    pub fn acked(&self) -> Vec<RecordAt> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| if let Event::Acked(at) = event { Some(at) } else { None })
            .collect()
    }

    /// The records that were consumed so far, in that order.
    pub fn consumed(&self) -> Vec<RecordAt> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| if let Event::Consumed(at) = event { Some(at) } else { None })
            .collect()
    }

    /// Waits until the events so far, from the first on, satisfy `condition`.
    pub fn wait_until(&self, what: &str, deadline: Duration, condition: impl Fn(&[Event]) -> bool) {
        let mut events = Vec::new();
        self.process.wait_for(what, deadline, |line| {
            if line.stream == Stream::Out {
                events.extend(Event::parse(&line.text));
            }
            condition(&events).then_some(())
        });
    }

    /// Waits until the member's partitions are just `partitions` of them.
    pub fn wait_assigned(&self, partitions: usize) {
        let what = format!("assignment of {partitions} partitions");
        self.wait_until(&what, limits::CLIENT, |events| {
            event::assigned(events).is_some_and(|assigned| assigned.len() == partitions)
        });
    }

    /// The partitions that the member has now.
    pub fn assigned(&self) -> Vec<i32> {
        event::assigned(&self.events()).unwrap_or_default()
    }

    /// Waits until the member has consumed at least `records` records.
    pub fn wait_consumed(&self, records: usize) {
        let what = format!("consumption of {records} records");
        self.wait_until(&what, limits::CLIENT, |events| {
            events.iter().filter(|event| matches!(event, Event::Consumed(_))).count() >= records
        });
    }

    /// Waits until the client has ended by itself, without an error.
    pub fn ends_well(&mut self) {
        let status = self.process.ended(limits::CLIENT);
        assert!(status.success(), "the client ended with {status}");
        for event in self.events() {
            assert!(!matches!(event, Event::Failed(_)), "the client reports {event:?}");
        }
    }

    /// Asks a member to commit and leave its group, and waits until it has.
    pub fn leave(&mut self) {
        self.process.terminate();
        assert!(
            self.events().contains(&Event::Ended),
            "the member says that it has left its group"
        );
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// A program that opens a transaction of confluent-kafka with so many records, and
/// leaves it open until it gets a line on standard input.
pub fn open_transaction(bootstrap: &str, id: &str, topic: &str, records: u32) -> Process {
    let mut command = program_of_python("confluent_transaction.py");
    command.args([bootstrap, id, topic, &records.to_string()]).stdin(Stdio::piped());
    let process = Process::spawn("open transaction", &mut command);
    process
        .wait_for("open transaction", limits::CLIENT, |line| (line.text == "open").then_some(()));
    process
}

/// The metrics at an address as Prometheus' own Python client reads them: families
/// with `name`, `type` and `samples`.
///
/// # Panics
/// When that parser refuses them.
pub fn scrape(url: &str) -> Vec<serde_json::Value> {
    let mut command = program_of_python("prometheus_scrape.py");
    let families = Process::run("scrape", command.arg(url));
    let parse = |line: &String| serde_json::from_str(line).expect("it prints JSON");
    families.iter().map(parse).collect()
}

fn program_of_python(name: &str) -> Command {
    let mut command = Command::new(paths::installed("python").join("bin/python"));
    command.arg("-u").arg(paths::repository().join("tests/conformance").join(name));
    command
}

fn program_of_node(name: &str) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", paths::installed("node").join("node_modules"));
    command.arg(paths::repository().join("tests/conformance").join(name));
    command
}
