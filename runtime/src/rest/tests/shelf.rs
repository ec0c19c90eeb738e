//! A herder that keeps connectors in memory and runs nothing.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::worker::herder::{
    ConnectorConfig, ConnectorInfo, ConnectorKind, ConnectorProgress, ConnectorState,
    ConnectorStatus, Herder, HerderError, PluginInfo, State, TaskId, TaskState,
};

#[derive(Default)]
pub(super) struct Shelf {
    configs: Mutex<BTreeMap<String, ConnectorConfig>>,
    restarts: Mutex<Vec<(bool, bool)>>,
    ready: AtomicBool,
}

impl Shelf {
    pub(super) fn become_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    pub(super) fn restarts(&self) -> Vec<(bool, bool)> {
        self.restarts.lock().unwrap().clone()
    }

    fn config(&self, name: &str) -> Result<ConnectorConfig, HerderError> {
        let missing = || HerderError::NotFound(format!("Connector {name} not found"));
        self.configs.lock().unwrap().get(name).cloned().ok_or_else(missing)
    }
}

#[async_trait]
impl Herder for Shelf {
    fn cluster_id(&self) -> String {
        "shelf-cluster".to_owned()
    }

    fn worker_id(&self) -> String {
        "127.0.0.1:8083".to_owned()
    }

    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn connectors(&self) -> Vec<String> {
        self.configs.lock().unwrap().keys().cloned().collect()
    }

    fn connector(&self, name: &str) -> Result<ConnectorInfo, HerderError> {
        let config = self.config(name)?;
        let tasks = vec![TaskId { connector: name.to_owned(), task: 0 }];
        Ok(ConnectorInfo {
            name: name.to_owned(),
            config,
            tasks,
            kind: Some(ConnectorKind::Source),
        })
    }

    fn status(&self, name: &str) -> Result<ConnectorStatus, HerderError> {
        self.config(name)?;
        let worker_id = self.worker_id();
        let task =
            TaskState { id: 0, state: State::Failed, worker_id, trace: Some("why".to_owned()) };
        Ok(ConnectorStatus {
            name: name.to_owned(),
            connector: ConnectorState {
                state: State::Running,
                worker_id: self.worker_id(),
                trace: None,
            },
            tasks: vec![task],
            kind: Some(ConnectorKind::Source),
        })
    }

    fn task_configs(&self, name: &str) -> Result<Vec<(TaskId, ConnectorConfig)>, HerderError> {
        Ok(vec![(TaskId { connector: name.to_owned(), task: 0 }, self.config(name)?)])
    }

    async fn create(
        &self,
        name: &str,
        config: ConnectorConfig,
    ) -> Result<ConnectorInfo, HerderError> {
        if self.config(name).is_ok() {
            return Err(HerderError::Conflict(format!("Connector {name} already exists")));
        }
        Ok(self.put_config(name, config).await?.0)
    }

    async fn put_config(
        &self,
        name: &str,
        config: ConnectorConfig,
    ) -> Result<(ConnectorInfo, bool), HerderError> {
        let created = self.configs.lock().unwrap().insert(name.to_owned(), config).is_none();
        Ok((self.connector(name)?, created))
    }

    async fn delete(&self, name: &str) -> Result<(), HerderError> {
        self.config(name)?;
        self.configs.lock().unwrap().remove(name);
        Ok(())
    }

    async fn restart(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<ConnectorStatus, HerderError> {
        let status = self.status(name)?;
        self.restarts.lock().unwrap().push((include_tasks, only_failed));
        Ok(status)
    }

    async fn restart_task(&self, id: &TaskId) -> Result<(), HerderError> {
        self.config(&id.connector).map(|_| ())
    }

    fn plugins(&self) -> Vec<PluginInfo> {
        [("file-source", ConnectorKind::Source), ("count-words", ConnectorKind::Processor)]
            .map(|(class, kind)| PluginInfo {
                class: class.to_owned(),
                kind,
                version: "0.1.0".to_owned(),
            })
            .to_vec()
    }

    fn progress(&self, name: &str) -> Result<ConnectorProgress, HerderError> {
        self.config(name).map(|_| ConnectorProgress::default())
    }

    async fn drained(&self, name: &str) -> Result<(), HerderError> {
        self.config(name).map(|_| ())
    }
}
