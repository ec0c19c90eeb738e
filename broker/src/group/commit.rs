//! Who may commit offsets, and for how long they are kept.

use std::collections::BTreeSet;

use super::{
    state::{Group, GroupError, GroupState, Now},
    subscription,
};

/// The protocol type of consumers, whose subscriptions the broker can read.
pub(super) const CONSUMER: &str = "consumer";

/// When a group's offsets expire (KIP-211).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpiryRule {
    /// They are kept this long after that time at least, however old they are.
    pub(crate) since_ms: i64,
    /// Offsets of these topics are kept whatever their age.
    pub(crate) subscribed: BTreeSet<String>,
}

impl Group {
    /// That a commit may be taken: from a member of this generation, or from
    /// outside while there are no members.
    ///
    /// A commit in the joining phase is taken: the member does not know yet.
    pub(crate) fn commit(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        now: Now,
    ) -> Result<(), GroupError> {
        if self.state == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        if generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        if generation < 0 && member_id.is_empty() && instance_id.is_none() {
            return Err(GroupError::UnknownMemberId);
        }
        self.check_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        if self.state == GroupState::CompletingRebalance {
            return Err(GroupError::RebalanceInProgress);
        }
        if let Some(member) = self.members.get_mut(member_id) {
            member.heard_of(now);
        }
        Ok(())
    }

    /// When offsets expire; `None` while none may.
    ///
    /// Kafka counts from when the group became empty even for what was
    /// committed later; here the later of the two counts.
    pub(crate) fn expiry_rule(&self) -> Option<ExpiryRule> {
        let no_topics = BTreeSet::new;
        match (&self.protocol_type, self.state) {
            // Nobody ever joined: offsets count from their commits alone.
            (None, _) => Some(ExpiryRule { since_ms: i64::MIN, subscribed: no_topics() }),
            (Some(_), GroupState::Empty) => {
                Some(ExpiryRule { since_ms: self.state_since_ms, subscribed: no_topics() })
            }
            (Some(_), GroupState::Stable) => {
                let subscribed = self.subscribed_topics()?;
                Some(ExpiryRule { since_ms: i64::MIN, subscribed })
            }
            _ => None,
        }
    }

    /// The topics that the members consume; `None` where that cannot be known.
    fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscription::topics(&member.metadata(protocol))?);
        }
        Some(topics)
    }
}
