//! Consumer groups as administrators see them.

use std::collections::BTreeSet;

use super::state::{ConsumerGroup, Partitions};

/// A group as it is described.
#[derive(Debug, Clone)]
pub(crate) struct DescribedConsumerGroup {
    pub(crate) state: &'static str,
    pub(crate) epoch: i32,
    pub(crate) assignment_epoch: i32,
    pub(crate) assignor: &'static str,
    pub(crate) members: Vec<DescribedConsumerMember>,
}

/// A member as it is described.
#[derive(Debug, Clone)]
pub(crate) struct DescribedConsumerMember {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) rack_id: Option<String>,
    pub(crate) epoch: i32,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) assigned: Partitions,
    pub(crate) target: Partitions,
}

impl ConsumerGroup {
    pub(crate) fn describe(&self) -> DescribedConsumerGroup {
        let members = self.members.iter().map(|(id, member)| DescribedConsumerMember {
            id: id.clone(),
            instance_id: member.instance_id.clone(),
            rack_id: member.rack_id.clone(),
            epoch: member.epoch,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            topics: member.topics.clone(),
            pattern: member.pattern.clone(),
            assigned: member.assigned.clone(),
            target: self.targets.get(id).cloned().unwrap_or_default(),
        });
        DescribedConsumerGroup {
            state: self.state_name(),
            epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            assignor: self.preferred_assignor().name(),
            members: members.collect(),
        }
    }
}
