//! The config topic, folded: what every worker of the fleet believes.
//!
//! Pure: records in, state and changes out. All workers fold the same records
//! in the same order, so they agree on what is there at any offset.

use std::collections::{BTreeMap, BTreeSet};

use super::herder::{ConnectorConfig, TaskId};
use super::records::{
    self, Commit, ConfigKey, LoggerLevelValue, Properties, RecordError, Restart, TargetState,
    Versioned, config_digest,
};
use super::session_key::SessionKeys;

/// One connector as the config topic has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectorEntry {
    /// Its configuration.
    pub config: ConnectorConfig,
    /// [`config_digest`] of it.
    pub digest: String,
    /// Whether it is to run.
    pub target: TargetState,
    /// Its tasks' configurations, in effect since the last commit record.
    pub tasks: Vec<ConnectorConfig>,
    /// Digest of the configuration that `tasks` were planned from; `None` when
    /// none ever were, or when a commit record lacked some of its tasks (its
    /// writer died, and the cleaner took their former versions).
    planned_from: Option<String>,
}

impl ConnectorEntry {
    /// True when its tasks do not follow from its present configuration.
    pub fn needs_plan(&self) -> bool {
        self.planned_from.as_deref() != Some(self.digest.as_str())
    }

    /// The tasks that are to run: none unless planned from the present
    /// configuration and started.
    pub fn runnable_tasks(&self) -> &[ConnectorConfig] {
        if self.needs_plan() { &[] } else { self.present_tasks() }
    }

    /// The tasks that it has: none once it is stopped, as in Kafka Connect.
    pub fn present_tasks(&self) -> &[ConnectorConfig] {
        if self.target == TargetState::Stopped { &[] } else { &self.tasks }
    }
}

/// What a record changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This namespace is to be logged at this level, by every worker. As with
    /// restarts, only those who are there act on it.
    Logger(String, String),
    /// The connector's configuration, tasks or target state; or it is gone.
    Connector(String),
    /// The connection is another, or it is gone.
    Connection(String),
    /// Somebody asks for a restart. Requests of the past are history: only
    /// records read after the replay are acted on.
    Restart(String, Restart),
    /// Nothing that matters now.
    None,
}

/// The fold.
#[derive(Debug, Default)]
pub struct ConfigState {
    connectors: BTreeMap<String, ConnectorEntry>,
    /// Tasks written since their connector's last commit record.
    pending: BTreeMap<String, BTreeMap<u32, ConnectorConfig>>,
    /// Target states may come before their connector.
    targets: BTreeMap<String, TargetState>,
    /// What workers sign their requests to each other with.
    session_keys: SessionKeys,
    connections: BTreeMap<String, Versioned>,
    pipelines: BTreeMap<String, Versioned>,
}

impl ConfigState {
    /// The keys that workers' requests to each other are signed with.
    pub fn session_keys(&self) -> &SessionKeys {
        &self.session_keys
    }

    /// All connectors by name.
    pub fn connectors(&self) -> &BTreeMap<String, ConnectorEntry> {
        &self.connectors
    }

    /// One connector.
    pub fn get(&self, name: &str) -> Option<&ConnectorEntry> {
        self.connectors.get(name)
    }

    /// The fleet's connections by name.
    pub fn connections(&self) -> &BTreeMap<String, Versioned> {
        &self.connections
    }

    /// The pipelines that were applied, by name.
    pub fn pipelines(&self) -> &BTreeMap<String, Versioned> {
        &self.pipelines
    }

    /// Tasks of a connector that the topic knows in any way, for tombstones.
    pub fn known_tasks(&self, name: &str) -> BTreeSet<u32> {
        let committed = self.get(name).map_or(0, |entry| entry.tasks.len() as u32);
        let pending = self.pending.get(name).into_iter().flat_map(|tasks| tasks.keys().copied());
        (0..committed).chain(pending).collect()
    }

