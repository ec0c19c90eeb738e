//! [`Log`]: what one partition consists of, and its offsets.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError,
};

use tokio::sync::watch;

use super::batch::BatchHeader;
use super::config::LogConfig;
use super::epochs::LeaderEpochs;
use super::error::{Offline, Outage};
use super::flush::FlushState;
use super::producers::{Producer, Producers};
use super::segment::Segment;
use super::verification::Verification;

/// The durable log of one partition.
///
/// All methods take `&self`: one appender at a time, any number of readers. Lock
/// order is in `DESIGN.md`, section 12.
#[derive(Debug)]
pub struct Log {
    pub(super) dir: PathBuf,
    /// The folder itself, for its fsync: where a failed fsync takes the partition
    /// offline, a lack of descriptors must not look like one.
    pub(super) folder: File,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) config: RwLock<Arc<LogConfig>>,
    /// Retention, cleaning, truncation and close exclude each other.
    pub(super) maintenance: Mutex<Maintenance>,
    pub(super) appender: Mutex<Appender>,
    pub(super) segments: RwLock<Segments>,
    /// How often segments have left the list, by retention or compaction.
    pub(super) segments_left: AtomicU64,
    /// Reads hold it shared; truncation, which overwrites bytes, holds it alone.
    pub(super) truncation: RwLock<()>,
    /// The newest leader epoch when it was opened.
    pub(super) newest_epoch_found: Option<i32>,
    pub(super) log_start: AtomicI64,
    /// Held while the log start is compared, stored and published.
    pub(super) log_start_moves: Mutex<()>,
    pub(super) log_end: AtomicI64,
    pub(super) high_watermark: AtomicI64,
    pub(super) last_stable: AtomicI64,
    /// Whether the high watermark follows the log end: no other replica has a say.
    pub(super) sole_replica: AtomicBool,
    pub(super) ends: watch::Sender<LogEnds>,
    pub(super) flush: FlushState,
    /// Set when the log is about to close: a running compaction gives up.
    pub(super) closing: AtomicBool,
    pub(super) offline: OnceLock<Outage>,
}

/// All segments by base offset; the last is the active one. Never empty.
pub(super) type Segments = BTreeMap<i64, Arc<Segment>>;

/// What only the appender touches.
#[derive(Debug)]
pub(super) struct Appender {
    pub(super) active: Arc<Segment>,
    pub(super) next_offset: i64,
    pub(super) producers: Producers,
    pub(super) epochs: LeaderEpochs,
}

/// What only maintenance touches.
#[derive(Debug)]
pub(super) struct Maintenance {
    /// First offset that the cleaner has not seen.
    pub(super) first_dirty: i64,
}

/// Where a log ends, as waiting fetches want to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnds {
    /// Offset after the last record.
    pub log_end_offset: i64,
    /// Offset after the last record that consumers may see.
    pub high_watermark: i64,
    /// Offset after the last record that `read_committed` consumers may see.
    pub last_stable_offset: i64,
}

impl Log {
    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition's number.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The configs in force.
    #[must_use]
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the configs; holds from the next call on.
    pub fn set_config(&self, config: LogConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// First offset that may be read.
    #[must_use]
    pub fn log_start_offset(&self) -> i64 {
        self.log_start.load(Ordering::Acquire)
    }

    /// Offset after the last record.
    #[must_use]
    pub fn log_end_offset(&self) -> i64 {
        self.log_end.load(Ordering::Acquire)
    }

    /// Offset after the last record that consumers may see.
    #[must_use]
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark.load(Ordering::Acquire)
    }

    /// Offset after the last record that `read_committed` consumers may see: the
    /// first of the oldest open transaction, at most the high watermark.
    #[must_use]
    pub fn last_stable_offset(&self) -> i64 {
        self.last_stable.load(Ordering::Acquire)
    }

    /// Whether a producer has a transaction open here in this epoch.
    #[must_use]
    pub fn has_open_transaction(&self, producer_id: i64, producer_epoch: i16) -> bool {
        self.lock_appender().producers.has_open_transaction(producer_id, producer_epoch)
    }

    /// To be taken before the coordinator is asked about a transaction which this
    /// batch would begin, and handed over with it.
    #[must_use]
    pub fn begin_verification(&self, batch: &BatchHeader, now_ms: i64) -> Verification {
        let mut appender = self.lock_appender();
        appender.producers.begin_verification(batch, now_ms);
        Verification::at(appender.next_offset)
    }

    /// Says whether the high watermark follows the log end by itself, which holds
    /// after open, or is moved by replication with [`Log::set_high_watermark`].
    pub fn set_sole_replica(&self, sole: bool) {
        let mut appender = self.lock_appender();
        self.sole_replica.store(sole, Ordering::Release);
        self.publish(&mut appender);
    }

    /// Moves the high watermark, bounded by the log's start and end.
    pub fn set_high_watermark(&self, offset: i64) {
        let mut appender = self.lock_appender();
        let offset = offset.min(self.log_end_offset()).max(self.log_start_offset());
        self.high_watermark.store(offset, Ordering::Release);
        self.settle_transactions(&mut appender);
        self.notify();
    }

