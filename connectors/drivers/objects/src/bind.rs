//! What the plugin contract's interface `object-store` binds to.
//!
//! Every call is bounded. What a disk or a mounted file system may block runs off
//! the async threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use longshore_driver_common::{Access, Denied};

use crate::classify::ObjectsError;
use crate::config::ObjectsConfig;
use crate::driver::glob::Pattern;
use crate::driver::local::{File, Listing, Root, Temporary};
#[cfg(feature = "s3")]
use crate::driver::s3;
use crate::limits::{LIST_MAX, READ_BYTES_MAX};

/// Asked before each write to a path.
pub(crate) fn check(access: &Access, path: &str) -> Result<(), ObjectsError> {
    access.check().map_err(|denied| match denied {
        Denied::ReadOnly => ObjectsError::ReadOnly { path: path.to_owned() },
        Denied::Fenced => ObjectsError::Fenced { path: path.to_owned() },
    })
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
    /// that is put in its place has another. No two objects share one.
    pub etag: String,
    /// Last change, milliseconds since the epoch.
    pub modified_ms: i64,
}

/// A place for objects, which is the whole world to those who hold it.
#[derive(Debug, Clone)]
pub struct Bucket {
    store: Store,
}

#[derive(Debug, Clone)]
enum Store {
    Local {
        root: Arc<Root>,
        /// The last listing: the next page goes on where it ended, and another pass over
        /// the same glob need not compile it.
        listing: Arc<Mutex<Option<Listing>>>,
    },
    #[cfg(feature = "s3")]
    S3 {
        store: Arc<s3::Store>,
        /// As above; it is taken out while it is used.
        listing: Arc<Mutex<Option<s3::Listing>>>,
    },
}

impl Bucket {
    /// Opens the bucket of a connection.
    pub async fn open(config: &ObjectsConfig, access: Access) -> Result<Self, ObjectsError> {
        let store = match config.clone() {
            ObjectsConfig::Local { root } => {
                let root = Arc::new(blocking(move || Root::open(root, access)).await?);
                Store::Local { root, listing: Arc::default() }
            }
            #[cfg(feature = "s3")]
            ObjectsConfig::S3(settings) => {
                let store = Arc::new(s3::Store::open(&settings, access).await?);
                Store::S3 { store, listing: Arc::default() }
            }
            #[cfg(not(feature = "s3"))]
            ObjectsConfig::S3(_) => return Err(ObjectsError::NotBuilt { feature: "s3" }),
        };
        Ok(Self { store })
    }

    /// The folder of this machine that was opened, as a path without links; `None`
    /// where the objects are elsewhere.
    pub fn folder(&self) -> Result<Option<PathBuf>, ObjectsError> {
        match &self.store {
            Store::Local { root, .. } => root.real_location().map(Some),
            #[cfg(feature = "s3")]
            Store::S3 { .. } => Ok(None),
        }
    }

