//! A processor's keyed state.
//!
//! The changelog topic is its home; this is the copy that the guest reads. What
//! a call writes is kept apart until the call has succeeded.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::limits::STATE_ENTRY_BYTES;
use crate::batch::Batch;

/// Keys and values of one partition number, in the byte order of the keys.
#[derive(Debug, Default)]
pub struct StateStore {
    settled: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Written by the call that runs; `None` deletes.
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Bytes of `settled`, and of `pending`.
    bytes: usize,
    pending_bytes: usize,
    limit: usize,
}

/// The state is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the state would have {bytes} bytes, and may have {limit}; \
     give the input topics more partitions, so that each instance keeps fewer keys"
)]
pub struct StateFull {
    /// Bytes that it would have.
    pub bytes: usize,
    /// The limit, in bytes.
    pub limit: usize,
}

impl StateStore {
    /// An empty state of at most `limit` bytes: keys, values, and
    /// [`STATE_ENTRY_BYTES`] for each entry.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Takes back records of the changelog, in their order.
    pub fn restore(&mut self, changes: &Batch) -> Result<(), StateFull> {
        for at in 0..changes.len() {
            if let Some(key) = changes.key(at) {
                self.settle(key.to_vec(), changes.value(at).map(<[u8]>::to_vec));
            }
        }
        self.check()
    }

