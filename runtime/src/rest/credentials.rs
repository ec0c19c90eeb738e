//! Names and their secrets, from a file that may change while the worker runs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// How often the file is looked at, at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Why there are no credentials. No text of the file is in it.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A line is none.
    #[error("{}, line {line}: {reason}; write NAME=SECRET", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Digests of secrets by name: of the same length, so that comparing tells nothing.
type Digests = BTreeMap<String, [u8; 32]>;

/// Tells that a file is another one: written in place, renamed over, or behind a
/// symbolic link that was turned.
type Stamp = Option<(SystemTime, u64, u64)>;

/// The file.
#[derive(Debug)]
pub(super) struct Credentials {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Arc<Digests>,
    /// Of the file last read, well or not: a bad file is told once.
    stamp: Stamp,
    checked: Instant,
}

impl Credentials {
    /// Reads the file. Blocks.
    pub(super) fn open(path: &Path) -> Result<Self, CredentialsError> {
        // Before the file: what changes in between is read again.
        let stamp = stamp(path);
        let current = Arc::new(read(path)?);
        let state = Mutex::new(State { current, stamp, checked: Instant::now() });
        Ok(Self { path: path.to_owned(), state })
    }

    /// Whether this is the name's secret.
    pub(super) async fn holds(self: &Arc<Self>, name: &str, secret: &str) -> bool {
        let known = self.current().await;
        let given: [u8; 32] = Sha256::digest(secret).into();
        // A name that is unknown costs the same.
        let expected = known.get(name).copied().unwrap_or([0; 32]);
        bool::from(expected.as_slice().ct_eq(given.as_slice())) && known.contains_key(name)
    }

    /// Whose secret this is.
    pub(super) async fn name_of(self: &Arc<Self>, secret: &str) -> Option<String> {
        let given: [u8; 32] = Sha256::digest(secret).into();
        let known = self.current().await;
        // All are compared, found or not.
        let mut found = None;
        for (name, expected) in known.iter() {
            if bool::from(expected.as_slice().ct_eq(given.as_slice())) {
                found = Some(name.clone());
            }
        }
        found
    }

    async fn current(self: &Arc<Self>) -> Arc<Digests> {
        let is_due = {
            let mut state = self.lock();
            let due = state.checked.elapsed() >= CHECK_INTERVAL;
            if due {
                state.checked = Instant::now();
            }
            due
        };
        if is_due {
            let credentials = Arc::clone(self);
            if let Err(error) = tokio::task::spawn_blocking(move || credentials.check()).await {
                tracing::error!(%error, "the credentials' check ended early");
            }
        }
        self.lock().current.clone()
    }

    fn check(&self) {
        let stamp = stamp(&self.path);
        if self.lock().stamp == stamp {
            return;
        }
        let read = read(&self.path);
        let mut state = self.lock();
        state.stamp = stamp;
        match read {
            Ok(digests) => {
                state.current = Arc::new(digests);
                tracing::info!(file = %self.path.display(), "credentials changed and were read");
            }
            Err(error) => {
                tracing::error!(
                    "credentials changed and cannot be used: the old ones stay: {error}"
                );
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // What is in it is whole after each statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

fn read(path: &Path) -> Result<Digests, CredentialsError> {
    let text = fs::read_to_string(path)
        .map_err(|source| CredentialsError::Io { path: path.to_owned(), source })?;
    let mut digests = Digests::new();
    for (line, entry) in (1..).zip(text.lines().map(str::trim)) {
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        let wrong = |reason| CredentialsError::Line { path: path.to_owned(), line, reason };
        let (name, secret) = entry.split_once('=').ok_or_else(|| wrong("it has no `=`"))?;
        let (name, secret) = (name.trim(), secret.trim());
        if name.is_empty() || name.contains(':') {
            return Err(wrong("its name is empty or has a colon"));
        }
        if secret.is_empty() {
            return Err(wrong("its secret is empty"));
        }
        if digests.insert(name.to_owned(), Sha256::digest(secret).into()).is_some() {
            return Err(wrong("its name was there before"));
        }
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[tokio::test]
    async fn a_name_holds_with_its_own_secret_alone() {
        let file = file("# people\nana = p=w \n\nben=other\n");
        let credentials = Arc::new(Credentials::open(file.path()).unwrap());
        assert!(credentials.holds("ana", "p=w").await);
        for (name, secret) in [("ana", "other"), ("ana", ""), ("eve", "p=w"), ("", "")] {
            assert!(!credentials.holds(name, secret).await, "{name} {secret}");
        }
        assert_eq!(credentials.name_of("other").await.as_deref(), Some("ben"));
        assert_eq!(credentials.name_of("more").await, None);
    }

    #[test]
    fn a_wrong_file_is_told_by_its_line_without_its_text() {
        for text in ["a=b\ns3cret", "a=b\n=s3cret", "a=b\na=s3cret", "a=b\nc =", "a=b\nc:d=s3cret"]
        {
            let file = file(text);
            let error = Credentials::open(file.path()).unwrap_err().to_string();
            assert!(error.contains("line 2") && !error.contains("s3cret"), "{error}");
        }
        let error = Credentials::open(Path::new("/no/such")).unwrap_err().to_string();
        assert!(error.contains("/no/such"), "{error}");
    }

    #[tokio::test]
    async fn a_changed_file_is_read_and_a_wrong_one_leaves_the_old() {
        let file = file("ana=1");
        let credentials = Arc::new(Credentials::open(file.path()).unwrap());
        fs::write(file.path(), "ana=1\nben=22").unwrap();
        credentials.check();
        assert!(credentials.holds("ben", "22").await);
        fs::write(file.path(), "torn").unwrap();
        credentials.check();
        assert!(credentials.holds("ben", "22").await);
    }
}
