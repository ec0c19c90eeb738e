//! Offsets that were committed in transactions which have not ended.

use std::collections::BTreeMap;

use super::offsets::{CommittedOffset, Offsets};

/// The pending offsets of a group, by producer id. Of two commits for one
/// partition the later holds, whichever way each was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PendingOffsets(BTreeMap<i64, Offsets>);

impl PendingOffsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a commit that holds once the producer's transaction commits.
    pub(crate) fn set(
        &mut self,
        producer_id: i64,
        topic: &str,
        partition: i32,
        offset: CommittedOffset,
    ) {
        self.0.entry(producer_id).or_default().set(topic, partition, offset);
    }

    /// Whether it is open what is committed for the partition.
    pub(crate) fn contains(&self, topic: &str, partition: i32) -> bool {
        self.0.values().any(|offsets| offsets.get(topic, partition).is_some())
    }

    /// Forgets what is pending for a partition: something later holds.
    pub(crate) fn forget(&mut self, topic: &str, partition: i32) {
        self.0.retain(|_, offsets| {
            offsets.remove(topic, partition);
            !offsets.is_empty()
        });
    }

    /// The producer's transaction has ended.
    pub(crate) fn end(&mut self, producer_id: i64, commits: bool, offsets: &mut Offsets) {
        let Some(ended) = self.0.remove(&producer_id) else { return };
        if commits {
            for (topic, partitions) in ended.iter() {
                for (partition, offset) in partitions {
                    offsets.set(topic, *partition, offset.clone());
                }
            }
        }
    }

    /// Whose transactions have pending offsets.
    pub(crate) fn producer_ids(&self) -> impl Iterator<Item = i64> {
        self.0.keys().copied()
    }

    /// The partitions of all of them.
    pub(crate) fn keys(&self) -> Vec<(String, i32)> {
        self.0.values().flat_map(Offsets::keys).collect()
    }

    /// Those of one topic.
    pub(crate) fn of_topic(&self, topic: &str) -> Vec<(String, i32)> {
        self.0.values().flat_map(|offsets| offsets.of_topic(topic)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(offset: i64) -> CommittedOffset {
        let metadata = String::new();
        CommittedOffset { offset, leader_epoch: -1, metadata, commit_timestamp_ms: 0 }
    }

    #[test]
    fn offsets_hold_when_their_own_transaction_commits_and_not_before() {
        let (mut pending, mut offsets) = (PendingOffsets::default(), Offsets::default());
        offsets.set("topic", 0, committed(1));
        pending.set(7, "topic", 0, committed(5));
        pending.set(8, "topic", 1, committed(6));
        assert!(pending.contains("topic", 0) && !pending.contains("topic", 2));
        pending.end(8, false, &mut offsets);
        assert_eq!(offsets.get("topic", 1), None, "aborted");
        pending.end(9, true, &mut offsets);
        assert_eq!(offsets.get("topic", 0), Some(&committed(1)), "another's transaction");
        pending.end(7, true, &mut offsets);
        assert_eq!(offsets.get("topic", 0), Some(&committed(5)));
        assert!(pending.is_empty());
    }

    #[test]
    fn a_commit_outside_of_the_transaction_wins_over_an_earlier_one_in_it() {
        let (mut pending, mut offsets) = (PendingOffsets::default(), Offsets::default());
        pending.set(7, "topic", 0, committed(5));
        pending.forget("topic", 0);
        offsets.set("topic", 0, committed(9));
        pending.end(7, true, &mut offsets);
        assert_eq!(offsets.get("topic", 0), Some(&committed(9)));
    }
}
