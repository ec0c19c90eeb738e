//! Files in byte order of their paths, page by page.
//!
//! A folder sorts as its name with a slash behind, which makes a walk in depth
//! come out in byte order of whole paths (`a-b` before `a/x` before `ab`).
//! Memory holds the names of the folders on the way down, and of each no more
//! than [`FOLDER_NAMES_MAX`] at a time.

use std::collections::BinaryHeap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Statx};
use rustix::io::Errno;

use super::root::{Root, folder_flags, object, stat};
use crate::bind::Object;
use crate::classify::ObjectsError;
use crate::driver::glob::Pattern;
use crate::driver::path::UPLOAD_PREFIX;
use crate::limits::{FOLDER_NAMES_MAX, LISTING_AGE_MAX};

/// A walk over the files that match a glob, stopped between two of them.
pub(crate) struct Listing {
    root: Arc<Root>,
    pattern: Pattern,
    levels: Vec<Level>,
    /// The last path given out, or what the walk began after.
    last: Option<String>,
    started: Instant,
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing")
            .field("glob", &self.pattern.glob())
            .field("last", &self.last)
            .finish()
    }
}

/// A folder on the way down.
struct Level {
    dir: OwnedFd,
    /// Its path with a slash behind, empty for the root.
    prefix: String,
    /// What is left of it, the next one last.
    names: Vec<Entry>,
    /// The folder holds names above those, to be read when they are used up.
    more_after: Option<String>,
}

/// A name in a folder; ordered by `key`, the name with a slash behind when it
/// is a folder's.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    File,
    Link,
    Folder,
}

impl Listing {
    pub(crate) fn start(
        root: Arc<Root>,
        pattern: Pattern,
        after: Option<String>,
    ) -> Result<Self, ObjectsError> {
        let mut listing = Self {
            root: Arc::clone(&root),
            pattern,
            levels: Vec::new(),
            last: after,
            started: Instant::now(),
        };
        let dir = root.folder("").map_err(|errno| failed("", errno))?;
        listing.descend(dir, String::new())?;
        Ok(listing)
    }

    /// Whether the page after `after` is the one that comes next here.
    pub(crate) fn continues(&self, glob: &str, after: Option<&str>) -> bool {
        self.pattern.glob() == glob
            && !self.levels.is_empty()
            && after.is_some()
            && self.last.as_deref() == after
            && self.started.elapsed() < LISTING_AGE_MAX
    }

    /// The compiled glob for another walk.
    pub(crate) fn into_pattern(self, glob: &str) -> Result<Pattern, ObjectsError> {
        if self.pattern.glob() == glob { Ok(self.pattern) } else { Pattern::new(glob) }
    }

    /// The next `max` files, fewer when there are no more.
    pub(crate) fn page(&mut self, max: usize) -> Result<Vec<Object>, ObjectsError> {
        let mut page = Vec::new();
        while page.len() < max {
            let Some(level) = self.levels.last_mut() else { break };
            match level.names.pop() {
                Some(entry) => self.visit(entry, &mut page)?,
                None => match level.more_after.take() {
                    Some(after) => {
                        let depth = self.levels.len() - 1;
                        let level = &mut self.levels[depth];
                        fill(level, &self.pattern, depth, Some(&after))?;
                    }
                    None => drop(self.levels.pop()),
                },
            }
        }
        Ok(page)
    }

    fn visit(&mut self, entry: Entry, page: &mut Vec<Object>) -> Result<(), ObjectsError> {
        let level = self.levels.last().expect("an entry is of the last level");
        let path = format!("{}{}", level.prefix, entry.key);
        if entry.kind == Kind::Folder {
            let name = entry.key.trim_end_matches('/');
            let flags = folder_flags() | OFlags::NOFOLLOW;
            return match rustix::fs::openat(&level.dir, name, flags, Mode::empty()) {
                Ok(dir) => self.descend(dir, path),
                // It went away, or something else took its place.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
                Err(errno) => Err(failed(&path, errno)),
            };
        }
        let found = match entry.kind {
            Kind::Link => self.root.resolve(&path),
            _ => match stat(&level.dir, &entry.key, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => Ok(None),
                other => other.map(Some),
            },
        };
        let found = found.map_err(|errno| ObjectsError::io("looking at", &path, errno))?;
        if let Some(stat) = found.filter(is_file) {
            page.push(object(path.clone(), &stat));
            self.last = Some(path);
        }
        Ok(())
    }

