//! Several workers over one cluster.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::Notify;

use super::*;
use crate::batch::Batch;
use crate::kafka::group::{Assigned, Delegate, Member};
use crate::worker::assignment::Holding;
use crate::worker::herd::Event;
use crate::worker::member::Voice;
use crate::worker::protocol::Assignment;

const ROWS: [(&str, &str); 4] =
    [("connector.class", "rows"), ("topic", "lines"), ("rows", "40"), ("tasks.max", "4")];

fn workers_of(house: &House, name: &str) -> Vec<String> {
    let status = house.herder.status(name).unwrap();
    let running = status.tasks.into_iter().filter(|task| task.state == State::Running);
    running.map(|task| task.worker_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_spread_over_the_fleet_and_come_back_when_a_worker_leaves() {
    let one = House::new().await;
    one.cluster.create("lines", 2);
    one.create("rows", &ROWS).await;
    until("all run here", || workers_of(&one, "rows") == ["w1:8083"; 4]).await;

    let two = House::over(one.cluster.clone(), one.scene.clone(), "w2:8083").await;
    until("both run two", || {
        let workers = workers_of(&one, "rows");
        workers.len() == 4 && workers.iter().filter(|worker| *worker == "w2:8083").count() == 2
    })
    .await;
    assert_eq!(two.herder.connectors(), ["rows"]);
    until("four are open", || one.scene.sources_open.load(Ordering::SeqCst) == 4).await;

    two.worker.shutdown().await;
    until("all run here again", || workers_of(&one, "rows") == ["w1:8083"; 4]).await;
    one.drained("rows").await;
    assert_eq!(one.cluster.records("lines").len(), 160, "moving repeats nothing");
    let mut takeovers = epochs(&one, "rows");
    takeovers.sort_unstable();
    assert_eq!(takeovers[..2], [1, 1], "two never moved, and nobody fenced them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_hangs_holds_up_no_other_that_moves_with_it() {
    let one = House::new().await;
    one.cluster.create("lines", 1);
    one.scene.idles.store(true, Ordering::SeqCst);
    let go_on = Arc::new(Notify::new());
    *one.scene.slow.lock().unwrap() = Some(("3".to_owned(), go_on.clone()));
    one.create("rows", &ROWS).await;
    until("the last one hangs", || one.scene.slow.lock().unwrap().is_none()).await;
    let _two = House::over(one.cluster.clone(), one.scene.clone(), "w2:8083").await;
    let moved = |task: u32| {
        let tasks = one.herder.status("rows").unwrap().tasks;
        tasks
            .iter()
            .any(|it| (it.id, it.state, &*it.worker_id) == (task, State::Running, "w2:8083"))
    };
    until("another moves alone", || moved(2)).await;
    assert!(!moved(3), "it hangs");
    go_on.notify_one();
    until("it moves too", || moved(3)).await;
}

/// How often the id of each of four tasks was taken over.
fn epochs(house: &House, name: &str) -> Vec<u64> {
    (0..4).map(|task| house.cluster.epoch(&format!("fleet-{name}-{task}"))).collect()
}

/// Two workers with two tasks each that run on, of which the second is stopped; the
/// leader waits for so long.
async fn one_of_two_is_stopped(delay: Duration) -> House {
    let set = |config: &mut WorkerConfig| config.scheduled_rebalance_max_delay = delay;
    let (cluster, scene) = (Memory::new(), Arc::<Scene>::default());
    scene.idles.store(true, Ordering::SeqCst);
    let one = House::with(cluster.clone(), scene.clone(), "w1:8083", set).await;
    one.cluster.create("lines", 2);
    let two = House::with(cluster, scene, "w2:8083", set).await;
    one.create("rows", &ROWS).await;
    until("both run two", || is_even(&one)).await;
    two.worker.shutdown().await;
    one
}

fn is_even(house: &House) -> bool {
    let workers = workers_of(house, "rows");
    workers.len() == 4 && workers.iter().filter(|worker| *worker == "w2:8083").count() == 2
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_of_a_worker_that_was_stopped_wait_for_it_and_nobody_elses_move() {
    let one = one_of_two_is_stopped(Duration::from_secs(3_600)).await;
    // Dealt out after it left, and no more than leaves the two even when it is back.
    one.create("more", &ROWS[..3]).await;
    until("another task runs", || !workers_of(&one, "more").is_empty()).await;
    until("the stopped one's wait", || {
        let tasks = one.herder.status("rows").unwrap().tasks;
        let unassigned = tasks.iter().filter(|task| task.state == State::Unassigned).count();
        unassigned == 2 && workers_of(&one, "rows") == ["w1:8083"; 2]
    })
    .await;

    let (cluster, scene) = (one.cluster.clone(), one.scene.clone());
    let two = House::over(cluster, scene, "w2:8083").await;
    until("both run two again", || is_even(&one)).await;
    let mut takeovers = epochs(&one, "rows");
    takeovers.sort_unstable();
    // The leader may not have read yet that the others were let go, and fence them.
    assert_eq!(takeovers[..2], [1, 1], "each where it was");
    drop(two);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_does_not_return_is_not_waited_for_longer_than_the_delay() {
    let one = one_of_two_is_stopped(Duration::from_millis(200)).await;
    until("all run here", || workers_of(&one, "rows") == ["w1:8083"; 4]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lost_its_membership_runs_nothing_and_another_takes_over() {
    let one = House::new().await;
    one.cluster.create("lines", 2);
    let two = House::over(one.cluster.clone(), one.scene.clone(), "w2:8083").await;
    one.create("rows", &ROWS).await;
    until("both run two", || is_even(&one)).await;
    two.cluster.lose("m2");
    until("the other runs all", || workers_of(&one, "rows") == ["w1:8083"; 4]).await;
    until("none runs twice", || one.scene.sources_open.load(Ordering::SeqCst) == 4).await;
    assert!(!two.herder.ready());
    let mut takeovers = epochs(&one, "rows");
    takeovers.sort_unstable();
    assert_eq!(takeovers, [1, 1, 3, 3], "the leader fenced the lost owner's, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_owners_late_word_about_a_task_is_not_the_last_one() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS[..3]).await;
    until("it runs", || workers_of(&house, "rows") == ["w1:8083"]).await;
    for state in ["RESTARTING", "FAILED", "UNASSIGNED"] {
        let late = format!(r#"{{"state":"{state}","worker_id":"w2:8083","generation":0}}"#);
        let mut batch = Batch::default();
        batch.push(Some(b"status-task-rows-0"), Some(late.as_bytes()), -1);
        house.cluster.write("connect-status", None, &batch);
        until(&format!("the owner's word after {state}"), || {
            let told = house.cluster.records("connect-status");
            let mut told = told.iter().filter(|(key, _)| key == "status-task-rows-0");
            let (_, last) = told.next_back().expect("it runs");
            last.as_deref().is_some_and(|it| it.contains("RUNNING") && it.contains("w1:8083"))
        })
        .await;
        assert_eq!(workers_of(&house, "rows"), ["w1:8083"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_another_fleet_does_not_start_on_the_topics_of_this_one() {
    let house = House::new().await;
    let config = WorkerConfig::new("memory", "other", "w2:8083");
    let plugins = Arc::new(Troupe(house.scene.clone()));
    let started = Worker::start(config, plugins, Arc::new(house.cluster.clone())).await;
    let refused = started.err().expect("it is refused").to_string();
    for part in ["`connect-configs`", "the fleet `fleet`", "`other`", "config.storage.topic"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

/// Compaction keeps the last claim.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_claims_its_topics_again_where_another_wrote_after_it() {
    let house = House::new().await;
    let other = r#"{"group.id":"other"}"#;
    house.cluster.append("connect-configs", 0, "longshore-fleet", other);
    house.worker.shutdown().await;
    let next = House::over(house.cluster.clone(), house.scene.clone(), "w1:8083").await;
    assert_eq!(next.cluster.claimed_by("connect-configs").as_deref(), Some("fleet"));
}

/// A newer worker, or one that is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_metadata_cannot_be_read_gets_nothing_and_the_others_all() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
    let (events, _heard) = tokio::sync::mpsc::unbounded_channel();
    let mut leader = Voice::new(house.worker.core.clone(), events);
    for unreadable in [&br#"{"version":2,"holding":{}}"#[..], br#"{"version":1}"#, b"\xff"] {
        let known = Member { member_id: "m1".into(), metadata: leader.join().await };
        let metadata = Bytes::from_static(unreadable);
        let unknown = Member { member_id: "m2".into(), metadata };
        let dealt = leader.assign(vec![known, unknown]).await.unwrap();
        let [(member, assignment)] = &dealt[..] else { panic!("{dealt:?}") };
        assert_eq!(member, "m1");
        assert_eq!(Assignment::decode(assignment).unwrap().holding.tasks.len(), 4);
    }
}

/// Nobody would give it again.
#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_waits_for_a_config_topic_that_may_not_be_read_for_a_while() {
    let house = House::new().await;
    let core = house.worker.core.clone();
    let topic = core.logs.config.topic().to_owned();
    house.cluster.forbid_reads(&topic, true);
    until("it is not followed", || core.logs.config.check_followed().is_err()).await;
    let ahead = core.logs.config.position() + 1;
    let given = Assignment::new("w9:8083", (&topic, ahead), Holding::default());
    let (events, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut voice = Voice::new(core, events);
    let (member_id, leader_id) = ("m1".to_owned(), "m9".to_owned());
    let assignment = given.encode().into();
    let mut taking = voice.assigned(Assigned { generation: 9, member_id, leader_id, assignment });
    assert!(futures::poll!(&mut taking).is_pending(), "it is not given up");
    house.cluster.append(&topic, 0, "logger-cluster-a", r#"{"level":"INFO"}"#);
    house.cluster.forbid_reads(&topic, false);
    taking.await;
    assert!(matches!(heard.recv().await, Some(Event::Assigned { is_leader: false, .. })));
}

/// Kafka's brokers hear of a new topic each on its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_starts_though_a_broker_has_not_heard_of_its_new_topics_yet() {
    let cluster = Memory::new();
    for topic in ["connect-configs", "connect-offsets", "connect-status"] {
        cluster.hears_late(topic, 3);
    }
    House::over(cluster, Arc::default(), "w1:8083").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_of_a_sink_is_never_in_two_tasks_while_it_moves() {
    let one = House::new().await;
    one.cluster.create("counts", 6);
    let keep = [("connector.class", "keep"), ("topics", "counts"), ("tasks.max", "2")];
    one.create("keep", &keep).await;
    for row in 0..60 {
        one.cluster.append("counts", row % 6, "k", "v");
    }
    let two = House::over(one.cluster.clone(), one.scene.clone(), "w2:8083").await;
    for row in 0..60 {
        one.cluster.append("counts", row % 6, "k", "v");
    }
    until("both run one", || {
        let mut workers = workers_of(&one, "keep");
        workers.sort();
        workers == ["w1:8083", "w2:8083"]
    })
    .await;
    // Whoever holds a partition is told to drain by its own worker.
    tokio::join!(one.drained("keep"), two.drained("keep"));
    let sunk = one.scene.sunk.lock().unwrap().clone();
    assert_eq!(sunk.len(), 120);
    assert!(sunk.values().all(|(_, times)| *times == 1), "moving repeats nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_a_sink_is_taking_up_is_not_free_when_it_is_taken_away() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.cluster.create("more", 1);
    let go_on = Arc::new(Notify::new());
    *house.scene.slow.lock().unwrap() = Some(("keep".to_owned(), go_on.clone()));
    house.create("keep", &[("connector.class", "keep"), ("topics", "lines,more")]).await;
    until("it is taken up", || house.scene.slow.lock().unwrap().is_none()).await;
    let core = house.worker.core.clone();
    let is_told = || {
        let told = core.told.lock().unwrap();
        let mut shares = told.holding().tasks.values().flatten();
        shares.any(|share| &*share.topic == "more")
    };
    let generation = || core.generation.load(Ordering::SeqCst);
    let before = generation();
    house.cluster.create("more", 0);
    until("it is taken away", || generation() > before).await;
    // The word of the group has come, and the herd has taken it up.
    house.cluster.set_lease("m1", true).await;
    for _ in 0..2 {
        let _ = house.herder.health().await;
    }
    assert!(is_told(), "nobody else may have it");
    go_on.notify_one();
    until("it was let go of", || !is_told()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_whose_lease_is_over_writes_nothing_when_it_goes_on() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.cluster.create("counts", 1);
    let count = [("connector.class", "count"), ("topics", "lines"), ("output.topic", "counts")];
    let keep = [("connector.class", "keep"), ("topics", "counts")];
    house.create("count", &count).await;
    house.create("keep", &keep).await;
    house.cluster.append("lines", 0, "word", "x");
    house.drained("count").await;
    house.drained("keep").await;
    let written = || {
        let committed = ["connect-count", "connect-keep"].map(|it| house.cluster.committed(it));
        let topics = ["counts", "count-changelog", "connect-offsets"];
        (topics.map(|topic| house.cluster.records(topic).len()), committed)
    };
    let before = written();

    house.cluster.set_lease("m1", false).await;
    house.cluster.append("lines", 0, "word", "x");
    // Another leads, and creates one.
    let rows = config(&[&ROWS[..3], &[("name", "rows")]].concat());
    let rows = serde_json::json!({ "properties": rows }).to_string();
    house.cluster.append("connect-configs", 0, "connector-rows", &rows);
    until("it knows of it", || house.herder.connector("rows").is_ok()).await;
    let waits = |name: &str| {
        let status = house.herder.status(name).unwrap();
        let trace = status.tasks.first().and_then(|task| task.trace.clone());
        // What cannot be planned has no tasks.
        let trace = trace.or(status.connector.trace);
        trace.is_some_and(|trace| trace.contains("no member of its group"))
    };
    for name in ["count", "rows"] {
        until("it says why it does not write", || waits(name)).await;
    }
    assert_eq!(written(), before);
    assert_eq!(house.cluster.records("lines").len(), 2, "no row was sent");
    let planned = |(key, _): &(String, Option<String>)| key == "commit-rows";
    assert!(!house.cluster.records("connect-configs").iter().any(planned));

    house.cluster.set_lease("m1", true).await;
    for name in ["rows", "count", "keep"] {
        house.drained(name).await;
    }
    assert_eq!(house.cluster.records("lines").len(), 42);
    assert!(house.cluster.records("counts").contains(&("word".to_owned(), Some("2".to_owned()))));
}
