//! The aborted-transaction index of one segment, `.txnindex`: which transactions
//! an abort marker within the segment has ended. `DESIGN.md`, section 17.
//!
//! Entries stand in the order of their markers. They are read from the file when
//! a `read_committed` fetch needs them: memory does not grow with their number.
//! The file is made with the first entry, most segments have none.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::{Buf, BufMut};

use super::files;
use super::transactions::Completed;

const VERSION: i16 = 0;
const ENTRY_BYTES: usize = 2 + 4 * 8;
/// Entries that are read at once.
const PAGE_ENTRIES: u64 = 256;

/// A transaction whose records `read_committed` readers must not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its abort marker.
    pub last_offset: i64,
    /// Last stable offset when it had ended: no transaction that ends later begins
    /// below it.
    pub last_stable_offset: i64,
}

impl From<Completed> for AbortedTransaction {
    fn from(completed: Completed) -> Self {
        let Completed { producer_id, first_offset, last_offset, last_stable_offset, .. } =
            completed;
        Self { producer_id, first_offset, last_offset, last_stable_offset }
    }
}

impl AbortedTransaction {
    fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let mut rest = &mut bytes[..];
        rest.put_i16(VERSION);
        rest.put_i64(self.producer_id);
        rest.put_i64(self.first_offset);
        rest.put_i64(self.last_offset);
        rest.put_i64(self.last_stable_offset);
        bytes
    }

    /// `None` for an entry of a version that is not known.
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        (bytes.try_get_i16().ok()? == VERSION).then_some(())?;
        Some(Self {
            producer_id: bytes.try_get_i64().ok()?,
            first_offset: bytes.try_get_i64().ok()?,
            last_offset: bytes.try_get_i64().ok()?,
            last_stable_offset: bytes.try_get_i64().ok()?,
        })
    }
}

/// The index of one segment. One thread appends, any number look up.
#[derive(Debug)]
pub(super) struct AbortIndex {
    path: PathBuf,
    file: OnceLock<File>,
    /// Entries that look-ups may see.
    entries: AtomicU64,
    needs_sync: AtomicBool,
}

