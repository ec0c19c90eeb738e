//! The state machine of a group, step by step: each test is named for what
//! would go wrong.

mod commits;
mod rebalances;
mod sizes;
mod static_members;

use std::collections::HashMap;

use bytes::Bytes;

use super::{
    join::{JoinAnswer, JoinRequest},
    state::{Action, Bounds, Group, GroupError, GroupState, Now, StoredGroup, Token, WriteId},
    sync::{SyncAnswer, SyncRequest},
};

const SESSION_MS: u64 = 10_000;
const REBALANCE_MS: u64 = 60_000;

/// A group, its clock, and the answers that it gave.
struct Fixture {
    group: Group,
    now_ms: u64,
    next_token: Token,
    joins: HashMap<Token, JoinAnswer>,
    syncs: HashMap<Token, SyncAnswer>,
    /// Whether writes succeed at once; else they wait in `writes`.
    stores: bool,
    writes: Vec<WriteId>,
    last_stored: Option<StoredGroup>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(Bounds { initial_rebalance_delay_ms: 1, members_max: usize::MAX })
    }

    fn with(bounds: Bounds) -> Self {
        Self {
            group: Group::new(bounds, Now { monotonic_ms: 0, wall_ms: 0 }),
            now_ms: 0,
            next_token: 0,
            joins: HashMap::new(),
            syncs: HashMap::new(),
            stores: true,
            writes: Vec::new(),
            last_stored: None,
        }
    }

    fn now(&self) -> Now {
        Now { monotonic_ms: self.now_ms, wall_ms: self.now_ms as i64 }
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        self.next_token
    }

    fn carry_out(&mut self) {
        loop {
            let actions = self.group.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    Action::AnswerJoin(token, answer) => {
                        assert!(self.joins.insert(token, answer).is_none(), "answered twice");
                    }
                    Action::AnswerSync(token, answer) => {
                        assert!(self.syncs.insert(token, answer).is_none(), "answered twice");
                    }
                    Action::Store(write, stored) => {
                        self.last_stored = Some(stored);
                        match self.stores {
                            true => self.group.stored(write, true, self.now()),
                            false => self.writes.push(write),
                        }
                    }
                }
            }
        }
    }

    /// Lets time pass, event by event.
    fn pass(&mut self, milliseconds: u64) {
        let end_ms = self.now_ms + milliseconds;
        while let Some(due_ms) = self.group.next_deadline_ms().filter(|due_ms| *due_ms <= end_ms) {
            self.now_ms = self.now_ms.max(due_ms);
            self.group.advance(self.now());
            self.carry_out();
        }
        self.now_ms = end_ms;
    }

    fn join_as(&mut self, request: JoinRequest) -> Token {
        let token = self.token();
        self.group.join(request, token, self.now());
        self.carry_out();
        token
    }

    /// The answer to a join, which must be there.
    fn joined(&self, token: Token) -> &JoinAnswer {
        self.joins.get(&token).expect("the join is answered")
    }

    fn sync(&mut self, id: &str, assignments: &[(&str, &str)]) -> Token {
        let instance = self.group.members().get(id).and_then(|member| member.instance_id.clone());
        self.sync_as(id, instance, assignments)
    }

    fn sync_as(
        &mut self,
        id: &str,
        instance_id: Option<String>,
        assignments: &[(&str, &str)],
    ) -> Token {
        let token = self.token();
        let given = assignments
            .iter()
            .map(|(id, assignment)| ((*id).to_owned(), Bytes::from((*assignment).to_owned())));
        let request = SyncRequest {
            member_id: id.to_owned(),
            instance_id,
            generation: self.group.generation,
            protocol_type: None,
            protocol: None,
            assignments: given.collect(),
        };
        self.group.sync(request, token, self.now());
        self.carry_out();
        token
    }

    fn synced(&self, token: Token) -> Result<&[u8], GroupError> {
        let answer = self.syncs.get(&token).expect("the sync is answered");
        answer.error.map_or(Ok(&answer.assignment[..]), Err)
    }

    fn beat(&mut self, id: &str) -> Result<(), GroupError> {
        let now = self.now();
        let instance = self.group.members().get(id).and_then(|member| member.instance_id.clone());
        let generation = self.group.generation;
        let heard = self.group.heartbeat(id, instance.as_deref(), generation, now);
        self.carry_out();
        heard
    }

    /// A stable group of these members, the first its leader; every one is
    /// assigned its own name.
    fn stable(&mut self, ids: &[&str]) {
        for id in ids {
            self.join_as(fresh(id));
        }
        self.settle();
        assert_eq!(self.group.state(), GroupState::Stable);
        assert!(self.group.is_leader(ids[0]));
    }

    /// Everyone who is a member rejoins and syncs.
    fn settle(&mut self) {
        let waiting = |member: &super::state::Member| member.join.is_some();
        let absent: Vec<JoinRequest> = self
            .group
            .members()
            .iter()
            .filter(|(_, member)| !waiting(member))
            .map(|(id, member)| JoinRequest {
                member_id: id.clone(),
                instance_id: member.instance_id.clone(),
                protocols: member.protocols.clone(),
                ..fresh(id)
            })
            .collect();
        if self.group.state() == GroupState::PreparingRebalance {
            absent.into_iter().for_each(|request| {
                self.join_as(request);
            });
            self.pass(5);
        }
        let ids: Vec<String> = self.group.members().keys().cloned().collect();
        let leader = self.group.leader.clone().expect("a group with members has a leader");
        let own: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), id.as_str())).collect();
        self.sync(&leader, &own);
        ids.iter().filter(|id| **id != leader).for_each(|id| {
            self.sync(id, &[]);
        });
    }
}

/// A first join before v4, which makes `id` a member at once.
fn fresh(id: &str) -> JoinRequest {
    JoinRequest {
        member_id: String::new(),
        fresh_member_id: id.to_owned(),
        instance_id: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: "consumer".to_owned(),
        protocols: protocols(&["range"]),
        requires_known_member_id: false,
        can_skip_assignment: true,
    }
}

/// A join from v4 on under an id that was given out.
fn again(id: &str) -> JoinRequest {
    JoinRequest { member_id: id.to_owned(), requires_known_member_id: true, ..fresh("unused") }
}

fn protocols(names: &[&str]) -> Vec<(String, Bytes)> {
    names.iter().map(|name| ((*name).to_owned(), Bytes::from_static(b"meta"))).collect()
}
