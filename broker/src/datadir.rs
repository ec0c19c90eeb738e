//! The data directory: its lock, its `meta.properties`, its layout.
//!
//! ```text
//! data/
//!   .lock              held while a broker runs
//!   meta.properties    version, cluster.id, node.id, directory.id
//!   metadata/          the controller's journal and snapshot
//!   orders-0/          a partition (its files: see DESIGN.md)
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process holds the lock.
    #[error(
        "the data directory {} is in use by another process: stop it, or choose another log.dirs",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Formatted for another node or cluster.
    #[error(
        "{} says {key}={found}, the configuration says {expected}: this directory belongs to \
         another node; choose another log.dirs or correct {key}",
        path.display()
    )]
    Foreign {
        /// `meta.properties`.
        path: PathBuf,
        /// `cluster.id` or `node.id`.
        key: &'static str,
        /// In the file.
        found: String,
        /// In the configuration.
        expected: String,
    },
    /// `meta.properties` cannot be understood.
    #[error("{}: {reason}: restore the file from a backup", path.display())]
    Malformed {
        /// `meta.properties`.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// An open, locked data directory. The lock goes when this is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    cluster_id: String,
    _lock: File,
}

impl DataDir {
    /// Locks `path`, and formats it if it is fresh.
    pub(crate) fn open(
        path: &Path,
        node_id: i32,
        cluster_id: Option<&str>,
    ) -> Result<Self, DataDirError> {
        let io = |at: &Path| {
            let at = at.to_owned();
            move |source| DataDirError::Io { path: at, source }
        };
        fs::create_dir_all(path).map_err(io(path))?;
        let lock_path = path.join(".lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(io(&lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(DataDirError::InUse { path: path.to_owned() });
            }
            Err(errno) => {
                return Err(DataDirError::Io { path: lock_path, source: errno.into() });
            }
        }
        let meta_path = path.join("meta.properties");
        let cluster_id = match fs::read_to_string(&meta_path) {
            Ok(text) => check(&meta_path, &text, node_id, cluster_id)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let cluster_id =
                    cluster_id.map_or_else(|| short_id(Uuid::new_v4()), ToOwned::to_owned);
                let text = format!(
                    "version=1\ncluster.id={cluster_id}\nnode.id={node_id}\ndirectory.id={}\n",
                    short_id(Uuid::new_v4())
                );
                write_durably(&meta_path, text.as_bytes()).map_err(io(&meta_path))?;
                cluster_id
            }
            Err(source) => return Err(DataDirError::Io { path: meta_path, source }),
        };
        Ok(Self { path: path.to_owned(), cluster_id, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn cluster_id(&self) -> &str {
        &self.cluster_id
    }
}

fn check(
    path: &Path,
    text: &str,
    node_id: i32,
    cluster_id: Option<&str>,
) -> Result<String, DataDirError> {
    let malformed =
        |reason: &str| DataDirError::Malformed { path: path.to_owned(), reason: reason.to_owned() };
    let properties: BTreeMap<&str, &str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once('=').ok_or_else(|| malformed("a line is not KEY=VALUE")))
        .collect::<Result<_, _>>()?;
    let get = |key: &str| {
        properties.get(key).copied().ok_or_else(|| malformed(&format!("{key} is missing")))
    };
    if get("version")? != "1" {
        return Err(malformed("the version is not 1"));
    }
    let foreign = |key, found: &str, expected: String| DataDirError::Foreign {
        path: path.to_owned(),
        key,
        found: found.to_owned(),
        expected,
    };
    let found_node = get("node.id")?;
    if found_node != node_id.to_string() {
        return Err(foreign("node.id", found_node, node_id.to_string()));
    }
    let found_cluster = get("cluster.id")?;
    match cluster_id {
        Some(expected) if expected != found_cluster => {
            Err(foreign("cluster.id", found_cluster, expected.to_owned()))
        }
        _ => Ok(found_cluster.to_owned()),
    }
}

/// Replaces a small file so that after a crash either the old or the new
/// content is there, whole.
pub(crate) fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Makes a created, renamed or removed name durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Kafka's short form of a UUID: 22 characters of URL-safe base64.
pub(crate) fn short_id(id: Uuid) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = id.as_u128();
    // 128 bits are 21 groups of six and one of two, padded with zero bits.
    (0..22)
        .map(|group| {
            let index = if group < 21 { bits >> (122 - 6 * group) } else { bits << 4 };
            char::from(ALPHABET[(index & 63) as usize])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_directory_is_formatted_once_and_keeps_its_cluster_id() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path(), 1, None).unwrap().cluster_id().to_owned();
        assert_eq!(first.len(), 22);
        let again = DataDir::open(dir.path(), 1, Some(&first)).unwrap();
        assert_eq!(again.cluster_id(), first);
    }

    #[test]
    fn a_second_broker_on_the_same_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _held = DataDir::open(dir.path(), 1, None).unwrap();
        assert!(matches!(DataDir::open(dir.path(), 1, None), Err(DataDirError::InUse { .. })));
    }

    #[test]
    fn another_nodes_or_clusters_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path(), 1, Some("here")).unwrap());
        for (node, cluster) in [(2, "here"), (1, "there")] {
            let error = DataDir::open(dir.path(), node, Some(cluster)).unwrap_err();
            assert!(matches!(error, DataDirError::Foreign { .. }), "{error}");
        }
    }

    #[test]
    fn a_damaged_meta_properties_is_told_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path(), 1, None).unwrap());
        for text in ["", "version=1\nnode.id", "version=9\nnode.id=1\ncluster.id=a\n"] {
            fs::write(dir.path().join("meta.properties"), text).unwrap();
            let error = DataDir::open(dir.path(), 1, None).unwrap_err();
            assert!(matches!(error, DataDirError::Malformed { .. }), "{error}");
        }
    }

    #[test]
    fn short_ids_are_kafkas() {
        assert_eq!(short_id(Uuid::nil()), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(short_id(Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(short_id(Uuid::from_u128(u128::MAX)), "_____________________w");
    }
}
