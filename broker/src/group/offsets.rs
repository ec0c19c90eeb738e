//! Committed offsets of one group, and when they expire.

use std::collections::BTreeMap;

use super::commit::ExpiryRule;

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

    /// All of them.
    pub(crate) fn keys(&self) -> Vec<(String, i32)> {
        let each = |(topic, partitions): (&String, &BTreeMap<i32, CommittedOffset>)| {
            partitions.keys().map(|partition| (topic.clone(), *partition)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(each).collect()
    }

    /// The offsets that have outlived `retention_ms` by this rule.
    pub(crate) fn expired(
        &self,
        rule: &ExpiryRule,
        now_ms: i64,
        retention_ms: i64,
    ) -> Vec<(String, i32)> {
        let mut expired = Vec::new();
        let may_expire = |topic: &str| !rule.subscribed.contains(topic);
        for (topic, partitions) in self.0.iter().filter(|(topic, _)| may_expire(topic)) {
            for (partition, offset) in partitions {
                let last_used = offset.commit_timestamp_ms.max(rule.since_ms);
                if now_ms.saturating_sub(last_used) >= retention_ms {
                    expired.push((topic.clone(), *partition));
                }
            }
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(at_ms: i64) -> CommittedOffset {
        let metadata = String::new();
        CommittedOffset { offset: 1, leader_epoch: -1, metadata, commit_timestamp_ms: at_ms }
    }

    #[test]
    fn an_offset_expires_by_the_later_of_its_commit_and_the_last_members_leave() {
        let mut offsets = Offsets::default();
        offsets.set("old", 0, committed(100));
        offsets.set("new", 3, committed(900));
        let expired = |since_ms, now_ms| {
            offsets.expired(&ExpiryRule { since_ms, subscribed: [].into() }, now_ms, 1000)
        };
        assert!(expired(i64::MIN, 1099).is_empty());
        assert_eq!(expired(i64::MIN, 1100), [("old".to_owned(), 0)]);
        assert!(expired(500, 1499).is_empty(), "the group had members until 500");
        assert_eq!(expired(500, 1500), [("old".to_owned(), 0)]);
        assert_eq!(expired(500, 1900).len(), 2);
        let subscribed = ["new".to_owned()].into();
        let rule = ExpiryRule { since_ms: i64::MIN, subscribed };
        let of_the_other_topic = [("old".to_owned(), 0)];
        assert_eq!(offsets.expired(&rule, 100_000, 1000), of_the_other_topic);
    }

    #[test]
    fn the_last_offset_of_a_topic_takes_the_topic_along() {
        let mut offsets = Offsets::default();
        offsets.set("topic", 0, committed(0));
        offsets.remove("topic", 1);
        offsets.remove("none", 0);
        assert!(!offsets.is_empty());
        offsets.remove("topic", 0);
        assert!(offsets.is_empty());
    }
}
