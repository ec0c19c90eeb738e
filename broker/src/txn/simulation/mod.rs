//! A seeded simulation of one transactional id: producers that take it from each
//! other, requests that are lost, repeated, late and out of order, clocks that
//! run out, writes that fail and crashes, against the state machine that the
//! server calls.
//!
//! What must hold whatever happens:
//! - all partitions of a transaction end it the same way, and as its producer
//!   was told if it was told;
//! - no transaction of a fenced producer commits after the fence was answered;
//! - once the chaos ends, nothing is left open or half ended.
//!
//! `producers.rs` has what producers and the network do. A failure prints its seed:
//! run again with `LONGSHORE_SEED=<seed>`.

mod producers;

use std::collections::BTreeMap;

use self::producers::{Producer, Request};
use super::state::{
    Action, ClientVersion, Metadata, ProducerIdAndEpoch, Token, Transaction, TransactionResult,
    TransactionState,
};
use crate::random::{Random, for_each_seed};

const PRODUCERS: usize = 3;
const PARTITIONS: i32 = 4;
const TIMEOUT_MS: i32 = 30_000;
const STEP_MS_MAX: u64 = 200;

/// A transaction of one producer, by a number that no other has.
type Serial = u64;

/// A partition as the log side keeps it: who has a transaction open in it.
#[derive(Debug, Default)]
struct Log {
    /// By producer id: its epoch, and the transactions whose records are open.
    open: BTreeMap<i64, (i16, Vec<Serial>)>,
}

struct World {
    random: Random,
    now_ms: i64,
    version: ClientVersion,
    machine: Transaction,
    producers: Vec<Producer>,
    /// Requests under way, taken out in any order.
    network: Vec<(usize, Token, Request)>,
    next_token: Token,
    next_serial: Serial,
    next_producer_id: i64,
    /// What the log of the coordinator holds.
    durable: Option<Metadata>,
    /// A write that is under way.
    storing: Option<Option<Metadata>>,
    taking_id: bool,
    /// A marker, and the partitions that lack it.
    marking: Option<(ProducerIdAndEpoch, TransactionResult, Vec<i32>)>,
    logs: Vec<Log>,
    /// By transaction: how its records ended.
    ended: BTreeMap<Serial, TransactionResult>,
    /// By transaction: what its producer was told.
    told: BTreeMap<Serial, TransactionResult>,
    /// Whoever was last given the id.
    holder: ProducerIdAndEpoch,
    /// Requests that the coordinator has and has not answered.
    requests: BTreeMap<Token, (usize, Request)>,
    trace: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let version = match seed % 2 {
            0 => ClientVersion::Classic,
            _ => ClientVersion::EpochBump,
        };
        Self {
            random: Random(seed),
            now_ms: 0,
            version,
            machine: Transaction::new(),
            producers: (0..PRODUCERS).map(|_| Producer::new()).collect(),
            network: Vec::new(),
            next_token: 0,
            next_serial: 0,
            next_producer_id: 100,
            durable: None,
            storing: None,
            taking_id: false,
            marking: None,
            logs: (0..PARTITIONS).map(|_| Log::default()).collect(),
            ended: BTreeMap::new(),
            told: BTreeMap::new(),
            holder: ProducerIdAndEpoch::NONE,
            requests: BTreeMap::new(),
            trace: Vec::new(),
        }
    }

    fn step(&mut self, chaos: bool) {
        self.now_ms += self.random.below(STEP_MS_MAX) as i64;
        if chaos && self.random.once_in(400) {
            self.crash();
        }
        if chaos && self.random.once_in(500) {
            // The clock jumps far enough for every timeout.
            self.now_ms += i64::from(TIMEOUT_MS) + 1;
        }
        if chaos && self.random.once_in(300) {
            self.use_up_epochs();
        }
        self.work(chaos);
        self.deliver(chaos);
        self.machine.advance(self.now_ms);
        self.carry_out();
        for number in 0..PRODUCERS {
            if self.random.once_in(2) {
                self.act(number, chaos);
            }
        }
    }

    /// What the driver had begun comes to its end.
    fn work(&mut self, chaos: bool) {
        if self.storing.is_some() && self.random.once_in(2) {
            let written = self.storing.take().expect("just seen");
            let success = !(chaos && self.random.once_in(15));
            if success {
                self.check_decision(written.as_ref());
                self.durable = written;
            }
            self.trace.push(format!("{} stored {success}", self.now_ms));
            self.machine.stored(success);
            self.carry_out();
        }
        if self.taking_id && self.random.once_in(2) {
            self.taking_id = false;
            let fails = chaos && self.random.once_in(10);
            self.next_producer_id += 1;
            let id = (!fails).then_some(self.next_producer_id);
            self.machine.producer_id_taken(id, self.now_ms);
            self.carry_out();
        }
        if let Some((producer, result, mut missing)) = self.marking.take() {
            if let Some(partition) = missing.pop() {
                self.mark(partition, producer, result);
            }
            if missing.is_empty() {
                self.machine.markers_written(self.now_ms);
                self.carry_out();
            } else {
                self.marking = Some((producer, result, missing));
            }
        }
    }

    /// No decision to commit is for a producer that was fenced.
    fn check_decision(&self, written: Option<&Metadata>) {
        let Some(metadata) = written else { return };
        if metadata.state != TransactionState::PrepareCommit {
            return;
        }
        let bump = i16::from(metadata.client_version == ClientVersion::EpochBump);
        let decided =
            ProducerIdAndEpoch { id: metadata.producer.id, epoch: metadata.producer.epoch - bump };
        assert_eq!(decided, self.holder, "a fenced producer commits\n{}", self.story());
    }

    fn mark(&mut self, partition: i32, producer: ProducerIdAndEpoch, result: TransactionResult) {
        self.trace.push(format!("{} marker {partition} {producer:?} {result:?}", self.now_ms));
        let log = &mut self.logs[partition as usize];
        let (epoch, open) = log.open.entry(producer.id).or_insert((producer.epoch, Vec::new()));
        assert!(*epoch <= producer.epoch, "a marker of an older epoch than the records'");
        *epoch = producer.epoch;
        for serial in std::mem::take(open) {
            let before = self.ended.insert(serial, result);
            let story = self.trace[self.trace.len().saturating_sub(60)..].join("\n");
            assert!(before.is_none_or(|before| before == result), "torn {serial}\n{story}");
        }
    }

    fn crash(&mut self) {
        // A write that was under way may have reached the disk.
        if let Some(written) = self.storing.take()
            && self.random.once_in(2)
        {
            self.check_decision(written.as_ref());
            self.durable = written;
        }
        self.trace.push(format!("{} crash with {:?}", self.now_ms, self.durable));
        self.taking_id = false;
        self.marking = None;
        self.requests.clear();
        self.machine = match &self.durable {
            Some(metadata) => Transaction::load(Metadata { last_epoch: -1, ..metadata.clone() }),
            None => Transaction::new(),
        };
        self.carry_out();
    }

    /// As if the producer id had been in use for years.
    fn use_up_epochs(&mut self) {
        let at_rest = self.storing.is_none() && !self.taking_id && self.marking.is_none();
        let Some(mut metadata) = self.durable.clone() else { return };
        let ended = matches!(
            metadata.state,
            TransactionState::CompleteCommit | TransactionState::CompleteAbort
        );
        if !at_rest || !ended || metadata.producer.epoch > 30_000 {
            return;
        }
        let from = metadata.producer;
        metadata.producer.epoch = i16::MAX - 4;
        metadata.client_version = ClientVersion::Classic;
        for producer in &mut self.producers {
            if producer.has == from && producer.waits_for.is_none() {
                producer.has = metadata.producer;
            }
        }
        if self.holder == from {
            self.holder = metadata.producer;
        }
        self.durable = Some(metadata.clone());
        self.machine = Transaction::load(metadata);
    }

    fn carry_out(&mut self) {
        loop {
            let actions = self.machine.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.trace.push(format!("{} {action:?}", self.now_ms));
                match action {
                    Action::Store(metadata) => {
                        assert!(self.storing.is_none(), "one write at a time");
                        self.storing = Some(metadata);
                    }
                    Action::TakeProducerId => self.taking_id = true,
                    Action::WriteMarkers { producer, result, partitions } => {
                        let decided = self.durable.as_ref().map(|durable| durable.state);
                        assert_eq!(decided, Some(result.prepared()), "decided before written");
                        let missing = partitions.iter().map(|(_, partition)| partition).collect();
                        self.marking = Some((producer, result, missing));
                    }
                    Action::Answer(token, answer) => self.answered(token, answer),
                }
            }
        }
    }

    fn story(&self) -> String {
        self.trace[self.trace.len().saturating_sub(60)..].join("\n")
    }

    fn is_settled(&self) -> bool {
        let open = self.logs.iter().flat_map(|log| log.open.values());
        let at_rest = self.machine.state() != TransactionState::Ongoing
            && !self.machine.state().is_prepared()
            && self.storing.is_none();
        at_rest && open.into_iter().all(|(_, open)| open.is_empty())
    }
}

