//! One topic-partition: which records go to which files.

use std::collections::BTreeSet;

use longshore_sdk::objects::Bucket;
use longshore_sdk::{Fault, Partition, Records, Reject, host};

use super::boundaries::Boundaries;
use super::open::{Open, foreign, other_layout, read_boundary};
use super::path_limit::PathLimit;
use super::places::Places;
use crate::names::{Boundary, Names, Seen};
use crate::options::SinkOptions;

/// What a `put` has begun is ended after so long, and the rest is left to the next: the
/// host takes 30 s for one.
const PUT_MS_MAX: i64 = 10_000;

/// Files of a partition that are open at once: those of one folder more end all.
const FILES_MAX: usize = 100;

/// A topic-partition being written.
#[derive(Debug)]
pub(super) struct Writing {
    partition: Partition,
    names: Names,
    /// The one folder of all its records, if there is one.
    only: Option<String>,
    /// Where files of earlier lives begin.
    boundaries: Boundaries,
    open: Option<Open>,
    /// Its records are in a finished file already: they are passed over. What
    /// is durable is told only as they are met, since the host takes no mark
    /// beyond what it gave.
    skip: Option<Boundary>,
    /// Offsets below were taken: a `put` that is repeated goes on there.
    taken: i64,
    /// Everything below is durable, to be told.
    mark: Option<i64>,
    /// Its files are to be finished as soon as there is time.
    asked: bool,
    /// Why that failed last.
    trouble: Option<Fault>,
}

impl Writing {
    pub(super) fn new(options: &SinkOptions, partition: &Partition) -> Self {
        Self {
            partition: partition.clone(),
            names: Names::new(options, partition),
            only: options.partitioner.only(partition),
            boundaries: Boundaries::default(),
            open: None,
            skip: None,
            taken: i64::MIN,
            mark: None,
            asked: false,
            trouble: None,
        }
    }

    /// What became durable since it was last asked.
    pub(super) fn take_mark(&mut self) -> Option<i64> {
        self.mark.take()
    }

    pub(super) fn unsent(&self) -> u64 {
        self.open.as_ref().map_or(0, Open::unsent)
    }

    /// Sends all that is encoded to its uploads.
    pub(super) fn send(&mut self, bucket: &Bucket) -> Result<(), Fault> {
        self.open.as_mut().map_or(Ok(()), |open| open.send(bucket, &self.names, 1))
    }

    /// Bytes that its open files have sent to their uploads.
    pub(super) fn sent(&self) -> u64 {
        self.open.as_ref().map_or(0, Open::sent)
    }

