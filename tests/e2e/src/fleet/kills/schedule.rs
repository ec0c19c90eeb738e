//! One schedule, from its start to the verdict.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::count::{Count, Stage};
use super::evidence::{self, Evidence, Sink};
use super::feed::Feed;
use super::plan::{self, Fault};
use super::verdict::{self, Violation};
use crate::fleet::worker::Worker;
use crate::random::Random;
use crate::schedules::{self, Scheduled, Suffered};
use crate::{limits, rest};

/// How long a named point is waited for: work that rarely comes to it must not hold
/// up the schedule.
const POINT: Duration = Duration::from_secs(6);
/// Nothing may stand still for longer than this.
const STUCK: Duration = Duration::from_secs(60);
/// The longest time from a sign of progress to the next fault, in milliseconds.
const MOMENT_MS: u64 = 400;

/// What there is to run.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Draws everything.
    pub seed: u64,
    /// Which kind of fault and which named point have their turn.
    pub number: usize,
    /// The workers' program; `None`: the binary under test.
    pub program: Option<PathBuf>,
    /// The workers' environment.
    pub environment: Vec<(&'static str, &'static str)>,
}

/// What a schedule has done.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What was done to workers and broker.
    pub suffered: Suffered,
    /// Rows that were written.
    pub rows: usize,
    /// Records of all topics.
    pub records: usize,
    /// From start to verdict.
    pub took: Duration,
}

impl schedules::Report for Report {
    fn add(&mut self, other: &Self) {
        self.suffered.add(&other.suffered);
        self.rows += other.rows;
        self.records += other.records;
        self.took += other.took;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suffered, rows, records, took } = self;
        write!(out, "{rows} rows, {records} records, {suffered}, {took:.1?}")
    }
}

impl Scheduled for Schedule {
    type Violation = Violation;
    type Report = Report;

    /// Runs the schedule, and gives what exactly-once has against it.
    ///
    /// # Panics
    /// When a process does not start or end as it should.
    fn run(&self) -> (Vec<Violation>, Report) {
        let began = Instant::now();
        let mut random = Random::seeded(self.seed);
        let faults = plan::draw(self.number, &mut random);
        println!("schedule {} of seed {}: {faults:?}", self.number, self.seed);
        let count = Count::start(self.program.as_ref(), &self.environment);
        let running = (0..count.fleet.size()).collect();
        let feed = Feed::start(count.fleet.input(), random.next_u64());
        let before = count.all_progress();
        let (report, found) = (Report::default(), Vec::new());
        let mut run = Run { count, running, feed: Some(feed), before, random, report, found };
        if let Err(stuck) = run.play(&faults) {
            run.show_processes();
            run.found.push(stuck);
        }
        run.report.took = began.elapsed();
        (run.found, run.report)
    }
}

struct Run {
    count: Count,
    /// The workers that are meant to run.
    running: Vec<usize>,
    feed: Option<Feed>,
    /// How far each stage was when the last fault was over.
    before: BTreeMap<Stage, u64>,
    random: Random,
    report: Report,
    found: Vec<Violation>,
}

impl Run {
    /// Everything up to the verdict, while records come through between any two faults
    /// and after the last.
    fn play(&mut self, faults: &[Fault]) -> Result<(), Violation> {
        for fault in faults {
            let stage = self.draw_stage();
            self.grow(stage)?;
            thread::park_timeout(Duration::from_millis(self.random.between(0, MOMENT_MS)));
            self.look_at_sink();
            self.assert_alive();
            self.report.suffered.fault(fault.kind());
            self.suffer(fault)?;
            self.before = self.count.all_progress();
            self.feed().change_files();
        }
        for stage in Stage::ALL {
            self.grow(stage)?;
        }
        self.look_at_sink();
        self.come_to_the_end()?;
        self.stop_workers();
        let evidence = Evidence::of(&self.count);
        self.report.rows = evidence.rows.len();
        let topics = [&evidence.words, &evidence.counts];
        self.report.records = evidence.lines.iter().map(Vec::len).sum::<usize>()
            + topics.into_iter().flatten().map(Vec::len).sum::<usize>();
        self.found.extend(verdict::check(&evidence));
        Ok(())
    }

