//! The topics that connectors use, as they are found out (KIP-558). They are told
//! in the status topic.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, RwLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::compacted::Entry;
use super::core::{Connector, Core};
use super::herder::{State, TaskId};
use super::records::{self, StatusKey, TopicStatus, TopicStatusValue};
use crate::kafka::{OffsetCommit, TopicPartition};
use crate::task::processor::CommitObserver;
use crate::task::topics::TopicObserver;

/// Topics by connector.
#[derive(Debug, Default)]
pub struct ActiveTopics(RwLock<HashMap<String, BTreeSet<String>>>);

impl ActiveTopics {
    /// Takes a record of the status topic.
    pub fn apply(&self, entry: Entry<'_>) {
        let Some((topic, connector)) = records::decode_topic_status_key(entry.key) else { return };
        let mut all = self.0.write().expect("no writer panics");
        match entry.value {
            Some(_) => drop(all.entry(connector).or_default().insert(topic)),
            None => drop(all.get_mut(&connector).map(|topics| topics.remove(&topic))),
        }
    }

    /// A connector's topics, sorted.
    pub fn of(&self, connector: &str) -> Vec<String> {
        let all = self.0.read().expect("no writer panics");
        all.get(connector).into_iter().flatten().cloned().collect()
    }

    fn contains(&self, connector: &str, topic: &str) -> bool {
        let all = self.0.read().expect("no writer panics");
        all.get(connector).is_some_and(|topics| topics.contains(topic))
    }

    /// False if it is known already.
    fn insert(&self, connector: &str, topic: &str) -> bool {
        let mut all = self.0.write().expect("no writer panics");
        all.entry(connector.to_owned()).or_default().insert(topic.to_owned())
    }

    fn connectors(&self) -> Vec<String> {
        self.0.read().expect("no writer panics").keys().cloned().collect()
    }

    fn take(&self, connector: &str) -> BTreeSet<String> {
        self.0.write().expect("no writer panics").remove(connector).unwrap_or_default()
    }
}

impl Core {
    /// Notes that a task used a topic; the first time it is told to the fleet. The
    /// last that a task of a deleted connector does is not: nobody would forget it.
    fn used(&self, id: &TaskId, topic: &str) {
        let active = &self.active_topics;
        // After the first time this costs one look.
        if !self.config.topic_tracking.enable || active.contains(&id.connector, topic) {
            return;
        }
        // Until it is told: a connector that is deleted meanwhile has its topics
        // forgotten after that.
        let configs = self.configs.read().expect("no holder panics");
        if configs.get(&id.connector).is_none() || !active.insert(&id.connector, topic) {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let value = TopicStatusValue {
            topic: TopicStatus {
                name: topic.to_owned(),
                connector: id.connector.clone(),
                task: id.task,
                discover_timestamp: now.as_millis() as i64,
            },
        };
        let key = records::topic_status_key(topic, &id.connector).into_bytes();
        self.write_status((key, Some(records::encode(&value))));
    }

    /// Forgets a connector's topics.
    pub(super) fn forget_topics(&self, connector: &str) {
        for topic in self.active_topics.take(connector) {
            self.write_status((records::topic_status_key(&topic, connector).into_bytes(), None));
        }
    }

    /// States and topics that are told of connectors this worker knows nothing of.
    fn told_of_unknown(&self) -> (Vec<StatusKey>, Vec<String>) {
        let configs = self.configs.read().expect("no holder panics");
        let exists = |name: &str| configs.get(name).is_some();
        let states = self.statuses.of_others(exists);
        let mut names = self.active_topics.connectors();
        names.retain(|name| !exists(name));
        (states, names)
    }

    /// Forgets states and topics of connectors that were deleted: compaction would keep
    /// them for ever. A task that runs still forgets its own once more when it ends.
    pub(super) async fn forget_deleted(self: Arc<Self>) {
        let (states, names) = self.told_of_unknown();
        if states.is_empty() && names.is_empty() {
            return;
        }
        // Whoever told a state knew the connector: a worker that has not read of it yet
        // would take it for a deleted one.
        if let Err(error) = self.logs.config.read_to_end().await {
            tracing::warn!("states of deleted connectors stay for now: {error}");
            return;
        }
        let exists =
            |name: &str| self.configs.read().expect("no holder panics").get(name).is_some();
        for key in states.into_iter().filter(|key| !exists(key.connector())) {
            self.forget(key);
        }
        for name in names.iter().filter(|name| !exists(name)) {
            self.forget_topics(name);
        }
    }
}

/// What one task does, as the worker hears of it.
pub(super) struct TaskObserver {
    pub(super) core: Arc<Core>,
    pub(super) connector: Arc<Connector>,
    pub(super) id: TaskId,
}

impl TopicObserver for TaskObserver {
    fn used(&self, topic: &str) {
        self.core.used(&self.id, topic);
    }
}

impl CommitObserver for TaskObserver {
    fn committed(&self, offsets: &[OffsetCommit]) {
        self.connector.committed(offsets);
    }

    fn read(&self, topic: &str) {
        self.core.used(&self.id, topic);
    }

    fn waits(&self, partition: &TopicPartition, why: Option<&str>) {
        // Told under the lock: what changed last is told last.
        let mut all = self.connector.waits.lock().expect("no holder panics");
        let mine = all.entry(self.id.task).or_default();
        if let Some(trace) = mine.set(partition, why, Instant::now()) {
            self.core.tell(StatusKey::Task(self.id.clone()), State::Running, trace);
        }
    }
}
