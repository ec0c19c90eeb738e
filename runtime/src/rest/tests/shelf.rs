//! A herder that keeps connectors in memory and runs nothing.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use async_trait::async_trait;

use super::shelf_resources::Kept;
use crate::logging::LoggerLevel;
use crate::worker::definitions::{self, ConfigInfos, ConfigKeyInfo};
use crate::worker::herder::{
    ConnectorConfig, ConnectorInfo, ConnectorKind, ConnectorOffsets, ConnectorProgress,
    ConnectorState, ConnectorStatus, Health, Herder, HerderError, Leadership, PluginInfo, State,
    TargetState, TaskId, TaskState,
};
use crate::worker::plugin::ConfigProblem;
use crate::worker::session_key::{InterWorker, RequestSignature, SessionKey, SessionKeys, now_ms};

/// The key of every shelf that was not given another.
static KEY: LazyLock<SessionKey> =
    LazyLock::new(|| SessionKey::generate(&InterWorker::default(), now_ms()));

#[derive(Default)]
pub(super) struct Shelf {
    configs: Mutex<BTreeMap<String, ConnectorConfig>>,
    restarts: Mutex<Vec<(bool, bool)>>,
    targets: Mutex<BTreeMap<String, TargetState>>,
    offsets: Mutex<ConnectorOffsets>,
    cluster_loggers: Mutex<Vec<(String, String)>>,
    leader: Mutex<Option<Leadership>>,
    health: Mutex<Option<Health>>,
    dead: Mutex<Option<String>>,
    keys: Mutex<Option<SessionKeys>>,
    given: Mutex<Vec<(String, Vec<ConnectorConfig>)>>,
    fenced: Mutex<Vec<String>>,
    pub(super) kept: Kept,
}

impl Shelf {
    /// It gives no sign of life, and says why.
    pub(super) fn dies(&self, why: &str) {
        *self.dead.lock().unwrap() = Some(why.to_owned());
    }

    /// It is healthy, unless something else is said.
    pub(super) fn feels(&self, health: Health) {
        *self.health.lock().unwrap() = Some(health);
    }

    /// Another key than all other shelves', or none.
    pub(super) fn has_keys(&self, keys: SessionKeys) {
        *self.keys.lock().unwrap() = Some(keys);
    }

    fn keys(&self) -> SessionKeys {
        self.keys.lock().unwrap().clone().unwrap_or_else(|| {
            let mut keys = SessionKeys::default();
            keys.put(KEY.clone());
            keys
        })
    }

    /// The tasks that other workers gave.
    pub(super) fn given(&self) -> Vec<(String, Vec<ConnectorConfig>)> {
        self.given.lock().unwrap().clone()
    }

    pub(super) fn fenced(&self) -> Vec<String> {
        self.fenced.lock().unwrap().clone()
    }

    pub(super) fn restarts(&self) -> Vec<(bool, bool)> {
        self.restarts.lock().unwrap().clone()
    }

    pub(super) fn target(&self, name: &str) -> Option<TargetState> {
        self.targets.lock().unwrap().get(name).copied()
    }

    pub(super) fn cluster_loggers(&self) -> Vec<(String, String)> {
        self.cluster_loggers.lock().unwrap().clone()
    }

    /// It leads, unless somebody else is said to.
    pub(super) fn led_by(&self, leader: Leadership) {
        *self.leader.lock().unwrap() = Some(leader);
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
        true
    }

    async fn alive(&self) -> Result<(), String> {
        match &*self.dead.lock().unwrap() {
            Some(why) => Err(why.clone()),
            None => Ok(()),
        }
    }

    async fn health(&self) -> Health {
        self.health.lock().unwrap().clone().unwrap_or(Health::Healthy)
    }

    async fn keyed(&self) {}

    fn sign(&self, request: &[u8]) -> Result<RequestSignature, HerderError> {
        Ok(self.keys().sign(&InterWorker::default(), request)?)
    }

    fn verify(
        &self,
        request: &[u8],
        signature: Option<&RequestSignature>,
    ) -> Result<(), HerderError> {
        Ok(self.keys().verify(&InterWorker::default(), request, signature, now_ms())?)
    }

    async fn put_task_configs(
        &self,
        name: &str,
        tasks: Vec<ConnectorConfig>,
    ) -> Result<(), HerderError> {
        self.config(name)?;
        self.given.lock().unwrap().push((name.to_owned(), tasks));
        Ok(())
    }

