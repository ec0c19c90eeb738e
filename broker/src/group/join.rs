//! Joining.

use bytes::Bytes;

use super::state::{Action, Group, GroupError, GroupState, JoinPhase, Member, Now, Token};

/// A JoinGroup request.
#[derive(Debug, Clone)]
pub(crate) struct JoinRequest {
    /// Empty when the member joins for the first time.
    pub(crate) member_id: String,
    /// An id that nobody has, for the case that the member has none.
    pub(crate) fresh_member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: u64,
    pub(crate) rebalance_timeout_ms: u64,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// From v4 on, a member without an id is told one and must come again, so
    /// that a client that gives up leaves nothing behind.
    pub(crate) requires_known_member_id: bool,
    /// From v9 on, a leader can be told that there is nothing to assign.
    pub(crate) can_skip_assignment: bool,
}

/// A member as the leader is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) metadata: Bytes,
}

/// The answer to a JoinGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinAnswer {
    pub(crate) error: Option<GroupError>,
    pub(crate) member_id: String,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: String,
    pub(crate) skip_assignment: bool,
    /// Everyone, for the leader; nobody for the others.
    pub(crate) members: Vec<JoinedMember>,
}

impl JoinAnswer {
    pub(crate) fn refused(error: GroupError, member_id: String) -> Self {
        Self {
            error: Some(error),
            member_id,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

impl Group {
    /// Takes a JoinGroup; its answer comes as an action, at once or later.
    pub(crate) fn join(&mut self, request: JoinRequest, token: Token, now: Now) {
        let member_id = request.member_id.clone();
        if let Err(error) = self.try_join(request, token, now) {
            self.actions.push(Action::AnswerJoin(token, JoinAnswer::refused(error, member_id)));
        }
        self.advance(now);
    }

    fn try_join(&mut self, request: JoinRequest, token: Token, now: Now) -> Result<(), GroupError> {
        if self.state == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        let replaced = request.instance_id.as_ref().and_then(|id| self.instances.get(id)).cloned();
        // One that takes over a place needs no further one.
        if !(request.member_id.is_empty() && replaced.is_some()) {
            self.check_size(&request.member_id)?;
        }
        self.check_protocols(&request, replaced.as_deref())?;
        if !request.member_id.is_empty() {
            return self.join_known(request, token, now);
        }
        if let Some(old) = replaced {
            self.replace_static(&old, request, token, now);
            return Ok(());
        }
        if request.requires_known_member_id && request.instance_id.is_none() {
            let id = request.fresh_member_id;
            self.pending.insert(id.clone(), now.monotonic_ms + request.session_timeout_ms);
            let answer = JoinAnswer::refused(GroupError::MemberIdRequired, id);
            self.actions.push(Action::AnswerJoin(token, answer));
            return Ok(());
        }
        let id = request.fresh_member_id.clone();
        self.add(id, request, token, now);
        Ok(())
    }

    fn join_known(
        &mut self,
        request: JoinRequest,
        token: Token,
        now: Now,
    ) -> Result<(), GroupError> {
        let id = request.member_id.clone();
        if self.pending.remove(&id).is_some() {
            self.add(id, request, token, now);
            return Ok(());
        }
        self.check_member(&id, request.instance_id.as_deref())?;
        let member = &self.members[&id];
        let unchanged = member.protocols == request.protocols;
        match self.state {
            // The member lost its answer: the generation is there, it gets it again.
            GroupState::CompletingRebalance if unchanged => {
                self.heard_of(&id, now);
                let answer = self.current_answer(&id, false);
                self.actions.push(Action::AnswerJoin(token, answer));
            }
            GroupState::Stable if unchanged && !self.is_leader(&id) => {
                self.heard_of(&id, now);
                let answer = self.current_answer(&id, false);
                self.actions.push(Action::AnswerJoin(token, answer));
            }
            _ => {
                self.update(&id, request, token, now);
                self.prepare_rebalance(now);
            }
        }
        Ok(())
    }

    /// That `group.max.size` leaves room for a join under this id. One that
    /// is turned away is no member any more.
    fn check_size(&mut self, id: &str) -> Result<(), GroupError> {
        let max = self.bounds.members_max;
        let member = self.members.get(id);
        let accepted = match self.state {
            GroupState::Empty | GroupState::Dead => true,
            // Those who have joined count, not all who might: when the limit
            // was lowered, the last to rejoin are the ones to go.
            GroupState::PreparingRebalance => {
                let joined = self.members.values().filter(|member| member.join.is_some());
                member.is_some_and(|member| member.join.is_some()) || joined.count() < max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                member.is_some() || self.members.len() < max
            }
        };
        if accepted {
            return Ok(());
        }
        self.pending.remove(id);
        self.forget(id);
        Err(GroupError::GroupMaxSizeReached)
    }

    /// That one protocol stays that all members have, `request` in the place
    /// of the member that it updates or replaces.
    fn check_protocols(
        &self,
        request: &JoinRequest,
        replaced: Option<&str>,
    ) -> Result<(), GroupError> {
        let inconsistent = Err(GroupError::InconsistentGroupProtocol);
        if request.protocol_type.is_empty() || request.protocols.is_empty() {
            return inconsistent;
        }
        let mut others = self
            .members
            .iter()
            .filter(|(id, _)| **id != request.member_id && Some(id.as_str()) != replaced)
            .map(|(_, member)| member)
            .peekable();
        if others.peek().is_none() {
            return Ok(());
        }
        if self.protocol_type.as_ref() != Some(&request.protocol_type) {
            return inconsistent;
        }
        let others: Vec<&Member> = others.collect();
        let shared = request.protocols.iter().any(|(name, _)| {
            others.iter().all(|member| member.protocols.iter().any(|(other, _)| other == name))
        });
        if shared { Ok(()) } else { inconsistent }
    }

    fn add(&mut self, id: String, request: JoinRequest, token: Token, now: Now) {
        if let Some(instance) = &request.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type);
        }
        let mut member = Member {
            instance_id: request.instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            protocols: request.protocols,
            assignment: Bytes::new(),
            join: Some(token),
            sync: None,
            owes_sync: false,
            is_new: true,
            session_deadline_ms: 0,
        };
        member.heard_of(now);
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        self.members.insert(id, member);
        if let Some(JoinPhase::Initial { grew, .. }) = &mut self.phase {
            *grew = true;
        }
        self.prepare_rebalance(now);
    }

    pub(super) fn update(&mut self, id: &str, request: JoinRequest, token: Token, now: Now) {
        if self.members.len() == 1 {
            self.protocol_type = Some(request.protocol_type);
        }
        let member = self.members.get_mut(id).expect("the caller found the member");
        member.protocols = request.protocols;
        member.session_timeout_ms = request.session_timeout_ms;
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        member.client_id = request.client_id;
        member.client_host = request.client_host;
        member.heard_of(now);
        // An earlier JoinGroup of the same member was given up by its client.
        if let Some(old) = member.join.replace(token) {
            let answer = JoinAnswer::refused(GroupError::RebalanceInProgress, id.to_owned());
            self.actions.push(Action::AnswerJoin(old, answer));
        }
    }

    fn heard_of(&mut self, id: &str, now: Now) {
        if let Some(member) = self.members.get_mut(id) {
            member.heard_of(now);
        }
    }
}
