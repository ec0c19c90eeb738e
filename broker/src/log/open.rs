//! Open: load what was closed cleanly, recover what was not.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use tokio::sync::watch;

use super::batch;
use super::checkpoint;
use super::clean::swap;
use super::close::{parse_dir_name, read_marker};
use super::config::LogConfig;
use super::epochs::LeaderEpochs;
use super::error::{Corruption, FileContext, FileError, OpenError, scan_failure};
use super::files::{self, Kind};
use super::flush::FlushState;
use super::marker::Marker;
use super::partition::{Appender, Log, LogEnds, Maintenance, Segments};
use super::producers::Producers;
use super::scan::ScanError;
use super::segment::Segment;
use super::snapshot;

/// What opening a log had to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// It was closed cleanly and nothing was scanned.
    pub clean_shutdown: bool,
    /// Bytes of segments that were read and checked.
    pub scanned_bytes: u64,
    /// What was cut off its end, if anything was.
    pub torn_tail: Option<TornTail>,
}

/// Bytes above the recovery point that were not whole, and are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment's log.
    pub file: PathBuf,
    /// Position from which it was cut.
    pub position: u64,
    /// Bytes that were cut, in this and all later segments.
    pub cut_bytes: u64,
    /// The log end after the cut.
    pub log_end_offset: i64,
    /// What was wrong with the first bytes that were cut.
    pub reason: String,
}

/// A scanned segment.
struct Scan {
    segment: Segment,
    end_offset: i64,
    /// Position and reason of the first bad batch.
    bad: Option<(u64, String)>,
}

/// The segments of a folder and where they end.
struct Loaded {
    segments: Segments,
    end_offset: i64,
    recovery: Recovery,
}

/// What the small files of a folder say.
struct Folder<'a> {
    dir: &'a Path,
    recovery_point: i64,
    marker: Option<i64>,
    /// Below it compaction may have left gaps between batches.
    first_dirty: i64,
    index_interval_bytes: i32,
    now_ms: i64,
}

impl Log {
    /// Opens the log in `dir`, named `topic-partition`, and makes the folder if it
    /// is not there. What was not closed cleanly is recovered: see `DESIGN.md`,
    /// section 9.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or when records below the
    /// recovery point are damaged.
    pub fn open(dir: &Path, config: LogConfig, now_ms: i64) -> Result<(Self, Recovery), OpenError> {
        let (topic, partition) = dir
            .file_name()
            .and_then(|name| parse_dir_name(name.to_str()?))
            .map(|(topic, partition)| (topic.to_owned(), partition))
            .ok_or_else(|| OpenError::Name(dir.to_owned()))?;
        create_dir(dir)?;
        swap::finish::<OpenError>(dir)?;
        let offset_of = |name: &str| {
            let path = dir.join(name);
            checkpoint::read_offset(&path).on("read", &path)
        };
        let checkpointed = offset_of(files::RECOVERY_POINT)?;
        let log_start = offset_of(files::LOG_START)?.unwrap_or(0);
        let first_dirty = offset_of(files::CLEANER)?.unwrap_or(0);
        let folder = Folder {
            dir,
            recovery_point: checkpointed.unwrap_or(0),
            marker: read_marker(dir).on("read the clean-shutdown marker of", dir)?,
            first_dirty,
            index_interval_bytes: config.index_interval_bytes,
            now_ms,
        };
        let mut epochs = LeaderEpochs::open(dir).on("read the leader epochs of", dir)?;
        let mut loaded = folder.load(&mut epochs)?;
        folder.ensure_active(&mut loaded, log_start)?;
        let Loaded { segments, end_offset, recovery } = loaded;

        let (first, active) = match (segments.first_key_value(), segments.last_key_value()) {
            (Some((first, _)), Some((_, active))) => (*first, Arc::clone(active)),
            _ => unreachable!("an active segment was just ensured"),
        };
        let log_start = log_start.max(first);
        // Also of one of which nothing is left.
        let newest_epoch = epochs.latest();
        let epochs_changed = epochs.truncate_end(end_offset) | epochs.truncate_start(log_start);
        if epochs_changed || recovery.scanned_bytes > 0 {
            epochs.save().on("write the leader epochs of", dir)?;
        }
        snapshot::retain(dir, |offset| offset <= end_offset)
            .on("remove producer snapshots in", dir)?;
        let mut producers = load_producers::<OpenError>(dir, &segments, end_offset)?;
        producers.replicated(end_offset);
        let log = Self {
            dir: dir.to_owned(),
            folder: File::open(dir).on("open", dir)?,
            topic,
            partition,
            config: RwLock::new(Arc::new(config)),
            maintenance: Mutex::new(Maintenance { first_dirty: first_dirty.min(end_offset) }),
            appender: Mutex::new(Appender { active, next_offset: end_offset, producers, epochs }),
            segments: RwLock::new(segments),
            segments_left: AtomicU64::new(0),
            truncation: RwLock::new(()),
            newest_epoch_found: newest_epoch,
            log_start: AtomicI64::new(log_start),
            log_start_moves: Mutex::new(()),
            log_end: AtomicI64::new(end_offset),
            high_watermark: AtomicI64::new(end_offset),
            last_stable: AtomicI64::new(end_offset),
            sole_replica: AtomicBool::new(true),
            ends: watch::Sender::new(LogEnds {
                log_end_offset: end_offset,
                high_watermark: end_offset,
                last_stable_offset: end_offset,
            }),
            flush: FlushState::new(end_offset, checkpointed.unwrap_or(0), now_ms),
            closing: AtomicBool::new(false),
            offline: OnceLock::new(),
        };
        log.settle_transactions(&mut log.lock_appender());
        if let Err(error) = log.checkpoint_recovery_point() {
            tracing::warn!(%error, "the next open may have to scan more");
        }
        let marker = dir.join(files::CLEAN_SHUTDOWN);
        files::remove(&marker).on("remove", &marker)?;
        files::sync_dir(dir).on("fsync", dir)?;
        Ok((log, recovery))
    }
}

