//! What fails, and what becomes of it: poison records at each stage under each
//! tolerance, faults that pass, restarts, and what sinks promise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::*;
use crate::kafka::TopicPartition;
use crate::task::counters::Counters;
use crate::task::failures::Stage;
use crate::worker::herder::TargetState;

const ROWS: [(&str, &str); 3] = [("connector.class", "rows"), ("topic", "lines"), ("rows", "10")];
pub(super) const COUNT: [(&str, &str); 3] =
    [("connector.class", "count"), ("topics", "lines"), ("output.topic", "counts")];
pub(super) const KEEP: [(&str, &str); 2] = [("connector.class", "keep"), ("topics", "lines")];

pub(super) const ALL: (&str, &str) = ("errors.tolerance", "all");
pub(super) const DEAD: (&str, &str) = ("errors.deadletterqueue.topic.name", "dead");
/// Nothing restarts in these tests unless it is asked to.
pub(super) const NO_RESTART: (&str, &str) = ("errors.restart.max", "0");

impl House {
    pub(super) fn trace(&self, name: &str) -> String {
        let status = self.herder.status(name).unwrap();
        status.tasks[0].trace.clone().unwrap_or_default()
    }

    pub(super) fn counters(&self, name: &str) -> Arc<Counters> {
        self.worker.core.connector(name).task(0).counters.clone()
    }

    /// Values of what the sink was given, with how often.
    pub(super) fn sunk(&self) -> BTreeMap<String, u32> {
        self.scene.sunk.lock().unwrap().values().cloned().collect()
    }

    pub(super) fn append(&self, partition: usize, rows: &[&str]) {
        for row in rows {
            self.cluster.append("lines", partition, row, row);
        }
    }
}

pub(super) fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("lines", partition)
}

fn texts(rows: &[&str]) -> BTreeSet<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

/// Where a record is poison, and what of the others is there in the end.
struct Poison {
    stage: Stage,
    late: bool,
    connector: &'static [(&'static str, &'static str)],
    row: &'static str,
}

const POISONS: [Poison; 7] = [
    Poison { stage: Stage::TaskPoll, late: false, connector: &ROWS, row: "0:5" },
    Poison { stage: Stage::TaskProcess, late: false, connector: &COUNT, row: "0:5" },
    Poison { stage: Stage::KeyConverter, late: false, connector: &KEEP, row: "0:5" },
    Poison { stage: Stage::ValueConverter, late: false, connector: &KEEP, row: "0:5" },
    Poison { stage: Stage::HeaderConverter, late: false, connector: &KEEP, row: "0:5" },
    Poison { stage: Stage::TaskPut, late: false, connector: &KEEP, row: "0:5" },
    Poison { stage: Stage::TaskPut, late: true, connector: &KEEP, row: "0:5" },
];

impl Poison {
    async fn house(&self, errors: &[(&str, &str)]) -> House {
        let house = House::new().await;
        for topic in ["lines", "counts"] {
            house.cluster.create(topic, 1);
        }
        if self.stage != Stage::TaskPoll {
            house.append(0, &["0:1", "0:2", "0:5", "0:6"]);
        }
        *house.scene.refused.lock().unwrap() = Some(self.row.to_owned());
        *house.scene.refused_at.lock().unwrap() = Some(self.stage);
        house.scene.refuses_late.store(self.late, Ordering::SeqCst);
        house.create("it", &[self.connector, &[NO_RESTART], errors].concat()).await;
        house
    }

    /// How many records came out of it.
    fn delivered(&self, house: &House) -> usize {
        match self.stage {
            Stage::TaskPoll => house.cluster.records("lines").len(),
            Stage::TaskProcess => house.cluster.records("counts").len(),
            _ => house.sunk().len(),
        }
    }

    fn others(&self) -> usize {
        if self.stage == Stage::TaskPoll { 9 } else { 3 }
    }

    /// The connector goes on past the record, and says so.
    async fn is_passed_over(&self, house: &House) {
        house.drained("it").await;
        assert_eq!(self.delivered(house), self.others(), "{:?}", self.stage);
        let counters = house.counters("it");
        assert_eq!(counters.skipped.load(Ordering::Relaxed), 1);
        assert_eq!(counters.errors.record_errors.load(Ordering::Relaxed), 1);
        assert!(counters.errors.last_error_timestamp.load(Ordering::Relaxed) > 0);
    }

