//! A consumer group in its records, both ways.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    records::{CurrentRecord, MemberRecord, Record, RecordKey},
    state::{ConsumerBounds, ConsumerGroup, Member, MemberState, Partitions},
};

/// A group as its records tell it, gathered one by one.
#[derive(Debug, Default)]
pub(crate) struct StoredConsumerGroup {
    epoch: Option<i32>,
    topics: Vec<(Uuid, String, i32)>,
    members: BTreeMap<String, MemberRecord>,
    target_epoch: i32,
    targets: BTreeMap<String, Partitions>,
    current: BTreeMap<String, CurrentRecord>,
}

impl StoredConsumerGroup {
    /// Takes the next record; `None` removes what its key names.
    pub(crate) fn take(&mut self, key: &RecordKey, record: Option<Record>) {
        let id = key.member().unwrap_or_default();
        match record {
            Some(Record::Epoch(epoch)) => self.epoch = Some(epoch),
            Some(Record::Topics(topics)) => self.topics = topics,
            Some(Record::Member(member)) => drop(self.members.insert(id.to_owned(), member)),
            Some(Record::TargetEpoch(epoch)) => self.target_epoch = epoch,
            Some(Record::Target(target)) => drop(self.targets.insert(id.to_owned(), target)),
            Some(Record::Current(current)) => drop(self.current.insert(id.to_owned(), current)),
            None => match key {
                RecordKey::Epoch => self.epoch = None,
                RecordKey::Topics => self.topics.clear(),
                RecordKey::Member(id) => drop(self.members.remove(id)),
                RecordKey::TargetEpoch => self.target_epoch = 0,
                RecordKey::Target(id) => drop(self.targets.remove(id)),
                RecordKey::Current(id) => drop(self.current.remove(id)),
            },
        }
    }

    /// The group, if there is one. Its members have a session from now on.
    pub(crate) fn into_group(
        mut self,
        bounds: ConsumerBounds,
        now_ms: u64,
    ) -> Option<ConsumerGroup> {
        let mut group = ConsumerGroup::new(bounds);
        group.epoch = self.epoch?;
        group.assignment_epoch = self.target_epoch;
        let topics = self.topics.into_iter().map(|(id, name, count)| (name, (id, count)));
        group.topics = topics.collect();
        for (id, stored) in self.members {
            let current = self.current.remove(&id);
            let member = to_member(stored, current, group.bounds.session_timeout_ms, now_ms);
            if let Some(target) = self.targets.remove(&id) {
                group.targets.insert(id.clone(), target);
            }
            group.put_member(&id, member);
        }
        // What patterns match is seen at the first heartbeat.
        Some(group)
    }
}

fn to_member(
    stored: MemberRecord,
    current: Option<CurrentRecord>,
    session_timeout_ms: u64,
    now_ms: u64,
) -> Member {
    let patience_ms = u64::try_from(stored.rebalance_timeout_ms).unwrap_or(0);
    let current = current.unwrap_or(CurrentRecord {
        epoch: 0,
        previous_epoch: 0,
        state: MemberState::Stable,
        assigned: Partitions::new(),
        revoking: Partitions::new(),
    });
    Member {
        instance_id: stored.instance_id,
        rack_id: stored.rack_id,
        client_id: stored.client_id,
        client_host: stored.client_host,
        topics: stored.topics.into_iter().collect(),
        pattern: stored.pattern,
        identity: None,
        rebalance_timeout_ms: stored.rebalance_timeout_ms,
        assignor: stored.assignor,
        epoch: current.epoch,
        previous_epoch: current.previous_epoch,
        revoke_deadline_ms: (current.state == MemberState::UnrevokedPartitions)
            .then(|| now_ms + patience_ms),
        state: current.state,
        assigned: current.assigned,
        revoking: current.revoking,
        session_deadline_ms: now_ms + session_timeout_ms,
    }
}

impl ConsumerGroup {
    /// The records of what is not written down yet; none removes.
    pub(crate) fn unsaved(&self) -> Vec<(RecordKey, Option<Record>)> {
        self.unsaved.iter().map(|key| (key.clone(), self.record_of(key))).collect()
    }

    /// Hears that all of it has been written down.
    pub(crate) fn saved(&mut self) {
        self.unsaved.clear();
    }

    /// Removals of all that may have been written down.
    pub(crate) fn removals(&self) -> Vec<(RecordKey, Option<Record>)> {
        let of_members = self.members.keys().flat_map(|id| {
            [
                RecordKey::Current(id.clone()),
                RecordKey::Target(id.clone()),
                RecordKey::Member(id.clone()),
            ]
        });
        let unsaved = self.unsaved.iter().filter(|key| key.member().is_some()).cloned();
        let of_group = [RecordKey::TargetEpoch, RecordKey::Topics, RecordKey::Epoch];
        unsaved.chain(of_members).chain(of_group).map(|key| (key, None)).collect()
    }

    fn record_of(&self, key: &RecordKey) -> Option<Record> {
        Some(match key {
            RecordKey::Epoch => Record::Epoch(self.epoch),
            RecordKey::TargetEpoch => Record::TargetEpoch(self.assignment_epoch),
            RecordKey::Topics => {
                let topics = self.topics.iter();
                Record::Topics(topics.map(|(name, (id, n))| (*id, name.clone(), *n)).collect())
            }
            RecordKey::Target(id) => Record::Target(self.targets.get(id)?.clone()),
            RecordKey::Member(id) => {
                let member = self.members.get(id)?;
                Record::Member(MemberRecord {
                    instance_id: member.instance_id.clone(),
                    rack_id: member.rack_id.clone(),
                    client_id: member.client_id.clone(),
                    client_host: member.client_host.clone(),
                    topics: member.topics.iter().cloned().collect(),
                    pattern: member.pattern.clone(),
                    rebalance_timeout_ms: member.rebalance_timeout_ms,
                    assignor: member.assignor.clone(),
                })
            }
            RecordKey::Current(id) => {
                let member = self.members.get(id)?;
                Record::Current(CurrentRecord {
                    epoch: member.epoch,
                    previous_epoch: member.previous_epoch,
                    state: member.state,
                    assigned: member.assigned.clone(),
                    revoking: member.revoking.clone(),
                })
            }
        })
    }
}
