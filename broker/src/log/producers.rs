//! State of idempotent and transactional producers: which sequence comes next,
//! what was sent twice, which transactions are open. No clock, file or socket:
//! batches in, verdicts out.

use std::collections::{HashMap, VecDeque};

use super::batch::{BatchHeader, NO_SEQUENCE, add_sequence, is_after};
use super::limits::PRODUCER_BATCHES_MAX;
use super::marker::Marker;
use super::transactions::{Completed, Transactions};
use super::verification::{Verification, Verifications};

/// A batch that a producer has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentBatch {
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Records minus one.
    pub offset_delta: i32,
    /// Its greatest timestamp in ms.
    pub timestamp_ms: i64,
}

impl SentBatch {
    /// Sequence of its first record.
    #[must_use]
    pub fn first_sequence(&self) -> i32 {
        ((i64::from(self.last_sequence) - i64::from(self.offset_delta)) & i64::from(i32::MAX))
            as i32
    }

    /// Offset of its first record.
    #[must_use]
    pub fn base_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

/// What is known of one producer id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// Its newest epoch.
    pub epoch: i16,
    /// Its newest batches of this epoch, oldest first, at most five.
    pub batches: VecDeque<SentBatch>,
    /// Greatest timestamp of its last batch in ms; expiry counts from it.
    pub last_timestamp_ms: i64,
    /// Epoch of the transaction coordinator that wrote its last marker, or -1.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction, if one is open.
    pub transaction_start: Option<i64>,
    /// Offset of the last marker written for it, as far as this process has seen.
    pub last_marker_offset: Option<i64>,
}

impl Producer {
    /// Sequence of its last record, or -1.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// Offset of its last record, if it is known.
    #[must_use]
    pub fn last_offset(&self) -> Option<i64> {
        self.batches.back().map(|batch| batch.last_offset)
    }
}

/// Whether a batch may be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It comes next.
    InSequence,
    /// It was appended before, as this.
    Duplicate(SentBatch),
}

/// Why a batch may not be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// OUT_OF_ORDER_SEQUENCE_NUMBER
    #[error(
        "producer {producer_id} sent sequence {found} in epoch {epoch}, \
         where {expected} comes next"
    )]
    OutOfOrder {
        /// Whose batch.
        producer_id: i64,
        /// The batch's epoch.
        epoch: i16,
        /// Its first sequence.
        found: i32,
        /// The sequence that comes next.
        expected: i32,
    },
    /// INVALID_PRODUCER_EPOCH
    #[error("producer {producer_id} has epoch {current}, its epoch {found} is fenced")]
    Fenced {
        /// Whose batch.
        producer_id: i64,
        /// The batch's epoch.
        found: i16,
        /// The newest epoch seen.
        current: i16,
    },
    /// TRANSACTION_COORDINATOR_FENCED
    #[error(
        "a coordinator of epoch {found} would end a transaction of producer {producer_id}, \
         one of epoch {current} has written since"
    )]
    CoordinatorFenced {
        /// Whose transaction.
        producer_id: i64,
        /// Epoch of the coordinator that asks.
        found: i32,
        /// Epoch of the last one that wrote a marker.
        current: i32,
    },
    /// INVALID_TXN_STATE
    #[error("producer {producer_id}: {reason}")]
    TransactionState {
        /// Whose batch.
        producer_id: i64,
        /// What does not fit.
        reason: &'static str,
    },
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Producers {
    by_id: HashMap<i64, Producer>,
    transactions: Transactions,
    verifications: Verifications,
}

