//! A seeded simulation of one consumer group: members that join, beat, let go
//! slowly, leave, lose answers and die, static members that restart, topics that
//! grow, writes that fail and brokers that restart, against the state machine
//! that the server calls.
//!
//! What must hold whatever happens:
//! - no partition is ever consumed by two members;
//! - epochs of the group and of each member only grow;
//! - once the chaos ends, every partition is consumed by exactly one member,
//!   and that one subscribes to it.
//!
//! A failure prints its seed: run again with `LONGSHORE_SEED=<seed>`.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{
    heartbeat::{HeartbeatAnswer, HeartbeatRequest},
    state::{ConsumerGroup, ConsumerGroupError, Partitions, contains, gather, pairs},
    tests::{Disk, TestTopics, beat, bounds, join},
};
use crate::random::{Random, for_each_seed};

const STEP_MS_MAX: u64 = 1500;
const BEAT_MS: u64 = 5000;
const CLIENTS: usize = 6;

/// A consumer as it sees itself.
#[derive(Debug, Clone)]
struct Client {
    id: String,
    instance_id: Option<String>,
    subscription: Vec<&'static str>,
    pattern: Option<&'static str>,
    alive: bool,
    epoch: i32,
    /// What it consumes.
    owned: Partitions,
    /// What it was last told that it may.
    told: Partitions,
    /// After a lost answer it says everything anew.
    says_all: bool,
    beat_at_ms: u64,
}

impl Client {
    /// All is lost: it consumes nothing and joins anew.
    fn abandon(&mut self) {
        self.epoch = 0;
        self.owned = Partitions::new();
        self.told = Partitions::new();
    }

    fn lets_go_of(&self) -> impl Iterator<Item = (Uuid, i32)> {
        pairs(&self.owned).filter(|key| !contains(&self.told, *key))
    }
}

struct World {
    random: Random,
    now_ms: u64,
    group: ConsumerGroup,
    disk: Disk,
    topics: TestTopics,
    clients: Vec<Client>,
    next_id: u64,
    /// The greatest epoch that anyone was told of.
    epoch_told: i32,
    trace: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let subscriptions: [(&[&'static str], Option<&'static str>); 3] =
            [(&["x", "y"], None), (&["x"], None), (&[], Some("x|z"))];
        let clients = (0..CLIENTS).map(|number| Client {
            id: format!("m{number}"),
            instance_id: (number % 2 == 1).then(|| format!("static-{number}")),
            subscription: subscriptions[number % 3].0.to_vec(),
            pattern: subscriptions[number % 3].1,
            alive: true,
            epoch: 0,
            owned: Partitions::new(),
            told: Partitions::new(),
            says_all: false,
            beat_at_ms: 0,
        });
        Self {
            random: Random(seed),
            now_ms: 0,
            group: ConsumerGroup::new(bounds()),
            disk: Disk::default(),
            topics: TestTopics::of(&[("x", 7), ("y", 3), ("z", 1)]),
            clients: clients.collect(),
            next_id: CLIENTS as u64,
            epoch_told: 0,
            trace: Vec::new(),
        }
    }

    fn step(&mut self, chaos: bool) {
        self.now_ms += self.random.below(STEP_MS_MAX);
        if self.group.next_deadline_ms().is_some_and(|due_ms| due_ms <= self.now_ms) {
            self.group.advance(self.now_ms);
        }
        if chaos && self.random.once_in(300) {
            let grown = self.topics.0.get_mut("x").expect("x is there");
            grown.1 += 1;
            self.group.refresh_topics(&self.topics);
        }
        if chaos && self.random.once_in(200) {
            self.trace.push(format!("{} the broker restarts", self.now_ms));
            let empty = || ConsumerGroup::new(bounds());
            self.group = self.disk.load(self.now_ms).unwrap_or_else(empty);
            self.group.refresh_topics(&self.topics);
        }
        for number in 0..CLIENTS {
            if chaos && self.random.once_in(120) {
                self.disturb(number);
            }
            self.consume(number);
            let client = &self.clients[number];
            if client.alive && client.beat_at_ms <= self.now_ms {
                self.send(number, chaos);
            }
            self.check();
        }
    }

    /// Lets go of what it may not consume any more, in its own time; only then
    /// takes up what it may.
    fn consume(&mut self, number: usize) {
        let slowness = 3;
        let client = &mut self.clients[number];
        let given_up: Vec<(Uuid, i32)> = client.lets_go_of().collect();
        if !given_up.is_empty() && self.random.once_in(slowness) {
            client.owned = gather(pairs(&client.owned).filter(|key| !given_up.contains(key)));
            // It says so at once.
            client.beat_at_ms = self.now_ms;
        } else if given_up.is_empty() {
            client.owned = client.told.clone();
        }
    }

