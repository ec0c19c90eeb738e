//! Seeded schedules: a word count by two workers, files → topic → processors → file
//! sink, while workers and broker are killed and frozen. It ends with every row,
//! every word and every count once, in the topics and in the sink's files.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Fleet;
use crate::random::Random;
use crate::wait::until;
use crate::wire::{self, Connection};
use crate::wordcount::{PARTITIONS, assert_same, counts_in, json_lines_in, records};
use crate::{Node, audit, limits, text};

/// Named points at which a worker dies, and how often it may come there before.
const POINTS: [(&str, u64); 10] = [
    ("source-after-begin", 1),
    ("source-after-produce-before-checkpoint", 1),
    ("source-after-checkpoint-before-commit", 1),
    ("source-after-commit", 1),
    ("processor-after-begin", 2),
    ("processor-after-produce-before-commit", 2),
    ("processor-after-offsets-before-commit", 2),
    ("processor-after-commit", 2),
    ("sink-before-finish", 1),
    ("sink-after-finish-before-commit", 1),
];
/// The workers' session: short, for every death costs one.
const SESSION_MS: u64 = 4_000;
/// A worker that has not come to its point by then is killed as it is.
const POINT_WITHIN: Duration = Duration::from_secs(8);
/// Bytes of the rows that each kill finds to do.
const TEXT_BYTES: (u64, u64) = (60_000, 250_000);
const WORKERS: usize = 2;

/// Plays one schedule, to its verdict.
///
/// # Panics
/// When a record is lost, made up or there twice.
pub fn play(number: usize, seed: u64) {
    let began = Instant::now();
    let mut random = Random::seeded(seed);
    let mut count = Count::start();
    let mut story = String::new();
    for kill in 0..random.between(3, 5) as usize {
        let name = format!("text{kill}");
        let bytes = random.between(TEXT_BYTES.0, TEXT_BYTES.1) as usize;
        let rows = text::unique_rows(&name, &mut random, bytes);
        let topic = ["lines", "words", "counts"][random.between(0, 3) as usize];
        let before = count.end(topic);
        std::fs::write(count.fleet.input().join(&name), rows).expect("a text can be written");
        until("growth of a topic", limits::RUN, || (count.end(topic) > before).then_some(()));
        let moment = Duration::from_millis(random.between(0, 400));
        std::thread::park_timeout(moment);
        let what = count.strike(number * 3 + kill, &mut random);
        let _ = write!(story, "; {moment:.0?} after {topic} grew {what}");
    }
    count.verdict();
    println!("schedule {number} of seed {seed}{story}; {:.1?}", began.elapsed());
}

/// A word count by a fleet.
struct Count {
    broker: Node,
    fleet: Fleet,
}

impl Count {
    fn start() -> Self {
        let broker = Node::with()
            .property("offsets.topic.num.partitions", 4)
            .property("group.min.session.timeout.ms", 1_000)
            .start();
        let mut fleet = Fleet::on(&broker);
        fleet.set("session.timeout.ms", SESSION_MS);
        fleet.set("scheduled.rebalance.max.delay.ms", 0);
        fleet.set("offset.flush.interval.ms", 500);
        fleet.add(WORKERS);
        for topic in ["lines", "words", "counts"] {
            wire::create_topic(broker.kafka(), topic, PARTITIONS, &[]);
        }
        let read = [("connector.class", "file-source"), ("connection", "input")];
        let more = [("path", "**/*"), ("topic", "lines"), ("tail", "true"), ("tasks.max", "2")];
        fleet.create("read", &[&read[..], &more].concat());
        for (name, class, from, to) in [
            ("split", "split-words", "lines", "words"),
            ("count", "count-words", "words", "counts"),
        ] {
            let options = [("connector.class", class), ("topics", from), ("output.topic", to)];
            fleet.create(name, &[&options[..], &[("tasks.max", "2")]].concat());
        }
        fleet.create(
            "write",
            &[
                ("connector.class", "file-sink"),
                ("connection", "output"),
                ("topics", "counts"),
                ("path", "wordcount"),
                ("key.converter", "string"),
                ("value.converter", "long"),
                ("rotate.schedule.interval.ms", "700"),
                ("tasks.max", "2"),
            ],
        );
        Self { broker, fleet }
    }

