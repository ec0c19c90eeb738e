//! A writer that goes on through the broker's deaths, and knows for every
//! record whether it was acknowledged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::background::{Background, Told};
use crate::limits;
use crate::random::Random;
use crate::wait::until;
use crate::wire::{self, Connection, Pair};

/// Errors after which a batch is sent again: unknown topic or partition, leader
/// not available, not leader, request timed out; all pass once the broker that
/// has just started has loaded its logs.
const RETRIABLE: [i16; 4] = [3, 5, 6, 7];

/// Between two batches of a keyed writer: a writer that outruns the cleaner for
/// long makes segments by the thousand, each with its open files.
const KEYED_PAUSE: Duration = Duration::from_millis(5);

/// What was written to one partition.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Acknowledged records by their offset.
    pub acked: BTreeMap<i64, Pair>,
    /// The batch that was in flight when the writer stopped, if any: each of
    /// its records may be in the log or not.
    pub in_doubt: Vec<Pair>,
}

/// An idempotent producer with acks=all and one request in flight, on a thread
/// of its own. It sends a batch again until it is acknowledged, so no record may
/// be lost and none may appear twice.
#[derive(Debug)]
pub struct Writer {
    batches: Arc<AtomicUsize>,
    thread: Background<Vec<History>>,
}

/// What a writer's records are.
#[derive(Debug, Clone, Copy)]
pub enum Records {
    /// No keys; values that tell the partition and the record's number in it.
    Numbered,
    /// That many keys, in random order, each value telling its number; one
    /// record in eight is a tombstone.
    Keyed(u64),
}

struct Work {
    address: SocketAddr,
    topic: String,
    records: Records,
    random: Random,
    told: Told,
    batches: Arc<AtomicUsize>,
}

impl Writer {
    /// Begins to write to all of the topic's `partitions` in turn.
    pub fn start(
        address: SocketAddr,
        topic: &str,
        partitions: i32,
        records: Records,
        random: Random,
    ) -> Self {
        let batches = Arc::new(AtomicUsize::new(0));
        let (topic, acknowledged) = (topic.to_owned(), Arc::clone(&batches));
        let thread = Background::start(move |told| {
            let (told, batches) = (told.clone(), acknowledged);
            Work { address, topic, records, random, told, batches }.run(partitions)
        });
        Self { batches, thread }
    }

    /// How many batches were acknowledged so far.
    pub fn batches_acked(&self) -> usize {
        self.batches.load(Ordering::Acquire)
    }

    /// Waits until that many more batches than now are acknowledged.
    pub fn wait_progress(&self, batches: usize) {
        let goal = self.batches_acked() + batches;
        until("acknowledgement", limits::CLIENT, || {
            assert!(!self.thread.is_finished(), "the writer has failed");
            (self.batches_acked() >= goal).then_some(())
        });
    }

    /// Ends the writer after its present request, and gives what it wrote to
    /// each partition.
    pub fn finish(self) -> Vec<History> {
        self.thread.finish()
    }
}

impl Work {
    fn run(mut self, partitions: i32) -> Vec<History> {
        let mut connection = None;
        let mut producer = None;
        let mut histories = vec![History::default(); partitions as usize];
        let mut sequences = vec![0_i32; partitions as usize];
        let mut number = 0;
        for partition in (0..partitions).cycle() {
            if self.told.to_end() {
                break;
            }
            let at = partition as usize;
            let pairs = self.pairs(partition, &mut number);
            let Some(base) =
                self.deliver(&mut connection, &mut producer, partition, sequences[at], &pairs)
            else {
                histories[at].in_doubt = pairs;
                break;
            };
            if matches!(self.records, Records::Keyed(_)) {
                self.told.rest(KEYED_PAUSE);
            }
            sequences[at] += pairs.len() as i32;
            histories[at].acked.extend((base..).zip(pairs));
            self.batches.fetch_add(1, Ordering::Release);
        }
        histories
    }

    fn pairs(&mut self, partition: i32, number: &mut u64) -> Vec<Pair> {
        let count = self.random.between(1, 30);
        let padding = "x".repeat(self.random.between(0, 400) as usize);
        (0..count)
            .map(|_| {
                *number += 1;
                let value = Bytes::from(format!("{partition}:{number}:{padding}"));
                match self.records {
                    Records::Numbered => (None, Some(value)),
                    Records::Keyed(keys) => {
                        let key = Bytes::from(format!("key-{}", self.random.between(0, keys)));
                        let tombstone = self.random.between(0, 8) == 0;
                        (Some(key), (!tombstone).then_some(value))
                    }
                }
            })
            .collect()
    }

    /// Sends a batch until it is acknowledged, and gives its base offset; `None`
    /// when the writer was told to stop while the broker was away.
    fn deliver(
        &self,
        connection: &mut Option<Connection>,
        producer: &mut Option<(i64, i16)>,
        partition: i32,
        sequence: i32,
        pairs: &[Pair],
    ) -> Option<i64> {
        until("acknowledgement of a batch", limits::CLIENT, || {
            let answer = self.attempt(connection, producer, partition, sequence, pairs);
            match answer {
                Ok((0, base)) => return Some(Some(base)),
                Ok((error, _)) => assert!(
                    RETRIABLE.contains(&error),
                    "error {error} for sequence {sequence} of partition {partition}"
                ),
                Err(_) => *connection = None,
            }
            self.told.to_end().then_some(None)
        })
    }

    fn attempt(
        &self,
        connection: &mut Option<Connection>,
        producer: &mut Option<(i64, i16)>,
        partition: i32,
        sequence: i32,
        pairs: &[Pair],
    ) -> std::io::Result<(i16, i64)> {
        let connection = match connection {
            Some(open) => open,
            none => none.insert(Connection::connect(self.address)?),
        };
        let producer = match producer {
            Some(known) => *known,
            none => *none.insert(wire::init_producer_id(connection)?),
        };
        let batch = wire::batch(producer, sequence, pairs);
        wire::produce(connection, &self.topic, partition, batch)
    }
}
