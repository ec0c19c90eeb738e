//! One schedule, from its start to the verdict.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::plan::{self, Fault, WHILE_STOPPING};
use super::producers::Producers;
use super::reader::{Fetches, Reader, read_all};
use super::{EXPIRING, TOPICS};
use crate::history::event::now_ms;
use crate::history::{History, Violation, check};
use crate::node::Settings;
use crate::random::Random;
use crate::schedules::{self, Scheduled, Suffered};
use crate::wait::until;
use crate::{Node, limits, wire};

/// Acknowledged records that a schedule must have during and after its faults.
pub const ACKNOWLEDGED_MIN: usize = 1_000;

/// How long a named point is waited for: work that rarely comes to it must not hold
/// up the schedule.
const POINT: Duration = Duration::from_secs(3);

/// Between two faults, in bytes of the producers' notes.
const NOTES_BETWEEN: (u64, u64) = (1_000, 40_000);

/// What there is to run.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Draws everything.
    pub seed: u64,
    /// Which named point has its turn.
    pub number: usize,
    /// The producers' program.
    pub producer: PathBuf,
    /// The broker; the defaults are those of the binary under test.
    pub broker: Settings,
}

/// What a schedule has done.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What was done to broker and producers.
    pub suffered: Suffered,
    /// Transactions and sendings.
    pub units: usize,
    /// Records acknowledged from the first fault on.
    pub acknowledged: usize,
    /// From start to verdict.
    pub took: Duration,
}

impl schedules::Report for Report {
    fn add(&mut self, other: &Self) {
        self.suffered.add(&other.suffered);
        self.units += other.units;
        self.acknowledged += other.acknowledged;
        self.took += other.took;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suffered, units, acknowledged, took } = self;
        write!(
            out,
            "{acknowledged} records acknowledged from the first fault on, {units} transactions \
             and sendings, {suffered}, {took:.1?}"
        )
    }
}

impl Scheduled for Schedule {
    type Violation = Violation;
    type Report = Report;

    /// Runs the schedule and gives what its history has against exactly-once.
    ///
    /// # Panics
    /// When something does not come to its end, or too little was acknowledged.
    fn run(&self) -> (Vec<Violation>, Report) {
        let began = Instant::now();
        let mut random = Random::seeded(self.seed);
        let faults = plan::draw(self.number, &mut random);
        println!("schedule {} of seed {}: {faults:?}", self.number, self.seed);
        let node = busy(self.broker.clone()).start();
        for topic in TOPICS {
            wire::create_topic(node.kafka(), topic.name, topic.partitions, topic.settings);
        }
        let bootstrap = node.bootstrap();
        let producers = Producers::start(&self.producer, &bootstrap, node.folder(), &mut random);
        let readers = [Fetches::Small, Fetches::Large].map(|it| Reader::start(&bootstrap, it));
        let mut stage = Stage { node, producers, random, report: Report::default() };
        stage.go_on();
        let first_fault_ms = now_ms();
        for fault in faults {
            stage.suffer(&fault);
            stage.go_on();
        }
        stage.acknowledged_since(first_fault_ms);
        stage.producers.finish(&mut stage.random);

        let before = read_all(&bootstrap, Fetches::Small, "the reader at the end");
        stage.node.kill();
        stage.node.restart();
        let after = read_all(&bootstrap, Fetches::Large, "the reader after one more kill");
        let mut history = stage.producers.history();
        history.readings = vec![after, before];
        history.readings.extend(readers.map(Reader::finish));
        history.expiring.insert(EXPIRING.name.to_owned());
        stage.verdict(&history, first_fault_ms, began)
    }
}

/// A broker whose background work comes every moment.
fn busy(settings: Settings) -> Settings {
    settings
        .property("transaction.state.log.num.partitions", 2)
        .property("transaction.state.log.segment.bytes", 20_000)
        .property("offsets.topic.num.partitions", 2)
        .property("offsets.topic.segment.bytes", 20_000)
        .property("log.flush.scheduler.interval.ms", 100)
        .property("log.flush.offset.checkpoint.interval.ms", 100)
        .property("log.retention.check.interval.ms", 100)
        .property("log.cleaner.backoff.ms", 50)
}

struct Stage {
    node: Node,
    producers: Producers,
    random: Random,
    report: Report,
}

impl Stage {
    /// Lets the producers do something.
    fn go_on(&mut self) {
        let (least, most) = NOTES_BETWEEN;
        self.progress(least, most);
    }

    fn progress(&mut self, least: u64, most: u64) {
        let goal = self.producers.noted_bytes() + self.random.between(least, most);
        until("progress of the producers", limits::CLIENT, || {
            (self.producers.noted_bytes() >= goal).then_some(())
        });
    }

    fn suffer(&mut self, fault: &Fault) {
        self.report.suffered.fault(fault.kind());
        match *fault {
            Fault::Kill => {
                self.node.kill();
                self.node.restart();
            }
            Fault::KillWhileStarting(after) => {
                self.node.kill();
                self.node.launch();
                std::thread::park_timeout(after);
                self.node.kill();
                self.node.restart();
            }
            Fault::CrashAt(point, nth) => self.crash_at(point, nth),
            Fault::Stop => {
                let status = self.node.stop();
                assert!(status.success(), "an orderly stop ends with {status}");
                self.node.restart();
            }
            Fault::Pause(duration) => {
                self.node.process().signal(Signal::STOP);
                std::thread::park_timeout(duration);
                self.node.process().signal(Signal::CONT);
            }
            Fault::KillProducer(draw) => self.producers.kill(draw, &mut self.random),
            Fault::PauseProducer(draw, duration) => {
                self.producers.process(draw).signal(Signal::STOP);
                std::thread::park_timeout(duration);
                self.producers.process(draw).signal(Signal::CONT);
            }
        }
    }

    fn crash_at(&mut self, point: &'static str, nth: u64) {
        self.node.kill();
        let armed = format!("{point}:{nth}");
        self.node.set_environment("LONGSHORE_CRASH_AT", Some(&armed));
        if point == WHILE_STOPPING {
            self.node.restart();
            self.go_on();
            self.node.process().signal(Signal::TERM);
        } else {
            self.node.launch();
        }
        let began = Instant::now();
        let died = until("death at a named point", limits::CLIENT, || {
            let ended = self.node.process().status().is_some();
            (ended || began.elapsed() > POINT).then_some(ended)
        });
        if died {
            self.node.died();
            self.report.suffered.point(point);
        } else {
            self.node.kill();
        }
        self.node.set_environment("LONGSHORE_CRASH_AT", None);
        self.node.restart();
    }

    /// Waits until enough was acknowledged.
    fn acknowledged_since(&mut self, ms: i64) {
        let acknowledged =
            |history: &Producers| History { units: history.units(), ..History::default() };
        while acknowledged(&self.producers).acknowledged_since(ms) < ACKNOWLEDGED_MIN {
            self.progress(20_000, 40_000);
        }
    }

    fn verdict(
        mut self,
        history: &History,
        first_fault_ms: i64,
        began: Instant,
    ) -> (Vec<Violation>, Report) {
        self.report.units = history.units.len();
        self.report.acknowledged = history.acknowledged_since(first_fault_ms);
        assert!(self.report.acknowledged >= ACKNOWLEDGED_MIN, "too little was acknowledged");
        let violations = check(history);
        self.report.took = began.elapsed();
        (violations, self.report)
    }
}
