//! Offsets by timestamp, exact to the record: ListOffsets.

use std::cmp::Reverse;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::batch::{self, BatchHeader};
use super::error::{Corruption, FileContext, ReadError, scan_failure};
use super::files::Kind;
use super::limits::DECOMPRESSED_BYTES_MAX;
use super::partition::Log;
use super::record_heads::RecordHeads;
use super::segment::Segment;

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's timestamp in ms.
    pub timestamp_ms: i64,
    /// Its offset.
    pub offset: i64,
    /// The leader epoch it was appended in, if known.
    pub leader_epoch: Option<i32>,
}

/// A record found, its epoch not yet known.
#[derive(Debug, Clone, Copy)]
struct Found {
    timestamp_ms: i64,
    offset: i64,
}

impl Log {
    /// The first record whose timestamp is `timestamp_ms` or later.
    ///
    /// Opens the one batch that holds it, as far as the record; the indexes lead there.
    ///
    /// # Errors
    /// When a file cannot be read or holds what was not written there.
    pub fn offset_for_timestamp(
        &self,
        timestamp_ms: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        self.check_online()?;
        Ok(self.find_first(timestamp_ms)?.map(|found| self.located(found)))
    }

    fn find_first(&self, timestamp_ms: i64) -> Result<Option<Found>, ReadError> {
        let _not_truncated = self.truncation.read().unwrap_or_else(PoisonError::into_inner);
        let start = self.log_start_offset();
        for segment in self.segment_list() {
            let reaches = segment.newest_entry().is_some_and(|e| e.timestamp_ms >= timestamp_ms);
            if !reaches {
                continue;
            }
            let path = segment.path(Kind::Log);
            let from = segment.offset_before(timestamp_ms).on("read", &path)?.max(start);
            if let Some(found) = self
                .first_record(&segment, from, timestamp_ms, |record_ms| record_ms >= timestamp_ms)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The first record that has the greatest timestamp of the log.
    ///
    /// # Errors
    /// As [`Log::offset_for_timestamp`].
    pub fn offset_of_max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        self.check_online()?;
        Ok(self.find_newest()?.map(|found| self.located(found)))
    }

    fn find_newest(&self) -> Result<Option<Found>, ReadError> {
        let _not_truncated = self.truncation.read().unwrap_or_else(PoisonError::into_inner);
        let start = self.log_start_offset();
        let mut segments: Vec<_> = self
            .segment_list()
            .into_iter()
            .filter_map(|segment| Some((segment.newest_entry()?, segment)))
            .collect();
        // The newest first, so that the others need not be read.
        segments.sort_by_key(|(newest, _)| Reverse(newest.timestamp_ms));
        let mut best: Option<Found> = None;
        for (newest, segment) in segments {
            if best.is_some_and(|best| best.timestamp_ms > newest.timestamp_ms) {
                break;
            }
            let path = segment.path(Kind::Log);
            let from = segment.offset_before(newest.timestamp_ms).on("read", &path)?.max(start);
            let exact = |record_ms| record_ms == newest.timestamp_ms;
            let first = self.first_record(&segment, from, newest.timestamp_ms, exact)?;
            // The newest batch may be emptied by the cleaner or lie below the log
            // start: then it is among what is left.
            let found = match first {
                Some(first) => Some(first),
                None => self.max_by_scan(&segment, start)?,
            };
            let rank = |found: &Found| (found.timestamp_ms, Reverse(found.offset));
            best = best.into_iter().chain(found).max_by_key(rank);
        }
        Ok(best)
    }

    /// The first record from `from` on in a batch that reaches `timestamp_ms` and
    /// whose own timestamp `matches`.
    fn first_record(
        &self,
        segment: &Segment,
        from: i64,
        timestamp_ms: i64,
        matches: impl Fn(i64) -> bool,
    ) -> Result<Option<Found>, ReadError> {
        let mut found = None;
        self.visit(
            segment,
            from,
            |header, record_ms, offset| {
                if header.max_timestamp_ms >= timestamp_ms && matches(record_ms) {
                    found = Some(Found { timestamp_ms: record_ms, offset });
                }
                found.is_none()
            },
            |header| header.max_timestamp_ms >= timestamp_ms,
        )?;
        Ok(found)
    }

    fn max_by_scan(&self, segment: &Segment, from: i64) -> Result<Option<Found>, ReadError> {
        let mut best: Option<Found> = None;
        self.visit(
            segment,
            from,
            |_, record_ms, offset| {
                if best.is_none_or(|best| record_ms > best.timestamp_ms) {
                    best = Some(Found { timestamp_ms: record_ms, offset });
                }
                true
            },
            |_| true,
        )?;
        Ok(best)
    }

    /// Shows timestamp and offset of each record from `from` on, in the batches
    /// that `opens` wants opened, until `go_on` is false.
    fn visit(
        &self,
        segment: &Segment,
        from: i64,
        mut go_on: impl FnMut(&BatchHeader, i64, i64) -> bool,
        opens: impl Fn(&BatchHeader) -> bool,
    ) -> Result<(), ReadError> {
        let path = segment.path(Kind::Log);
        let end = self.log_end.load(Ordering::Acquire);
        let start = segment.position_before(from).on("read", &path)?;
        let mut scanner = segment.batches_from(start);
        loop {
            let position = scanner.position();
            let scanned = scanner
                .next()
                .map_err(|error| scan_failure::<ReadError>(error, path.clone(), position))?;
            let Some(scanned) = scanned else { return Ok(()) };
            let header = scanned.header;
            if header.base_offset >= end {
                return Ok(());
            }
            if header.last_offset() < from || header.record_count == 0 || !opens(&header) {
                continue;
            }
            let corrupt = |reason: String| Corruption { file: path.clone(), position, reason };
            let payload = batch::payload(&header, scanned.bytes);
            let mut records = RecordHeads::new(&header, payload, DECOMPRESSED_BYTES_MAX)
                .map_err(|error| corrupt(error.to_string()))?;
            while let Some(record) = records.next().map_err(|error| corrupt(error.to_string()))? {
                if record.offset >= from && !go_on(&header, record.timestamp_ms, record.offset) {
                    return Ok(());
                }
            }
        }
    }

    /// Takes the appender's lock, so never while a truncation is held off.
    fn located(&self, found: Found) -> TimestampOffset {
        let Found { timestamp_ms, offset } = found;
        let leader_epoch = self.lock_appender().epochs.epoch_of(offset);
        TimestampOffset { timestamp_ms, offset, leader_epoch }
    }
}
