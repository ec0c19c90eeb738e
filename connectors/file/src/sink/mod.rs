//! Records of topics to files: `file-sink`.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`partition`] | one topic-partition: which records go to which file |
//! | [`open`] | one file being written, from its first record to its finish |
//!
//! The rule that makes it exactly once is in the README; the contract's part
//! is that marks are told only for what is in finished files.

mod open;
mod partition;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use longshore_sdk::objects::Bucket;
use longshore_sdk::{
    About, Config, ConfigError, Fault, LateReject, Mark, Partition, Plugin, Progress, Records,
    Reject, Sink, Stalled,
};
use serde_json::Value;

use crate::options::{SinkOptions, first};
use partition::Writing;

/// What all files together may hold in memory, encoded and not yet gone to
/// their uploads.
const UNSENT_BYTES_MAX: u64 = 4 << 20;

/// The task of `file-sink`.
#[derive(Debug)]
pub struct FileSink {
    options: SinkOptions,
    bucket: Bucket,
    partitions: BTreeMap<(String, u32), Writing>,
    /// Refused records of a `put` that failed after them: it is repeated
    /// without what it had taken, so that they are told later.
    late: Vec<LateReject>,
}

impl Plugin for FileSink {
    const ABOUT: About = About {
        name: "file-sink",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Writes records to files, each exactly once",
    };

    fn config_schema() -> Value {
        SinkOptions::schema()
    }

    fn validate(config: &Config) -> Vec<ConfigError> {
        SinkOptions::read(config).err().unwrap_or_default()
    }
}

impl Sink for FileSink {
    fn open(config: &Config) -> Result<Self, Fault> {
        let options = SinkOptions::read(config).map_err(first)?;
        let bucket = Bucket::open(&options.connection)?;
        Ok(Self { options, bucket, partitions: BTreeMap::new(), late: Vec::new() })
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
        for partition in partitions {
            if let Some(mut writing) = self.partitions.remove(&key(partition)) {
                tell(partition, writing.cut_now(&self.bucket), &mut writing, &mut progress);
            }
        }
        progress.rejects = std::mem::take(&mut self.late);
        Ok(progress)
    }

    fn put(&mut self, from: &Partition, _: &str, records: Records) -> Result<Vec<Reject>, Fault> {
        let writing =
            self.partitions.entry(key(from)).or_insert_with(|| Writing::new(&self.options, from));
        let mut rejects = Vec::new();
        let result = writing
            .put(&self.bucket, &self.options, &records, &mut rejects)
            .and_then(|()| self.bound_memory());
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
        Ok(self.each(Writing::tick))
    }

    fn drain(&mut self) -> Result<Progress, Fault> {
        Ok(self.each(|writing, bucket, _| writing.cut_now(bucket)))
    }
}

impl FileSink {
    /// One partition's trouble does not hold up the others.
    fn each(
        &mut self,
        mut work: impl FnMut(&mut Writing, &Bucket, &SinkOptions) -> Result<(), Fault>,
    ) -> Progress {
        let mut progress =
            Progress { rejects: std::mem::take(&mut self.late), ..Progress::default() };
        for ((topic, number), writing) in &mut self.partitions {
            let partition = Partition { topic: topic.clone(), number: *number };
            let result = work(writing, &self.bucket, &self.options);
            tell(&partition, result, writing, &mut progress);
        }
        progress
    }

    fn bound_memory(&mut self) -> Result<(), Fault> {
        let unsent: u64 = self.partitions.values().map(Writing::unsent).sum();
        if unsent > UNSENT_BYTES_MAX {
            for writing in self.partitions.values_mut() {
                writing.send(&self.bucket)?;
            }
        }
        Ok(())
    }
}

fn key(partition: &Partition) -> (String, u32) {
    (partition.topic.clone(), partition.number)
}

fn tell(
    partition: &Partition,
    result: Result<(), Fault>,
    writing: &mut Writing,
    progress: &mut Progress,
) {
    if let Some(next) = writing.take_mark() {
        progress.marks.push(Mark { partition: partition.clone(), next });
    }
    if let Err(fault) = result {
        progress.stalled.push(Stalled { partition: partition.clone(), fault });
    }
}
