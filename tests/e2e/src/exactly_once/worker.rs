//! A process that is one producer. It ends when its standard input does, after
//! what it is at.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::sender::{End, Gone, Sender};
use super::{blind, plain, transform, zombie};
use crate::history::event::{Notes, now_ms};
use crate::history::{Event, Place, RecordId, Took};
use crate::random::Random;

/// How long the records of a transaction are waited for: one that cannot go on may
/// keep them until it is aborted.
pub(super) const DELIVERY: Duration = Duration::from_secs(10);

/// What a producer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Transactions over many partitions, some of them aborted.
    Blind,
    /// A record for each record of an input partition, with its offset.
    Transform,
    /// Two producers of one transactional id; the older one tries to go on.
    Zombie,
    /// Idempotent, without transactions.
    Plain,
}

impl Kind {
    /// As the process is told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::Transform => "transform",
            Self::Zombie => "zombie",
            Self::Plain => "plain",
        }
    }
}

/// What a producer of any kind has.
pub(super) struct Worker {
    pub(super) bootstrap: String,
    /// The transactional id, the same in each life.
    pub(super) id: String,
    /// The partition that a transforming producer consumes.
    pub(super) partition: i32,
    pub(super) random: Random,
    producer: String,
    notes: Notes,
    next: u64,
    stopping: Arc<AtomicBool>,
}

/// Runs a producer until standard input ends. The arguments are its kind, the
/// broker, its id, its partition, the number of its life, the file of its notes
/// and the seed.
///
/// # Panics
/// When the arguments are not these, or the notes cannot be written.
pub fn main(arguments: &[String]) {
    let [kind, bootstrap, id, partition, life, notes, seed] = arguments else {
        panic!("usage: KIND BOOTSTRAP ID PARTITION LIFE NOTES SEED");
    };
    let stopping = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stopping);
    std::thread::spawn(move || {
        // Nothing is ever written to it: its end is all there is to read.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        told.store(true, Ordering::Release);
    });
    let mut worker = Worker {
        bootstrap: bootstrap.clone(),
        id: id.clone(),
        partition: partition.parse().expect("PARTITION is a number"),
        random: Random::seeded(seed.parse().expect("SEED is a number")),
        producer: format!("{id}.{life}"),
        notes: Notes::create(Path::new(notes)).expect("NOTES can be created"),
        next: 0,
        stopping,
    };
    match kind.as_str() {
        "blind" => worker.lives(blind::live),
        "transform" => worker.lives(transform::live),
        "zombie" => worker.lives(zombie::live),
        "plain" => plain::run(&mut worker),
        other => panic!("there is no kind {other}"),
    }
}

impl Worker {
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Begins anew with another producer of the same id when one cannot go on.
    fn lives(&mut self, live: impl Fn(&mut Self) -> Result<(), Gone>) {
        while !self.is_stopping() {
            if let Err(Gone(error)) = live(self) {
                eprintln!("{}: {error}", self.producer);
            }
        }
    }

    pub(super) fn note(&mut self, event: &Event) {
        self.notes.note(event).expect("notes can be written");
    }

    /// Notes what is about to be sent, and gives its number.
    pub(super) fn begin(&mut self, atomic: bool, places: &[Place], took: Option<Took>) -> u64 {
        self.next += 1;
        let (sequence, places) = (self.next, places.to_vec());
        self.note(&Event::Began { sequence, atomic, places, took });
        sequence
    }

    /// Sends the records of a transaction or sending.
    pub(super) fn send(&mut self, sender: &Sender, sequence: u64, places: &[Place]) {
        self.send_from(sender, sequence, 0, places);
    }

    /// Sends records of a transaction, the first of which has this index.
    pub(super) fn send_from(
        &mut self,
        sender: &Sender,
        sequence: u64,
        first: usize,
        places: &[Place],
    ) {
        for (index, place) in (first as u64..).zip(places) {
            let id = RecordId { producer: self.producer.clone(), sequence, index };
            let padding = self.random.between(0, 600) as usize;
            sender.send(place, &id, padding);
        }
    }

    /// Waits until all was delivered or given up, and notes what was.
    pub(super) fn deliver(&mut self, sender: &Sender, deadline: Duration) {
        let began = Instant::now();
        loop {
            // Before the deliveries are taken: the last may come in between.
            let waiting = sender.is_waiting();
            for delivery in sender.deliveries() {
                self.note(&delivery);
            }
            if !waiting || began.elapsed() > deadline {
                return;
            }
        }
    }

    /// Commits, and notes it before and after.
    pub(super) fn commit(&mut self, sender: &Sender, sequence: u64) -> Result<End, Gone> {
        self.note(&Event::Committing { sequence });
        let end = sender.commit()?;
        self.ended(sequence, end == End::Committed);
        Ok(end)
    }

    pub(super) fn abort(&mut self, sender: &Sender, sequence: u64) -> Result<(), Gone> {
        sender.abort()?;
        self.ended(sequence, false);
        Ok(())
    }

    pub(super) fn ended(&mut self, sequence: u64, committed: bool) {
        self.note(&Event::Ended { sequence, committed, at_ms: now_ms() });
    }

    /// One chance in `of`.
    pub(super) fn chance(&mut self, of: u64) -> bool {
        self.random.between(0, of) == 0
    }

    /// Some of `among`, at most `most` of them, with repetitions.
    pub(super) fn draw(&mut self, among: &[Place], most: u64) -> Vec<Place> {
        let count = self.random.between(1, most + 1);
        (0..count)
            .map(|_| among[self.random.between(0, among.len() as u64) as usize].clone())
            .collect()
    }

    /// Leaves the processor to others, so that the log does not grow without need.
    pub(super) fn breathe(&mut self) {
        std::thread::park_timeout(Duration::from_millis(self.random.between(0, 12)));
    }
}
