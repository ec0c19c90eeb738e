//! Kafka's group coordinator, as far as members can tell.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::super::Member;
use super::super::events::{Event, Failure, Joined};
use super::{Millis, REBALANCE, SESSION};

#[derive(Clone, Debug)]
pub(super) enum Request {
    Join { member_id: String, metadata: Bytes },
    Sync { generation: i32, member_id: String, assignments: Vec<(String, Bytes)> },
    Heartbeat { generation: i32, member_id: String },
    Leave { member_id: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GroupState {
    Empty,
    Preparing { until: Millis },
    Completing,
    Stable,
}

/// Who asked: worker, life, ticket.
pub(super) type Asker = (usize, u32, u64);

#[derive(Debug)]
struct GroupMember {
    metadata: Bytes,
    session_until: Millis,
    joining: Option<Asker>,
    syncing: Option<Asker>,
    assignment: Bytes,
}

/// Kafka's coordinator, as far as members can tell.
#[derive(Debug)]
pub(super) struct Coordinator {
    state: GroupState,
    generation: i32,
    leader: String,
    members: BTreeMap<String, GroupMember>,
    invited: BTreeSet<String>,
    ids: u32,
    answers: Vec<(Asker, Event)>,
}

pub(super) fn code(code: ResponseError) -> Failure {
    Failure::Code(code)
}

impl Coordinator {
    pub(super) fn new() -> Self {
        Self {
            state: GroupState::Empty,
            generation: 0,
            leader: String::new(),
            members: BTreeMap::new(),
            invited: BTreeSet::new(),
            ids: 0,
            answers: Vec::new(),
        }
    }

    pub(super) fn take_answers(&mut self) -> Vec<(Asker, Event)> {
        std::mem::take(&mut self.answers)
    }

    pub(super) fn is_stable_with(&self, members: usize) -> bool {
        self.state == GroupState::Stable && self.members.len() == members
    }

    /// Takes a request; its answer may come later.
    pub(super) fn handle(&mut self, now: Millis, asker: Asker, request: Request) {
        let ticket = asker.2;
        match request {
            Request::Join { member_id, metadata } => self.join(now, asker, member_id, metadata),
            Request::Sync { generation, member_id, assignments } => {
                let result = self.sync(now, asker, generation, &member_id, assignments);
                if let Some(result) = result {
                    self.answers.push((asker, Event::Synced { ticket, result }));
                }
            }
            Request::Heartbeat { generation, member_id } => {
                let result = match self.members.get_mut(&member_id) {
                    None => Err(code(ResponseError::UnknownMemberId)),
                    Some(_) if generation != self.generation => {
                        Err(code(ResponseError::IllegalGeneration))
                    }
                    Some(member) => {
                        member.session_until = now + SESSION;
                        match self.state {
                            GroupState::Preparing { .. } => {
                                Err(code(ResponseError::RebalanceInProgress))
                            }
                            _ => Ok(()),
                        }
                    }
                };
                self.answers.push((asker, Event::Heartbeat { ticket, result }));
            }
            Request::Leave { member_id } => {
                if self.members.remove(&member_id).is_some() {
                    self.rebalance(now);
                }
            }
        }
    }

    fn join(&mut self, now: Millis, asker: Asker, member_id: String, metadata: Bytes) {
        let ticket = asker.2;
        if member_id.is_empty() {
            self.ids += 1;
            let member_id = format!("m{}", self.ids);
            self.invited.insert(member_id.clone());
            let result = Err(Failure::MemberId(member_id));
            return self.answers.push((asker, Event::Joined { ticket, result }));
        }
        let is_leader = self.leader == member_id;
        match self.members.get_mut(&member_id) {
            None if self.invited.remove(&member_id) => {
                let member = GroupMember {
                    metadata,
                    session_until: now + SESSION,
                    joining: Some(asker),
                    syncing: None,
                    assignment: Bytes::new(),
                };
                self.members.insert(member_id, member);
            }
            None => {
                let result = Err(code(ResponseError::UnknownMemberId));
                return self.answers.push((asker, Event::Joined { ticket, result }));
            }
            // A follower with nothing new is told what holds.
            Some(member)
                if self.state == GroupState::Stable
                    && !is_leader
                    && member.metadata == metadata =>
            {
                let joined = Joined {
                    generation: self.generation,
                    member_id,
                    leader_id: self.leader.clone(),
                    members: Vec::new(),
                };
                return self.answers.push((asker, Event::Joined { ticket, result: Ok(joined) }));
            }
            Some(member) => {
                member.metadata = metadata;
                member.joining = Some(asker);
            }
        }
        self.rebalance(now);
        self.complete_when_all_joined(now);
    }

    fn rebalance(&mut self, now: Millis) {
        if !matches!(self.state, GroupState::Preparing { .. }) {
            self.state = GroupState::Preparing { until: now + REBALANCE };
            for member in self.members.values_mut() {
                if let Some(asker) = member.syncing.take() {
                    let result = Err(code(ResponseError::RebalanceInProgress));
                    self.answers.push((asker, Event::Synced { ticket: asker.2, result }));
                }
            }
        }
        if self.members.is_empty() {
            self.state = GroupState::Empty;
        }
        self.complete_when_all_joined(now);
    }

    fn complete_when_all_joined(&mut self, now: Millis) {
        let preparing = matches!(self.state, GroupState::Preparing { .. });
        if !preparing || self.members.values().any(|member| member.joining.is_none()) {
            return;
        }
        self.generation += 1;
        self.state = GroupState::Completing;
        if !self.members.contains_key(&self.leader) {
            self.leader = self.members.keys().next().cloned().unwrap();
        }
        let all: Vec<Member> = self
            .members
            .iter()
            .map(|(id, member)| Member { member_id: id.clone(), metadata: member.metadata.clone() })
            .collect();
        for (id, member) in &mut self.members {
            let asker = member.joining.take().unwrap();
            member.session_until = now + SESSION;
            let joined = Joined {
                generation: self.generation,
                member_id: id.clone(),
                leader_id: self.leader.clone(),
                members: if *id == self.leader { all.clone() } else { Vec::new() },
            };
            self.answers.push((asker, Event::Joined { ticket: asker.2, result: Ok(joined) }));
        }
    }

    fn sync(
        &mut self,
        now: Millis,
        asker: Asker,
        generation: i32,
        member_id: &str,
        assignments: Vec<(String, Bytes)>,
    ) -> Option<Result<Bytes, Failure>> {
        let Some(member) = self.members.get_mut(member_id) else {
            return Some(Err(code(ResponseError::UnknownMemberId)));
        };
        if generation != self.generation {
            return Some(Err(code(ResponseError::IllegalGeneration)));
        }
        match self.state {
            GroupState::Empty | GroupState::Preparing { .. } => {
                Some(Err(code(ResponseError::RebalanceInProgress)))
            }
            GroupState::Stable => {
                member.session_until = now + SESSION;
                Some(Ok(member.assignment.clone()))
            }
            GroupState::Completing => {
                member.syncing = Some(asker);
                if member_id == self.leader {
                    let mut assignments: BTreeMap<_, _> = assignments.into_iter().collect();
                    self.state = GroupState::Stable;
                    for (id, member) in &mut self.members {
                        member.assignment = assignments.remove(id).unwrap_or_default();
                        if let Some(asker) = member.syncing.take() {
                            member.session_until = now + SESSION;
                            let result = Ok(member.assignment.clone());
                            self.answers.push((asker, Event::Synced { ticket: asker.2, result }));
                        }
                    }
                }
                None
            }
        }
    }

    /// Ends sessions and joining phases that are over.
    pub(super) fn tick(&mut self, now: Millis) {
        let before = self.members.len();
        self.members.retain(|_, member| {
            member.joining.is_some() || member.syncing.is_some() || now < member.session_until
        });
        if let GroupState::Preparing { until } = self.state
            && now >= until
        {
            self.members.retain(|_, member| member.joining.is_some());
        }
        if self.members.len() != before {
            self.rebalance(now);
        }
    }
}