    /// The value of `key`, as the running call sees it.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        match self.pending.get(key) {
            Some(written) => written.as_deref(),
            None => self.settled.get(key).map(Vec::as_slice),
        }
    }

    /// Sets the value of `key` for the running call; `None` deletes.
    pub fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StateFull> {
        let value = value.map(<[u8]>::to_vec);
        let value_len = value.as_ref().map_or(0, Vec::len);
        match self.pending.insert(key.to_vec(), value) {
            // The key was counted when it came.
            Some(old) => self.pending_bytes -= old.map_or(0, |old| old.len()),
            None => self.pending_bytes += key.len() + STATE_ENTRY_BYTES,
        }
        self.pending_bytes += value_len;
        self.check()
    }

    /// At most `max` keys and values from `start` on, in order.
    pub fn scan(&self, start: &[u8], max: usize) -> Vec<(&[u8], &[u8])> {
        let from = (Bound::Included(start), Bound::Unbounded);
        let mut settled = self.settled.range::<[u8], _>(from).peekable();
        let mut pending = self.pending.range::<[u8], _>(from).peekable();
        let mut found = Vec::new();
        while found.len() < max {
            let newer = match (settled.peek(), pending.peek()) {
                (None, None) => break,
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some((old, _)), Some((new, _))) => {
                    if old == new {
                        settled.next();
                        true
                    } else {
                        new < old
                    }
                }
            };
            if newer {
                if let Some((key, Some(value))) = pending.next() {
                    found.push((&key[..], &value[..]));
                }
            } else if let Some((key, value)) = settled.next() {
                found.push((&key[..], &value[..]));
            }
        }
        found
    }

    /// The call succeeded: its writes hold. They are also the changelog's next
    /// records, in the order of their keys.
    pub fn commit(&mut self) -> Batch {
        let mut changes = Batch::default();
        self.pending_bytes = 0;
        for (key, value) in std::mem::take(&mut self.pending) {
            changes.push(Some(&key), value.as_deref(), -1);
            self.settle(key, value);
        }
        changes
    }

    /// The call failed: nothing was written.
    pub fn discard(&mut self) {
        self.pending.clear();
        self.pending_bytes = 0;
    }

    /// Keys that have a value, those of the running call not counted.
    pub fn len(&self) -> usize {
        self.settled.len()
    }

    /// True when no key has a value.
    pub fn is_empty(&self) -> bool {
        self.settled.is_empty()
    }

    fn settle(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key_len = key.len() + STATE_ENTRY_BYTES;
        let old = match value {
            Some(value) => {
                self.bytes += key_len + value.len();
                self.settled.insert(key, value)
            }
            None => self.settled.remove(&key),
        };
        if let Some(old) = old {
            self.bytes -= key_len + old.len();
        }
    }

    /// Both maps' bytes: more than will be there when a call rewrites values.
    fn check(&self) -> Result<(), StateFull> {
        let bytes = self.bytes + self.pending_bytes;
        if bytes > self.limit { Err(StateFull { bytes, limit: self.limit }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_of_a_failed_call_are_gone_and_of_a_good_one_become_the_changelog() {
        let mut state = StateStore::new(1 << 20);
        state.put(b"a", Some(b"1")).unwrap();
        assert_eq!(state.get(b"a"), Some(&b"1"[..]));
        state.discard();
        assert_eq!(state.get(b"a"), None);
        state.put(b"b", Some(b"2")).unwrap();
        state.put(b"a", Some(b"3")).unwrap();
        let changes = state.commit();
        assert_eq!((changes.key(0), changes.value(0)), (Some(&b"a"[..]), Some(&b"3"[..])));
        assert_eq!(changes.len(), 2);
        assert!(state.commit().is_empty());
    }

    #[test]
    fn a_full_state_is_told_whether_full_of_old_or_of_new_entries() {
        let limit = 8 + STATE_ENTRY_BYTES;
        let bytes = limit + 1 + STATE_ENTRY_BYTES;
        let mut state = StateStore::new(limit);
        state.put(b"key", Some(b"value")).unwrap();
        assert_eq!(state.put(b"k", Some(b"")), Err(StateFull { bytes, limit }));
        state.discard();
        state.put(b"key", Some(b"value")).unwrap();
        state.put(b"key", Some(b"other")).unwrap();
        state.commit();
        assert_eq!(state.put(b"k", None), Err(StateFull { bytes, limit }));
    }

    #[test]
    fn a_flood_of_empty_entries_fills_the_state() {
        let mut state = StateStore::new(1 << 20);
        let full = (0_u64..).find(|key| state.put(&key.to_be_bytes(), None).is_err());
        assert!(full.is_some_and(|entries| entries < 10_000), "{full:?}");
    }

    fn operations() -> impl Strategy<Value = Vec<(u8, Option<u8>, bool, bool)>> {
        prop::collection::vec((0_u8..8, any::<Option<u8>>(), any::<bool>(), any::<bool>()), 0..60)
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_map_with_transactions_and_a_changelog(operations in operations()) {
            let mut state = StateStore::new(1 << 20);
            let mut restored = StateStore::new(1 << 20);
            let (mut settled, mut running) = (BTreeMap::new(), BTreeMap::new());
            for (key, value, ends, succeeds) in operations {
                let key = vec![key];
                let value = value.map(|value| vec![value]);
                state.put(&key, value.as_deref()).unwrap();
                match value.clone() {
                    Some(value) => drop(running.insert(key.clone(), value)),
                    None => drop(running.remove(&key)),
                }
                prop_assert_eq!(state.get(&key), value.as_deref());
                let pending: usize = state.pending.iter()
                    .map(|(k, v)| STATE_ENTRY_BYTES + k.len() + v.as_ref().map_or(0, Vec::len)).sum();
                prop_assert_eq!(state.pending_bytes, pending);
                let seen: Vec<_> = state.scan(&[3], 3).into_iter()
                    .map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
                let expected: Vec<_> = running.range(vec![3_u8]..).take(3)
                    .map(|(k, v): (&Vec<u8>, &Vec<u8>)| (k.clone(), v.clone())).collect();
                prop_assert_eq!(seen, expected);
                if ends && succeeds {
                    restored.restore(&state.commit()).unwrap();
                    settled = running.clone();
                } else if ends {
                    state.discard();
                    running = settled.clone();
                }
            }
            prop_assert_eq!(&restored.settled, &settled);
            prop_assert_eq!(&state.settled, &settled);
            let bytes: usize =
                settled.iter().map(|(k, v)| STATE_ENTRY_BYTES + k.len() + v.len()).sum();
            prop_assert_eq!(state.bytes, bytes);
        }
    }
}
