//! A seeded simulation of one group: clients that join, sync, beat, leave,
//! lose answers and die, static members that restart, administrators that
//! remove them and brokers that restart, against the state machine that the
//! server calls.
//!
//! What must hold whatever happens:
//! - a member that is heard of in time is never unknown to the group;
//! - generations only grow, and each has one leader;
//! - what a member is assigned is what its generation's leader assigned to it,
//!   a static member that restarted what its former self was;
//! - a static member that restarts does not unsettle a stable group;
//! - once the chaos ends, all who live become stable members of one generation.
//!
//! A failure prints its seed: run again with `LONGSHORE_SEED=<seed>`.

use std::collections::{BTreeMap, HashMap, VecDeque};

mod client;

use bytes::Bytes;
use client::{Client, Doing};

use super::{
    join::{JoinAnswer, JoinRequest},
    membership::LeavingMember,
    state::{Action, Bounds, Group, GroupError, GroupState, Now, StoredGroup, Token, WriteId},
    sync::{SyncAnswer, SyncRequest},
};
use crate::random::{Random, for_each_seed};

const SESSION_MS: u64 = 10_000;
const REBALANCE_MS: u64 = 20_000;
const BEAT_MS: u64 = 1_000;
const STEP_MS_MAX: u64 = 300;
const CLIENTS: usize = 6;
const PROTOCOL: &str = "range";

