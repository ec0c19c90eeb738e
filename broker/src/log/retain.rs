//! Old records go: by age, by size, by DeleteRecords; and new ones, by truncation.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::checkpoint;
use super::clean::swap;
use super::config::LogConfig;
use super::error::{FileContext, FileError, MaintenanceError, scan_failure};
use super::files::{self, Kind};
use super::open::load_producers;
use super::partition::{Appender, Log};
use super::segment::Segment;
use super::snapshot;

impl Log {
    /// Deletes the segments that are due at `now_ms`; returns how many bytes went.
    /// Never deletes beyond the high watermark. With `cleanup.policy=compact`
    /// alone only what lies below the log start goes. While a compaction runs nothing
    /// goes: the next call deletes it.
    ///
    /// # Errors
    /// When files cannot be removed or the log start not be written.
    pub fn retain_once(&self, now_ms: i64) -> Result<u64, MaintenanceError> {
        let Some(_maintenance) = self.try_lock_maintenance() else { return Ok(0) };
        self.check_online()?;
        let config = self.config();
        let due = self.due_segments(&config, now_ms);
        let Some(last_due) = due.last() else { return Ok(0) };
        let mut new_start = self.segment_after(last_due.base_offset()).map(|s| s.base_offset());
        if new_start.is_none() {
            // All are due, the active one too: go on in an empty one.
            let mut appender = self.lock_appender();
            if appender.active.base_offset() == last_due.base_offset() {
                self.roll(&mut appender, now_ms)?;
                files::sync_dir(&self.dir).on("fsync", &self.dir)?;
            }
            new_start = self.segment_after(last_due.base_offset()).map(|s| s.base_offset());
        }
        let Some(new_start) = new_start else { return Ok(0) };
        self.advance_log_start(new_start)?;
        let deleted_bytes = due.iter().map(|segment| segment.size()).sum();
        self.remove_segments(&due)?;
        tracing::info!(
            partition = %self.name(), segments = due.len(), deleted_bytes, log_start = new_start,
            "retention deleted segments"
        );
        Ok(deleted_bytes)
    }

    /// The longest run of oldest segments that may all go.
    fn due_segments(&self, config: &LogConfig, now_ms: i64) -> Vec<Arc<Segment>> {
        let segments = self.segment_list();
        let (log_start, high_watermark) = (self.log_start_offset(), self.high_watermark());
        let log_end = self.log_end_offset();
        let mut left_bytes: u64 = segments.iter().map(|segment| segment.size()).sum();
        let by_age = config.cleanup_policy.delete && config.retention_ms >= 0;
        let by_size = config.cleanup_policy.delete && config.retention_bytes >= 0;
        let mut due = Vec::new();
        for (index, segment) in segments.iter().enumerate() {
            let is_active = index + 1 == segments.len();
            let end = segments.get(index + 1).map_or(log_end, |next| next.base_offset());
            if end > high_watermark || (is_active && segment.size() == 0) {
                break;
            }
            let old = by_age && now_ms.saturating_sub(segment.newest_ms()) > config.retention_ms;
            let after = left_bytes - segment.size();
            let too_much = by_size && after >= config.retention_bytes as u64;
            if !(old || too_much || end <= log_start) {
                break;
            }
            left_bytes = after;
            due.push(Arc::clone(segment));
        }
        due
    }

    fn remove_segments(&self, due: &[Arc<Segment>]) -> Result<(), FileError> {
        {
            let mut segments = self.segments_mut();
            for segment in due {
                segments.remove(&segment.base_offset());
            }
            self.note_segments_left();
        }
        for segment in due {
            swap::mark_deleted(&self.dir, segment.base_offset())?;
            crate::crash::point("log-retain-middle");
            swap::remove_deleted(&self.dir, segment.base_offset())?;
        }
        let first = self.segments().keys().next().copied().unwrap_or(0);
        snapshot::retain(&self.dir, |offset| offset >= first)
            .on("remove producer snapshots in", &self.dir)
    }

    /// Moves the log start up to `offset`, unless it is there already, and makes
    /// it durable.
    ///
    /// # Errors
    /// When a file cannot be written, or the log ended while this waited: its folder
    /// may be a namesake's by then.
    pub(super) fn advance_log_start(&self, offset: i64) -> Result<(), MaintenanceError> {
        {
            let _one_at_a_time = self.lock_log_start();
            self.check_online()?;
            if offset <= self.log_start_offset() {
                return Ok(());
            }
            self.store_log_start(offset)?;
        }
        let mut appender = self.lock_appender();
        self.check_online()?;
        self.publish(&mut appender);
        if appender.epochs.truncate_start(offset) {
            appender.epochs.save().on("write the leader epochs of", &self.dir)?;
        }
        Ok(())
    }

