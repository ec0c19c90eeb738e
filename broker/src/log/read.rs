//! Read: whole batches from an offset on.

use std::sync::PoisonError;

use bytes::Bytes;

use super::error::{ReadError, scan_failure};
use super::files::Kind;
use super::partition::Log;
use super::segment::ReadBounds;

/// How far a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadUpTo {
    /// Consumers.
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
        // In this order: the high watermark read is never above the log end read.
        let high_watermark = self.high_watermark();
        let log_end_offset = self.log_end_offset();
        if offset < log_start_offset || offset > log_end_offset {
            return Err(ReadError::OffsetOutOfRange { offset, log_start_offset, log_end_offset });
        }
        let bounds = ReadBounds {
            max_bytes: limit.max_bytes,
            at_least_one: limit.at_least_one,
            end_offset: match limit.up_to {
                ReadUpTo::HighWatermark => high_watermark,
                ReadUpTo::LogEnd => log_end_offset,
            },
        };
        let batches = if offset >= bounds.end_offset {
            Bytes::new()
        } else {
            self.read_segments(offset, &bounds)?
        };
        Ok(Fetched { batches, high_watermark, log_start_offset, log_end_offset })
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
