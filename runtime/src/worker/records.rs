//! Keys and values of the three internal topics, in Kafka Connect's formats.
//!
//! | topic | key | value |
//! | --- | --- | --- |
//! | config | `connector-NAME` | `{"properties": {..}}` |
//! | config | `task-NAME-N` | `{"properties": {..}}` |
//! | config | `commit-NAME` | `{"tasks": N, "digest": ".."}` |
//! | config | `tasks-fencing-NAME` | `{"tasks": N, "generation": N?}` |
//! | config | `target-state-NAME` | `{"state": "STARTED"}` |
//! | config | `logger-cluster-NAMESPACE` | `{"level": "DEBUG"}` |
//! | config | `session-key` | `{"key": .., "algorithm": .., "creation-timestamp": N}` |
//! | config | `restart-connector-NAME` | `{"include-tasks": .., "only-failed": .., "task": N?, "replan": ..?}` |
//! | config | `connection-NAME` | `{"version": N, "definition": {..}}` |
//! | config | `pipeline-NAME` | the same |
//! | offset | `["NAME", {partition}]` | `{offset}` |
//! | status | `status-connector-NAME` | `{"state": .., "trace": .., "worker_id": .., "generation": N}` |
//! | status | `status-task-NAME-N` | the same |
//! | status | `status-topic-TOPIC:connector-NAME` | `{"topic": {"name": .., "connector": .., "task": N, "discoverTimestamp": ..}}` |
//!
//! A null value deletes. Task configurations take effect together, with the
//! `commit` record after them. `digest` (of the connector's configuration that
//! the tasks were planned from), `generation`, `task` and `replan` are ours; Kafka
//! Connect passes over fields that it does not know.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::herder::{ConnectorConfig, Object, State, TaskId};

/// What a record of the config topic is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigKey {
    /// A connector's configuration.
    Connector(String),
    /// One task's configuration, not yet in effect.
    Task(TaskId),
    /// The tasks written before it take effect.
    Commit(String),
    /// The producers of a source's former tasks are fenced (KIP-618).
    TasksFencing(String),
    /// Whether the connector is to run.
    TargetState(String),
    /// A request to restart, acted on by whoever runs it.
    Restart(String),
    /// A namespace's level of logging, fleet-wide (KIP-976).
    Logger(String),
    /// The key that workers sign their requests to each other with (KIP-507).
    SessionKey,
    /// A connection, its references to secrets unresolved.
    Connection(String),
    /// What a pipeline stands for.
    Pipeline(String),
}

const SESSION_KEY: &str = "session-key";

impl ConfigKey {
    /// The record's key.
    pub fn encode(&self) -> String {
        match self {
            Self::Connector(name) => format!("connector-{name}"),
            Self::Task(id) => format!("task-{}-{}", id.connector, id.task),
            Self::Commit(name) => format!("commit-{name}"),
            Self::TasksFencing(name) => format!("tasks-fencing-{name}"),
            Self::TargetState(name) => format!("target-state-{name}"),
            Self::Restart(name) => format!("restart-connector-{name}"),
            Self::Logger(namespace) => format!("logger-cluster-{namespace}"),
            Self::SessionKey => SESSION_KEY.to_owned(),
            Self::Connection(name) => format!("connection-{name}"),
            Self::Pipeline(name) => format!("pipeline-{name}"),
        }
    }

    /// `None` for keys of other kinds, which newer workers may write.
    pub fn decode(key: &[u8]) -> Option<Self> {
        let key = std::str::from_utf8(key).ok()?;
        if key == SESSION_KEY {
            return Some(Self::SessionKey);
        }
        if let Some(name) = key.strip_prefix("restart-connector-") {
            return Some(Self::Restart(name.to_owned()));
        }
        if let Some(namespace) = key.strip_prefix("logger-cluster-") {
            return Some(Self::Logger(namespace.to_owned()));
        }
        if let Some(name) = key.strip_prefix("target-state-") {
            return Some(Self::TargetState(name.to_owned()));
        }
        if let Some(name) = key.strip_prefix("tasks-fencing-") {
            return Some(Self::TasksFencing(name.to_owned()));
        }
        if let Some(name) = key.strip_prefix("connector-") {
            return Some(Self::Connector(name.to_owned()));
        }
        if let Some(name) = key.strip_prefix("connection-") {
            return Some(Self::Connection(name.to_owned()));
        }
        if let Some(name) = key.strip_prefix("pipeline-") {
            return Some(Self::Pipeline(name.to_owned()));
        }
        if let Some(name) = key.strip_prefix("commit-") {
            return Some(Self::Commit(name.to_owned()));
        }
        Some(Self::Task(task_id(key.strip_prefix("task-")?)?))
    }
}

/// `NAME-N`: the name itself may hold dashes.
fn task_id(text: &str) -> Option<TaskId> {
    let (connector, task) = text.rsplit_once('-')?;
    Some(TaskId { connector: connector.to_owned(), task: task.parse().ok()? })
}

/// The value of `connector-NAME` and `task-NAME-N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// The flat configuration.
    pub properties: ConnectorConfig,
}