    /// Takes the next record of the topic. An error leaves the state as it
    /// was: one unreadable record must not stop the fleet.
    pub fn apply(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<Change, RecordError> {
        let Some(decoded) = ConfigKey::decode(key) else { return Ok(Change::None) };
        let text = decoded.encode();
        match (decoded, value) {
            (ConfigKey::Connector(name), Some(value)) => {
                let config = records::decode::<Properties>(&text, value)?.properties;
                let target = self.targets.get(&name).copied().unwrap_or_default();
                let entry = self.connectors.entry(name.clone()).or_default();
                entry.target = target;
                entry.digest = config_digest(&config);
                entry.config = config;
                Ok(Change::Connector(name))
            }
            (ConfigKey::Connector(name), None) => {
                self.connectors.remove(&name);
                self.pending.remove(&name);
                Ok(Change::Connector(name))
            }
            (ConfigKey::Task(id), value) => self.task(&text, id, value),
            (ConfigKey::Commit(name), Some(value)) => {
                let commit = records::decode::<Commit>(&text, value)?;
                Ok(self.commit(name, &commit))
            }
            (ConfigKey::Commit(_), None) => Ok(Change::None),
            (ConfigKey::TargetState(name), value) => {
                let target = match value {
                    Some(value) => records::decode_target_state(&text, value)?,
                    None => TargetState::default(),
                };
                match value {
                    Some(_) => self.targets.insert(name.clone(), target),
                    None => self.targets.remove(&name),
                };
                match self.connectors.get_mut(&name) {
                    Some(entry) => entry.target = target,
                    None => return Ok(Change::None),
                }
                Ok(Change::Connector(name))
            }
            (ConfigKey::Restart(name), Some(value)) => {
                Ok(Change::Restart(name, records::decode(&text, value)?))
            }
            (ConfigKey::Restart(_), None) => Ok(Change::None),
            (ConfigKey::Logger(namespace), Some(value)) => {
                let level = records::decode::<LoggerLevelValue>(&text, value)?.level;
                Ok(Change::Logger(namespace, level))
            }
            (ConfigKey::Logger(_) | ConfigKey::SessionKey, None) => Ok(Change::None),
            (ConfigKey::SessionKey, Some(value)) => {
                self.session_keys.put(records::decode(&text, value)?);
                Ok(Change::None)
            }
            (ConfigKey::Connection(name), value) => {
                put(&mut self.connections, &text, &name, value)?;
                Ok(Change::Connection(name))
            }
            (ConfigKey::Pipeline(name), value) => {
                put(&mut self.pipelines, &text, &name, value)?;
                Ok(Change::None)
            }
        }
    }

    fn task(&mut self, key: &str, id: TaskId, value: Option<&[u8]>) -> Result<Change, RecordError> {
        let pending = self.pending.entry(id.connector).or_default();
        match value {
            Some(value) => {
                pending.insert(id.task, records::decode::<Properties>(key, value)?.properties);
            }
            None => drop(pending.remove(&id.task)),
        }
        Ok(Change::None)
    }

    fn commit(&mut self, name: String, commit: &Commit) -> Change {
        let mut pending = self.pending.remove(&name).unwrap_or_default();
        let Some(entry) = self.connectors.get_mut(&name) else { return Change::None };
        let tasks: Vec<_> = (0..commit.tasks).map_while(|task| pending.remove(&task)).collect();
        // A plan that was under way as the connector was stopped is void: its
        // offsets may be others when it goes on.
        let void = entry.target == TargetState::Stopped;
        let complete = tasks.len() == commit.tasks as usize && !void;
        entry.planned_from = if complete { commit.digest.clone() } else { None };
        entry.tasks = if complete { tasks } else { Vec::new() };
        Change::Connector(name)
    }
}

/// Takes the next version of a resource, or its end.
fn put(
    all: &mut BTreeMap<String, Versioned>,
    key: &str,
    name: &str,
    value: Option<&[u8]>,
) -> Result<(), RecordError> {
    match value {
        Some(value) => drop(all.insert(name.to_owned(), records::decode(key, value)?)),
        None => drop(all.remove(name)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> ConnectorConfig {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn put(state: &mut ConfigState, key: &str, value: &str) -> Change {
        state.apply(key.as_bytes(), Some(value.as_bytes())).unwrap()
    }

    fn planned(state: &mut ConfigState, tasks: u32) {
        let digest = state.get("c").map_or(String::new(), |entry| entry.digest.clone());
        for task in 0..tasks {
            put(state, &format!("task-c-{task}"), &format!(r#"{{"properties":{{"n":"{task}"}}}}"#));
        }
        put(state, "commit-c", &format!(r#"{{"tasks":{tasks},"digest":"{digest}"}}"#));
    }

    fn one() -> ConfigState {
        let mut state = ConfigState::default();
        put(&mut state, "connector-c", r#"{"properties":{"a":"1"}}"#);
        state
    }

    #[test]
    fn tasks_take_effect_with_their_commit_record_only() {
        let mut state = one();
        put(&mut state, "task-c-0", r#"{"properties":{"n":"0"}}"#);
        assert!(state.get("c").unwrap().needs_plan());
        assert_eq!(state.get("c").unwrap().runnable_tasks().len(), 0);
        planned(&mut state, 2);
        let entry = state.get("c").unwrap();
        assert!(!entry.needs_plan());
        assert_eq!(entry.runnable_tasks(), [properties(&[("n", "0")]), properties(&[("n", "1")])]);
    }

    #[test]
    fn a_changed_configuration_stops_the_old_tasks_until_planned_anew() {
        let mut state = one();
        planned(&mut state, 2);
        put(&mut state, "connector-c", r#"{"properties":{"a":"2"}}"#);
        assert!(state.get("c").unwrap().needs_plan());
        assert_eq!(state.get("c").unwrap().runnable_tasks().len(), 0);
        planned(&mut state, 1);
        assert_eq!(state.get("c").unwrap().runnable_tasks().len(), 1);
    }

    #[test]
    fn a_commit_that_lacks_a_task_asks_for_a_new_plan() {
        let mut state = one();
        put(&mut state, "task-c-1", r#"{"properties":{"n":"1"}}"#);
        let digest = state.get("c").unwrap().digest.clone();
        put(&mut state, "commit-c", &format!(r#"{{"tasks":2,"digest":"{digest}"}}"#));
        assert!(state.get("c").unwrap().needs_plan());
    }

    #[test]
    fn a_plan_without_tasks_is_a_plan() {
        let mut state = one();
        planned(&mut state, 0);
        assert!(!state.get("c").unwrap().needs_plan());
    }

    #[test]
    fn a_deleted_connector_takes_its_tasks_along() {
        let mut state = one();
        planned(&mut state, 1);
        assert_eq!(state.known_tasks("c"), BTreeSet::from([0]));
        state.apply(b"connector-c", None).unwrap();
        assert!(state.connectors().is_empty());
        put(&mut state, "connector-c", r#"{"properties":{"a":"1"}}"#);
        assert!(state.get("c").unwrap().needs_plan());
    }

    #[test]
    fn a_stopped_connector_has_no_task() {
        let mut state = one();
        planned(&mut state, 1);
        put(&mut state, "target-state-c", r#"{"state":"STOPPED"}"#);
        assert_eq!(state.get("c").unwrap().runnable_tasks().len(), 0);
        state.apply(b"target-state-c", None).unwrap();
        assert_eq!(state.get("c").unwrap().runnable_tasks().len(), 1);
    }

    #[test]
    fn a_plan_that_comes_after_a_stop_is_void_and_resuming_asks_for_another() {
        let mut state = one();
        planned(&mut state, 2);
        put(&mut state, "target-state-c", r#"{"state":"STOPPED"}"#);
        put(&mut state, "commit-c", r#"{"tasks":0}"#);
        planned(&mut state, 2);
        assert!(state.get("c").unwrap().present_tasks().is_empty());
        put(&mut state, "target-state-c", r#"{"state":"STARTED"}"#);
        let entry = state.get("c").unwrap();
        assert!(entry.needs_plan() && entry.present_tasks().is_empty());
    }

    #[test]
    fn a_loggers_level_is_a_change_and_no_state() {
        let mut state = one();
        let change = put(&mut state, "logger-cluster-longshore::task", r#"{"level":"DEBUG"}"#);
        assert_eq!(change, Change::Logger("longshore::task".to_owned(), "DEBUG".to_owned()));
        assert_eq!(state.apply(b"logger-cluster-x", None), Ok(Change::None));
    }

    #[test]
    fn a_connection_is_there_from_its_record_to_its_tombstone() {
        let mut state = one();
        let value = r#"{"version":2,"definition":{"driver":"objects"}}"#;
        let change = put(&mut state, "connection-a-b", value);
        assert_eq!(change, Change::Connection("a-b".to_owned()));
        assert_eq!(state.connections()["a-b"].version, 2);
        assert!(state.apply(b"connection-a-b", Some(b"{}")).is_err());
        assert_eq!(state.connections()["a-b"].version, 2);
        let gone = state.apply(b"connection-a-b", None);
        assert_eq!(gone, Ok(Change::Connection("a-b".to_owned())));
        assert!(state.connections().is_empty());
    }

    #[test]
    fn an_unreadable_record_changes_nothing() {
        let mut state = one();
        planned(&mut state, 1);
        let before = state.connectors().clone();
        assert!(state.apply(b"connector-c", Some(b"{")).is_err());
        assert!(state.apply(b"commit-c", Some(b"7")).is_err());
        assert!(state.apply(b"target-state-c", Some(br#"{"state":"ODD"}"#)).is_err());
        assert_eq!(state.connectors(), &before);
        assert_eq!(state.apply(b"\xff\xfe", Some(b"x")), Ok(Change::None));
    }
}
