//! The end of a log: clean shutdown, deletion; and the folders of partitions.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::error::{FileContext, FileError, MaintenanceError, Outage};
use super::files::{self, Kind};
use super::partition::Log;
use super::snapshot;

/// Kafka's suffix for the folder of a partition that is being deleted.
const DELETE: &str = "-delete";

/// Kafka's suffix for the folder of a partition that the cluster does not have.
const STRAY: &str = "-stray";

/// Bytes of a file's name.
const FILE_NAME_BYTES_MAX: usize = 255;

/// A partition's folder, as found in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDir {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The folder.
    pub path: PathBuf,
}

/// Where a partition lives: `<log_dir>/<topic>-<partition>`.
#[must_use]
pub fn partition_dir(log_dir: &Path, topic: &str, partition: i32) -> PathBuf {
    log_dir.join(format!("{topic}-{partition}"))
}

/// All partitions of a log directory, by topic and number. Deletions that a crash
/// interrupted are finished; other folders and files are left alone.
///
/// # Errors
/// When the directory cannot be read.
pub fn list_partitions(log_dir: &Path) -> Result<Vec<PartitionDir>, FileError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(log_dir).on("list", log_dir)? {
        let path = entry.on("list", log_dir)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !path.is_dir() {
            continue;
        }
        if name.ends_with(DELETE) && parse_dir_name(name.trim_end_matches(DELETE)).is_some() {
            std::fs::remove_dir_all(&path).on("remove", &path)?;
        } else if let Some((topic, partition)) = parse_dir_name(name) {
            found.push(PartitionDir { topic: topic.to_owned(), partition, path });
        }
    }
    found.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    Ok(found)
}

/// What the folder of a partition that is being deleted is called. A long topic is
/// cut, as in Kafka: no file system takes more than 255 bytes.
fn doomed_name(topic: &str, partition: i32) -> String {
    cut(topic, &format!("-{partition}{DELETE}"))
}

/// What the folder of a partition that the cluster does not have is called; `number`
/// tells those of one name apart.
pub(crate) fn stray_name(topic: &str, partition: i32, number: usize) -> String {
    cut(topic, &format!("-{partition}.{number}{STRAY}"))
}

fn cut(topic: &str, suffix: &str) -> String {
    let kept = topic.floor_char_boundary(FILE_NAME_BYTES_MAX - suffix.len());
    format!("{}{suffix}", &topic[..kept])
}

/// Topic and partition of a folder's name.
pub(super) fn parse_dir_name(name: &str) -> Option<(&str, i32)> {
    let (topic, partition) = name.rsplit_once('-')?;
    let plain = !topic.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| partition.parse().ok()).flatten().map(|partition| (topic, partition))
}

/// What `.kafka_cleanshutdown` says: the log end at the time, if it can be read.
pub(super) fn read_marker(dir: &Path) -> io::Result<Option<i64>> {
    match std::fs::read(dir.join(files::CLEAN_SHUTDOWN)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(bytes) => Ok(serde_json::from_slice::<serde_json::Value>(&bytes)
            .ok()
            .and_then(|marker| marker.get("logEndOffset")?.as_i64())),
    }
}

impl Log {
    /// Has a compaction under way give up, and none begin: the log is closed soon.
    pub fn begin_close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Shuts down cleanly: all is flushed and the next open need not scan. The
    /// partition takes no calls after that.
    ///
    /// # Errors
    /// When a file cannot be written; the next open then recovers by scanning.
    pub fn close(&self) -> Result<(), MaintenanceError> {
        self.begin_close();
        let _maintenance = self.lock_maintenance();
        let mut appender = self.lock_appender();
        self.check_online()?;
        if appender.next_offset == 0 {
            // Nothing was ever written: there is nothing to scan at the next open.
            self.end(Outage::Closed);
            return Ok(());
        }
        let active = &appender.active;
        active.seal().on_file("complete the indexes of", || active.path(Kind::Log))?;
        self.flush_now()?;
        appender.epochs.save_if_needed().on("write the leader epochs of", &self.dir)?;
        let active = &appender.active;
        active.sync(true).on_file("fsync", || active.path(Kind::Log))?;
        snapshot::write(&self.dir, appender.next_offset, &appender.producers)
            .on("write a producer snapshot in", &self.dir)?;
        self.checkpoint_recovery_point()?;
        crate::crash::point("log-close-before-marker");
        let marker = self.dir.join(files::CLEAN_SHUTDOWN);
        let text = format!(
            "{{\"version\":0,\"brokerEpoch\":-1,\"logEndOffset\":{}}}",
            appender.next_offset
        );
        files::replace(&marker, text.as_bytes()).on("write", &marker)?;
        self.end(Outage::Closed);
        Ok(())
    }

    /// Takes no more calls, and lets those who wait look again.
    fn end(&self, outage: Outage) {
        // If it was offline before, that outage says more.
        let _ = self.offline.set(outage);
        self.flush.wake();
        self.ends.send_modify(|_| {});
    }

    /// Deletes the partition and its folder. What readers hold stays readable.
    ///
    /// # Errors
    /// When the folder cannot be renamed or removed; [`list_partitions`] finishes
    /// the job if it was renamed.
    pub fn delete(&self) -> Result<(), MaintenanceError> {
        self.begin_close();
        // Whatever writes into the folder by its name holds one of these, and has looked
        // whether the log is online since: it may be a namesake's folder next.
        let _maintenance = self.lock_maintenance();
        let _appender = self.lock_appender();
        let _log_start = self.lock_log_start();
        self.end(Outage::Deleted);
        let doomed = self.dir.with_file_name(doomed_name(&self.topic, self.partition));
        if doomed.exists() {
            std::fs::remove_dir_all(&doomed).on("remove", &doomed)?;
        }
        std::fs::rename(&self.dir, &doomed).on("rename", &self.dir)?;
        std::fs::remove_dir_all(&doomed).on("remove", &doomed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_by_topic_and_partition() {
        assert_eq!(parse_dir_name("my-topic-12"), Some(("my-topic", 12)));
        for name in ["topic", "topic-", "-1", "topic-x", "topic-99999999999", "topic--1x"] {
            assert_eq!(parse_dir_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_topic_with_the_longest_name_leaves_no_files_behind() {
        let root = tempfile::tempdir().unwrap();
        let dir = partition_dir(root.path(), &"n".repeat(249), 12);
        let (log, _) = Log::open(&dir, crate::log::LogConfig::default(), 0).unwrap();
        log.delete().unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        assert_eq!(doomed_name("topic", 3), "topic-3-delete");
        assert_eq!(stray_name(&"n".repeat(249), 3, 0).len(), FILE_NAME_BYTES_MAX);
        assert_eq!(parse_dir_name("topic-3.0-stray"), None);
    }

    #[test]
    fn interrupted_deletions_are_finished_when_partitions_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b-0", "a-10", "a-2", "c-0-delete", "notes"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let found = list_partitions(dir.path()).unwrap();
        let names: Vec<_> = found.iter().map(|f| (f.topic.as_str(), f.partition)).collect();
        assert_eq!(names, [("a", 2), ("a", 10), ("b", 0)]);
        assert!(!dir.path().join("c-0-delete").exists());
        assert!(dir.path().join("notes").exists());
    }
}
