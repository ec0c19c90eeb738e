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
//! A failure prints its seed: run again with `LONGSHORE_SEED=<seed>`.

use std::collections::BTreeMap;

use super::{
    end::EndRequest,
    init::InitRequest,
    state::{
        Action, Answer, ClientVersion, Metadata, Partitions, ProducerIdAndEpoch, Token,
        Transaction, TransactionError, TransactionResult, TransactionState,
    },
};

const PRODUCERS: usize = 3;
const PARTITIONS: i32 = 4;
const TIMEOUT_MS: i32 = 30_000;
const STEP_MS_MAX: u64 = 200;

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A transaction of one producer, by a number that no other has.
type Serial = u64;

/// A partition as the log side keeps it: who has a transaction open in it.
#[derive(Debug, Default)]
struct Log {
    /// By producer id: its epoch, and the transactions whose records are open.
    open: BTreeMap<i64, (i16, Vec<Serial>)>,
}

#[derive(Debug, Clone)]
enum Request {
    Init(InitRequest),
    Add(ProducerIdAndEpoch, Vec<i32>),
    /// Asks the coordinator as a partition does, and writes if it may.
    Write(ProducerIdAndEpoch, i32, Serial),
    End(EndRequest, Serial),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// It will ask for its producer id and epoch.
    Out,
    /// It has none of its own transactions open.
    Ready,
    /// It adds and writes.
    InTransaction(Serial),
    /// It has asked for the end.
    Ending(Serial, TransactionResult),
}

