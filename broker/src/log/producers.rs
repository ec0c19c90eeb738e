//! State of idempotent producers: which sequence comes next, and what was sent
//! twice. No clock, file or socket: batches in, verdicts out.

use std::collections::{HashMap, VecDeque};

use super::batch::{BatchHeader, NO_SEQUENCE, add_sequence};
use super::limits::PRODUCER_BATCHES_MAX;

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
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Producers {
    by_id: HashMap<i64, Producer>,
}

impl Producers {
    /// Judges a batch. `earlier` is the producer's batch before it in the same
    /// request, if there is one.
    ///
    /// # Errors
    /// When its epoch is fenced or its sequence does not come next.
    pub fn check(
        &self,
        batch: &BatchHeader,
        earlier: Option<&BatchHeader>,
    ) -> Result<Verdict, SequenceError> {
        let producer_id = batch.producer_id;
        let epoch = batch.producer_epoch;
        let known = self.by_id.get(&producer_id);
        let (current, last_sequence) = match (earlier, known) {
            (Some(earlier), _) => (earlier.producer_epoch, earlier.last_sequence()),
            (None, Some(known)) => (known.epoch, known.last_sequence()),
            // Its state may have been removed by retention or expiry.
            (None, None) => return Ok(Verdict::InSequence),
        };
        if epoch < current {
            return Err(SequenceError::Fenced { producer_id, found: epoch, current });
        }
        if epoch == current
            && earlier.is_none()
            && let Some(known) = known
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

    /// Takes note of a batch that is in the log. Batches of producers that are
    /// not idempotent are ignored.
    pub fn note(&mut self, batch: &BatchHeader) {
        if !batch.has_producer_id() {
            return;
        }
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(|| Producer {
            epoch: batch.producer_epoch,
            batches: VecDeque::with_capacity(PRODUCER_BATCHES_MAX),
            last_timestamp_ms: batch.max_timestamp_ms,
            coordinator_epoch: -1,
            transaction_start: None,
        });
        if producer.epoch != batch.producer_epoch {
            producer.epoch = batch.producer_epoch;
            producer.batches.clear();
        }
        producer.last_timestamp_ms = batch.max_timestamp_ms;
        if batch.is_control() {
            producer.transaction_start = None;
            return;
        }
        if batch.is_transactional() {
            producer.transaction_start.get_or_insert(batch.base_offset);
        }
        if batch.base_sequence == NO_SEQUENCE {
            return;
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
    }

    /// Puts back what a snapshot held.
    pub(crate) fn restore(&mut self, producer_id: i64, producer: Producer) {
        self.by_id.insert(producer_id, producer);
    }

    /// Forgets producers without an open transaction that were silent for long.
    /// Returns how many.
    pub fn expire(&mut self, now_ms: i64, after_ms: i64) -> usize {
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
            assert_eq!(producers.check(&sent, None), Ok(Verdict::InSequence));
            producers.note(&sent);
        }
        for step in 1..6 {
            let again = batch(7, 0, step * 10, 10, 999);
            let Ok(Verdict::Duplicate(first)) = producers.check(&again, None) else {
                panic!("batch {step} was sent before");
            };
            assert_eq!(first.base_offset(), i64::from(step) * 10);
        }
        assert!(matches!(
            producers.check(&batch(7, 0, 0, 10, 999), None),
            Err(SequenceError::OutOfOrder { expected: 60, found: 0, .. })
        ));
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut producers = Producers::default();
        producers.note(&batch(1, 0, i32::MAX - 1, 4, 0));
        assert_eq!(producers.get(1).unwrap().last_sequence(), 1);
        assert_eq!(producers.check(&batch(1, 0, 2, 1, 4), None), Ok(Verdict::InSequence));
        let again = batch(1, 0, i32::MAX - 1, 4, 9);
        assert!(matches!(producers.check(&again, None), Ok(Verdict::Duplicate(_))));
    }

    #[test]
    fn a_new_epoch_begins_at_zero_and_fences_the_old() {
        let mut producers = Producers::default();
        producers.note(&batch(1, 3, 0, 1, 0));
        assert!(producers.check(&batch(1, 4, 1, 1, 1), None).is_err());
        let next = batch(1, 4, 0, 1, 1);
        assert_eq!(producers.check(&next, None), Ok(Verdict::InSequence));
        producers.note(&next);
        assert!(matches!(
            producers.check(&batch(1, 3, 1, 1, 2), None),
            Err(SequenceError::Fenced { found: 3, current: 4, .. })
        ));
    }

    #[test]
    fn an_unknown_producer_may_begin_anywhere() {
        let producers = Producers::default();
        assert_eq!(producers.check(&batch(1, 0, 77, 1, 0), None), Ok(Verdict::InSequence));
    }

    #[test]
    fn a_silent_producer_is_forgotten_unless_a_transaction_is_open() {
        let mut producers = Producers::default();
        producers.note(&batch(1, 0, 0, 1, 0));
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
                    let verdict = producers.check(&BatchHeader { base_offset: 0, ..old }, None);
                    let Ok(Verdict::Duplicate(first)) = verdict else {
                        panic!("{verdict:?} for a retry of the last five");
                    };
                    prop_assert_eq!(first.base_offset(), old.base_offset);
                    prop_assert_eq!(first.last_offset, old.last_offset());
                }
                let next = batch(1, 0, sequence, count, offset);
                prop_assert_eq!(producers.check(&next, None), Ok(Verdict::InSequence));
                producers.note(&next);
                sequence = add_sequence(sequence, count);
                offset += i64::from(count);
                sent.push(next);
            }
        }
    }
}
