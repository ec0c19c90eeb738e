//! Heartbeats, leaving, and sessions that end.

use super::{
    join::JoinAnswer,
    state::{Action, Group, GroupError, GroupState, JoinPhase, Now},
    sync::SyncAnswer,
};

/// A member that asks to leave, by either of its ids.
#[derive(Debug, Clone)]
pub(crate) struct LeavingMember {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
}

impl Group {
    /// Takes a heartbeat.
    pub(crate) fn heartbeat(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        now: Now,
    ) -> Result<(), GroupError> {
        if self.state == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        self.check_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        let member = self.members.get_mut(member_id).ok_or(GroupError::UnknownMemberId)?;
        member.heard_of(now);
        match self.state {
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Removes a member that leaves.
    pub(crate) fn leave(&mut self, leaving: &LeavingMember, now: Now) -> Result<(), GroupError> {
        if self.state == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        let id = match &leaving.instance_id {
            Some(instance) => {
                // An administrator removes a static member by its instance id alone.
                let holder = self.instances.get(instance).ok_or(GroupError::UnknownMemberId)?;
                if !leaving.member_id.is_empty() && leaving.member_id != *holder {
                    return Err(GroupError::FencedInstanceId);
                }
                holder.clone()
            }
            None => leaving.member_id.clone(),
        };
        if self.pending.remove(&id).is_none() {
            self.check_member(&id, None)?;
            self.remove(&id, now);
        }
        self.advance(now);
        Ok(())
    }

    /// Does what is due at this time. Asked for at [`Group::next_deadline_ms`],
    /// and after each event.
    pub(crate) fn advance(&mut self, now: Now) {
        self.pending.retain(|_, lapses_ms| *lapses_ms > now.monotonic_ms);
        if self.sync_deadline_ms.is_some_and(|deadline| deadline <= now.monotonic_ms) {
            self.sync_deadline_ms = None;
            self.remove_all(now, |member| member.owes_sync && member.join.is_none());
        }
        self.remove_all(now, |member| {
            member.can_expire() && member.session_deadline_ms <= now.monotonic_ms
        });
        self.advance_join(now);
    }

    /// When [`Group::advance`] next has something to do.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let phase = self.phase.as_ref().map(|phase| match phase {
            JoinPhase::Rejoin { deadline_ms } | JoinPhase::Initial { deadline_ms, .. } => {
                *deadline_ms
            }
        });
        let sessions = self
            .members
            .values()
            .filter(|member| member.can_expire())
            .map(|member| member.session_deadline_ms);
        sessions
            .chain(self.pending.values().copied())
            .chain(phase)
            .chain(self.sync_deadline_ms)
            .min()
    }

    fn remove_all(&mut self, now: Now, due: impl Fn(&super::state::Member) -> bool) {
        let ids: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| due(member))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            self.remove(&id, now);
        }
    }

    /// Removes a member and lets the others know.
    fn remove(&mut self, id: &str, now: Now) {
        self.forget(id);
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance if self.members.is_empty() => {
                self.become_empty(now);
            }
            GroupState::Stable | GroupState::CompletingRebalance => self.prepare_rebalance(now),
            // The joining phase ends when the rest has joined, or with nobody.
            GroupState::PreparingRebalance
                if self.members.is_empty() && self.pending.is_empty() =>
            {
                self.become_empty(now);
            }
            _ => {}
        }
    }

    /// Takes a member out of the books; answers what it had waiting.
    pub(super) fn forget(&mut self, id: &str) {
        let Some(member) = self.members.shift_remove(id) else { return };
        let unknown = GroupError::UnknownMemberId;
        if let Some(token) = member.join {
            let answer = JoinAnswer::refused(unknown, id.to_owned());
            self.actions.push(Action::AnswerJoin(token, answer));
        }
        if let Some(token) = member.sync {
            self.actions.push(Action::AnswerSync(token, SyncAnswer::refused(unknown)));
        }
        if let Some(instance) = &member.instance_id {
            self.instances.remove(instance);
        }
        if self.is_leader(id) {
            // Someone who has joined if anyone has, so that the phase can end.
            let mut members = self.members.iter();
            let next = members.clone().find(|(_, member)| member.join.is_some());
            self.leader = next.or_else(|| members.next()).map(|(id, _)| id.clone());
        }
    }
}
