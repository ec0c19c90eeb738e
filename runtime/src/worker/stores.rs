//! The three internal topics' contents, as this worker has read them.

use std::collections::{BTreeMap, HashMap};
use std::sync::RwLock;

use super::compacted::{Entry, LogError};
use super::herder::{State, TaskId};
use super::records::{self, Status, StatusKey};
use crate::batch::Batch;
use crate::task::error::TaskError;
use crate::task::plugin::{Checkpoint, Output};
use crate::task::source::CheckpointTopic;

/// Checkpoints of all sources: by connector, by partition (JSON).
#[derive(Debug, Default)]
pub struct Checkpoints(RwLock<HashMap<String, BTreeMap<String, String>>>);

impl Checkpoints {
    /// Takes a record of the offset topic.
    pub fn apply(&self, entry: Entry<'_>) {
        let Some((connector, partition)) = records::decode_offset_key(entry.key) else { return };
        let mut all = self.0.write().expect("no writer panics");
        let mine = all.entry(connector).or_default();
        match entry.value.map(std::str::from_utf8) {
            Some(Ok(offset)) => drop(mine.insert(partition, offset.to_owned())),
            Some(Err(_)) => {
                tracing::warn!(partition, "passed over an offset that is no UTF-8");
            }
            None => drop(mine.remove(&partition)),
        }
    }

    /// A connector's offset in one partition.
    pub fn get(&self, connector: &str, partition: &str) -> Option<String> {
        self.0.read().expect("no writer panics").get(connector)?.get(partition).cloned()
    }

    /// A connector's partitions after `after` with their offsets, in order.
    pub fn list(&self, connector: &str, after: Option<&str>, max: usize) -> Vec<(String, String)> {
        use std::ops::Bound;
        let all = self.0.read().expect("no writer panics");
        let Some(mine) = all.get(connector) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = mine.range::<str, _>((from, Bound::Unbounded));
        rest.take(max).map(|(partition, offset)| (partition.clone(), offset.clone())).collect()
    }
}

/// One connector's checkpoints as records of the offset topic.
pub struct OffsetRecords {
    /// The connector.
    pub connector: String,
    /// The offset topic.
    pub topic: String,
}

impl CheckpointTopic for OffsetRecords {
    fn records(&self, checkpoints: &[Checkpoint]) -> Result<Output, TaskError> {
        let mut batch = Batch::default();
        for checkpoint in checkpoints {
            let offset = checkpoint.offset.as_deref();
            for text in offset.into_iter().chain([checkpoint.partition.as_str()]) {
                if !records::is_json_object(text) {
                    return Err(TaskError::stop(format!(
                        "the plugin saved a checkpoint that is no JSON object: {text}"
                    )));
                }
            }
            let key = records::offset_key(&self.connector, &checkpoint.partition);
            batch.push(Some(&key), offset.map(str::as_bytes), -1);
        }
        Ok(Output { topic: self.topic.clone(), partition: None, batch })
    }
}

impl From<LogError> for TaskError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Read { source, .. } => source.into(),
            LogError::Write { source, .. } => source.into(),
            LogError::Lost { .. } => Self::stop(error.to_string()),
            LogError::Unfollowed { .. } => Self::retry(error.to_string()),
        }
    }
}

/// States of connectors and tasks.
#[derive(Debug, Default)]
pub struct Statuses(RwLock<StatusMaps>);

#[derive(Debug, Default)]
struct StatusMaps {
    connectors: HashMap<String, Status>,
    tasks: HashMap<TaskId, Status>,
}

impl Statuses {
    /// Takes a record of the status topic, and gives the state of a task that the
    /// topic has no more because of it.
    pub fn apply(&self, entry: Entry<'_>) -> Option<(TaskId, Status)> {
        let key = StatusKey::decode(entry.key)?;
        let status = match entry.value {
            None => None,
            Some(value) => match records::decode::<Status>(&key.encode(), value) {
                Ok(status) => Some(status),
                Err(error) => {
                    tracing::warn!("{error}; passed over");
                    return None;
                }
            },
        };
        // The last word of a former owner may come after the first of the next one.
        let known = match &key {
            StatusKey::Connector(name) => self.connector(name),
            StatusKey::Task(id) => self.task(id),
        };
        // It is that it runs the task no more. Nothing else with a lower generation is
        // late: a group that was empty for long begins to count anew.
        let is_late = known.as_ref().zip(status.as_ref()).is_some_and(|(known, status)| {
            status.state == State::Unassigned
                && known.generation > status.generation
                && known.worker_id != status.worker_id
        });
        let replaced = match &key {
            StatusKey::Connector(_) => None,
            StatusKey::Task(id) => known.map(|known| (id.clone(), known)),
        };
        if !is_late {
            self.set(key, status);
        }
        replaced
    }

