//! Sinks that keep their positions with their data: exactly-once, over kills, refused
//! records and offsets that are set from outside.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::errors::{ALL, DEAD, NO_RESTART, at};
use super::plugins::Account;
use super::*;
use crate::kafka::TopicPartition;
use crate::worker::herder::{ConnectorOffset, ConnectorOffsets, HerderError, TargetState};

const LEDGER: [(&str, &str); 2] = [("connector.class", "ledger"), ("topics", "lines")];

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_keeps_its_positions_with_its_data_has_each_record_once_over_kills() {
    let (cluster, scene) = (Memory::new(), Arc::<Scene>::default());
    cluster.create("lines", 2);
    let never = |config: &mut WorkerConfig| {
        config.offset_flush_interval = Duration::from_secs(3_600);
    };
    let mut expected: BTreeMap<TopicPartition, Account> = BTreeMap::new();
    for life in 0..5 {
        let house = House::with(cluster.clone(), scene.clone(), "w1:8083", never).await;
        if life == 0 {
            house.create("it", &LEDGER).await;
        }
        for (number, rows) in [(0, 4), (1, 3)] {
            for row in 0..rows {
                let row = format!("{life}-{number}-{row}");
                house.append(number as usize, &[&row]);
                let account = expected.entry(at(number)).or_default();
                account.rows.push(row);
                account.next += 1;
            }
        }
        until("all is there", || *scene.ledger.lock().unwrap() == expected).await;
        assert!(cluster.committed("connect-it").is_empty(), "only the sink knows where it is");
        house.cluster.lose(&format!("m{}", life + 1));
        until("its tasks are gone", || !house.herder.ready()).await;
    }
    assert_eq!(*scene.ledger.lock().unwrap(), expected);
}

fn offset(row: i64) -> ConnectorOffsets {
    let fields = |value: serde_json::Value| value.as_object().cloned();
    let partition = fields(json!({ "kafka_topic": "lines", "kafka_partition": 0 }));
    let offset = fields(json!({ "kafka_offset": row }));
    ConnectorOffsets { offsets: vec![ConnectorOffset { partition, offset }] }
}

