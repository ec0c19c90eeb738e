//! The fleet's connections: opened again when they change, and who may change them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::host::{Allowed, AllowedPaths, Connections, Reach, ReferencePattern};
use crate::worker::herder::{HerderError, Object};
use crate::worker::resources::{Expected, Origin};

fn local(root: &str, connectors: &str) -> Object {
    let definition = json!({
        "driver": "objects", "kind": "local", "root": root,
        "allow": { "connectors": [connectors], "verbs": ["read"] },
    });
    definition.as_object().unwrap().clone()
}

const READS: [(&str, &str); 4] =
    [("connector.class", "rows"), ("topic", "t"), ("rows", "8"), ("connection", "files")];

impl House {
    async fn put(&self, name: &str, definition: Object) -> Result<u64, HerderError> {
        let (info, _) = self.herder.put_connection(name, definition, Expected::Any).await?;
        Ok(info.version.unwrap())
    }

    fn opened(&self) -> u32 {
        self.scene.connections_opened.load(Ordering::SeqCst)
    }

    fn reopens(&self, name: &str) -> u64 {
        self.worker.core.connector(name).task(0).counters.reopens.load(Ordering::Relaxed)
    }
}

/// A worker whose file lets requests reach everything.
async fn house() -> House {
    let all = || AllowedPaths::new(vec!["/".into()]).unwrap();
    let env = Some(ReferencePattern::new(".*").unwrap());
    let allowed = Allowed { roots: all(), files: all(), env };
    let reach = Reach { internal: Vec::new(), allowed };
    let connections = Arc::new(Connections::new(BTreeMap::new(), reach).unwrap());
    let scene = Scene { connections, ..Scene::default() };
    let house = House::over(Memory::new(), Arc::new(scene), "w1:8083").await;
    house.scene.idles.store(true, Ordering::SeqCst);
    house.cluster.create("t", 1);
    house
}

#[tokio::test]
async fn a_task_that_lacks_its_connection_runs_once_it_is_there_and_allows_it() {
    let house = house().await;
    house.create("read", &READS).await;
    house.task_is("read", 0, State::Failed).await;
    let trace = house.herder.status("read").unwrap().tasks[0].trace.clone().unwrap();
    assert!(trace.contains("there is no connection `files`"), "{trace}");
    house.put("files", local("/", "write-*")).await.unwrap();
    until("the connector is not allowed", || {
        let status = house.herder.status("read").unwrap();
        let trace = status.tasks[0].trace.clone().unwrap_or_default();
        trace.contains("does not allow the connector `read`")
    })
    .await;
    house.put("files", local("/", "re*")).await.unwrap();
    house.task_is("read", 0, State::Running).await;
    house.worker.shutdown().await;
}

#[tokio::test]
async fn a_worker_whose_file_does_not_say_so_takes_connections_and_plugins_from_nobody() {
    let house = house().await;
    house.put("files", local("/", "*")).await.unwrap();
    house.worker.shutdown().await;
    let scene = Scene { fleet: Some(Arc::default()), ..Scene::default() };
    let closed = House::with(house.cluster.clone(), Arc::new(scene), "w1:8083", |config| {
        config.fleet_resources = FleetResources::default();
    })
    .await;
    let put = closed.put("files", local("/", "*")).await;
    assert!(matches!(put, Err(HerderError::Forbidden(_))), "{put:?}");
    let deleted = closed.herder.delete_connection("files", Expected::Any).await;
    assert!(matches!(deleted, Err(HerderError::Forbidden(_))), "{deleted:?}");
    let uploaded = closed.herder.upload_plugin(Bytes::new(), "", true).await;
    assert!(matches!(uploaded, Err(HerderError::Forbidden(_))));
    // Nor does it open one that another worker took.
    closed.create("read", &READS).await;
    closed.task_is("read", 0, State::Failed).await;
    let trace = closed.herder.status("read").unwrap().tasks[0].trace.clone().unwrap();
    assert!(trace.contains("there is no connection `files`"), "{trace}");
    closed.worker.shutdown().await;
}

