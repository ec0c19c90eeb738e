//! Partitions of a sink that wait for their system, while the others go on.
//!
//! A fault that may pass says that nothing of a `put` was applied: its records are
//! kept, the partition is read no further, and the same records are put again after
//! a growing pause. A partition that the sink tells to be stalled is read no further
//! until it does not any more: each `tick` is its next try.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::{Backoff, Patience, Verdict, chance};
use super::error::TaskError;
use crate::batch::Batch;
use crate::kafka::TopicPartition;

/// Records that are kept for another `put`, in bytes; with more of them nothing else
/// is read meanwhile.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// One `put`: what a read of a partition brought.
#[derive(Debug, Clone)]
pub struct Put {
    /// The partition.
    pub partition: TopicPartition,
    /// Its records, at least one.
    pub batch: Arc<Batch>,
    /// The position after them.
    pub next_offset: i64,
    /// How many of the records are answered for without being written: refused, or dropped
    /// by a transform.
    pub unwritten: usize,
}

/// What follows a fault.
#[derive(Debug, PartialEq, Eq)]
pub enum Follows {
    /// The partition waits; it is to be paused if it did not wait before.
    Wait {
        /// Until the next try; `None` when a `tick` is it.
        pause: Option<Duration>,
        /// It did not wait before.
        begins: bool,
    },
    /// The time for tries is over (`errors.retry.timeout`).
    GiveUp,
}

/// Those that wait. Times count from any fixed moment.
#[derive(Debug)]
pub struct Waiting {
    patience: Patience,
    again: BTreeMap<TopicPartition, Again>,
    stalled: BTreeMap<TopicPartition, Backoff>,
    kept_bytes: usize,
}

#[derive(Debug)]
struct Again {
    /// `None` while it is being put.
    put: Option<Put>,
    due: Duration,
    backoff: Backoff,
}

impl Waiting {
    /// None yet.
    pub fn new(patience: Patience) -> Self {
        Self { patience, again: BTreeMap::new(), stalled: BTreeMap::new(), kept_bytes: 0 }
    }

    /// A `put` that failed with a fault is to be made again.
    pub fn put_again(&mut self, put: Put, error: &TaskError, now: Duration) -> Follows {
        let begins = !self.waits(&put.partition);
        let again = self.again.entry(put.partition.clone()).or_insert_with(|| Again {
            put: None,
            due: now,
            backoff: Backoff::default(),
        });
        let verdict = again.backoff.decide(&self.patience, error, false, now, chance());
        // Kept even if it is given up: `kept` tells what is lost with it.
        self.kept_bytes += put.batch.arena.len();
        again.put = Some(put);
        let Verdict::After(pause) = verdict else { return Follows::GiveUp };
        again.due = now + pause;
        Follows::Wait { pause: Some(pause), begins }
    }

    /// The next one that is due; [`put_again`](Self::put_again) or
    /// [`delivered`](Self::delivered) is to follow.
    pub fn due(&mut self, now: Duration) -> Option<Put> {
        // Longest due first: else one whose tries take longer than its pauses would be
        // the only one to be tried.
        let due = self.again.values_mut().filter(|again| again.put.is_some() && again.due <= now);
        let put = due.min_by_key(|again| again.due)?.put.take()?;
        self.kept_bytes -= put.batch.arena.len();
        Some(put)
    }

    /// How long until one is due.
    pub fn next_due(&self, now: Duration) -> Option<Duration> {
        let due = self.again.values().filter(|again| again.put.is_some()).map(|again| again.due);
        due.min().map(|due| due.saturating_sub(now))
    }

    /// Its records were taken. True if it waits no longer.
    pub fn delivered(&mut self, partition: &TopicPartition) -> bool {
        self.again.remove(partition).is_some() && !self.waits(partition)
    }

    /// The sink says that a partition is stalled.
    pub fn stall(
        &mut self,
        partition: &TopicPartition,
        error: &TaskError,
        now: Duration,
    ) -> Follows {
        let begins = !self.waits(partition);
        let backoff = self.stalled.entry(partition.clone()).or_default();
        match backoff.decide(&self.patience, error, false, now, chance()) {
            Verdict::After(_) => Follows::Wait { pause: None, begins },
            Verdict::GiveUp => Follows::GiveUp,
        }
    }

    /// These are all that are stalled now; the partitions that wait no longer.
    pub fn recover(&mut self, still: &[TopicPartition]) -> Vec<TopicPartition> {
        let mut well = Vec::new();
        self.stalled.retain(|partition, _| {
            let stays = still.contains(partition);
            if !stays {
                well.push(partition.clone());
            }
            stays
        });
        well.retain(|partition| !self.waits(partition));
        well
    }

    /// How many records of a partition are kept for another `put`, and not answered for.
    pub fn kept(&self, partition: &TopicPartition) -> usize {
        let put = self.again.get(partition).and_then(|again| again.put.as_ref());
        put.map_or(0, |put| put.batch.len().saturating_sub(put.unwritten))
    }

