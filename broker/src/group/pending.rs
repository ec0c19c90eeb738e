//! Offsets that were committed in transactions which have not ended.

use std::collections::{BTreeMap, BTreeSet};

use super::offsets::{CommittedOffset, Offsets};

/// A commit, and the producer in whose transaction it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Commit {
    producer_id: i64,
    offset: CommittedOffset,
}

/// The pending offsets of a group: by topic, then by partition, in the order of the
/// log. Of two commits for one partition the later holds, whichever way each was
/// made: compaction keeps that one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PendingOffsets(BTreeMap<String, BTreeMap<i32, Vec<Commit>>>);

impl PendingOffsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a commit that holds once the producer's transaction commits. Commits
    /// come in the order of the log.
    pub(crate) fn set(
        &mut self,
        producer_id: i64,
        topic: &str,
        partition: i32,
        offset: CommittedOffset,
    ) {
        let partitions = self.0.entry(topic.to_owned()).or_default();
        let commits = partitions.entry(partition).or_default();
        commits.retain(|commit| commit.producer_id != producer_id);
        commits.push(Commit { producer_id, offset });
    }

    /// Whether it is open what is committed for the partition.
    pub(crate) fn contains(&self, topic: &str, partition: i32) -> bool {
        self.0.get(topic).is_some_and(|partitions| partitions.contains_key(&partition))
    }

    /// Forgets what is pending for a partition: something later holds.
    pub(crate) fn forget(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.0.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.0.remove(topic);
            }
        }
    }

    /// The producer's transaction has ended. What it commits also takes the place of
    /// what others committed before, should their transactions commit later.
    pub(crate) fn end(&mut self, producer_id: i64, commits: bool, offsets: &mut Offsets) {
        self.0.retain(|topic, partitions| {
            partitions.retain(|partition, pending| {
                let ended = pending.iter().position(|commit| commit.producer_id == producer_id);
                match ended {
                    Some(at) if commits => {
                        if let Some(commit) = pending.drain(..=at).next_back() {
                            offsets.set(topic, *partition, commit.offset);
                        }
                    }
                    Some(at) => drop(pending.remove(at)),
                    None => {}
                }
                !pending.is_empty()
            });
            !partitions.is_empty()
        });
    }

    /// Whose transactions have pending offsets.
    pub(crate) fn producer_ids(&self) -> impl Iterator<Item = i64> {
        let commits = self.0.values().flat_map(BTreeMap::values).flatten();
        commits.map(|commit| commit.producer_id).collect::<BTreeSet<_>>().into_iter()
    }

    /// The partitions of all of them.
    pub(crate) fn keys(&self) -> Vec<(String, i32)> {
        self.0.keys().flat_map(|topic| self.of_topic(topic)).collect()
    }

    /// Those of one topic.
    pub(crate) fn of_topic(&self, topic: &str) -> Vec<(String, i32)> {
        let partitions = self.0.get(topic).into_iter().flat_map(BTreeMap::keys);
        partitions.map(|partition| (topic.to_owned(), *partition)).collect()
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

    #[test]
    fn the_later_of_two_commits_in_transactions_wins_whichever_transaction_ends_first() {
        for (first, second) in [(7, 8), (8, 7)] {
            for commits_8 in [true, false] {
                let (mut pending, mut offsets) = (PendingOffsets::default(), Offsets::default());
                pending.set(7, "topic", 0, committed(100));
                pending.set(8, "topic", 0, committed(200));
                for producer_id in [first, second] {
                    pending.end(producer_id, producer_id == 7 || commits_8, &mut offsets);
                }
                let later = committed(if commits_8 { 200 } else { 100 });
                assert_eq!(offsets.get("topic", 0), Some(&later), "{first} ends first");
                assert!(pending.is_empty());
            }
        }
    }
}