    fn descend(&mut self, dir: OwnedFd, prefix: String) -> Result<(), ObjectsError> {
        let after = self.last.as_deref().and_then(|last| last.strip_prefix(prefix.as_str()));
        let mut level = Level { dir, prefix, names: Vec::new(), more_after: None };
        fill(&mut level, &self.pattern, self.levels.len(), after)?;
        self.levels.push(level);
        Ok(())
    }
}

fn is_file(stat: &Statx) -> bool {
    FileType::from_raw_mode(u32::from(stat.stx_mode)) == FileType::RegularFile
}

fn failed(path: &str, errno: Errno) -> ObjectsError {
    ObjectsError::io("listing", if path.is_empty() { "." } else { path }, errno)
}

/// Reads the folder's names that come after `after` and may match, the lowest
/// [`FOLDER_NAMES_MAX`] of them.
fn fill(
    level: &mut Level,
    pattern: &Pattern,
    depth: usize,
    after: Option<&str>,
) -> Result<(), ObjectsError> {
    let comes = |key: &str, kind: Kind| {
        after.is_none_or(|after| {
            key > after || (kind == Kind::Folder && after.starts_with(key) && after != key)
        })
    };
    let mut lowest = BinaryHeap::new();
    let mut more = false;
    let mut keep = |entry: Entry| {
        if lowest.len() < FOLDER_NAMES_MAX {
            lowest.push(entry);
            return;
        }
        more = true;
        let mut highest = lowest.peek_mut().expect("the limit is above 0");
        if entry < *highest {
            *highest = entry;
        }
    };
    if let Some(name) = pattern.only(depth) {
        if let Some(kind) = kind_of(&level.dir, name).map_err(|e| failed(&level.prefix, e))?
            && let Some(entry) = candidate(pattern, &level.prefix, depth, name, kind)
            && comes(&entry.key, kind)
        {
            keep(entry);
        }
    } else {
        let entries = Dir::read_from(&level.dir).map_err(|e| failed(&level.prefix, e))?;
        for entry in entries {
            let entry = entry.map_err(|errno| failed(&level.prefix, errno))?;
            let bytes = entry.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            let Ok(name) = std::str::from_utf8(bytes) else {
                refuse_if_meant(pattern, level, depth, bytes)?;
                continue;
            };
            let kind = match entry.file_type() {
                FileType::RegularFile => Some(Kind::File),
                FileType::Directory => Some(Kind::Folder),
                FileType::Symlink => Some(Kind::Link),
                FileType::Unknown => {
                    kind_of(&level.dir, name).map_err(|e| failed(&level.prefix, e))?
                }
                _ => None,
            };
            if let Some(kind) = kind
                && let Some(entry) = candidate(pattern, &level.prefix, depth, name, kind)
                && comes(&entry.key, kind)
            {
                keep(entry);
            }
        }
    }
    let mut names = lowest.into_sorted_vec();
    if more {
        level.more_after = names.last().map(|entry| entry.key.clone());
    }
    names.reverse();
    level.names = names;
    Ok(())
}

fn kind_of(dir: &OwnedFd, name: &str) -> Result<Option<Kind>, Errno> {
    let stat = match stat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT | Errno::NAMETOOLONG) => return Ok(None),
        other => other?,
    };
    Ok(match FileType::from_raw_mode(u32::from(stat.stx_mode)) {
        FileType::RegularFile => Some(Kind::File),
        FileType::Directory => Some(Kind::Folder),
        FileType::Symlink => Some(Kind::Link),
        _ => None,
    })
}

fn candidate(
    pattern: &Pattern,
    prefix: &str,
    depth: usize,
    name: &str,
    kind: Kind,
) -> Option<Entry> {
    let wanted = !name.starts_with(UPLOAD_PREFIX)
        && match kind {
            Kind::Folder => pattern.descends(depth, name),
            Kind::File | Kind::Link => pattern.matches(&format!("{prefix}{name}")),
        };
    let slash = if kind == Kind::Folder { "/" } else { "" };
    wanted.then(|| Entry { key: format!("{name}{slash}"), kind })
}

/// A name that is not UTF-8 cannot be told to a plugin. If the glob means it,
/// that is an error rather than a file left out in silence.
fn refuse_if_meant(
    pattern: &Pattern,
    level: &Level,
    depth: usize,
    name: &[u8],
) -> Result<(), ObjectsError> {
    let name = String::from_utf8_lossy(name);
    let path = format!("{}{name}", level.prefix);
    if pattern.matches(&path) || pattern.descends(depth, &name) {
        return Err(ObjectsError::NameNotUtf8 {
            folder: level.prefix.clone(),
            name: name.into_owned(),
        });
    }
    Ok(())
}