    /// The ends of a topic's partitions, summed up.
    fn end(&self, topic: &str) -> i64 {
        let Ok(mut connection) = Connection::connect(self.broker.kafka()) else { return 0 };
        let ends = (0..PARTITIONS)
            .map(|partition| wire::list_offset(&mut connection, topic, partition, wire::LATEST));
        ends.sum()
    }

    /// One kill or pause, of a kind by turns; says which.
    fn strike(&mut self, turn: usize, random: &mut Random) -> String {
        let at = random.between(0, WORKERS as u64) as usize;
        match turn % 6 {
            0 | 3 => {
                let (point, most) = POINTS[random.between(0, POINTS.len() as u64) as usize];
                let point = format!("{point}:{}", random.between(1, most + 1));
                let way = self.die_at(at, &point);
                format!("worker {at} {way} {point}")
            }
            1 => {
                self.fleet.worker(at).kill();
                self.fleet.worker(at).restart();
                format!("worker {at} was killed")
            }
            2 => {
                self.broker.kill();
                self.broker.restart();
                "the broker was killed".to_owned()
            }
            4 => {
                self.fleet.worker(at).kill();
                self.broker.kill();
                self.broker.restart();
                self.fleet.worker(at).restart();
                format!("worker {at} and the broker were killed")
            }
            _ => {
                let pause = Duration::from_millis(random.between(500, 2 * SESSION_MS));
                self.fleet.worker(at).freeze();
                std::thread::park_timeout(pause);
                self.fleet.worker(at).thaw();
                format!("worker {at} was frozen for {pause:.1?}")
            }
        }
    }

    /// Starts a worker anew so that it dies at a point, and once more.
    fn die_at(&mut self, at: usize, point: &str) -> &'static str {
        let worker = self.fleet.worker(at);
        worker.kill();
        worker.environment("LONGSHORE_CRASH_AT", Some(point));
        worker.spawn();
        let began = Instant::now();
        let mut died = worker.has_died();
        while !died && began.elapsed() < POINT_WITHIN {
            std::thread::park_timeout(limits::LOOK_AGAIN);
            died = worker.has_died();
        }
        if !died {
            worker.kill();
        }
        worker.environment("LONGSHORE_CRASH_AT", None);
        worker.restart();
        if died { "died at" } else { "was killed before" }
    }

    /// Everything once, in the end.
    fn verdict(mut self) {
        let expected = self.expected();
        until("counts", limits::RUN, || {
            let counts = audit::counts(&self.broker);
            let enough = |(word, least)| counts.get(word).is_some_and(|count| count >= least);
            expected.iter().all(enough).then_some(())
        });
        assert_same(&audit::topics(&self.broker, &self.fleet.input()), &expected);
        let folder = self.fleet.output().join("wordcount");
        let in_topic: usize = records(&self.broker, "counts").iter().map(Vec::len).sum();
        until("all counts in files", limits::RUN, || {
            (json_lines_in(&folder) >= in_topic).then_some(())
        });
        assert_eq!(json_lines_in(&folder), in_topic, "each count is in the files once");
        assert_same(&counts_in(&folder), &expected);
        for at in 0..WORKERS {
            assert!(self.fleet.worker(at).stop().success(), "worker {at} stops in order");
        }
    }

    fn expected(&self) -> crate::wordcount::Counts {
        let entries = std::fs::read_dir(self.fleet.input()).expect("a folder can be listed");
        let files: Vec<PathBuf> =
            entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
        crate::wordcount::count_independently(&files)
    }
}