    /// Follows log end and high watermark: a long-poll fetch waits on it.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<LogEnds> {
        self.ends.subscribe()
    }

    /// Bytes of all segments' logs.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.segments().values().map(|segment| segment.size()).sum()
    }

    /// About how many bytes a read from `offset` on may bring, which are of one segment:
    /// as many of it as of its offsets.
    #[must_use]
    pub fn bytes_ahead(&self, offset: i64) -> u64 {
        let segments = self.segments();
        let Some((base, segment)) = segments.range(..=offset).next_back() else { return 0 };
        let after = (std::ops::Bound::Excluded(*base), std::ops::Bound::Unbounded);
        let next = segments.range(after).next().map(|(next, _)| *next);
        let end = next.unwrap_or_else(|| self.log_end_offset());
        let share = (end - offset).max(0) as f64 / (end - base).max(1) as f64;
        (segment.size() as f64 * share) as u64
    }

    /// How many segments there are, the active one included.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.segments().len()
    }

    /// The newest leader epoch that was found when the log was opened, be there records
    /// of it or not.
    #[must_use]
    pub fn newest_epoch_found(&self) -> Option<i32> {
        self.newest_epoch_found
    }

    /// The newest leader epoch.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<i32> {
        self.lock_appender().epochs.latest()
    }

    /// This broker leads in `epoch` from the log end on, be there records or not.
    pub fn begin_leader_epoch(&self, epoch: i32) {
        let mut appender = self.lock_appender();
        let next_offset = appender.next_offset;
        appender.epochs.note(epoch, next_offset);
    }

    /// The largest leader epoch not above `epoch`, and the offset where it ended:
    /// OffsetForLeaderEpoch. `None` if `epoch` is newer than all.
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let appender = self.lock_appender();
        appender.epochs.end_of(epoch, appender.next_offset)
    }

    /// Every idempotent producer that is remembered: DescribeProducers.
    #[must_use]
    pub fn producers(&self) -> Vec<(i64, Producer)> {
        let appender = self.lock_appender();
        appender.producers.iter().map(|(id, producer)| (id, producer.clone())).collect()
    }

    /// Forgets producers that were silent for `after_ms`
    /// (`producer.id.expiration.ms`). Returns how many.
    pub fn expire_producers(&self, now_ms: i64, after_ms: i64) -> usize {
        self.lock_appender().producers.expire(now_ms, after_ms)
    }

    /// Why the partition takes no more calls, if it does not.
    ///
    /// # Errors
    /// [`Offline`] after a failed fsync, a failed clean-up of a failed write,
    /// [`Log::close`] and [`Log::delete`].
    pub fn check_online(&self) -> Result<(), Offline> {
        match self.offline.get() {
            None => Ok(()),
            Some(outage) => Err(Offline { partition: self.name(), outage: outage.clone() }),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.topic, self.partition)
    }

    /// Takes the partition offline; the first reason stays.
    pub(super) fn go_offline(&self, reason: impl std::fmt::Display) {
        let reason = reason.to_string();
        tracing::error!(partition = %self.name(), %reason, "partition goes offline");
        // The first reason is the cause, later ones its consequences.
        let _ = self.offline.set(Outage::Failed(reason));
        self.flush.wake();
        self.ends.send_modify(|_| {});
    }

    /// Makes a new log end visible and wakes who waits for it.
    pub(super) fn publish(&self, appender: &mut Appender) {
        let log_end_offset = appender.next_offset;
        self.log_end.store(log_end_offset, Ordering::Release);
        if self.sole_replica.load(Ordering::Acquire) || self.high_watermark() > log_end_offset {
            self.high_watermark.store(log_end_offset, Ordering::Release);
        }
        self.settle_transactions(appender);
        self.notify();
    }

    /// Brings the last stable offset to where high watermark and transactions are.
    pub(super) fn settle_transactions(&self, appender: &mut Appender) {
        let high_watermark = self.high_watermark();
        appender.producers.replicated(high_watermark);
        // What lies below the log start holds nobody back: it cannot be read.
        let first_unstable = appender.producers.first_unstable_offset();
        let last_stable = first_unstable.map_or(high_watermark, |offset| {
            offset.max(self.log_start_offset()).min(high_watermark)
        });
        self.last_stable.store(last_stable, Ordering::Release);
    }

    fn notify(&self) {
        self.ends.send_replace(LogEnds {
            log_end_offset: self.log_end_offset(),
            high_watermark: self.high_watermark(),
            last_stable_offset: self.last_stable_offset(),
        });
    }

    /// The segment that holds `offset`, or the last one below it.
    pub(super) fn segment_at(&self, offset: i64) -> Option<Arc<Segment>> {
        self.segments().range(..=offset).next_back().map(|(_, segment)| Arc::clone(segment))
    }

    /// The segment after the one with this base offset.
    pub(super) fn segment_after(&self, base_offset: i64) -> Option<Arc<Segment>> {
        let after = (std::ops::Bound::Excluded(base_offset), std::ops::Bound::Unbounded);
        self.segments().range(after).next().map(|(_, segment)| Arc::clone(segment))
    }

    /// To be called with the list locked, once segments were taken out of it.
    pub(super) fn note_segments_left(&self) {
        self.segments_left.fetch_add(1, Ordering::AcqRel);
    }

    /// All segments as they are now.
    pub(super) fn segment_list(&self) -> Vec<Arc<Segment>> {
        self.segments().values().map(Arc::clone).collect()
    }

    // Every lock guards values that are whole after each statement, and an append
    // publishes last: a panic elsewhere leaves nothing half-done to be seen.

    pub(super) fn segments(&self) -> RwLockReadGuard<'_, Segments> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn segments_mut(&self) -> RwLockWriteGuard<'_, Segments> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_appender(&self) -> MutexGuard<'_, Appender> {
        self.appender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For work that is done for all partitions in turn: a compaction holds the lock for
    /// minutes, and the others must not wait for it.
    pub(super) fn try_lock_maintenance(&self) -> Option<MutexGuard<'_, Maintenance>> {
        match self.maintenance.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(super) fn lock_maintenance(&self) -> MutexGuard<'_, Maintenance> {
        self.maintenance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
