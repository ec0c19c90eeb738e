//! What stays of a batch. No files here: bytes in, bytes out.

use std::collections::HashMap;

use super::map::OffsetMap;
use crate::log::batch::{self, BatchHeader};
use crate::log::builder::BatchBuilder;
use crate::log::codec::Codec;
use crate::log::record::{Record, Records};

/// What holds for every batch of one cleaning.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    /// The last offset of each key that is written below `map_end`.
    pub(super) map: &'a OffsetMap,
    /// Records from here on were not looked at and all stay.
    pub(super) map_end: i64,
    pub(super) now_ms: i64,
    pub(super) delete_retention_ms: i64,
    /// Last offset of each producer whose state lives.
    pub(super) producers: &'a HashMap<i64, i64>,
    /// Last offset of the group: its batch stays, if only as an empty one.
    pub(super) group_last_offset: i64,
}

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is copied as it is.
    Keep,
    /// It is gone, with so many records.
    Drop(i32),
    /// These bytes take its place, with so many records fewer.
    Replace(Vec<u8>, i32),
}

impl Rules<'_> {
    /// Decides what stays of one whole batch.
    ///
    /// # Errors
    /// The reason when the batch cannot be opened.
    pub(super) fn judge(&self, header: &BatchHeader, bytes: &[u8]) -> Result<Fate, String> {
        // Markers are kept until transactions have their own rule for them.
        if header.base_offset >= self.map_end || header.is_control() {
            return Ok(Fate::Keep);
        }
        if header.record_count == 0 {
            return Ok(if self.outlives_its_records(header) { Fate::Keep } else { Fate::Drop(0) });
        }
        let codec = Codec::from_id(header.codec_id()).map_err(|error| error.to_string())?;
        let payload =
            codec.decompress(batch::payload(header, bytes)).map_err(|error| error.to_string())?;
        let (mut stay, mut tombstones) = (0, false);
        for record in Records::new(header, &payload) {
            let record = record.map_err(|error| error.to_string())?;
            if self.stays(header, &record) {
                stay += 1;
                tombstones |= record.value.is_none();
            }
        }
        let removed = header.record_count - stay;
        if stay == 0 && !self.outlives_its_records(header) {
            return Ok(Fate::Drop(removed));
        }
        let new_horizon_ms = (tombstones && header.delete_horizon_ms().is_none())
            .then(|| self.now_ms.saturating_add(self.delete_retention_ms));
        if removed == 0 && new_horizon_ms.is_none() {
            return Ok(Fate::Keep);
        }
        let mut builder = BatchBuilder::replacing(header, codec, new_horizon_ms);
        for record in Records::new(header, &payload).flatten() {
            if self.stays(header, &record) {
                builder.keep(&record);
            }
        }
        let replacement = builder.build().map_err(|error| error.to_string())?;
        Ok(Fate::Replace(replacement, removed))
    }

    fn stays(&self, header: &BatchHeader, record: &Record<'_>) -> bool {
        if record.offset >= self.map_end {
            return true;
        }
        // Written before the topic was compacted: there is nothing to keep it under.
        let Some(key) = record.key else { return false };
        let newest = self.map.get(key).is_none_or(|last| record.offset >= last);
        let readable = record.value.is_some()
            || header.delete_horizon_ms().is_none_or(|horizon_ms| self.now_ms < horizon_ms);
        newest && readable
    }

    fn outlives_its_records(&self, header: &BatchHeader) -> bool {
        header.last_offset() == self.group_last_offset
            || (header.has_producer_id()
                && self.producers.get(&header.producer_id) == Some(&header.last_offset()))
    }
}
