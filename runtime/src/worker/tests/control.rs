//! Connectors paused, resumed and stopped; offsets, topics and levels changed
//! from outside.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::batch::Batch;
use crate::kafka::TopicPartition;
use crate::worker::herder::{
    ConnectorOffset, ConnectorOffsets, HerderError, Leadership, TargetState,
};

const ROWS: [(&str, &str); 4] =
    [("connector.class", "rows"), ("topic", "lines"), ("rows", "20"), ("tasks.max", "2")];
const KEEP: [(&str, &str); 2] = [("connector.class", "keep"), ("topics", "counts")];

impl House {
    async fn target(&self, name: &str, target: TargetState) {
        self.herder.set_target_state(name, target).await.unwrap();
    }

    async fn is(&self, name: &str, state: State) {
        until(&format!("{name} is {state:?}"), || {
            let status = self.herder.status(name);
            status.is_ok_and(|status| status.connector.state == state)
        })
        .await;
    }
}

fn offset(partition: serde_json::Value, offset: serde_json::Value) -> ConnectorOffset {
    let fields = |value: serde_json::Value| value.as_object().cloned();
    ConnectorOffset { partition: fields(partition), offset: fields(offset) }
}

fn offsets(all: Vec<ConnectorOffset>) -> ConnectorOffsets {
    ConnectorOffsets { offsets: all }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_connector_keeps_its_tasks_and_goes_on_where_it_was() {
    let house = House::new().await;
    house.cluster.create("counts", 1);
    house.create("keep", &KEEP).await;
    house.cluster.append("counts", 0, "k", "a");
    house.drained("keep").await;
    house.target("keep", TargetState::Paused).await;
    house.is("keep", State::Paused).await;
    house.task_is("keep", 0, State::Paused).await;
    house.cluster.append("counts", 0, "k", "b");
    assert_eq!(house.herder.task_configs("keep").unwrap().len(), 1);
    house.target("keep", TargetState::Started).await;
    house.is("keep", State::Running).await;
    house.drained("keep").await;
    let sunk = house.scene.sunk.lock().unwrap().clone();
    assert!(sunk.len() == 2 && sunk.values().all(|(_, times)| *times == 1), "{sunk:?}");
}

/// The keys of the status topic whose last record is not a tombstone, of one connector.
fn told_of(house: &House, name: &str) -> Vec<String> {
    let records = house.cluster.records("connect-status");
    let newest: BTreeMap<_, _> = records.into_iter().collect();
    let mut left: Vec<_> = newest.into_iter().filter(|(_, value)| value.is_some()).collect();
    left.retain(|(key, _)| key.contains(name));
    left.into_iter().map(|(key, _)| key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_connector_leaves_no_state_in_the_status_topic_whether_it_ran_or_not() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    for target in [TargetState::Started, TargetState::Paused] {
        house.create("rows", &ROWS).await;
        house.drained("rows").await;
        house.target("rows", target).await;
        let state = if target == TargetState::Paused { State::Paused } else { State::Running };
        for task in 0..2 {
            house.task_is("rows", task, state).await;
        }
        until("all is told", || told_of(&house, "rows").len() >= 3).await;
        house.herder.delete("rows").await.unwrap();
        until("all is forgotten", || told_of(&house, "rows").is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn states_of_connectors_that_nobody_has_are_forgotten_by_a_leader_when_it_begins() {
    let house = House::new().await;
    let mut batch = Batch::default();
    let left = r#"{"state":"PAUSED","worker_id":"w9:8083","generation":1}"#;
    for key in ["status-connector-gone", "status-task-gone-3"] {
        batch.push(Some(key.as_bytes()), Some(left.as_bytes()), -1);
    }
    house.cluster.write("connect-status", None, &batch);
    assert_eq!(told_of(&house, "gone").len(), 2);
    house.worker.shutdown().await;
    let next = House::over(house.cluster.clone(), house.scene.clone(), "w1:8083").await;
    until("they are forgotten", || told_of(&next, "gone").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_has_not_read_of_a_connector_does_not_take_it_for_a_deleted_one() {
    let house = House::new().await;
    house.cluster.freeze("connect-configs");
    house.cluster.append("connect-configs", 0, "connector-late", r#"{"properties":{}}"#);
    let told = r#"{"state":"PAUSED","worker_id":"w9:8083","generation":1}"#;
    for name in ["late", "gone"] {
        house.cluster.append("connect-status", 0, &format!("status-connector-{name}"), told);
    }
    let core = house.worker.core.clone();
    let known = |name: &str| core.statuses.connector(name).is_some();
    until("their states are read", || known("late") && known("gone")).await;
    let mut forgetting = Box::pin(core.clone().forget_deleted());
    assert!(futures::poll!(&mut forgetting).is_pending(), "it reads first");
    house.cluster.thaw("connect-configs");
    forgetting.await;
    until("one is forgotten", || told_of(&house, "gone").is_empty()).await;
    assert_eq!(told_of(&house, "late").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_connector_has_no_tasks_until_it_is_resumed_and_planned() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
    house.target("rows", TargetState::Stopped).await;
    house.is("rows", State::Stopped).await;
    assert!(house.herder.status("rows").unwrap().tasks.is_empty());
    assert!(house.herder.task_configs("rows").unwrap().is_empty());
    assert!(house.herder.connector("rows").unwrap().tasks.is_empty());
    let open = || house.scene.sources_open.load(std::sync::atomic::Ordering::SeqCst);
    until("its tasks are closed", || open() == 0).await;
    house.target("rows", TargetState::Started).await;
    house.task_is("rows", 1, State::Running).await;
    let unknown = house.herder.set_target_state("other", TargetState::Paused).await;
    assert!(matches!(unknown, Err(HerderError::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_created_stopped_or_paused_plans_nothing() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    for (name, target, state) in
        [("a", TargetState::Stopped, State::Stopped), ("b", TargetState::Paused, State::Paused)]
    {
        house.herder.create_in(name, config(&ROWS), Some(target)).await.unwrap();
        house.is(name, state).await;
        assert!(house.herder.status(name).unwrap().tasks.is_empty(), "{name}");
        house.target(name, TargetState::Started).await;
        house.task_is(name, 1, State::Running).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_changes_some_options_and_is_checked_like_a_whole_configuration() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS).await;
    let patch =
        |option: &str, value: Option<&str>| [(option.to_owned(), value.map(str::to_owned))].into();
    let info = house.herder.patch_config("rows", patch("tasks.max", None)).await.unwrap();
    assert!(!info.config.contains_key("tasks.max") && info.config["rows"] == "20");
    let wrong = house.herder.patch_config("rows", patch("rows", Some("many"))).await;
    assert!(matches!(wrong, Err(HerderError::BadRequest(_))));
    assert_eq!(house.herder.connector("rows").unwrap().config["rows"], "20");
    let unknown = house.herder.patch_config("other", patch("rows", None)).await;
    assert!(matches!(unknown, Err(HerderError::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sources_offsets_are_its_checkpoints_and_change_only_while_it_is_stopped() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
    let both = |a: u32, b: u32| {
        offsets(vec![
            offset(json!({ "part": "0" }), json!({ "row": a })),
            offset(json!({ "part": "1" }), json!({ "row": b })),
        ])
    };
    assert_eq!(house.herder.offsets("rows").await.unwrap(), both(20, 20));
    let running = house.herder.alter_offsets("rows", both(5, 5)).await;
    let Err(HerderError::BadRequest(message)) = running else { panic!("{running:?}") };
    assert!(message.contains("STOPPED"), "{message}");
    let running = house.herder.reset_offsets("rows").await;
    assert!(matches!(running, Err(HerderError::BadRequest(_))), "{running:?}");

    // No sooner are they asked for than the tasks have stopped.
    house.target("rows", TargetState::Stopped).await;
    let said = house.herder.alter_offsets("rows", both(15, 20)).await.unwrap();
    assert!(said.contains("framework-managed offsets") && said.contains("altered"), "{said}");
    assert_eq!(house.herder.offsets("rows").await.unwrap(), both(15, 20));
    house.target("rows", TargetState::Started).await;
    house.task_is("rows", 1, State::Running).await;
    house.drained("rows").await;
    assert_eq!(house.cluster.records("lines").len(), 45, "five rows came again");

    house.target("rows", TargetState::Stopped).await;
    let away = offsets(vec![offset(json!({ "part": "1" }), serde_json::Value::Null)]);
    house.herder.alter_offsets("rows", away).await.unwrap();
    assert_eq!(house.herder.offsets("rows").await.unwrap().offsets.len(), 1);
    house.herder.reset_offsets("rows").await.unwrap();
    let said = house.herder.reset_offsets("rows").await.unwrap();
    assert!(said.contains("framework-managed offsets") && said.contains("reset"), "{said}");
    assert!(house.herder.offsets("rows").await.unwrap().offsets.is_empty());
    house.target("rows", TargetState::Started).await;
    house.task_is("rows", 1, State::Running).await;
    house.drained("rows").await;
    assert_eq!(house.cluster.records("lines").len(), 85, "all came again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sinks_offsets_are_its_groups() {
    let house = House::new().await;
    house.cluster.create("counts", 2);
    house.create("keep", &KEEP).await;
    for row in ["a", "b", "c"] {
        house.cluster.append("counts", 1, "k", row);
    }
    house.drained("keep").await;
    let at = |partition: u32| json!({ "kafka_topic": "counts", "kafka_partition": partition });
    let read = house.herder.offsets("keep").await.unwrap().offsets;
    assert!(read.contains(&offset(at(1), json!({ "kafka_offset": 3 }))), "{read:?}");

    house.target("keep", TargetState::Stopped).await;
    let again = offsets(vec![offset(at(1), json!({ "kafka_offset": "1" }))]);
    house.herder.alter_offsets("keep", again).await.unwrap();
    let committed = house.cluster.committed("connect-keep");
    let committed = &committed[&TopicPartition::new("counts", 1)];
    assert_eq!((committed.offset, committed.metadata.as_str()), (1, "fleet; set by hand"));
    for wrong in [offset(at(7), json!({ "kafka_offset": 1 })), offset(at(1), json!({}))] {
        assert!(house.herder.alter_offsets("keep", offsets(vec![wrong])).await.is_err());
    }
    house.target("keep", TargetState::Started).await;
    house.drained("keep").await;
    let sunk = house.scene.sunk.lock().unwrap().clone();
    let times: Vec<u32> = sunk.values().map(|(_, times)| *times).collect();
    assert_eq!(times, [1, 2, 2], "what is behind the offset came again");

    house.target("keep", TargetState::Stopped).await;
    house.herder.reset_offsets("keep").await.unwrap();
    assert!(house.herder.offsets("keep").await.unwrap().offsets.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_not_changed_while_another_worker_has_a_task() {
    let one = House::new().await;
    one.cluster.create("lines", 1);
    let two = House::over(one.cluster.clone(), one.scene.clone(), "w2:8083").await;
    one.create("rows", &ROWS).await;
    until("all rows came", || one.cluster.records("lines").len() == 40).await;
    one.target("rows", TargetState::Stopped).await;
    one.herder.reset_offsets("rows").await.unwrap();
    let open = one.scene.sources_open.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(open, 0, "no task is open once offsets are changed");
    assert_eq!(two.herder.leader(), Leadership::Of("w1:8083".to_owned()));
    assert_eq!(one.herder.leader(), Leadership::Own);
    let refused = two.herder.reset_offsets("rows").await;
    let Err(HerderError::Conflict(message)) = refused else { panic!("{refused:?}") };
    assert!(message.contains("Only the leader") && message.contains("w1:8083"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processors_offsets_are_read_but_not_changed_without_its_state() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.cluster.create("counts", 1);
    let count = [("connector.class", "count"), ("topics", "lines"), ("output.topic", "counts")];
    house.create("count", &count).await;
    house.cluster.append("lines", 0, "word", "x");
    house.drained("count").await;
    assert_eq!(house.herder.offsets("count").await.unwrap().offsets.len(), 1);
    house.target("count", TargetState::Stopped).await;
    let refused = house.herder.reset_offsets("count").await;
    let Err(HerderError::BadRequest(message)) = refused else { panic!("{refused:?}") };
    assert!(message.contains("another name"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_are_used_are_told_to_the_fleet_until_they_are_reset() {
    let one = House::new().await;
    one.cluster.create("lines", 1);
    one.cluster.create("counts", 1);
    let two = House::over(one.cluster.clone(), one.scene.clone(), "w2:8083").await;
    one.create("rows", &ROWS).await;
    one.create("keep", &KEEP).await;
    one.cluster.append("counts", 0, "k", "a");
    until("the other knows it", || two.herder.connector("keep").is_ok()).await;
    tokio::join!(one.drained("keep"), two.drained("keep"));
    for (name, topic) in [("rows", "lines"), ("keep", "counts")] {
        for house in [&one, &two] {
            until(&format!("{} knows {topic}", house.herder.worker_id()), || {
                house.herder.active_topics(name).unwrap() == [topic]
            })
            .await;
        }
    }
    one.target("rows", TargetState::Stopped).await;
    one.herder.reset_offsets("rows").await.unwrap();
    one.herder.reset_active_topics("rows").await.unwrap();
    until("both forget", || two.herder.active_topics("rows").unwrap().is_empty()).await;
    one.herder.delete("keep").await.unwrap();
    until("a deleted one has none", || two.herder.active_topics("keep").unwrap().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_not_tracked_or_reset_where_the_settings_say_so() {
    let house = House::with(Memory::new(), Arc::default(), "w1:8083", |config| {
        config.topic_tracking.allow_reset = false;
    })
    .await;
    assert!(house.herder.active_topics("any").unwrap().is_empty());
    let refused = house.herder.reset_active_topics("any").await;
    assert!(matches!(refused, Err(HerderError::Forbidden(_))));
    let house = House::with(Memory::new(), Arc::default(), "w1:8083", |config| {
        config.topic_tracking.enable = false;
    })
    .await;
    assert!(matches!(house.herder.active_topics("any"), Err(HerderError::Forbidden(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_answers_with_what_is_going_to_be_restarted() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS).await;
    for task in [0, 1] {
        house.task_is("rows", task, State::Running).await;
    }
    house.is("rows", State::Running).await;
    let status = house.herder.restart("rows", true, true).await.unwrap();
    assert_eq!((status.connector.state, status.tasks[0].state), (State::Running, State::Running));
    let status = house.herder.restart("rows", true, false).await.unwrap();
    let states = (status.connector.state, status.tasks[0].state);
    assert_eq!(states, (State::Restarting, State::Restarting));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_of_logging_reaches_every_worker() {
    let one = House::new().await;
    let two = House::over(one.cluster.clone(), one.scene.clone(), "w2:8083").await;
    for odd in ["*", ".a", "a=trace,b"] {
        one.herder.set_cluster_logger(odd, "DEBUG").await.unwrap();
    }
    one.herder.set_cluster_logger("longshore::told", "DEBUG").await.unwrap();
    for house in [&one, &two] {
        let told = || house.herder.loggers().contains_key("longshore::told");
        until(&format!("{} heard it", house.herder.worker_id()), told).await;
        let all = house.herder.loggers();
        assert_eq!(all["longshore::told"].level, "DEBUG");
        assert_eq!(all.len(), 2, "what is no name has no level: {all:?}");
    }
    assert_eq!(
        one.herder.set_worker_logger("longshore::own", "TRACE").unwrap(),
        ["longshore::own"]
    );
    assert!(!two.herder.loggers().contains_key("longshore::own"));
    let refused = one.herder.set_worker_logger("*", "TRACE");
    assert!(matches!(refused, Err(HerderError::BadRequest(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_looked_at_option_by_option() {
    let house = House::new().await;
    let given = |pairs: &[(&str, Option<&str>)]| {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
    };
    let wrong = [("connector.class", Some("rows")), ("rows", Some("many")), ("topic", None)];
    let infos = house.herder.validate(given(&wrong)).await.unwrap();
    let errors = |name: &str| {
        infos.configs.iter().find(|it| it.value.name == name).unwrap().value.errors.clone()
    };
    assert_eq!(infos.error_count, 3, "{infos:?}");
    assert_eq!(errors("rows"), ["`rows` is no number"]);
    assert!(errors("topic")[0].contains("null") && errors("name")[0].contains("missing"));
    let unknown = house.herder.validate(given(&[("connector.class", Some("row"))])).await;
    assert!(matches!(unknown, Err(HerderError::BadRequest(_))));
    assert!(house.herder.plugin_config("keep").unwrap().iter().any(|it| it.name == "topics"));
}
