//! What polls of a source brought that waits for their seal.
//!
//! Where the plugin may give a transaction up, its dead letters wait until it ends: what
//! could be no record is none that is given up. They wait in memory, so there is a bound:
//! above it they are written in the transaction, and go with it if it is given up.

use std::sync::atomic::Ordering;

use super::counters::Counters;
use super::failures::DeadLetters;
use super::plugin::{Checkpoint, Output};

/// Most of a transaction's dead letters that wait for its end, in bytes.
const LETTERS_BYTES_MAX: usize = 4 << 20;

/// A poll's payload on its way.
#[derive(Default)]
pub(super) struct Payload {
    pub(super) outputs: Vec<Output>,
    pub(super) letters: Option<DeadLetters>,
    pub(super) saved: Vec<Checkpoint>,
    /// The transaction that it would be in is given up.
    pub(super) aborts: bool,
}

/// What seals polls.
#[derive(Default)]
pub(super) struct Unsealed {
    /// The last checkpoint of each partition.
    pub(super) saved: Vec<Checkpoint>,
    /// Kept until then where the plugin may give the transaction up.
    pub(super) letters: Vec<DeadLetters>,
    letter_bytes: usize,
    /// Letters that the transaction has already.
    overflowed: u64,
    pub(super) aborts: bool,
}

impl Unsealed {
    pub(super) fn add(&mut self, payload: Payload) {
        let Payload { letters, saved, aborts, .. } = payload;
        supersede(&mut self.saved, saved);
        self.letter_bytes += letters.as_ref().map_or(0, DeadLetters::bytes);
        self.letters.extend(letters);
        self.aborts |= aborts;
    }

    /// Whether more letters than may would wait with those of a payload.
    pub(super) fn overflows(&self, payload: &Payload) -> bool {
        let letters = payload.letters.as_ref().filter(|_| !payload.aborts);
        letters.is_some_and(|letters| self.letter_bytes + letters.bytes() > LETTERS_BYTES_MAX)
    }

    /// Takes out the letters that have waited, and a payload's, if these are too many.
    pub(super) fn overflow(&mut self, payload: &mut Payload) -> Vec<DeadLetters> {
        if !self.overflows(payload) {
            return Vec::new();
        }
        let mut letters = std::mem::take(&mut self.letters);
        letters.extend(payload.letters.take());
        self.letter_bytes = 0;
        self.overflowed += letters.iter().map(DeadLetters::count).sum::<u64>();
        letters
    }

    /// The plugin gave the transaction up: the letters in it are lost, and that is told.
    pub(super) fn given_up(&self, counters: &Counters, task: &str) {
        if self.overflowed > 0 {
            counters.errors.dead_letter_failures.fetch_add(self.overflowed, Ordering::Relaxed);
            tracing::error!(
                task,
                letters = self.overflowed,
                "dead letters are lost with the transaction that the connector gave up: there \
                 were more than the {LETTERS_BYTES_MAX} bytes that wait for its end; shorter \
                 transactions lose none"
            );
        }
    }
}

/// Keeps the last checkpoint of each partition.
fn supersede(saved: &mut Vec<Checkpoint>, newer: Vec<Checkpoint>) {
    saved.retain(|old| newer.iter().all(|new| new.partition != old.partition));
    saved.extend(newer);
}