    /// Objects whose path matches `glob`, in byte order of their paths, after
    /// `after`, at most `max`; fewer than `max` when there are no more.
    ///
    /// `*` and `?` match within a segment, `**` across segments, `[a-z]` and
    /// `{a,b}` as in a shell; a backslash takes a character as it is. Uploads
    /// that are not finished are not seen. Of local files a symbolic link to a file
    /// inside the root is listed as that file, one to a folder is not descended into,
    /// and one that leads out is not listed. Of S3's keys those that end with a slash
    /// stand for folders and are not listed.
    pub async fn list(
        &self,
        glob: &str,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<Object>, ObjectsError> {
        let max = max.min(LIST_MAX) as usize;
        match &self.store {
            Store::Local { root, listing } => {
                let (root, place) = (Arc::clone(root), Arc::clone(listing));
                let (glob, after) = (glob.to_owned(), after.map(str::to_owned));
                blocking(move || {
                    let mut listing = match take(&place) {
                        Some(listing) if listing.continues(&glob, after.as_deref()) => listing,
                        Some(listing) => Listing::start(root, listing.into_pattern(&glob)?, after)?,
                        None => Listing::start(root, Pattern::new(&glob)?, after)?,
                    };
                    let page = listing.page(max)?;
                    put(&place, listing);
                    Ok(page)
                })
                .await
            }
            #[cfg(feature = "s3")]
            Store::S3 { store, listing: place } => {
                let mut listing = match take(place) {
                    Some(listing) if listing.continues(glob, after) => listing,
                    _ => {
                        let (pattern, after) = (Pattern::new(glob)?, after.map(str::to_owned));
                        s3::Listing::start(Arc::clone(store), pattern, after)
                    }
                };
                let page = listing.page(max).await?;
                put(place, listing);
                Ok(page)
            }
        }
    }

    /// Opens one object, pinned: what is put in its place later is not seen.
    pub async fn blob(&self, path: &str) -> Result<Blob, ObjectsError> {
        let body = match &self.store {
            Store::Local { root, .. } => {
                let (root, path) = (Arc::clone(root), path.to_owned());
                Body::Local(Arc::new(blocking(move || root.file(&path)).await?))
            }
            #[cfg(feature = "s3")]
            Store::S3 { store, .. } => {
                Body::S3(Arc::new(s3::Stored::open(Arc::clone(store), path).await?))
            }
        };
        Ok(Blob { body })
    }

    /// Puts a small object whole. False: there was one already, and it stays.
    /// Durable when it answers, either way.
    pub async fn put_if_absent(&self, path: &str, body: Vec<u8>) -> Result<bool, ObjectsError> {
        match &self.store {
            Store::Local { root, .. } => {
                let (root, path) = (Arc::clone(root), path.to_owned());
                blocking(move || {
                    let mut upload = Temporary::create(root, &path)?;
                    upload.write(&body)?;
                    upload.finish(true)
                })
                .await
            }
            #[cfg(feature = "s3")]
            Store::S3 { store, .. } => store.put_if_absent(path, body).await,
        }
    }

    /// Starts an upload. Nothing is to be seen of it until it is finished.
    pub async fn upload(&self, path: &str) -> Result<Upload, ObjectsError> {
        let writing = match &self.store {
            Store::Local { root, .. } => {
                let (root, path) = (Arc::clone(root), path.to_owned());
                let upload = blocking(move || Temporary::create(root, &path)).await?;
                Writing::Local(Arc::new(Mutex::new(upload)))
            }
            #[cfg(feature = "s3")]
            Store::S3 { store, .. } => {
                let upload = s3::Upload::start(Arc::clone(store), path).await?;
                Writing::S3(Arc::new(tokio::sync::Mutex::new(upload)))
            }
        };
        Ok(Upload { writing })
    }

    /// Deletes an object; one that is not there is deleted already.
    pub async fn delete(&self, path: &str) -> Result<(), ObjectsError> {
        match &self.store {
            Store::Local { root, .. } => {
                let (root, path) = (Arc::clone(root), path.to_owned());
                blocking(move || root.delete(&path)).await
            }
            #[cfg(feature = "s3")]
            Store::S3 { store, .. } => store.delete(path).await,
        }
    }
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn put<T>(place: &Mutex<Option<T>>, listing: T) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(listing);
}

/// One version of an object, open for reading.
#[derive(Debug, Clone)]
pub struct Blob {
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Local(Arc<File>),
    #[cfg(feature = "s3")]
    S3(Arc<s3::Stored>),
}

impl Blob {
    /// The object as it is now: a local file may grow, or be cut, in place.
    pub fn about(&self) -> Result<Object, ObjectsError> {
        match &self.body {
            Body::Local(file) => file.about(),
            #[cfg(feature = "s3")]
            Body::S3(stored) => Ok(stored.about().clone()),
        }
    }

    /// The object's path.
    pub fn path(&self) -> &str {
        match &self.body {
            Body::Local(file) => file.path(),
            #[cfg(feature = "s3")]
            Body::S3(stored) => &stored.about().path,
        }
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
        let max = max.min(READ_BYTES_MAX) as usize;
        match &self.body {
            Body::Local(file) => {
                let file = Arc::clone(file);
                let mut taken = std::mem::take(bytes);
                let (taken, read) = blocking(move || {
                    let read = file.read(at, max, &mut taken)?;
                    Ok((taken, read))
                })
                .await?;
                *bytes = taken;
                Ok(read)
            }
            #[cfg(feature = "s3")]
            Body::S3(stored) => stored.read(at, max, bytes).await,
        }
    }
}

/// An object that is being written. Dropping it aborts it.
#[derive(Debug)]
pub struct Upload {
    writing: Writing,
}

#[derive(Debug)]
enum Writing {
    Local(Arc<Mutex<Temporary>>),
    #[cfg(feature = "s3")]
    S3(Arc<tokio::sync::Mutex<s3::Upload>>),
}

impl Upload {
    /// Adds bytes at the end. After an error none of them were added.
    pub async fn write(&self, part: Vec<u8>) -> Result<(), ObjectsError> {
        match &self.writing {
            Writing::Local(file) => local(file, move |file| file.write(&part)).await,
            #[cfg(feature = "s3")]
            Writing::S3(upload) => upload.lock().await.write(part).await,
        }
    }

    /// Makes it the object of its path, durable before it answers. False: with
    /// `if_absent`, there was one already, and it stays.
    ///
    /// One that answered an error can be finished again; one that is finished
    /// answers the same again.
    pub async fn finish(&self, if_absent: bool) -> Result<bool, ObjectsError> {
        match &self.writing {
            Writing::Local(file) => local(file, move |file| file.finish(if_absent)).await,
            #[cfg(feature = "s3")]
            Writing::S3(upload) => upload.lock().await.finish(if_absent).await,
        }
    }
}

async fn local<T: Send + 'static>(
    file: &Arc<Mutex<Temporary>>,
    work: impl FnOnce(&mut Temporary) -> Result<T, ObjectsError> + Send + 'static,
) -> Result<T, ObjectsError> {
    let file = Arc::clone(file);
    blocking(move || work(&mut file.lock().unwrap_or_else(PoisonError::into_inner))).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ObjectsError> + Send + 'static,
) -> Result<T, ObjectsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ObjectsError::Lost { reason: error.to_string() }),
    }
}
