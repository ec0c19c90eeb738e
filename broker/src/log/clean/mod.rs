//! Compaction: keeps the latest value of every key. `DESIGN.md`, section 11.
//!
//! [`Log::clean_once`] decides whether and what; `map` holds the offsets of keys,
//! `transactions` says what was aborted, `filter` what stays of a batch, `rewrite`
//! writes a group of segments anew and `swap` puts it in their place.

mod filter;
mod map;
mod rewrite;
pub(super) mod swap;
mod transactions;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::map::OffsetMap;
use self::transactions::{Part, TransactionWalk};
use super::batch::{self, NO_TIMESTAMP};
use super::checkpoint;
use super::codec::Codec;
use super::config::LogConfig;
use super::error::{Corruption, FileContext, FileError, MaintenanceError, scan_failure};
use super::files::{self, Kind};
use super::limits::{CLEANER_MAP_BYTES, CLEANER_ROLL_BYTES};
use super::partition::{Log, Maintenance};
use super::record::Records;
use super::segment::Segment;

/// How a cleaning may go about it.
#[derive(Debug, Clone, Copy)]
pub struct CleanOptions {
    /// Memory for the offset map, 24 bytes a key at three quarters full.
    pub map_bytes: usize,
}

impl Default for CleanOptions {
    fn default() -> Self {
        Self { map_bytes: CLEANER_MAP_BYTES }
    }
}

/// What a cleaning did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Segments that were rewritten.
    pub segments_before: usize,
    /// Segments in their place.
    pub segments_after: usize,
    /// Their bytes before.
    pub bytes_before: u64,
    /// Their bytes after.
    pub bytes_after: u64,
    /// Records that are gone.
    pub records_removed: u64,
    /// All below this offset is clean now.
    pub first_dirty_offset: i64,
}

/// The segments that a cleaning works on.
struct Plan {
    /// Not yet seen by the cleaner, from here...
    first_dirty: i64,
    /// ...to here, which may not be cleaned yet.
    end: i64,
    /// All segments below `end`, clean ones first.
    segments: Vec<Arc<Segment>>,
}

impl Log {
    /// Compacts the log if its topic is compacted and it is dirty enough, or its
    /// dirty records are older than `max.compaction.lag.ms`. `None` if there was
    /// nothing to do. Readers and appends go on meanwhile; [`Log::close`] makes it
    /// give up.
    ///
    /// # Errors
    /// When a file cannot be read or written; the log is as it was, or offline if
    /// the failure fell into the swap, which the next open then finishes.
    pub fn clean_once(
        &self,
        now_ms: i64,
        options: &CleanOptions,
    ) -> Result<Option<Cleaned>, MaintenanceError> {
        let config = self.config();
        if !config.cleanup_policy.compact {
            return Ok(None);
        }
        let mut maintenance = self.lock_maintenance();
        self.check_online()?;
        self.roll_for_cleaning(&maintenance, &config, now_ms)?;
        let Some(plan) = self.plan(&maintenance, &config, now_ms) else { return Ok(None) };
        // Segments must be durable before they are merged: recovery scans what is
        // above the recovery point, and there it takes no gaps.
        self.flush_now()?;
        self.checkpoint_recovery_point()?;

        let (map, map_end) = self.map_keys(&plan, options)?;
        if map_end <= plan.first_dirty {
            return match self.closing.load(Ordering::Acquire) {
                true => Ok(None),
                false => Err(MaintenanceError::MapTooSmall { map_bytes: options.map_bytes }),
            };
        }
        let Some(cleaned) = self.rewrite_groups(&plan, &map, map_end, &config, now_ms)? else {
            return Ok(None);
        };
        self.store_first_dirty(&mut maintenance, map_end)?;
        tracing::debug!(partition = %self.name(), ?cleaned, "compacted");
        Ok(Some(cleaned))
    }

    /// First offset that no cleaning has seen.
    #[must_use]
    pub fn first_dirty_offset(&self) -> i64 {
        self.lock_maintenance().first_dirty
    }

    pub(super) fn store_first_dirty(
        &self,
        maintenance: &mut Maintenance,
        offset: i64,
    ) -> Result<(), FileError> {
        let path = self.dir.join(files::CLEANER);
        checkpoint::write_offset(&path, &self.topic, self.partition, offset).on("write", &path)?;
        maintenance.first_dirty = offset;
        Ok(())
    }

    /// Rolls an active segment that is worth cleaning, so that compaction also
    /// happens where segments never fill up.
    fn roll_for_cleaning(
        &self,
        maintenance: &Maintenance,
        config: &LogConfig,
        now_ms: i64,
    ) -> Result<(), FileError> {
        let mut appender = self.lock_appender();
        let active = Arc::clone(&appender.active);
        let size = active.size();
        if size == 0 {
            return Ok(());
        }
        // Not from the records' timestamps: of records of the past every segment
        // would be due at once, and one be rolled at each pass.
        let age_ms = now_ms.saturating_sub(active.created_ms());
        let due_by_age = age_ms > self.roll_after_ms(&active, config);
        let (clean, dirty) =
            self.clean_and_dirty_bytes(&self.segment_list(), maintenance.first_dirty);
        let due_by_size = size >= CLEANER_ROLL_BYTES.min(config.segment_bytes as u64)
            && is_dirty_enough(clean, dirty, config)
            && !is_too_young(&active, config, now_ms);
        if due_by_age || due_by_size { self.roll(&mut appender, now_ms) } else { Ok(()) }
    }