    /// The partition goes. True if it waited.
    pub fn forget(&mut self, partition: &TopicPartition) -> bool {
        let waited = self.waits(partition);
        self.stalled.remove(partition);
        if let Some(Again { put: Some(put), .. }) = self.again.remove(partition) {
            self.kept_bytes -= put.batch.arena.len();
        }
        waited
    }

    /// All that wait.
    pub fn all(&self) -> Vec<TopicPartition> {
        let mut all: Vec<_> = self.again.keys().chain(self.stalled.keys()).cloned().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// True while so much is kept that nothing more may be read.
    pub fn is_full(&self) -> bool {
        self.kept_bytes > KEPT_BYTES_MAX
    }

    fn waits(&self, partition: &TopicPartition) -> bool {
        self.again.contains_key(partition) || self.stalled.contains_key(partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        reopen_max: 0,
        pause_max: Duration::from_secs(10),
        retry_timeout: Some(Duration::from_secs(1)),
    };

    fn at(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn put(partition: i32, bytes: usize) -> Put {
        let mut batch = Batch::default();
        batch.push(None, Some(&vec![0; bytes]), -1);
        Put { partition: at(partition), batch: batch.into(), next_offset: 1, unwritten: 0 }
    }

    fn fault() -> TaskError {
        TaskError::fault("down", None)
    }

    #[test]
    fn records_are_put_again_when_they_are_due_and_the_partition_waits_until_they_are_taken() {
        let mut waiting = Waiting::new(PATIENCE);
        let Follows::Wait { pause: Some(pause), begins: true } =
            waiting.put_again(put(0, 1), &fault(), Duration::ZERO)
        else {
            panic!("it waits");
        };
        assert!(waiting.due(pause - Duration::from_millis(1)).is_none());
        assert_eq!(waiting.next_due(Duration::ZERO), Some(pause));
        let again = waiting.due(pause).unwrap();
        assert!(waiting.due(pause).is_none(), "once");
        let Follows::Wait { pause: Some(next), begins: false } =
            waiting.put_again(again, &fault(), pause)
        else {
            panic!("it waits on");
        };
        assert!(next > pause, "growing pauses");
        waiting.due(pause + next).unwrap();
        assert!(waiting.delivered(&at(0)));
        assert!(!waiting.delivered(&at(0)) && waiting.all().is_empty());
    }

    #[test]
    fn those_that_wait_take_turns_however_long_a_try_takes() {
        let patience = Patience { retry_timeout: None, ..PATIENCE };
        let (mut waiting, mut now) = (Waiting::new(patience), Duration::ZERO);
        for partition in 0..3 {
            waiting.put_again(put(partition, 1), &fault(), now);
        }
        let mut tried = Vec::new();
        for _ in 0..6 {
            now += Duration::from_secs(30);
            let again = waiting.due(now).unwrap();
            tried.push(again.partition.partition);
            waiting.put_again(again, &fault(), now);
        }
        tried[..3].sort_unstable();
        tried[3..].sort_unstable();
        assert_eq!(tried, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn tries_end_with_the_retry_timeout() {
        let mut waiting = Waiting::new(PATIENCE);
        waiting.put_again(put(0, 1), &fault(), Duration::ZERO);
        waiting.stall(&at(1), &fault(), Duration::ZERO);
        let late = Duration::from_secs(1);
        let again = waiting.due(late).unwrap();
        assert_eq!(waiting.put_again(again, &fault(), late), Follows::GiveUp);
        assert_eq!(waiting.kept(&at(0)), 1, "what is given up can be told");
        assert_eq!(waiting.stall(&at(1), &fault(), late), Follows::GiveUp);
    }

    #[test]
    fn a_partition_that_is_stalled_and_has_records_waiting_waits_for_both() {
        let mut waiting = Waiting::new(PATIENCE);
        waiting.put_again(put(0, 1), &fault(), Duration::ZERO);
        let follows = waiting.stall(&at(0), &fault(), Duration::ZERO);
        assert_eq!(follows, Follows::Wait { pause: None, begins: false });
        assert!(waiting.recover(&[]).is_empty(), "its records wait");
        waiting.stall(&at(0), &fault(), Duration::ZERO);
        waiting.due(Duration::from_secs(1)).unwrap();
        assert!(!waiting.delivered(&at(0)), "it is stalled");
        assert!(waiting.recover(&[at(0)]).is_empty());
        assert_eq!(waiting.recover(&[]), [at(0)]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_given_up_with_its_partition() {
        let mut waiting = Waiting::new(PATIENCE);
        waiting.put_again(put(0, KEPT_BYTES_MAX), &fault(), Duration::ZERO);
        assert!(!waiting.is_full());
        waiting.put_again(put(1, 1), &fault(), Duration::ZERO);
        assert!(waiting.is_full());
        assert_eq!((waiting.kept(&at(0)), waiting.kept(&at(2))), (1, 0));
        assert!(waiting.forget(&at(0)) && !waiting.forget(&at(0)));
        assert!(!waiting.is_full());
        assert_eq!(waiting.all(), [at(1)]);
    }
}
