//! Offsets of topics that are gone: a topic made anew under the same name begins without.

use std::{collections::HashSet, sync::Arc};

use super::{
    coordinator::{GroupCoordinator, Shared, lock},
    offsets::CommittedOffset,
};
use crate::{controller::ClusterImage, partition::DeletionFollower};

impl DeletionFollower for Shared {
    fn topic_deleted(self: Arc<Self>, topic: &str) {
        GroupCoordinator(self).forget_topics(|name| name == topic);
    }
}

impl GroupCoordinator {
    /// Forgets what was committed for topics that a crash or a shutdown kept from being
    /// deleted as a whole, and follows deletions from now on. The cluster's image may
    /// lack such a topic, or have a namesake; then a folder of its own is there still.
    pub(super) fn follow_deletions(&self, image: &ClusterImage) {
        let all = self.0.partitions.all();
        let replaced: HashSet<&str> =
            all.iter().filter(|p| p.took_anothers_folder()).map(|p| p.topic()).collect();
        self.forget_topics(|name| image.topic(name).is_none() || replaced.contains(name));
        let shared: Arc<dyn DeletionFollower> = Arc::<Shared>::clone(&self.0);
        self.0.partitions.tell_of_deletions(&shared);
    }

    fn forget_topics(&self, is_gone: impl Fn(&str) -> bool) {
        for shared in self.slots() {
            let mut slot = lock(&shared);
            let mut keys = slot.offsets.keys();
            keys.extend(slot.pending.keys());
            keys.retain(|(topic, _)| is_gone(topic));
            let Err(error) = self.forget_offsets(&mut slot, &keys) else { continue };
            tracing::error!(
                group = %slot.id, %error,
                "that a deleted topic's offsets are forgotten could not be written down: \
                 they come back with a restart if a topic of its name is made before"
            );
            for (topic, partition) in keys {
                slot.pending.forget(&topic, partition);
                slot.offsets.remove(&topic, partition);
            }
        }
    }

    /// Takes out what is committed for topics that went since the request was checked:
    /// as if it had come before. With the group locked, so that none comes after they
    /// are forgotten.
    pub(super) fn leave_out_deleted(&self, offsets: &mut Vec<(String, i32, CommittedOffset)>) {
        offsets.retain(|(topic, ..)| self.0.partitions.has(topic));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporary::TemporaryBroker;

    #[tokio::test]
    async fn a_commit_that_comes_after_its_topic_went_leaves_nothing() {
        let broker = TemporaryBroker::start(&[]).await;
        let groups = &broker.node().groups;
        groups.ensure_topic(broker.node()).await.unwrap();
        let metadata = String::new();
        let offset =
            CommittedOffset { offset: 7, leader_epoch: -1, metadata, commit_timestamp_ms: 0 };
        let offsets = vec![("gone".to_owned(), 0, offset)];
        assert!(groups.commit("group", "", None, -1, 7, offsets).unwrap().is_none());
        assert_eq!(groups.committed("group", "gone", &[0]), [None]);
    }
}