    async fn fence(&self, name: &str) -> Result<(), HerderError> {
        self.config(name)?;
        self.fenced.lock().unwrap().push(name.to_owned());
        Ok(())
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
        let task = TaskState {
            id: 0,
            state: State::Failed,
            worker_id,
            version: Some("1".to_owned()),
            trace: Some("why".to_owned()),
        };
        Ok(ConnectorStatus {
            name: name.to_owned(),
            connector: ConnectorState {
                state: State::Running,
                worker_id: self.worker_id(),
                version: Some("1".to_owned()),
                trace: None,
            },
            tasks: vec![task],
            kind: Some(ConnectorKind::Source),
        })
    }

    fn task_configs(&self, name: &str) -> Result<Vec<(TaskId, ConnectorConfig)>, HerderError> {
        Ok(vec![(TaskId { connector: name.to_owned(), task: 0 }, self.config(name)?)])
    }

    async fn create_in(
        &self,
        name: &str,
        config: ConnectorConfig,
        initial_state: Option<TargetState>,
    ) -> Result<ConnectorInfo, HerderError> {
        if self.config(name).is_ok() {
            return Err(HerderError::Conflict(format!("Connector {name} already exists")));
        }
        if let Some(target) = initial_state {
            self.targets.lock().unwrap().insert(name.to_owned(), target);
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

    async fn patch_config(
        &self,
        name: &str,
        patch: BTreeMap<String, Option<String>>,
    ) -> Result<ConnectorInfo, HerderError> {
        let mut config = self.config(name)?;
        for (option, value) in patch {
            match value {
                Some(value) => drop(config.insert(option, value)),
                None => drop(config.remove(&option)),
            }
        }
        Ok(self.put_config(name, config).await?.0)
    }

    async fn set_target_state(&self, name: &str, target: TargetState) -> Result<(), HerderError> {
        self.config(name)?;
        self.targets.lock().unwrap().insert(name.to_owned(), target);
        Ok(())
    }

    async fn offsets(&self, name: &str) -> Result<ConnectorOffsets, HerderError> {
        self.config(name)?;
        Ok(self.offsets.lock().unwrap().clone())
    }

    async fn alter_offsets(
        &self,
        name: &str,
        offsets: ConnectorOffsets,
    ) -> Result<String, HerderError> {
        self.config(name)?;
        *self.offsets.lock().unwrap() = offsets;
        Ok("altered".to_owned())
    }

    async fn reset_offsets(&self, name: &str) -> Result<String, HerderError> {
        self.config(name)?;
        *self.offsets.lock().unwrap() = ConnectorOffsets::default();
        Ok("reset".to_owned())
    }

    fn active_topics(&self, name: &str) -> Result<Vec<String>, HerderError> {
        Ok(self.config(name).map_or_else(|_| Vec::new(), |_| vec!["lines".to_owned()]))
    }

    async fn reset_active_topics(&self, _: &str) -> Result<(), HerderError> {
        Err(HerderError::Forbidden("Topic tracking reset is disabled.".to_owned()))
    }

    fn plugin_config(&self, class: &str) -> Result<Vec<ConfigKeyInfo>, HerderError> {
        match class {
            "file-source" => Ok(definitions::definitions(ConnectorKind::Source, &schema())),
            _ => Err(HerderError::NotFound(format!("Unknown plugin {class}."))),
        }
    }

    async fn validate(
        &self,
        config: BTreeMap<String, Option<String>>,
    ) -> Result<ConfigInfos, HerderError> {
        let Some(Some(class)) = config.get("connector.class") else {
            return Err(HerderError::BadRequest("no connector type".to_owned()));
        };
        let missing = !config.contains_key("path");
        let problem = ConfigProblem { option: "path".to_owned(), message: "is missing".to_owned() };
        let problems: Vec<_> = missing.then_some(problem).into_iter().collect();
        Ok(definitions::infos(class, ConnectorKind::Source, &schema(), &config, &problems))
    }

    fn loggers(&self) -> BTreeMap<String, LoggerLevel> {
        let level = LoggerLevel { level: "INFO".to_owned(), last_modified: None };
        BTreeMap::from([("root".to_owned(), level)])
    }

    fn set_worker_logger(&self, namespace: &str, _: &str) -> Result<Vec<String>, HerderError> {
        Ok(vec![namespace.to_owned()])
    }

    async fn set_cluster_logger(&self, namespace: &str, level: &str) -> Result<(), HerderError> {
        let set = (namespace.to_owned(), level.to_owned());
        self.cluster_loggers.lock().unwrap().push(set);
        Ok(())
    }

    fn leader(&self) -> Leadership {
        self.leader.lock().unwrap().clone().unwrap_or(Leadership::Own)
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

fn schema() -> serde_json::Value {
    serde_json::json!({ "properties": { "path": { "type": "string" } }, "required": ["path"] })
}
