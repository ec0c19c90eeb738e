//! Topics with the state of workers and of the cluster: no connector reads or writes
//! them, whatever its configuration says and whichever way that came.

use serde_json::json;
use tokio::sync::Notify;

use super::*;
use crate::worker::herder::{HerderError, TaskId};

const EVERYTHING: [(&str, &str); 2] = [("connector.class", "keep"), ("topics.regex", ".*")];

/// The topics that sinks were given records of.
fn read(house: &House) -> Vec<String> {
    let sunk = house.scene.sunk.lock().unwrap();
    let mut topics: Vec<String> = sunk.keys().map(|(at, _)| at.topic.to_string()).collect();
    topics.dedup();
    topics
}

fn trace(house: &House, name: &str) -> String {
    house.herder.status(name).unwrap().tasks[0].trace.clone().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_that_matches_everything_gives_a_connector_no_topic_with_state() {
    let house = House::new().await;
    for topic in ["orders", "__consumer_offsets"] {
        house.cluster.create(topic, 1);
        house.cluster.append(topic, 0, "k", "v");
    }
    house.create("keep", &EVERYTHING).await;
    house.drained("keep").await;
    house.cluster.append("orders", 0, "k", "w");
    house.drained("keep").await;
    assert_eq!(read(&house), ["orders"]);
    let committed = house.cluster.committed("connect-keep");
    assert!(committed.keys().all(|at| &*at.topic == "orders"), "{committed:?}");
    until("its lag is that of what it reads", || {
        let lags = house.worker.core.connector("keep").lags.read().unwrap().clone();
        !lags.is_empty() && lags.iter().all(|(at, lag)| &*at.topic == "orders" && *lag == 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_read_a_workers_topic_is_refused() {
    let house = House::new().await;
    for class in ["keep", "count"] {
        let config = config(&[("connector.class", class), ("topics", "a,connect-configs")]);
        let refused = house.herder.create("spy", config).await.unwrap_err();
        let named = |why: &str| why.contains("`connect-configs`");
        assert!(matches!(&refused, HerderError::BadRequest(why) if named(why)), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_config_topic_says_is_no_way_to_read_a_workers_topic() {
    let house = House::new().await;
    house.cluster.create("orders", 1);
    let spy = json!({"properties": {
        "name": "spy", "connector.class": "keep", "topics": "connect-configs",
    }});
    house.cluster.append("connect-configs", 0, "connector-spy", &spy.to_string());
    until("the connector says why", || {
        let status = house.herder.status("spy");
        status.is_ok_and(|it| it.connector.trace.is_some_and(|it| it.contains("no connector")))
    })
    .await;

    house.create("keep", &[("connector.class", "keep"), ("topics", "orders")]).await;
    house.task_is("keep", 0, State::Running).await;
    let (_, mut task) = house.herder.task_configs("keep").unwrap().remove(0);
    task.insert("topics".to_owned(), "connect-configs".to_owned());
    house.herder.put_task_configs("keep", vec![task]).await.unwrap();
    let id = TaskId { connector: "keep".to_owned(), task: 0 };
    house.herder.restart_task(&id).await.unwrap();
    house.task_is("keep", 0, State::Failed).await;
    assert!(trace(&house, "keep").contains("no connector reads it"), "{}", trace(&house, "keep"));
    assert!(house.scene.sunk.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_runs_does_not_write_to_the_changelog_of_a_processor_created_later() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.cluster.create("late-changelog", 1);
    let go_on = Arc::new(Notify::new());
    *house.scene.slow.lock().unwrap() = Some(("0".to_owned(), go_on.clone()));
    let rows = [("connector.class", "rows"), ("topic", "late-changelog"), ("rows", "5")];
    house.create("rows", &rows).await;
    until("it polls", || house.scene.slow.lock().unwrap().is_none()).await;
    let late = [("connector.class", "count"), ("topics", "lines"), ("output.topic", "counts")];
    house.create("late", &late).await;
    go_on.notify_one();
    house.task_is("rows", 0, State::Failed).await;
    assert!(trace(&house, "rows").contains("late-changelog"), "{}", trace(&house, "rows"));
    assert!(house.cluster.records("late-changelog").is_empty());
}
