//! Rows written in a steady rhythm, each with its number, and what came of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::background::Background;
use crate::wait::until;
use crate::{Node, limits, wire};

/// Between two rows of a file.
const RHYTHM: Duration = Duration::from_millis(250);

/// Options of a source that follows a ticker's file into the topic `ticks`.
pub fn source(path: &str) -> [(&str, &str); 5] {
    [
        ("connector.class", "file-source"),
        ("connection", "input"),
        ("path", path),
        ("topic", "ticks"),
        ("tail", "true"),
    ]
}

/// Options of a sink that copies the topic `ticks` into files that are soon finished.
pub const SINK: [(&str, &str); 6] = [
    ("connector.class", "file-sink"),
    ("connection", "output"),
    ("topics", "ticks"),
    ("path", "copy"),
    ("format", "lines"),
    ("rotate.schedule.interval.ms", "500"),
];

/// A thread that appends a row to each of some files again and again. A row is
/// `FILE NUMBER`.
#[derive(Debug)]
pub struct Ticker {
    writing: Background<u64>,
}

impl Ticker {
    /// Begins to write to `folder/NAME.txt` of these names.
    pub fn start(folder: &Path, names: &[String]) -> Self {
        let path = |name: &String| -> PathBuf { folder.join(format!("{name}.txt")) };
        let mut files: Vec<(String, File)> = names
            .iter()
            .map(|name| (name.clone(), File::create(path(name)).expect("a file can be made")))
            .collect();
        let writing = Background::start(move |told| {
            let mut number = 0;
            while !told.to_end() {
                for (name, file) in &mut files {
                    file.write_all(format!("{name} {number}\n").as_bytes())
                        .expect("the disk has room");
                }
                number += 1;
                told.rest(RHYTHM);
            }
            number
        });
        Self { writing }
    }

    /// Writes no more, and gives the rows that each file has.
    pub fn stop(self) -> u64 {
        self.writing.finish()
    }
}

/// One file's rows in a topic: number and time in milliseconds since 1970, in the
/// order of their times.
pub type Rows = Vec<(u64, i64)>;

/// All files' rows in a topic.
pub fn read(broker: &Node, topic: &str, partitions: i32) -> BTreeMap<String, Rows> {
    let mut files: BTreeMap<String, Rows> = BTreeMap::new();
    for partition in 0..partitions {
        for record in wire::read_partition(broker.kafka(), topic, partition) {
            let row = record.value.expect("a row is no null");
            let (name, number) = parse(std::str::from_utf8(&row).expect("a row is text"));
            files.entry(name).or_default().push((number, record.timestamp));
        }
    }
    for rows in files.values_mut() {
        rows.sort_by_key(|(number, at)| (*at, *number));
    }
    files
}

/// Waits until each of these files has a row in the topic that came after `since`.
pub fn wait_each(broker: &Node, topic: &str, partitions: i32, names: &[String], since: i64) {
    until("rows of every file", limits::RUN, || {
        let rows = read(broker, topic, partitions);
        let come = |name| rows.get(name).is_some_and(|rows| first_after(rows, since).is_some());
        names.iter().all(come).then_some(())
    });
}

/// Waits until the topic has `count` rows of each of these files, and checks that
/// none is there twice.
pub fn wait_once(broker: &Node, topic: &str, partitions: i32, names: &[String], count: u64) {
    let total = count as usize * names.len();
    until("all rows in the topic", limits::RUN, || {
        let rows = read(broker, topic, partitions);
        (rows.values().map(Vec::len).sum::<usize>() >= total).then_some(())
    });
    for (name, rows) in read(broker, topic, partitions) {
        assert_once(&name, rows.into_iter().map(|(number, _)| number), count);
    }
}

/// Takes a row apart.
///
/// # Panics
/// When it is none of a ticker's.
pub fn parse(row: &str) -> (String, u64) {
    let (name, number) = row.split_once(' ').expect("FILE NUMBER");
    (name.to_owned(), number.parse().expect("a number"))
}

/// Checks that each of `count` rows is there, and none twice.
///
/// # Panics
/// When it is not so.
pub fn assert_once(name: &str, rows: impl Iterator<Item = u64>, count: u64) {
    let mut times = vec![0_u32; usize::try_from(count).expect("a count fits")];
    for number in rows {
        times[usize::try_from(number).expect("a number fits")] += 1;
    }
    let wrong: Vec<_> = times.iter().enumerate().filter(|(_, times)| **times != 1).collect();
    assert!(wrong.is_empty(), "of {name} these rows are there so many times: {wrong:?}");
}

/// The longest time between two rows of which the later one came after `since`.
pub fn longest_gap(rows: &Rows, since: i64) -> Duration {
    let pairs = rows.windows(2).filter(|pair| pair[1].1 >= since);
    let longest = pairs.map(|pair| pair[1].1 - pair[0].1).max().unwrap_or(i64::MAX);
    Duration::from_millis(longest.max(0) as u64)
}

/// How long after `since` the first row came.
pub fn first_after(rows: &Rows, since: i64) -> Option<Duration> {
    let (_, at) = rows.iter().find(|(_, at)| *at > since)?;
    Some(Duration::from_millis((at - since) as u64))
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    since.as_millis() as i64
}
