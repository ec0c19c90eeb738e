//! One segment: a `.log` file of batches and its indexes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use super::aborted::AbortIndex;
use super::batch::{BatchError, BatchHeader, NO_TIMESTAMP};
use super::files::{self, Kind};
use super::index::{Index, OffsetEntry, TimeEntry};
use super::limits::BATCH_HEADER_BYTES;
use super::marker::{Marker, MarkerKind};
use super::producers::Producers;
use super::scan::{ScanError, Scanner};

/// Read beyond what was asked for, so that the batches between an index entry
/// and the wanted offset seldom cost a second read.
const READ_AHEAD_BYTES: usize = 8 * 1024;

/// One segment. Its log is appended to by one thread and read by many.
#[derive(Debug)]
pub(crate) struct Segment {
    dir: PathBuf,
    base_offset: i64,
    log: File,
    /// Bytes that readers may see.
    size: AtomicU64,
    offsets: Index<OffsetEntry>,
    times: Index<TimeEntry>,
    aborts: AbortIndex,
    /// Greatest timestamp and the last offset of the batch that brought it.
    newest: Mutex<Option<TimeEntry>>,
    /// Greatest timestamp of the first batch; age for rolling is counted from it.
    first_timestamp_ms: AtomicI64,
    created_ms: i64,
    /// Bytes appended since the last index entry.
    unindexed_bytes: AtomicU64,
    needs_sync: AtomicBool,
}

/// How much a read may return.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadBounds {
    pub(crate) max_bytes: usize,
    /// One batch is returned even if it is larger than `max_bytes`.
    pub(crate) at_least_one: bool,
    /// Batches that begin at or above this offset are not returned.
    pub(crate) end_offset: i64,
}

impl Segment {
    /// Makes an empty segment; leftovers with its name are emptied.
    pub(crate) fn create(
        dir: &Path,
        base_offset: i64,
        suffix: &str,
        now_ms: i64,
    ) -> io::Result<Self> {
        let path = |kind| files::path_of(dir, base_offset, kind, suffix);
        let offsets = Index::create(&path(Kind::Index), base_offset)?;
        let times = Index::create(&path(Kind::TimeIndex), base_offset)?;
        let aborts = AbortIndex::create(path(Kind::TxnIndex))?;
        if suffix.is_empty() {
            crate::crash::point("log-roll-middle");
        }
        let log = files::open_or_create(&path(Kind::Log))?;
        log.set_len(0)?;
        Ok(Self::of(dir, base_offset, log, 0, (offsets, times, aborts), now_ms))
    }

    /// Opens a segment whose log is trusted. `None` if an index is missing or
    /// malformed: [`Segment::rebuild`] makes them anew.
    pub(crate) fn open(
        dir: &Path,
        base_offset: i64,
        now_ms: i64,
    ) -> Result<Option<Self>, ScanError> {
        let path = |kind| files::path_of(dir, base_offset, kind, "");
        let log = files::open_or_create(&path(Kind::Log))?;
        let size = log.metadata()?.len();
        let offsets = Index::<OffsetEntry>::open(&path(Kind::Index), base_offset)?
            .filter(|index| index.last().is_none_or(|last| u64::from(last.position) < size));
        let times = Index::<TimeEntry>::open(&path(Kind::TimeIndex), base_offset)?
            .filter(|index| index.last().is_none_or(|last| last.offset >= base_offset));
        let aborts = AbortIndex::open(&path(Kind::TxnIndex), base_offset)?;
        let (Some(offsets), Some(times), Some(aborts)) = (offsets, times, aborts) else {
            return Ok(None);
        };
        if size > 0 && times.last().is_none() {
            return Ok(None);
        }
        let newest = times.last();
        let segment = Self::of(dir, base_offset, log, size, (offsets, times, aborts), now_ms);
        *segment.newest() = newest;
        segment.learn_first_timestamp()?;
        Ok(Some(segment))
    }

    /// Opens a segment whose log is trusted and makes its indexes anew. `producers`
    /// is their state at its base offset, and at its end afterwards.
    pub(crate) fn rebuild(
        dir: &Path,
        base_offset: i64,
        index_interval_bytes: i32,
        producers: &mut Producers,
        now_ms: i64,
    ) -> Result<Self, ScanError> {
        let segment = Self::open_for_rebuild(dir, base_offset, now_ms)?;
        let mut scanner = segment.headers_from(0);
        while let Some(batch) = scanner.next()? {
            segment.note(&batch.header, batch.position, index_interval_bytes);
            segment.note_transaction(&batch.header, batch.bytes, producers)?;
        }
        drop(scanner);
        segment.seal()?;
        Ok(segment)
    }

