//! Joining, and completing the joining phase of a rebalance.

use std::collections::HashMap;

use bytes::Bytes;

use super::{
    state::{Action, Group, GroupError, GroupState, JoinPhase, Member, Now, Token},
    sync::SyncAnswer,
};

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
        self.check_protocols(&request, replaced.as_deref())?;
        if !request.member_id.is_empty() {
            return self.join_known(request, token, now);
        }
        if let Some(old) = replaced {
            self.replace_static(&old, request, token, now);
            return Ok(());
        }
        self.check_size()?;
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
            self.check_size()?;
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

    fn check_size(&self) -> Result<(), GroupError> {
        // Ids given out count too: each is about to become a member.
        match self.members.len() + self.pending.len() < self.bounds.members_max {
            true => Ok(()),
            false => Err(GroupError::GroupMaxSizeReached),
        }
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
        let member = Member {
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
            session_deadline_ms: now.monotonic_ms + request.session_timeout_ms,
        };
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        self.members.insert(id, member);
        if let Some(JoinPhase::Initial { grew, .. }) = &mut self.phase {
            *grew = true;
        }
        self.prepare_rebalance(now);
    }

    fn update(&mut self, id: &str, request: JoinRequest, token: Token, now: Now) {
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

    /// A static member came back without its member id: it gets a new one and
    /// keeps its place. In a stable group nobody else need notice.
    fn replace_static(&mut self, old_id: &str, request: JoinRequest, token: Token, now: Now) {
        let id = request.fresh_member_id.clone();
        let index = self.members.get_index_of(old_id).expect("instances name members");
        let mut member = self.members.shift_remove(old_id).expect("found just above");
        let fenced = GroupError::FencedInstanceId;
        if let Some(join) = member.join.take() {
            let answer = JoinAnswer::refused(fenced, old_id.to_owned());
            self.actions.push(Action::AnswerJoin(join, answer));
        }
        if let Some(sync) = member.sync.take() {
            self.actions.push(Action::AnswerSync(sync, SyncAnswer::refused(fenced)));
        }
        self.members.shift_insert(index, id.clone(), member);
        if let Some(instance) = &request.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        if let Some(storing) = &mut self.storing
            && let Some(assignment) = storing.remove(old_id)
        {
            storing.insert(id.clone(), assignment);
        }
        let was_leader = self.is_leader(old_id);
        if was_leader {
            self.leader = Some(id.clone());
        }
        let protocol = self.protocol.clone();
        let can_skip = request.can_skip_assignment;
        self.update(&id, request, token, now);
        if self.state == GroupState::Stable && self.choose_protocol() == protocol {
            let member = self.members.get_mut(&id).expect("inserted above");
            member.join = None;
            let assignments: HashMap<String, Bytes> = self
                .members
                .iter()
                .map(|(id, member)| (id.clone(), member.assignment.clone()))
                .collect();
            let stored = self.to_stored(&assignments);
            self.actions.push(Action::Store(stored));
            let mut answer = self.current_answer(&id, was_leader && can_skip);
            if was_leader && !can_skip {
                // An old client would assign anew if it knew that it leads;
                // under its former id it does not, and only syncs (KIP-814).
                answer.leader = old_id.to_owned();
                answer.members = Vec::new();
            }
            self.actions.push(Action::AnswerJoin(token, answer));
            return;
        }
        self.prepare_rebalance(now);
    }

    /// Begins the joining phase, unless it is on.
    pub(super) fn prepare_rebalance(&mut self, now: Now) {
        if self.state == GroupState::PreparingRebalance {
            return;
        }
        if self.state == GroupState::CompletingRebalance {
            self.abandon_assignment(GroupError::RebalanceInProgress, now);
        }
        let longest = self.longest_rebalance_ms();
        self.phase = Some(if self.state == GroupState::Empty {
            let delay = self.bounds.initial_rebalance_delay_ms.min(longest);
            JoinPhase::Initial {
                deadline_ms: now.monotonic_ms + delay,
                last_ms: now.monotonic_ms + longest,
                grew: false,
            }
        } else {
            JoinPhase::Rejoin { deadline_ms: now.monotonic_ms + longest }
        });
        self.sync_deadline_ms = None;
        self.become_state(GroupState::PreparingRebalance, now);
    }

    fn longest_rebalance_ms(&self) -> u64 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// Ends the joining phase if its time has come.
    pub(super) fn advance_join(&mut self, now: Now) {
        let Some(phase) = &mut self.phase else { return };
        let due = match phase {
            JoinPhase::Rejoin { deadline_ms } => {
                let everyone = self.pending.is_empty()
                    && self.members.values().all(|member| member.join.is_some());
                everyone || *deadline_ms <= now.monotonic_ms
            }
            JoinPhase::Initial { deadline_ms, last_ms, grew } => {
                let due = *deadline_ms <= now.monotonic_ms;
                if due && *grew && *deadline_ms < *last_ms {
                    let delay = self.bounds.initial_rebalance_delay_ms;
                    *deadline_ms = (now.monotonic_ms + delay).min(*last_ms);
                    *grew = false;
                }
                *deadline_ms <= now.monotonic_ms
            }
        };
        if due {
            self.complete_join(now);
        }
    }

    fn complete_join(&mut self, now: Now) {
        // Static members keep their place until their session ends.
        let absent: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| member.join.is_none() && member.instance_id.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in &absent {
            self.forget(id);
        }
        if self.members.is_empty() {
            self.become_empty(now);
            return;
        }
        let joined = |id: &String| self.members.get(id).is_some_and(|m| m.join.is_some());
        if !self.leader.as_ref().is_some_and(joined) {
            let first = self.members.iter().find(|(_, member)| member.join.is_some());
            let Some((id, _)) = first else {
                // Only absent static members: wait on, their sessions decide.
                let deadline_ms = now.monotonic_ms + self.longest_rebalance_ms().max(1);
                self.phase = Some(JoinPhase::Rejoin { deadline_ms });
                return;
            };
            self.leader = Some(id.clone());
        }
        self.phase = None;
        self.generation = next_generation(self.generation);
        self.protocol = self.choose_protocol();
        self.become_state(GroupState::CompletingRebalance, now);
        self.sync_deadline_ms = Some(now.monotonic_ms + self.longest_rebalance_ms());
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let member = self.members.get_mut(&id).expect("listed just above");
            member.heard_of(now);
            member.owes_sync = true;
            if let Some(token) = member.join.take() {
                let answer = self.current_answer(&id, false);
                self.actions.push(Action::AnswerJoin(token, answer));
            }
        }
    }

    /// The last member went.
    pub(super) fn become_empty(&mut self, now: Now) {
        self.phase = None;
        self.sync_deadline_ms = None;
        self.storing = None;
        self.generation = next_generation(self.generation);
        self.protocol = None;
        self.leader = None;
        self.become_state(GroupState::Empty, now);
        let stored = self.to_stored(&HashMap::new());
        self.actions.push(Action::Store(stored));
    }

    /// The protocol that all have and that most members prefer.
    fn choose_protocol(&self) -> Option<String> {
        let all_have = |name: &str| {
            self.members.values().all(|member| member.protocols.iter().any(|(p, _)| p == name))
        };
        let mut votes: Vec<(&str, usize)> = Vec::new();
        for member in self.members.values() {
            let Some((choice, _)) = member.protocols.iter().find(|(name, _)| all_have(name)) else {
                continue;
            };
            match votes.iter_mut().find(|(name, _)| name == choice) {
                Some((_, count)) => *count += 1,
                None => votes.push((choice, 1)),
            }
        }
        // The first of those with most votes, so that the choice is stable.
        let most = votes.iter().map(|(_, count)| *count).max()?;
        votes.iter().find(|(_, count)| *count == most).map(|(name, _)| (*name).to_owned())
    }

    fn current_answer(&self, id: &str, skip_assignment: bool) -> JoinAnswer {
        let protocol = self.protocol.clone().unwrap_or_default();
        let members = match self.is_leader(id) {
            false => Vec::new(),
            true => {
                let joined = self.members.iter().map(|(id, member)| JoinedMember {
                    id: id.clone(),
                    instance_id: member.instance_id.clone(),
                    metadata: member.metadata(&protocol),
                });
                joined.collect()
            }
        };
        JoinAnswer {
            error: None,
            member_id: id.to_owned(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: Some(protocol),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment,
            members,
        }
    }
}

fn next_generation(generation: i32) -> i32 {
    if generation == i32::MAX { 1 } else { generation + 1 }
}
