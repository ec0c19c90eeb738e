//! The leader's right to change the fleet: who has it, and what is left when a change
//! does not end well.

use super::*;
use crate::kafka::TopicPartition;
use crate::worker::herder::{HerderError, Leadership, TargetState};

const CONFIGS: &str = "connect-configs";
const LEADER: &str = "connect-cluster-fleet";
const ROWS: [(&str, &str); 3] = [("connector.class", "rows"), ("topic", "lines"), ("rows", "4")];

/// A leader that has nothing more to write by itself.
async fn leader() -> House {
    let house = House::new().await;
    house.cluster.create("lines", 1);
    house.herder.keyed().await;
    house
}

impl House {
    async fn refused(&self) {
        let refused = self.herder.create("rows", config(&ROWS)).await.unwrap_err();
        let is_passing = |why: &str| why.starts_with("Cannot complete request");
        assert!(matches!(&refused, HerderError::Conflict(why) if is_passing(why)), "{refused}");
        assert!(self.herder.connectors().is_empty());
    }
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_any_more_is_carried_to_its_end() {
    let house = leader().await;
    let epoch = house.cluster.epoch(LEADER);
    house.cluster.freeze(CONFIGS);
    let herder = house.herder.clone();
    let creating = tokio::spawn(async move { herder.create("rows", config(&ROWS)).await });
    until("it is written", || house.cluster.is_awaited()).await;
    creating.abort();
    assert!(creating.await.unwrap_err().is_cancelled());
    house.cluster.thaw(CONFIGS);
    until("it is there", || house.herder.connector("rows").is_ok()).await;
    house.herder.delete("rows").await.unwrap();
    assert_eq!(house.cluster.epoch(LEADER), epoch, "nobody else had to end it");
    house.worker.shutdown().await;
}

#[tokio::test]
async fn what_a_failed_change_left_open_is_ended_though_nobody_changes_anything_more() {
    let house = leader().await;
    let epoch = house.cluster.epoch(LEADER);
    house.cluster.fail_sends(CONFIGS, 1);
    let failed = house.herder.create("rows", config(&ROWS)).await.unwrap_err();
    assert!(matches!(&failed, HerderError::Internal(why) if why.contains(CONFIGS)), "{failed}");
    until("its id is taken over", || house.cluster.epoch(LEADER) == epoch + 1).await;
    house.create("rows", &ROWS).await;
    house.worker.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_does_not_lead_changes_nothing_but_whether_a_connector_runs() {
    let one = leader().await;
    let epoch = one.cluster.epoch(LEADER);
    let two = House::over(one.cluster.clone(), one.scene.clone(), "w2:8083").await;
    until("two knows", || two.herder.leader() == Leadership::Of("w1:8083".into())).await;
    two.refused().await;
    one.create("rows", &ROWS).await;
    one.task_is("rows", 0, State::Running).await;
    two.herder.set_target_state("rows", TargetState::Paused).await.unwrap();
    one.task_is("rows", 0, State::Paused).await;
    let stopped = two.herder.set_target_state("rows", TargetState::Stopped).await.unwrap_err();
    assert!(matches!(&stopped, HerderError::Conflict(_)), "{stopped}");
    two.herder.set_target_state("rows", TargetState::Started).await.unwrap();
    one.task_is("rows", 0, State::Running).await;
    assert_eq!(one.cluster.epoch(LEADER), epoch);
    one.worker.shutdown().await;
    two.worker.shutdown().await;
}

#[tokio::test]
async fn a_leader_that_was_frozen_fences_nobody_who_leads_since() {
    let house = leader().await;
    house.cluster.set_lease("m1", false).await;
    let epoch = house.cluster.next_epoch(LEADER);
    // With the right that it had, and without any.
    house.refused().await;
    house.cluster.set_lease("m1", true).await;
    house.refused().await;
    house.cluster.set_lease("m1", false).await;
    house.refused().await;
    assert_eq!(house.cluster.epoch(LEADER), epoch);
    house.cluster.set_lease("m1", true).await;
    house.create("rows", &ROWS).await;
    assert_eq!(house.cluster.epoch(LEADER), epoch + 1);
    house.worker.shutdown().await;
}

#[tokio::test]
async fn a_new_leader_ends_what_the_one_before_left_open_before_it_deals_out() {
    let former = leader().await;
    former.create("rows", &ROWS).await;
    let (cluster, scene) = (former.cluster.clone(), former.scene.clone());
    former.worker.shutdown().await;
    cluster.hold_back(TopicPartition::new(CONFIGS, 0), LEADER);
    let house = House::over(cluster, scene, "w2:8083").await;
    house.task_is("rows", 0, State::Running).await;
    house.worker.shutdown().await;
}
