//! Records of topics to objects, here called files, as by `file-sink` and `s3-sink`.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`partition`] | one topic-partition: which records go to which files |
//! | [`boundaries`] | where files of earlier lives begin |
//! | [`places`] | the folder of each record |
//! | [`path_limit`] | how long a path the store takes |
//! | [`open`] | the files being written, from their first record to their finish |
//!
//! What makes it exactly once:
//!
//! 1. Where the files of a partition end is decided once, for all that are open.
//!    Before one is finished a boundary object is put, if there is none yet: it says
//!    at which offset the next begin.
//! 2. Whoever starts at an offset looks for the boundary that covers it, and ends its
//!    files there too, whatever its own clock and options say.
//! 3. Files are named by the offset that they were begun at, and finished only if
//!    absent. One that is there already is that very file.
//! 4. Offsets are committed up to the end of finished files, never beyond: the
//!    contract's part is that marks are told only for those.

mod boundaries;
mod open;
mod partition;
mod path_limit;
mod places;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use longshore_sdk::objects::Bucket;
use longshore_sdk::{
    About, Config, ConfigError, Fault, LateReject, Mark, Partition, Plugin, Progress, Records,
    Reject, Sink, Stalled, host,
};
use serde_json::Value;

use crate::kind::Kind;
use crate::options::{SinkOptions, first};
use partition::Writing;
use path_limit::PathLimit;

/// What all files together may hold in memory, encoded and not yet gone to
/// their uploads.
const UNSENT_BYTES_MAX: u64 = 4 << 20;

/// Uploads that all files together may have when a batch comes: the host has 500 for an
/// instance, of which the batch may begin one for each folder that a partition has open.
/// Partitions whose open files cannot be finished yet reserve theirs, so that all of them can.
const UPLOADS_MAX: usize = 350;

/// Files are finished for so long in one call, of which the host takes 30 s; the turn of
/// the others comes with the next.
const FINISHING_MS_MAX: i64 = 10_000;

/// The task of a sink.
#[derive(Debug)]
pub struct ObjectSink<K> {
    options: SinkOptions,
    bucket: Bucket,
    paths: PathLimit,
    partitions: BTreeMap<(String, u32), Writing>,
    /// The partition whose files there was no time to finish: it comes first.
    turn: Option<(String, u32)>,
    /// Refused records of a `put` that failed after them: it is repeated
    /// without what it had taken, so that they are told later.
    late: Vec<LateReject>,
    kind: PhantomData<K>,
}

impl<K: Kind> Plugin for ObjectSink<K> {
    const ABOUT: About = K::SINK;

    fn config_schema() -> Value {
        SinkOptions::schema::<K>()
    }

    fn validate(config: &Config) -> Vec<ConfigError> {
        SinkOptions::read::<K>(config).err().unwrap_or_default()
    }
}

impl<K: Kind> Sink for ObjectSink<K> {
    fn open(config: &Config) -> Result<Self, Fault> {
        let options = SinkOptions::read::<K>(config).map_err(first)?;
        let bucket = Bucket::open(&options.connection)?;
        Ok(Self {
            options,
            bucket,
            paths: PathLimit::default(),
            partitions: BTreeMap::new(),
            turn: None,
            late: Vec::new(),
            kind: PhantomData,
        })
    }

    fn assigned(&mut self, partitions: &[Partition]) -> Result<Vec<Mark>, Fault> {
        for partition in partitions {
            let writing = Writing::new(&self.options, partition);
            self.partitions.insert(key(partition), writing);
        }
        // The committed offsets are where to start: they are ends of files.
        Ok(Vec::new())
    }

    fn revoked(&mut self, partitions: &[Partition]) -> Result<Progress, Fault> {
        let mut progress = Progress::default();
        let until_ms = host::now_ms() + FINISHING_MS_MAX;
        for partition in partitions {
            if let Some(mut writing) = self.partitions.remove(&key(partition)) {
                // What there is no time for is read again by who has it next.
                if host::now_ms() < until_ms {
                    writing.ask();
                    writing.finish_if_asked(&self.bucket);
                }
                tell(partition, &mut writing, &mut progress);
            }
        }
        progress.rejects = std::mem::take(&mut self.late);
        Ok(progress)
    }

