//! How far a sink's partition is durable, and so may be committed.
//!
//! The plugin alone says what is durable, by its marks. The host moves on
//! past a mark only over offsets that no plugin will ever answer for: records
//! that it skipped (rejected and tolerated) and offsets without a record
//! (control records, and what the cleaner removed).

use std::collections::BTreeMap;

/// A plugin claimed durable what it was never given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the plugin marked offset {mark} as durable, but was given records below {given} only")]
pub struct Overclaim {
    /// The mark.
    pub mark: i64,
    /// One past the last offset that it was given.
    pub given: i64,
}

/// The bookkeeping of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// One past the last offset given to the plugin or skipped.
    given: i64,
    /// Everything below is durable or skipped.
    durable: i64,
    /// Skipped ranges at or beyond `durable`: start to end, joined up.
    skipped: BTreeMap<i64, i64>,
    /// What the group has.
    committed: Option<i64>,
}

impl Marks {
    /// A partition that is read from `start`; the group has `committed`.
    pub fn new(start: i64, committed: Option<i64>) -> Self {
        Self { given: start, durable: start, skipped: BTreeMap::new(), committed }
    }

    /// A read brought records from `first` to `last`, or none at all, and
    /// moved the position to `next`. Offsets of the read that hold no record
    /// are skipped.
    pub fn read(&mut self, records: Option<(i64, i64)>, next: i64) {
        match records {
            None => self.skip(self.given, next),
            Some((first, last)) => {
                self.skip(self.given, first);
                self.skip(last + 1, next);
            }
        }
        self.given = self.given.max(next);
    }

    /// The record at `offset` will not be delivered: the host skipped it.
    pub fn reject(&mut self, offset: i64) {
        self.skip(offset, offset + 1);
    }

    fn skip(&mut self, start: i64, end: i64) {
        if start >= end || end <= self.durable {
            return;
        }
        let (mut start, mut end) = (start.max(self.durable), end);
        if let Some((&before, &its_end)) = self.skipped.range(..=start).next_back()
            && its_end >= start
        {
            self.skipped.remove(&before);
            (start, end) = (before, end.max(its_end));
        }
        while let Some((&after, &its_end)) = self.skipped.range(start..=end).next() {
            self.skipped.remove(&after);
            end = end.max(its_end);
        }
        self.skipped.insert(start, end);
        self.advance(self.durable);
    }

    /// The plugin's word that everything below `next` is durable. A mark
    /// below an earlier one takes nothing back.
    pub fn mark(&mut self, next: i64) -> Result<(), Overclaim> {
        if next > self.given {
            return Err(Overclaim { mark: next, given: self.given });
        }
        self.advance(next);
        Ok(())
    }

    fn advance(&mut self, to: i64) {
        self.durable = self.durable.max(to);
        while let Some((&start, &end)) = self.skipped.first_key_value() {
            if start > self.durable {
                break;
            }
            self.durable = self.durable.max(end);
            self.skipped.remove(&start);
        }
    }

    /// The offset to commit, if the group has another.
    pub fn to_commit(&self) -> Option<i64> {
        // To commit 0 where the group has nothing would say nothing.
        (self.committed.unwrap_or(0) != self.durable).then_some(self.durable)
    }

    /// The group has this now.
    pub fn committed(&mut self, offset: i64) {
        self.committed = Some(offset);
    }

    /// What the group has, as far as is known here.
    pub fn group_has(&self) -> Option<i64> {
        self.committed
    }

    /// Everything below this is durable or skipped.
    pub fn durable(&self) -> i64 {
        self.durable
    }

    /// One past the last offset given.
    pub fn given(&self) -> i64 {
        self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Debug, Clone)]
    enum Event {
        Read { gap_before: i64, records: i64, gap_after: i64 },
        Reject(u8),
        Mark(u8),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0i64..3, 0i64..5, 0i64..3).prop_map(|(gap_before, records, gap_after)| {
                Event::Read { gap_before, records, gap_after }
            }),
            any::<u8>().prop_map(Event::Reject),
            any::<u8>().prop_map(Event::Mark),
        ]
    }

    proptest! {
        #[test]
        fn an_offset_is_committed_only_when_all_before_it_is_durable_or_skipped(
            start in 0i64..50,
            events in proptest::collection::vec(event(), 1..60),
        ) {
            let mut marks = Marks::new(start, None);
            let mut next = start;
            let mut undelivered: BTreeSet<i64> = BTreeSet::new();
            let mut marked = start;
            for event in events {
                match event {
                    Event::Read { gap_before, records, gap_after } => {
                        let first = next + gap_before;
                        let last = first + records - 1;
                        undelivered.extend(first..=last);
                        next = last + 1 + gap_after;
                        marks.read((records > 0).then_some((first, last)), next);
                    }
                    Event::Reject(pick) => {
                        let open: Vec<_> = undelivered.iter().copied().collect();
                        if !open.is_empty() {
                            let offset = open[pick as usize % open.len()];
                            undelivered.remove(&offset);
                            marks.reject(offset);
                        }
                    }
                    Event::Mark(pick) => {
                        let to = marked + i64::from(pick) % (next - marked + 2);
                        match marks.mark(to) {
                            Ok(()) => {
                                marked = marked.max(to);
                                undelivered.retain(|offset| *offset >= to);
                            }
                            Err(_) => prop_assert!(to > next),
                        }
                    }
                }
                let commit = marks.durable();
                prop_assert!(undelivered.range(..commit).next().is_none(), "{commit} is too far");
                let first_open = undelivered.first().copied().unwrap_or(next);
                prop_assert!(commit >= marked);
                // Nothing is held back either: a mark right before a skipped
                // stretch carries over it.
                if undelivered.range(marked..).next() == Some(&marked) {
                    prop_assert_eq!(commit, marked);
                }
                prop_assert!(commit <= first_open.max(marked));
            }
        }
    }

    #[test]
    fn a_mark_beyond_what_was_given_is_refused() {
        let mut marks = Marks::new(5, Some(5));
        marks.read(Some((5, 9)), 10);
        assert_eq!(marks.mark(11), Err(Overclaim { mark: 11, given: 10 }));
        assert_eq!(marks.to_commit(), None);
        assert_eq!(marks.mark(10), Ok(()));
        assert_eq!(marks.to_commit(), Some(10));
        marks.committed(10);
        assert_eq!(marks.to_commit(), None);
    }

    #[test]
    fn offsets_without_a_record_need_no_mark() {
        let mut marks = Marks::new(0, Some(0));
        marks.read(None, 4);
        assert_eq!(marks.to_commit(), Some(4));
        marks.read(Some((6, 6)), 9);
        assert_eq!(marks.to_commit(), Some(6));
        marks.mark(7).unwrap();
        assert_eq!(marks.to_commit(), Some(9));
    }

    #[test]
    fn a_rejected_record_behind_an_undurable_one_waits_for_it() {
        let mut marks = Marks::new(0, Some(0));
        marks.read(Some((0, 2)), 3);
        marks.reject(1);
        assert_eq!(marks.durable(), 0);
        marks.mark(1).unwrap();
        assert_eq!(marks.durable(), 2);
    }
}
