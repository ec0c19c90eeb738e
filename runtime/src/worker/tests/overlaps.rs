//! What is asked of a worker while other things are under way: requests at other
//! workers, rebalances, tasks that end, transactions that do not.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::*;
use crate::kafka::TopicPartition;
use crate::task::topics::TopicObserver;
use crate::worker::active_topics::TaskObserver;
use crate::worker::herder::{ConnectorOffset, ConnectorOffsets, HerderError, TargetState, TaskId};
use crate::worker::offsets;

const CONFIGS: &str = "connect-configs";
const OFFSETS: &str = "connect-offsets";
const ROWS: [(&str, &str); 3] = [("connector.class", "rows"), ("topic", "lines"), ("rows", "20")];

/// A source that has read its rows and was stopped, with no task left.
async fn stopped() -> House {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
    house.herder.set_target_state("rows", TargetState::Stopped).await.unwrap();
    house.herder.alter_offsets("rows", row(20)).await.unwrap();
    assert_eq!(house.herder.offsets("rows").await.unwrap(), row(20));
    house
}

fn row(row: u32) -> ConnectorOffsets {
    let fields = |value: serde_json::Value| value.as_object().cloned();
    let (partition, offset) = (fields(json!({ "part": "0" })), fields(json!({ "row": row })));
    ConnectorOffsets { offsets: vec![ConnectorOffset { partition, offset }] }
}

/// What another worker writes of a connector, as this one does not read it yet.
fn told_elsewhere(house: &House, key: &str, value: serde_json::Value) {
    house.cluster.freeze(CONFIGS);
    house.cluster.append(CONFIGS, 0, key, &value.to_string());
}