impl AbortIndex {
    /// An empty index; a file that is left from another is removed.
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        files::remove(&path)?;
        Ok(Self {
            path,
            file: OnceLock::new(),
            entries: AtomicU64::new(0),
            needs_sync: AtomicBool::new(false),
        })
    }

    /// Opens the index of a segment that begins at `base_offset`; no file is an
    /// empty index. `None` if it is malformed and must be rebuilt.
    pub(super) fn open(path: &Path, base_offset: i64) -> io::Result<Option<Self>> {
        let file = match File::options().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::create(path.to_owned()).map(Some);
            }
            Err(error) => return Err(error),
        };
        let bytes = file.metadata()?.len();
        let index = Self {
            path: path.to_owned(),
            file: OnceLock::from(file),
            entries: AtomicU64::new(bytes / ENTRY_BYTES as u64),
            needs_sync: AtomicBool::new(false),
        };
        let mut last_offset = base_offset - 1;
        let mut in_order = bytes.is_multiple_of(ENTRY_BYTES as u64);
        let whole = index.visit(0, |entry| {
            in_order &= entry.last_offset > last_offset && entry.first_offset < entry.last_offset;
            last_offset = entry.last_offset;
            in_order
        });
        match whole {
            Ok(()) => Ok(in_order.then_some(index)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes room on the disk for `count` entries, so that a full one is met before
    /// the markers are written and not after.
    pub(super) fn reserve(&self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        files::write_all_at(self.file()?, &vec![0; count * ENTRY_BYTES], self.end())
    }

    /// Adds a transaction. Its marker lies above those of all before it.
    pub(super) fn append(&self, entry: &AbortedTransaction) -> io::Result<()> {
        files::write_all_at(self.file()?, &entry.encode(), self.end())?;
        self.needs_sync.store(true, Ordering::Release);
        self.entries.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Adds to `found` the transactions that touch the offsets from `from` up to
    /// `end`. Whether these are all there are: later segments have none then.
    ///
    /// A reader gets at most as many as ended within its range or were open at the
    /// end of it, so their number is bounded by the batches read and the producers.
    pub(super) fn find(
        &self,
        from: i64,
        end: i64,
        found: &mut Vec<AbortedTransaction>,
    ) -> io::Result<bool> {
        let mut complete = false;
        self.visit(self.first_ending_at(from)?, |entry| {
            if entry.first_offset < end {
                found.push(entry);
            }
            complete = entry.last_stable_offset >= end;
            !complete
        })?;
        Ok(complete)
    }

    /// Removes the transactions whose markers lie at or above `end_offset`.
    pub(super) fn truncate(&self, end_offset: i64) -> io::Result<()> {
        self.entries.store(self.first_ending_at(end_offset)?, Ordering::Release);
        self.needs_sync.store(true, Ordering::Release);
        self.seal()
    }

    /// Gives back what was reserved and not used.
    pub(super) fn seal(&self) -> io::Result<()> {
        self.file.get().map_or(Ok(()), |file| file.set_len(self.end()))
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        match self.file.get() {
            Some(file) if self.needs_sync.swap(false, Ordering::AcqRel) => file.sync_all(),
            _ => Ok(()),
        }
    }

    fn file(&self) -> io::Result<&File> {
        if self.file.get().is_none() {
            // One thread appends: nobody else sets it meanwhile.
            let _ = self.file.set(files::open_or_create(&self.path)?);
        }
        Ok(self.file.get().expect("it was just set"))
    }

    fn end(&self) -> u64 {
        self.entries.load(Ordering::Acquire) * ENTRY_BYTES as u64
    }

    /// Number of the first entry whose marker lies at or above `offset`.
    fn first_ending_at(&self, offset: i64) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.entries.load(Ordering::Acquire));
        while low < high {
            let middle = low + (high - low) / 2;
            let mut last_offset = 0;
            self.visit(middle, |entry| {
                last_offset = entry.last_offset;
                false
            })?;
            if last_offset < offset { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Shows the entries from number `from` on, until `go_on` is false.
    fn visit(
        &self,
        mut from: u64,
        mut go_on: impl FnMut(AbortedTransaction) -> bool,
    ) -> io::Result<()> {
        let entries = self.entries.load(Ordering::Acquire);
        let Some(file) = self.file.get() else { return Ok(()) };
        // The first look is often the last.
        let mut page = 16;
        let mut bytes = Vec::new();
        while from < entries {
            let count = page.min(entries - from);
            let wanted = count as usize * ENTRY_BYTES;
            files::fill_at(file, from * ENTRY_BYTES as u64, wanted, &mut bytes)?;
            if bytes.len() < wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            for entry in bytes.chunks_exact(ENTRY_BYTES) {
                let entry = AbortedTransaction::decode(entry)
                    .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
                if !go_on(entry) {
                    return Ok(());
                }
            }
            from += count;
            page = PAGE_ENTRIES;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(first_offset: i64, last_offset: i64, last_stable_offset: i64) -> AbortedTransaction {
        AbortedTransaction { producer_id: 7, first_offset, last_offset, last_stable_offset }
    }

    fn find(index: &AbortIndex, from: i64, end: i64) -> (Vec<AbortedTransaction>, bool) {
        let mut found = Vec::new();
        let complete = index.find(from, end, &mut found).unwrap();
        (found, complete)
    }

    #[test]
    fn an_entry_is_34_bytes_as_kafka_writes_them() {
        let bytes = entry(0x0102, 0x0304, 0x0506).encode();
        let expected = [
            &[0, 0][..],
            &7_i64.to_be_bytes(),
            &0x0102_i64.to_be_bytes(),
            &0x0304_i64.to_be_bytes(),
            &0x0506_i64.to_be_bytes(),
        ];
        assert_eq!(bytes[..], expected.concat());
        assert_eq!(AbortedTransaction::decode(&bytes), Some(entry(0x0102, 0x0304, 0x0506)));
    }

    #[test]
    fn a_segment_without_aborts_has_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.txnindex");
        let index = AbortIndex::open(&path, 0).unwrap().unwrap();
        assert_eq!(find(&index, 0, 100), (vec![], false));
        index.seal().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_was_reserved_and_not_used_is_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.txnindex");
        let index = AbortIndex::create(path.clone()).unwrap();
        index.reserve(3).unwrap();
        index.append(&entry(0, 1, 2)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 * 34);
        assert!(AbortIndex::open(&path, 0).unwrap().is_none(), "rebuilt after a crash");
        index.seal().unwrap();
        let again = AbortIndex::open(&path, 0).unwrap().unwrap();
        assert_eq!(find(&again, 0, 9).0, [entry(0, 1, 2)]);
    }

    #[test]
    fn a_malformed_index_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.txnindex");
        let good = [entry(10, 12, 13).encode(), entry(13, 15, 16).encode()].concat();
        std::fs::write(&path, &good).unwrap();
        assert!(AbortIndex::open(&path, 10).unwrap().is_some());
        assert!(AbortIndex::open(&path, 13).unwrap().is_none(), "not of this segment");
        for length in 1..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            assert_eq!(AbortIndex::open(&path, 10).unwrap().is_some(), length == 34, "{length}");
        }
        let mut other_version = good.clone();
        other_version[35] = 1;
        std::fs::write(&path, other_version).unwrap();
        assert!(AbortIndex::open(&path, 10).unwrap().is_none());
        let swapped = [&good[34..], &good[..34]].concat();
        std::fs::write(&path, swapped).unwrap();
        assert!(AbortIndex::open(&path, 10).unwrap().is_none());
    }

    proptest! {
        /// Producers begin and abort at random; a look-up finds what a plain search does.
        #[test]
        fn a_look_up_finds_exactly_what_overlaps(
            steps in proptest::collection::vec((0usize..6, any::<bool>()), 1..1500),
            lookups in proptest::collection::vec((0i64..1500, 1i64..300), 1..20),
            cut in 0i64..1500,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let index = AbortIndex::create(dir.path().join("x.txnindex")).unwrap();
            let mut open = [None; 6];
            let mut all: Vec<AbortedTransaction> = Vec::new();
            for (offset, (producer, ends)) in steps.iter().enumerate() {
                let offset = offset as i64;
                let Some(first) = open[*producer].filter(|_| *ends) else {
                    open[*producer].get_or_insert(offset);
                    continue;
                };
                open[*producer] = None;
                let stable = open.iter().flatten().min().copied().unwrap_or(offset + 1);
                let entry = entry(first, offset, stable);
                index.append(&entry).unwrap();
                all.push(entry);
            }
            let check = |all: &[AbortedTransaction]| {
                for (from, length) in &lookups {
                    let end = from + length;
                    let expected: Vec<_> = all
                        .iter()
                        .filter(|entry| entry.last_offset >= *from && entry.first_offset < end)
                        .copied()
                        .collect();
                    assert_eq!(find(&index, *from, end).0, expected, "{from} to {end}");
                }
            };
            check(&all);
            index.truncate(cut).unwrap();
            all.retain(|entry| entry.last_offset < cut);
            check(&all);
        }
    }
}
