//! The next step of a member from what it owns to its target.

use uuid::Uuid;

use super::state::{ConsumerGroup, Member, MemberState, Partitions, contains, gather, pairs};

/// What a member says that it owns; `None` when it does not say.
pub(super) type Owned<'a> = Option<&'a Partitions>;

impl ConsumerGroup {
    /// The member after its next step. `owned` is what it says that it owns.
    pub(super) fn reconciled(&self, id: &str, mut member: Member, owned: Owned<'_>) -> Member {
        match member.state {
            MemberState::Stable if member.epoch == self.assignment_epoch => member,
            MemberState::UnrevokedPartitions if still_owns(owned, &member.revoking) => member,
            MemberState::UnrevokedPartitions => {
                // It has let go: it is one epoch on, and what it held is free.
                let released = std::mem::take(&mut member.revoking);
                let epoch = member.epoch + 1;
                self.next_step(id, member, epoch, owned, &released)
            }
            MemberState::Stable | MemberState::UnreleasedPartitions => {
                let epoch = member.epoch;
                self.next_step(id, member, epoch, owned, &Partitions::new())
            }
        }
    }

    fn next_step(
        &self,
        id: &str,
        mut member: Member,
        epoch: i32,
        owned: Owned<'_>,
        released: &Partitions,
    ) -> Member {
        let none = Partitions::new();
        let target = self.targets.get(id).unwrap_or(&none);
        let (kept, revoking): (Vec<_>, Vec<_>) =
            pairs(&member.assigned).partition(|key| contains(target, *key));
        let revoking = gather(revoking);
        let is_free =
            |key: &(Uuid, i32)| contains(released, *key) || !self.holders.contains_key(key);
        let wanted = pairs(target).filter(|key| !contains(&member.assigned, *key));
        let (free, held): (Vec<_>, Vec<_>) = wanted.partition(is_free);

        if still_owns(owned, &revoking) {
            member.state = MemberState::UnrevokedPartitions;
            advance(&mut member, epoch);
            member.assigned = gather(kept);
            member.revoking = revoking;
            return member;
        }
        member.state = match held.is_empty() {
            true => MemberState::Stable,
            false => MemberState::UnreleasedPartitions,
        };
        advance(&mut member, self.assignment_epoch);
        member.assigned = gather(kept.into_iter().chain(free));
        member.revoking = Partitions::new();
        member
    }
}

fn advance(member: &mut Member, epoch: i32) {
    if member.epoch != epoch {
        member.previous_epoch = member.epoch;
        member.epoch = epoch;
    }
}

/// Whether a member may still own some of these: as long as it does not say
/// what it owns, it may.
fn still_owns(owned: Owned<'_>, revoking: &Partitions) -> bool {
    match owned {
        _ if revoking.is_empty() => false,
        None => true,
        Some(owned) => pairs(revoking).any(|key| contains(owned, key)),
    }
}