impl Producers {
    /// Judges a batch.
    ///
    /// # Errors
    /// When its epoch is fenced or its sequence does not come next.
    pub fn check(&self, batch: &BatchHeader) -> Result<Verdict, SequenceError> {
        let producer_id = batch.producer_id;
        let epoch = batch.producer_epoch;
        let Some(known) = self.by_id.get(&producer_id) else {
            // Its state may have been removed by retention or expiry.
            return Ok(Verdict::InSequence);
        };
        let (current, last_sequence) = (known.epoch, known.last_sequence());
        if epoch < current {
            return Err(SequenceError::Fenced { producer_id, found: epoch, current });
        }
        if epoch == current
            && let Some(sent) = known.batches.iter().find(|sent| {
                sent.first_sequence() == batch.base_sequence
                    && sent.last_sequence == batch.last_sequence()
            })
        {
            return Ok(Verdict::Duplicate(*sent));
        }
        let expected = if epoch > current || last_sequence == NO_SEQUENCE {
            0
        } else {
            add_sequence(last_sequence, 1)
        };
        if batch.base_sequence == expected {
            Ok(Verdict::InSequence)
        } else {
            let found = batch.base_sequence;
            Err(SequenceError::OutOfOrder { producer_id, epoch, found, expected })
        }
    }

    /// The coordinator is about to be asked about the transaction of this batch.
    pub(super) fn begin_verification(&mut self, batch: &BatchHeader, now_ms: i64) {
        self.verifications.begin(batch, now_ms);
    }

    /// Judges a client's batch by its transaction: one that would begin a
    /// transaction needs a verification that no marker has made void since, and
    /// within a transaction nothing else may be written.
    ///
    /// # Errors
    /// [`SequenceError::TransactionState`].
    pub fn check_transaction(
        &self,
        batch: &BatchHeader,
        verification: Option<Verification>,
    ) -> Result<(), SequenceError> {
        let producer_id = batch.producer_id;
        let known = self.by_id.get(&producer_id);
        let refuse = |reason| Err(SequenceError::TransactionState { producer_id, reason });
        let is_open = known.is_some_and(|known| known.transaction_start.is_some());
        if !batch.is_transactional() {
            return match is_open {
                true => refuse("a batch outside of its open transaction"),
                false => Ok(()),
            };
        }
        if is_open && known.is_some_and(|known| known.epoch == batch.producer_epoch) {
            return Ok(());
        }
        let Some(verification) = verification else {
            return refuse("the partition was not added to its transaction");
        };
        if known.is_none() {
            let (epoch, found) = (batch.producer_epoch, batch.base_sequence);
            let too_early = match verification.begins_at_zero {
                true => Some(0).filter(|_| found != 0),
                false => {
                    let lowest = self.verifications.lowest_sequence(batch);
                    lowest.filter(|lowest| is_after(found, *lowest))
                }
            };
            if let Some(expected) = too_early {
                return Err(SequenceError::OutOfOrder { producer_id, epoch, found, expected });
            }
        }
        let last_marker = known.and_then(|known| known.last_marker_offset);
        match last_marker.is_some_and(|offset| offset >= verification.log_end_offset) {
            true => refuse("its transaction was ended while the batch was on its way"),
            false => Ok(()),
        }
    }

    /// Judges a batch that the broker itself writes: offset commits and markers.
    ///
    /// # Errors
    /// When the producer's or the coordinator's epoch is fenced.
    pub fn check_broker(
        &self,
        batch: &BatchHeader,
        marker: Option<&Marker>,
    ) -> Result<(), SequenceError> {
        let producer_id = batch.producer_id;
        let Some(known) = self.by_id.get(&producer_id) else { return Ok(()) };
        let (found, current) = (batch.producer_epoch, known.epoch);
        if found < current {
            return Err(SequenceError::Fenced { producer_id, found, current });
        }
        let (found, current) =
            (marker.map_or(i32::MAX, |marker| marker.coordinator_epoch), known.coordinator_epoch);
        if found < current {
            return Err(SequenceError::CoordinatorFenced { producer_id, found, current });
        }
        Ok(())
    }

