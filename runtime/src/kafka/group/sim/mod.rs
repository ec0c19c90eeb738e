//! The state machine against a model of Kafka's group coordinator, under
//! random delays, losses, deaths and frozen members. Every run is its seed.
//! `coordinator.rs` has that model.

mod coordinator;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;

use self::coordinator::{Coordinator, Request, code};
use super::events::{Action, Event, Failure, Joined, Timing};
use super::lease::BootInstant;
use super::state::Machine;
use super::{Lost, Member};

/// Milliseconds of simulated time.
type Millis = u64;

const SESSION: Millis = 10_000;
const REBALANCE: Millis = 20_000;
const TIMING: Timing = Timing {
    session: Duration::from_millis(SESSION),
    rebalance: Duration::from_millis(REBALANCE),
    heartbeat: Duration::from_millis(3_000),
};
/// Units of work that the leader deals out.
const UNITS: u8 = 12;

struct Random(u64);

impl Random {
    /// Splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn instant(at: Millis) -> BootInstant {
    BootInstant::BOOT.plus(Duration::from_millis(at))
}

/// Something that happens later.
#[derive(Debug)]
enum Later {
    /// To a member, in the life of it that began the thing.
    ToMember {
        worker: usize,
        life: u32,
        event: Event,
    },
    ToCoordinator {
        worker: usize,
        life: u32,
        ticket: u64,
        request: Request,
    },
    Wake {
        worker: usize,
    },
}

/// A worker process: the machine, and what its delegate does.
struct Worker {
    machine: Machine,
    life: u32,
    alive: bool,
    frozen_until: Millis,
    /// What came while it was frozen.
    kept: Vec<Event>,
    lease_until: BootInstant,
    work: BTreeSet<u8>,
    delegate_busy: bool,
    member_id: String,
}

struct World {
    random: Random,
    now: Millis,
    order: u64,
    later: BinaryHeap<Reverse<(Millis, u64)>>,
    what: BTreeMap<u64, Later>,
    coordinator: Coordinator,
    workers: Vec<Worker>,
    /// While true, messages are lost, members die and freeze.
    faults: bool,
    seen: Seen,
}

/// What a run has exercised.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    assigned: u32,
    fenced: u32,
    timed_out: u32,
    trace: u64,
}

impl World {
    fn new(seed: u64, workers: usize) -> Self {
        let mut world = Self {
            random: Random(seed),
            now: 1_000,
            order: 0,
            later: BinaryHeap::new(),
            what: BTreeMap::new(),
            coordinator: Coordinator::new(),
            workers: Vec::new(),
            faults: true,
            seen: Seen::default(),
        };
        for worker in 0..workers {
            let (machine, actions) = Machine::start(TIMING);
            world.workers.push(Worker {
                machine,
                life: 0,
                alive: true,
                frozen_until: 0,
                kept: Vec::new(),
                lease_until: BootInstant::BOOT,
                work: BTreeSet::new(),
                delegate_busy: false,
                member_id: String::new(),
            });
            world.act(worker, actions);
        }
        world
    }

    fn at(&mut self, when: Millis, what: Later) {
        self.order += 1;
        self.later.push(Reverse((when, self.order)));
        self.what.insert(self.order, what);
    }

    fn step(&mut self) {
        let Some(Reverse((when, order))) = self.later.pop() else { return };
        self.now = self.now.max(when);
        self.coordinator.tick(self.now);
        self.send_answers();
        match self.what.remove(&order).unwrap() {
            Later::ToMember { worker, life, event } => self.deliver(worker, life, event),
            Later::Wake { worker } => {
                let life = self.workers[worker].life;
                self.deliver(worker, life, Event::Tick);
            }
            Later::ToCoordinator { worker, life, ticket, request } => {
                self.coordinator.handle(self.now, (worker, life, ticket), request);
                self.send_answers();
            }
        }
        if self.faults {
            self.mischief();
        }
        self.check();
    }

    fn send_answers(&mut self) {
        for ((worker, life, _), event) in self.coordinator.take_answers() {
            if self.faults && self.random.one_in(20) {
                continue; // Lost; the sender's own time-out is on its way.
            }
            let when = self.now + self.random.below(200);
            self.at(when, Later::ToMember { worker, life, event });
        }
    }

