//! The config topic, folded: what every worker of the fleet believes.
//!
//! Pure: records in, state and changes out. All workers fold the same records
//! in the same order, so they agree on what is there at any offset.

use std::collections::{BTreeMap, BTreeSet};

use super::herder::{ConnectorConfig, TaskId};
use super::options;
use super::records::{
    self, Commit, ConfigKey, LoggerLevelValue, Properties, RecordError, Restart, TargetState,
    TasksFencing, Versioned, config_digest,
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
    /// Offset of the commit record that `tasks` are from.
    generation: i64,
}

/// What a commit record says, in its place in the topic.
#[derive(Debug, Default)]
struct Plan {
    tasks: Vec<ConnectorConfig>,
    planned_from: Option<String>,
    generation: i64,
}

/// A source whose tasks' former generation may still write (KIP-618).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfenced {
    /// How many tasks the generation had that was fenced last.
    pub former: u32,
    /// What is to be written once it is fenced.
    pub record: TasksFencing,
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

    /// What tells this generation of a source's tasks from all others: the offset of
    /// the commit record that put them in effect. `None` for what is no source.
    pub fn source_generation(&self) -> Option<i64> {
        let first = self.tasks.first()?;
        first.contains_key(options::TASK_ASSIGNMENT).then_some(self.generation)
    }

    fn follow(&mut self, plan: Plan) {
        let Plan { tasks, planned_from, generation } = plan;
        (self.tasks, self.planned_from, self.generation) = (tasks, planned_from, generation);
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
    /// Plans without their connector's record. Compaction moves that behind its plan
    /// when an unchanged configuration is written again (KAFKA-17719).
    ownerless: BTreeMap<String, Plan>,
    /// The generations of sources' tasks that were fenced last. They outlive their
    /// connector, as in Kafka Connect: a slow task of it may still write when there is
    /// another by its name.
    fenced: BTreeMap<String, TasksFencing>,
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

    /// True if there is a plan for a connector of this name, but no connector: it was
    /// deleted while it was planned.
    pub fn has_ownerless_plan(&self, name: &str) -> bool {
        self.ownerless.contains_key(name)
    }

    /// Tasks of a connector that the topic knows in any way, for tombstones.
    pub fn known_tasks(&self, name: &str) -> BTreeSet<u32> {
        let tasks = match self.get(name) {
            Some(entry) => Some(&entry.tasks),
            None => self.ownerless.get(name).map(|plan| &plan.tasks),
        };
        let committed = tasks.map_or(0, |tasks| tasks.len() as u32);
        let pending = self.pending.get(name).into_iter().flat_map(|tasks| tasks.keys().copied());
        (0..committed).chain(pending).collect()
    }

    /// The sources with tasks of a generation that may not start yet.
    pub fn unfenced(&self) -> impl Iterator<Item = &str> {
        self.connectors.keys().map(String::as_str).filter(|name| self.fencing(name).is_some())
    }

    /// What has to be done before a source's tasks may start, if anything.
    pub fn fencing(&self, name: &str) -> Option<Unfenced> {
        let entry = self.get(name)?;
        let generation = entry.source_generation()?;
        let fenced = self.fenced.get(name);
        if fenced.is_some_and(|fenced| fenced.generation == Some(generation)) {
            return None;
        }
        let former = fenced.map_or(0, |fenced| fenced.tasks);
        let tasks = entry.tasks.len() as u32;
        Some(Unfenced { former, record: TasksFencing { tasks, generation: Some(generation) } })
    }

    /// Takes the next record of the topic. An error leaves the state as it
    /// was: one unreadable record must not stop the fleet.
    pub fn apply(
        &mut self,
        offset: i64,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Change, RecordError> {
        let Some(decoded) = ConfigKey::decode(key) else { return Ok(Change::None) };
        let text = decoded.encode();
        match (decoded, value) {
            (ConfigKey::Connector(name), Some(value)) => {
                let config = records::decode::<Properties>(&text, value)?.properties;
                let target = self.targets.get(&name).copied().unwrap_or_default();
                let plan = self.ownerless.remove(&name);
                let entry = self.connectors.entry(name.clone()).or_default();
                if let Some(plan) = plan {
                    entry.follow(plan);
                }
                entry.target = target;
                entry.digest = config_digest(&config);
                entry.config = config;
                Ok(Change::Connector(name))
            }
            (ConfigKey::Connector(name), None) => {
                // Its plan ends with its own tombstone, wherever compaction leaves this.
                if let Some(entry) = self.connectors.remove(&name) {
                    let ConnectorEntry { tasks, planned_from, generation, .. } = entry;
                    self.ownerless.insert(name.clone(), Plan { tasks, planned_from, generation });
                }
                Ok(Change::Connector(name))
            }
            (ConfigKey::Task(id), value) => self.task(&text, id, value),
            (ConfigKey::Commit(name), Some(value)) => {
                let commit = records::decode::<Commit>(&text, value)?;
                Ok(self.commit(name, &commit, offset))
            }
            (ConfigKey::Commit(name), None) => Ok(self.follow(name, None)),
            (ConfigKey::TasksFencing(name), Some(value)) => {
                self.fenced.insert(name, records::decode(&text, value)?);
                Ok(Change::None)
            }
            (ConfigKey::TasksFencing(name), None) => {
                self.fenced.remove(&name);
                Ok(Change::None)
            }
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
        match value {
            Some(value) => {
                let config = records::decode::<Properties>(key, value)?.properties;
                self.pending.entry(id.connector).or_default().insert(id.task, config);
            }
            None => {
                if let Some(pending) = self.pending.get_mut(&id.connector) {
                    pending.remove(&id.task);
                }
            }
        }
        Ok(Change::None)
    }

    fn commit(&mut self, name: String, commit: &Commit, offset: i64) -> Change {
        let mut pending = self.pending.remove(&name).unwrap_or_default();
        let tasks: Vec<_> = (0..commit.tasks).map_while(|task| pending.remove(&task)).collect();
        // A plan that was under way as the connector was stopped is void: its
        // offsets may be others when it goes on.
        let void = self.targets.get(&name) == Some(&TargetState::Stopped);
        let complete = tasks.len() == commit.tasks as usize && !void;
        let plan = match complete {
            true => Plan { tasks, planned_from: commit.digest.clone(), generation: offset },
            false => Plan { generation: offset, ..Plan::default() },
        };
        self.follow(name, Some(plan))
    }

    /// The connector has this plan now, whether its own record is there or not.
    fn follow(&mut self, name: String, plan: Option<Plan>) -> Change {
        if let Some(entry) = self.connectors.get_mut(&name) {
            entry.follow(plan.unwrap_or_default());
            return Change::Connector(name);
        }
        match plan {
            Some(plan) => self.ownerless.insert(name, plan),
            None => self.ownerless.remove(&name),
        };
        Change::None
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
        state.apply(0, key.as_bytes(), Some(value.as_bytes())).unwrap()
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
    fn a_plan_before_its_connectors_record_is_in_effect_if_it_is_of_that_configuration() {
        let digest = one().get("c").unwrap().digest.clone();
        for (digest, tasks) in [(digest.as_str(), 1), ("another", 0)] {
            let mut state = ConfigState::default();
            put(&mut state, "task-c-0", r#"{"properties":{"n":"0"}}"#);
            put(&mut state, "commit-c", &format!(r#"{{"tasks":1,"digest":"{digest}"}}"#));
            put(&mut state, "connector-c", r#"{"properties":{"a":"1"}}"#);
            assert_eq!(state.get("c").unwrap().runnable_tasks().len(), tasks);
        }
    }

    #[test]
    fn a_sources_tasks_start_once_the_generation_before_them_is_fenced() {
        let mut state = one();
        let mut plan = |offset: i64, tasks: u32| {
            for task in 0..tasks {
                let value = r#"{"properties":{"task.assignment":"x"}}"#;
                put(&mut state, &format!("task-c-{task}"), value);
            }
            let commit = format!(r#"{{"tasks":{tasks}}}"#);
            state.apply(offset, b"commit-c", Some(commit.as_bytes())).unwrap();
            let Unfenced { former, record } = state.fencing("c")?;
            assert_eq!(state.unfenced().collect::<Vec<_>>(), ["c"]);
            state.apply(offset + 1, b"tasks-fencing-c", Some(&records::encode(&record))).unwrap();
            assert_eq!(state.fencing("c"), None);
            Some((former, record.tasks, record.generation))
        };
        assert_eq!(plan(7, 3), Some((0, 3, Some(7))));
        assert_eq!(plan(17, 0), None, "there is nothing to start");
        assert_eq!(plan(27, 2), Some((3, 2, Some(27))));
        assert_eq!(plan(37, 2), Some((2, 2, Some(37))));
        planned(&mut state, 2);
        assert_eq!(state.fencing("c"), None, "it is no source any more");
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
        state.apply(0, b"connector-c", None).unwrap();
        assert!(state.connectors().is_empty());
        assert_eq!(state.known_tasks("c"), BTreeSet::from([0]));
        state.apply(0, b"task-c-0", None).unwrap();
        state.apply(0, b"commit-c", None).unwrap();
        assert!(state.known_tasks("c").is_empty());
        put(&mut state, "connector-c", r#"{"properties":{"a":"1"}}"#);
        assert!(state.get("c").unwrap().needs_plan());
    }

    #[test]
    fn a_stopped_connector_has_no_task() {
        let mut state = one();
        planned(&mut state, 1);
        put(&mut state, "target-state-c", r#"{"state":"STOPPED"}"#);
        assert_eq!(state.get("c").unwrap().runnable_tasks().len(), 0);
        state.apply(0, b"target-state-c", None).unwrap();
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
        assert_eq!(state.apply(0, b"logger-cluster-x", None), Ok(Change::None));
    }

    #[test]
    fn a_connection_is_there_from_its_record_to_its_tombstone() {
        let mut state = one();
        let value = r#"{"version":2,"definition":{"driver":"objects"}}"#;
        let change = put(&mut state, "connection-a-b", value);
        assert_eq!(change, Change::Connection("a-b".to_owned()));
        assert_eq!(state.connections()["a-b"].version, 2);
        assert!(state.apply(0, b"connection-a-b", Some(b"{}")).is_err());
        assert_eq!(state.connections()["a-b"].version, 2);
        let gone = state.apply(0, b"connection-a-b", None);
        assert_eq!(gone, Ok(Change::Connection("a-b".to_owned())));
        assert!(state.connections().is_empty());
    }

    #[test]
    fn an_unreadable_record_changes_nothing() {
        let mut state = one();
        planned(&mut state, 1);
        let before = state.connectors().clone();
        assert!(state.apply(0, b"connector-c", Some(b"{")).is_err());
        assert!(state.apply(0, b"commit-c", Some(b"7")).is_err());
        assert!(state.apply(0, b"target-state-c", Some(br#"{"state":"ODD"}"#)).is_err());
        assert_eq!(state.connectors(), &before);
        assert_eq!(state.apply(0, b"\xff\xfe", Some(b"x")), Ok(Change::None));
    }
}