/// The trace, and how many transactions with records ended in each way.
fn run(seed: u64) -> (Vec<String>, [usize; 2]) {
    let mut world = World::new(seed);
    for _ in 0..3000 {
        world.step(true);
    }
    // Everyone dies; what they left open ends by the clock.
    world.network.clear();
    let deadline_ms = world.now_ms + 4 * i64::from(TIMEOUT_MS);
    while !world.is_settled() {
        world.now_ms += 10;
        world.work(false);
        world.machine.advance(world.now_ms);
        world.carry_out();
        assert!(world.now_ms < deadline_ms, "left open or half ended\n{}", world.story());
    }
    for (serial, told) in &world.told {
        let ended = world.ended.get(serial);
        assert!(
            ended.is_none_or(|ended| ended == told),
            "transaction {serial} was told {told:?}, its records {ended:?}"
        );
    }
    let ended = [TransactionResult::Commit, TransactionResult::Abort]
        .map(|wanted| world.ended.values().filter(|result| **result == wanted).count());
    (world.trace, ended)
}

#[test]
fn no_transaction_is_torn_and_no_fenced_producer_commits() {
    let runs = for_each_seed(300, |seed| run(seed).1);
    let ended = |way: usize| runs.iter().map(|ended| ended[way]).sum::<usize>();
    let (commits, aborts, runs) = (ended(0), ended(1), runs.len());
    // Else the chaos is such that nothing is tried.
    assert!(commits > 2 * runs && aborts > 2 * runs, "{commits} commits, {aborts} aborts");
}

#[test]
fn one_seed_always_gives_the_same_trace() {
    let trace = run(7).0;
    assert!(trace.len() > 100);
    assert_eq!(trace, run(7).0);
}