    /// Opens a segment with empty indexes, to be filled by [`Segment::note`].
    pub(crate) fn open_for_rebuild(dir: &Path, base_offset: i64, now_ms: i64) -> io::Result<Self> {
        let path = |kind| files::path_of(dir, base_offset, kind, "");
        let log = files::open_or_create(&path(Kind::Log))?;
        let size = log.metadata()?.len();
        let offsets = Index::create(&path(Kind::Index), base_offset)?;
        let times = Index::create(&path(Kind::TimeIndex), base_offset)?;
        let aborts = AbortIndex::create(path(Kind::TxnIndex))?;
        let segment = Self::of(dir, base_offset, log, size, (offsets, times, aborts), now_ms);
        segment.needs_sync.store(true, Ordering::Relaxed);
        Ok(segment)
    }

    fn of(
        dir: &Path,
        base_offset: i64,
        log: File,
        size: u64,
        (offsets, times, aborts): (Index<OffsetEntry>, Index<TimeEntry>, AbortIndex),
        created_ms: i64,
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            base_offset,
            log,
            size: AtomicU64::new(size),
            offsets,
            times,
            aborts,
            newest: Mutex::new(None),
            first_timestamp_ms: AtomicI64::new(NO_TIMESTAMP),
            created_ms,
            unindexed_bytes: AtomicU64::new(0),
            needs_sync: AtomicBool::new(false),
        }
    }

    fn learn_first_timestamp(&self) -> Result<(), ScanError> {
        if let Some(first) = self.headers_from(0).next()? {
            self.first_timestamp_ms.store(first.header.max_timestamp_ms, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn path(&self, kind: Kind) -> PathBuf {
        files::path_of(&self.dir, self.base_offset, kind, "")
    }

    /// Greatest timestamp in ms, if the segment has any batch.
    pub(crate) fn newest_entry(&self) -> Option<TimeEntry> {
        *self.newest()
    }

    /// How new its newest record is, in ms: by the file where records have no timestamp,
    /// as Kafka's `LogSegment.largestTimestamp`.
    pub(crate) fn newest_ms(&self) -> i64 {
        match self.newest_entry() {
            Some(newest) if newest.timestamp_ms >= 0 => newest.timestamp_ms,
            Some(_) => self.modified_ms().unwrap_or_else(|| self.age_from_ms()),
            None => self.age_from_ms(),
        }
    }

    fn modified_ms(&self) -> Option<i64> {
        let modified = self.log.metadata().and_then(|metadata| metadata.modified()).ok()?;
        let since_epoch = modified.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since_epoch.as_millis()).ok()
    }

    /// When rolling by age begins to count, in ms.
    pub(crate) fn age_from_ms(&self) -> i64 {
        match self.first_timestamp_ms.load(Ordering::Relaxed) {
            NO_TIMESTAMP => self.created_ms,
            timestamp_ms => timestamp_ms,
        }
    }

    /// When this process made or opened it, in ms.
    pub(crate) fn created_ms(&self) -> i64 {
        self.created_ms
    }

    /// Whether an index holds as many entries as `segment.index.bytes` allows.
    pub(crate) fn index_is_full(&self, index_bytes_max: i32) -> bool {
        let max = index_bytes_max as usize;
        self.offsets.entries() as usize >= max / 8 || self.times.entries() as usize + 1 >= max / 12
    }

    /// Writes whole batches behind the last, with one write. They are not visible
    /// until [`Segment::publish`].
    ///
    /// If the write fails nothing has changed, unless the file cannot be cut back
    /// either: then the outer error says so and the log must go offline.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<io::Result<()>, io::Error> {
        let start = self.size();
        let written = files::write_all_at(&self.log, bytes, start);
        if written.is_err() {
            self.log.set_len(start)?;
        }
        Ok(written)
    }

    /// Makes what was written visible: size, then index entries.
    pub(crate) fn publish(&self, headers: &[BatchHeader], index_interval_bytes: i32) {
        let start = self.size();
        let bytes: usize = headers.iter().map(|header| header.size_bytes).sum();
        self.needs_sync.store(true, Ordering::Release);
        self.size.store(start + bytes as u64, Ordering::Release);
        let mut position = start;
        for header in headers {
            self.note(header, position, index_interval_bytes);
            position += header.size_bytes as u64;
        }
    }

    /// Takes note of a batch at `position`: greatest timestamp and index entries.
    pub(crate) fn note(&self, header: &BatchHeader, position: u64, index_interval_bytes: i32) {
        if position == 0 {
            self.first_timestamp_ms.store(header.max_timestamp_ms, Ordering::Relaxed);
        }
        let mut newest = self.newest();
        note_newest(&mut newest, header);
        let unindexed = self.unindexed_bytes.load(Ordering::Relaxed);
        let unindexed = if unindexed > index_interval_bytes as u64 {
            let position = u32::try_from(position).expect("segment.bytes is 31 bits");
            self.offsets.push(OffsetEntry { last_offset: header.last_offset(), position });
            if let Some(newest) = *newest {
                self.times.push(newest);
            }
            0
        } else {
            unindexed
        };
        self.unindexed_bytes.store(unindexed + header.size_bytes as u64, Ordering::Relaxed);
    }

    /// Shows `producers` a batch of this segment; a transaction that it aborts gets
    /// its index entry.
    pub(crate) fn note_transaction(
        &self,
        header: &BatchHeader,
        batch: &[u8],
        producers: &mut Producers,
    ) -> io::Result<()> {
        let marker = Marker::parse(header, batch);
        let Some(completed) = producers.note(header, marker.as_ref()) else { return Ok(()) };
        crate::crash::point("log-marker-before-index");
        match completed.kind {
            MarkerKind::Abort => self.aborts.append(&completed.into()),
            MarkerKind::Commit => Ok(()),
        }
    }

    /// The index of aborted transactions.
    pub(crate) fn aborts(&self) -> &AbortIndex {
        &self.aborts
    }

    /// Completes the indexes: when the segment is rolled, and when it is closed.
    pub(crate) fn seal(&self) -> io::Result<()> {
        if let Some(newest) = self.newest_entry() {
            self.times.push(newest);
        }
        self.offsets.write_out()?;
        self.times.write_out()?;
        self.aborts.seal()
    }

    /// Waits until the log, and the indexes if asked, are on disk.
    pub(crate) fn sync(&self, with_indexes: bool) -> io::Result<()> {
        if self.needs_sync.swap(false, Ordering::AcqRel)
            && let Err(error) = self.log.sync_data()
        {
            self.needs_sync.store(true, Ordering::Release);
            return Err(error);
        }
        if with_indexes {
            self.offsets.sync()?;
            self.times.sync()?;
            self.aborts.sync()?;
        }
        Ok(())
    }

    /// All batches, whole, from `position` on.
    pub(crate) fn batches_from(&self, position: u64) -> Scanner<'_> {
        Scanner::batches(&self.log, position, self.size())
    }

    /// All batch headers from `position` on.
    pub(crate) fn headers_from(&self, position: u64) -> Scanner<'_> {
        Scanner::headers(&self.log, position, self.size())
    }

    /// A batch start at or before the batch that holds `offset`.
    pub(crate) fn position_before(&self, offset: i64) -> io::Result<u64> {
        let entry = self.offsets.last_where(|entry| entry.last_offset <= offset)?;
        Ok(entry.map_or(0, |entry| u64::from(entry.position)))
    }

    /// An offset below which no record has a timestamp of `timestamp_ms` or later.
    pub(crate) fn offset_before(&self, timestamp_ms: i64) -> io::Result<i64> {
        let entry = self.times.last_where(|entry| entry.timestamp_ms < timestamp_ms)?;
        Ok(entry.map_or(self.base_offset, |entry| entry.offset))
    }

    /// Offset after the last batch, found from the last index entry on.
    pub(crate) fn find_end_offset(&self) -> Result<i64, ScanError> {
        let from = self.offsets.last().map_or(0, |entry| u64::from(entry.position));
        let mut end = self.base_offset;
        let mut scanner = self.headers_from(from);
        while let Some(batch) = scanner.next()? {
            end = batch.header.next_offset();
        }
        Ok(end)
    }

    /// Whole batches from the one that holds `offset` on; `None` when the segment
    /// has no batch that ends at or after `offset`.
    pub(crate) fn read(
        &self,
        offset: i64,
        bounds: &ReadBounds,
    ) -> Result<Option<Bytes>, ScanError> {
        let size = self.size();
        let mut position = self.position_before(offset)?;
        loop {
            if position >= size {
                return Ok(None);
            }
            let wanted = bounds.max_bytes.saturating_add(READ_AHEAD_BYTES);
            let wanted = (size - position).min(wanted as u64) as usize;
            let buffer = files::read_at(&self.log, position, wanted)?;
            match find_start(&buffer, offset)? {
                Found::At(start) => return self.finish(buffer, position, start, bounds).map(Some),
                Found::Beyond(0) => return Err(cut(BATCH_HEADER_BYTES, buffer.len())),
                Found::Beyond(skip) => position += skip,
            }
        }
    }

    /// Cuts `buffer` to the batches from `start` on that are within bounds.
    fn finish(
        &self,
        buffer: Vec<u8>,
        position: u64,
        start: usize,
        bounds: &ReadBounds,
    ) -> Result<Bytes, ScanError> {
        let mut end = start;
        while let Ok(header) = BatchHeader::parse(&buffer[end..]) {
            let next = end.saturating_add(header.size_bytes);
            if header.base_offset >= bounds.end_offset || next - start > bounds.max_bytes {
                break;
            }
            if next > buffer.len() {
                break;
            }
            end = next;
        }
        if end > start {
            return Ok(Bytes::from(buffer).slice(start..end));
        }
        let first = BatchHeader::parse(&buffer[start..])?;
        if !bounds.at_least_one || first.base_offset >= bounds.end_offset {
            return Ok(Bytes::new());
        }
        if let Some(end) = start.checked_add(first.size_bytes).filter(|end| *end <= buffer.len()) {
            return Ok(Bytes::from(buffer).slice(start..end));
        }
        let position = position + start as u64;
        let left = self.size().saturating_sub(position);
        if first.size_bytes as u64 > left {
            return Err(cut(first.size_bytes, left as usize));
        }
        let batch = files::read_at(&self.log, position, first.size_bytes)?;
        if batch.len() < first.size_bytes {
            return Err(cut(first.size_bytes, batch.len()));
        }
        Ok(Bytes::from(batch))
    }

    /// Removes everything from `position` on; `end_offset` is what remains below.
    pub(crate) fn truncate(&self, position: u64, end_offset: i64) -> Result<(), ScanError> {
        self.size.store(position, Ordering::Release);
        self.log.set_len(position)?;
        self.needs_sync.store(true, Ordering::Release);
        self.offsets.truncate(|entry| u64::from(entry.position) < position)?;
        self.times.truncate(|entry| entry.offset < end_offset)?;
        self.aborts.truncate(end_offset)?;
        let from = match self.times.last() {
            None => 0,
            Some(entry) => self.position_before(entry.offset)?,
        };
        *self.newest() = self.times.last();
        let mut scanner = self.headers_from(from);
        let mut newest = self.newest();
        while let Some(batch) = scanner.next()? {
            note_newest(&mut newest, &batch.header);
        }
        if position == 0 {
            self.first_timestamp_ms.store(NO_TIMESTAMP, Ordering::Relaxed);
        }
        Ok(())
    }

    // A panic while the lock is held cannot leave a half-written value.
    fn newest(&self) -> std::sync::MutexGuard<'_, Option<TimeEntry>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch that compaction emptied has no timestamps to be found by.
fn note_newest(newest: &mut Option<TimeEntry>, header: &BatchHeader) {
    let timestamp_ms = header.max_timestamp_ms;
    if header.record_count > 0 && newest.is_none_or(|newest| timestamp_ms > newest.timestamp_ms) {
        *newest = Some(TimeEntry { timestamp_ms, offset: header.last_offset() });
    }
}

enum Found {
    /// The first batch that ends at or after the offset starts here.
    At(usize),
    /// It is not in the buffer; go on this many bytes further.
    Beyond(u64),
}

fn find_start(buffer: &[u8], offset: i64) -> Result<Found, ScanError> {
    let mut at: usize = 0;
    loop {
        if buffer.len() - at.min(buffer.len()) < BATCH_HEADER_BYTES {
            return Ok(Found::Beyond(at as u64));
        }
        let header = BatchHeader::parse(&buffer[at..])?;
        if header.last_offset() >= offset {
            return Ok(Found::At(at));
        }
        at += header.size_bytes;
    }
}

fn cut(needed: usize, available: usize) -> ScanError {
    BatchError::Truncated { needed: needed as u64, available: available as u64 }.into()
}