    fn feed(&self) -> &Feed {
        self.feed.as_ref().expect("it is stopped at the end")
    }

    fn draw_stage(&mut self) -> Stage {
        Stage::ALL[self.random.between(0, Stage::ALL.len() as u64) as usize]
    }

    /// Waits until a stage is farther than after the last fault.
    fn grow(&self, stage: Stage) -> Result<(), Violation> {
        let what = format!("growth of {stage:?} after a fault");
        self.wait(&what, || self.count.progress(stage) > self.before[&stage])
    }

    fn wait(&self, what: &str, condition: impl Fn() -> bool) -> Result<(), Violation> {
        let began = Instant::now();
        while !condition() {
            if began.elapsed() > STUCK {
                let status = rest::get(self.count.fleet.rest(), "/connectors?expand=status");
                return Err(Violation::Stuck { what: format!("{what}: {}", status.body) });
            }
            thread::park_timeout(limits::LOOK_AGAIN);
        }
        Ok(())
    }

    /// No commit covers what is in no file, at any moment.
    fn look_at_sink(&mut self) {
        let sink = Sink::of(&self.count);
        self.found.extend(verdict::check_sink(&evidence::counts(&self.count), &sink));
    }

    /// Waits until all that was written has gone through every stage.
    fn come_to_the_end(&mut self) -> Result<(), Violation> {
        let rows = self.feed.take().expect("it is stopped once").stop();
        let arrived = || evidence::records(&self.count, "lines") >= rows as usize;
        self.wait("all rows in `lines`", arrived)?;
        for (connector, topic) in [("split", "lines"), ("count", "words"), ("write", "counts")] {
            self.wait(&format!("end of transactions in `{topic}`"), || {
                self.count.is_settled(topic)
            })?;
            let last = self.count.last(topic);
            self.wait(&format!("commit of all of `{topic}` by `{connector}`"), || {
                let committed = self.count.committed(connector, topic);
                last.iter().all(|(partition, last)| committed.get(partition) > Some(last))
            })?;
        }
        Ok(())
    }

    /// Nobody ends by itself.
    fn assert_alive(&mut self) {
        for at in &self.running {
            let status = self.count.fleet.worker(*at).process().status();
            assert!(status.is_none(), "a worker ended by itself with {status:?}");
        }
        let status = self.count.broker.process().status();
        assert!(status.is_none(), "the broker ended by itself with {status:?}");
    }

    fn show_processes(&mut self) {
        println!("{}", self.count.broker.process());
        for at in &self.running {
            println!("{}", self.count.fleet.worker(*at).process());
        }
    }

    fn stop_workers(&mut self) {
        for at in std::mem::take(&mut self.running) {
            let status = self.count.fleet.worker(at).stop();
            assert!(status.success(), "a worker that is stopped in order ends with {status}");
        }
    }

    /// The worker of a number that was drawn.
    fn pick(&self, draw: u64) -> usize {
        self.running[(draw % self.running.len() as u64) as usize]
    }

    fn worker(&mut self, draw: u64) -> &mut Worker {
        let at = self.pick(draw);
        self.count.fleet.worker(at)
    }

    fn add_worker(&mut self) {
        self.count.fleet.add(1);
        self.running.push(self.count.fleet.size() - 1);
    }