fn create_dir(dir: &Path) -> Result<(), FileError> {
    if !dir.exists() {
        std::fs::create_dir_all(dir).on("create", dir)?;
        if let Some(parent) = dir.parent().filter(|parent| parent.exists()) {
            files::sync_dir(parent).on("fsync", parent)?;
        }
    }
    Ok(())
}

impl Folder<'_> {
    /// Loads all segments: trusting them if the marker fits, else scanning.
    fn load(&self, epochs: &mut LeaderEpochs) -> Result<Loaded, OpenError> {
        let bases = self.bases()?;
        if let Some(marked_end) = self.marker {
            let loaded = self.load_trusted(&bases)?;
            if loaded.end_offset == marked_end {
                return Ok(loaded);
            }
            tracing::warn!(
                dir = %self.dir.display(), marked_end, end_offset = loaded.end_offset,
                "the log is not as it was closed, it is scanned"
            );
        }
        self.load_scanned(&bases, epochs)
    }

    /// Base offsets of all segments; indexes that have none are removed.
    fn bases(&self) -> Result<Vec<i64>, OpenError> {
        let listed = files::list(self.dir).on("list", self.dir)?;
        let bases: Vec<i64> = listed
            .iter()
            .filter(|(_, kind, suffix)| *kind == Kind::Log && suffix.is_empty())
            .map(|(base, _, _)| *base)
            .collect();
        for (offset, kind, _) in listed {
            let orphan = matches!(kind, Kind::Index | Kind::TimeIndex | Kind::TxnIndex);
            if orphan && bases.binary_search(&offset).is_err() {
                let path = files::path_of(self.dir, offset, kind, "");
                files::remove(&path).on("remove", &path)?;
            }
        }
        Ok(bases)
    }

    fn load_trusted(&self, bases: &[i64]) -> Result<Loaded, OpenError> {
        let mut segments = Segments::new();
        let mut end_offset = 0;
        for base in bases {
            let segment = self.open_segment(*base, &segments)?;
            if Some(base) == bases.last() {
                end_offset =
                    segment.find_end_offset().map_err(|error| self.failure(error, *base, 0))?;
            }
            segments.insert(*base, Arc::new(segment));
        }
        let recovery = Recovery { clean_shutdown: true, scanned_bytes: 0, torn_tail: None };
        Ok(Loaded { segments, end_offset, recovery })
    }

    /// Opens a trusted segment; `before` holds all segments below it.
    fn open_segment(&self, base: i64, before: &Segments) -> Result<Segment, OpenError> {
        let opened = Segment::open(self.dir, base, self.now_ms)
            .map_err(|error| self.failure(error, base, 0))?;
        if let Some(segment) = opened {
            return Ok(segment);
        }
        tracing::info!(dir = %self.dir.display(), base, "rebuilding the indexes of a segment");
        let mut producers = load_producers::<OpenError>(self.dir, before, base)?;
        Segment::rebuild(self.dir, base, self.index_interval_bytes, &mut producers, self.now_ms)
            .map_err(|error| self.failure(error, base, 0))
    }

    fn failure(&self, error: ScanError, base: i64, position: u64) -> OpenError {
        scan_failure(error, files::path_of(self.dir, base, Kind::Log, ""), position)
    }

    fn load_scanned(&self, bases: &[i64], epochs: &mut LeaderEpochs) -> Result<Loaded, OpenError> {
        let mut recovery = Recovery { clean_shutdown: false, scanned_bytes: 0, torn_tail: None };
        let mut segments = Segments::new();
        let mut end_offset = bases.first().copied().unwrap_or(0);
        // Who had a transaction open where the scan begins, and from there on.
        let mut producers = None;
        for (index, base) in bases.iter().enumerate() {
            let next_base = bases.get(index + 1).copied();
            if next_base.is_some_and(|next| next <= self.recovery_point) {
                segments.insert(*base, Arc::new(self.open_segment(*base, &segments)?));
                continue;
            }
            let producers = match &mut producers {
                Some(producers) => producers,
                None => producers.insert(load_producers::<OpenError>(self.dir, &segments, *base)?),
            };
            let scan = self.scan(*base, next_base, epochs, producers)?;
            end_offset = scan.end_offset;
            if let Some((position, reason)) = scan.bad {
                let file = scan.segment.path(Kind::Log);
                if end_offset < self.recovery_point {
                    return Err(Corruption { file, position, reason }.into());
                }
                let cut_bytes =
                    self.cut(&scan.segment, position, end_offset, &bases[index + 1..])?;
                let log_end_offset = end_offset;
                let tail = TornTail { file, position, cut_bytes, log_end_offset, reason };
                tracing::warn!(?tail, "a torn tail was cut");
                recovery.torn_tail = Some(tail);
            }
            recovery.scanned_bytes += scan.segment.size();
            let path = scan.segment.path(Kind::Log);
            scan.segment.seal().on("write the indexes of", &path)?;
            scan.segment.sync(true).on("fsync", &path)?;
            segments.insert(*base, Arc::new(scan.segment));
            if recovery.torn_tail.is_some() {
                break;
            }
        }
        if end_offset < self.recovery_point {
            let base = segments.last_key_value().map_or(0, |(base, _)| *base);
            return Err(Corruption {
                file: files::path_of(self.dir, base, Kind::Log, ""),
                position: segments.last_key_value().map_or(0, |(_, segment)| segment.size()),
                reason: format!(
                    "the log ends at offset {end_offset}, below its recovery point {}",
                    self.recovery_point
                ),
            }
            .into());
        }
        files::sync_dir(self.dir).on("fsync", self.dir)?;
        Ok(Loaded { segments, end_offset, recovery })
    }

    /// Reads every batch of a segment and fills its indexes, up to the first that
    /// is not what an appender would have written.
    fn scan(
        &self,
        base: i64,
        next_base: Option<i64>,
        epochs: &mut LeaderEpochs,
        producers: &mut Producers,
    ) -> Result<Scan, OpenError> {
        let path = files::path_of(self.dir, base, Kind::Log, "");
        let segment = Segment::open_for_rebuild(self.dir, base, self.now_ms).on("open", &path)?;
        let mut end_offset = base;
        let mut bad = None;
        let mut scanner = segment.batches_from(0);
        loop {
            let position = scanner.position();
            let fault = match scanner.next() {
                Ok(None) => break,
                Ok(Some(scanned)) => {
                    let header = scanned.header;
                    let judged = header
                        .check_shape()
                        .and_then(|()| batch::check_crc(&header, scanned.bytes));
                    match judged {
                        Ok(()) if !self.follows(header.base_offset, end_offset) => format!(
                            "its base offset is {}, where {end_offset} comes next",
                            header.base_offset
                        ),
                        Ok(()) if next_base.is_some_and(|next| header.last_offset() >= next) => {
                            "its offsets overlap the next segment".to_owned()
                        }
                        Ok(()) if header.last_offset() - base > i64::from(i32::MAX) => {
                            "its offset is too large for the segment".to_owned()
                        }
                        Ok(()) => {
                            segment.note(&header, position, self.index_interval_bytes);
                            segment
                                .note_transaction(&header, scanned.bytes, producers)
                                .on("write the transaction index of", &path)?;
                            epochs.note(header.leader_epoch, header.base_offset);
                            end_offset = header.next_offset();
                            continue;
                        }
                        Err(error) => error.to_string(),
                    }
                }
                Err(ScanError::Batch(error)) => error.to_string(),
                Err(error) => return Err(self.failure(error, base, position)),
            };
            bad = Some((position, fault));
            break;
        }
        drop(scanner);
        Ok(Scan { segment, end_offset, bad })
    }

    /// Whether a batch may stand at `base_offset` when `expected` comes next.
    fn follows(&self, base_offset: i64, expected: i64) -> bool {
        base_offset == expected || (expected..=self.first_dirty).contains(&base_offset)
    }

    /// Removes a torn tail and all later segments; returns the bytes removed.
    fn cut(
        &self,
        segment: &Segment,
        position: u64,
        end_offset: i64,
        later: &[i64],
    ) -> Result<u64, OpenError> {
        let mut cut_bytes = segment.size() - position;
        for base in later {
            let path = files::path_of(self.dir, *base, Kind::Log, "");
            cut_bytes += std::fs::metadata(&path).on("open", &path)?.len();
            swap::mark_deleted(self.dir, *base)?;
            swap::remove_deleted(self.dir, *base)?;
        }
        segment
            .truncate(position, end_offset)
            .map_err(|error| self.failure(error, segment.base_offset(), position))?;
        Ok(cut_bytes)
    }

    /// Makes an active segment if there is none, or if all of the log lies below
    /// its start (records were deleted, and what came after them was lost).
    fn ensure_active(&self, loaded: &mut Loaded, log_start: i64) -> Result<(), OpenError> {
        if !loaded.segments.is_empty() && loaded.end_offset >= log_start {
            return Ok(());
        }
        let segment = Segment::create(self.dir, log_start, "", self.now_ms)
            .on("create a segment in", self.dir)?;
        files::sync_dir(self.dir).on("fsync", self.dir)?;
        for base in loaded.segments.keys() {
            swap::mark_deleted(self.dir, *base)?;
            swap::remove_deleted(self.dir, *base)?;
        }
        // They tell of transactions whose ends may be among what was lost.
        snapshot::retain(self.dir, |_| false).on("remove producer snapshots in", self.dir)?;
        loaded.segments = Segments::from([(log_start, Arc::new(segment))]);
        loaded.end_offset = log_start;
        Ok(())
    }
}

/// The producers' state at `end_offset`, where `segments` end: the newest snapshot
/// and the batches above it.
pub(super) fn load_producers<E>(
    dir: &Path,
    segments: &Segments,
    end_offset: i64,
) -> Result<Producers, E>
where
    E: From<FileError> + From<Corruption>,
{
    let (from, mut producers) = snapshot::read_newest(dir, end_offset)
        .on("read the producer snapshots of", dir)?
        .unwrap_or_default();
    if from < end_offset {
        let first = segments.range(..=from).next_back().map_or(from, |(base, _)| *base);
        for segment in segments.range(first..).map(|(_, segment)| segment) {
            let path = segment.path(Kind::Log);
            let position = segment.position_before(from).on("read", &path)?;
            let mut scanner = segment.headers_from(position);
            loop {
                let position = scanner.position();
                match scanner.next() {
                    Ok(None) => break,
                    Ok(Some(batch)) if batch.header.base_offset >= from => {
                        let marker = Marker::parse(&batch.header, batch.bytes);
                        producers.note(&batch.header, marker.as_ref());
                    }
                    Ok(Some(_)) => {}
                    Err(error) => return Err(scan_failure(error, path, position)),
                }
            }
        }
    }
    Ok(producers)
}