/// The value of `commit-NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// How many tasks the connector has now.
    pub tasks: u32,
    /// [`config_digest`] of the connector's configuration they were planned
    /// from. Absent in records of Kafka Connect: then they are planned again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// The value of `tasks-fencing-NAME`: all producers of the tasks before are fenced, and
/// these may start (Kafka Connect's task count record).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TasksFencing {
    /// How many.
    pub tasks: u32,
    /// The offset of the commit record that put them in effect. Absent in records of
    /// Kafka Connect: then they are fenced again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

/// The value of `target-state-NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TargetState {
    /// The connector and its tasks run.
    #[default]
    Started,
    /// They hold what they have and wait.
    Paused,
    /// It has no task at all.
    Stopped,
}

#[derive(Serialize, Deserialize)]
struct TargetStateValue {
    state: TargetState,
}

/// The value of `restart-connector-NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Restart {
    /// The connector's tasks too.
    pub include_tasks: bool,
    /// Only what is FAILED.
    pub only_failed: bool,
    /// This one task, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<u32>,
    /// Nothing is restarted: a task wants the connector's tasks planned anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replan: bool,
}

/// The value of `connection-NAME` and `pipeline-NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned {
    /// 1 when it was created, and one more with each change.
    pub version: u64,
    /// What it is.
    pub definition: Object,
}

impl Versioned {
    /// What names this version and no other, one of before a deletion included.
    pub fn etag(&self) -> String {
        let digest = hex(&Sha256::digest(encode(&self.definition)));
        format!("{}-{}", self.version, &digest[..16])
    }
}

/// The value of `logger-cluster-NAMESPACE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggerLevelValue {
    /// `TRACE` to `FATAL`, or `OFF`.
    pub level: String,
}

/// The value of `status-topic-TOPIC:connector-NAME` (KIP-558).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicStatusValue {
    /// What there is to tell.
    pub topic: TopicStatus,
}

/// A topic that a connector used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicStatus {
    /// The topic.
    pub name: String,
    /// The connector.
    pub connector: String,
    /// The task that used it first.
    pub task: u32,
    /// When, in milliseconds since the epoch.
    pub discover_timestamp: i64,
}

/// The key that tells of a topic that a connector used.
pub fn topic_status_key(topic: &str, connector: &str) -> String {
    format!("status-topic-{topic}:connector-{connector}")
}

/// Reads such a key: the topic and the connector.
pub fn decode_topic_status_key(key: &[u8]) -> Option<(String, String)> {
    let key = std::str::from_utf8(key).ok()?.strip_prefix("status-topic-")?;
    // No topic has a colon in its name.
    let (topic, connector) = key.split_once(":connector-")?;
    Some((topic.to_owned(), connector.to_owned()))
}

/// The key of a record of the status topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusKey {
    /// A connector's state.
    Connector(String),
    /// A task's state.
    Task(TaskId),
}

impl StatusKey {
    /// The record's key.
    pub fn encode(&self) -> String {
        match self {
            Self::Connector(name) => format!("status-connector-{name}"),
            Self::Task(id) => format!("status-task-{}-{}", id.connector, id.task),
        }
    }

    /// The connector that it is about.
    pub fn connector(&self) -> &str {
        match self {
            Self::Connector(name) => name,
            Self::Task(id) => &id.connector,
        }
    }

    /// `None` for keys of other kinds.
    pub fn decode(key: &[u8]) -> Option<Self> {
        let key = std::str::from_utf8(key).ok()?.strip_prefix("status-")?;
        if let Some(name) = key.strip_prefix("connector-") {
            return Some(Self::Connector(name.to_owned()));
        }
        Some(Self::Task(task_id(key.strip_prefix("task-")?)?))
    }
}

/// The value of a record of the status topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Kafka Connect's state.
    pub state: State,
    /// Why it failed.
    pub trace: Option<String>,
    /// Who wrote this, `host:port` of its REST listener.
    pub worker_id: String,
    /// The group's generation at the time.
    pub generation: i32,
}

/// A record that does not read as its key says it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value of `{key}` in an internal topic cannot be read: {reason}")]
pub struct RecordError {
    /// The record's key.
    pub key: String,
    /// What is wrong with its value.
    pub reason: String,
}

/// Reads a value; the error names the record's key.
pub fn decode<T: serde::de::DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, RecordError> {
    serde_json::from_slice(value)
        .map_err(|error| RecordError { key: key.to_owned(), reason: error.to_string() })
}

/// Writes a value; our shapes always serialise.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("maps with string keys serialise to JSON")
}

/// The value of `target-state-NAME`.
pub fn encode_target_state(state: TargetState) -> Vec<u8> {
    encode(&TargetStateValue { state })
}

/// Reads the value of `target-state-NAME`.
pub fn decode_target_state(key: &str, value: &[u8]) -> Result<TargetState, RecordError> {
    decode::<TargetStateValue>(key, value).map(|value| value.state)
}

/// The key of a source's checkpoint: `["NAME", {partition}]`. `partition` is
/// the plugin's JSON, kept in its own spelling so that the same partition is
/// the same key for the cleaner.
pub fn offset_key(connector: &str, partition: &str) -> Vec<u8> {
    let name = serde_json::to_string(connector).expect("a string serialises to JSON");
    format!("[{name},{partition}]").into_bytes()
}

