//! Temporary files that become objects whole.
//!
//! The file lies beside its object, on the same file system, under a name that
//! no object can have. Whoever writes it holds a lock on it, which the kernel
//! lets go when the process dies: a temporary file that can be locked is a
//! killed worker's leftover, and the next upload into that folder removes it.

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::root::{Root, stat};
use crate::bind::check;
use crate::classify::ObjectsError;
use crate::driver::path::{self, UPLOAD_PREFIX};
use crate::limits::RACE_ATTEMPTS_MAX;

/// An object being written.
#[derive(Debug)]
pub(crate) struct Temporary {
    root: Arc<Root>,
    folder: OwnedFd,
    file: fs::File,
    temporary: String,
    path: String,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Only the temporary name leads to it.
    Hidden,
    /// Decided: this upload's file (true) or another's (false) is the object;
    /// its folder may not yet be on disk.
    Placed(bool),
    /// Durable.
    Done(bool),
}

impl Temporary {
    pub(crate) fn create(root: Arc<Root>, path: &str) -> Result<Self, ObjectsError> {
        path::check(path)?;
        check(&root.access, path)?;
        let failed = |errno| ObjectsError::io("starting to write", path, errno);
        let (folder_path, _) = path::split(path);
        let folder = root.make_folder(folder_path).map_err(failed)?;
        if root.cleans(folder_path) {
            clean(&folder).map_err(failed)?;
        }
        for _ in 0..RACE_ATTEMPTS_MAX {
            let temporary = name();
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file =
                match rustix::fs::openat(&folder, &temporary, flags, Mode::from_raw_mode(0o666)) {
                    Err(Errno::EXIST | Errno::INTR) => continue,
                    other => other.map_err(failed)?,
                };
            // Between the two calls another worker may take it for a leftover.
            let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
            let links = stat(&file, "", AtFlags::EMPTY_PATH).map_err(failed)?.stx_nlink;
            match locked {
                Ok(()) if links > 0 => {}
                Ok(()) | Err(Errno::AGAIN | Errno::INTR) => continue,
                Err(errno) => return Err(failed(errno)),
            }
            let path = path.to_owned();
            let file = file.into();
            return Ok(Self { root, folder, file, temporary, path, state: State::Hidden });
        }
        Err(failed(Errno::AGAIN))
    }

    pub(crate) fn write(&mut self, part: &[u8]) -> Result<(), ObjectsError> {
        check(&self.root.access, &self.path)?;
        let before = self.file.metadata().map_err(|error| self.failed(&error))?.len();
        let written = self.file.write_all(part);
        written.map_err(|error| {
            // Half a part must not stay when the same part is written again.
            let cut = self.file.set_len(before);
            let back = std::io::Seek::seek(&mut self.file, std::io::SeekFrom::Start(before));
            self.failed(&cut.and(back.map(drop)).err().unwrap_or(error))
        })
    }

    fn failed(&self, error: &std::io::Error) -> ObjectsError {
        ObjectsError::std("writing", &self.path, error)
    }

    pub(crate) fn finish(&mut self, if_absent: bool) -> Result<bool, ObjectsError> {
        if let State::Done(placed) = self.state {
            return Ok(placed);
        }
        let path = self.path.clone();
        let failed = |errno| ObjectsError::io("finishing", &path, errno);
        if self.state == State::Hidden {
            rustix::fs::fsync(&self.file).map_err(failed)?;
            check(&self.root.access, &path)?;
            let placed = self.place(if_absent).map_err(failed)?;
            self.state = State::Placed(placed);
        }
        // Also when another's file is there: whoever relies on it needs it to
        // outlive a power failure.
        rustix::fs::fsync(&self.folder).map_err(failed)?;
        let State::Placed(placed) = self.state else { unreachable!("it was placed above") };
        self.state = State::Done(placed);
        Ok(placed)
    }

    fn place(&self, if_absent: bool) -> Result<bool, Errno> {
        let (folder, from) = (&self.folder, self.temporary.as_str());
        let (_, to) = path::split(&self.path);
        if !if_absent {
            return rustix::fs::renameat(folder, from, folder, to).map(|()| true);
        }
        let placed =
            match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(true),
                // Network file systems lack it, but they have links.
                Err(Errno::INVAL | Errno::NOSYS) => {
                    rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())
                }
                Err(errno) => Err(errno),
            };
        let placed = match placed {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno),
        };
        // Its second name, or its only one. If that fails it is a leftover.
        let _ = rustix::fs::unlinkat(folder, from, AtFlags::empty());
        Ok(placed)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.state == State::Hidden {
            // If that fails it is a leftover, which the next upload removes.
            let _ = rustix::fs::unlinkat(&self.folder, &self.temporary, AtFlags::empty());
        }
    }
}

/// A name that no other upload of this machine has, and hardly one of another's.
fn name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    format!("{UPLOAD_PREFIX}{:x}-{:x}{:08x}-{count:x}", std::process::id(), now.tv_sec, now.tv_nsec)
}

/// Removes the temporary files that nobody holds a lock on.
fn clean(folder: &OwnedFd) -> Result<(), Errno> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_bytes().starts_with(UPLOAD_PREFIX.as_bytes()) {
            continue;
        }
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(folder, name, flags, Mode::empty()) else {
            // Gone, or another user's: not ours to remove.
            continue;
        };
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}
