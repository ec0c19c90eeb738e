//! What stays of a batch. No files here: bytes in, bytes out.

use std::collections::HashMap;

use super::map::OffsetMap;
use super::transactions::Part;
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
    /// The batch that tells of each producer whose state lives.
    pub(super) producers: &'a HashMap<i64, LastBatch>,
    /// Last offset of the group: its batch stays, if only as an empty one.
    pub(super) group_last_offset: i64,
}

/// The batch by which a producer's state is known again after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastBatch {
    /// The one that ends at this offset.
    At(i64),
    /// It has sent nothing in its epoch: a marker of that.
    MarkerOfEpoch(i16),
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
    pub(super) fn judge(
        &self,
        header: &BatchHeader,
        bytes: &[u8],
        part: Part,
    ) -> Result<Fate, String> {
        if header.base_offset >= self.map_end {
            return Ok(Fate::Keep);
        }
        if header.record_count == 0 {
            return Ok(if self.outlives_its_records(header) { Fate::Keep } else { Fate::Drop(0) });
        }
        match part {
            Part::Aborted => return self.emptied(header),
            Part::IdleMarker => return self.judge_idle_marker(header, bytes),
            Part::Marker { .. } => return Ok(Fate::Keep),
            Part::Committed if header.is_control() => return Ok(Fate::Keep),
            Part::Committed => {}
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

    /// A marker without a transaction stays as long as a tombstone does: a reader
    /// that has seen records of it must find out how it ended.
    fn judge_idle_marker(&self, header: &BatchHeader, bytes: &[u8]) -> Result<Fate, String> {
        match header.delete_horizon_ms() {
            Some(horizon_ms) if self.now_ms < horizon_ms => Ok(Fate::Keep),
            Some(_) => self.emptied(header),
            None => {
                let horizon_ms = self.now_ms.saturating_add(self.delete_retention_ms);
                let mut builder = BatchBuilder::replacing(header, Codec::None, Some(horizon_ms));
                for record in Records::new(header, batch::payload(header, bytes)) {
                    builder.keep(&record.map_err(|error| error.to_string())?);
                }
                Ok(Fate::Replace(builder.build().map_err(|error| error.to_string())?, 0))
            }
        }
    }

    /// All of its records go; the batch too, unless it must outlive them.
    fn emptied(&self, header: &BatchHeader) -> Result<Fate, String> {
        if !self.outlives_its_records(header) {
            return Ok(Fate::Drop(header.record_count));
        }
        let empty = BatchBuilder::replacing(header, Codec::None, None).build();
        Ok(Fate::Replace(empty.map_err(|error| error.to_string())?, header.record_count))
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
            || match self.producers.get(&header.producer_id) {
                None => false,
                Some(LastBatch::At(offset)) => *offset == header.last_offset(),
                Some(LastBatch::MarkerOfEpoch(epoch)) => {
                    header.is_control() && header.producer_epoch == *epoch
                }
            }
    }
}
