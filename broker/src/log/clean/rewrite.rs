//! Rewrites groups of segments, each into one, and swaps it in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::filter::{Fate, LastBatch, Rules};
use super::map::OffsetMap;
use super::transactions::{Part, TransactionWalk};
use super::{Cleaned, Plan, swap};
use crate::log::batch::{self, BatchHeader};
use crate::log::config::LogConfig;
use crate::log::error::{Corruption, FileContext, FileError, MaintenanceError, scan_failure};
use crate::log::files::{self, CLEANED, Kind};
use crate::log::limits::SCAN_CHUNK_BYTES;
use crate::log::partition::Log;
use crate::log::segment::Segment;

/// A segment being written, with its newest batches still in memory.
struct Writer<'a> {
    segment: Segment,
    index_interval_bytes: i32,
    buffer: Vec<u8>,
    headers: Vec<BatchHeader>,
    log: &'a Log,
}

impl Writer<'_> {
    fn push(&mut self, batch: &[u8], header: BatchHeader) -> Result<(), FileError> {
        self.buffer.extend_from_slice(batch);
        self.headers.push(header);
        if self.buffer.len() >= SCAN_CHUNK_BYTES { self.write_out() } else { Ok(()) }
    }

    fn write_out(&mut self) -> Result<(), FileError> {
        // The file is ours alone: whether it could be cut back does not matter.
        let written = self.segment.write(&self.buffer).flatten();
        written.on_file("write the compacted", || self.segment.path(Kind::Log))?;
        self.segment.publish(&self.headers, self.index_interval_bytes);
        self.buffer.clear();
        self.headers.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Segment, FileError> {
        self.write_out()?;
        let path = self.segment.path(Kind::Log);
        self.segment.seal().on("write the indexes of the compacted", &path)?;
        self.segment.sync(true).on("fsync the compacted", &path)?;
        files::sync_dir(&self.log.dir).on("fsync", &self.log.dir)?;
        Ok(self.segment)
    }
}

impl Log {
    /// Rewrites all segments of the plan that begin below `map_end`. `None` when it
    /// gave up because the log is closing.
    pub(super) fn rewrite_groups(
        &self,
        plan: &Plan,
        map: &OffsetMap,
        map_end: i64,
        config: &LogConfig,
        now_ms: i64,
    ) -> Result<Option<Cleaned>, MaintenanceError> {
        let reached = plan.segments.partition_point(|segment| segment.base_offset() < map_end);
        let producers = self.last_batches_of_producers();
        let mut transactions = TransactionWalk::new(self);
        let mut cleaned = Cleaned { first_dirty_offset: map_end, ..Cleaned::default() };
        for group in groups(&plan.segments[..reached], plan.end, config) {
            let last = group.last().expect("groups are not empty");
            let group_end = last.find_end_offset().map_err(|error| {
                scan_failure::<MaintenanceError>(error, last.path(Kind::Log), 0)
            })?;
            let rules = Rules {
                map,
                map_end,
                now_ms,
                delete_retention_ms: config.delete_retention_ms,
                producers: &producers,
                group_last_offset: group_end - 1,
            };
            let rewritten = self.rewrite(group, &rules, &mut transactions, config, now_ms);
            if !matches!(rewritten, Ok(Some(_))) {
                swap::discard(&self.dir, group[0].base_offset())?;
            }
            let Some((segment, removed)) = rewritten? else { return Ok(None) };
            crate::crash::point("clean-after-write");
            cleaned.segments_before += group.len();
            cleaned.segments_after += 1;
            cleaned.bytes_before += group.iter().map(|segment| segment.size()).sum::<u64>();
            cleaned.bytes_after += segment.size();
            cleaned.records_removed += removed;
            self.swap_in(segment, group)?;
        }
        Ok(Some(cleaned))
    }

    fn last_batches_of_producers(&self) -> HashMap<i64, LastBatch> {
        let appender = self.lock_appender();
        let producers = appender.producers.iter();
        let last = producers.map(|(id, producer)| {
            let (data, marker) = (producer.last_offset(), producer.last_marker_offset);
            let last = match (data, marker) {
                (Some(offset), _) | (None, Some(offset)) => LastBatch::At(offset),
                (None, None) => LastBatch::MarkerOfEpoch(producer.epoch),
            };
            (id, last)
        });
        last.collect()
    }