    fn put(&mut self, from: &Partition, _: &str, records: Records) -> Result<Vec<Reject>, Fault> {
        let mut rejects = Vec::new();
        let result = self.make_room().and_then(|()| {
            let others = self.partitions.iter().filter(|(other, _)| **other != key(from));
            let reserved: usize = others.map(|(_, writing)| writing.reserved()).sum();
            let room = UPLOADS_MAX.saturating_sub(reserved);
            let new = || Writing::new(&self.options, from);
            let writing = self.partitions.entry(key(from)).or_insert_with(new);
            let (bucket, options) = (&self.bucket, &self.options);
            writing.put(bucket, options, &mut self.paths, room, &records, &mut rejects)
        });
        let Err(fault) = result else { return Ok(rejects) };
        let offsets = records.route().offset;
        self.late.extend(rejects.into_iter().map(|reject| LateReject {
            partition: from.clone(),
            offset: offsets[reject.at as usize],
            code: reject.why.code,
            message: reject.why.message,
        }));
        Err(fault)
    }

    fn tick(&mut self) -> Result<Progress, Fault> {
        for writing in self.partitions.values_mut() {
            writing.ask_if_due(&self.options);
        }
        Ok(self.finish_asked())
    }

    fn drain(&mut self) -> Result<Progress, Fault> {
        self.partitions.values_mut().for_each(Writing::ask);
        Ok(self.finish_asked())
    }
}

impl<K: Kind> ObjectSink<K> {
    /// One partition's trouble does not hold up the others, and what there is no time for
    /// comes first in the next call.
    fn finish_asked(&mut self) -> Progress {
        let mut progress =
            Progress { rejects: std::mem::take(&mut self.late), ..Progress::default() };
        let until_ms = host::now_ms() + FINISHING_MS_MAX;
        let turn = self.turn.take();
        let (first, then): (Vec<_>, Vec<_>) = self
            .partitions
            .iter_mut()
            .partition(|(key, _)| turn.as_ref().is_none_or(|turn| *key >= turn));
        for (key, writing) in first.into_iter().chain(then) {
            if host::now_ms() < until_ms {
                writing.finish_if_asked(&self.bucket);
            } else if self.turn.is_none() {
                self.turn = Some(key.clone());
            }
            let partition = Partition { topic: key.0.clone(), number: key.1 };
            tell(&partition, writing, &mut progress);
        }
        progress
    }

    /// Sends what is encoded to its uploads where it is too much, that of the largest files
    /// first; and where these uploads would be too many, finishes the largest files.
    fn make_room(&mut self) -> Result<(), Fault> {
        let mut unsent: u64 = self.partitions.values().map(Writing::unsent).sum();
        self.finish_largest(0)?;
        if unsent <= UNSENT_BYTES_MAX {
            return Ok(());
        }
        let sizes = self.partitions.iter().map(|(key, writing)| (writing.unsent(), key.clone()));
        let mut sizes: Vec<_> = sizes.collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        for (bytes, key) in sizes {
            if unsent <= UNSENT_BYTES_MAX / 2 {
                break;
            }
            let wanted = self.partitions.get(&key).map_or(0, Writing::files_without_upload);
            self.finish_largest(wanted)?;
            if let Some(writing) = self.partitions.get_mut(&key) {
                writing.send(&self.bucket)?;
            }
            unsent -= bytes;
        }
        Ok(())
    }

    /// Finishes files until so many uploads can be begun, or none is left whose end is
    /// not still to come.
    fn finish_largest(&mut self, wanted: usize) -> Result<(), Fault> {
        let uploads = |writing: &Writing| writing.uploads();
        while self.partitions.values().map(uploads).sum::<usize>() + wanted > UPLOADS_MAX {
            let open = self.partitions.values_mut().filter(|writing| writing.can_be_finished());
            let Some(largest) = open.max_by_key(|writing| writing.sent()) else { break };
            largest.finish(&self.bucket)?;
        }
        Ok(())
    }
}

fn key(partition: &Partition) -> (String, u32) {
    (partition.topic.clone(), partition.number)
}

fn tell(partition: &Partition, writing: &mut Writing, progress: &mut Progress) {
    if let Some(next) = writing.take_mark() {
        progress.marks.push(Mark { partition: partition.clone(), next });
    }
    if let Some(fault) = writing.trouble() {
        progress.stalled.push(Stalled { partition: partition.clone(), fault: fault.clone() });
    }
}
