//! What producers do: ask for the id, write, end; and how the network treats it.

use super::{PARTITIONS, Serial, TIMEOUT_MS, World};
use crate::txn::{
    end::EndRequest,
    init::InitRequest,
    state::{
        Answer, ClientVersion, Partitions, ProducerIdAndEpoch, Token, TransactionError,
        TransactionResult,
    },
};

#[derive(Debug, Clone)]
pub(super) enum Request {
    Init(InitRequest),
    Add(ProducerIdAndEpoch, Vec<i32>),
    /// Asks the coordinator as a partition does, and writes if it may.
    Write(ProducerIdAndEpoch, i32, Serial),
    End(EndRequest, Serial),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
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
pub(super) struct Producer {
    pub(super) has: ProducerIdAndEpoch,
    pub(super) doing: Doing,
    /// The request that is waited for; later answers to earlier ones are dropped.
    pub(super) waits_for: Option<Token>,
}

impl Producer {
    /// One that has never had the id.
    pub(super) fn new() -> Self {
        Self { has: ProducerIdAndEpoch::NONE, doing: Doing::Out, waits_for: None }
    }
}

impl World {
    fn send(&mut self, number: usize, request: Request) {
        self.next_token += 1;
        let token = self.next_token;
        self.producers[number].waits_for = Some(token);
        self.network.push((number, token, request));
    }

    /// Does the next thing, unless it waits for an answer.
    pub(super) fn act(&mut self, number: usize, chaos: bool) {
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

    /// Takes a request off the network to the coordinator or a partition.
    pub(super) fn deliver(&mut self, chaos: bool) {
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

    /// Hears an answer, and notes what it was told.
    pub(super) fn answered(&mut self, token: Token, answer: Answer) {
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
}
