//! Groups as administrators see them.

use super::{
    commit::CONSUMER,
    coordinator::{GroupCoordinator, SharedSlot, lock},
    state::GroupState,
};

/// A group as it is described.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) state: GroupState,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) members: Vec<DescribedMember>,
}

/// A member as it is described.
#[derive(Debug, Clone)]
pub(crate) struct DescribedMember {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) metadata: bytes::Bytes,
    pub(crate) assignment: bytes::Bytes,
}

/// A group as it is listed.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) protocol_type: String,
    /// The protocol of its members: `classic` or `consumer`.
    pub(crate) group_type: &'static str,
    pub(crate) state: &'static str,
}

impl GroupCoordinator {
    /// A group's description; `None` if there is no such group.
    pub(crate) fn describe(&self, id: &str) -> Option<Described> {
        let shared = self.find(id)?;
        let slot = lock(&shared);
        if slot.consumer.is_some() {
            return None;
        }
        let group = &slot.group;
        let protocol = group.protocol().unwrap_or_default();
        let members = group.members().iter().map(|(id, member)| DescribedMember {
            id: id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: member.metadata(protocol),
            assignment: member.assignment.clone(),
        });
        (group.state() != GroupState::Dead).then(|| Described {
            state: group.state(),
            protocol_type: group.protocol_type().unwrap_or_default().to_owned(),
            protocol: protocol.to_owned(),
            members: members.collect(),
        })
    }

    /// Every group.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let describe = |shared: SharedSlot| {
            let slot = lock(&shared);
            let (group_type, protocol_type, state) = match &slot.consumer {
                Some(consumer) => ("consumer", CONSUMER, consumer.state_name()),
                None => {
                    let protocol_type = slot.group.protocol_type().unwrap_or_default();
                    ("classic", protocol_type, slot.group.state().name())
                }
            };
            Listed {
                id: slot.id.clone(),
                protocol_type: protocol_type.to_owned(),
                group_type,
                state,
            }
        };
        self.slots().into_iter().map(describe).collect()
    }
}