    fn disturb(&mut self, number: usize) {
        let kind = self.random.below(4);
        self.trace.push(format!("{} client {number} disturbance {kind}", self.now_ms));
        self.next_id += 1;
        let fresh_id = format!("m{}", self.next_id);
        let client = &mut self.clients[number];
        match kind {
            // It dies. Nobody consumes what it held until its session ends.
            0 => {
                client.alive = false;
                client.abandon();
            }
            // Another process in its place.
            1 if !client.alive => {
                client.alive = true;
                client.id = fresh_id;
            }
            2 if client.alive && client.epoch > 0 => {
                client.abandon();
                let epoch = if client.instance_id.is_some() { -2 } else { -1 };
                let instance_id = client.instance_id.clone();
                let leaving = HeartbeatRequest { instance_id, ..beat(&client.id, epoch) };
                client.id = fresh_id;
                // Refused or not: it is gone.
                let _ = self.group.heartbeat(&leaving, &self.topics, self.now_ms);
                self.disk.save(&mut self.group);
            }
            3 if client.alive && client.pattern.is_none() => {
                client.subscription =
                    if client.subscription.len() == 1 { vec!["x", "y"] } else { vec!["x"] };
                client.says_all = true;
            }
            _ => {}
        }
    }

    fn send(&mut self, number: usize, chaos: bool) {
        let client = &mut self.clients[number];
        client.beat_at_ms = self.now_ms + BEAT_MS;
        let full = join(&client.id, &client.subscription);
        let full = HeartbeatRequest {
            epoch: client.epoch,
            pattern: client.pattern.map(str::to_owned),
            owned: Some(client.owned.clone()),
            ..full
        };
        let request = match client.epoch == 0 || client.says_all {
            true => full,
            false => HeartbeatRequest {
                owned: Some(client.owned.clone()),
                ..beat(&client.id, client.epoch)
            },
        };
        let request = HeartbeatRequest { instance_id: client.instance_id.clone(), ..request };
        let answer = self.group.heartbeat(&request, &self.topics, self.now_ms);
        self.trace.push(format!("{} {request:?}: {answer:?}", self.now_ms));
        let is_saved = !(chaos && self.random.once_in(30));
        if is_saved && answer.is_ok() {
            self.disk.save(&mut self.group);
        }
        let is_lost = chaos && self.random.once_in(20);
        match answer {
            Ok(answer) if is_saved && !is_lost => self.hear(number, answer),
            // Not written down, hence refused, or lost on its way.
            Ok(_) => self.clients[number].says_all = true,
            Err(
                ConsumerGroupError::UnknownMemberId | ConsumerGroupError::FencedMemberEpoch { .. },
            ) => self.clients[number].abandon(),
            Err(ConsumerGroupError::FencedInstanceId) => {
                self.next_id += 1;
                self.clients[number].abandon();
            }
            Err(ConsumerGroupError::UnreleasedInstanceId { .. }) => {}
            Err(error) => panic!("a heartbeat was refused: {error}"),
        }
    }

    fn hear(&mut self, number: usize, answer: HeartbeatAnswer) {
        let client = &mut self.clients[number];
        assert!(answer.epoch >= client.epoch, "a member's epoch only grows");
        assert!(self.group.epoch >= self.epoch_told, "the group's epoch only grows");
        self.epoch_told = self.group.epoch;
        assert!(answer.epoch <= self.group.epoch);
        client.epoch = answer.epoch;
        client.says_all = false;
        if let Some(assigned) = answer.assigned {
            client.told = assigned;
        }
    }

    fn check(&self) {
        let mut owned = BTreeSet::new();
        for (number, client) in self.clients.iter().enumerate() {
            for key in pairs(&client.owned) {
                assert!(
                    owned.insert(key),
                    "client {number} and another consume {key:?}; what led to it:\n{}",
                    self.trace[self.trace.len().saturating_sub(40)..].join("\n")
                );
            }
        }
    }

    fn is_settled(&self) -> bool {
        let live: Vec<&Client> = self.clients.iter().filter(|client| client.alive).collect();
        let wanted: BTreeSet<(Uuid, i32)> =
            live.iter().flat_map(|client| self.wanted_by(client)).collect();
        let owned: BTreeSet<(Uuid, i32)> =
            live.iter().flat_map(|client| pairs(&client.owned)).collect();
        let fitting = |client: &&Client| {
            let wanted = self.wanted_by(client);
            pairs(&client.owned).all(|key| wanted.contains(&key))
        };
        let expected_state = if live.is_empty() { "Empty" } else { "Stable" };
        owned == wanted
            && live.iter().all(fitting)
            && live.iter().all(|client| client.epoch == self.group.epoch)
            && self.group.members.len() == live.len()
            && self.group.state_name() == expected_state
    }

    fn wanted_by(&self, client: &Client) -> BTreeSet<(Uuid, i32)> {
        let names = match client.pattern {
            Some(_) => vec!["x", "z"],
            None => client.subscription.clone(),
        };
        names
            .into_iter()
            .map(|name| self.topics.0[name])
            .flat_map(|(id, count)| (0..count).map(move |number| (id, number)))
            .collect()
    }
}

fn run(seed: u64) -> Vec<String> {
    let mut world = World::new(seed);
    for _ in 0..1500 {
        world.step(true);
    }
    let deadline_ms = world.now_ms + 600_000;
    while !world.is_settled() {
        world.step(false);
        assert!(
            world.now_ms < deadline_ms,
            "the group does not settle: it is {}, {:#?}\nlast of all:\n{}",
            world.group.state_name(),
            world.clients,
            world.trace[world.trace.len().saturating_sub(12)..].join("\n")
        );
    }
    world.trace
}

#[test]
fn no_partition_is_consumed_twice_and_in_the_end_each_is_by_one() {
    for_each_seed(60, run);
}

#[test]
fn one_seed_always_gives_the_same_trace() {
    let trace = run(7);
    assert!(trace.len() > 100);
    assert_eq!(trace, run(7));
}
