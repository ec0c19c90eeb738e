//! One topic-partition: which records go to which file.

use std::collections::BTreeSet;

use longshore_sdk::objects::Bucket;
use longshore_sdk::{Fault, Partition, Records, Reject, host};

use super::open::{Open, foreign, read_boundary};
use crate::format::{Boundary, Names, Seen};
use crate::options::SinkOptions;

/// Boundary objects listed at a time.
const PAGE: u32 = 1000;

/// A topic-partition being written.
#[derive(Debug)]
pub(super) struct Writing {
    names: Names,
    /// First offsets of the boundaries that are there, looked up before the
    /// first record; those passed are dropped.
    boundaries: Option<BTreeSet<i64>>,
    open: Option<Open>,
    /// Its records are in a finished file already: they are passed over. What
    /// is durable is told only as they are met, since the host takes no mark
    /// beyond what it gave.
    skip: Option<Boundary>,
    /// Offsets below were taken: a `put` that is repeated goes on there.
    taken: i64,
    /// Everything below is durable, to be told.
    mark: Option<i64>,
}

impl Writing {
    pub(super) fn new(options: &SinkOptions, partition: &Partition) -> Self {
        Self {
            names: Names::new(options, partition),
            boundaries: None,
            open: None,
            skip: None,
            taken: i64::MIN,
            mark: None,
        }
    }

    /// What became durable since it was last asked.
    pub(super) fn take_mark(&mut self) -> Option<i64> {
        self.mark.take()
    }

    pub(super) fn unsent(&self) -> u64 {
        self.open.as_ref().map_or(0, Open::unsent)
    }

    pub(super) fn send(&mut self, bucket: &Bucket) -> Result<(), Fault> {
        match &mut self.open {
            Some(open) if open.unsent() > 0 => open.send(bucket, &self.names, false),
            _ => Ok(()),
        }
    }

    /// Takes records. After a fault the same call goes on where it stopped.
    pub(super) fn put(
        &mut self,
        bucket: &Bucket,
        options: &SinkOptions,
        records: &Records,
        rejects: &mut Vec<Reject>,
    ) -> Result<(), Fault> {
        let columns = records.route();
        let offsets = &columns.offset;
        if offsets.len() != records.len() {
            return Err(Fault::fatal("no-offsets", "records came without their offsets"));
        }
        let seen = |at: usize| Seen {
            offset: offsets[at],
            timestamp_ms: columns.timestamp_ms.get(at).copied().unwrap_or(-1),
        };
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
            if self.open.is_none() && !self.begin(bucket, options, offset)? {
                continue;
            }
            let later = self.later(offset);
            let open = self.open.as_mut().expect("it was begun above");
            let limit = match &open.decided {
                Some(decided) => decided.next,
                None => later.unwrap_or(i64::MAX),
            };
            let room = match &open.decided {
                Some(_) => usize::MAX,
                None => usize::try_from(options.flush_size - open.count).unwrap_or(usize::MAX),
            };
            let run = offsets[at..].iter().take(room).take_while(|offset| **offset < limit).count();
            let end = at + run;
            if let Some(decided) = &open.decided
                && let Some(other) = (at..end).map(seen).find(|seen| !decided.agrees(*seen))
            {
                return Err(foreign(&self.names.boundary(open.start), other));
            }
            let which: Vec<u32> = (at as u32..end as u32).collect();
            rejects.extend(open.take(records, &which, seen(at), seen(end - 1))?);
            self.taken = offsets[end - 1] + 1;
            at = end;
            let full = match &open.decided {
                Some(decided) => open.next >= decided.next,
                None => open.count >= options.flush_size || later == Some(open.next),
            };
            if full || (end < offsets.len() && offsets[end] >= limit) {
                self.finish(bucket)?;
            } else {
                open.send_if_large(bucket, &self.names)?;
            }
        }
        Ok(())
    }

    /// Finishes the open file when its time is up, or when it is full and a
    /// fault kept it from being finished.
    pub(super) fn tick(&mut self, bucket: &Bucket, options: &SinkOptions) -> Result<(), Fault> {
        let due = self.open.as_ref().is_some_and(|open| {
            let interval_ms = options.rotate_schedule_interval_ms;
            open.count >= options.flush_size
                || interval_ms.is_some_and(|interval| host::now_ms() - open.begun_ms >= interval)
        });
        if due { self.cut_now(bucket) } else { Ok(()) }
    }

    /// Finishes the open file with what it has, unless its end was decided and
    /// is not reached: then what is missing is still to come. Of a file that is
    /// being passed over, what was met is durable.
    pub(super) fn cut_now(&mut self, bucket: &Bucket) -> Result<(), Fault> {
        if self.skip.is_some() && self.taken > i64::MIN {
            self.mark = Some(self.taken);
        }
        match &self.open {
            Some(open) if open.decided.as_ref().is_none_or(|d| open.next >= d.next) => {
                self.finish(bucket)
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, bucket: &Bucket) -> Result<(), Fault> {
        if let Some(open) = &mut self.open {
            let next = open.finish(bucket, &self.names)?;
            self.mark = Some(next);
            self.open = None;
        }
        Ok(())
    }

    /// Begins the file that the record at `offset` belongs to. False: it is in
    /// a finished file, and is to be skipped.
    fn begin(
        &mut self,
        bucket: &Bucket,
        options: &SinkOptions,
        offset: i64,
    ) -> Result<bool, Fault> {
        if self.boundaries.is_none() {
            self.boundaries = Some(self.look_up(bucket)?);
        }
        let starts = self.boundaries.as_mut().expect("they were looked up above");
        let covering = starts.range(..=offset).next_back().copied();
        let Some(start) = covering else {
            self.open = Some(Open::begin(options, offset, None)?);
            return Ok(true);
        };
        let boundary = read_boundary(bucket, &self.names.boundary(start))?;
        if boundary.next <= offset {
            *starts = starts.split_off(&offset);
            self.open = Some(Open::begin(options, offset, None)?);
            return Ok(true);
        }
        match bucket.blob(&self.names.file(start)) {
            Ok(_) => {
                self.skip = Some(boundary);
                Ok(false)
            }
            Err(fault) if fault.detail().code == "not-found" => {
                self.open = Some(Open::begin(options, start, Some(boundary))?);
                Ok(true)
            }
            Err(fault) => Err(fault),
        }
    }

    /// The first offset above `offset` at which a file of an earlier life begins.
    fn later(&self, offset: i64) -> Option<i64> {
        self.boundaries.as_ref()?.range(offset + 1..).next().copied()
    }

    fn look_up(&self, bucket: &Bucket) -> Result<BTreeSet<i64>, Fault> {
        let glob = self.names.boundaries();
        let mut starts = BTreeSet::new();
        let mut after: Option<String> = None;
        loop {
            let page = bucket.list(&glob, after.as_deref(), PAGE)?;
            starts.extend(page.iter().filter_map(|object| self.names.start(&object.path)));
            if page.len() < PAGE as usize {
                return Ok(starts);
            }
            after = page.into_iter().next_back().map(|object| object.path);
        }
    }
}
