//! The dead-letter topic: made, written before anything is committed past its records,
//! and no state of anybody's.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::errors::{ALL, COUNT, DEAD, KEEP, NO_RESTART, at};
use super::*;
use crate::kafka::TopicPartition;
use crate::worker::herder::HerderError;

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_letter_topic_is_made_as_the_configuration_says() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    let replicas = ("errors.deadletterqueue.topic.replication.factor", "2");
    house.create("it", &[&KEEP[..], &[ALL, DEAD, replicas]].concat()).await;
    house.task_is("it", 0, State::Running).await;
    until("it is made", || house.cluster.asked_for("dead").is_some()).await;
    let topic = house.cluster.asked_for("dead").unwrap();
    assert_eq!((topic.partitions, topic.replication_factor), (Some(1), Some(2)));
    // One that is there keeps what it holds.
    house.cluster.append("dead", 0, "k", "v");
    house.herder.restart("it", true, false).await.unwrap();
    until("it was opened again", || house.scene.sinks_opened.load(Ordering::SeqCst) == 2).await;
    assert_eq!(house.cluster.records("dead").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_committed_past_a_record_whose_dead_letter_is_not_written() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.cluster.create("dead", 1);
    house.append(0, &["bad", "a"]);
    *house.scene.refused.lock().unwrap() = Some("bad".to_owned());
    house.cluster.fail_sends("dead", 1);
    house.cluster.freeze("dead");
    house.create("it", &[&KEEP[..], &[ALL, DEAD]].concat()).await;
    until("it waits for the dead letter", || house.cluster.is_awaited()).await;
    house.cluster.thaw("dead");
    house.drained("it").await;
    assert_eq!(house.counters("it").errors.dead_letter_failures.load(Ordering::Relaxed), 1);
    assert_eq!(house.cluster.records("dead").len(), 1, "it was written after all");
    assert_eq!(house.cluster.committed("connect-it")[&at(0)].offset, 2);
    assert_eq!(house.sunk(), BTreeMap::from([("a".to_owned(), 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_topic_that_the_connector_reads_is_refused() {
    let house = House::new().await;
    let own = [&KEEP[..], &[("errors.deadletterqueue.topic.name", "lines")]].concat();
    let refused = house.herder.create("it", config(&own)).await;
    let Err(HerderError::BadRequest(message)) = refused else { panic!("{refused:?}") };
    assert!(message.contains("would come back"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_written_to_no_topic_with_a_workers_state() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.append(0, &["bad"]);
    *house.scene.refused.lock().unwrap() = Some("bad".to_owned());
    let before = house.cluster.records("connect-configs").len();
    let to = |topic| {
        let letters = ("errors.deadletterqueue.topic.name", topic);
        config(&[&KEEP[..], &[ALL, letters]].concat())
    };
    let refused = house.herder.create("it", to("connect-configs")).await.unwrap_err();
    assert!(refused.to_string().contains("`connect-configs` holds the state"), "{refused}");
    // A processor may come after the connector whose letters would go to its state.
    house.cluster.create("counts", 1);
    let count = [("connector.class", "count"), ("topics", "lines"), ("output.topic", "counts")];
    house.create("count", &count).await;
    house.herder.create("it", to("count-changelog")).await.unwrap();
    house.task_is("it", 0, State::Failed).await;
    let trace = house.trace("it");
    assert!(trace.contains("`count-changelog` holds state"), "{trace}");
    let written = house.cluster.records("connect-configs");
    assert!(written.len() > before && written.iter().all(|(key, _)| key != "bad"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_has_no_record_read_for_it_that_it_was_not_given() {
    let house = House::new().await;
    for topic in ["lines", "secrets"] {
        house.cluster.create(topic, 1);
    }
    house.cluster.append("secrets", 0, "k", "secret");
    *house.scene.refuses_ungiven.lock().unwrap() = Some((TopicPartition::new("secrets", 0), 0));
    house.create("it", &[&KEEP[..], &[ALL, DEAD, NO_RESTART]].concat()).await;
    let told = || house.scene.refuses_ungiven.lock().unwrap().is_none();
    until("it told of another topic's", told).await;
    house.append(0, &["a"]);
    house.drained("it").await;
    assert!(house.cluster.records("dead").is_empty());

    // Not even of its own topic, before it was given it.
    *house.scene.refuses_ungiven.lock().unwrap() = Some((at(0), 1));
    house.task_is("it", 0, State::Failed).await;
    let trace = house.trace("it");
    assert!(trace.contains("refused offset 1"), "{trace}");
    assert!(house.cluster.records("dead").is_empty());
}

/// A connector that refuses a large record between two others.
async fn large_letter(
    connector: &[(&str, &str)],
    limit: usize,
    is_told: bool,
) -> (House, Vec<BTreeMap<String, String>>) {
    let house = House::new().await;
    for topic in ["lines", "counts", "dead"] {
        house.cluster.create(topic, 1);
    }
    house.cluster.limit("dead", limit);
    if is_told {
        house.cluster.alter("dead", "max.message.bytes", &limit.to_string());
    }
    let large = "x".repeat(30_000);
    for value in ["a", &large, "b"] {
        house.cluster.append("lines", 0, "k", value);
    }
    *house.scene.refused.lock().unwrap() = Some(large);
    house.create("it", &[connector, &[ALL, DEAD, NO_RESTART]].concat()).await;
    house.drained("it").await;
    let is_sink = connector[0].1 == "keep";
    let delivered =
        if is_sink { house.sunk().len() } else { house.cluster.records("counts").len() };
    assert_eq!(delivered, 2, "the others are delivered once");
    assert!(house.counters("it").skipped.load(Ordering::Relaxed) >= 1);
    let stories = house.cluster.headers("dead");
    (house, stories)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_too_large_for_its_topic_has_its_value_cut_and_says_so() {
    for connector in [&KEEP[..], &COUNT] {
        let (house, stories) = large_letter(connector, 20_000, true).await;
        let [(_, Some(value))] = &house.cluster.records("dead")[..] else { panic!("one letter") };
        assert!((5_000..20_000).contains(&value.len()), "{}", value.len());
        let told = format!("the value is the first {} of 30000 bytes", value.len());
        assert_eq!(stories[0]["__connect.errors.cut"], told);
        assert_eq!(stories[0]["__connect.errors.exception.class.name"], "bad-row");
        let failures = &house.counters("it").errors.dead_letter_failures;
        assert_eq!(failures.load(Ordering::Relaxed), 0);
        assert!(house.cluster.epoch("fleet-it-0") <= 1, "no session was opened anew");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_its_topic_refuses_unforeseen_is_written_without_its_record() {
    for connector in [&KEEP[..], &COUNT] {
        let (house, stories) = large_letter(connector, 20_000, false).await;
        let letters = house.cluster.records("dead");
        assert_eq!(letters, [(String::new(), None)], "without the key too");
        assert!(stories[0]["__connect.errors.cut"].contains("left out"));
        assert_eq!(stories[0]["__connect.errors.offset"], "1");
        assert_eq!(stories[0]["__connect.errors.exception.class.name"], "bad-row");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_takes_no_dead_letter_at_all_stops_no_task_that_tolerates_errors() {
    for connector in [&KEEP[..], &COUNT] {
        for is_told in [true, false] {
            let (house, _) = large_letter(connector, 100, is_told).await;
            assert!(house.cluster.records("dead").is_empty());
            let errors = &house.counters("it").errors;
            assert!(errors.dead_letter_failures.load(Ordering::Relaxed) > 0);
            let state = house.herder.status("it").unwrap().tasks[0].state;
            assert_eq!(state, State::Running);
        }
    }
}

/// A source none of whose ten rows, in three polls and one transaction, is a record.
async fn torn_rows(boundary: &[(&str, &str)], limit: usize) -> House {
    let house = House::new().await;
    for topic in ["lines", "dead"] {
        house.cluster.create(topic, 1);
    }
    house.cluster.limit("dead", limit);
    *house.scene.torn.lock().unwrap() = Some(30_000);
    let rows = [("connector.class", "rows"), ("topic", "lines"), ("rows", "10")];
    house.create("it", &[&rows[..], boundary, &[ALL, DEAD, NO_RESTART]].concat()).await;
    house.drained("it").await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_with_the_letters_of_many_polls_gets_done_whatever_their_topic_refuses() {
    let all_day =
        [("transaction.boundary", "interval"), ("transaction.boundary.interval.ms", "86400000")];
    for boundary in [&all_day[..], &[("transaction.boundary", "connector")]] {
        let house = torn_rows(boundary, 20_000).await;
        let letters = house.cluster.records("dead");
        assert_eq!(letters, vec![(String::new(), None); 10], "their stories");
        let house = torn_rows(boundary, 100).await;
        assert!(house.cluster.records("dead").is_empty());
        let told = house.counters("it").errors.dead_letter_failures.load(Ordering::Relaxed);
        assert!(told >= 10, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_refused_late_are_read_again_by_one_consumer() {
    let house = House::new().await;
    house.cluster.create("lines", 2);
    for partition in 0..2 {
        house.append(partition, &["a", "bad", "b", "bad", "bad"]);
    }
    *house.scene.refused.lock().unwrap() = Some("bad".to_owned());
    house.scene.refuses_late.store(true, Ordering::SeqCst);
    let before = house.cluster.readers();
    house.create("it", &[&KEEP[..], &[("tasks.max", "2"), ALL, DEAD]].concat()).await;
    house.drained("it").await;
    assert_eq!(house.cluster.records("dead").len(), 6);
    assert_eq!(house.cluster.readers() - before, 1);
}
