//! What one transaction of a source holds: the polls of an interval, or as much as its
//! plugin says.

use std::sync::atomic::Ordering;

use super::errors::{ALL, DEAD};
use super::*;
use crate::task::plugin::TransactionEnd::{Abort, Commit};
use crate::worker::herder::TargetState;

/// Polls of four rows, the last of two.
const ROWS: [(&str, &str); 4] = [
    ("connector.class", "rows"),
    ("topic", "lines"),
    ("rows", "50"),
    ("transaction.boundary", "connector"),
];

/// A source whose plugin ends its transactions after so many rows.
async fn house(ends: &[(u32, crate::task::plugin::TransactionEnd)]) -> House {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    *house.scene.ends.lock().unwrap() = ends.iter().copied().collect();
    house
}

impl House {
    fn rows(&self) -> usize {
        self.cluster.records("lines").len()
    }

    fn checkpoints(&self) -> Vec<String> {
        let saved = self.cluster.records("connect-offsets").into_iter();
        saved.filter_map(|(_, value)| value).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_ends_where_its_plugin_says_and_with_all_that_there_is() {
    let house = house(&[(8, Commit), (20, Commit)]).await;
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
    assert_eq!(house.rows(), 50);
    assert_eq!(house.checkpoints(), [r#"{"row":8}"#, r#"{"row":20}"#, r#"{"row":50}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_plugin_gives_up_is_not_seen_nor_read_again() {
    let house = house(&[(8, Commit), (20, Abort)]).await;
    *house.scene.refused.lock().unwrap() = Some("0:13".to_owned());
    house.create("rows", &[&ROWS[..], &[ALL, DEAD]].concat()).await;
    house.drained("rows").await;
    assert_eq!(house.rows(), 8 + 30);
    assert!(house.cluster.sent("lines") >= 8 + 7 + 30, "some of it had been sent");
    assert_eq!(house.checkpoints(), [r#"{"row":8}"#, r#"{"row":20}"#, r#"{"row":50}"#]);
    // What could be no record is none that is given up.
    assert_eq!(house.cluster.records("dead").len(), 1);
}

/// Fifty rows, none of which can be a record: 15 MiB of dead letters.
async fn torn(ends: &[(u32, crate::task::plugin::TransactionEnd)]) -> House {
    let house = house(ends).await;
    *house.scene.torn.lock().unwrap() = Some(300 << 10);
    house.scene.idles.store(true, Ordering::SeqCst);
    house.cluster.create("dead", 1);
    house.create("rows", &[&ROWS[..], &[ALL, DEAD]].concat()).await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_a_long_transaction_are_not_all_kept_until_it_ends() {
    let house = torn(&[]).await;
    let waiting = |letters: usize| (50 - letters) * (300 << 10);
    let sent = || house.cluster.sent("dead");
    until("they are sent before its end", || waiting(sent()) <= 4 << 20).await;
    house.herder.set_target_state("rows", TargetState::Paused).await.unwrap();
    house.task_is("rows", 0, State::Paused).await;
    assert!(house.cluster.records("dead").is_empty(), "they are in the transaction");
    house.scene.ends.lock().unwrap().insert(50, Commit);
    house.herder.set_target_state("rows", TargetState::Started).await.unwrap();
    until("all are there", || house.cluster.records("dead").len() == 50).await;
    assert_eq!(house.counters("rows").errors.dead_letter_failures.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_that_a_given_up_transaction_had_already_are_told_to_be_lost() {
    let house = torn(&[(50, Abort)]).await;
    until("it is given up", || house.checkpoints() == [r#"{"row":50}"#]).await;
    let lost = house.counters("rows").errors.dead_letter_failures.load(Ordering::Relaxed);
    assert!(lost > 0);
    assert_eq!(house.cluster.records("dead").len() as u64, 50 - lost, "the others waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_no_end_when_its_task_ended_is_read_again() {
    let house = house(&[(8, Commit)]).await;
    house.scene.idles.store(true, Ordering::SeqCst);
    house.create("rows", &ROWS).await;
    until("all is sent", || house.cluster.sent("lines") == 50).await;
    house.herder.set_target_state("rows", TargetState::Paused).await.unwrap();
    house.task_is("rows", 0, State::Paused).await;
    assert_eq!((house.rows(), house.checkpoints().len()), (8, 1));
    house.scene.ends.lock().unwrap().insert(50, Commit);
    house.herder.set_target_state("rows", TargetState::Started).await.unwrap();
    until("it is committed", || house.rows() == 50).await;
    assert_eq!(house.checkpoints().last().unwrap(), r#"{"row":50}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_that_its_plugin_does_not_draw_is_refused() {
    let house = house(&[]).await;
    let boundary = ("transaction.boundary", "connector");
    let sink = [("connector.class", "keep"), ("topics", "lines"), boundary];
    let refused = house.herder.create("keep", config(&sink)).await.unwrap_err();
    assert!(refused.to_string().contains("an option of sources"), "{refused}");
    house.scene.draws_no_boundary.store(true, Ordering::SeqCst);
    let refused = house.herder.create("rows", config(&ROWS)).await.unwrap_err();
    assert!(refused.to_string().contains("`transaction.boundary` cannot be"), "{refused}");
}
