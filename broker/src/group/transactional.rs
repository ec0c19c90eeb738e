//! Offsets that are committed in transactions (KIP-98, KIP-447).

use super::{
    coordinator::{GroupCoordinator, lock, now},
    offset_commits::{CommitError, Committing},
    offsets::CommittedOffset,
    state::{GroupError, GroupState},
    store::{self, Entries, TransactionalProducer},
};
use crate::topics::{self, CONSUMER_OFFSETS};

impl GroupCoordinator {
    /// The partition of the offsets topic in which a group is.
    pub(crate) fn partition_of(&self, id: &str) -> i32 {
        topics::partition_for(id, self.0.partitions.count(CONSUMER_OFFSETS))
    }

    /// Commits offsets that hold once the producer's transaction commits. The
    /// transaction must not end meanwhile.
    ///
    /// A producer that names no member is fenced by its epoch alone.
    pub(crate) fn commit_in_transaction(
        &self,
        id: &str,
        producer: TransactionalProducer,
        member: (&str, Option<&str>, i32),
        mut offsets: Vec<(String, i32, CommittedOffset)>,
    ) -> Result<Option<Committing>, CommitError> {
        let (member_id, instance_id, generation) = member;
        let is_member = generation >= 0 || !member_id.is_empty() || instance_id.is_some();
        self.check_readable(id)?;
        let shared = match self.find(id) {
            Some(shared) => shared,
            None if generation < 0 => self.find_or_create(id),
            None => return Err(GroupError::IllegalGeneration.into()),
        };
        let mut slot = lock(&shared);
        if is_member {
            match &slot.consumer {
                Some(consumer) => consumer.check_commit(member_id, generation, i16::MAX)?,
                None => slot.group.commit(member_id, instance_id, generation, now())?,
            }
        } else if slot.group.state() == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable.into());
        }
        self.leave_out_deleted(&mut offsets);
        if offsets.is_empty() {
            return Ok(None);
        }
        let entries = Entries::of_offsets(id, &offsets);
        // Before the append, so that a marker finds the group.
        self.note_pending(id, producer.id);
        let (partition, appended) =
            store::append_in_transaction(&self.0.partitions, id, &entries, producer)?;
        for (topic, partition, offset) in offsets {
            slot.pending.set(producer.id, &topic, partition, offset);
        }
        Ok(Some(Committing::new(partition, appended)))
    }

    pub(super) fn note_pending(&self, id: &str, producer_id: i64) {
        let key = (self.partition_of(id), producer_id);
        lock(&self.0.in_transactions).entry(key).or_default().insert(id.to_owned());
    }

    /// A marker was written to this partition of the offsets topic.
    pub(crate) fn end_transaction(&self, partition: i32, producer_id: i64, commits: bool) {
        let groups = lock(&self.0.in_transactions).remove(&(partition, producer_id));
        for id in groups.into_iter().flatten() {
            let Some(shared) = self.find(&id) else { continue };
            let mut slot = lock(&shared);
            let slot = &mut *slot;
            slot.pending.end(producer_id, commits, &mut slot.offsets);
        }
    }

    /// Whether it is still open what is committed for each partition.
    pub(crate) fn pending(&self, id: &str, topic: &str, partitions: &[i32]) -> Vec<bool> {
        let Some(shared) = self.find(id) else { return vec![false; partitions.len()] };
        let slot = lock(&shared);
        partitions.iter().map(|partition| slot.pending.contains(topic, *partition)).collect()
    }
}
