//! Committed offsets of one group, and when they expire.

use std::collections::BTreeMap;

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    /// What the client wrote beside it.
    pub(crate) metadata: String,
    /// When it was committed, milliseconds since 1970.
    pub(crate) commit_timestamp_ms: i64,
}

/// The committed offsets of a group: by topic, then by partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offsets(BTreeMap<String, BTreeMap<i32, CommittedOffset>>);

impl Offsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.0.get(topic)?.get(&partition)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &BTreeMap<i32, CommittedOffset>)> {
        self.0.iter().map(|(topic, partitions)| (topic.as_str(), partitions))
    }

    pub(crate) fn set(&mut self, topic: &str, partition: i32, offset: CommittedOffset) {
        match self.0.get_mut(topic) {
            Some(partitions) => {
                partitions.insert(partition, offset);
            }
            None => {
                self.0.insert(topic.to_owned(), BTreeMap::from([(partition, offset)]));
            }
        }
    }

    pub(crate) fn remove(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.0.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.0.remove(topic);
            }
        }
    }

    /// The offsets of these topics.
    pub(crate) fn of_topic(&self, topic: &str) -> Vec<(String, i32)> {
        let partitions = self.0.get(topic).into_iter().flatten();
        partitions.map(|(partition, _)| (topic.to_owned(), *partition)).collect()
    }

    /// All of them.
    pub(crate) fn keys(&self) -> Vec<(String, i32)> {
        let each = |(topic, partitions): (&String, &BTreeMap<i32, CommittedOffset>)| {
            partitions.keys().map(|partition| (topic.clone(), *partition)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(each).collect()
    }

    /// The offsets of a group without members that have outlived `retention_ms`
    /// both since they were committed and since the group lost its last member.
    pub(crate) fn expired(
        &self,
        empty_since_ms: i64,
        now_ms: i64,
        retention_ms: i64,
    ) -> Vec<(String, i32)> {
        let mut expired = Vec::new();
        for (topic, partitions) in &self.0 {
            for (partition, offset) in partitions {
                let last_used = offset.commit_timestamp_ms.max(empty_since_ms);
                if now_ms.saturating_sub(last_used) >= retention_ms {
                    expired.push((topic.clone(), *partition));
                }
            }
        }
        expired
    }
}
