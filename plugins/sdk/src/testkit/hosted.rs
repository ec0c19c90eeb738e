//! A sink as the host drives it.

use std::collections::BTreeMap;

use crate::{Config, Fault, Mark, Partition, Progress, Records, Reject, Sink};

/// A sink whose marks are held to the host's rule: a partition is durable up to
/// what was given, never beyond. Its calls are those of [`Sink`].
#[derive(Debug)]
pub struct Hosted<S> {
    sink: S,
    /// One past the last offset given, by topic and partition.
    given: BTreeMap<(String, u32), i64>,
}

impl<S: Sink> Hosted<S> {
    /// Opens the task.
    pub fn open(config: &Config) -> Result<Self, Fault> {
        Ok(Self { sink: S::open(config)?, given: BTreeMap::new() })
    }

    /// Partitions come; each is read from the mark returned, if there is one.
    pub fn assigned(&mut self, partitions: &[Partition]) -> Result<Vec<Mark>, Fault> {
        let marks = self.sink.assigned(partitions)?;
        for Mark { partition, next } in &marks {
            self.given.insert(key(partition), *next);
        }
        Ok(marks)
    }

    /// Partitions go.
    ///
    /// # Panics
    /// When a mark is beyond what was given.
    pub fn revoked(&mut self, partitions: &[Partition]) -> Result<Progress, Fault> {
        let progress = self.sink.revoked(partitions);
        self.checked(progress)
    }

    /// Gives records, which have their offsets.
    pub fn put(
        &mut self,
        from: &Partition,
        topic: &str,
        records: Records,
    ) -> Result<Vec<Reject>, Fault> {
        if let Some(last) = records.columns().offset.last() {
            let given = self.given.entry(key(from)).or_insert(i64::MIN);
            *given = (*given).max(last + 1);
        }
        self.sink.put(from, topic, records)
    }

    /// Asks what became durable.
    ///
    /// # Panics
    /// When a mark is beyond what was given.
    pub fn tick(&mut self) -> Result<Progress, Fault> {
        let progress = self.sink.tick();
        self.checked(progress)
    }

    /// Has everything made durable.
    ///
    /// # Panics
    /// When a mark is beyond what was given.
    pub fn drain(&mut self) -> Result<Progress, Fault> {
        let progress = self.sink.drain();
        self.checked(progress)
    }

    fn checked(&self, progress: Result<Progress, Fault>) -> Result<Progress, Fault> {
        for Mark { partition, next } in progress.iter().flat_map(|progress| &progress.marks) {
            let given = self.given.get(&key(partition)).copied().unwrap_or(i64::MIN);
            assert!(
                *next <= given,
                "the sink marked {next} of {partition:?}, but was given what is below {given} only"
            );
        }
        progress
    }
}

fn key(partition: &Partition) -> (String, u32) {
    (partition.topic.clone(), partition.number)
}
