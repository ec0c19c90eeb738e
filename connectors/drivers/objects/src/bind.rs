//! What the plugin contract's interface `object-store` binds to.
//!
//! Every call is bounded and runs off the async threads, since a disk or a
//! mounted file system may block.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::classify::ObjectsError;
use crate::config::ObjectsConfig;
use crate::driver::glob::Pattern;
use crate::driver::local::{File, Listing, Root, Temporary};
use crate::limits::{LIST_MAX, READ_BYTES_MAX};

/// Asked before each write: whether the task may still write. It compares the
/// lease with a clock that counts suspended time.
pub type MayWrite = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a connector was granted on a connection.
#[derive(Clone)]
pub enum Access {
    /// Reading alone.
    Read,
    /// Reading, and writing as long as the task's lease lasts.
    Write(MayWrite),
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "Read",
            Self::Write(_) => "Write",
        })
    }
}

impl Access {
    pub(crate) fn check(&self, path: &str) -> Result<(), ObjectsError> {
        match self {
            Self::Read => Err(ObjectsError::ReadOnly { path: path.to_owned() }),
            Self::Write(may_write) if may_write() => Ok(()),
            Self::Write(_) => Err(ObjectsError::Fenced { path: path.to_owned() }),
        }
    }
}

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Path from the bucket's root, parts separated by `/`.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Tells versions of one path apart. For local files it names the file
    /// itself (inode and time of birth): a file that grows keeps it, a file
    /// that is put in its place has another.
    pub etag: String,
    /// Last change, milliseconds since the epoch.
    pub modified_ms: i64,
}

/// A place for objects, which is the whole world to those who hold it.
#[derive(Debug, Clone)]
pub struct Bucket {
    root: Arc<Root>,
    /// The last listing: the next page goes on where it ended, and another pass over
    /// the same glob need not compile it.
    listing: Arc<Mutex<Option<Listing>>>,
}

impl Bucket {
    /// Opens the bucket of a connection.
    pub async fn open(config: &ObjectsConfig, access: Access) -> Result<Self, ObjectsError> {
        let ObjectsConfig::Local { root } = config.clone();
        let root = blocking(move || Root::open(root, access)).await?;
        Ok(Self { root: Arc::new(root), listing: Arc::default() })
    }

    /// The folder that was opened, as a path without links.
    pub fn location(&self) -> Result<PathBuf, ObjectsError> {
        self.root.real_location()
    }

    /// Objects whose path matches `glob`, in byte order of their paths, after
    /// `after`, at most `max`; fewer than `max` when there are no more.
    ///
    /// `*` and `?` match within a segment, `**` across segments, `[a-z]` and
    /// `{a,b}` as in a shell; a backslash takes a character as it is. Uploads
    /// that are not finished are not seen. A symbolic link to a file inside the
    /// root is listed as that file, one to a folder is not descended into, and
    /// one that leads out is not listed.
    pub async fn list(
        &self,
        glob: &str,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<Object>, ObjectsError> {
        let (root, place) = (Arc::clone(&self.root), Arc::clone(&self.listing));
        let (glob, after) = (glob.to_owned(), after.map(str::to_owned));
        let max = max.min(LIST_MAX) as usize;
        blocking(move || {
            let kept = place.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut listing = match kept {
                Some(listing) if listing.continues(&glob, after.as_deref()) => listing,
                Some(listing) => Listing::start(root, listing.into_pattern(&glob)?, after)?,
                None => Listing::start(root, Pattern::new(&glob)?, after)?,
            };
            let page = listing.page(max)?;
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(listing);
            Ok(page)
        })
        .await
    }

    /// Opens one object, pinned: what is put in its place later is not seen.
    pub async fn blob(&self, path: &str) -> Result<Blob, ObjectsError> {
        let (root, path) = (Arc::clone(&self.root), path.to_owned());
        let file = blocking(move || root.file(&path)).await?;
        Ok(Blob { file: Arc::new(file) })
    }

    /// Puts a small object whole. False: there was one already, and it stays.
    /// Durable when it answers, either way.
    pub async fn put_if_absent(&self, path: &str, body: Vec<u8>) -> Result<bool, ObjectsError> {
        let (root, path) = (Arc::clone(&self.root), path.to_owned());
        blocking(move || {
            let mut upload = Temporary::create(root, &path)?;
            upload.write(&body)?;
            upload.finish(true)
        })
        .await
    }

    /// Starts an upload. Nothing is to be seen of it until it is finished.
    pub async fn upload(&self, path: &str) -> Result<Upload, ObjectsError> {
        let (root, path) = (Arc::clone(&self.root), path.to_owned());
        let upload = blocking(move || Temporary::create(root, &path)).await?;
        Ok(Upload { file: Arc::new(Mutex::new(upload)) })
    }

    /// Deletes an object; one that is not there is deleted already.
    pub async fn delete(&self, path: &str) -> Result<(), ObjectsError> {
        let (root, path) = (Arc::clone(&self.root), path.to_owned());
        blocking(move || root.delete(&path)).await
    }
}

/// One version of an object, open for reading.
#[derive(Debug, Clone)]
pub struct Blob {
    file: Arc<File>,
}

impl Blob {
    /// The object as it is now: a local file may grow, or be cut, in place.
    pub fn about(&self) -> Result<Object, ObjectsError> {
        self.file.about()
    }

    /// The object's path.
    pub fn path(&self) -> &str {
        self.file.path()
    }

    /// Up to `max` bytes from position `at` on, fewer only at the end, where
    /// they are none.
    pub async fn read(&self, at: u64, max: u32) -> Result<Vec<u8>, ObjectsError> {
        let mut bytes = Vec::new();
        self.read_onto(at, max, &mut bytes).await?;
        Ok(bytes)
    }

    /// As [`read`](Self::read), added to `bytes`; answers how many.
    pub async fn read_onto(
        &self,
        at: u64,
        max: u32,
        bytes: &mut Vec<u8>,
    ) -> Result<usize, ObjectsError> {
        let (file, max) = (Arc::clone(&self.file), max.min(READ_BYTES_MAX) as usize);
        let mut taken = std::mem::take(bytes);
        let (taken, read) = blocking(move || {
            let read = file.read(at, max, &mut taken)?;
            Ok((taken, read))
        })
        .await?;
        *bytes = taken;
        Ok(read)
    }
}

/// An object that is being written. Dropping it aborts it.
#[derive(Debug)]
pub struct Upload {
    file: Arc<Mutex<Temporary>>,
}

impl Upload {
    /// Adds bytes at the end.
    pub async fn write(&self, part: Vec<u8>) -> Result<(), ObjectsError> {
        self.with(move |file| file.write(&part)).await
    }

    /// Makes it the object of its path, durable before it answers. False: with
    /// `if_absent`, there was one already, and it stays.
    ///
    /// One that answered an error can be finished again; one that is finished
    /// answers the same again.
    pub async fn finish(&self, if_absent: bool) -> Result<bool, ObjectsError> {
        self.with(move |file| file.finish(if_absent)).await
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Temporary) -> Result<T, ObjectsError> + Send + 'static,
    ) -> Result<T, ObjectsError> {
        let file = Arc::clone(&self.file);
        blocking(move || work(&mut file.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ObjectsError> + Send + 'static,
) -> Result<T, ObjectsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ObjectsError::Lost { reason: error.to_string() }),
    }
}
