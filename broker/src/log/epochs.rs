//! Leader epochs of a partition: which one began at which offset.

use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint;
use super::files;

/// The epochs that have records and the one that is led in, each with its first
/// offset, both ascending.
#[derive(Debug)]
pub(crate) struct LeaderEpochs {
    path: PathBuf,
    entries: Vec<(i32, i64)>,
    /// Whether the checkpoint lacks what was noted, also because a write failed.
    unsaved: bool,
}

impl LeaderEpochs {
    /// Reads the checkpoint. A malformed one is dropped with a warning: recovery
    /// fills it from the batches that it scans.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(files::LEADER_EPOCHS);
        let read = match checkpoint::read_epochs(&path) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(%error, "leader epochs are begun anew");
                None
            }
            other => other?,
        };
        let mut epochs = Self { path, entries: Vec::new(), unsaved: false };
        for [epoch, start] in read.into_iter().flatten() {
            if let Ok(epoch) = i32::try_from(epoch) {
                epochs.note(epoch, start);
            }
        }
        epochs.unsaved = false;
        Ok(epochs)
    }

    /// Whether appending with `epoch` begins a new one.
    pub(crate) fn is_new(&self, epoch: i32) -> bool {
        epoch >= 0 && self.entries.last().is_none_or(|(last, _)| epoch > *last)
    }

    /// Takes note that `epoch` began at `start`, in memory only.
    pub(crate) fn note(&mut self, epoch: i32, start: i64) {
        if !self.is_new(epoch) {
            return;
        }
        // An epoch that ended without a record is as if it never was.
        while self.entries.last().is_some_and(|(_, last_start)| *last_start >= start) {
            self.entries.pop();
        }
        self.entries.push((epoch, start));
        self.unsaved = true;
    }

    /// Writes the checkpoint.
    pub(crate) fn save(&mut self) -> io::Result<()> {
        self.unsaved = true;
        checkpoint::write_epochs(&self.path, &self.entries)?;
        self.unsaved = false;
        Ok(())
    }

    /// Writes the checkpoint if it lacks anything.
    pub(crate) fn save_if_needed(&mut self) -> io::Result<()> {
        if self.unsaved { self.save() } else { Ok(()) }
    }

    /// Forgets the epochs that begin at or above `end`. Whether any did.
    pub(crate) fn truncate_end(&mut self, end: i64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(_, start)| *start < end);
        before != self.entries.len()
    }

    /// Forgets the epochs that ended below `start`. Whether any did.
    pub(crate) fn truncate_start(&mut self, start: i64) -> bool {
        let ended = self.entries.partition_point(|(_, epoch_start)| *epoch_start <= start);
        let Some(current) = ended.checked_sub(1) else { return false };
        let changed = current > 0 || self.entries[current].1 != start;
        self.entries.drain(..current);
        self.entries[0].1 = start;
        changed
    }

    /// The newest epoch, if any is known.
    pub(crate) fn latest(&self) -> Option<i32> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    /// The epoch of the record at `offset`.
    pub(crate) fn epoch_of(&self, offset: i64) -> Option<i32> {
        let after = self.entries.partition_point(|(_, start)| *start <= offset);
        after.checked_sub(1).map(|index| self.entries[index].0)
    }

    /// The largest epoch not above `wanted`, and where it ended. `None` if
    /// `wanted` is newer than all, or nothing is known.
    pub(crate) fn end_of(&self, wanted: i32, log_end: i64) -> Option<(i32, i64)> {
        let latest = self.latest()?;
        if wanted < 0 || wanted > latest {
            return None;
        }
        if wanted == latest {
            return Some((latest, log_end));
        }
        let next = self.entries.partition_point(|(epoch, _)| *epoch <= wanted);
        let (_, end) = self.entries[next];
        let epoch = next.checked_sub(1).map_or(wanted, |index| self.entries[index].0);
        Some((epoch, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs { path: PathBuf::new(), entries: Vec::new(), unsaved: false };
        for (epoch, start) in entries {
            epochs.note(*epoch, *start);
        }
        epochs
    }

    #[test]
    fn the_end_of_an_epoch_is_where_the_next_begins() {
        let epochs = epochs(&[(1, 0), (3, 100), (7, 250)]);
        assert_eq!(epochs.end_of(0, 300), Some((0, 0)));
        assert_eq!(epochs.end_of(1, 300), Some((1, 100)));
        assert_eq!(epochs.end_of(2, 300), Some((1, 100)));
        assert_eq!(epochs.end_of(3, 300), Some((3, 250)));
        assert_eq!(epochs.end_of(7, 300), Some((7, 300)));
        assert_eq!(epochs.end_of(8, 300), None);
        assert_eq!(epochs.epoch_of(99), Some(1));
        assert_eq!(epochs.epoch_of(100), Some(3));
    }

    #[test]
    fn truncation_forgets_what_lies_outside() {
        let mut all = epochs(&[(1, 0), (3, 100), (7, 250)]);
        assert!(all.truncate_end(250));
        assert_eq!(all.latest(), Some(3));
        assert!(all.truncate_start(150));
        assert_eq!(all.entries, [(3, 150)]);
        assert!(!all.truncate_start(150));
    }

    #[test]
    fn an_epoch_without_records_is_replaced() {
        assert_eq!(epochs(&[(1, 0), (3, 100), (4, 100)]).entries, [(1, 0), (4, 100)]);
    }
}
