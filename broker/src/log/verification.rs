//! Verifications of transactions under way, as Kafka's `VerificationStateEntry`.
//!
//! A batch that would begin a transaction is held back while the coordinator is
//! asked. Of two that a producer sent at once the first may be refused then, to
//! be sent again, while the second is not: as long as the log has no batch of the
//! producer, only the lowest sequence that was asked about may come in. Lowest is
//! what comes first: 0 is after the greatest number.

use std::collections::HashMap;

use super::batch::{BatchHeader, is_after};
use super::limits::VERIFICATIONS_MAX;

/// A proof that the coordinator was asked about a transaction, and since when it
/// holds: a marker written later makes it void (KIP-890). Taken with
/// [`Log::begin_verification`](super::Log::begin_verification) *before* the
/// coordinator is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// Log end at that time.
    pub(super) log_end_offset: i64,
    /// A producer that is not known begins at sequence 0.
    pub(super) begins_at_zero: bool,
}

impl Verification {
    pub(super) fn at(log_end_offset: i64) -> Self {
        Self { log_end_offset, begins_at_zero: false }
    }

    /// Of a producer with an epoch for each transaction (KIP-890): its first batch
    /// has sequence 0, whatever was asked about.
    #[must_use]
    pub fn begins_at_zero(self) -> Self {
        Self { begins_at_zero: true, ..self }
    }
}

/// What a producer asked about and has not yet written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    epoch: i16,
    lowest_sequence: i32,
    since_ms: i64,
}

/// What all producers of a partition asked about, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Verifications(HashMap<i64, Asked>);

impl Verifications {
    /// The coordinator is about to be asked about this batch.
    pub(super) fn begin(&mut self, batch: &BatchHeader, now_ms: i64) {
        let (id, epoch, sequence) = (batch.producer_id, batch.producer_epoch, batch.base_sequence);
        let asked = Asked { epoch, lowest_sequence: sequence, since_ms: now_ms };
        let is_full = self.0.len() >= VERIFICATIONS_MAX;
        match self.0.get_mut(&id) {
            Some(known) if epoch > known.epoch => *known = asked,
            Some(known) if epoch == known.epoch => {
                if is_after(known.lowest_sequence, sequence) {
                    known.lowest_sequence = sequence;
                }
            }
            Some(_) => {}
            // Who makes up that many ids finds no order kept among them.
            None if is_full => {}
            None => {
                self.0.insert(id, asked);
            }
        }
    }

    /// The lowest sequence that the batch's producer asked about in its epoch.
    pub(super) fn lowest_sequence(&self, batch: &BatchHeader) -> Option<i32> {
        let asked = self.0.get(&batch.producer_id)?;
        (asked.epoch == batch.producer_epoch).then_some(asked.lowest_sequence)
    }

    /// The producer's transaction has begun or ended in the log.
    pub(super) fn end(&mut self, producer_id: i64) {
        self.0.remove(&producer_id);
    }

    /// Forgets what was asked long ago and never written.
    pub(super) fn expire(&mut self, now_ms: i64, after_ms: i64) {
        self.0.retain(|_, asked| now_ms.saturating_sub(asked.since_ms) < after_ms);
    }
}
