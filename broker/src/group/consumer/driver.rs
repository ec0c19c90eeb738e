//! The driver of consumer groups: locks, storage, answers.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    describe::DescribedConsumerGroup,
    heartbeat::{HeartbeatAnswer, HeartbeatRequest},
    state::{ConsumerGroup, ConsumerGroupError, Identity, TopicView},
};
use crate::{
    auth::{AclOperation, Authorizer, ResourceType},
    controller::ClusterImage,
    effective::group_timeouts,
    group::{
        coordinator::{GroupCoordinator, Slot, lock, now},
        offset_commits::Committing,
        records::Key,
        state::{Group, GroupState},
        store::{self, Entries, StoreError},
    },
};

/// Why a heartbeat was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeartbeatRefusal {
    #[error(transparent)]
    Group(#[from] ConsumerGroupError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the group was removed meanwhile")]
    Removed,
}

/// The cluster's topics, of which a member sees those that it may describe.
struct ClusterTopics<'a> {
    image: &'a ClusterImage,
    authorizer: Option<&'a Authorizer>,
}

impl TopicView for ClusterTopics<'_> {
    fn topic(&self, name: &str) -> Option<(Uuid, i32)> {
        let topic = self.image.topic(name)?;
        Some((topic.id, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)))
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.image.topics().map(|topic| topic.name.as_str()))
    }

    fn shows(&self, name: &str, to: Option<&Identity>) -> bool {
        let Some(authorizer) = self.authorizer else { return true };
        to.is_some_and(|Identity { principal, host }| {
            let topic = (ResourceType::Topic, name);
            let who = (principal.as_str(), host.as_str());
            authorizer.authorize(self.image.acls(), who, AclOperation::Describe, topic)
        })
    }
}

impl GroupCoordinator {
    /// Takes a heartbeat. Its answer may be given when what it changed has
    /// settled on the disk.
    pub(crate) fn consumer_heartbeat(
        &self,
        id: &str,
        request: &HeartbeatRequest,
        image: &Arc<ClusterImage>,
        authorizer: Option<&Authorizer>,
    ) -> Result<(HeartbeatAnswer, Option<Committing>), HeartbeatRefusal> {
        let shared = match self.find(id) {
            Some(shared) => shared,
            None if request.epoch == 0 => self.find_or_create(id),
            None => return Err(ConsumerGroupError::UnknownMemberId.into()),
        };
        let mut slot = lock(&shared);
        if slot.group.state() == GroupState::Dead {
            return Err(HeartbeatRefusal::Removed);
        }
        let view = ClusterTopics { image, authorizer };
        let Slot { consumer, seen_image, group, .. } = &mut *slot;
        let mut fresh = None;
        let consumer_group = match consumer {
            Some(consumer_group) => consumer_group,
            // A group changes its protocol only while it is empty.
            None if group.state() != GroupState::Empty => {
                return Err(ConsumerGroupError::GroupIdNotFound.into());
            }
            None if request.epoch != 0 => return Err(ConsumerGroupError::UnknownMemberId.into()),
            None => fresh.insert(ConsumerGroup::new(self.0.settings.consumer.clone())),
        };
        let (session_timeout_ms, heartbeat_interval_ms) =
            group_timeouts(image, id, &self.0.settings.timeouts);
        consumer_group.set_timeouts(session_timeout_ms, heartbeat_interval_ms);
        if !seen_image.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, image)) {
            consumer_group.refresh_topics(&view);
            *seen_image = Some(Arc::clone(image));
        }
        let is_known = consumer_group.has_member(&request.member_id);
        let answer = consumer_group.heartbeat(request, &view, now().monotonic_ms);
        let is_fresh = fresh.is_some();
        if answer.is_ok() && is_fresh {
            slot.consumer = fresh;
        }
        // What a refused heartbeat changed is written down with the next one's.
        let answer = answer?;
        let saving = match self.save_consumer_group(&mut slot) {
            Ok(saving) => saving,
            Err(error) => {
                // Who is refused has not joined, and may come back as another.
                if is_fresh {
                    (slot.consumer, slot.seen_image) = (None, None);
                } else if let Some(consumer) = slot.consumer.as_mut().filter(|_| !is_known) {
                    consumer.withdraw(&request.member_id);
                }
                return Err(error.into());
            }
        };
        self.note_deadline(&slot);
        Ok((answer, saving))
    }

    /// Writes down what of the group is not yet.
    pub(in crate::group) fn save_consumer_group(
        &self,
        slot: &mut Slot,
    ) -> Result<Option<Committing>, StoreError> {
        let Some(consumer) = &mut slot.consumer else { return Ok(None) };
        let mut entries = Entries::default();
        if slot.group.protocol_type().is_some() {
            entries.put(&Key::Group { group: slot.id.clone() }, None);
        }
        for (key, record) in consumer.unsaved() {
            let value = record.as_ref().map(super::records::encode);
            entries.put(&Key::Consumer { group: slot.id.clone(), key }, value);
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let (partition, appended) = store::append(&self.0.partitions, &slot.id, &entries)?;
        consumer.saved();
        if slot.group.protocol_type().is_some() {
            slot.group = Group::new(self.0.settings.bounds, now());
        }
        Ok(Some(Committing::new(partition, appended)))
    }

    /// Makes an empty consumer group one of the classic protocol.
    pub(in crate::group) fn leave_consumer_protocol(
        &self,
        slot: &mut Slot,
    ) -> Result<(), StoreError> {
        let Some(consumer) = &slot.consumer else { return Ok(()) };
        let mut entries = Entries::default();
        for (key, _) in consumer.removals() {
            entries.put(&Key::Consumer { group: slot.id.clone(), key }, None);
        }
        store::append(&self.0.partitions, &slot.id, &entries)?;
        slot.consumer = None;
        slot.seen_image = None;
        Ok(())
    }

    /// A consumer group's description; `None` if there is no such group.
    pub(crate) fn describe_consumer_group(&self, id: &str) -> Option<DescribedConsumerGroup> {
        let shared = self.find(id)?;
        let slot = lock(&shared);
        slot.consumer.as_ref().map(ConsumerGroup::describe)
    }

    /// That offsets may be fetched by who says to be this member.
    pub(crate) fn check_offset_fetch(
        &self,
        id: &str,
        member_id: Option<&str>,
        epoch: i32,
    ) -> Result<(), ConsumerGroupError> {
        let Some(shared) = self.find(id) else { return Ok(()) };
        let slot = lock(&shared);
        slot.consumer.as_ref().map_or(Ok(()), |group| group.check_fetch(member_id, epoch))
    }
}