    /// Without it two deletions compare with the same start: the lower one then
    /// wins, and both write one temporary file.
    pub(super) fn lock_log_start(&self) -> MutexGuard<'_, ()> {
        self.log_start_moves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Under the lock of the log start.
    fn store_log_start(&self, offset: i64) -> Result<(), FileError> {
        let path = self.dir.join(files::LOG_START);
        checkpoint::write_offset(&path, &self.topic, self.partition, offset).on("write", &path)?;
        self.log_start.store(offset, Ordering::Release);
        Ok(())
    }

    /// DeleteRecords: nothing below `offset` is readable any more, also after a
    /// restart. Returns the new log start. The files go with the next retention.
    ///
    /// # Errors
    /// [`MaintenanceError::OffsetOutOfRange`] above the high watermark.
    pub fn delete_records_before(&self, offset: i64) -> Result<i64, MaintenanceError> {
        self.check_online()?;
        let (log_start_offset, high_watermark) = (self.log_start_offset(), self.high_watermark());
        if offset < 0 || offset > high_watermark {
            return Err(MaintenanceError::OffsetOutOfRange {
                offset,
                log_start_offset,
                high_watermark,
            });
        }
        self.advance_log_start(offset)?;
        Ok(self.log_start_offset())
    }

    /// Removes all records at or above `offset`, as a follower does whose leader
    /// has others there. A batch that `offset` lies within goes as a whole.
    ///
    /// # Errors
    /// When files cannot be changed; the log is offline after that.
    pub fn truncate_to(&self, offset: i64, now_ms: i64) -> Result<(), MaintenanceError> {
        let mut maintenance = self.lock_maintenance();
        let mut appender = self.lock_appender();
        self.check_online()?;
        if offset >= appender.next_offset {
            return Ok(());
        }
        let _no_flush = self.flush.pause();
        let _no_readers = self.truncation.write().unwrap_or_else(PoisonError::into_inner);
        let _start_stays = self.lock_log_start();
        // Both go first: neither must ever lie above the log end, which may become
        // the start of the batch that `offset` lies within.
        let floor = self.segment_at(offset).map_or(offset, |segment| segment.base_offset());
        let below_start = self.log_start_offset() > offset;
        if below_start {
            self.store_log_start(floor)?;
        }
        self.flush.limit(floor);
        if maintenance.first_dirty > floor {
            self.store_first_dirty(&mut maintenance, floor)?;
        }
        self.checkpoint_recovery_point()?;
        let truncated = self.truncate_files(&mut appender, offset, now_ms).and_then(|()| {
            // Nothing that DeleteRecords hid comes back.
            let end_offset = appender.next_offset;
            if below_start || self.log_start_offset() > end_offset {
                self.store_log_start(end_offset)?;
            }
            Ok(())
        });
        truncated.inspect_err(|error| {
            self.go_offline(format_args!("a truncation failed: {error}"));
        })
    }

    fn truncate_files(
        &self,
        appender: &mut Appender,
        offset: i64,
        now_ms: i64,
    ) -> Result<(), MaintenanceError> {
        let mut segments = self.segments_mut();
        let later = segments.split_off(&offset);
        for base in later.keys() {
            swap::mark_deleted(&self.dir, *base)?;
            swap::remove_deleted(&self.dir, *base)?;
        }
        let mut end_offset = offset;
        if let Some((base, last)) = segments.last_key_value() {
            let path = last.path(Kind::Log);
            let start = last.position_before(offset).on("read", &path)?;
            end_offset = *base;
            let mut cut_at = None;
            let mut scanner = last.headers_from(start);
            loop {
                let position = scanner.position();
                match scanner.next() {
                    Ok(Some(batch)) if batch.header.last_offset() >= offset => {
                        cut_at = Some(position);
                        end_offset = end_offset.max(batch.header.base_offset);
                        break;
                    }
                    Ok(Some(batch)) => end_offset = batch.header.next_offset(),
                    Ok(None) => break,
                    Err(error) => {
                        return Err(scan_failure(error, path, position));
                    }
                }
            }
            if let Some(position) = cut_at {
                last.truncate(position, end_offset)
                    .map_err(|error| scan_failure::<MaintenanceError>(error, path, position))?;
            } else {
                end_offset = offset;
            }
        } else {
            let segment = Segment::create(&self.dir, offset, "", now_ms)
                .on("create a segment in", &self.dir)?;
            segments.insert(offset, Arc::new(segment));
        }
        appender.active = segments
            .last_key_value()
            .map(|(_, segment)| Arc::clone(segment))
            .expect("one was made if none was left");
        snapshot::retain(&self.dir, |offset| offset <= end_offset)
            .on("remove producer snapshots in", &self.dir)?;
        appender.producers = load_producers::<MaintenanceError>(&self.dir, &segments, end_offset)?;
        drop(segments);
        appender.next_offset = end_offset;
        if appender.epochs.truncate_end(end_offset) {
            appender.epochs.save().on("write the leader epochs of", &self.dir)?;
        }
        self.flush.limit(end_offset);
        self.publish(appender);
        Ok(())
    }
}
