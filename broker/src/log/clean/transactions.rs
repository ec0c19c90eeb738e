//! Which batches belong to aborted transactions, and which markers still have
//! records to speak for. A walk from front to back, asking the index of aborted
//! transactions once where one begins: memory holds those that are open only.

use std::collections::HashMap;

use crate::log::aborted::AbortedTransaction;
use crate::log::batch::BatchHeader;
use crate::log::error::FileError;
use crate::log::marker::Marker;
use crate::log::partition::Log;

/// What a batch is to the transactions around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Its records count: of no transaction, or of one that was committed.
    Committed,
    /// Its records were aborted.
    Aborted,
    /// The end of a transaction that still has batches before it, if only empty ones.
    Marker {
        /// What it has aborted.
        aborted: Option<AbortedTransaction>,
    },
    /// The end of a transaction of which nothing is left.
    IdleMarker,
}

/// The transactions that are open at one point of the log.
#[derive(Debug)]
pub(super) struct TransactionWalk<'a> {
    log: &'a Log,
    /// By producer id; `Some` will be aborted. All have ended: cleaning stays below
    /// the last stable offset.
    open: HashMap<i64, Option<AbortedTransaction>>,
}

impl<'a> TransactionWalk<'a> {
    pub(super) fn new(log: &'a Log) -> Self {
        Self { log, open: HashMap::new() }
    }

    /// The next whole batch.
    pub(super) fn next(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<Part, FileError> {
        let producer_id = header.producer_id;
        if header.is_control() {
            if Marker::parse(header, batch).is_none() {
                return Ok(Part::Committed);
            }
            return Ok(match self.open.remove(&producer_id) {
                Some(aborted) => Part::Marker { aborted },
                None => Part::IdleMarker,
            });
        }
        if !header.is_transactional() || !header.has_producer_id() {
            return Ok(Part::Committed);
        }
        let aborted = match self.open.get(&producer_id) {
            Some(known) => *known,
            None => {
                let at = header.base_offset;
                let around = self.log.aborted_between(at, at + 1)?;
                let of_producer = around.into_iter().find(|one| one.producer_id == producer_id);
                *self.open.entry(producer_id).insert_entry(of_producer).get()
            }
        };
        Ok(if aborted.is_some() { Part::Aborted } else { Part::Committed })
    }
}
