//! Who may commit and fetch offsets.

use super::state::{ConsumerGroup, ConsumerGroupError};

impl ConsumerGroup {
    /// That a commit may be taken: from a member at its epoch, or from outside
    /// while there are no members.
    pub(crate) fn check_commit(
        &self,
        member_id: &str,
        epoch: i32,
        version: i16,
    ) -> Result<(), ConsumerGroupError> {
        if epoch < 0 && self.is_empty() {
            return Ok(());
        }
        let unknown = ConsumerGroupError::UnknownMemberId;
        let expected = self.members.get(member_id).ok_or(unknown)?.epoch;
        if version < 9 {
            return Err(ConsumerGroupError::UnsupportedVersion);
        }
        same_epoch(epoch, expected)
    }

    /// That a fetch of offsets is not one of a member that is behind. Who does
    /// not say that it is a member may ask.
    pub(crate) fn check_fetch(
        &self,
        member_id: Option<&str>,
        epoch: i32,
    ) -> Result<(), ConsumerGroupError> {
        let Some(id) = member_id.filter(|id| !(id.is_empty() && epoch < 0)) else {
            return Ok(());
        };
        let unknown = ConsumerGroupError::UnknownMemberId;
        same_epoch(epoch, self.members.get(id).ok_or(unknown)?.epoch)
    }
}

fn same_epoch(given: i32, expected: i32) -> Result<(), ConsumerGroupError> {
    match given == expected {
        true => Ok(()),
        false => Err(ConsumerGroupError::StaleMemberEpoch { given, expected }),
    }
}
