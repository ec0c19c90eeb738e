//! A worker's whole life over a cluster in memory and native plugins.

mod boundaries;
mod cluster;
mod compaction;
mod connections;
mod control;
mod dead_letters;
mod errors;
mod expiry;
mod fleet;
mod generations;
mod inter_worker;
mod kept_positions;
mod life;
mod overlaps;
mod plugins;
mod privileges;
mod real;
mod state_topics;
mod transactions;
mod transforms;
mod uploads;
mod wordcount;

use std::sync::Arc;
use std::time::Duration;

use cluster::Memory;
use plugins::{Scene, Troupe};

use super::config::{FleetResources, WorkerConfig};
use super::herder::{ConnectorConfig, Herder, State};
use super::start::Worker;

/// Whatever a test waits for comes within this, or never.
const DEADLINE: Duration = Duration::from_secs(20);

/// One worker, its cluster and what its plugins did.
struct House {
    cluster: Memory,
    scene: Arc<Scene>,
    worker: Worker,
    herder: Arc<dyn Herder>,
}

impl House {
    async fn new() -> Self {
        Self::over(Memory::new(), Arc::default(), "w1:8083").await
    }

    async fn over(cluster: Memory, scene: Arc<Scene>, worker_id: &str) -> Self {
        Self::with(cluster, scene, worker_id, |_| {}).await
    }

    async fn with(
        cluster: Memory,
        scene: Arc<Scene>,
        worker_id: &str,
        set: impl FnOnce(&mut WorkerConfig),
    ) -> Self {
        let mut config = WorkerConfig::new("memory", "fleet", worker_id);
        config.topic_refresh_interval = Duration::from_millis(20);
        config.scheduled_rebalance_max_delay = Duration::ZERO;
        config.retry_delay_max = Duration::from_millis(10);
        config.task_reopen_max = 3;
        config.loggers = Arc::default();
        config.fleet_resources = FleetResources { connections: true, plugins: true };
        set(&mut config);
        let plugins = Arc::new(Troupe(scene.clone()));
        let worker = Worker::start(config, plugins, Arc::new(cluster.clone())).await.unwrap();
        let herder = worker.herder();
        until("the worker is ready", || herder.ready()).await;
        Self { cluster, scene, worker, herder }
    }

    async fn create(&self, name: &str, pairs: &[(&str, &str)]) {
        self.herder.create(name, config(pairs)).await.unwrap();
    }

    async fn drained(&self, name: &str) {
        let drained = self.herder.drained(name);
        tokio::time::timeout(DEADLINE, drained).await.expect("drained in time").unwrap();
    }

    async fn task_is(&self, name: &str, task: usize, state: State) {
        until(&format!("task {name}-{task} is {state:?}"), || {
            let status = self.herder.status(name);
            status.is_ok_and(|it| it.tasks.get(task).is_some_and(|task| task.state == state))
        })
        .await;
    }
}

fn config(pairs: &[(&str, &str)]) -> ConnectorConfig {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn until_async<F: Future<Output = bool>>(what: &str, mut reached: impl FnMut() -> F) {
    let looking = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, looking).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let looking = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, looking).await.unwrap_or_else(|_| panic!("never: {what}"));
}