    async fn fails(&self, house: &House) {
        // A sink says late what it refuses once it is asked to finish.
        if self.late {
            let _ = house.herder.drained("it").await;
        }
        house.task_is("it", 0, State::Failed).await;
        let trace = house.trace("it");
        assert!(trace.contains("`0:5` is refused") && trace.contains(ALL.0), "{trace}");
        assert_eq!(house.counters("it").skipped.load(Ordering::Relaxed), 0);
        assert!(self.delivered(house) <= self.others());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_record_at_any_stage_stops_the_task_or_is_passed_over_as_its_tolerance_says() {
    for stage in Stage::ALL {
        assert!(POISONS.iter().any(|poison| poison.stage == stage), "{stage:?}");
    }
    for poison in &POISONS {
        let house = poison.house(&[]).await;
        poison.fails(&house).await;

        // Where it is, a restart would put it there again.
        let house = poison.house(&[DEAD]).await;
        poison.fails(&house).await;
        assert!(house.cluster.records("dead").is_empty(), "{:?}", poison.stage);

        let house = poison.house(&[ALL]).await;
        poison.is_passed_over(&house).await;
        assert!(house.cluster.asked_for("dead").is_none());

        let house = poison.house(&[ALL, DEAD]).await;
        poison.is_passed_over(&house).await;
        let letters: Vec<_> =
            house.cluster.records("dead").into_iter().map(|(_, value)| value).collect();
        assert_eq!(letters, [Some("0:5".to_owned())], "{:?}", poison.stage);
        let errors = &house.counters("it").errors;
        assert_eq!(errors.dead_letter_requests.load(Ordering::Relaxed), 1);
        assert_eq!(errors.dead_letter_failures.load(Ordering::Relaxed), 0);
        let story = &house.cluster.headers("dead")[0];
        let told = |name: &str| story[&format!("__connect.errors.{name}")].as_str();
        assert_eq!(told("stage"), poison.stage.name());
        assert_eq!((told("connector.name"), told("task.id")), ("it", "0"));
        assert_eq!(told("exception.class.name"), "bad-row");
        assert_eq!(told("exception.message"), "`0:5` is refused");
        let class = poison.connector[0].1;
        assert_eq!(told("plugin.digest"), format!("digest-of-{class}"));
        let config = house.herder.connector("it").unwrap().config;
        assert_eq!(told("config.version"), crate::worker::records::config_digest(&config));
        if poison.stage != Stage::TaskPoll {
            assert_eq!((told("topic"), told("partition"), told("offset")), ("lines", "0", "2"));
        }
        // What a transaction holds is sent in it.
        let transactional = matches!(poison.stage, Stage::TaskPoll | Stage::TaskProcess);
        assert_eq!(house.cluster.sent("dead"), usize::from(transactional));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_may_pass_pauses_its_partition_and_no_other() {
    let house = House::new().await;
    house.cluster.create("lines", 2);
    house.scene.faults.lock().unwrap().insert(at(0), u32::MAX);
    house.append(0, &["a", "b", "c", "d", "e"]);
    house.append(1, &["v", "w"]);
    house.create("it", &KEEP).await;
    let errors = || house.counters("it");
    until("it is tried again", || errors().errors.retries.load(Ordering::Relaxed) > 3).await;
    house.append(1, &["x", "y", "z"]);
    until("the other is read", || errors().records_in.load(Ordering::Relaxed) == 3 + 5).await;
    assert_eq!(house.herder.status("it").unwrap().tasks[0].state, State::Running);
    assert_eq!(house.trace("it"), "lines-0 waits: the system is down", "it does not hide it");
    assert!(house.sunk().is_empty(), "nobody asked it to finish");

    house.scene.faults.lock().unwrap().clear();
    house.drained("it").await;
    let rows = ["a", "b", "c", "d", "e", "v", "w", "x", "y", "z"];
    assert_eq!(house.sunk().into_keys().collect::<BTreeSet<_>>(), texts(&rows));
    assert!(house.sunk().values().all(|times| *times == 1), "what was not applied is put once");
    assert_eq!(house.scene.sinks_opened.load(Ordering::SeqCst), 1, "its instance lives on");
    assert_eq!(house.trace("it"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_in_trouble_does_not_hold_up_its_tasks_end() {
    let house = House::new().await;
    house.cluster.create("lines", 2);
    house.scene.faults.lock().unwrap().insert(at(0), u32::MAX);
    house.append(0, &["a"]);
    house.append(1, &["b"]);
    house.create("it", &KEEP).await;
    let errors = || house.counters("it");
    until("it is tried again", || errors().errors.retries.load(Ordering::Relaxed) > 1).await;
    until("the other is read", || errors().records_in.load(Ordering::Relaxed) == 2).await;
    house.herder.set_target_state("it", TargetState::Paused).await.unwrap();
    house.task_is("it", 0, State::Paused).await;
    let committed = house.cluster.committed("connect-it");
    assert_eq!(committed[&at(1)].offset, 1);
    assert!(!committed.contains_key(&at(0)), "it was not delivered");
}

/// As the file sink does: it goes on there when the records are put again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_sink_took_of_records_before_their_fault_may_become_durable() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.scene.faults.lock().unwrap().insert(at(0), u32::MAX);
    house.scene.faults_partly.store(true, Ordering::SeqCst);
    house.append(0, &["a", "b"]);
    house.create("it", &[&KEEP[..], &[NO_RESTART]].concat()).await;
    let errors = || house.counters("it");
    until("it is tried again", || errors().errors.retries.load(Ordering::Relaxed) > 1).await;
    house.herder.set_target_state("it", TargetState::Paused).await.unwrap();
    house.task_is("it", 0, State::Paused).await;
    assert_eq!(house.cluster.committed("connect-it")[&at(0)].offset, 1);
    assert_eq!(house.sunk(), BTreeMap::from([("a".to_owned(), 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_partition_is_read_no_further_until_it_is_not() {
    let house = House::new().await;
    house.cluster.create("lines", 2);
    house.scene.stalled.lock().unwrap().insert(at(0));
    house.create("it", &KEEP).await;
    let errors = || house.counters("it");
    until("it is told", || errors().errors.retries.load(Ordering::Relaxed) > 0).await;
    house.append(0, &["a"]);
    house.append(1, &["b"]);
    until("the other is read", || errors().records_in.load(Ordering::Relaxed) > 0).await;
    let told = errors().errors.retries.load(Ordering::Relaxed);
    until("it is told again", || errors().errors.retries.load(Ordering::Relaxed) > told).await;
    assert_eq!(errors().records_in.load(Ordering::Relaxed), 1);
    house.scene.stalled.lock().unwrap().clear();
    house.drained("it").await;
    assert_eq!(house.sunk().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_tried_again_for_no_longer_than_the_retry_timeout() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.scene.faults.lock().unwrap().insert(at(0), u32::MAX);
    house.append(0, &["a"]);
    let timeout = ("errors.retry.timeout", "30");
    house.create("it", &[&KEEP[..], &[timeout, NO_RESTART]].concat()).await;
    house.task_is("it", 0, State::Failed).await;
    let trace = house.trace("it");
    assert!(trace.contains("lines-0: the system is down"), "{trace}");
    assert!(house.counters("it").errors.retries.load(Ordering::Relaxed) > 0);
}

/// As in Kafka Connect, where the time is an operation's.
#[tokio::test(flavor = "multi_thread")]
async fn the_retry_timeout_counts_from_the_first_failure_of_a_call_and_not_from_one_long_ago() {
    const TIMEOUT: Duration = Duration::from_millis(600);
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.scene.idles.store(true, Ordering::SeqCst);
    let timeout = ("errors.retry.timeout", "600");
    house.create("it", &[&ROWS[..], &[timeout, NO_RESTART]].concat()).await;
    until("all is read", || house.cluster.records("lines").len() == 10).await;
    let polls = || house.scene.polls.load(Ordering::SeqCst);
    for _ in 0..2 {
        house.scene.poll_faults.store(1, Ordering::SeqCst);
        until("a poll failed", || house.scene.poll_faults.load(Ordering::SeqCst) == 0).await;
        // It has nothing to read, so nothing becomes durable.
        let (failed, answered) = (std::time::Instant::now(), polls());
        until("it is asked again", || polls() > answered).await;
        until("hours pass", || failed.elapsed() > TIMEOUT).await;
    }
    assert_eq!(house.herder.status("it").unwrap().tasks[0].state, State::Running);
    house.scene.poll_faults.store(u32::MAX, Ordering::SeqCst);
    house.task_is("it", 0, State::Failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processors_fault_keeps_its_records_waiting_and_its_instance() {
    let house = House::new().await;
    house.cluster.create("lines", 2);
    house.cluster.create("counts", 2);
    house.scene.processor_faults.store(3, Ordering::SeqCst);
    house.create("it", &COUNT).await;
    house.append(0, &["a", "b"]);
    house.append(1, &["c"]);
    house.drained("it").await;
    assert_eq!(house.trace("it"), "");
    assert_eq!(house.cluster.records("counts").len(), 3);
    assert_eq!(house.counters("it").errors.retries.load(Ordering::Relaxed), 3);
    assert_eq!(house.cluster.epoch("fleet-it-0"), 1, "no session was opened anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_starts_again_by_itself_and_says_when() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    *house.scene.stray.lock().unwrap() = Some("elsewhere".to_owned());
    let soon = ("errors.restart.delay.ms", "300");
    house.create("it", &[&ROWS[..], &[soon]].concat()).await;
    house.task_is("it", 0, State::Failed).await;
    let trace = house.trace("it");
    assert!(trace.contains("`elsewhere`") && trace.contains("in a row"), "{trace}");
    until("it failed again", || house.trace("it").contains("for time 2 in a row")).await;
    *house.scene.stray.lock().unwrap() = None;
    house.task_is("it", 0, State::Running).await;
    house.drained("it").await;
    assert_eq!(house.cluster.records("lines").len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_could_not_be_planned_is_planned_again_by_itself() {
    let house = House::new().await;
    for (topic, partitions) in [("lines", 3), ("more", 2), ("counts", 1)] {
        house.cluster.create(topic, partitions);
    }
    let mut uneven = config(&COUNT);
    uneven.insert("topics".to_owned(), "lines,more".to_owned());
    uneven.insert("errors.restart.delay.ms".to_owned(), "50".to_owned());
    house.herder.create("it", uneven).await.unwrap();
    let connector = || house.herder.status("it").unwrap().connector;
    until("it failed twice", || {
        let trace = connector().trace.unwrap_or_default();
        trace.contains("`more` has 2") && trace.contains("for time 2 in a row")
    })
    .await;
    house.cluster.create("more", 3);
    house.task_is("it", 0, State::Running).await;
    until("it says so", || connector().state == State::Running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_with_more_tasks_than_workers_can_keep_fails_and_says_so() {
    let house = House::new().await;
    let many: Vec<String> = (0..800).map(|number| format!("lines-{number}")).collect();
    let long = [("topics", many.join(",")), ("tasks.max", "10000".to_owned())];
    for connector in [&COUNT[..], &KEEP] {
        let (name, mut config) = (connector[0].1, config(&[connector, &[NO_RESTART]].concat()));
        config.extend(long.clone().map(|(option, value)| (option.to_owned(), value)));
        house.herder.create(name, config).await.unwrap();
        let told = || house.herder.status(name).unwrap().connector;
        until("it fails", || told().state == State::Failed).await;
        let trace = told().trace.unwrap_or_default();
        assert!(trace.contains("10000 tasks") && trace.contains("`tasks.max`"), "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_stays_failed_where_the_configuration_says_so() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    *house.scene.stray.lock().unwrap() = Some("elsewhere".to_owned());
    let soon = ("errors.restart.delay.ms", "0");
    house.create("it", &[&ROWS[..], &[soon, ("errors.restart.max", "2")]].concat()).await;
    until("it is given up", || {
        let status = house.herder.status("it").unwrap();
        let task = status.tasks.first();
        task.is_some_and(|task| {
            let trace = task.trace.as_deref().unwrap_or_default();
            task.state == State::Failed && !trace.contains("starts again")
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_at_most_once_commits_first_and_repeats_nothing() {
    for (guarantee, delivered) in [("at_most_once", &["d"][..]), ("at_least_once", &["a", "d"])] {
        let house = House::new().await;
        house.cluster.create("lines", 1);
        house.scene.put_traps.store(1, Ordering::SeqCst);
        house.append(0, &["a"]);
        house.create("it", &[&KEEP[..], &[("processing.guarantee", guarantee)]].concat()).await;
        let opened = || house.scene.sinks_opened.load(Ordering::SeqCst);
        until("it was opened again", || opened() == 2).await;
        if guarantee == "at_most_once" {
            assert_eq!(house.cluster.committed("connect-it")[&at(0)].offset, 1);
        }
        house.append(0, &["d"]);
        let read = || house.counters("it").records_in.load(Ordering::Relaxed);
        until("all is read", || read() == 1 + delivered.len() as u64).await;
        house.worker.shutdown().await;
        let sunk = house.scene.sunk.lock().unwrap().clone();
        let rows: BTreeSet<_> = sunk.into_values().map(|(row, _)| row).collect();
        assert_eq!(rows, texts(delivered), "{guarantee}");
        assert_eq!(house.cluster.committed("connect-it")[&at(0)].offset, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sink_that_is_at_most_once_could_not_take_is_counted() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.scene.faults.lock().unwrap().insert(at(0), u32::MAX);
    house.append(0, &["a", "b"]);
    let at_most_once = ("processing.guarantee", "at_most_once");
    house.create("it", &[&KEEP[..], &[at_most_once]].concat()).await;
    let counters = house.counters("it");
    until("it is tried again", || counters.errors.retries.load(Ordering::Relaxed) > 1).await;
    house.herder.set_target_state("it", TargetState::Paused).await.unwrap();
    house.task_is("it", 0, State::Paused).await;
    assert_eq!(counters.skipped.load(Ordering::Relaxed), 2);
    assert_eq!(house.cluster.committed("connect-it")[&at(0)].offset, 2);
}