#[tokio::test]
async fn a_connection_that_changes_is_opened_again_by_its_users() {
    let house = house().await;
    assert_eq!(house.put("files", local("/", "*")).await, Ok(1));
    house.create("read", &READS).await;
    until("it is open", || house.opened() == 1).await;
    assert_eq!(house.put("files", local("/", "*")).await, Ok(1), "nothing changed");
    assert_eq!(house.put("files", local("/tmp", "*")).await, Ok(2));
    until("it is open again", || house.opened() == 2).await;
    house.task_is("read", 0, State::Running).await;
    assert_eq!(house.reopens("read"), 1);
    until("every row is there once", || house.cluster.records("t").len() == 8).await;
    house.worker.shutdown().await;
}

#[tokio::test]
async fn a_file_that_a_connection_refers_to_is_looked_at_again() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("root");
    std::fs::write(&secret, "/").unwrap();
    let house = house().await;
    house.put("files", local(&format!("${{file:{}}}", secret.display()), "*")).await.unwrap();
    house.create("read", &READS).await;
    until("it is open", || house.opened() == 1).await;
    replace(&secret, "/tmp");
    until("it is open again", || house.opened() == 2).await;
    // What the file says now cannot be opened; its next words can.
    replace(&secret, "/no/such/folder");
    house.task_is("read", 0, State::Failed).await;
    let trace = house.herder.status("read").unwrap().tasks[0].trace.clone().unwrap();
    assert!(!trace.contains("/no/such"), "{trace}");
    replace(&secret, "/");
    house.task_is("read", 0, State::Running).await;
    house.worker.shutdown().await;
}

/// As Kubernetes changes a secret: never half.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, path).unwrap();
}

#[tokio::test]
async fn a_connection_in_use_is_not_deleted_and_one_that_others_changed_is_not_changed() {
    let house = house().await;
    house.put("files", local("/", "*")).await.unwrap();
    let first = house.herder.connections()[0].etag.clone();
    house.put("files", local("/tmp", "*")).await.unwrap();
    let stale = Expected::Tags(vec![first]);
    let changed = house.herder.put_connection("files", local("/", "*"), stale.clone()).await;
    assert!(matches!(changed, Err(HerderError::Precondition(_))), "{changed:?}");
    let deleted = house.herder.delete_connection("files", stale).await;
    assert!(matches!(deleted, Err(HerderError::Precondition(_))), "{deleted:?}");

    house.create("read", &READS).await;
    assert!(house.herder.connections()[0].used_by.contains("read"));
    let deleted = house.herder.delete_connection("files", Expected::Any).await;
    assert!(matches!(&deleted, Err(HerderError::Conflict(why)) if why.contains("used by read")));
    house.herder.delete("read").await.unwrap();
    house.herder.delete_connection("files", Expected::Any).await.unwrap();
    assert!(house.herder.connections().is_empty());
    let gone = house.herder.delete_connection("files", Expected::Any).await;
    assert!(matches!(gone, Err(HerderError::NotFound(_))));
    house.worker.shutdown().await;
}

#[tokio::test]
async fn every_worker_has_the_fleets_connections_and_no_secret_is_in_the_topic() {
    let house = house().await;
    house.put("files", local("${env:HOME}", "*")).await.unwrap();
    let mut clear = local("/", "*");
    clear.insert("secret.key".to_owned(), "hunter2".into());
    let refused = house.put("files", clear).await.unwrap_err();
    assert!(matches!(&refused, HerderError::BadRequest(why) if !why.contains("hunter2")));
    let long = house.put("files", local(&"x".repeat(1 << 20), "*")).await;
    assert!(matches!(&long, Err(HerderError::BadRequest(why)) if why.contains("may have")));
    let name = house.put("a/b", local("/", "*")).await;
    assert!(matches!(name, Err(HerderError::BadRequest(_))));
    let other = House::over(house.cluster.clone(), house.scene.clone(), "w2:8083").await;
    let seen = other.herder.connections();
    assert_eq!(seen, house.herder.connections());
    assert_eq!((seen[0].origin, seen[0].version), (Origin::Fleet, Some(1)));
    assert_eq!(seen[0].definition["root"], "${env:HOME}");
    let topic = house.cluster.records("connect-configs").into_iter();
    let topic = topic.filter_map(|(_, value)| value).collect::<Vec<_>>().join("\n");
    let home = std::env::var("HOME").unwrap();
    assert!(!topic.contains("hunter2") && !topic.contains(&format!("\"{home}\"")), "{topic}");
    other.worker.shutdown().await;
    house.worker.shutdown().await;
}