    /// Bytes of the segments wholly below `first_dirty`, and of the others.
    fn clean_and_dirty_bytes(&self, segments: &[Arc<Segment>], first_dirty: i64) -> (u64, u64) {
        let (mut clean, mut dirty) = (0, 0);
        for (index, segment) in segments.iter().enumerate() {
            match segments.get(index + 1) {
                Some(next) if next.base_offset() <= first_dirty => clean += segment.size(),
                _ => dirty += segment.size(),
            }
        }
        (clean, dirty)
    }

    fn plan(&self, maintenance: &Maintenance, config: &LogConfig, now_ms: i64) -> Option<Plan> {
        let first_dirty = maintenance.first_dirty.max(self.log_start_offset());
        let all = self.segment_list();
        let (active, closed) = all.split_last()?;
        let stable_end = self.last_stable_offset();
        let mut end = active.base_offset();
        let mut segments = Vec::with_capacity(closed.len());
        for (index, segment) in closed.iter().enumerate() {
            let segment_end = closed.get(index + 1).unwrap_or(active).base_offset();
            let dirty = segment_end > first_dirty;
            if segment_end > stable_end || (dirty && is_too_young(segment, config, now_ms)) {
                end = segment.base_offset();
                break;
            }
            segments.push(Arc::clone(segment));
        }
        if end <= first_dirty {
            return None;
        }
        let ends = segments.iter().skip(1).map(|next| next.base_offset()).chain([end]);
        let (mut clean_bytes, mut dirty_bytes, mut oldest_dirty_ms) = (0, 0, None);
        for (segment, segment_end) in segments.iter().zip(ends) {
            if segment_end <= first_dirty {
                clean_bytes += segment.size();
            } else {
                dirty_bytes += segment.size();
                oldest_dirty_ms.get_or_insert(segment.age_from_ms());
            }
        }
        let overdue = oldest_dirty_ms
            .is_some_and(|ms| now_ms.saturating_sub(ms) > config.max_compaction_lag_ms);
        (overdue || is_dirty_enough(clean_bytes, dirty_bytes, config)).then_some(Plan {
            first_dirty,
            end,
            segments,
        })
    }

    /// Maps the keys of the dirty part, until the map is full. Returns the offset
    /// below which all keys are in it.
    fn map_keys(
        &self,
        plan: &Plan,
        options: &CleanOptions,
    ) -> Result<(OffsetMap, i64), MaintenanceError> {
        let offsets = usize::try_from(plan.end - plan.first_dirty).unwrap_or(usize::MAX);
        let mut map = OffsetMap::new(offsets, options.map_bytes);
        let mut transactions = TransactionWalk::new(self);
        for segment in &plan.segments {
            let path = segment.path(Kind::Log);
            let start = segment.position_before(plan.first_dirty).on("read", &path)?;
            let mut scanner = segment.batches_from(start);
            loop {
                let position = scanner.position();
                let scanned = scanner.next().map_err(|error| {
                    scan_failure::<MaintenanceError>(error, path.clone(), position)
                })?;
                let Some(scanned) = scanned else { break };
                let header = scanned.header;
                if header.last_offset() < plan.first_dirty {
                    continue;
                }
                // An aborted record takes no other's place.
                let part = transactions.next(&header, scanned.bytes)?;
                if part != Part::Committed || header.is_control() {
                    continue;
                }
                let closing = self.closing.load(Ordering::Acquire);
                if closing || !map.has_room_for(header.record_count.max(0) as usize) {
                    return Ok((map, header.base_offset));
                }
                let corrupt = |reason: String| Corruption { file: path.clone(), position, reason };
                // This is the last look at these bytes before they are rewritten.
                batch::check_crc(&header, scanned.bytes).map_err(|e| corrupt(e.to_string()))?;
                let payload = Codec::from_id(header.codec_id())
                    .and_then(|codec| codec.decompress(batch::payload(&header, scanned.bytes)))
                    .map_err(|error| corrupt(error.to_string()))?;
                for record in Records::new(&header, &payload) {
                    let record = record.map_err(|error| corrupt(error.to_string()))?;
                    if let Some(key) = record.key {
                        map.put(key, record.offset);
                    }
                }
            }
        }
        Ok((map, plan.end))
    }
}

fn is_dirty_enough(clean_bytes: u64, dirty_bytes: u64, config: &LogConfig) -> bool {
    let all = (clean_bytes + dirty_bytes) as f64;
    dirty_bytes > 0 && dirty_bytes as f64 > all * config.min_cleanable_dirty_ratio
}

fn is_too_young(segment: &Segment, config: &LogConfig, now_ms: i64) -> bool {
    let newest_ms = segment.newest_entry().map_or(NO_TIMESTAMP, |newest| newest.timestamp_ms);
    config.min_compaction_lag_ms > 0
        && newest_ms > now_ms.saturating_sub(config.min_compaction_lag_ms)
}
