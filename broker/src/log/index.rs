//! The sparse indexes of a segment: offset to position, timestamp to offset.
//!
//! Both are files of fixed-size entries in growing order. New entries wait in
//! memory and are written in runs; look-ups search the file by `pread`.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::files;
use super::limits::{INDEX_PAGE_ENTRIES, INDEX_PENDING_ENTRIES_MAX};

/// One fixed-size entry.
pub(crate) trait Entry: Copy + Eq + std::fmt::Debug {
    const BYTES: usize;
    fn encode(&self, base_offset: i64, output: &mut Vec<u8>);
    fn decode(base_offset: i64, bytes: &[u8]) -> Self;
    /// Whether `self` may stand directly after `previous`.
    fn follows(&self, previous: &Self) -> bool;
}

/// `.index`: the batch that ends with `last_offset` starts at `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) last_offset: i64,
    pub(crate) position: u32,
}

/// `.timeindex`: the greatest timestamp so far, and the last offset of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp_ms: i64,
    pub(crate) offset: i64,
}

impl Entry for OffsetEntry {
    const BYTES: usize = 8;

    fn encode(&self, base_offset: i64, output: &mut Vec<u8>) {
        output.extend_from_slice(&((self.last_offset - base_offset) as i32).to_be_bytes());
        output.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(base_offset: i64, bytes: &[u8]) -> Self {
        Self {
            last_offset: base_offset + i64::from(i32::from_be_bytes(part(bytes, 0))),
            position: u32::from_be_bytes(part(bytes, 4)),
        }
    }

    fn follows(&self, previous: &Self) -> bool {
        self.last_offset > previous.last_offset && self.position > previous.position
    }
}

impl Entry for TimeEntry {
    const BYTES: usize = 12;

    fn encode(&self, base_offset: i64, output: &mut Vec<u8>) {
        output.extend_from_slice(&self.timestamp_ms.to_be_bytes());
        output.extend_from_slice(&((self.offset - base_offset) as i32).to_be_bytes());
    }

    fn decode(base_offset: i64, bytes: &[u8]) -> Self {
        Self {
            timestamp_ms: i64::from_be_bytes(part(bytes, 0)),
            offset: base_offset + i64::from(i32::from_be_bytes(part(bytes, 8))),
        }
    }

    fn follows(&self, previous: &Self) -> bool {
        self.timestamp_ms > previous.timestamp_ms && self.offset >= previous.offset
    }
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("entries are decoded from whole entries")
}

#[derive(Debug)]
struct State<E> {
    /// Entries in the file.
    stored: u32,
    /// Entries that come after those and are not in the file yet.
    pending: Vec<E>,
    last: Option<E>,
}

/// One index file.
#[derive(Debug)]
pub(crate) struct Index<E> {
    file: File,
    base_offset: i64,
    state: RwLock<State<E>>,
}

impl<E: Entry> Index<E> {
    /// Opens or creates the file and checks what can be checked at once: whole
    /// entries, in order at the end, not below the base offset. `Ok(None)` means
    /// that it is malformed and must be rebuilt.
    pub(crate) fn open(path: &Path, base_offset: i64) -> io::Result<Option<Self>> {
        let file = files::open_or_create(path)?;
        let bytes = file.metadata()?.len();
        let entry_bytes = E::BYTES as u64;
        let Ok(stored) = u32::try_from(bytes / entry_bytes) else { return Ok(None) };
        if bytes % entry_bytes != 0 {
            return Ok(None);
        }
        let index = Self {
            file,
            base_offset,
            state: RwLock::new(State { stored, pending: Vec::new(), last: None }),
        };
        let tail = index.page(stored.saturating_sub(INDEX_PAGE_ENTRIES), stored)?;
        if !tail.is_sorted_by(|earlier, later| later.follows(earlier)) {
            return Ok(None);
        }
        index.write().last = tail.last().copied();
        Ok(Some(index))
    }

    /// Opens or creates the file and removes whatever it holds.
    pub(crate) fn create(path: &Path, base_offset: i64) -> io::Result<Self> {
        let file = files::open_or_create(path)?;
        file.set_len(0)?;
        let state = State { stored: 0, pending: Vec::new(), last: None };
        Ok(Self { file, base_offset, state: RwLock::new(state) })
    }

    /// Adds an entry that follows the last. It is in memory for now, so this
    /// cannot fail: were the disk full, the entry would wait for the next write.
    pub(crate) fn push(&self, entry: E) {
        let mut state = self.write();
        if state.last.as_ref().is_some_and(|last| !entry.follows(last)) {
            return;
        }
        state.pending.push(entry);
        state.last = Some(entry);
        if state.pending.len() >= INDEX_PENDING_ENTRIES_MAX
            && let Err(error) = self.store(&mut state)
        {
            tracing::warn!(%error, "index entries wait in memory");
        }
    }

    /// Writes the pending entries to the file.
    pub(crate) fn write_out(&self) -> io::Result<()> {
        self.store(&mut self.write())
    }

