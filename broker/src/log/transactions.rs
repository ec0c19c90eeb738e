//! Which transactions hold the last stable offset back. No clock, file or socket.

use std::collections::{BTreeMap, BTreeSet};

use super::marker::MarkerKind;

/// A transaction that a marker has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completed {
    /// Whose it was.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its marker.
    pub last_offset: i64,
    /// How it ended.
    pub kind: MarkerKind,
    /// Last stable offset once this transaction is out of the way: the first
    /// offset of the oldest other one that is open, or what follows the marker.
    pub last_stable_offset: i64,
}

/// The transactions of one partition that are open, or whose marker the high
/// watermark has not passed yet: a marker that may still be lost ends nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Transactions {
    /// First offset and producer id.
    open: BTreeSet<(i64, i64)>,
    /// First offset to the offset of the marker.
    unreplicated: BTreeMap<i64, i64>,
}

impl Transactions {
    pub(super) fn begin(&mut self, first_offset: i64, producer_id: i64) {
        self.open.insert((first_offset, producer_id));
    }

    /// Ends the transaction that a producer began at `first_offset`; its marker is
    /// at `last_offset`.
    pub(super) fn end(
        &mut self,
        first_offset: i64,
        producer_id: i64,
        last_offset: i64,
        kind: MarkerKind,
    ) -> Completed {
        self.open.remove(&(first_offset, producer_id));
        self.unreplicated.insert(first_offset, last_offset);
        let last_stable_offset = self.first_open_offset().unwrap_or(last_offset + 1);
        Completed { producer_id, first_offset, last_offset, kind, last_stable_offset }
    }

    /// Forgets what ended below the high watermark.
    pub(super) fn replicated(&mut self, high_watermark: i64) {
        if !self.unreplicated.is_empty() {
            self.unreplicated.retain(|_, last_offset| *last_offset >= high_watermark);
        }
    }

    /// First offset of the oldest transaction whose end is not certain yet.
    pub(super) fn first_unstable_offset(&self) -> Option<i64> {
        let unreplicated = self.unreplicated.first_key_value().map(|(offset, _)| *offset);
        [self.first_open_offset(), unreplicated].into_iter().flatten().min()
    }

    fn first_open_offset(&self) -> Option<i64> {
        self.open.first().map(|(offset, _)| *offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_open_transaction_holds_the_stable_offset() {
        let mut transactions = Transactions::default();
        assert_eq!(transactions.first_unstable_offset(), None);
        transactions.begin(3, 30);
        transactions.begin(5, 50);
        let ended = transactions.end(5, 50, 9, MarkerKind::Abort);
        assert_eq!((ended.producer_id, ended.last_stable_offset), (50, 3));
        let ended = transactions.end(3, 30, 10, MarkerKind::Commit);
        assert_eq!((ended.producer_id, ended.last_stable_offset), (30, 11));
        // Neither marker is safe before the high watermark has passed it.
        assert_eq!(transactions.first_unstable_offset(), Some(3));
        transactions.replicated(10);
        assert_eq!(transactions.first_unstable_offset(), Some(3));
        transactions.replicated(11);
        assert_eq!(transactions.first_unstable_offset(), None);
    }
}