#[tokio::test]
async fn a_configuration_that_no_record_can_hold_is_refused_and_secrets_in_it_are_named() {
    let house = house().await;
    let long = "x".repeat(600 << 10);
    let large = [READS[0], READS[1], READS[2], ("note", long.as_str())];
    let refused = house.herder.create("read", config(&large)).await.unwrap_err();
    assert!(matches!(&refused, HerderError::BadRequest(why) if why.contains("may have")));
    let clear =
        config(&[("sasl.password", "x"), ("api_token", ""), ("topic", "t"), ("My.Secret", "y")]);
    let named: Vec<_> = crate::worker::connections::secrets_in_clear(&clear).collect();
    assert_eq!(named, ["My.Secret", "sasl.password"]);
    house.worker.shutdown().await;
}

#[tokio::test]
async fn a_leader_that_was_deposed_changes_nothing_that_it_has_not_read() {
    const LEADER: &str = "connect-cluster-fleet";
    let house = house().await;
    house.put("files", local("/", "*")).await.unwrap();
    let first = house.herder.connections()[0].etag.clone();
    // Another worker leads, and has changed it; this one does not know yet.
    house.cluster.next_epoch(LEADER);
    let theirs = r#"{"version":2,"definition":{"driver":"objects","kind":"local","root":"/tmp"}}"#;
    house.cluster.append("connect-configs", 0, "connection-files", theirs);
    let late = house.put("files", local("/var", "*")).await.unwrap_err();
    assert!(matches!(&late, HerderError::Conflict(why) if why.contains("another led it")));
    let put = config(&READS);
    house.cluster.next_epoch(LEADER);
    // It leads again, or takes it that it does: it goes on from what the other wrote.
    let tags = Expected::Tags(vec![first]);
    let stale = house.herder.put_connection("files", local("/var", "*"), tags).await;
    assert!(matches!(stale, Err(HerderError::Precondition(_))), "{stale:?}");
    assert_eq!(house.put("files", local("/var", "*")).await, Ok(3));
    house.cluster.next_epoch(LEADER);
    let late = house.herder.create("read", put.clone()).await.unwrap_err();
    assert!(matches!(late, HerderError::Conflict(_)), "{late}");
    assert!(house.herder.connectors().is_empty());
    house.herder.create("read", put).await.unwrap();
    house.worker.shutdown().await;
}

#[tokio::test]
async fn without_transactions_a_fleet_is_changed_as_before() {
    let set = |config: &mut WorkerConfig| {
        config.exactly_once_sources = crate::worker::config::SourceSupport::Disabled;
    };
    let house = House::with(Memory::new(), Arc::default(), "w1:8083", set).await;
    house.cluster.create("t", 1);
    house.create("read", &READS[..3]).await;
    house.task_is("read", 0, State::Running).await;
    assert_eq!(house.cluster.epoch("connect-cluster-fleet"), 0);
    house.worker.shutdown().await;
}

#[tokio::test]
async fn a_connection_whose_users_plugin_cannot_be_loaded_is_not_deleted() {
    let house = house().await;
    house.put("files", local("/", "*")).await.unwrap();
    house.put("other", local("/", "*")).await.unwrap();
    house.create("read", &READS).await;
    // Its plugin is of a version that is gone by now.
    let lost = r#"{"properties":{"connector.class":"rows","connector.plugin.version":"9",
        "name":"read","connection":"files"}}"#;
    house.cluster.append("connect-configs", 0, "connector-read", lost);
    until("it is lost", || {
        house
            .herder
            .connector("read")
            .is_ok_and(|info| info.config.contains_key("connector.plugin.version"))
    })
    .await;
    let deleted = house.herder.delete_connection("files", Expected::Any).await.unwrap_err();
    assert!(matches!(&deleted, HerderError::Conflict(why) if why.contains("used by read")));
    let deleted = house.herder.delete_connection("other", Expected::Any).await.unwrap_err();
    assert!(matches!(&deleted, HerderError::Conflict(why) if why.contains("cannot be loaded")));
    // It would not be let in.
    house.put("other", local("/", "write-*")).await.unwrap();
    house.herder.delete_connection("other", Expected::Any).await.unwrap();
    house.worker.shutdown().await;
}
