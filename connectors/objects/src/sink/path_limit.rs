//! How long a path the store takes.

use longshore_sdk::Fault;
use longshore_sdk::objects::Bucket;

/// Every store takes paths of so many bytes.
const SHORT_BYTES: usize = 256;

/// The longest name between two slashes, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// What the store has told of the paths that it takes. It depends on the store, and on
/// what the connection puts in front of them.
#[derive(Debug)]
pub(super) struct PathLimit {
    /// Paths of so many bytes are taken.
    fits: usize,
    /// Paths of so many bytes are not.
    fails: usize,
}

impl Default for PathLimit {
    fn default() -> Self {
        Self { fits: SHORT_BYTES, fails: usize::MAX }
    }
}

impl PathLimit {
    /// Whether an object may have this path, where only its length may be wrong with it.
    /// The store is asked of a length of which it has told nothing yet.
    pub(super) fn allows(&mut self, bucket: &Bucket, path: &str) -> Result<bool, Fault> {
        if path.split('/').any(|name| name.len() > NAME_BYTES_MAX) {
            return Ok(false);
        }
        let bytes = path.len();
        if bytes > self.fits && bytes < self.fails {
            match bucket.blob(path) {
                Ok(_) => self.fits = bytes,
                Err(fault) => match fault.detail().code.as_str() {
                    "not-found" => self.fits = bytes,
                    "bad-path" => self.fails = bytes,
                    _ => return Err(fault),
                },
            }
        }
        Ok(bytes <= self.fits)
    }
}
