//! A source's tasks are planned anew while those of before still work.

use std::sync::atomic::Ordering;

use tokio::sync::Notify;

use super::*;
use crate::worker::generations;

const ROWS: [(&str, &str); 4] =
    [("connector.class", "rows"), ("topic", "lines"), ("rows", "40"), ("tasks.max", "2")];

/// How many rows of a part are in the topic.
fn rows_of(house: &House, part: &str) -> usize {
    let rows = house.cluster.records("lines").into_iter();
    rows.filter(|(key, _)| key.split(':').next() == Some(part)).count()
}

/// Whoever is called so waits, from when it is next at it.
fn slow(house: &House, who: &str) -> Arc<Notify> {
    let go_on = Arc::new(Notify::new());
    *house.scene.slow.lock().unwrap() = Some((who.to_owned(), go_on.clone()));
    go_on
}

async fn is_at_it(house: &House) {
    until("it is at it", || house.scene.slow.lock().unwrap().is_none()).await;
}

/// Two tasks, of which the second is slow to answer a poll.
async fn one_is_slow() -> (House, Arc<Notify>) {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.scene.idles.store(true, Ordering::SeqCst);
    let go_on = slow(&house, "1");
    house.create("rows", &ROWS).await;
    is_at_it(&house).await;
    until("the other read all", || rows_of(&house, "0") == 40).await;
    // The first task reads the second part from now on.
    house.scene.first_part.store(1, Ordering::SeqCst);
    (house, go_on)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_work_went_to_another_number_writes_nothing_more() {
    let (house, go_on) = one_is_slow().await;
    let mut alone = config(&ROWS);
    alone.insert("tasks.max".to_owned(), "1".to_owned());
    house.herder.put_config("rows", alone).await.unwrap();
    until("its part was read", || rows_of(&house, "1") == 40).await;
    go_on.notify_one();
    until("it is gone", || house.scene.sources_open.load(Ordering::SeqCst) == 1).await;
    assert_eq!(rows_of(&house, "1"), 40, "each row once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_keeps_the_number_of_tasks_fences_those_before_it_too() {
    let (house, go_on) = one_is_slow().await;
    house.herder.restart("rows", false, false).await.unwrap();
    until("its part was read", || rows_of(&house, "1") == 40).await;
    assert_eq!(rows_of(&house, "2"), 0, "it runs when the one before it has ended");
    go_on.notify_one();
    until("the next part was read", || rows_of(&house, "2") == 40).await;
    assert_eq!(rows_of(&house, "1"), 40, "each row once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_is_over_with_the_record_of_the_next_even_if_that_was_not_read_yet() {
    const CONFIGS: &str = "connect-configs";
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
    let core = &house.worker.core;
    let generation = core.configs.read().unwrap().get("rows").unwrap().source_generation();
    let generation = generation.expect("a source has one");
    assert!(generations::is_present(core, "rows", generation).await.unwrap());
    house.cluster.freeze(CONFIGS);
    house.cluster.append(CONFIGS, 0, "commit-rows", r#"{"tasks":0}"#);
    let thawed = async { house.cluster.thaw(CONFIGS) };
    let (is_present, ()) = tokio::join!(generations::is_present(core, "rows", generation), thawed);
    assert!(!is_present.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_generation_may_start_is_written_as_the_leader_that_nobody_has_fenced() {
    const CONFIGS: &str = "connect-configs";
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.herder.keyed().await;
    let before = house.cluster.sent(CONFIGS);
    house.create("rows", &ROWS).await;
    house.drained("rows").await;
    // The connector's record, and this one.
    assert_eq!(house.cluster.sent(CONFIGS) - before, 2);
    let written = house.cluster.records(CONFIGS);
    assert_eq!(written.iter().filter(|(key, _)| key == "tasks-fencing-rows").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_a_configuration_that_is_another_meanwhile_is_not_put_in_effect() {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    let go_on = slow(&house, "plan");
    house.create("rows", &ROWS).await;
    is_at_it(&house).await;
    let mut alone = config(&ROWS);
    alone.insert("tasks.max".to_owned(), "1".to_owned());
    house.herder.put_config("rows", alone).await.unwrap();
    go_on.notify_one();
    house.drained("rows").await;
    let written = house.cluster.records("connect-configs");
    assert_eq!(written.iter().filter(|(key, _)| key == "commit-rows").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_gets_another_plan_from_whichever_worker_owns_its_connector() {
    let one = House::new().await;
    one.cluster.create("lines", 1);
    one.scene.idles.store(true, Ordering::SeqCst);
    let two = House::over(one.cluster.clone(), one.scene.clone(), "w2:8083").await;
    one.create("rows", &ROWS).await;
    let running = || {
        let status = one.herder.status("rows").unwrap();
        let runs = |state, worker: &str| state == State::Running && !worker.is_empty();
        let all = status.tasks.iter().all(|task| runs(task.state, &task.worker_id));
        let differs = status.tasks.iter().any(|task| task.worker_id != status.connector.worker_id);
        let is_owned = runs(status.connector.state, &status.connector.worker_id);
        (all && differs && is_owned && status.tasks.len() == 2).then_some(status)
    };
    let mut found = None;
    until("both workers run one", || {
        found = running();
        found.is_some()
    })
    .await;
    let status = found.expect("it was found");
    let owner = &status.connector.worker_id;
    let stranger = status.tasks.iter().find(|task| task.worker_id != *owner).unwrap().id;
    one.scene.first_part.store(5, Ordering::SeqCst);
    *one.scene.replans.lock().unwrap() = Some(stranger.to_string());
    let parts = || {
        let tasks = two.herder.task_configs("rows").unwrap_or_default().into_iter();
        tasks.map(|(_, task)| task["task.assignment"].clone()).collect::<Vec<_>>()
    };
    until("they are planned anew", || parts() == ["5", "6"]).await;
    until("the new parts are read", || rows_of(&one, "5") + rows_of(&one, "6") == 80).await;
}
