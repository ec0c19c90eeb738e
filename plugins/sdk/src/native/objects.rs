//! `object-store/store` over objects in memory.

use std::cell::{Cell, RefCell};

use globset::GlobBuilder;

use super::formats::{Writer, rows};
use crate::Fault;
use crate::formats::Decoded;
use crate::objects::Object;
use crate::testkit::{Stored, with_world};

/// Uploads that the host lets one instance have.
const UPLOADS_MAX: usize = 500;

/// The longest path, in bytes: that of S3.
const PATH_BYTES_MAX: usize = 1024;

/// A granted connection.
#[derive(Debug)]
pub struct Bucket {
    connection: String,
}

/// One version of an object.
#[derive(Debug)]
pub struct Blob {
    connection: String,
    about: Object,
    bytes: Vec<u8>,
}

/// Rows of a blob.
#[derive(Debug)]
pub struct Scan {
    connection: String,
    path: String,
    format: String,
    options: String,
    bytes: Vec<u8>,
    at: Cell<u64>,
    complete: bool,
}

/// An object that is invisible until it is finished.
#[derive(Debug)]
pub struct Upload {
    path: String,
    bytes: RefCell<Vec<u8>>,
}

fn check(path: &str) -> Result<(), Fault> {
    if path.len() > PATH_BYTES_MAX {
        return Err(Fault::config("bad-path", "its key is longer than 1024 bytes"));
    }
    Ok(())
}

fn not_found(path: &str) -> Fault {
    Fault::config("not-found", format!("there is no object `{path}`"))
}

impl Bucket {
    /// A connection that the test's world has.
    pub fn open(connection: &str) -> Result<Self, Fault> {
        let known = with_world(|world| world.objects.contains_key(connection));
        if known {
            Ok(Self { connection: connection.to_owned() })
        } else {
            let message = format!("there is no connection `{connection}`");
            Err(Fault::config("connection-unknown", message))
        }
    }

    fn with<R>(
        &self,
        call: impl FnOnce(&mut std::collections::BTreeMap<String, Stored>) -> R,
    ) -> R {
        with_world(|world| call(world.objects.entry(self.connection.clone()).or_default()))
    }

    /// Objects whose path matches `glob`, in byte order, after `after`.
    pub fn list(&self, glob: &str, after: Option<&str>, max: u32) -> Result<Vec<Object>, Fault> {
        let glob = GlobBuilder::new(glob)
            .literal_separator(true)
            .build()
            .map_err(|error| Fault::config("glob", error))?
            .compile_matcher();
        with_world(|world| world.now_ms += world.list_ms);
        Ok(self.with(|objects| {
            objects
                .iter()
                .filter(|(path, _)| {
                    glob.is_match(path) && after.is_none_or(|after| path.as_str() > after)
                })
                .take(max as usize)
                .map(|(path, stored)| stored.about(path))
                .collect()
        }))
    }

    /// Pins the object at `path`.
    pub fn blob(&self, path: &str) -> Result<Blob, Fault> {
        check(path)?;
        let stored = self.with(|objects| objects.get(path).cloned());
        let stored = stored.ok_or_else(|| not_found(path))?;
        let connection = self.connection.clone();
        Ok(Blob { connection, about: stored.about(path), bytes: stored.bytes })
    }

    /// False: it was already there.
    pub fn put_if_absent(&self, path: &str, body: &[u8]) -> Result<bool, Fault> {
        Ok(self.put(path, body.to_vec(), true))
    }

    fn put(&self, path: &str, bytes: Vec<u8>, if_absent: bool) -> bool {
        let stored = with_world(|world| {
            world.now_ms += world.put_ms;
            world.stored(bytes)
        });
        self.with(|objects| {
            if if_absent && objects.contains_key(path) {
                return false;
            }
            objects.insert(path.to_owned(), stored);
            true
        })
    }

    /// Begins an object.
    pub fn upload(&self, path: &str) -> Result<Upload, Fault> {
        check(path)?;
        with_world(|world| {
            if world.uploads >= UPLOADS_MAX {
                let message = format!("an instance may have {UPLOADS_MAX} files open");
                return Err(Fault::config("too-many-files", message));
            }
            world.uploads += 1;
            Ok(Upload { path: path.to_owned(), bytes: RefCell::default() })
        })
    }

    /// Many at once, an answer each.
    pub fn finish(&self, uploads: &[&Upload], if_absent: bool) -> Vec<Result<bool, Fault>> {
        uploads
            .iter()
            .map(|upload| Ok(self.put(&upload.path, upload.bytes.borrow().clone(), if_absent)))
            .collect()
    }

    /// Deletes; what is not there is deleted already.
    pub fn delete(&self, paths: &[String]) -> Vec<Result<(), Fault>> {
        self.with(|objects| {
            paths
                .iter()
                .map(|path| {
                    objects.remove(path);
                    Ok(())
                })
                .collect()
        })
    }
}

impl Blob {
    /// The object as it was when it was pinned.
    pub fn about(&self) -> Result<Object, Fault> {
        Ok(self.about.clone())
    }

    /// At most `max` bytes from `at`.
    pub fn read(&self, at: u64, max: u32) -> Result<Vec<u8>, Fault> {
        let start = self.bytes.len().min(at as usize);
        let end = self.bytes.len().min(start + max as usize);
        Ok(self.bytes[start..end].to_vec())
    }

    /// Decodes from the position `at`.
    pub fn scan(
        &self,
        format: &str,
        options: &str,
        at: u64,
        complete: bool,
    ) -> Result<Scan, Fault> {
        rows(format, options, &[], 0, 0, complete)?;
        Ok(Scan {
            connection: self.connection.clone(),
            path: self.about.path.clone(),
            format: format.to_owned(),
            options: options.to_owned(),
            bytes: self.bytes.clone(),
            at: Cell::new(at),
            complete,
        })
    }
}

impl Scan {
    /// About `max_bytes` of records; `None` at the end.
    pub fn next(&self, max_bytes: u32) -> Result<Option<Decoded>, Fault> {
        let is_gone = with_world(|world| {
            let objects = world.objects.get(&self.connection);
            world.unpinned && objects.is_none_or(|objects| !objects.contains_key(&self.path))
        });
        if is_gone {
            return Err(not_found(&self.path));
        }
        let (batch, ends) = rows(
            &self.format,
            &self.options,
            &self.bytes,
            self.at.get(),
            max_bytes,
            self.complete,
        )?;
        let Some(end) = ends.last() else { return Ok(None) };
        self.at.set(*end);
        Ok(Some(Decoded { batch, ends }))
    }
}

impl Upload {
    /// Adds bytes.
    pub fn write(&self, part: &[u8]) -> Result<(), Fault> {
        self.bytes.borrow_mut().extend_from_slice(part);
        Ok(())
    }

    /// Takes what the writer has encoded.
    pub fn write_from(&self, writer: &Writer, last: bool) -> Result<(), Fault> {
        // Neither format has a footer.
        let _ = last;
        self.write(&writer.take())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // It may be of a world before this one.
        with_world(|world| world.uploads = world.uploads.saturating_sub(1));
    }
}