    /// Takes note of a batch that is in the log; `marker` is what [`Marker::parse`]
    /// finds in it. Batches of producers that are not idempotent are ignored.
    /// Returns the transaction that it ends, if there was one: a marker may be
    /// written twice, or for a partition to which nothing was sent.
    pub fn note(&mut self, batch: &BatchHeader, marker: Option<&Marker>) -> Option<Completed> {
        if !batch.has_producer_id() {
            return None;
        }
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(|| Producer {
            epoch: batch.producer_epoch,
            batches: VecDeque::with_capacity(PRODUCER_BATCHES_MAX),
            last_timestamp_ms: batch.max_timestamp_ms,
            coordinator_epoch: -1,
            transaction_start: None,
            last_marker_offset: None,
        });
        if batch.is_transactional() {
            self.verifications.end(batch.producer_id);
        }
        if producer.epoch != batch.producer_epoch {
            producer.epoch = batch.producer_epoch;
            producer.batches.clear();
        }
        producer.last_timestamp_ms = batch.max_timestamp_ms;
        if batch.is_control() {
            // A marker that compaction emptied outlived its transaction.
            let marker = marker?;
            producer.coordinator_epoch = marker.coordinator_epoch;
            producer.last_marker_offset = Some(batch.last_offset());
            let first_offset = producer.transaction_start.take()?;
            let (producer_id, last_offset) = (batch.producer_id, batch.last_offset());
            return Some(self.transactions.end(
                first_offset,
                producer_id,
                last_offset,
                marker.kind,
            ));
        }
        if batch.is_transactional() && producer.transaction_start.is_none() {
            producer.transaction_start = Some(batch.base_offset);
            self.transactions.begin(batch.base_offset, batch.producer_id);
        }
        if batch.base_sequence == NO_SEQUENCE {
            return None;
        }
        if producer.batches.len() == PRODUCER_BATCHES_MAX {
            producer.batches.pop_front();
        }
        producer.batches.push_back(SentBatch {
            last_sequence: batch.last_sequence(),
            last_offset: batch.last_offset(),
            offset_delta: batch.last_offset_delta,
            timestamp_ms: batch.max_timestamp_ms,
        });
        None
    }

    /// Whether a producer has a transaction open in this epoch.
    #[must_use]
    pub fn has_open_transaction(&self, producer_id: i64, producer_epoch: i16) -> bool {
        self.by_id.get(&producer_id).is_some_and(|producer| {
            producer.epoch == producer_epoch && producer.transaction_start.is_some()
        })
    }

    /// First offset of the oldest transaction whose end is not certain: it is
    /// open, or its marker is not below the high watermark.
    pub(super) fn first_unstable_offset(&self) -> Option<i64> {
        self.transactions.first_unstable_offset()
    }

    /// The high watermark has come this far.
    pub(super) fn replicated(&mut self, high_watermark: i64) {
        self.transactions.replicated(high_watermark);
    }

    /// Puts back what a snapshot held.
    pub(crate) fn restore(&mut self, producer_id: i64, producer: Producer) {
        if let Some(first_offset) = producer.transaction_start {
            self.transactions.begin(first_offset, producer_id);
        }
        self.by_id.insert(producer_id, producer);
    }

    /// Forgets producers without an open transaction that were silent for long.
    /// Returns how many.
    pub fn expire(&mut self, now_ms: i64, after_ms: i64) -> usize {
        self.verifications.expire(now_ms, after_ms);
        let before = self.by_id.len();
        self.by_id.retain(|_, producer| {
            producer.transaction_start.is_some()
                || now_ms.saturating_sub(producer.last_timestamp_ms) < after_ms
        });
        before - self.by_id.len()
    }