struct World {
    random: Random,
    now_ms: u64,
    group: Group,
    clients: Vec<Client>,
    next_token: Token,
    next_member: u64,
    /// Writes to be told of as done, and whether they went well.
    storing: VecDeque<(WriteId, bool)>,
    /// By generation: what its leader assigned.
    assigned: BTreeMap<i32, HashMap<String, Bytes>>,
    /// The ids that a static member's id took the place of.
    former: HashMap<String, String>,
    /// What a broker that starts anew would read.
    on_disk: Option<StoredGroup>,
    last_generation: i32,
    trace: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let bounds = Bounds { initial_rebalance_delay_ms: random.below(4000), members_max: 100 };
        let clients = (0..CLIENTS).map(Client::new);
        Self {
            now_ms: 0,
            group: Group::new(bounds, Now { monotonic_ms: 0, wall_ms: 0 }),
            clients: clients.collect(),
            next_token: 0,
            next_member: 0,
            storing: VecDeque::new(),
            assigned: BTreeMap::new(),
            former: HashMap::new(),
            on_disk: None,
            last_generation: 0,
            trace: Vec::new(),
            random,
        }
    }

    fn now(&self) -> Now {
        Now { monotonic_ms: self.now_ms, wall_ms: self.now_ms as i64 }
    }

    fn step(&mut self, chaos: bool) {
        self.now_ms += self.random.below(STEP_MS_MAX);
        if self.group.next_deadline_ms().is_some_and(|due| due <= self.now_ms) {
            self.group.advance(self.now());
            self.carry_out(chaos);
        }
        if chaos && self.random.once_in(400) {
            self.restart_broker();
        }
        if !self.storing.is_empty() && self.random.once_in(3) {
            let (write, success) = self.storing.pop_front().expect("not empty");
            self.group.stored(write, success, self.now());
            self.carry_out(chaos);
        }
        for number in 0..CLIENTS {
            // Not everyone in every step, but everyone in time for its session.
            if self.random.once_in(2) {
                self.act(number, chaos);
                self.carry_out(chaos);
            }
        }
    }

    fn act(&mut self, number: usize, chaos: bool) {
        if chaos && self.random.once_in(150) {
            self.disturb(number);
            return;
        }
        match self.clients[number].doing.clone() {
            Doing::Out => self.join(number),
            Doing::Joined(members) => self.sync(number, &members),
            Doing::Stable if self.clients[number].beat_at_ms <= self.now_ms => self.beat(number),
            _ => {}
        }
    }

    /// What was not written down is lost, waiting requests are too.
    fn restart_broker(&mut self) {
        self.trace.push(format!("{} the broker restarts", self.now_ms));
        let bounds = self.group.bounds;
        self.group = match self.on_disk.clone() {
            Some(stored) => Group::load(bounds, stored, self.now()),
            None => Group::new(bounds, self.now()),
        };
        self.storing.clear();
        for client in &mut self.clients {
            if matches!(client.doing, Doing::Joining(_) | Doing::Syncing(_)) {
                client.doing = Doing::Out;
            }
            client.may_be_unknown = true;
        }
        self.last_generation = self.group.generation;
        self.assigned.retain(|generation, _| *generation <= self.last_generation);
    }

    fn disturb(&mut self, number: usize) {
        let kind = self.random.below(6);
        let client = &mut self.clients[number];
        self.trace.push(format!("{} client {number} disturbance {kind}", self.now_ms));
        match kind {
            0 => client.doing = Doing::Dead,
            1 if client.doing == Doing::Dead => {
                // Another process in its place, with the same instance id.
                client.doing = Doing::Out;
                client.member_id = String::new();
            }
            2 if client.doing == Doing::Stable => {
                let leaving = LeavingMember {
                    member_id: client.member_id.clone(),
                    instance_id: client.instance_id.clone(),
                };
                let gone = client.may_be_unknown;
                client.begin_anew();
                let now = self.now();
                let left = self.group.leave(&leaving, now);
                assert!(left.is_ok() || gone, "a stable member leaves: {left:?}");
            }
            4 if client.doing == Doing::Stable && client.instance_id.is_some() => {
                self.restart_static(number);
            }
            5 if client.doing == Doing::Stable && client.instance_id.is_some() => {
                let leaving = LeavingMember {
                    member_id: String::new(),
                    instance_id: client.instance_id.clone(),
                };
                client.may_be_unknown = true;
                let now = self.now();
                // It is gone already if it was removed before and has not heard of it.
                let _ = self.group.leave(&leaving, now);
            }
            3 if client.doing == Doing::Stable => {
                client.metadata = Bytes::from(self.now_ms.to_string());
                client.doing = Doing::Out;
            }
            _ => {}
        }
    }

    /// The process dies and another takes its place within the session.
    fn restart_static(&mut self, number: usize) {
        let before = (self.group.state(), self.group.generation);
        let client = &mut self.clients[number];
        let member_id = std::mem::take(&mut client.member_id);
        let (instance_id, generation) = (client.instance_id.clone(), client.generation);
        self.join(number);
        if before.0 != GroupState::Stable {
            return;
        }
        assert_eq!((self.group.state(), self.group.generation), before, "nobody else notices");
        let now = self.now();
        let fenced = self.group.heartbeat(&member_id, instance_id.as_deref(), generation, now);
        assert_eq!(fenced, Err(GroupError::FencedInstanceId), "its former self is fenced");
    }

    /// The id that the leader knew this member by.
    fn assigned_id<'a>(&'a self, id: &'a str, given: &HashMap<String, Bytes>) -> &'a str {
        let mut id = id;
        while !given.contains_key(id) {
            let Some(former) = self.former.get(id) else { break };
            id = former;
        }
        id
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        self.next_token
    }

    fn join(&mut self, number: usize) {
        let token = self.token();
        self.next_member += 1;
        let fresh_member_id = format!("member-{}", self.next_member);
        let now = self.now();
        let client = &mut self.clients[number];
        client.doing = Doing::Joining(token);
        let holder = client.instance_id.as_ref().and_then(|id| self.group.instances.get(id));
        if let (Some(holder), true) = (holder, client.member_id.is_empty()) {
            self.former.insert(fresh_member_id.clone(), holder.clone());
        }
        let request = JoinRequest {
            member_id: client.member_id.clone(),
            fresh_member_id,
            instance_id: client.instance_id.clone(),
            client_id: format!("client-{number}"),
            client_host: "/".to_owned(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            protocol_type: "consumer".to_owned(),
            protocols: vec![(PROTOCOL.to_owned(), client.metadata.clone())],
            requires_known_member_id: client.knows_member_ids,
            can_skip_assignment: client.knows_member_ids,
        };
        self.group.join(request, token, now);
    }

    fn sync(&mut self, number: usize, members: &[String]) {
        let token = self.token();
        let now = self.now();
        let client = &mut self.clients[number];
        let generation = client.generation;
        let assignments: HashMap<String, Bytes> = members
            .iter()
            .map(|id| (id.clone(), Bytes::from(format!("{id} in {generation}"))))
            .collect();
        // Else it is of a generation that a restart of the broker took back.
        let awaited = self.group.state() == GroupState::CompletingRebalance
            && self.group.generation == generation;
        if awaited && !assignments.is_empty() {
            self.assigned.entry(generation).or_insert_with(|| assignments.clone());
        }
        client.doing = Doing::Syncing(token);
        let request = SyncRequest {
            member_id: client.member_id.clone(),
            instance_id: client.instance_id.clone(),
            generation,
            protocol_type: Some("consumer".to_owned()),
            protocol: Some(PROTOCOL.to_owned()),
            assignments,
        };
        self.group.sync(request, token, now);
    }

    fn beat(&mut self, number: usize) {
        let now = self.now();
        let client = &mut self.clients[number];
        client.beat_at_ms = self.now_ms + BEAT_MS;
        let instance_id = client.instance_id.clone();
        let heard =
            self.group.heartbeat(&client.member_id, instance_id.as_deref(), client.generation, now);
        match heard {
            Ok(()) => {}
            Err(GroupError::RebalanceInProgress | GroupError::IllegalGeneration) => {
                client.doing = Doing::Out;
            }
            Err(GroupError::UnknownMemberId | GroupError::FencedInstanceId)
                if client.may_be_unknown =>
            {
                client.begin_anew();
            }
            Err(error) => panic!("a live member's heartbeat was refused: {error}"),
        }
    }

    fn carry_out(&mut self, chaos: bool) {
        for action in self.group.take_actions() {
            match action {
                Action::AnswerJoin(token, answer) => {
                    self.trace.push(format!("{} join {token} {answer:?}", self.now_ms));
                    self.joined(token, answer, chaos);
                }
                Action::AnswerSync(token, answer) => {
                    self.trace.push(format!("{} sync {token} {answer:?}", self.now_ms));
                    self.synced(token, answer);
                }
                Action::Store(write, stored) => {
                    assert!(stored.generation >= self.last_generation, "generations only grow");
                    self.last_generation = stored.generation;
                    let success = !(chaos && self.random.once_in(20));
                    if success {
                        self.on_disk = Some(stored);
                    }
                    self.storing.push_back((write, success));
                }
            }
        }
    }

    fn joined(&mut self, token: Token, answer: JoinAnswer, chaos: bool) {
        let lost = chaos && self.random.once_in(30);
        let waiting = |client: &&mut Client| client.doing == Doing::Joining(token);
        let Some(client) = self.clients.iter_mut().find(waiting) else { return };
        if lost {
            // The client comes again with what it knew before.
            client.doing = Doing::Out;
            return;
        }
        match answer.error {
            None => {
                let grew = answer.generation >= client.generation || client.may_be_unknown;
                assert!(grew, "generations only grow");
                client.member_id = answer.member_id;
                client.generation = answer.generation;
                client.may_be_unknown = false;
                let leads = answer.leader == client.member_id && !answer.skip_assignment;
                assert_eq!(leads, !answer.members.is_empty() && !answer.skip_assignment);
                let members = if leads { answer.members } else { Vec::new() };
                client.doing = Doing::Joined(members.into_iter().map(|m| m.id).collect());
            }
            Some(GroupError::MemberIdRequired) => {
                client.member_id = answer.member_id;
                client.doing = Doing::Out;
            }
            Some(GroupError::RebalanceInProgress | GroupError::CoordinatorNotAvailable) => {
                client.doing = Doing::Out;
            }
            Some(GroupError::UnknownMemberId | GroupError::FencedInstanceId)
                if client.may_be_unknown =>
            {
                client.begin_anew();
            }
            Some(error) => panic!(
                "a live member's join was refused: {error}; what led to it:\n{}",
                self.trace[self.trace.len().saturating_sub(25)..].join("\n")
            ),
        }
    }

    fn synced(&mut self, token: Token, answer: SyncAnswer) {
        let waiting = |client: &Client| client.doing == Doing::Syncing(token);
        let Some(number) = self.clients.iter().position(waiting) else { return };
        if answer.error.is_none() {
            let client = &self.clients[number];
            let given = self.assigned.get(&client.generation).expect("a leader assigned");
            let expected = given.get(self.assigned_id(&client.member_id, given));
            assert_eq!(Some(&answer.assignment), expected, "as the leader assigned");
        }
        let client = &mut self.clients[number];
        match answer.error {
            None => {
                client.doing = Doing::Stable;
                client.beat_at_ms = self.now_ms;
            }
            Some(
                GroupError::RebalanceInProgress
                | GroupError::IllegalGeneration
                | GroupError::CoordinatorNotAvailable,
            ) => client.doing = Doing::Out,
            Some(GroupError::UnknownMemberId | GroupError::FencedInstanceId)
                if client.may_be_unknown =>
            {
                client.begin_anew();
            }
            Some(error) => panic!("a live member's sync was refused: {error}"),
        }
    }

    /// All who live are stable members of the group's one generation.
    fn is_settled(&self) -> bool {
        let live: Vec<&Client> =
            self.clients.iter().filter(|client| client.doing != Doing::Dead).collect();
        let all_stable = live.iter().all(|client| client.doing == Doing::Stable);
        let state = if live.is_empty() { GroupState::Empty } else { GroupState::Stable };
        all_stable
            && self.group.state() == state
            && self.group.members().len() == live.len()
            && live.iter().all(|client| self.group.members().contains_key(&client.member_id))
    }
}

fn run(seed: u64) -> Vec<String> {
    let mut world = World::new(seed);
    for _ in 0..2000 {
        world.step(true);
    }
    let deadline_ms = world.now_ms + 20 * REBALANCE_MS;
    while !world.is_settled() {
        world.step(false);
        assert!(
            world.now_ms < deadline_ms,
            "the group hangs in {:?}: {:#?}",
            world.group.state(),
            world.clients
        );
    }
    world.trace
}

#[test]
fn members_that_live_are_never_unknown_and_the_group_always_settles() {
    for_each_seed(300, run);
}

#[test]
fn one_seed_always_gives_the_same_trace() {
    let trace = run(7);
    assert!(trace.len() > 100);
    assert_eq!(trace, run(7));
}