/// A sink that keeps its own position, with two rows, stopped.
async fn stopped_ledger() -> House {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.scene.ledger.lock().unwrap().insert(at(0), Account::default());
    house.append(0, &["a", "b"]);
    house.create("it", &LEDGER).await;
    house.drained("it").await;
    house.herder.set_target_state("it", TargetState::Stopped).await.unwrap();
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_of_a_sink_that_keeps_its_own_are_not_changed_in_its_group() {
    let house = stopped_ledger().await;
    for refused in
        [house.herder.alter_offsets("it", offset(0)).await, house.herder.reset_offsets("it").await]
    {
        let Err(HerderError::BadRequest(message)) = refused else { panic!("{refused:?}") };
        assert!(message.contains("keeps its position in lines-0"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_was_emptied_does_not_go_on_where_its_group_shows_it() {
    let house = stopped_ledger().await;
    house.scene.ledger.lock().unwrap().clear();
    house.herder.set_target_state("it", TargetState::Started).await.unwrap();
    house.task_is("it", 0, State::Failed).await;
    let trace = house.trace("it");
    assert!(trace.contains("shows 2") && trace.contains("--delete-offsets"), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_set_by_hand_that_a_sink_would_pass_over_stops_it_and_says_so() {
    let house = stopped_ledger().await;
    // As `kafka-consumer-groups --reset-offsets` does.
    house.cluster.commit_as("connect-it", at(0), 1, "");
    house.herder.set_target_state("it", TargetState::Started).await.unwrap();
    house.task_is("it", 0, State::Failed).await;
    let trace = house.trace("it");
    assert!(trace.contains("set to 1 by hand") && trace.contains("is at 2"), "{trace}");
}

/// Lives of a worker one after the other, each cut off.
struct Lives {
    cluster: Memory,
    scene: Arc<Scene>,
    lived: usize,
}

impl Lives {
    fn new() -> Self {
        let (cluster, scene) = (Memory::new(), Arc::<Scene>::default());
        cluster.create("lines", 1);
        *scene.refused.lock().unwrap() = Some("bad".to_owned());
        Self { cluster, scene, lived: 0 }
    }

    async fn begin(&mut self) -> House {
        self.lived += 1;
        // Nothing is committed: only the sink knows where it is.
        let never = |config: &mut WorkerConfig| {
            config.offset_flush_interval = Duration::from_secs(3_600);
        };
        House::with(self.cluster.clone(), self.scene.clone(), "w1:8083", never).await
    }

    async fn end(&self, house: House) {
        self.cluster.lose(&format!("m{}", self.lived));
        until("its tasks are gone", || !house.herder.ready()).await;
    }

    fn has(&self, rows: &[&str], next: i64) -> bool {
        let rows = rows.iter().map(|row| (*row).to_owned()).collect();
        self.scene.ledger.lock().unwrap().get(&at(0)) == Some(&Account { rows, next })
    }

    fn letters(&self) -> usize {
        self.cluster.records("dead").len()
    }
}

/// The contract: a position past a refused record is stored in a later call than the one
/// that refuses it, and before that call the dead letter is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_of_a_sink_that_is_exactly_once_is_never_passed_without_its_letter() {
    let mut lives = Lives::new();
    lives.cluster.create("dead", 1);
    lives.cluster.freeze("dead");
    let house = lives.begin().await;
    house.append(0, &["a", "bad", "b"]);
    house.create("it", &[&LEDGER[..], &[ALL, DEAD]].concat()).await;
    until("the letter is on its way", || lives.cluster.is_awaited()).await;
    assert!(lives.has(&["a"], 1), "nothing past it is stored before its letter is");
    lives.end(house).await;
    assert_eq!(lives.letters(), 0);

    // Killed with the letter written, and the position not: the letter comes again.
    lives.cluster.thaw("dead");
    lives.scene.ledger_holds.store(true, Ordering::SeqCst);
    let house = lives.begin().await;
    until("the letter is written", || lives.letters() == 1).await;
    assert!(lives.has(&["a"], 1));
    lives.end(house).await;

    lives.scene.ledger_holds.store(false, Ordering::SeqCst);
    let house = lives.begin().await;
    until("all is there", || lives.has(&["a", "b"], 3)).await;
    lives.end(house).await;
    assert_eq!(lives.letters(), 2);

    // Past it, nothing repeats.
    let house = lives.begin().await;
    house.append(0, &["c"]);
    until("it went on", || lives.has(&["a", "b", "c"], 4)).await;
    lives.end(house).await;
    assert_eq!(lives.letters(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_exactly_once_stops_before_what_is_not_tolerated_and_goes_on_there() {
    let mut lives = Lives::new();
    let house = lives.begin().await;
    house.append(0, &["a", "bad", "b"]);
    house.create("it", &[&LEDGER[..], &[NO_RESTART]].concat()).await;
    house.task_is("it", 0, State::Failed).await;
    assert!(lives.has(&["a"], 1));
    let tolerant = config(&[&LEDGER[..], &[ALL, DEAD]].concat());
    house.herder.put_config("it", tolerant).await.unwrap();
    until("it goes on", || lives.has(&["a", "b"], 3)).await;
    assert_eq!(lives.letters(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_fails_its_transform_is_not_passed_without_its_letter_either() {
    let cast = [
        ("transforms", "cast"),
        ("transforms.cast.type", "Cast$Value"),
        ("transforms.cast.spec", "int8"),
    ];
    let mut lives = Lives::new();
    lives.cluster.create("dead", 1);
    lives.cluster.freeze("dead");
    let house = lives.begin().await;
    house.append(0, &["1", "x", "2"]);
    house.create("it", &[&LEDGER[..], &[ALL, DEAD], &cast].concat()).await;
    until("the letter is on its way", || lives.cluster.is_awaited()).await;
    assert!(lives.scene.ledger.lock().unwrap().is_empty(), "it comes before what is put");
    lives.end(house).await;
    assert_eq!(lives.letters(), 0);

    lives.cluster.thaw("dead");
    let house = lives.begin().await;
    until("all is there", || lives.has(&["1", "2"], 3)).await;
    assert_eq!(lives.letters(), 1);
    lives.end(house).await;
}
