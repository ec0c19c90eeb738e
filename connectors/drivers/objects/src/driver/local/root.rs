//! The folder: how it is entered and never left; reading and deleting.

use std::collections::HashSet;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;

use crate::Access;
use crate::bind::{Object, check};
use crate::classify::ObjectsError;
use crate::driver::path;
use crate::limits::{CLEANED_FOLDERS_MAX, RACE_ATTEMPTS_MAX};

/// A bucket's folder, held open: it stays the same whatever is renamed.
pub(crate) struct Root {
    dir: OwnedFd,
    location: PathBuf,
    pub(super) access: Access,
    /// Folders already cleaned of uploads that were killed.
    cleaned: Mutex<HashSet<String>>,
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Root {
    pub(crate) fn open(location: PathBuf, access: Access) -> Result<Self, ObjectsError> {
        let failed = |errno| ObjectsError::Root { root: location.clone(), errno };
        if matches!(access, Access::Write(_)) {
            make_all(&location).map_err(failed)?;
        }
        let dir = rustix::fs::open(&location, folder_flags(), Mode::empty()).map_err(failed)?;
        Ok(Self { dir, location, access, cleaned: Mutex::default() })
    }

    /// Where the folder is, through whatever links it was opened.
    pub(crate) fn real_location(&self) -> Result<PathBuf, ObjectsError> {
        std::fs::read_link(format!("/proc/self/fd/{}", self.dir.as_raw_fd())).map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            ObjectsError::Root { root: self.location.clone(), errno }
        })
    }

    /// Opens what `path` names, following links as long as they stay inside.
    fn open_beneath(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC;
        for _ in 0..RACE_ATTEMPTS_MAX {
            match rustix::fs::openat2(&self.dir, path, flags, Mode::empty(), resolve) {
                // The kernel could not be sure of `..` while something was
                // renamed; or a signal came.
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Opens a folder of the bucket, `""` for its root.
    pub(super) fn folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.open_beneath(if path.is_empty() { "." } else { path }, folder_flags())
    }

    /// Opens a folder, which is made with those above it where it is missing.
    pub(super) fn make_folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        match self.folder(path) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let (above, name) = path::split(path);
        let parent = self.make_folder(above)?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        rustix::fs::fsync(&parent)?;
        self.folder(path)
    }

    /// True the first time that a folder is asked about.
    pub(super) fn cleans(&self, folder: &str) -> bool {
        let mut cleaned = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner);
        if cleaned.len() >= CLEANED_FOLDERS_MAX {
            cleaned.clear();
        }
        cleaned.insert(folder.to_owned())
    }

    /// Opens a file for reading.
    pub(crate) fn file(&self, path: &str) -> Result<File, ObjectsError> {
        path::check(path)?;
        // Without NONBLOCK a pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = self.open_beneath(path, flags).map_err(|errno| match errno {
            // A socket, or a device without a driver.
            Errno::NXIO => ObjectsError::NotAFile { path: path.to_owned(), what: "special" },
            errno => ObjectsError::io("opening", path, errno),
        })?;
        let file = File { file: fd.into(), path: path.to_owned() };
        let kind = FileType::from_raw_mode(u32::from(file.stat()?.stx_mode));
        match kind {
            FileType::RegularFile => Ok(file),
            FileType::Directory => {
                Err(ObjectsError::NotAFile { path: path.to_owned(), what: "a folder" })
            }
            _ => Err(ObjectsError::NotAFile { path: path.to_owned(), what: "special" }),
        }
    }

    pub(crate) fn delete(&self, path: &str) -> Result<(), ObjectsError> {
        path::check(path)?;
        check(&self.access, path)?;
        let (folder, name) = path::split(path);
        let failed = |errno| ObjectsError::io("deleting", path, errno);
        let folder = match self.folder(folder) {
            Err(Errno::NOENT) => return Ok(()),
            other => other.map_err(failed)?,
        };
        match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) => rustix::fs::fsync(&folder).map_err(failed),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// What a link inside the root leads to, `None` when that is no file inside.
    pub(super) fn resolve(&self, path: &str) -> Result<Option<Statx>, Errno> {
        let opened = match self.open_beneath(path, OFlags::PATH) {
            Err(Errno::XDEV | Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => return Ok(None),
            other => other?,
        };
        stat(&opened, "", AtFlags::EMPTY_PATH).map(Some)
    }
}

/// A file open for reading.
#[derive(Debug)]
pub(crate) struct File {
    file: std::fs::File,
    path: String,
}

impl File {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn about(&self) -> Result<Object, ObjectsError> {
        Ok(object(self.path.clone(), &self.stat()?))
    }

    fn stat(&self) -> Result<Statx, ObjectsError> {
        stat(&self.file, "", AtFlags::EMPTY_PATH)
            .map_err(|errno| ObjectsError::io("looking at", &self.path, errno))
    }

    /// Adds up to `max` bytes from `at` on to `bytes`; fewer only at the end.
    pub(crate) fn read(
        &self,
        at: u64,
        max: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<usize, ObjectsError> {
        // No more room than there is to read: `max` is often far above it.
        let left = self.stat()?.stx_size.saturating_sub(at);
        let wanted = usize::try_from(left).map_or(max, |left| left.min(max));
        let start = bytes.len();
        bytes.resize(start + wanted, 0);
        let mut read = 0;
        while read < wanted {
            match self.file.read_at(&mut bytes[start + read..], at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    bytes.truncate(start);
                    return Err(ObjectsError::std("reading", &self.path, &error));
                }
            }
        }
        bytes.truncate(start + read);
        Ok(read)
    }
}

pub(super) fn stat(fd: impl AsFd, name: &str, flags: AtFlags) -> Result<Statx, Errno> {
    rustix::fs::statx(fd, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)
}

pub(super) fn object(path: String, stat: &Statx) -> Object {
    Object {
        path,
        size: stat.stx_size,
        etag: etag(stat),
        modified_ms: stat.stx_mtime.tv_sec * 1000 + i64::from(stat.stx_mtime.tv_nsec / 1_000_000),
    }
}

/// Inode and time of birth: numbers of inodes are used again, together with
/// the nanosecond of their birth they are not. The device is left out where
/// there is a birth, since its number may change when the machine starts again.
fn etag(stat: &Statx) -> String {
    if StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME) {
        let birth = stat.stx_btime;
        format!("{:x}-{:x}.{:x}", stat.stx_ino, birth.tv_sec, birth.tv_nsec)
    } else {
        format!("{:x}-{:x}:{:x}", stat.stx_ino, stat.stx_dev_major, stat.stx_dev_minor)
    }
}

pub(super) fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

fn make_all(location: &Path) -> Result<(), Errno> {
    std::fs::create_dir_all(location)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