    fn store(&self, state: &mut State<E>) -> io::Result<()> {
        if state.pending.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(state.pending.len() * E::BYTES);
        for entry in &state.pending {
            entry.encode(self.base_offset, &mut bytes);
        }
        files::write_all_at(&self.file, &bytes, u64::from(state.stored) * E::BYTES as u64)?;
        state.stored += state.pending.len() as u32;
        state.pending.clear();
        Ok(())
    }

    /// The last entry for which `holds` is true; it must hold for a prefix.
    pub(crate) fn last_where(&self, holds: impl Fn(&E) -> bool) -> io::Result<Option<E>> {
        let state = self.read();
        let in_pending = state.pending.partition_point(&holds);
        if in_pending > 0 {
            return Ok(Some(state.pending[in_pending - 1]));
        }
        let stored = state.stored;
        drop(state);
        self.last_stored_where(stored, holds)
    }

    fn last_stored_where(&self, stored: u32, holds: impl Fn(&E) -> bool) -> io::Result<Option<E>> {
        // Entries below `low` hold, those from `high` on do not.
        let (mut low, mut high) = (0, stored);
        while high - low > INDEX_PAGE_ENTRIES {
            let middle = low + (high - low) / 2;
            match self.page(middle, middle + 1)?.first() {
                Some(entry) if holds(entry) => low = middle,
                _ => high = middle,
            }
        }
        let page = self.page(low, high)?;
        let holding = page.partition_point(&holds);
        Ok(holding.checked_sub(1).map(|index| page[index]))
    }

    /// Removes the entries for which `keep` is false; it must be true for a prefix.
    pub(crate) fn truncate(&self, keep: impl Fn(&E) -> bool) -> io::Result<()> {
        let mut state = self.write();
        let kept = state.pending.partition_point(&keep);
        if kept > 0 {
            state.pending.truncate(kept);
            state.last = state.pending.last().copied();
            return Ok(());
        }
        state.pending.clear();
        let (mut low, mut high) = (0, state.stored);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.page(middle, middle + 1)?.first() {
                Some(entry) if keep(entry) => low = middle + 1,
                _ => high = middle,
            }
        }
        self.file.set_len(u64::from(low) * E::BYTES as u64)?;
        state.stored = low;
        state.last = match low.checked_sub(1) {
            None => None,
            Some(index) => self.page(index, low)?.last().copied(),
        };
        Ok(())
    }

    pub(crate) fn last(&self) -> Option<E> {
        self.read().last
    }

    pub(crate) fn entries(&self) -> u32 {
        let state = self.read();
        state.stored + state.pending.len() as u32
    }

    /// Writes the pending entries and waits for the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.write_out()?;
        self.file.sync_data()
    }

    fn page(&self, from: u32, to: u32) -> io::Result<Vec<E>> {
        let position = u64::from(from) * E::BYTES as u64;
        let bytes = files::read_at(&self.file, position, (to - from) as usize * E::BYTES)?;
        Ok(bytes.chunks_exact(E::BYTES).map(|entry| E::decode(self.base_offset, entry)).collect())
    }

    // A panic while the lock is held cannot leave a state that later calls misread.
    fn read(&self) -> RwLockReadGuard<'_, State<E>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<E>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(step: u32) -> OffsetEntry {
        OffsetEntry { last_offset: 1000 + i64::from(step) * 3, position: step * 7 }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn look_ups_agree_with_a_plain_search(
            count in 0u32..1500,
            written_after in 0u32..1500,
            wanted in 990i64..5600,
            cut in 990i64..5600,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("i");
            let index = Index::<OffsetEntry>::create(&path, 1000).unwrap();
            let mut model = Vec::new();
            for step in 0..count {
                if step == written_after {
                    index.write_out().unwrap();
                }
                index.push(entry(step));
                model.push(entry(step));
            }
            let found = index.last_where(|entry| entry.last_offset <= wanted).unwrap();
            let expected = model.iter().rfind(|entry| entry.last_offset <= wanted).copied();
            prop_assert_eq!(found, expected);
            index.truncate(|entry| entry.last_offset < cut).unwrap();
            model.retain(|entry| entry.last_offset < cut);
            prop_assert_eq!(index.last(), model.last().copied());
            prop_assert_eq!(index.entries() as usize, model.len());
            index.write_out().unwrap();
            let reopened = Index::<OffsetEntry>::open(&path, 1000).unwrap().unwrap();
            prop_assert_eq!(reopened.last(), model.last().copied());
            prop_assert_eq!(reopened.entries() as usize, model.len());
        }
    }

    #[test]
    fn a_malformed_file_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("i");
        std::fs::write(&path, [0u8; 7]).unwrap();
        assert!(Index::<OffsetEntry>::open(&path, 0).unwrap().is_none());
        std::fs::write(&path, [0u8; 32]).unwrap();
        assert!(Index::<OffsetEntry>::open(&path, 0).unwrap().is_none());
    }
}
