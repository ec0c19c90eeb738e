//! The joining phase of a rebalance: begun, awaited, completed.

use std::collections::HashMap;

use super::{
    join::{JoinAnswer, JoinedMember},
    state::{Action, Group, GroupError, GroupState, JoinPhase, Now},
};

impl Group {
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
            let delay = self.bounds.initial_rebalance_delay_ms;
            JoinPhase::Initial {
                deadline_ms: now.monotonic_ms + delay,
                last_ms: now.monotonic_ms + longest.max(delay),
                grew: false,
            }
        } else {
            JoinPhase::Rejoin { deadline_ms: now.monotonic_ms + longest }
        });
        self.sync_deadline_ms = None;
        self.become_state(GroupState::PreparingRebalance, now);
    }

    pub(super) fn longest_rebalance_ms(&self) -> u64 {
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
            member.is_new = false;
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
        self.store(&HashMap::new());
    }

    /// The protocol that all have and that most members prefer.
    pub(super) fn choose_protocol(&self) -> Option<String> {
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

    pub(super) fn current_answer(&self, id: &str, skip_assignment: bool) -> JoinAnswer {
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