/// The answer to a request that was begun before the config topic was readable.
async fn answer<T>(house: &House, request: impl Future<Output = T>) -> T {
    let both = async { tokio::join!(request, async { house.cluster.thaw(CONFIGS) }).0 };
    tokio::time::timeout(DEADLINE, both).await.expect("it is answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_another_worker_changed_is_changed_back_when_asked_for() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS).await;
    house.task_is("rows", 0, State::Running).await;
    told_elsewhere(&house, "target-state-rows", json!({ "state": "STOPPED" }));
    answer(&house, house.herder.set_target_state("rows", TargetState::Started)).await.unwrap();
    let records = house.cluster.records(CONFIGS).into_iter();
    let states: Vec<_> = records.filter(|(key, _)| key == "target-state-rows").collect();
    let last = states.last().and_then(|(_, value)| value.as_deref()).unwrap();
    assert!(states.len() == 2 && last.contains("STARTED"), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_changes_the_configuration_that_another_worker_wrote() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS).await;
    let mut other = house.herder.connector("rows").unwrap().config;
    other.insert("rows".to_owned(), "30".to_owned());
    told_elsewhere(&house, "connector-rows", json!({ "properties": other }));
    let patch = [("tasks.max".to_owned(), Some("2".to_owned()))].into();
    let info = answer(&house, house.herder.patch_config("rows", patch)).await.unwrap();
    let told = (info.config["rows"].as_str(), info.config["tasks.max"].as_str());
    assert_eq!(told, ("30", "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_is_still_checked_holds_up_no_change_and_undoes_none() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS).await;
    let (reached, is_reached) = tokio::sync::oneshot::channel();
    let (go_on, goes_on) = tokio::sync::oneshot::channel();
    *house.scene.validating.lock().unwrap() = Some((reached, goes_on));
    let herder = house.herder.clone();
    let patch = [("tasks.max".to_owned(), Some("2".to_owned()))].into();
    let patching = tokio::spawn(async move { herder.patch_config("rows", patch).await });
    is_reached.await.unwrap();
    let mut other = config(&ROWS);
    other.insert("rows".to_owned(), "30".to_owned());
    let put = tokio::time::timeout(DEADLINE, house.herder.put_config("rows", other)).await;
    put.expect("it waits for nobody's plugin").unwrap();
    go_on.send(()).unwrap();
    let info = patching.await.unwrap().unwrap();
    let told = (info.config["rows"].as_str(), info.config["tasks.max"].as_str());
    assert_eq!(told, ("30", "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_stay_as_they_are_when_another_worker_resumed_the_connector() {
    let house = stopped().await;
    told_elsewhere(&house, "target-state-rows", json!({ "state": "STARTED" }));
    let refused = answer(&house, house.herder.reset_offsets("rows")).await;
    assert!(matches!(refused, Err(HerderError::BadRequest(_))), "{refused:?}");
    assert_eq!(house.herder.offsets("rows").await.unwrap(), row(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_lease_is_over_changes_no_offsets() {
    let house = stopped().await;
    house.cluster.set_lease("m1", false).await;
    let refused = house.herder.alter_offsets("rows", row(5)).await;
    let Err(HerderError::Conflict(message)) = refused else { panic!("{refused:?}") };
    assert!(message.contains("no member of its group"), "{message}");
    assert_eq!(house.herder.offsets("rows").await.unwrap(), row(20));
    house.cluster.set_lease("m1", true).await;
    house.herder.alter_offsets("rows", row(5)).await.unwrap();
    assert_eq!(house.herder.offsets("rows").await.unwrap(), row(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_task_starts_while_its_offsets_are_changed() {
    let house = stopped().await;
    house.cluster.freeze(OFFSETS);
    let altered = {
        let herder = house.herder.clone();
        tokio::spawn(async move { herder.alter_offsets("rows", row(15)).await })
    };
    until("the offsets are on their way", || house.cluster.is_awaited()).await;
    house.herder.set_target_state("rows", TargetState::Started).await.unwrap();
    let running = house.task_is("rows", 0, State::Running);
    let running = tokio::time::timeout(Duration::from_millis(300), running).await;
    assert!(running.is_err(), "it runs with the offsets of before");
    house.cluster.thaw(OFFSETS);
    altered.await.unwrap().unwrap();
    house.task_is("rows", 0, State::Running).await;
    house.drained("rows").await;
    assert_eq!(house.cluster.records("lines").len(), 25, "five rows came again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_offsets_that_waits_for_a_transaction_keeps_nothing_else_waiting() {
    let house = stopped().await;
    for partition in 0..5 {
        house.cluster.hold_back(TopicPartition::new(OFFSETS, partition), "pay-1");
    }
    let waits = {
        let herder = house.herder.clone();
        tokio::spawn(async move { herder.reset_offsets("rows").await })
    };
    let others = async {
        house.create("more", &ROWS).await;
        house.herder.set_target_state("more", TargetState::Paused).await.unwrap();
        house.herder.put_config("more", config(&ROWS)).await.unwrap();
        house.herder.delete("more").await.unwrap();
    };
    tokio::time::timeout(DEADLINE, others).await.expect("they do not wait for it");
    assert!(!waits.is_finished());
    waits.abort();

    let core = &house.worker.core;
    let refused = offsets::settle(core, "rows", Duration::from_millis(50)).await;
    let Err(HerderError::Internal(message)) = refused else { panic!("{refused:?}") };
    for said in ["connector rows were not changed", "`pay-1` on connect-offsets-3"] {
        assert!(message.contains(said), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_that_a_task_of_a_deleted_connector_does_brings_none_of_its_topics_back() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
    let topics = || house.herder.active_topics("rows").unwrap();
    until("its topic is known", || topics() == ["lines"]).await;
    house.herder.delete("rows").await.unwrap();
    until("it is forgotten", || topics().is_empty()).await;
    until("its task is gone", || house.scene.sources_open.load(Ordering::SeqCst) == 0).await;
    let core = house.worker.core.clone();
    let id = TaskId { connector: "rows".to_owned(), task: 0 };
    TaskObserver { connector: core.connector("rows"), core, id }.used("lines");
    assert!(topics().is_empty());
}