    /// All producers and their ids, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.by_id.iter().map(|(id, producer)| (*id, producer))
    }

    /// One producer.
    #[must_use]
    pub fn get(&self, producer_id: i64) -> Option<&Producer> {
        self.by_id.get(&producer_id)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::BatchBuilder;

    fn batch(id: i64, epoch: i16, sequence: i32, count: i32, offset: i64) -> BatchHeader {
        let mut builder = BatchBuilder::new(offset).producer(id, epoch, sequence);
        for _ in 0..count {
            builder.push(1, None, Some(b"v"), &[]);
        }
        BatchHeader::parse(&builder.build().unwrap()).unwrap()
    }

    #[test]
    fn the_five_newest_batches_are_duplicates_and_the_sixth_is_out_of_order() {
        let mut producers = Producers::default();
        for step in 0..6 {
            let sent = batch(7, 0, step * 10, 10, i64::from(step) * 10);
            assert_eq!(producers.check(&sent), Ok(Verdict::InSequence));
            producers.note(&sent, None);
        }
        for step in 1..6 {
            let again = batch(7, 0, step * 10, 10, 999);
            let Ok(Verdict::Duplicate(first)) = producers.check(&again) else {
                panic!("batch {step} was sent before");
            };
            assert_eq!(first.base_offset(), i64::from(step) * 10);
        }
        assert!(matches!(
            producers.check(&batch(7, 0, 0, 10, 999)),
            Err(SequenceError::OutOfOrder { expected: 60, found: 0, .. })
        ));
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut producers = Producers::default();
        producers.note(&batch(1, 0, i32::MAX - 1, 4, 0), None);
        assert_eq!(producers.get(1).unwrap().last_sequence(), 1);
        assert_eq!(producers.check(&batch(1, 0, 2, 1, 4)), Ok(Verdict::InSequence));
        let again = batch(1, 0, i32::MAX - 1, 4, 9);
        assert!(matches!(producers.check(&again), Ok(Verdict::Duplicate(_))));
    }

    #[test]
    fn a_new_epoch_begins_at_zero_and_fences_the_old() {
        let mut producers = Producers::default();
        producers.note(&batch(1, 3, 0, 1, 0), None);
        assert!(producers.check(&batch(1, 4, 1, 1, 1)).is_err());
        let next = batch(1, 4, 0, 1, 1);
        assert_eq!(producers.check(&next), Ok(Verdict::InSequence));
        producers.note(&next, None);
        assert!(matches!(
            producers.check(&batch(1, 3, 1, 1, 2)),
            Err(SequenceError::Fenced { found: 3, current: 4, .. })
        ));
    }

    #[test]
    fn an_unknown_producer_may_begin_anywhere() {
        let producers = Producers::default();
        assert_eq!(producers.check(&batch(1, 0, 77, 1, 0)), Ok(Verdict::InSequence));
    }

    #[test]
    fn a_silent_producer_is_forgotten_unless_a_transaction_is_open() {
        let mut producers = Producers::default();
        producers.note(&batch(1, 0, 0, 1, 0), None);
        assert_eq!(producers.expire(1000, 1000), 0);
        assert_eq!(producers.expire(1001, 1000), 1);
        assert!(producers.is_empty());
    }

    proptest! {
        /// A producer that retries at random: the log holds each sequence once.
        #[test]
        fn retries_never_append_twice(
            steps in proptest::collection::vec((1i32..20, 0usize..5), 1..60),
        ) {
            let mut producers = Producers::default();
            let mut sent: Vec<BatchHeader> = Vec::new();
            let (mut sequence, mut offset) = (i32::MAX - 50, 0i64);
            for (count, retry) in steps {
                if let Some(old) = sent.len().checked_sub(retry + 1).map(|index| sent[index]) {
                    let verdict = producers.check(&BatchHeader { base_offset: 0, ..old });
                    let Ok(Verdict::Duplicate(first)) = verdict else {
                        panic!("{verdict:?} for a retry of the last five");
                    };
                    prop_assert_eq!(first.base_offset(), old.base_offset);
                    prop_assert_eq!(first.last_offset, old.last_offset());
                }
                let next = batch(1, 0, sequence, count, offset);
                prop_assert_eq!(producers.check(&next), Ok(Verdict::InSequence));
                producers.note(&next, None);
                sequence = add_sequence(sequence, count);
                offset += i64::from(count);
                sent.push(next);
            }
        }
    }
}
