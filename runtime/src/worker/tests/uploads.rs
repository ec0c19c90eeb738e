//! Plugins that are uploaded: whole or not at all, in versions, and rolled back.

use std::sync::atomic::Ordering;

use sha2::{Digest, Sha256};

use super::plugins::FleetStage;
use super::*;
use crate::worker::herder::HerderError;
use crate::worker::resources::UploadedPlugin;
use crate::worker::uploads::UPLOADED_BYTES_MAX;

const TOPIC: &str = "connect-plugins";

fn sha256(component: &[u8]) -> String {
    Sha256::digest(component).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A component of a few chunks.
fn component(head: &str) -> Vec<u8> {
    format!("{head} {}", "x".repeat(1_300_000)).into_bytes()
}

async fn worker(cluster: Memory, worker_id: &str) -> (House, Arc<FleetStage>) {
    let fleet: Arc<FleetStage> = Arc::default();
    let scene = Scene { fleet: Some(fleet.clone()), ..Scene::default() };
    scene.idles.store(true, Ordering::SeqCst);
    (House::over(cluster, Arc::new(scene), worker_id).await, fleet)
}

impl House {
    async fn upload(&self, component: &[u8]) -> Result<(UploadedPlugin, bool), HerderError> {
        self.herder.upload_plugin(component.to_vec().into(), &sha256(component), true).await
    }

    fn versions(&self) -> Vec<String> {
        self.scene.versions.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn an_upload_reaches_every_worker_whole_and_one_that_was_cut_off_nobody() {
    let cluster = Memory::new();
    let (house, own) = worker(cluster.clone(), "w1:8083").await;
    let (other, theirs) = worker(cluster.clone(), "w2:8083").await;
    let first = component("rows 2 source");
    // What another upload left before it was cut off, of this component and of one
    // that was never tried again.
    cluster.append(TOPIC, 0, &format!("chunk-{}-0", sha256(&first)), "half");
    cluster.append(TOPIC, 0, "chunk-abc-0", "lost");
    assert!(house.herder.uploaded_plugins().is_empty());
    let (plugin, is_new) = house.upload(&first).await.unwrap();
    assert!(is_new && plugin.active.as_deref() == Some("2"));
    assert_eq!(own.component("rows", "2"), Some(first.clone()));
    until("the other has it", || theirs.component("rows", "2").is_some()).await;
    assert_eq!(theirs.component("rows", "2"), Some(first.clone()));
    let lost = cluster.records(TOPIC).into_iter().rfind(|(key, _)| key == "chunk-abc-0");
    assert_eq!(lost.unwrap().1, None, "what was lost is swept away");
    let longest = cluster.records(TOPIC).into_iter().filter_map(|(_, value)| value);
    assert!(longest.map(|value| value.len()).max().unwrap() <= 512 << 10);
    assert_eq!(cluster.longest_transaction(), 1, "each has little to bring before it times out");

    assert!(!house.upload(&first).await.unwrap().1, "the same again is no news");
    let (late, installed) = worker(cluster, "w3:8083").await;
    assert_eq!(installed.component("rows", "2"), Some(first));
    assert_eq!(late.herder.uploaded_plugins(), house.herder.uploaded_plugins());
    for house in [house, other, late] {
        house.worker.shutdown().await;
    }
}

#[tokio::test]
async fn tasks_are_opened_with_the_active_version_and_a_pinned_connector_keeps_its_own() {
    let (house, _) = worker(Memory::new(), "w1:8083").await;
    house.cluster.create("t", 1);
    let config = [("connector.class", "rows"), ("topic", "t"), ("rows", "4")];
    house.create("follows", &config).await;
    house.task_is("follows", 0, State::Running).await;
    until("the worker's own is open", || house.versions() == ["1"]).await;
    house.upload(&component("rows 2 source")).await.unwrap();
    until("version 2 is open", || house.versions() == ["1", "2"]).await;
    let pin = [("connector.plugin.version", "2")];
    house.create("pinned", &[&config[..], &pin].concat()).await;
    until("the pinned one is open", || house.versions() == ["1", "2", "2"]).await;
    house.upload(&component("rows 3 source")).await.unwrap();
    until("version 3 is open", || house.versions() == ["1", "2", "2", "3"]).await;
    assert_eq!(house.herder.status("pinned").unwrap().connector.version.as_deref(), Some("2"));
    // Back.
    house.herder.activate_plugin("rows", Some("2".to_owned())).await.unwrap();
    until("version 2 is open again", || house.versions() == ["1", "2", "2", "3", "2"]).await;
    house.herder.activate_plugin("rows", None).await.unwrap();
    until("the worker's own again", || house.versions() == ["1", "2", "2", "3", "2", "1"]).await;
    house.task_is("follows", 0, State::Running).await;

    let wrong = [("connector.plugin.version", "7")];
    let wrong = super::config(&[&config[..], &wrong].concat());
    let refused = house.herder.create("wrong", wrong).await.unwrap_err();
    assert!(matches!(&refused, HerderError::BadRequest(why) if why.contains("version 7")));
    let deleted = house.herder.delete_plugin("rows", "2").await.unwrap_err();
    assert!(matches!(&deleted, HerderError::Conflict(why) if why.contains("pinned")), "{deleted}");
    house.herder.delete_plugin("rows", "3").await.unwrap();
    let names = |plugins: Vec<UploadedPlugin>| {
        let versions = plugins.into_iter().flat_map(|plugin| plugin.versions);
        versions.map(|it| it.version).collect::<Vec<_>>()
    };
    assert_eq!(names(house.herder.uploaded_plugins()), ["2"]);
    let gone = house.herder.activate_plugin("rows", Some("3".to_owned())).await;
    assert!(matches!(gone, Err(HerderError::NotFound(_))), "{gone:?}");
    house.worker.shutdown().await;
}

#[tokio::test]
async fn what_is_no_plugin_or_another_than_it_says_is_refused_and_leaves_nothing() {
    let (house, _) = worker(Memory::new(), "w1:8083").await;
    let bad = |result: Result<_, HerderError>| match result {
        Err(HerderError::BadRequest(why)) => why,
        other => panic!("{other:?}"),
    };
    let script = b"#!/bin/sh".to_vec();
    assert!(bad(house.upload(&script).await).contains("no WebAssembly"));
    let first = component("rows 2 source");
    let other = house.herder.upload_plugin(first.clone().into(), &sha256(b"other"), true).await;
    assert!(bad(other).contains("SHA-256"));
    assert!(bad(house.upload(b"a/b 2 source").await).contains("calls itself"));
    assert!(bad(house.upload(b"rows 2:1 source").await).contains("calls itself"));
    assert!(house.cluster.records(TOPIC).is_empty());

    house.upload(&first).await.unwrap();
    let conflict = |result: Result<_, HerderError>| match result {
        Err(HerderError::Conflict(why)) => why,
        other => panic!("{other:?}"),
    };
    let changed = house.upload(&component("rows 2 source changed")).await;
    assert!(conflict(changed).contains("a version is never changed"));
    assert!(conflict(house.upload(&component("rows 3 sink")).await).contains("another name"));
    let active = house.herder.delete_plugin("rows", "2").await.map(|()| unreachable!());
    assert!(conflict(active).contains("the active one"));
    house.worker.shutdown().await;
}

#[tokio::test]
async fn a_plugin_topic_that_would_lose_plugins_is_refused_with_the_remedy() {
    let cluster = Memory::new();
    cluster.create(TOPIC, 1);
    cluster.alter(TOPIC, "cleanup.policy", "delete");
    let scene = Scene { fleet: Some(Arc::default()), ..Scene::default() };
    let mut config = WorkerConfig::new("memory", "fleet", "w1:8083");
    config.fleet_resources.plugins = true;
    let troupe = Arc::new(Troupe(Arc::new(scene)));
    let refused = Worker::start(config, troupe, Arc::new(cluster)).await;
    let told = refused.err().expect("it is refused").to_string();
    assert!(told.contains("cleanup.policy=delete") && told.contains("alter the topic"), "{told}");
}

#[tokio::test]
async fn a_version_that_is_deleted_while_a_connector_is_checked_is_not_named_by_it() {
    let (house, _) = worker(Memory::new(), "w1:8083").await;
    house.cluster.create("t", 1);
    house.upload(&component("rows 2 source")).await.unwrap();
    house.upload(&component("rows 3 source")).await.unwrap();
    let (reached, is_reached) = tokio::sync::oneshot::channel();
    let (go_on, goes_on) = tokio::sync::oneshot::channel();
    *house.scene.validating.lock().unwrap() = Some((reached, goes_on));
    let pinned = config(&[
        ("connector.class", "rows"),
        ("connector.plugin.version", "2"),
        ("topic", "t"),
        ("rows", "4"),
    ]);
    let herder = house.herder.clone();
    let creating = tokio::spawn(async move { herder.create("pinned", pinned).await });
    is_reached.await.unwrap();
    house.herder.delete_plugin("rows", "2").await.unwrap();
    go_on.send(()).unwrap();
    let refused = creating.await.unwrap().unwrap_err();
    assert!(matches!(&refused, HerderError::BadRequest(why) if why.contains("version 2")));
    assert!(house.herder.connectors().is_empty());
    house.worker.shutdown().await;
}

#[tokio::test]
async fn a_component_that_lost_a_chunk_is_made_whole_by_the_same_upload() {
    let cluster = Memory::new();
    let (house, _) = worker(cluster.clone(), "w1:8083").await;
    let first = component("rows 2 source");
    house.upload(&first).await.unwrap();
    cluster.delete(TOPIC, &format!("chunk-{}-1", sha256(&first)));
    let (early, lacking) = worker(cluster.clone(), "w2:8083").await;
    assert!(lacking.component("rows", "2").is_none(), "it is not whole");
    assert!(!house.upload(&first).await.unwrap().1, "its version was there");
    until("who lacked it has it", || lacking.component("rows", "2").is_some()).await;
    let (late, installed) = worker(cluster, "w3:8083").await;
    for fleet in [lacking, installed] {
        assert!(fleet.component("rows", "2").as_ref() == Some(&first));
    }
    assert_eq!(late.herder.uploaded_plugins(), house.herder.uploaded_plugins());
    for house in [house, early, late] {
        house.worker.shutdown().await;
    }
}

#[tokio::test]
async fn an_upload_that_is_refused_by_the_log_leaves_nothing_to_be_seen() {
    let (house, own) = worker(Memory::new(), "w1:8083").await;
    house.upload(&component("rows 2 source")).await.unwrap();
    let before = house.herder.uploaded_plugins();
    // The first chunk is taken.
    house.cluster.fail_send_after(TOPIC, 1);
    let third = component("rows 3 source");
    let failed = house.upload(&third).await.unwrap_err();
    assert!(matches!(&failed, HerderError::Internal(why) if why.contains(TOPIC)), "{failed}");
    assert_eq!(house.herder.uploaded_plugins(), before);
    assert_eq!(own.component("rows", "3"), None);
    let (plugin, is_new) = house.upload(&third).await.unwrap();
    assert!(is_new && plugin.active.as_deref() == Some("3"));
    assert_eq!(own.component("rows", "3"), Some(third));
    house.worker.shutdown().await;
}

#[tokio::test]
async fn plugins_have_room_for_so_many_bytes_together() {
    let (house, _) = worker(Memory::new(), "w1:8083").await;
    let large =
        |version: u32| format!("rows {version} source {}", "x".repeat(60 << 20)).into_bytes();
    for version in 1..=4 {
        house.upload(&large(version)).await.unwrap();
    }
    let written = house.cluster.records(TOPIC).len();
    let full = house.upload(&large(5)).await.unwrap_err();
    let limit = UPLOADED_BYTES_MAX.to_string();
    assert!(matches!(&full, HerderError::Conflict(why) if why.contains(&limit)), "{full}");
    assert!(full.to_string().contains("longshore plugin remove"), "{full}");
    assert_eq!(house.cluster.records(TOPIC).len(), written);
    house.herder.delete_plugin("rows", "1").await.unwrap();
    assert!(house.upload(&large(5)).await.unwrap().1);
    house.worker.shutdown().await;
}
