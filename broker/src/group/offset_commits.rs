//! The driver's offsets: committed outside transactions, looked up, forgotten.

use std::sync::Arc;

use super::{
    consumer::ConsumerGroupError,
    coordinator::{GroupCoordinator, Slot, lock, now},
    offsets::CommittedOffset,
    records::Key,
    state::GroupError,
    store::{self, Entries, StoreError},
};
use crate::partition::{Appended, Partition};

/// Why offsets were not committed, or a group not deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    Consumer(#[from] ConsumerGroupError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the group does not exist")]
    NoGroup,
    #[error("the group has members")]
    NonEmpty,
}

/// A committed batch of offsets on its way to the disk.
#[derive(Debug)]
pub(crate) struct Committing(Arc<Partition>, Appended);

impl Committing {
    pub(super) fn new(partition: Arc<Partition>, appended: Appended) -> Self {
        Self(partition, appended)
    }

    /// Resolves when the commit is as durable as the topic promises.
    pub(crate) async fn settled(self) -> Result<(), CommitError> {
        let settled = self.0.settled(&self.1).await;
        settled.map_err(|error| CommitError::Store(error.into()))
    }
}

impl GroupCoordinator {
    /// Commits offsets of a member, or of nobody (an empty member id and a
    /// negative generation).
    pub(crate) fn commit(
        &self,
        id: &str,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        version: i16,
        mut offsets: Vec<(String, i32, CommittedOffset)>,
    ) -> Result<Option<Committing>, CommitError> {
        self.check_readable(id)?;
        let shared = match self.find(id) {
            Some(shared) => shared,
            None if generation < 0 => self.find_or_create(id),
            None => return Err(CommitError::NoGroup),
        };
        let mut slot = lock(&shared);
        match &slot.consumer {
            Some(consumer) => consumer.check_commit(member_id, generation, version)?,
            None => slot.group.commit(member_id, instance_id, generation, now())?,
        }
        self.leave_out_deleted(&mut offsets);
        if offsets.is_empty() {
            return Ok(None);
        }
        let entries = Entries::of_offsets(id, &offsets);
        let (partition, appended) = store::append(&self.0.partitions, id, &entries)?;
        for (topic, partition, offset) in offsets {
            slot.pending.forget(&topic, partition);
            slot.offsets.set(&topic, partition, offset);
        }
        Ok(Some(Committing(partition, appended)))
    }

    /// The committed offsets of these partitions, in order; `None` where there is none.
    pub(crate) fn committed(
        &self,
        id: &str,
        topic: &str,
        partitions: &[i32],
    ) -> Vec<Option<CommittedOffset>> {
        let Some(shared) = self.find(id) else { return vec![None; partitions.len()] };
        let slot = lock(&shared);
        partitions.iter().map(|partition| slot.offsets.get(topic, *partition).cloned()).collect()
    }

    /// All committed offsets of a group, by topic.
    pub(crate) fn all_committed(&self, id: &str) -> Vec<(String, Vec<(i32, CommittedOffset)>)> {
        let Some(shared) = self.find(id) else { return Vec::new() };
        let slot = lock(&shared);
        let topics = slot.offsets.iter().map(|(topic, partitions)| {
            let partitions =
                partitions.iter().map(|(partition, offset)| (*partition, offset.clone()));
            (topic.to_owned(), partitions.collect())
        });
        topics.collect()
    }

    pub(super) fn forget_offsets(
        &self,
        slot: &mut Slot,
        keys: &[(String, i32)],
    ) -> Result<(), StoreError> {
        let mut entries = Entries::default();
        for (topic, partition) in keys {
            let group = slot.id.clone();
            let key = Key::Offset { group, topic: topic.clone(), partition: *partition };
            entries.put(&key, None);
        }
        if entries.is_empty() {
            return Ok(());
        }
        store::append(&self.0.partitions, &slot.id, &entries)?;
        for (topic, partition) in keys {
            slot.pending.forget(topic, *partition);
            slot.offsets.remove(topic, *partition);
        }
        Ok(())
    }
}
