//! The word count as a user runs it, its result, and what the result must be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use crate::process::Process;
use crate::sink_files::{self, files_in};
use crate::wire::{self, Pair};
use crate::{Node, cli, limits, paths};

/// Partitions of each of the pipeline's topics.
pub const PARTITIONS: i32 = 2;

/// Words and how often each occurs.
pub type Counts = BTreeMap<String, u64>;

/// Folders for the texts, the result and the log of one word count.
#[derive(Debug)]
pub struct WordCount {
    folder: TempDir,
    plugins: PathBuf,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
}

impl WordCount {
    /// Empty folders.
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
        for name in ["in", "out"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder can be made");
        }
        let mut new = Self {
            folder,
            plugins: paths::plugins(),
            settings: Vec::new(),
            environment: Vec::new(),
        };
        new.set("connections.input.root", &new.input().display().to_string());
        new.set("connections.output.root", &new.folder.path().join("out").display().to_string());
        new.set("connectors.read.path", "**/*");
        new
    }

    /// Changes a value of the pipeline (`--set`).
    pub fn set(&mut self, path: &str, value: &str) {
        self.settings.extend(["--set".to_owned(), format!("{path}={value}")]);
    }

    /// Takes plugins from another folder.
    pub fn plugins(&mut self, folder: PathBuf) {
        self.plugins = folder;
    }

    /// Replaces an environment variable of the next runs; `None` removes it.
    pub fn environment(&mut self, name: &str, value: Option<&str>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Where the texts are.
    pub fn input(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    /// Where the JSON lines are.
    pub fn result(&self) -> PathBuf {
        self.folder.path().join("out/wordcount")
    }

    /// Where the log is.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Bytes in the segments of a topic.
    pub fn log_bytes(&self, topic: &str) -> u64 {
        let partitions = (0..PARTITIONS).map(|partition| {
            let folder = self.data_dir().join(format!("log/{topic}-{partition}"));
            // Neither the topic nor a segment needs to be there.
            let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let logs = files.filter(|file| file.path().extension().is_some_and(|it| it == "log"));
            logs.filter_map(|log| Some(log.metadata().ok()?.len())).sum::<u64>()
        });
        partitions.sum()
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds a text.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.input().join(name), text).expect("a text can be written");
    }

    /// The command `longshore run`, with `more` arguments.
    pub fn command(&self, more: &[&str]) -> Command {
        let pipeline = paths::repository().join("configs/pipelines/wordcount.yaml");
        let (pipeline, data) = (pipeline.display().to_string(), self.data_dir());
        let mut command = cli::command(&["run", &pipeline]);
        command.arg("--plugin-path").arg(&self.plugins).arg("--data-dir").arg(data);
        command.args(&self.settings).args(more);
        // Two tests at once must not meet at a fixed port.
        command.args(["--kafka-port", "0", "--rest-port", "0"]);
        command.current_dir(self.folder.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts a run.
    pub fn start(&self, more: &[&str]) -> Process {
        Process::spawn("longshore run", &mut self.command(more))
    }

    /// Runs to the end.
    ///
    /// # Panics
    /// When that fails.
    pub fn run(&self) -> Process {
        let mut process = self.start(&[]);
        let status = process.ended(limits::RUN);
        assert!(status.success(), "longshore run ended with {status}");
        process
    }

    /// Runs until the process dies at a crash point, as
    /// `LONGSHORE_CRASH_AT` names it.
    pub fn run_until_crash(&mut self, point: &str) -> ExitStatus {
        self.environment("LONGSHORE_CRASH_AT", Some(point));
        let status = self.start(&[]).ended(limits::RUN);
        self.environment("LONGSHORE_CRASH_AT", None);
        status
    }

    /// The result: the last line of each word.
    ///
    /// # Panics
    /// When a file is torn, or a word is in two partitions.
    pub fn counts(&self) -> Counts {
        counts_in(&self.result())
    }

    /// The contents of the result's files, by name.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files_in(&self.result())
    }

    /// What an independent program counts in the texts.
    pub fn expected(&self) -> Counts {
        let mut files = Vec::new();
        walk(&self.input(), &mut files);
        count_independently(&files)
    }

    /// Counts, and compares with the independent count.
    ///
    /// # Panics
    /// When they differ.
    pub fn run_and_compare(&self) {
        self.run();
        assert_same(&self.counts(), &self.expected());
    }

    /// A broker on the log of a run that has ended, to look into its topics.
    pub fn broker(&self) -> Node {
        Node::with().property("log.dirs", self.data_dir().join("log").display()).start()
    }
}

impl Default for WordCount {
    fn default() -> Self {
        Self::new()
    }
}

/// The last line of each word in a folder of JSON lines.
///
/// # Panics
/// When a file is torn, or a word is in two partitions.
pub fn counts_in(folder: &Path) -> Counts {
    let mut counts: BTreeMap<String, (String, u64)> = BTreeMap::new();
    // Byte order of names is the order of offsets within a partition.
    for (name, bytes) in files_in(folder) {
        let partition = name.rsplit_once('+').expect("topic+partition+offset").0;
        for (key, value) in sink_files::records(&name, &bytes) {
            let key = key.as_str().expect("a word is a string").to_owned();
            let value = value.as_u64().expect("a count is a number");
            let before = counts.insert(key.clone(), (partition.to_owned(), value));
            if let Some((other, _)) = before {
                assert_eq!(other, partition, "{key} is in one partition");
            }
        }
    }
    counts.into_iter().map(|(word, (_, count))| (word, count)).collect()
}

/// Counts the words of files with `wordcount.py`.
pub fn count_independently(files: &[PathBuf]) -> Counts {
    let mut command = Command::new(paths::installed("python").join("bin/python"));
    command.arg(paths::repository().join("tests/e2e/wordcount.py")).args(files);
    let mut python = Process::spawn("wordcount.py", &mut command);
    let status = python.ended(limits::LONG_RUN);
    assert!(status.success(), "wordcount.py ended with {status}");
    let lines = python.lines(crate::process::Stream::Out);
    let counts = lines.iter().map(|line| {
        let (word, count) = line.split_once('\t').expect("word and count");
        (word.to_owned(), count.parse().expect("a number"))
    });
    counts.collect()
}

/// Compares two counts, and shows only where they differ.
///
/// # Panics
/// When they do.
pub fn assert_same(counts: &Counts, expected: &Counts) {
    let differ = differences(counts, expected);
    let some: Vec<_> = differ.iter().take(20).collect();
    assert!(
        differ.is_empty(),
        "{} of {} words differ; (word, counted, expected): {some:?}",
        differ.len(),
        expected.len()
    );
}

/// Words whose counts differ, with both counts.
pub(crate) fn differences(
    counts: &Counts,
    expected: &Counts,
) -> Vec<(String, Option<u64>, Option<u64>)> {
    let words: std::collections::BTreeSet<&String> = counts.keys().chain(expected.keys()).collect();
    let pairs = words.into_iter().map(|word| (word, counts.get(word), expected.get(word)));
    pairs
        .filter(|(_, counted, expected)| counted != expected)
        .map(|(word, counted, expected)| {
            // Words can be long.
            let short = word.chars().take(40).collect();
            (short, counted.copied(), expected.copied())
        })
        .collect()
}

/// The records of each of a topic's partitions.
pub fn records(node: &Node, topic: &str) -> Vec<Vec<Pair>> {
    let partitions = 0..PARTITIONS;
    partitions
        .map(|partition| {
            let log = wire::read_partition(node.kafka(), topic, partition);
            log.into_iter().map(|record| (record.key, record.value)).collect()
        })
        .collect()
}

pub(crate) fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}
