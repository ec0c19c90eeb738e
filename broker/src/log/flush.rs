//! Flush: one fsync at a time, which serves everyone who waits.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::checkpoint;
use super::config::LogConfig;
use super::error::{FileContext, FileError, MaintenanceError, Offline};
use super::files::{self, Kind};
use super::partition::Log;
use super::segment::Segment;
use crate::time_histogram::TimeHistogram;

/// How far the disk has it.
#[derive(Debug)]
pub(super) struct FlushState {
    /// Offset below which all is on disk: the recovery point. Watched by waiters.
    flushed: watch::Sender<i64>,
    /// Whether a flush for waiters is under way.
    busy: AtomicBool,
    /// One flush at a time.
    running: Mutex<()>,
    /// Segments that are no longer active but not yet on disk with their indexes.
    rolled: Mutex<Vec<Arc<Segment>>>,
    /// A segment that is no longer active came to disk, by whose flush ever, and
    /// [`Log::flush_once`] has yet to write that down.
    whole_segment: AtomicBool,
    /// Recovery point in the checkpoint file.
    checkpointed: AtomicI64,
    /// When records were last flushed, ms.
    last_flush_ms: AtomicI64,
    /// How long flushes took.
    times: TimeHistogram,
}

impl FlushState {
    pub(super) fn new(recovery_point: i64, checkpointed: i64, now_ms: i64) -> Self {
        Self {
            flushed: watch::Sender::new(recovery_point),
            busy: AtomicBool::new(false),
            running: Mutex::new(()),
            rolled: Mutex::new(Vec::new()),
            whole_segment: AtomicBool::new(false),
            checkpointed: AtomicI64::new(checkpointed),
            last_flush_ms: AtomicI64::new(now_ms),
            times: TimeHistogram::default(),
        }
    }

    /// A segment was rolled: it and the folder are to be synced by the next flush.
    pub(super) fn note_rolled(&self, segment: Arc<Segment>) {
        self.rolled.lock().unwrap_or_else(PoisonError::into_inner).push(segment);
    }

    /// Wakes all waiters to look again.
    pub(super) fn wake(&self) {
        self.flushed.send_modify(|_| {});
    }

    /// Waits for a running flush and holds off the next.
    pub(super) fn pause(&self) -> MutexGuard<'_, ()> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the recovery point back: records above it were removed.
    pub(super) fn limit(&self, end_offset: i64) {
        self.flushed.send_modify(|flushed| *flushed = (*flushed).min(end_offset));
    }
}

impl Log {
    /// Offset below which everything is on disk: the recovery point.
    #[must_use]
    pub fn flushed_offset(&self) -> i64 {
        *self.flush.flushed.borrow()
    }

    /// How long flushes took.
    pub(crate) fn flush_times(&self) -> &TimeHistogram {
        &self.flush.times
    }

    /// Whether `flush.messages` records or more wait for the disk.
    pub(super) fn flush_is_due(&self, next_offset: i64, config: &LogConfig) -> bool {
        config.flush_messages != i64::MAX
            && next_offset - self.flushed_offset() >= config.flush_messages
    }