    /// Open files that have no upload yet.
    pub(super) fn files_without_upload(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.files() - open.uploads())
    }

    /// Uploads that its open files have.
    pub(super) fn uploads(&self) -> usize {
        self.open.as_ref().map_or(0, Open::uploads)
    }

    /// Uploads that its open files may come to need before they can be finished: those of
    /// files whose end an earlier life decided.
    pub(super) fn reserved(&self) -> usize {
        if self.open.is_some() && !self.can_be_finished() { self.uploads_max() } else { 0 }
    }

    fn uploads_max(&self) -> usize {
        if self.only.is_some() { 1 } else { FILES_MAX }
    }

    /// Takes records. After a fault the same call goes on where it stopped. `room`:
    /// uploads that it may reserve.
    pub(super) fn put(
        &mut self,
        bucket: &Bucket,
        options: &SinkOptions,
        paths: &mut PathLimit,
        room: usize,
        records: &Records,
        rejects: &mut Vec<Reject>,
    ) -> Result<(), Fault> {
        let until_ms = host::now_ms() + PUT_MS_MAX;
        let columns = records.route();
        let offsets = &columns.offset;
        if offsets.len() != records.len() {
            return Err(Fault::fatal("no-offsets", "records came without their offsets"));
        }
        let seen = |at: usize| Seen {
            offset: offsets[at],
            timestamp_ms: columns.timestamp_ms.get(at).copied().unwrap_or(-1),
        };
        let mut places = Places::of(options, &self.partition, records, &columns.timestamp_ms);
        places.refuse_long_paths(|folder| paths.allows(bucket, &self.names.file(folder, 0)))?;
        let mut at = offsets.partition_point(|offset| *offset < self.taken);
        while at < offsets.len() {
            let offset = offsets[at];
            if let Some(skip) = &self.skip {
                if offset < skip.next {
                    if !skip.agrees(seen(at)) {
                        return Err(foreign(&self.names.boundary(skip.first.offset), seen(at)));
                    }
                    self.taken = offset + 1;
                    at += 1;
                    continue;
                }
                self.mark = Some(skip.next);
                self.skip = None;
            }
            // Only a fault leaves a full file open; or the records that its
            // decided end stood behind are gone.
            let ended = self.open.as_ref().is_some_and(|open| match &open.decided {
                Some(decided) => offset >= decided.next,
                None => open.count >= options.flush_size,
            });
            if ended {
                self.finish(bucket)?;
            }
            if self.open.is_none() && !self.begin(bucket, offset, room, until_ms)? {
                continue;
            }
            let open = self.open.as_mut().expect("it was begun above");
            let limit = match &open.decided {
                Some(decided) => decided.next,
                // Where it began counts, not where it has come to: after a fault it may stand
                // where the next begins.
                None => {
                    let later = self.boundaries.later(bucket, &self.names, open.start)?;
                    later.unwrap_or(i64::MAX)
                }
            };
            let end = match &open.decided {
                Some(_) => at + offsets[at..].partition_point(|offset| *offset < limit),
                None => run_end(open, options, &places, at, limit, offsets, &seen),
            };
            if end == at {
                // Its time is up, or its files are too many.
                self.finish(bucket)?;
                continue;
            }
            if let Some(decided) = &open.decided
                && let Some(other) = (at..end).map(seen).find(|seen| !decided.agrees(*seen))
            {
                return Err(foreign(&self.names.boundary(open.start), other));
            }
            let ends = (seen(at), seen(end - 1));
            rejects.extend(open.take(options, records, at..end, &places, ends)?);
            self.taken = offsets[end - 1] + 1;
            at = end;
            let full = match &open.decided {
                Some(decided) => open.next >= decided.next,
                None => open.count >= options.flush_size || open.next == limit,
            };
            if full || (end < offsets.len() && offsets[end] >= limit) {
                self.finish(bucket)?;
            } else {
                open.send_if_large(bucket, &self.names)?;
            }
        }
        Ok(())
    }

    /// Asks for the open files to be finished when their time is up, or when they are full
    /// and a fault kept them from being finished.
    pub(super) fn ask_if_due(&mut self, options: &SinkOptions) {
        self.asked |= self.open.as_ref().is_some_and(|open| {
            let interval_ms = options.rotate_schedule_interval_ms;
            open.count >= options.flush_size
                || interval_ms.is_some_and(|interval| host::now_ms() - open.begun_ms >= interval)
        });
    }

    /// Asks for the open files to be finished.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// Finishes the open files with what they have, if that was asked for, unless their
    /// end was decided and is not reached: then what is missing is still to come. Of files
    /// that are being passed over, what was met is durable.
    pub(super) fn finish_if_asked(&mut self, bucket: &Bucket) {
        if !self.asked {
            return;
        }
        if self.skip.is_some() && self.taken > i64::MIN {
            self.mark = Some(self.taken);
        }
        let finished = if self.can_be_finished() { self.finish(bucket) } else { Ok(()) };
        self.trouble = finished.err();
        self.asked = self.trouble.is_some();
    }

    /// Why its files could not be finished when that was asked for last.
    pub(super) fn trouble(&self) -> Option<&Fault> {
        self.trouble.as_ref()
    }

    /// Whether there are open files, which may end where they are.
    pub(super) fn can_be_finished(&self) -> bool {
        let may_end = |open: &Open| open.decided.as_ref().is_none_or(|end| open.next >= end.next);
        self.open.as_ref().is_some_and(may_end)
    }

    /// Finishes the open files, if there are any.
    pub(super) fn finish(&mut self, bucket: &Bucket) -> Result<(), Fault> {
        if let Some(open) = &mut self.open {
            let next = open.finish(bucket, &self.names)?;
            self.mark = Some(next);
            self.open = None;
        }
        self.asked = false;
        Ok(())
    }

    /// Begins the file that the record at `offset` belongs to. False: it is in
    /// a finished file, and is to be skipped.
    fn begin(
        &mut self,
        bucket: &Bucket,
        offset: i64,
        room: usize,
        until_ms: i64,
    ) -> Result<bool, Fault> {
        if host::now_ms() >= until_ms {
            let message = "what was begun of a batch took long; the rest of it comes next";
            return Err(Fault::retry("busy", message));
        }
        let covering = self.boundaries.covering(bucket, &self.names, offset, until_ms)?;
        let Some(start) = covering else {
            self.open = Some(Open::begin(offset, None));
            return Ok(true);
        };
        let path = self.names.boundary(start);
        let boundary = read_boundary(bucket, &path)?;
        if boundary.next <= offset {
            self.boundaries.pass(start);
            self.open = Some(Open::begin(offset, None));
            return Ok(true);
        }
        if !boundary.is_laid_out_as(self.names.layout()) {
            return Err(other_layout(&path, &boundary, self.names.layout()));
        }
        // Whether all of several are there is seen as they are finished again.
        if let Some(folder) = &self.only {
            match bucket.blob(&self.names.file(folder, start)) {
                Ok(_) => {
                    self.skip = Some(boundary);
                    return Ok(false);
                }
                Err(fault) if fault.detail().code == "not-found" => {}
                Err(fault) => return Err(fault),
            }
        }
        if self.uploads_max() > room {
            let message = "it waits for files that an earlier life began in other partitions: \
                           all of them at once would be too many";
            return Err(Fault::retry("too-many-files", message));
        }
        self.open = Some(Open::begin(start, Some(boundary)));
        Ok(true)
    }
}

/// Where the records that the open files may take from `at` on end: `at` if none.
fn run_end(
    open: &Open,
    options: &SinkOptions,
    places: &Places,
    at: usize,
    limit: i64,
    offsets: &[i64],
    seen: &impl Fn(usize) -> Seen,
) -> usize {
    let room = usize::try_from(options.flush_size - open.count).unwrap_or(usize::MAX);
    let most = offsets[at..].partition_point(|offset| *offset < limit).min(room);
    let first_ms = open.first().unwrap_or_else(|| seen(at)).timestamp_ms;
    let is_late = |at: usize| {
        let interval_ms = options.rotate_interval_ms;
        interval_ms
            .is_some_and(|interval| seen(at).timestamp_ms.saturating_sub(first_ms) >= interval)
    };
    let mut new = BTreeSet::new();
    let mut is_one_too_many = |at: usize| {
        let Places::Each(folders) = places else { return false };
        let Ok(folder) = &folders[at] else { return false };
        if !open.has(folder) {
            new.insert(folder);
        }
        open.files() + new.len() > FILES_MAX
    };
    (at..at + most).find(|at| is_late(*at) || is_one_too_many(*at)).unwrap_or(at + most)
}
