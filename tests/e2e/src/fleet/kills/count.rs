//! The word count: its broker, its fleet, its connectors, and how far each of its
//! stages is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::PARTITIONS;
use crate::Node;
use crate::fleet::{Fleet, commits};
use crate::wire::{self, Connection};

/// The workers' session: short, for every death costs one.
pub const SESSION: Duration = Duration::from_secs(3);

/// Workers at the start.
const WORKERS: usize = 2;

/// A connector of the word count, by what it writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The source's topic.
    Lines,
    /// The first processor's.
    Words,
    /// The second processor's.
    Counts,
    /// The sink's files.
    Files,
}

impl Stage {
    /// All of them, in the order that a row goes through.
    pub const ALL: [Self; 4] = [Self::Lines, Self::Words, Self::Counts, Self::Files];

    /// The topic that it is.
    pub fn topic(self) -> Option<&'static str> {
        match self {
            Self::Lines => Some("lines"),
            Self::Words => Some("words"),
            Self::Counts => Some("counts"),
            Self::Files => None,
        }
    }
}

/// A word count by a fleet.
#[derive(Debug)]
pub struct Count {
    /// The broker.
    pub broker: Node,
    /// The workers.
    pub fleet: Fleet,
}

impl Count {
    /// Starts the broker, workers of `program` (`None`: the binary under test) with
    /// `environment`, and the connectors.
    pub fn start(program: Option<&PathBuf>, environment: &[(&str, &str)]) -> Self {
        let broker = Node::with()
            .property("offsets.topic.num.partitions", 2)
            .property("transaction.state.log.num.partitions", 2)
            .property("group.min.session.timeout.ms", 1_000)
            .start();
        let mut fleet = Fleet::on(&broker);
        if let Some(program) = program {
            fleet.program(program.clone());
        }
        for (name, value) in environment {
            fleet.environment(name, value);
        }
        fleet.set("session.timeout.ms", SESSION.as_millis());
        fleet.set("offset.flush.interval.ms", 300);
        fleet.add(WORKERS);
        for topic in Stage::ALL.into_iter().filter_map(Stage::topic) {
            wire::create_topic(broker.kafka(), topic, PARTITIONS, &[]);
        }
        let count = Self { broker, fleet };
        count.create_connectors();
        count
    }

    fn create_connectors(&self) {
        let create = |name, class, options: &[(&str, &str)]| {
            let class = [("connector.class", class)];
            self.fleet.create(name, &[&class[..], options].concat());
        };
        let source = [("connection", "input"), ("path", "**/*"), ("topic", "lines")];
        let tail = [("tail", "true"), ("tasks.max", "3")];
        create("read", "file-source", &[&source[..], &tail].concat());
        for (name, class, from, to) in [
            ("split", "split-words", "lines", "words"),
            ("count", "count-words", "words", "counts"),
        ] {
            create(name, class, &[("topics", from), ("output.topic", to), ("tasks.max", "3")]);
        }
        // Two tasks for three partitions: one has two of them.
        let sink = [("connection", "output"), ("topics", "counts"), ("path", "wordcount")];
        let converters = [("key.converter", "string"), ("value.converter", "long")];
        let more = [("rotate.schedule.interval.ms", "500"), ("tasks.max", "2")];
        create("write", "file-sink", &[&sink[..], &converters, &more].concat());
    }

    /// The folder of the sink's files.
    pub fn folder(&self) -> PathBuf {
        self.fleet.output().join("wordcount")
    }

    /// How far a stage is: what its readers may see, in offsets or bytes.
    pub fn progress(&self, stage: Stage) -> u64 {
        let Some(topic) = stage.topic() else { return bytes_in(&self.folder()) };
        let mut connection = self.connect();
        let end = |at| wire::last_stable_offset(&mut connection, topic, at) as u64;
        (0..PARTITIONS).map(end).sum()
    }

    /// The same of all stages.
    pub fn all_progress(&self) -> BTreeMap<Stage, u64> {
        Stage::ALL.into_iter().map(|stage| (stage, self.progress(stage))).collect()
    }

    /// Whether no transaction is open in a topic.
    pub fn is_settled(&self, topic: &str) -> bool {
        let mut connection = self.connect();
        (0..PARTITIONS).all(|partition| {
            let stable = wire::last_stable_offset(&mut connection, topic, partition);
            stable == wire::list_offset(&mut connection, topic, partition, wire::LATEST)
        })
    }

    /// The offsets of the last records in a topic, by partition.
    pub fn last(&self, topic: &str) -> BTreeMap<i32, i64> {
        let read = |partition| wire::read_partition(self.broker.kafka(), topic, partition);
        let last = |partition| Some((partition, read(partition).last()?.offset));
        (0..PARTITIONS).filter_map(last).collect()
    }

    /// The offsets that a connector has committed in a topic, by partition.
    pub fn committed(&self, connector: &str, topic: &str) -> BTreeMap<i32, i64> {
        commits::committed(&self.broker, &format!("connect-{connector}"), topic, PARTITIONS)
    }

    fn connect(&self) -> Connection {
        Connection::connect(self.broker.kafka()).expect("the broker accepts connections")
    }
}

/// Bytes of the files in a folder, finished or not.
fn bytes_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}
