//! The folder of each record of a batch.

use std::rc::Rc;

use longshore_sdk::{Fault, Partition, Records};

use crate::options::SinkOptions;
use crate::partitioner::NoFolder;

/// Where the records of a batch are written.
#[derive(Debug)]
pub(super) enum Places {
    /// All in one folder.
    One(Rc<str>),
    /// Each in its own, or in none.
    Each(Vec<Result<Rc<str>, NoFolder>>),
}

impl Places {
    /// The places of all records of a batch; `timestamps_ms` is empty when none has a
    /// timestamp. Their values cross to here only when folders are named by them.
    pub(super) fn of(
        options: &SinkOptions,
        partition: &Partition,
        records: &Records,
        timestamps_ms: &[i64],
    ) -> Self {
        let partitioner = &options.partitioner;
        if let Some(folder) = partitioner.only(partition) {
            return Self::One(folder.into());
        }
        let batch = partitioner.reads_values().then(|| records.read());
        let mut last: Option<Rc<str>> = None;
        let folders = (0..records.len()).map(|at| {
            let timestamp_ms = timestamps_ms.get(at).copied().unwrap_or(-1);
            let value = batch.as_ref().and_then(|batch| batch.record(at).value);
            let folder = partitioner.folder(partition, timestamp_ms, value)?;
            // Neighbours are often in one.
            Ok(match &last {
                Some(last) if **last == *folder => Rc::clone(last),
                _ => Rc::clone(last.insert(folder.into())),
            })
        });
        Self::Each(folders.collect())
    }
    /// Leaves the records without a place whose folder `allows` says no of: the paths of
    /// their files would be too long.
    pub(super) fn refuse_long_paths(
        &mut self,
        mut allows: impl FnMut(&str) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        // Of one folder it is the options that are wrong.
        let Self::Each(folders) = self else { return Ok(()) };
        let mut last: Option<(Rc<str>, bool)> = None;
        for place in folders {
            let Ok(folder) = place else { continue };
            let allowed = match &last {
                Some((last, allowed)) if last == folder => *allowed,
                _ => last.insert((Rc::clone(folder), allows(folder)?)).1,
            };
            if !allowed {
                let message = format!(
                    "its folder's name has {} bytes, with which the path of the file is longer \
                     than the store allows",
                    folder.len()
                );
                *place = Err(NoFolder { code: "path-too-long", message });
            }
        }
        Ok(())
    }
}