    /// Waits until the record at `last_offset` is on disk. Everyone who waits at
    /// the same time is served by the same fsync, which runs on a blocking thread.
    /// Dropping the future is safe.
    ///
    /// # Errors
    /// [`Offline`] when the fsync failed: nothing is known of unsynced records then.
    pub async fn flushed(self: &Arc<Self>, last_offset: i64) -> Result<(), Offline> {
        let mut flushed = self.flush.flushed.subscribe();
        loop {
            if *flushed.borrow_and_update() > last_offset {
                return Ok(());
            }
            self.check_online()?;
            if !self.flush.busy.swap(true, Ordering::AcqRel) {
                let log = Arc::clone(self);
                tokio::task::spawn_blocking(move || {
                    // A failure has taken the log offline: waiters see it there.
                    let _ = log.flush_now();
                    log.flush.busy.store(false, Ordering::Release);
                    log.flush.wake();
                });
            }
            if flushed.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Flushes all records there are now, on this thread.
    ///
    /// # Errors
    /// When a file cannot be synced. The log is offline after that.
    pub fn flush_now(&self) -> Result<(), MaintenanceError> {
        let _one_at_a_time = self.flush.pause();
        self.check_online()?;
        let begun = Instant::now();
        let synced = self.sync_files();
        self.flush.times.record(begun.elapsed());
        if let Err(error) = synced {
            self.go_offline(format_args!("records may be lost since a flush failed: {error}"));
            return Err(error.into());
        }
        Ok(())
    }

    fn sync_files(&self) -> Result<(), FileError> {
        // Before the segments are listed: what is appended later may be missed.
        let end_offset = self.log_end_offset();
        let rolled = {
            let mut rolled = self.flush.rolled.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *rolled)
        };
        for segment in &rolled {
            segment.sync(true).on_file("fsync", || segment.path(Kind::Log))?;
        }
        if !rolled.is_empty() {
            self.folder.sync_all().on("fsync", &self.dir)?;
        }
        let flushed = self.flushed_offset();
        let from = self.segment_at(flushed).map_or(flushed, |segment| segment.base_offset());
        let unflushed: Vec<_> = self.segments().range(from..).map(|(_, s)| Arc::clone(s)).collect();
        let (active, rolled_since) =
            unflushed.split_last().expect("a log has a segment at its end");
        // These end below the new recovery point: after a crash nothing would
        // rebuild their indexes.
        for segment in rolled_since {
            segment.sync(true).on_file("fsync", || segment.path(Kind::Log))?;
        }
        if !rolled_since.is_empty() {
            self.folder.sync_all().on("fsync", &self.dir)?;
        }
        active.sync(false).on_file("fsync", || active.path(Kind::Log))?;
        self.flush.flushed.send_modify(|flushed| *flushed = (*flushed).max(end_offset));
        if !rolled.is_empty() || !rolled_since.is_empty() {
            self.flush.whole_segment.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// What the server calls every few seconds: flushes when `flush.ms` has
    /// passed or a segment was rolled. Once a whole segment is on disk it writes the
    /// recovery point down, so that a start after a crash need not read that again.
    ///
    /// # Errors
    /// When a file cannot be synced or the checkpoint not be written.
    pub fn flush_once(&self, now_ms: i64) -> Result<(), MaintenanceError> {
        let age_ms = now_ms.saturating_sub(self.flush.last_flush_ms.load(Ordering::Relaxed));
        let rolled = !self.flush.rolled.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if rolled || age_ms >= self.config().flush_ms {
            if self.flushed_offset() < self.log_end_offset() || rolled {
                self.flush_now()?;
            }
            self.flush.last_flush_ms.store(now_ms, Ordering::Relaxed);
        }
        match self.flush.whole_segment.swap(false, Ordering::AcqRel) {
            true => self.checkpoint_once(),
            false => Ok(()),
        }
    }

    /// What the server calls every minute: writes the recovery-point checkpoint if
    /// it lags. That takes two syncs, which a topic that is flushed for each request
    /// would feel if it were done more often. While a compaction runs it is left to
    /// the next call of [`Log::flush_once`].
    ///
    /// # Errors
    /// When the checkpoint cannot be written.
    pub fn checkpoint_once(&self) -> Result<(), MaintenanceError> {
        let Some(_maintenance) = self.try_lock_maintenance() else {
            self.flush.whole_segment.store(true, Ordering::Release);
            return Ok(());
        };
        self.check_online()?;
        self.checkpoint_recovery_point()
    }

    /// Writes the recovery-point checkpoint if it lags. Under the maintenance lock,
    /// so that it never overtakes a truncation.
    pub(super) fn checkpoint_recovery_point(&self) -> Result<(), MaintenanceError> {
        let flushed = self.flushed_offset();
        if self.flush.checkpointed.load(Ordering::Acquire) != flushed {
            crate::crash::point("log-flush-before-checkpoint");
            let path = self.dir.join(files::RECOVERY_POINT);
            checkpoint::write_offset(&path, &self.topic, self.partition, flushed)
                .on("write", &path)?;
            self.flush.checkpointed.store(flushed, Ordering::Release);
        }
        Ok(())
    }
}
