//! Handing out the leader's assignments.

use std::collections::HashMap;

use bytes::Bytes;

use super::state::{Action, Group, GroupError, GroupState, Now, Token, WriteId};

/// A SyncGroup request.
#[derive(Debug, Clone)]
pub(crate) struct SyncRequest {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) generation: i32,
    /// From v5 on; must be the group's if given.
    pub(crate) protocol_type: Option<String>,
    /// From v5 on; must be the group's if given.
    pub(crate) protocol: Option<String>,
    /// From the leader: each member's assignment.
    pub(crate) assignments: HashMap<String, Bytes>,
}

/// The answer to a SyncGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyncAnswer {
    pub(crate) error: Option<GroupError>,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignment: Bytes,
}

impl SyncAnswer {
    pub(crate) fn refused(error: GroupError) -> Self {
        Self { error: Some(error), protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

impl Group {
    /// Takes a SyncGroup; its answer comes as an action, at once or later.
    pub(crate) fn sync(&mut self, request: SyncRequest, token: Token, now: Now) {
        if let Err(error) = self.try_sync(request, token, now) {
            self.actions.push(Action::AnswerSync(token, SyncAnswer::refused(error)));
        }
        self.advance(now);
    }

    fn try_sync(&mut self, request: SyncRequest, token: Token, now: Now) -> Result<(), GroupError> {
        if self.state == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        self.check_member(&request.member_id, request.instance_id.as_deref())?;
        if request.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        let differs =
            |given: &Option<String>, own: &Option<String>| given.is_some() && given != own;
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        let id = request.member_id;
        let is_leader = self.is_leader(&id);
        let member = self.members.get_mut(&id).ok_or(GroupError::UnknownMemberId)?;
        match self.state {
            GroupState::PreparingRebalance => return Err(GroupError::RebalanceInProgress),
            GroupState::CompletingRebalance => {
                member.owes_sync = false;
                member.heard_of(now);
                if let Some(old) = member.sync.replace(token) {
                    let given_up = SyncAnswer::refused(GroupError::RebalanceInProgress);
                    self.actions.push(Action::AnswerSync(old, given_up));
                }
                if is_leader && self.storing.is_none() {
                    let write = self.store(&request.assignments);
                    self.storing = Some((write, request.assignments));
                }
            }
            GroupState::Stable => {
                member.owes_sync = false;
                member.heard_of(now);
                let assignment = member.assignment.clone();
                let answer = self.assigned(assignment);
                self.actions.push(Action::AnswerSync(token, answer));
            }
            GroupState::Empty | GroupState::Dead => return Err(GroupError::UnknownMemberId),
        }
        Ok(())
    }

    /// Hears how a write went. One that a later rebalance has overtaken does
    /// not matter.
    pub(crate) fn stored(&mut self, write: WriteId, success: bool, now: Now) {
        self.replacement_stored(write, success);
        let awaited = self.storing.take_if(|(awaited, _)| *awaited == write);
        let Some((_, mut assignments)) = awaited else { return };
        if !success {
            // The members must not act on what a restart would forget.
            self.abandon_assignment(GroupError::CoordinatorNotAvailable, now);
            self.prepare_rebalance(now);
            self.advance(now);
            return;
        }
        self.become_state(GroupState::Stable, now);
        let mut answers = Vec::new();
        for (id, member) in &mut self.members {
            member.assignment = assignments.remove(id).unwrap_or_default();
            if let Some(token) = member.sync.take() {
                member.heard_of(now);
                answers.push((token, member.assignment.clone()));
            }
        }
        for (token, assignment) in answers {
            let answer = self.assigned(assignment);
            self.actions.push(Action::AnswerSync(token, answer));
        }
    }

    /// Takes assignments back before they were given.
    pub(super) fn abandon_assignment(&mut self, error: GroupError, now: Now) {
        self.storing = None;
        let mut refused = Vec::new();
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if let Some(token) = member.sync.take() {
                // Its session stood still while it waited here.
                member.heard_of(now);
                refused.push(token);
            }
        }
        let answers =
            refused.into_iter().map(|t| Action::AnswerSync(t, SyncAnswer::refused(error)));
        self.actions.extend(answers);
    }

    fn assigned(&self, assignment: Bytes) -> SyncAnswer {
        SyncAnswer {
            error: None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment,
        }
    }
}