    /// Writes what stays of a group to `.cleaned` files, durable when it returns.
    fn rewrite(
        &self,
        group: &[Arc<Segment>],
        rules: &Rules<'_>,
        transactions: &mut TransactionWalk<'_>,
        config: &LogConfig,
        now_ms: i64,
    ) -> Result<Option<(Segment, u64)>, MaintenanceError> {
        let base_offset = group[0].base_offset();
        let segment = Segment::create(&self.dir, base_offset, CLEANED, now_ms)
            .on("create a compacted segment in", &self.dir)?;
        let mut writer = Writer {
            segment,
            index_interval_bytes: config.index_interval_bytes,
            buffer: Vec::with_capacity(SCAN_CHUNK_BYTES),
            headers: Vec::new(),
            log: self,
        };
        let mut removed = 0;
        for segment in group {
            let path = segment.path(Kind::Log);
            let mut scanner = segment.batches_from(0);
            loop {
                if self.closing.load(Ordering::Acquire) {
                    return Ok(None);
                }
                let position = scanner.position();
                let scanned = scanner.next().map_err(|error| {
                    scan_failure::<MaintenanceError>(error, path.clone(), position)
                })?;
                let Some(scanned) = scanned else { break };
                let corrupt = |reason: String| Corruption { file: path.clone(), position, reason };
                batch::check_crc(&scanned.header, scanned.bytes)
                    .map_err(|error| corrupt(error.to_string()))?;
                let part = transactions.next(&scanned.header, scanned.bytes)?;
                if let Part::Marker { aborted: Some(aborted) } = part {
                    let index = writer.segment.aborts();
                    index.append(&aborted).on("write the transaction index of", &path)?;
                }
                match rules.judge(&scanned.header, scanned.bytes, part).map_err(corrupt)? {
                    Fate::Keep => writer.push(scanned.bytes, scanned.header)?,
                    Fate::Drop(records) => removed += records as u64,
                    Fate::Replace(batch, records) => {
                        removed += records as u64;
                        let header = BatchHeader::parse(&batch)
                            .expect("the builder writes batches that parse");
                        writer.push(&batch, header)?;
                    }
                }
            }
        }
        Ok(Some((writer.finish()?, removed)))
    }

    fn swap_in(&self, segment: Segment, group: &[Arc<Segment>]) -> Result<(), MaintenanceError> {
        let base_offset = segment.base_offset();
        let replaced: Vec<i64> = group.iter().map(|segment| segment.base_offset()).collect();
        let swapped = swap::commit(&self.dir, &self.folder, base_offset).and_then(|()| {
            {
                // From here on the old segments are only in the hands of readers.
                let mut segments = self.segments_mut();
                for base in &replaced {
                    segments.remove(base);
                }
                segments.insert(base_offset, Arc::new(segment));
                self.note_segments_left();
            }
            swap::replace(&self.dir, &self.folder, base_offset, &replaced)?;
            for base in &replaced[1..] {
                let path = files::path_of(&self.dir, *base, Kind::Snapshot, "");
                files::remove(&path).on("remove", &path)?;
            }
            Ok(())
        });
        swapped.map_err(|error: FileError| {
            self.go_offline(format_args!("a compaction stopped in its swap: {error}"));
            error.into()
        })
    }
}

/// Cuts neighbours into groups that fit one segment each.
fn groups<'a>(
    segments: &'a [Arc<Segment>],
    end: i64,
    config: &LogConfig,
) -> Vec<&'a [Arc<Segment>]> {
    let mut groups = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for (index, segment) in segments.iter().enumerate() {
        let next_base = segments.get(index + 1).map_or(end, |next| next.base_offset());
        let too_large = bytes + segment.size() > config.segment_bytes as u64;
        let too_wide = next_base - 1 - segments[start].base_offset() > i64::from(i32::MAX);
        if index > start && (too_large || too_wide) {
            groups.push(&segments[start..index]);
            start = index;
            bytes = 0;
        }
        bytes += segment.size();
    }
    if start < segments.len() {
        groups.push(&segments[start..]);
    }
    groups
}