/// Reads the key of a checkpoint: the connector and its partition's JSON.
pub fn decode_offset_key(key: &[u8]) -> Option<(String, String)> {
    let (connector, partition): (String, Box<serde_json::value::RawValue>) =
        serde_json::from_slice(key).ok()?;
    Some((connector, partition.get().to_owned()))
}

/// True when `text` is a JSON object, as Kafka Connect's source partitions and
/// offsets are.
pub fn is_json_object(text: &str) -> bool {
    matches!(serde_json::from_str::<Value>(text), Ok(Value::Object(_)))
}

/// A digest of a connector's configuration, in hexadecimal.
pub fn config_digest(config: &ConnectorConfig) -> String {
    hex(&Sha256::digest(encode(config)))
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_keys_are_kafka_connects_and_read_back() {
        let task = TaskId { connector: "a-b-7".into(), task: 12 };
        for (key, text) in [
            (ConfigKey::Connector("a-1".into()), "connector-a-1"),
            (ConfigKey::Task(task), "task-a-b-7-12"),
            (ConfigKey::Commit("a".into()), "commit-a"),
            (ConfigKey::TargetState("a".into()), "target-state-a"),
            (ConfigKey::TasksFencing("a-1".into()), "tasks-fencing-a-1"),
            (ConfigKey::Restart("a".into()), "restart-connector-a"),
            (ConfigKey::Logger("a::b".into()), "logger-cluster-a::b"),
            (ConfigKey::SessionKey, "session-key"),
            (ConfigKey::Connection("a-1".into()), "connection-a-1"),
            (ConfigKey::Pipeline("a".into()), "pipeline-a"),
        ] {
            assert_eq!(key.encode(), text);
            assert_eq!(ConfigKey::decode(text.as_bytes()), Some(key));
        }
        assert_eq!(ConfigKey::decode(b"session-key-2"), None);
        assert_eq!(ConfigKey::decode(b"task-a-x"), None);
        assert_eq!(ConfigKey::decode(&[0xff]), None);
    }

    #[test]
    fn status_keys_are_kafka_connects_and_read_back() {
        let task = StatusKey::Task(TaskId { connector: "a-1".into(), task: 0 });
        assert_eq!(task.encode(), "status-task-a-1-0");
        assert_eq!(StatusKey::decode(b"status-task-a-1-0"), Some(task));
        let connector = StatusKey::Connector("task-a".into());
        assert_eq!(StatusKey::decode(connector.encode().as_bytes()), Some(connector));
        let topic = topic_status_key("t", "a:connector-b");
        assert_eq!(topic, "status-topic-t:connector-a:connector-b");
        assert_eq!(StatusKey::decode(topic.as_bytes()), None);
        let read = decode_topic_status_key(topic.as_bytes());
        assert_eq!(read, Some(("t".to_owned(), "a:connector-b".to_owned())));
        assert_eq!(decode_topic_status_key(b"status-task-t-0"), None);
    }

    #[test]
    fn values_are_kafka_connects() {
        let commit = Commit { tasks: 3, digest: None };
        assert_eq!(encode(&commit), br#"{"tasks":3}"#);
        assert_eq!(encode_target_state(TargetState::Paused), br#"{"state":"PAUSED"}"#);
        let restart =
            Restart { include_tasks: true, only_failed: false, task: None, replan: false };
        assert_eq!(encode(&restart), br#"{"include-tasks":true,"only-failed":false}"#);
        let status = Status {
            state: State::Running,
            trace: None,
            worker_id: "w:8083".into(),
            generation: 4,
        };
        let text = r#"{"state":"RUNNING","trace":null,"worker_id":"w:8083","generation":4}"#;
        assert_eq!(encode(&status), text.as_bytes());
        assert_eq!(decode::<Status>("k", text.as_bytes()), Ok(status));
    }

    #[test]
    fn an_etag_tells_versions_and_contents_apart() {
        let one = |version, field: &str| {
            let definition = Object::from_iter([(field.to_owned(), Value::Null)]);
            Versioned { version, definition }.etag()
        };
        assert_eq!(one(1, "a"), one(1, "a"));
        assert!(one(1, "a") != one(2, "a") && one(1, "a") != one(1, "b"));
    }

    #[test]
    fn a_torn_value_names_its_key() {
        let error = decode::<Commit>("commit-a", br#"{"tasks":"#).unwrap_err();
        assert!(error.to_string().contains("`commit-a`"), "{error}");
    }

    #[test]
    fn a_checkpoints_partition_keeps_its_spelling() {
        let key = offset_key("a\"b", r#"{"z": 1,"a":2}"#);
        assert_eq!(key, br#"["a\"b",{"z": 1,"a":2}]"#);
        let read = decode_offset_key(&key);
        assert_eq!(read, Some(("a\"b".to_owned(), r#"{"z": 1,"a":2}"#.to_owned())));
        assert_eq!(decode_offset_key(b"[]"), None);
    }
}
