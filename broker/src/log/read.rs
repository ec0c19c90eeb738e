//! Read: whole batches from an offset on.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::aborted::AbortedTransaction;
use super::batch::Batches;
use super::error::{FileContext, FileError, ReadError, scan_failure};
use super::files::Kind;
use super::partition::Log;
use super::segment::ReadBounds;

/// How far a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadUpTo {
    /// Consumers that are `read_committed`.
    LastStable,
    /// Other consumers.
    HighWatermark,
    /// Followers and the broker itself.
    LogEnd,
}

/// How much a read may return.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimit {
    /// Bytes of whole batches.
    pub max_bytes: usize,
    /// Return the first batch even if it alone is larger.
    pub at_least_one: bool,
    /// Where to stop.
    pub up_to: ReadUpTo,
}

/// What a read found. `batches` may begin before the offset asked for: the
/// whole batch that holds it is returned.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Whole batches, or nothing at the end of the log.
    pub batches: Bytes,
    /// Of a read up to the last stable offset: the aborted transactions whose
    /// records are among the batches, in the order of their markers.
    pub aborted: Vec<AbortedTransaction>,
    /// As it was before the read.
    pub last_stable_offset: i64,
    /// As it was before the read.
    pub high_watermark: i64,
    /// As it was before the read.
    pub log_start_offset: i64,
    /// As it was before the read.
    pub log_end_offset: i64,
}

impl Log {
    /// Reads whole batches, the first of which holds `offset` or, if compaction
    /// removed that, the next one there is. They come from one segment.
    ///
    /// # Errors
    /// [`ReadError::OffsetOutOfRange`] outside of log start to log end; at the log
    /// end itself nothing is returned.
    pub fn read(&self, offset: i64, limit: &ReadLimit) -> Result<Fetched, ReadError> {
        self.check_online()?;
        let _not_truncated = self.truncation.read().unwrap_or_else(PoisonError::into_inner);
        let log_start_offset = self.log_start_offset();
        // In this order: none of them is read above the next.
        let last_stable_offset = self.last_stable_offset();
        let high_watermark = self.high_watermark();
        let log_end_offset = self.log_end_offset();
        if offset < log_start_offset || offset > log_end_offset {
            return Err(ReadError::OffsetOutOfRange { offset, log_start_offset, log_end_offset });
        }
        let bounds = ReadBounds {
            max_bytes: limit.max_bytes,
            at_least_one: limit.at_least_one,
            end_offset: match limit.up_to {
                ReadUpTo::LastStable => last_stable_offset,
                ReadUpTo::HighWatermark => high_watermark,
                ReadUpTo::LogEnd => log_end_offset,
            },
        };
        let (batches, aborted) = if offset >= bounds.end_offset {
            (Bytes::new(), Vec::new())
        } else if limit.up_to == ReadUpTo::LastStable {
            self.read_committed(offset, &bounds)?
        } else {
            (self.read_segments(offset, &bounds)?, Vec::new())
        };
        Ok(Fetched {
            batches,
            aborted,
            last_stable_offset,
            high_watermark,
            log_start_offset,
            log_end_offset,
        })
    }

    /// Batches, and what was aborted of them.
    fn read_committed(
        &self,
        offset: i64,
        bounds: &ReadBounds,
    ) -> Result<(Bytes, Vec<AbortedTransaction>), ReadError> {
        loop {
            let segments_left = self.segments_left.load(Ordering::Acquire);
            let batches = self.read_segments(offset, bounds)?;
            let last = Batches::new(&batches).map_while(Result::ok).last();
            let Some((last, _)) = last else { return Ok((batches, Vec::new())) };
            let aborted = self.aborted_between(offset, last.next_offset())?;
            // Retention and compaction take the entries away with the records. The
            // records at hand must not outlive theirs.
            if self.segments_left.load(Ordering::Acquire) == segments_left {
                return Ok((batches, aborted));
            }
        }
    }

    /// The aborted transactions that touch the offsets from `from` up to `end`.
    pub(super) fn aborted_between(
        &self,
        from: i64,
        end: i64,
    ) -> Result<Vec<AbortedTransaction>, FileError> {
        let mut found = Vec::new();
        let mut next = self.segment_at(from);
        while let Some(segment) = next {
            let entries = segment.aborts().find(from, end, &mut found);
            if entries.on_file("read", || segment.path(Kind::TxnIndex))? {
                break;
            }
            next = self.segment_after(segment.base_offset());
        }
        Ok(found)
    }

    /// Bytes of the first batch that ends at or after `offset`, its header read
    /// alone. `None` at the end of the log.
    ///
    /// # Errors
    /// When a file cannot be read or holds what was not written there.
    pub fn batch_bytes_at(&self, offset: i64) -> Result<Option<usize>, ReadError> {
        self.check_online()?;
        let _not_truncated = self.truncation.read().unwrap_or_else(PoisonError::into_inner);
        let mut segment = self.segment_at(offset);
        while let Some(current) = segment {
            let path = || current.path(Kind::Log);
            let from = current.position_before(offset).on_file("read", path)?;
            let mut scanner = current.headers_from(from);
            let failed = |error| scan_failure::<ReadError>(error, path(), from);
            while let Some(batch) = scanner.next().map_err(failed)? {
                if batch.header.last_offset() >= offset {
                    return Ok(Some(batch.header.size_bytes));
                }
            }
            segment = self.segment_after(current.base_offset());
        }
        Ok(None)
    }

    fn read_segments(&self, offset: i64, bounds: &ReadBounds) -> Result<Bytes, ReadError> {
        // A retention that ran just now may have removed the first segments.
        let mut segment = match self.segment_at(offset) {
            Some(segment) => segment,
            None => {
                return Err(ReadError::OffsetOutOfRange {
                    offset,
                    log_start_offset: self.log_start_offset(),
                    log_end_offset: self.log_end_offset(),
                });
            }
        };
        loop {
            let found = segment.read(offset, bounds).map_err(|error| {
                let position = segment.position_before(offset).unwrap_or(0);
                scan_failure::<ReadError>(error, segment.path(Kind::Log), position)
            })?;
            if let Some(batches) = found {
                return Ok(batches);
            }
            match self.segment_after(segment.base_offset()) {
                Some(next) if next.base_offset() < bounds.end_offset => segment = next,
                _ => return Ok(Bytes::new()),
            }
        }
    }
}