#[derive(Debug)]
struct Producer {
    has: ProducerIdAndEpoch,
    doing: Doing,
    /// The request that is waited for; later answers to earlier ones are dropped.
    waits_for: Option<Token>,
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
        let producer =
            || Producer { has: ProducerIdAndEpoch::NONE, doing: Doing::Out, waits_for: None };
        Self {
            random: Random(seed),
            now_ms: 0,
            version,
            machine: Transaction::new(),
            producers: (0..PRODUCERS).map(|_| producer()).collect(),
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

    fn send(&mut self, number: usize, request: Request) {
        self.next_token += 1;
        let token = self.next_token;
        self.producers[number].waits_for = Some(token);
        self.network.push((number, token, request));
    }

    fn act(&mut self, number: usize, chaos: bool) {
        if self.producers[number].waits_for.is_some() {
            // The answer was lost, or it will come too late.
            if self.random.once_in(20) {
                self.producers[number].waits_for = None;
            }
            return;
        }
        let has = self.producers[number].has;
        let version = self.version;
        match self.producers[number].doing {
            // Not too often, or they do nothing but fence each other.
            Doing::Out if chaos && self.random.once_in(60) => {
                let goes_on = has != ProducerIdAndEpoch::NONE && self.random.once_in(2);
                let current = goes_on.then_some(has);
                self.send(number, Request::Init(InitRequest { timeout_ms: TIMEOUT_MS, current }));
            }
            Doing::Out => {}
            Doing::Ready => {
                self.next_serial += 1;
                self.producers[number].doing = Doing::InTransaction(self.next_serial);
            }
            Doing::InTransaction(serial) => {
                let partition = self.random.below(PARTITIONS as u64) as i32;
                match self.random.below(4) {
                    0 => self.send(number, Request::Add(has, vec![partition])),
                    1 | 2 => self.send(number, Request::Write(has, partition, serial)),
                    _ => {
                        let result = match self.random.once_in(3) {
                            true => TransactionResult::Abort,
                            false => TransactionResult::Commit,
                        };
                        self.producers[number].doing = Doing::Ending(serial, result);
                    }
                }
            }
            Doing::Ending(serial, result) => {
                let end = EndRequest { producer: has, result, client_version: version };
                self.send(number, Request::End(end, serial));
            }
        }
    }

    fn deliver(&mut self, chaos: bool) {
        if self.network.is_empty() || self.random.once_in(4) {
            return;
        }
        let index = self.random.below(self.network.len() as u64) as usize;
        let (number, token, request) = self.network[index].clone();
        // Some come twice, the second time much later.
        if !(chaos && self.random.once_in(6)) {
            self.network.swap_remove(index);
        }
        if self.is_late(number, &request) {
            return;
        }
        self.trace.push(format!("{} {number} asks {token} {request:?}", self.now_ms));
        self.requests.insert(token, (number, request.clone()));
        match request {
            Request::Init(init) => self.machine.init(init, token, self.now_ms),
            Request::Add(producer, partitions) => {
                let mut all = Partitions::default();
                partitions.iter().for_each(|partition| all.insert("topic", *partition));
                let version = self.version;
                self.machine.add_partitions(producer, &all, version, token, self.now_ms);
            }
            Request::Write(producer, partition, serial) => {
                self.write(producer, partition, serial);
                self.answered(token, Ok(producer));
            }
            Request::End(end, _) => self.machine.end(end, token, self.now_ms),
        }
        self.carry_out();
    }

    /// A produce: the partition's log judges the epoch, the coordinator whether
    /// a transaction may begin.
    fn write(&mut self, producer: ProducerIdAndEpoch, partition: i32, serial: Serial) {
        let known = self.logs[partition as usize].open.get(&producer.id);
        if known.is_some_and(|(epoch, _)| *epoch > producer.epoch) {
            return;
        }
        let is_open =
            known.is_some_and(|(epoch, open)| *epoch == producer.epoch && !open.is_empty());
        if !is_open && self.machine.verify(producer, "topic", partition).is_err() {
            return;
        }
        self.trace.push(format!("{} written {serial} to {partition}", self.now_ms));
        let log = &mut self.logs[partition as usize];
        let (epoch, open) = log.open.entry(producer.id).or_insert((producer.epoch, Vec::new()));
        *epoch = producer.epoch;
        open.push(serial);
    }

    /// A classic client's late request may fall into its next transaction, which
    /// is what KIP-890 is for: only the order of its connection protects it.
    fn is_late(&self, number: usize, request: &Request) -> bool {
        let (Request::Write(_, _, of) | Request::End(_, of)) = request else { return false };
        let doing = self.producers[number].doing;
        let is_current = matches!(
            doing,
            Doing::InTransaction(serial) | Doing::Ending(serial, _) if serial == *of
        );
        self.version == ClientVersion::Classic && !is_current
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

    fn answered(&mut self, token: Token, answer: Answer) {
        let Some((number, request)) = self.requests.remove(&token) else { return };
        self.trace.push(format!("{} {number} hears {token} {answer:?}", self.now_ms));
        if let (Request::Init(_), Ok(given)) = (&request, answer) {
            // From here on everyone else is fenced.
            self.holder = given;
        }
        if let (Request::End(end, serial), Ok(next)) = (&request, answer) {
            if end.client_version == ClientVersion::EpochBump && self.holder == end.producer {
                self.holder = next;
            }
            // A second copy may be about what the first one ended.
            self.told.entry(*serial).or_insert(end.result);
        }
        let producer = &mut self.producers[number];
        if producer.waits_for != Some(token) {
            return;
        }
        producer.waits_for = None;
        match (request, answer) {
            (Request::Init(_), Ok(given)) => {
                producer.has = given;
                producer.doing = Doing::Ready;
            }
            (Request::End(..), Ok(next)) => {
                if self.version == ClientVersion::EpochBump {
                    producer.has = next;
                }
                producer.doing = Doing::Ready;
            }
            (Request::Init(_), Err(TransactionError::ProducerFenced)) => {
                producer.has = ProducerIdAndEpoch::NONE;
            }
            (
                _,
                Err(
                    TransactionError::ProducerFenced
                    | TransactionError::InvalidProducerIdMapping
                    | TransactionError::InvalidTransactionState,
                ),
            ) => producer.doing = Doing::Out,
            _ => {}
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
    let seeds = match std::env::var("LONGSHORE_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..300,
    };
    let (mut commits, mut aborts, runs) = (0, 0, seeds.clone().count());
    for seed in seeds {
        let result = std::panic::catch_unwind(|| run(seed));
        let Ok((_, ended)) = result else { panic!("run again with LONGSHORE_SEED={seed}") };
        commits += ended[0];
        aborts += ended[1];
    }
    // Else the chaos is such that nothing is tried.
    assert!(commits > 2 * runs && aborts > 2 * runs, "{commits} commits, {aborts} aborts");
}

#[test]
fn one_seed_always_gives_the_same_trace() {
    let trace = run(7).0;
    assert!(trace.len() > 100);
    assert_eq!(trace, run(7).0);
}