    fn suffer(&mut self, fault: &Fault) -> Result<(), Violation> {
        match *fault {
            Fault::KillWorker(draw) => {
                let worker = self.worker(draw);
                worker.kill();
                worker.restart();
            }
            Fault::ReplaceWorker(draw) => {
                let at = self.pick(draw);
                self.count.fleet.worker(at).kill();
                self.running.retain(|other| *other != at);
                self.before = self.count.all_progress();
                let stage = self.draw_stage();
                self.grow(stage)?;
                self.add_worker();
            }
            Fault::KillWorkers => {
                for at in &self.running {
                    self.count.fleet.worker(*at).kill();
                }
                self.restart(&self.running.clone());
            }
            Fault::WorkerDiesAt(draw, point, nth) => self.worker_dies_at(draw, point, nth),
            Fault::KillInTurn(draw, gap, next) => {
                let first = self.pick(draw);
                let others: Vec<_> = self.running.iter().filter(|at| **at != first).collect();
                let second = *others[(next % others.len() as u64) as usize];
                self.count.fleet.worker(first).kill();
                thread::park_timeout(gap);
                self.count.fleet.worker(second).kill();
                self.restart(&[first, second]);
            }
            Fault::StopWorker(draw) => {
                let worker = self.worker(draw);
                let status = worker.stop();
                assert!(status.success(), "an orderly stop ends with {status}");
                worker.restart();
            }
            Fault::FreezeWorker(draw, pause) => {
                let worker = self.worker(draw);
                worker.freeze();
                thread::park_timeout(pause);
                worker.thaw();
            }
            Fault::Join => self.add_worker(),
            Fault::KillBroker => self.kill_broker(),
            Fault::BrokerDiesAt(point, nth) => self.broker_dies_at(point, nth),
            Fault::FreezeBroker(pause) => {
                self.count.broker.process().signal(Signal::STOP);
                thread::park_timeout(pause);
                self.count.broker.process().signal(Signal::CONT);
            }
            Fault::KillBoth(draw) => self.kill_broker_in_turn(draw, Duration::ZERO),
            Fault::KillBrokerInTurn(draw, gap) => self.kill_broker_in_turn(draw, gap),
        }
        Ok(())
    }

    fn kill_broker(&mut self) {
        self.count.broker.kill();
        self.count.broker.restart();
    }

    fn kill_broker_in_turn(&mut self, draw: u64, gap: Duration) {
        let at = self.pick(draw);
        self.count.fleet.worker(at).kill();
        thread::park_timeout(gap);
        self.kill_broker();
        self.restart(&[at]);
    }

    /// Starts workers at the same time.
    fn restart(&mut self, workers: &[usize]) {
        for at in workers {
            self.count.fleet.worker(*at).spawn();
        }
        for at in workers {
            self.count.fleet.worker(*at).wait_ready();
        }
    }

    /// A worker is stopped, so that its tasks are free at once, and comes back to die.
    fn worker_dies_at(&mut self, draw: u64, point: &'static str, nth: u64) {
        let worker = self.worker(draw);
        let status = worker.stop();
        assert!(status.success(), "an orderly stop ends with {status}");
        worker.environment(CRASH_AT, Some(&format!("{point}:{nth}")));
        worker.spawn();
        let died = within(POINT, || worker.has_died());
        if !died {
            worker.kill();
        }
        worker.environment(CRASH_AT, None);
        worker.restart();
        self.died(point, died);
    }

    fn broker_dies_at(&mut self, point: &'static str, nth: u64) {
        let broker = &mut self.count.broker;
        broker.kill();
        broker.set_environment(CRASH_AT, Some(&format!("{point}:{nth}")));
        broker.launch();
        let died = within(POINT, || broker.process().status().is_some());
        if died {
            broker.died();
        } else {
            broker.kill();
        }
        broker.set_environment(CRASH_AT, None);
        broker.restart();
        self.died(point, died);
    }

    fn died(&mut self, point: &'static str, died: bool) {
        let point = if died { point } else { "killed before its point" };
        self.report.suffered.point(point);
    }
}

/// Names the point at which a process is to die.
const CRASH_AT: &str = "LONGSHORE_CRASH_AT";

fn within(time: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < time {
        if condition() {
            return true;
        }
        thread::park_timeout(limits::LOOK_AGAIN);
    }
    false
}
