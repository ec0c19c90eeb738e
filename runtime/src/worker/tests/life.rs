//! One worker: connectors from their creation to their end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use super::*;
use crate::kafka::{Overrides, TopicPartition};
use crate::task::error::Remedy;
use crate::worker::catch_up;
use crate::worker::clients::{Clients, Producers};
use crate::worker::compacted::CompactedLog;
use crate::worker::config::SourceSupport;
use crate::worker::herder::{Health, HerderError};

const ROWS: [(&str, &str); 4] =
    [("connector.class", "rows"), ("topic", "lines"), ("rows", "50"), ("tasks.max", "2")];
const COUNT: [(&str, &str); 4] = [
    ("connector.class", "count"),
    ("topics", "lines"),
    ("output.topic", "counts"),
    ("tasks.max", "2"),
];
const KEEP: [(&str, &str); 3] =
    [("connector.class", "keep"), ("topics", "counts"), ("tasks.max", "2")];

fn topics(cluster: &Memory) {
    cluster.create("lines", 3);
    cluster.create("counts", 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_through_a_processor_to_a_sink_and_each_stage_drains() {
    let house = House::new().await;
    topics(&house.cluster);
    house.create("rows", &ROWS).await;
    house.create("count", &COUNT).await;
    house.create("keep", &KEEP).await;
    for name in ["rows", "count", "keep"] {
        house.drained(name).await;
    }
    assert_eq!(house.cluster.records("lines").len(), 100);
    let sunk = house.scene.sunk.lock().unwrap().clone();
    assert_eq!(sunk.len(), 100);
    assert!(sunk.values().all(|(row, times)| row == "1" && *times == 1));
    let progress = house.herder.progress("count").unwrap();
    assert_eq!((progress.records_in, progress.records_out), (100, 100));
    assert!(house.herder.progress("rows").unwrap().done);
    assert_eq!(house.cluster.records("count-changelog").len(), 100);
    let committed: i64 = house.cluster.committed("connect-keep").values().map(|c| c.offset).sum();
    assert_eq!(committed, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_internal_topic_that_may_not_be_read_for_a_while_is_followed_again() {
    let house = House::new().await;
    topics(&house.cluster);
    let config = WorkerConfig::new("memory", "fleet", "w1:8083");
    for topic in [&config.config_storage, &config.offset_storage, &config.status_storage] {
        house.cluster.forbid_reads(&topic.name, true);
        let is_told = || async {
            let health = house.herder.health().await;
            matches!(health, Health::Unhealthy(why) if why.contains(&topic.name))
        };
        until_async(&format!("`{}` is told of", topic.name), is_told).await;
        // librdkafka tells an error once: silence is no sign of health.
        let told = house.cluster.refusals(&topic.name);
        until(&format!("`{}` is tried again, and again", topic.name), || {
            house.cluster.refusals(&topic.name) >= told + 2
        })
        .await;
        assert!(is_told().await, "`{}` cannot be read still", topic.name);
        assert_eq!(house.herder.alive().await, Ok(()), "a new start would not help");
        house.cluster.forbid_reads(&topic.name, false);
        let is_well = || async { house.herder.health().await == Health::Healthy };
        until_async(&format!("`{}` is read again", topic.name), is_well).await;
    }
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_could_not_be_written_are_written_later() {
    let house = House::new().await;
    topics(&house.cluster);
    let status = WorkerConfig::new("memory", "fleet", "w1:8083").status_storage.name;
    house.cluster.fail_sends(&status, 3);
    house.create("rows", &ROWS).await;
    for key in ["status-connector-rows", "status-task-rows-0", "status-task-rows-1"] {
        until(&format!("{key} is in the topic"), || {
            let records = house.cluster.records(&status);
            records.iter().any(|(found, _)| found == key)
        })
        .await;
    }
    assert!(!house.cluster.is_failing(&status), "writes failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_with_nothing_left_to_tell_sends_nothing() {
    let House { cluster, worker, .. } = House::new().await;
    let status = WorkerConfig::new("memory", "fleet", "w1:8083").status_storage.name;
    cluster.fail_sends(&status, 1);
    worker.shutdown().await;
    assert!(cluster.is_failing(&status), "the first would fail");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_worker_goes_on_where_it_was() {
    let house = House::new().await;
    topics(&house.cluster);
    for (name, config) in [("rows", &ROWS[..]), ("count", &COUNT[..]), ("keep", &KEEP[..])] {
        house.create(name, config).await;
    }
    house.drained("keep").await;
    let House { cluster, scene, worker, .. } = house;
    worker.shutdown().await;
    assert_eq!(scene.sources_open.load(Ordering::SeqCst), 0);

    let house = House::over(cluster, scene, "w1:8083").await;
    assert_eq!(house.herder.connectors(), ["count", "keep", "rows"]);
    for name in ["rows", "count"] {
        house.drained(name).await;
    }
    house.cluster.append("lines", 0, "0:7", "again");
    house.drained("count").await;
    house.drained("keep").await;
    assert_eq!(house.cluster.records("lines").len(), 101, "no row was read twice");
    let sunk = house.scene.sunk.lock().unwrap().clone();
    assert!(sunk.values().all(|(_, times)| *times == 1), "nothing was delivered twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_a_processor_outlives_its_worker() {
    let house = House::new().await;
    topics(&house.cluster);
    house.create("count", &COUNT).await;
    house.cluster.append("lines", 1, "word", "x");
    house.cluster.append("lines", 1, "word", "x");
    house.drained("count").await;
    let House { cluster, scene, worker, .. } = house;
    worker.shutdown().await;
    let house = House::over(cluster, scene, "w1:8083").await;
    house.cluster.append("lines", 1, "word", "x");
    house.drained("count").await;
    let last = house.cluster.records("counts").last().cloned();
    assert_eq!(last, Some(("word".to_owned(), Some("3".to_owned()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_refused_with_all_its_errors() {
    let house = House::new().await;
    let wrong = [("connector.class", "rows"), ("topci", "t"), ("rows", "many"), ("tasks.max", "0")];
    let error = house.herder.create("rows", config(&wrong)).await.unwrap_err();
    let HerderError::BadRequest(message) = &error else { panic!("{error:?}") };
    assert!(message.contains("3 error(s)"), "{message}");
    for part in ["did you mean `topic`", "`rows` is no number", "`tasks.max`"] {
        assert!(message.contains(part), "{message}");
    }
    let unknown = house.herder.create("x", config(&[("connector.class", "row")])).await;
    let Err(HerderError::BadRequest(message)) = unknown else { panic!() };
    assert!(message.contains("known are rows, count, keep"));
    assert!(house.herder.connectors().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_a_conflict_and_a_deleted_one_is_free() {
    let house = House::new().await;
    topics(&house.cluster);
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
    let taken = house.herder.create("rows", config(&ROWS)).await;
    assert!(matches!(taken, Err(HerderError::Conflict(_))));
    house.herder.delete("rows").await.unwrap();
    assert!(matches!(house.herder.connector("rows"), Err(HerderError::NotFound(_))));
    let open = || house.scene.sources_open.load(Ordering::SeqCst);
    until("its tasks are closed", || open() == 0).await;
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
    assert_eq!(house.cluster.records("lines").len(), 100, "its offsets outlive it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_configuration_restarts_the_tasks_with_it() {
    let house = House::new().await;
    topics(&house.cluster);
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
    let mut longer = config(&ROWS);
    longer.insert("rows".to_owned(), "60".to_owned());
    let (info, created) = house.herder.put_config("rows", longer).await.unwrap();
    assert!(!created && info.config["rows"] == "60");
    until("the new rows are there", || house.cluster.records("lines").len() == 120).await;
    house.drained("rows").await;
    assert_eq!(house.herder.task_configs("rows").unwrap()[0].1["rows"], "60");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_traps_is_reopened_and_then_its_task_is_failed_with_its_words() {
    let house = House::new().await;
    topics(&house.cluster);
    house.scene.traps.store(2, Ordering::SeqCst);
    let one = [("connector.class", "rows"), ("topic", "lines"), ("rows", "50")];
    house.create("rows", &one).await;
    house.drained("rows").await;
    assert_eq!(house.cluster.records("lines").len(), 50);

    house.scene.traps.store(u32::MAX, Ordering::SeqCst);
    house.herder.restart("rows", true, false).await.unwrap();
    house.task_is("rows", 0, State::Failed).await;
    let status = house.herder.status("rows").unwrap();
    let trace = status.tasks[0].trace.clone().unwrap();
    assert!(trace.starts_with("the guest's own last words\nIt starts again in 60 s"), "{trace}");
    assert_eq!(status.connector.state, State::Running);
    assert!(house.herder.drained("rows").await.is_err());

    house.scene.traps.store(0, Ordering::SeqCst);
    house.herder.restart_task(&status_task("rows", 0)).await.unwrap();
    house.task_is("rows", 0, State::Running).await;
    house.drained("rows").await;
}

fn status_task(connector: &str, task: u32) -> crate::worker::herder::TaskId {
    crate::worker::herder::TaskId { connector: connector.to_owned(), task }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_not_acknowledged_are_sent_again_and_never_checkpointed_before() {
    let house = House::new().await;
    topics(&house.cluster);
    house.cluster.fail_sends("lines", 3);
    let one = [("connector.class", "rows"), ("topic", "lines"), ("rows", "50")];
    house.create("rows", &one).await;
    house.drained("rows").await;
    let rows: BTreeMap<_, _> = house.cluster.records("lines").into_iter().collect();
    assert_eq!(rows.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_fails_the_task_unless_the_configuration_tolerates_it() {
    let house = House::new().await;
    house.cluster.create("counts", 1);
    *house.scene.refused.lock().unwrap() = Some("bad".to_owned());
    for row in ["a", "bad", "b"] {
        house.cluster.append("counts", 0, "k", row);
    }
    house.create("keep", &KEEP[..2]).await;
    house.task_is("keep", 0, State::Failed).await;
    let trace = house.herder.status("keep").unwrap().tasks[0].trace.clone().unwrap();
    assert!(trace.contains("`bad` is refused") && trace.contains("errors.tolerance"), "{trace}");
    assert!(house.cluster.committed("connect-keep").is_empty());

    let mut tolerant = config(&KEEP[..2]);
    tolerant.insert("errors.tolerance".to_owned(), "all".to_owned());
    house.herder.put_config("keep", tolerant).await.unwrap();
    house.task_is("keep", 0, State::Running).await;
    house.drained("keep").await;
    let committed = house.cluster.committed("connect-keep");
    assert_eq!(committed[&TopicPartition::new("counts", 0)].offset, 3);
    assert_eq!(house.scene.sunk.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_fleets_offsets_are_refused() {
    let house = House::new().await;
    house.cluster.create("counts", 1);
    let at = TopicPartition::new("counts", 0);
    house.cluster.commit_as("connect-keep", at, 1, "another-fleet");
    house.create("keep", &KEEP[..2]).await;
    house.task_is("keep", 0, State::Failed).await;
    let trace = house.herder.status("keep").unwrap().tasks[0].trace.clone().unwrap();
    assert!(trace.contains("`another-fleet`"), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_partitions_are_read_without_a_restart() {
    use crate::kafka::Admin;
    let house = House::new().await;
    house.cluster.create("counts", 1);
    house.create("keep", &KEEP).await;
    house.cluster.append("counts", 0, "k", "a");
    house.drained("keep").await;
    house.cluster.create_partitions("counts", 3).await.unwrap();
    house.cluster.append("counts", 2, "k", "b");
    house.drained("keep").await;
    assert_eq!(house.scene.sunk.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_waits_for_its_input_topic_and_says_so() {
    let house = House::new().await;
    house.create("count", &COUNT).await;
    let waits = || {
        let connector = house.herder.status("count").unwrap().connector;
        connector.trace.is_some_and(|trace| trace.contains("`lines` does not exist"))
    };
    until("it says why it waits", waits).await;
    topics(&house.cluster);
    house.task_is("count", 1, State::Running).await;
    assert_eq!(house.herder.status("count").unwrap().connector.state, State::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_are_not_partitioned_alike_are_refused() {
    let house = House::new().await;
    house.cluster.create("lines", 3);
    house.cluster.create("more", 2);
    let mut uneven = config(&COUNT);
    uneven.insert("topics".to_owned(), "lines,more".to_owned());
    house.herder.create("count", uneven).await.unwrap();
    let failed = || house.herder.status("count").unwrap().connector.state == State::Failed;
    until("it is failed", failed).await;
    let trace = house.herder.status("count").unwrap().connector.trace.unwrap();
    assert!(trace.contains("`more` has 2") && trace.contains("`lines` has 3"), "{trace}");
}

/// What was logged.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_secret_in_clear_is_warned_of_by_its_name_alone() {
    let house = House::new().await;
    topics(&house.cluster);
    let told = Told::default();
    let writer = told.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let logged = tracing::subscriber::set_default(log.finish());
    house.create("rows", &[&ROWS[..], &[("producer.override.client.id", "plain")]].concat()).await;
    let secret = [("connector.class", "keep"), ("topics", "counts"), ("api.token", "hunter2")];
    // Whether there is such an option is another question.
    let _ = house.herder.create("keep", config(&secret)).await;
    drop(logged);
    let told = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
    let warned: Vec<_> = told.lines().filter(|line| line.contains("in clear")).collect();
    assert!(warned.len() == 1 && warned[0].contains("WARN"), "{told}");
    assert!(warned[0].contains("`api.token`") && warned[0].contains("as a reference"), "{told}");
    assert!(!told.contains("hunter2") && !told.contains("`producer.override"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_internal_topic_that_would_lose_records_is_refused() {
    let config = WorkerConfig::new("memory", "fleet", "w1:8083");
    let plugins = Arc::new(Troupe(Arc::default()));
    for (topic, partitions) in
        [("connect-configs", 1), ("connect-offsets", 5), ("connect-status", 2)]
    {
        for policy in ["delete", "compact,delete"] {
            let cluster = Memory::new();
            cluster.create(topic, partitions);
            cluster.alter(topic, "cleanup.policy", policy);
            let refused = Worker::start(config.clone(), plugins.clone(), Arc::new(cluster)).await;
            let error = refused.err().expect("refused").to_string();
            let told = format!("`{topic}` has cleanup.policy={policy}");
            assert!(error.contains(&told) && error.contains("alter the topic"), "{error}");
        }
    }

    let cluster = Memory::new();
    cluster.create("connect-configs", 2);
    cluster.alter("connect-configs", "cleanup.policy", "compact");
    let refused = Worker::start(config, plugins, Arc::new(cluster)).await;
    let error = refused.err().expect("refused").to_string();
    assert!(error.contains("connect-configs") && error.contains("2 partitions"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_pipeline_left_does_not_start_again() {
    let house = House::new().await;
    topics(&house.cluster);
    house.create("rows", &ROWS).await;
    house.create("keep", &KEEP).await;
    house.drained("rows").await;
    let House { cluster, scene, worker, herder } = house;
    let kept = herder.connector("keep").unwrap().config;
    let mut changed = herder.connector("rows").unwrap().config;
    changed.insert("rows".to_owned(), "60".to_owned());
    drop(herder);
    worker.shutdown().await;

    let only = BTreeMap::from([("keep".to_owned(), kept), ("rows".to_owned(), changed.clone())]);
    let house = House::with(cluster, scene, "w1:8083", |config| config.only = Some(only)).await;
    assert_eq!(house.herder.connectors(), ["keep"]);
    house.herder.put_config("rows", changed).await.unwrap();
    house.drained("rows").await;
    assert_eq!(house.cluster.records("lines").len(), 120, "its checkpoints are still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_create_one_name_at_once_one_succeeds() {
    let house = House::new().await;
    topics(&house.cluster);
    let create = || house.herder.create("rows", config(&ROWS));
    let answers = futures::future::join_all((0..8).map(|_| create())).await;
    let (created, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(created.len(), 1);
    assert!(refused.iter().all(|answer| matches!(answer, Err(HerderError::Conflict(_)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_whose_state_could_have_no_topic_is_refused() {
    let house = House::new().await;
    topics(&house.cluster);
    let refused = house.herder.create("a b", config(&COUNT)).await;
    let Err(HerderError::BadRequest(message)) = refused else { panic!("{refused:?}") };
    assert!(message.contains("`a b-changelog`"), "{message}");
    house.create("a b rows", &ROWS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_whose_inputs_grew_says_what_to_do() {
    let house = House::new().await;
    topics(&house.cluster);
    house.create("count", &COUNT).await;
    house.cluster.append("lines", 1, "word", "x");
    house.drained("count").await;
    use crate::kafka::Admin as _;
    house.cluster.create_partitions("lines", 4).await.unwrap();
    until("its tasks fail", || {
        let status = house.herder.status("count").unwrap();
        status.tasks.iter().any(|task| task.state == State::Failed)
    })
    .await;
    house.herder.restart("count", true, false).await.unwrap();
    until("the connector says why", || {
        let trace = house.herder.status("count").unwrap().connector.trace.unwrap_or_default();
        trace.contains("4 partitions") && trace.contains("delete `count-changelog`")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_writes_where_its_configuration_does_not_say_is_stopped() {
    let house = House::new().await;
    topics(&house.cluster);
    house.cluster.create("others", 1);
    house.create("count", &COUNT).await;
    let strays = ["others", "connect-configs", "__consumer_offsets", "count-changelog"];
    for (number, stray) in strays.into_iter().enumerate() {
        let name = format!("rows{number}");
        *house.scene.stray.lock().unwrap() = Some(stray.to_owned());
        // The name is given on purpose: that does not help a topic with state.
        let named = ("topic", if stray == "others" { "lines" } else { stray });
        let rows = [("connector.class", "rows"), named, ("rows", "5")];
        house.create(&name, &rows).await;
        house.task_is(&name, 0, State::Failed).await;
        let trace = house.herder.status(&name).unwrap().tasks[0].trace.clone().unwrap();
        assert!(trace.contains(stray), "{trace}");
        let rows_there = house.cluster.records(stray).iter().any(|(key, _)| key == "0:0");
        assert!(!rows_there, "{stray} has the plugin's records");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_no_changelog_because_a_sink_has_the_first_part_of_its_name() {
    let house = House::new().await;
    topics(&house.cluster);
    house.cluster.create("keep-changelog", 1);
    house.create("keep", &KEEP).await;
    let rows = [("connector.class", "rows"), ("topic", "keep-changelog"), ("rows", "5")];
    house.create("rows", &rows).await;
    house.drained("rows").await;
    assert_eq!(house.cluster.records("keep-changelog").len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_worker_fails_one_task_and_does_not_hang_its_shutdown() {
    let house = House::new().await;
    topics(&house.cluster);
    house.scene.panics.store(1, Ordering::SeqCst);
    house.create("rows", &[("connector.class", "rows"), ("topic", "lines"), ("rows", "5")]).await;
    house.task_is("rows", 0, State::Failed).await;
    let trace = house.herder.status("rows").unwrap().tasks[0].trace.clone().unwrap();
    assert!(trace.contains("a bug of the worker"), "{trace}");
    house.herder.restart_task(&status_task("rows", 0)).await.unwrap();
    house.task_is("rows", 0, State::Running).await;
    house.drained("rows").await;
    house.scene.panics.store(1, Ordering::SeqCst);
    house.herder.restart("rows", true, false).await.unwrap();
    house.task_is("rows", 0, State::Failed).await;
    tokio::time::timeout(DEADLINE, house.worker.shutdown()).await.expect("it ends in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_anew_under_a_processor_fails_it() {
    let house = House::new().await;
    topics(&house.cluster);
    let at = TopicPartition::new("lines", 0);
    house.cluster.commit_as("connect-count", at, 100, "fleet");
    house.cluster.append("lines", 0, "word", "x");
    house.create("count", &COUNT[..3]).await;
    house.task_is("count", 0, State::Failed).await;
    let trace = house.herder.status("count").unwrap().tasks[0].trace.clone().unwrap();
    assert!(trace.contains("offset 100 of lines-0") && trace.contains("made anew"), "{trace}");
    assert!(house.cluster.records("counts").is_empty());
}

/// The checkpoints' topic, each partition with a transaction open at its end.
fn hold_back_checkpoints(cluster: &Memory) {
    for partition in 0..5 {
        cluster.hold_back(TopicPartition::new("connect-offsets", partition), "pay-1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_waits_for_anothers_open_transaction_stops_when_it_is_told_to() {
    let house = House::new().await;
    topics(&house.cluster);
    hold_back_checkpoints(&house.cluster);
    house.create("rows", &ROWS).await;
    house.task_is("rows", 0, State::Running).await;
    let stopped = tokio::time::timeout(DEADLINE, house.worker.shutdown()).await;
    assert!(stopped.is_ok(), "it waits for ever");
    assert!(house.cluster.records("lines").is_empty(), "it began without its checkpoints");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_says_whose_open_transaction_it_waits_for_and_does_not_wait_for_ever() {
    let house = House::new().await;
    let partitions = 5;
    let producers = Arc::new(Producers::new(Arc::new(house.cluster.clone())));
    let consumer = house.cluster.consumer(None, &Overrides::new()).unwrap().share();
    let log = CompactedLog::open("connect-offsets", partitions, producers, consumer, |_| ());
    let log = log.await.unwrap();
    let admin = house.cluster.admin();
    let read = async |patience| {
        let reading = catch_up::read_to_end(&log, &*admin, "rows-0", patience);
        tokio::time::timeout(DEADLINE, reading).await.expect("it ends")
    };
    read(DEADLINE).await.unwrap();
    hold_back_checkpoints(&house.cluster);
    let error = read(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.remedy, Remedy::Retry { after: None });
    for said in ["`pay-1` on connect-offsets-3 since offset 0", "longshore txn hanging --topic"] {
        assert!(error.message.contains(said), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_must_be_exactly_once_does_not_start_on_a_worker_that_no_longer_is() {
    let house = House::new().await;
    topics(&house.cluster);
    let required = [("exactly.once.support", "required")];
    house.create("rows", &[&ROWS[..], &required].concat()).await;
    house.drained("rows").await;
    let House { cluster, scene, worker, .. } = house;
    worker.shutdown().await;

    let house = House::with(cluster, scene, "w1:8083", |config| {
        config.exactly_once_sources = SourceSupport::Preparing;
    })
    .await;
    house.task_is("rows", 0, State::Failed).await;
    let trace = house.herder.status("rows").unwrap().tasks[0].trace.clone().unwrap();
    assert!(trace.contains("`exactly.once.support` is `required`"), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_was_aborted_is_not_restored_however_the_inputs_are_read() {
    let house = House::new().await;
    topics(&house.cluster);
    house.cluster.create("count-changelog", 3);
    house.cluster.alter("count-changelog", "cleanup.policy", "compact");
    house.cluster.append("count-changelog", 0, "word", "5");
    house.cluster.append_aborted("count-changelog", 0, "word", "100");
    house.cluster.append("lines", 0, "word", "x");
    house.cluster.append_aborted("lines", 0, "word", "x");
    let dirty = [
        ("processing.guarantee", "at_least_once"),
        ("consumer.override.isolation.level", "read_uncommitted"),
    ];
    house.create("count", &[&COUNT[..], &dirty].concat()).await;
    house.drained("count").await;
    let counts = house.cluster.records("counts");
    let word = |count: &str| ("word".to_owned(), Some(count.to_owned()));
    assert_eq!(counts, [word("6"), word("7")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_that_finds_the_end_again_commits_nothing() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.cluster.create("counts", 1);
    house.cluster.append("lines", 0, "word", "x");
    house.create("count", &COUNT).await;
    // Each record is read after the end that was told of behind the one before.
    for records in 1..=2 {
        if records > 1 {
            house.cluster.append("lines", 0, "word", "x");
        }
        house.drained("count").await;
        assert_eq!(house.cluster.commits("connect-count"), records);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_polls_of_an_interval_are_one_transaction_and_the_last_ones_are_not_left_open() {
    let house = House::new().await;
    topics(&house.cluster);
    let all_day =
        [("transaction.boundary", "interval"), ("transaction.boundary.interval.ms", "86400000")];
    house.create("rows", &[&ROWS[..], &all_day].concat()).await;
    house.drained("rows").await;
    assert_eq!(house.cluster.records("lines").len(), 100);
    // Each task's fifty rows were 13 polls, and its last checkpoint is the only one.
    assert_eq!(house.cluster.records("connect-offsets").len(), 2);
    assert!(
        house
            .cluster
            .records("connect-offsets")
            .iter()
            .all(|(_, value)| { value.as_deref() == Some(r#"{"row":50}"#) })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_that_is_over_is_committed_though_no_poll_brings_anything_more() {
    let house = House::new().await;
    topics(&house.cluster);
    house.scene.idles.store(true, Ordering::SeqCst);
    let short = [("transaction.boundary", "interval"), ("transaction.boundary.interval.ms", "50")];
    house.create("rows", &[&ROWS[..], &short].concat()).await;
    until("all is committed", || house.cluster.records("lines").len() == 100).await;
    assert!(!house.herder.progress("rows").unwrap().done);
    until("so are both checkpoints", || house.cluster.records("connect-offsets").len() >= 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_interval_had_when_its_plugin_failed_is_read_again_and_never_seen_twice() {
    let house = House::new().await;
    topics(&house.cluster);
    house.scene.idles.store(true, Ordering::SeqCst);
    let all_day =
        [("transaction.boundary", "interval"), ("transaction.boundary.interval.ms", "86400000")];
    house.create("rows", &[&ROWS[..], &all_day].concat()).await;
    until("all is sent", || house.cluster.sent("lines") == 100).await;
    house.scene.traps.store(2, Ordering::SeqCst);
    until("it trapped twice", || house.scene.traps.load(Ordering::SeqCst) == 0).await;
    house.scene.idles.store(false, Ordering::SeqCst);
    house.drained("rows").await;
    assert_eq!(house.cluster.records("lines").len(), 100);
}