    /// Sets a state ahead of its record, so that this worker's own answers do
    /// not lag behind what it does.
    pub fn set(&self, key: StatusKey, status: Option<Status>) {
        let mut maps = self.0.write().expect("no writer panics");
        match (key, status) {
            (StatusKey::Connector(name), Some(status)) => {
                drop(maps.connectors.insert(name, status));
            }
            (StatusKey::Connector(name), None) => drop(maps.connectors.remove(&name)),
            (StatusKey::Task(id), Some(status)) => drop(maps.tasks.insert(id, status)),
            (StatusKey::Task(id), None) => drop(maps.tasks.remove(&id)),
        }
    }

    /// A connector's state.
    pub fn connector(&self, name: &str) -> Option<Status> {
        self.0.read().expect("no writer panics").connectors.get(name).cloned()
    }

    /// Whatever is known of connectors that `exists` does not know.
    pub fn of_others(&self, exists: impl Fn(&str) -> bool) -> Vec<StatusKey> {
        let maps = self.0.read().expect("no writer panics");
        let connectors = maps.connectors.keys().filter(|name| !exists(name));
        let tasks = maps.tasks.keys().filter(|id| !exists(&id.connector));
        let connectors = connectors.map(|name| StatusKey::Connector(name.clone()));
        connectors.chain(tasks.map(|id| StatusKey::Task(id.clone()))).collect()
    }

    /// A task's state.
    pub fn task(&self, id: &TaskId) -> Option<Status> {
        self.0.read().expect("no writer panics").tasks.get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(checkpoints: &Checkpoints, key: &[u8], value: Option<&[u8]>) {
        checkpoints.apply(Entry { offset: 0, key, value });
    }

    #[test]
    fn a_former_owners_late_word_does_not_hide_the_present_ones() {
        let statuses = Statuses::default();
        let id = TaskId { connector: "c".to_owned(), task: 0 };
        let tell = |state, worker_id: &str, generation| {
            let status = Status { state, trace: None, worker_id: worker_id.to_owned(), generation };
            let key = StatusKey::Task(id.clone()).encode();
            let value = records::encode(&status);
            statuses.apply(Entry { offset: 0, key: key.as_bytes(), value: Some(&value) });
            statuses.task(&id).unwrap().state
        };
        assert_eq!(tell(State::Running, "w1", 4), State::Running);
        assert_eq!(tell(State::Unassigned, "w2", 3), State::Running);
        assert_eq!(tell(State::Failed, "w1", 3), State::Failed, "its own word is its last");
        assert_eq!(tell(State::Running, "w2", 5), State::Running);
        // A group without members is forgotten, and its generations with it.
        assert_eq!(tell(State::Running, "w3", 1), State::Running);
        assert_eq!(statuses.task(&id).unwrap().worker_id, "w3");
    }

    #[test]
    fn checkpoints_are_listed_in_order_by_connector_and_a_null_deletes_one() {
        let checkpoints = Checkpoints::default();
        for partition in ["b", "a", "c"] {
            let key = format!(r#"["one",{{"file":"{partition}"}}]"#);
            apply(&checkpoints, key.as_bytes(), Some(br#"{"at":1}"#));
        }
        apply(&checkpoints, br#"["two",{"file":"a"}]"#, Some(br#"{"at":2}"#));
        apply(&checkpoints, br#"["one",{"file":"c"}]"#, None);
        apply(&checkpoints, b"no key of ours", Some(b"{}"));
        let names = |after| {
            let listed = checkpoints.list("one", after, 10).into_iter();
            listed.map(|(partition, _)| partition).collect::<Vec<_>>()
        };
        assert_eq!(names(None), [r#"{"file":"a"}"#, r#"{"file":"b"}"#]);
        assert_eq!(names(Some(r#"{"file":"a"}"#)), [r#"{"file":"b"}"#]);
        assert_eq!(checkpoints.get("two", r#"{"file":"a"}"#).as_deref(), Some(r#"{"at":2}"#));
        assert_eq!(checkpoints.get("one", r#"{"file":"c"}"#), None);
    }
}
