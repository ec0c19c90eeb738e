//! What workers ask of each other, and the key that they prove it with.

use super::*;
use crate::worker::herder::{Health, HerderError, Leadership, TargetState};

const ROWS: [(&str, &str); 4] =
    [("connector.class", "rows"), ("topic", "lines"), ("rows", "40"), ("tasks.max", "1")];

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_makes_the_fleets_key_and_another_when_it_is_old() {
    let cluster = Memory::new();
    let ttl = |config: &mut WorkerConfig| {
        config.inter_worker.key_ttl = Duration::from_millis(300);
    };
    let one = House::with(cluster.clone(), Arc::default(), "w1:8083", ttl).await;
    let two = House::with(cluster.clone(), one.scene.clone(), "w2:8083", ttl).await;
    until("one leads", || one.herder.leader() == Leadership::Own).await;
    until("the other knows", || two.herder.leader() == Leadership::Of("w1:8083".into())).await;
    two.herder.keyed().await;
    one.herder.keyed().await;
    let signature = two.herder.sign(b"a").unwrap();
    assert_eq!(one.herder.verify(b"a", Some(&signature)), Ok(()));
    let forged = one.herder.verify(b"b", Some(&signature)).unwrap_err();
    assert!(matches!(forged, HerderError::Forbidden(_)), "{forged:?}");
    until("the key is another", || two.herder.sign(b"a").is_ok_and(|it| it != signature)).await;
    assert_eq!(one.herder.verify(b"a", Some(&signature)), Ok(()), "it counts for a while");
    let written = cluster.records("connect-configs");
    let keys = written.iter().filter(|(key, _)| key == "session-key");
    assert!(keys.count() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_has_not_read_the_fleets_key_yet_waits_for_it() {
    let house = House::new().await;
    house.herder.keyed().await;
    let core = house.worker.core.clone();
    let read = std::mem::take(&mut *core.configs.write().unwrap());
    let mut keyed = house.herder.keyed();
    assert!(futures::poll!(&mut keyed).is_pending());
    assert!(house.herder.sign(b"a").is_err());
    *core.configs.write().unwrap() = read;
    // It looks again at whatever comes next.
    house.cluster.append("connect-configs", 0, "something", "{}");
    tokio::time::timeout(DEADLINE, keyed).await.expect("it is woken");
    assert!(house.herder.sign(b"a").is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_another_worker_planned_are_put_in_effect_by_the_leader_alone() {
    let one = House::new().await;
    one.cluster.create("lines", 1);
    let two = House::over(one.cluster.clone(), one.scene.clone(), "w2:8083").await;
    one.create("rows", &ROWS).await;
    until("it is planned", || one.herder.task_configs("rows").is_ok_and(|it| it.len() == 1)).await;
    let (_, task) = one.herder.task_configs("rows").unwrap().remove(0);
    until("one leads", || one.herder.leader() == Leadership::Own).await;
    until("two knows", || two.herder.leader() == Leadership::Of("w1:8083".into())).await;
    let refused = two.herder.put_task_configs("rows", vec![task.clone()]).await.unwrap_err();
    assert!(matches!(&refused, HerderError::Conflict(why) if why.contains("w1:8083")));
    let unknown = one.herder.put_task_configs("other", Vec::new()).await.unwrap_err();
    assert!(matches!(unknown, HerderError::NotFound(_)));
    one.herder.put_task_configs("rows", vec![task.clone(), task]).await.unwrap();
    assert_eq!(one.herder.task_configs("rows").unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_sources_are_fenced_and_by_the_leader_alone() {
    let one = House::new().await;
    one.cluster.create("lines", 1);
    let two = House::over(one.cluster.clone(), one.scene.clone(), "w2:8083").await;
    one.create("rows", &ROWS).await;
    one.create("keep", &[("connector.class", "keep"), ("topics", "lines")]).await;
    until("one leads", || one.herder.leader() == Leadership::Own).await;
    until("two knows", || two.herder.leader() == Leadership::Of("w1:8083".into())).await;
    until("all rows are there", || one.cluster.records("lines").len() == 40).await;
    let sink = one.herder.fence("keep").await.unwrap_err();
    assert!(matches!(&sink, HerderError::BadRequest(why) if why.contains("not a source")));
    assert!(matches!(one.herder.fence("other").await, Err(HerderError::NotFound(_))));
    assert!(matches!(two.herder.fence("rows").await, Err(HerderError::Conflict(_))));
    one.herder.fence("rows").await.unwrap();
    one.herder.set_target_state("rows", TargetState::Stopped).await.unwrap();
    one.herder.fence("rows").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_healthy_while_it_is_a_member_and_reads_its_topics() {
    let house = House::new().await;
    assert_eq!(house.herder.health().await, Health::Healthy);
    // Whoever asks again at once asks nobody else.
    house.cluster.freeze("connect-configs");
    house.cluster.append("connect-configs", 0, "connector-late", "{}");
    let again = tokio::time::timeout(Duration::from_millis(200), house.herder.health()).await;
    assert_eq!(again, Ok(Health::Healthy));
    house.cluster.thaw("connect-configs");
    house.cluster.lose("m1");
    until("it is no member", || !house.herder.ready()).await;
    assert!(matches!(house.herder.health().await, Health::Starting(_)));

    let other = House::new().await;
    other.cluster.freeze("connect-configs");
    other.cluster.append("connect-configs", 0, "connector-late", "{}");
    let asked = tokio::time::timeout(Duration::from_millis(200), other.herder.health()).await;
    assert!(asked.is_err(), "it has not read what was written");
    other.cluster.thaw("connect-configs");
    assert_eq!(other.herder.health().await, Health::Healthy);
}