    fn deliver(&mut self, worker: usize, life: u32, event: Event) {
        let w = &mut self.workers[worker];
        if !w.alive || w.life != life {
            return;
        }
        if self.now < w.frozen_until {
            w.kept.push(event);
            let (when, wake) = (w.frozen_until, Later::Wake { worker });
            return self.at(when, wake);
        }
        let mut events = std::mem::take(&mut w.kept);
        events.push(event);
        for event in events {
            if matches!(event, Event::Prepared(_) | Event::Planned(_) | Event::Told) {
                self.workers[worker].delegate_busy = false;
            }
            if matches!(event, Event::Prepared(_)) {
                // Eager: everything is given up before each join.
                self.workers[worker].work.clear();
            }
            let actions = self.workers[worker].machine.handle(instant(self.now), event);
            self.act(worker, actions);
        }
        if let Some(due) = self.workers[worker].machine.deadline() {
            let due = due.since(BootInstant::BOOT).as_micros().div_ceil(1000) as u64;
            let when = due.max(self.now + 1);
            self.at(when, Later::Wake { worker });
        }
    }

    fn send(&mut self, worker: usize, ticket: u64, request: Request, timeout: Event, wait: Millis) {
        let life = self.workers[worker].life;
        let when = self.now + wait;
        self.at(when, Later::ToMember { worker, life, event: timeout });
        if !(self.faults && self.random.one_in(20)) {
            let when = self.now + self.random.below(200);
            self.at(when, Later::ToCoordinator { worker, life, ticket, request });
        }
    }

    /// The delegate is called; it answers in a while.
    fn call(&mut self, worker: usize, event: Event, longest: Millis) {
        let w = &mut self.workers[worker];
        assert!(!w.delegate_busy, "one call of the delegate at a time");
        w.delegate_busy = true;
        let life = w.life;
        let when = self.now + self.random.below(longest);
        self.at(when, Later::ToMember { worker, life, event });
    }

    fn act(&mut self, worker: usize, actions: Vec<Action>) {
        for action in actions {
            let unreached = || Failure::Unreached("time-out".into());
            match action {
                Action::Prepare => {
                    // Now and then longer than the group waits.
                    let slow = self.faults && self.random.one_in(10);
                    let longest = if slow { 40_000 } else { 2_000 };
                    self.call(worker, Event::Prepared(Bytes::from_static(b"w")), longest);
                }
                Action::Plan(members) => {
                    let plan = deal(&members);
                    self.call(worker, Event::Planned(Ok(plan)), 500);
                }
                Action::Assigned(assigned) => {
                    self.seen.assigned += 1;
                    let w = &mut self.workers[worker];
                    w.work = assigned.assignment.iter().copied().collect();
                    self.call(worker, Event::Told, 500);
                }
                Action::Lost(why) => {
                    match why {
                        Lost::Fenced => self.seen.fenced += 1,
                        Lost::SessionTimeout => self.seen.timed_out += 1,
                    }
                    self.workers[worker].work.clear();
                    self.call(worker, Event::Told, 500);
                }
                Action::GrantLease(until) => self.workers[worker].lease_until = until,
                Action::RevokeLease => self.workers[worker].lease_until = BootInstant::BOOT,
                Action::Report(_) => {}
                Action::Join { ticket, member_id, metadata } => {
                    self.workers[worker].member_id.clone_from(&member_id);
                    let timeout = Event::Joined { ticket, result: Err(unreached()) };
                    let request = Request::Join { member_id, metadata };
                    self.send(worker, ticket, request, timeout, REBALANCE + 5_000);
                }
                Action::Sync { ticket, generation, member_id, assignments } => {
                    let timeout = Event::Synced { ticket, result: Err(unreached()) };
                    let request = Request::Sync { generation, member_id, assignments };
                    self.send(worker, ticket, request, timeout, REBALANCE + 5_000);
                }
                Action::Heartbeat { ticket, generation, member_id } => {
                    let timeout = Event::Heartbeat { ticket, result: Err(unreached()) };
                    let request = Request::Heartbeat { generation, member_id };
                    self.send(worker, ticket, request, timeout, SESSION / 3);
                }
                Action::Leave { member_id } => {
                    let leave = Request::Leave { member_id };
                    self.send(worker, 0, leave, Event::Tick, 1);
                }
            }
        }
    }

    fn mischief(&mut self) {
        let worker = self.random.below(self.workers.len() as u64) as usize;
        if self.random.one_in(300) {
            self.workers[worker].frozen_until = self.now + self.random.below(60_000);
        }
        if self.random.one_in(400) {
            // Dies, and a new process takes its place.
            let (machine, actions) = Machine::start(TIMING);
            let w = &mut self.workers[worker];
            w.life += 1;
            w.machine = machine;
            w.work.clear();
            w.kept.clear();
            w.frozen_until = 0;
            w.delegate_busy = false;
            w.lease_until = BootInstant::BOOT;
            self.act(worker, actions);
        }
        if self.random.one_in(150) {
            let life = self.workers[worker].life;
            self.deliver(worker, life, Event::Rejoin);
        }
    }

