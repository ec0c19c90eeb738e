//! Offsets that are gone, and how they are kept from going: a group without members
//! forgets what is not committed again.

use super::*;
use crate::kafka::TopicPartition;
use crate::worker::herder::TargetState;

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

const RESET: &str = "consumer.override.auto.offset.reset";

async fn keep_with_lost_position(reset: Option<&str>) -> House {
    let house = House::new().await;
    house.cluster.create("counts", 1);
    for row in ["a", "b", "c", "d", "e"] {
        house.cluster.append("counts", 0, "k", row);
    }
    let at = TopicPartition::new("counts", 0);
    house.cluster.commit_as("connect-keep", at.clone(), 1, "fleet");
    house.cluster.trim(at, 3);
    let mut keep = config(&KEEP[..2]);
    keep.extend(reset.map(|reset| (RESET.to_owned(), reset.to_owned())));
    house.herder.create("keep", keep).await.unwrap();
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_retention_took_before_they_were_read_fail_the_task() {
    let house = keep_with_lost_position(None).await;
    house.task_is("keep", 0, State::Failed).await;
    let trace = house.herder.status("keep").unwrap().tasks[0].trace.clone().unwrap();
    assert!(trace.contains("offsets 1 to 2 of counts-0") && trace.contains(RESET), "{trace}");
    assert!(house.scene.sunk.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explicit_reset_goes_on_behind_them_and_counts_them() {
    for (reset, sunk, skipped) in [("earliest", 2, 2), ("latest", 0, 4)] {
        let house = keep_with_lost_position(Some(reset)).await;
        house.drained("keep").await;
        assert_eq!(house.scene.sunk.lock().unwrap().len(), sunk, "{reset}");
        let counted = house.worker.core.connector("keep").sum(|it| &it.skipped);
        assert_eq!(counted, skipped, "{reset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_whose_offsets_are_gone_counts_nothing_twice_that_its_state_has() {
    for (guarantee, stops) in [("exactly_once_v2", true), ("at_least_once", false)] {
        let house = House::new().await;
        topics(&house.cluster);
        let count = [&COUNT[..3], &[("processing.guarantee", guarantee)]].concat();
        house.create("count", &count).await;
        house.cluster.append("lines", 0, "word", "x");
        house.drained("count").await;
        let before = house.cluster.records("counts").len();
        house.cluster.forget_group("connect-count");
        house.herder.restart("count", true, false).await.unwrap();
        if stops {
            house.task_is("count", 0, State::Failed).await;
            let trace = house.herder.status("count").unwrap().tasks[0].trace.clone().unwrap();
            assert!(trace.contains("`connect-count` has no offset"), "{trace}");
            assert_eq!(house.cluster.records("counts").len(), before);
        } else {
            // A crash before the first commit leaves the same.
            until("it reads again", || house.cluster.records("counts").len() > before).await;
        }
    }
}

/// A processor with two inputs that has read of both, one that renews its offsets so often.
async fn with_two_inputs(recommit_every: Duration) -> House {
    let set = |config: &mut WorkerConfig| config.recommit_every = recommit_every;
    let house = House::with(Memory::new(), Arc::default(), "w1:8083", set).await;
    for topic in ["lines", "more", "counts"] {
        house.cluster.create(topic, 1);
    }
    let count = [("connector.class", "count"), ("topics", "lines,more"), COUNT[2]];
    house.create("count", &count).await;
    house.cluster.append("lines", 0, "word", "x");
    house.cluster.append("more", 0, "word", "x");
    house.drained("count").await;
    house
}

#[tokio::test]
async fn what_is_quiet_is_committed_anew_whatever_comes_beside_it() {
    let house = with_two_inputs(Duration::from_secs(5)).await;
    let quiet = TopicPartition::new("more", 0);
    house.cluster.forget_offset("connect-count", &quiet);
    let committed = || house.cluster.committed("connect-count");
    until("it is there again", || committed().contains_key(&quiet)).await;
}

/// Else an input whose offset expired before the others' would be processed again.
#[tokio::test(flavor = "multi_thread")]
async fn the_offsets_of_one_state_are_all_committed_together() {
    let house = with_two_inputs(Duration::from_secs(3600)).await;
    let (busy, quiet) = (TopicPartition::new("lines", 0), TopicPartition::new("more", 0));
    house.cluster.forget_offset("connect-count", &quiet);
    house.cluster.append("lines", 0, "word", "x");
    let committed = || house.cluster.committed("connect-count");
    until("it is committed", || committed()[&busy].offset == 2).await;
    assert_eq!(committed()[&quiet].offset, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_commits_anew_what_it_begins_with() {
    let house = House::new().await;
    topics(&house.cluster);
    house.create("count", &COUNT).await;
    house.create("keep", &[&KEEP[..2], &[("tasks.max", "1")]].concat()).await;
    house.cluster.append("lines", 0, "word", "x");
    for name in ["count", "keep"] {
        house.drained(name).await;
        let group = format!("connect-{name}");
        let (had, commits) = (house.cluster.committed(&group), house.cluster.commits(&group));
        assert!(!had.is_empty());
        house.herder.restart(name, true, false).await.unwrap();
        until("they are committed", || house.cluster.commits(&group) > commits).await;
        assert_eq!(house.cluster.committed(&group), had);
    }
}

/// A paused task of Kafka Connect stays a member of its group, which forgets nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_keeps_its_offsets_and_goes_on_where_it_was() {
    let set = |config: &mut WorkerConfig| config.recommit_every = Duration::from_millis(20);
    let house = House::with(Memory::new(), Arc::default(), "w1:8083", set).await;
    topics(&house.cluster);
    house.create("count", &COUNT).await;
    house.create("keep", &KEEP).await;
    house.cluster.append("lines", 0, "word", "x");
    for name in ["count", "keep"] {
        house.drained(name).await;
        house.herder.set_target_state(name, TargetState::Paused).await.unwrap();
        house.task_is(name, 0, State::Paused).await;
        house.task_is(name, 1, State::Paused).await;
        let group = format!("connect-{name}");
        let (had, commits) = (house.cluster.committed(&group), house.cluster.commits(&group));
        until("again and again", || house.cluster.commits(&group) > commits + 5).await;
        assert_eq!(house.cluster.committed(&group), had);
    }
    house.cluster.append("lines", 0, "word", "y");
    for name in ["count", "keep"] {
        house.herder.set_target_state(name, TargetState::Started).await.unwrap();
        house.drained(name).await;
    }
    assert_eq!(house.cluster.records("counts").len(), 2);
    assert_eq!(house.scene.sunk.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_that_is_given_another_input_goes_on_with_its_state() {
    let house = House::new().await;
    topics(&house.cluster);
    house.cluster.create("more", 3);
    let mut count = config(&COUNT);
    count.insert("processing.guarantee".to_owned(), "exactly_once_v2".to_owned());
    house.herder.create("count", count.clone()).await.unwrap();
    house.cluster.append("lines", 0, "word", "x");
    house.drained("count").await;
    let before = house.cluster.records("counts").len();
    count.insert("topics".to_owned(), "more".to_owned());
    house.herder.put_config("count", count).await.unwrap();
    house.cluster.append("more", 0, "word", "x");
    until("it goes on", || house.cluster.records("counts").len() > before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_begins_at_the_end_says_where_that_was_even_in_an_empty_log() {
    let house = House::new().await;
    topics(&house.cluster);
    house.cluster.create("counts", 1);
    house.cluster.append("lines", 0, "word", "x");
    let latest = [(RESET, "latest")];
    house.create("count", &[&COUNT[..3], &latest].concat()).await;
    house.create("keep", &[&KEEP[..2], &latest].concat()).await;
    let at = |group: &str, topic: &str| {
        let committed = house.cluster.committed(group);
        committed.get(&TopicPartition::new(topic, 0)).map(|committed| committed.offset)
    };
    until("the processor is there", || at("connect-count", "lines") == Some(1)).await;
    until("the sink is there", || at("connect-keep", "counts") == Some(0)).await;
}