    /// No unit of work has two workers that may write.
    fn check(&mut self) {
        let now = instant(self.now);
        let mut holders: BTreeMap<u8, usize> = BTreeMap::new();
        for (at, worker) in self.workers.iter().enumerate() {
            if now < worker.lease_until {
                for unit in &worker.work {
                    let other = holders.insert(*unit, at);
                    assert_eq!(other, None, "unit {unit} is written by {at} too, at {}", self.now);
                }
            }
        }
        // Enough of what happened to tell two runs apart.
        self.seen.trace = self
            .seen
            .trace
            .rotate_left(5)
            .wrapping_add(self.now ^ (holders.len() as u64) << 32)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn settled(&self) -> bool {
        let now = instant(self.now);
        let units: usize = self.workers.iter().map(|worker| worker.work.len()).sum();
        units == usize::from(UNITS)
            && self.coordinator.is_stable_with(self.workers.len())
            && self.workers.iter().all(|worker| now < worker.lease_until)
    }
}

/// Deals the units out in turn.
fn deal(members: &[Member]) -> Vec<(String, Bytes)> {
    let units = |at: usize| (0..UNITS).filter(move |unit| usize::from(*unit) % members.len() == at);
    members
        .iter()
        .enumerate()
        .map(|(at, member)| (member.member_id.clone(), units(at).collect::<Vec<u8>>().into()))
        .collect()
}

fn run(seed: u64) -> Seen {
    println!("seed {seed}");
    let workers = 1 + (seed % 4) as usize;
    let mut world = World::new(seed, workers);
    for _ in 0..4_000 {
        world.step();
    }
    // All is well from now: the group must come to rest.
    world.faults = false;
    for worker in &mut world.workers {
        worker.frozen_until = worker.frozen_until.min(world.now);
    }
    for worker in 0..workers {
        let now = world.now;
        world.at(now, Later::Wake { worker });
    }
    let deadline = world.now + 10 * REBALANCE;
    while !world.settled() {
        assert!(world.now < deadline, "the group of seed {seed} does not settle");
        assert!(!world.later.is_empty(), "nothing happens any more with seed {seed}");
        world.step();
    }
    world.seen
}

#[test]
fn no_work_is_ever_written_twice_and_every_group_settles() {
    let mut all = Seen::default();
    for seed in 0..300 {
        let seen = run(seed);
        all.assigned += seen.assigned;
        all.fenced += seen.fenced;
        all.timed_out += seen.timed_out;
    }
    // The faults did happen. A lease ends before the coordinator gives a
    // member up, so that none is ever fenced while it holds work.
    assert!(all.assigned > 3_000 && all.timed_out > 500 && all.fenced == 0, "{all:?}");
}

#[test]
fn a_member_that_the_coordinator_does_not_know_stops_and_joins_as_a_new_one() {
    let (mut machine, actions) = Machine::start(TIMING);
    assert_eq!(actions, [Action::Prepare]);
    let mut at = |millis, event| machine.handle(instant(millis), event);
    at(0, Event::Prepared(Bytes::new()));
    let joined = Joined {
        generation: 3,
        member_id: "m1".into(),
        leader_id: "m0".into(),
        members: Vec::new(),
    };
    at(10, Event::Joined { ticket: 1, result: Ok(joined) });
    let actions = at(20, Event::Synced { ticket: 2, result: Ok(Bytes::from_static(b"work")) });
    // Counted from the sending of the sync.
    assert!(actions.contains(&Action::GrantLease(instant(10 + SESSION))), "{actions:?}");
    at(30, Event::Told);
    let actions = at(3_010, Event::Tick);
    let beat = Action::Heartbeat { ticket: 3, generation: 3, member_id: "m1".into() };
    assert_eq!(actions, [beat]);
    let unknown = Err(code(ResponseError::UnknownMemberId));
    let actions = at(3_020, Event::Heartbeat { ticket: 3, result: unknown });
    assert_eq!(actions, [Action::RevokeLease, Action::Lost(Lost::Fenced)]);
    assert_eq!(at(3_030, Event::Told), [Action::Prepare]);
    let actions = at(3_040, Event::Prepared(Bytes::new()));
    assert_eq!(
        actions,
        [Action::Join { ticket: 4, member_id: String::new(), metadata: Bytes::new() }]
    );
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).trace, run(11).trace);
}
