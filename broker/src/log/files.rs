//! Names in a partition folder, and the few ways in which files are touched.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file is being written by the cleaner; worthless after a crash.
pub(crate) const CLEANED: &str = ".cleaned";
/// A file is complete and about to replace segments.
pub(crate) const SWAP: &str = ".swap";
/// A file is no longer part of the log.
pub(crate) const DELETED: &str = ".deleted";

pub(crate) const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
pub(crate) const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
pub(crate) const LOG_START: &str = "log-start-offset-checkpoint";
pub(crate) const CLEANER: &str = "cleaner-offset-checkpoint";
pub(crate) const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// The files that are named by an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Log,
    Index,
    TimeIndex,
    /// There only if the segment has an abort marker.
    TxnIndex,
    Snapshot,
}

impl Kind {
    /// The files of a segment, the log last: it decides.
    pub(crate) const SEGMENT: [Self; 4] = [Self::Index, Self::TimeIndex, Self::TxnIndex, Self::Log];

    fn extension(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::Index => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TxnIndex => ".txnindex",
            Self::Snapshot => ".snapshot",
        }
    }
}

/// `00000000000000004711.log` and a suffix such as [`SWAP`], or none.
pub(crate) fn path_of(dir: &Path, offset: i64, kind: Kind, suffix: &str) -> PathBuf {
    dir.join(format!("{offset:020}{}{suffix}", kind.extension()))
}

/// What [`path_of`] made; `None` for every other name.
pub(crate) fn parse_name(name: &str) -> Option<(i64, Kind, &str)> {
    let (digits, rest) = name.split_at_checked(20)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let offset = digits.parse().ok()?;
    [Kind::TimeIndex, Kind::TxnIndex, Kind::Index, Kind::Log, Kind::Snapshot]
        .into_iter()
        .find_map(|kind| Some((offset, kind, rest.strip_prefix(kind.extension())?)))
}

/// All offset-named files of a folder.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<(i64, Kind, String)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some((offset, kind, suffix)) = name.to_str().and_then(parse_name) {
            found.push((offset, kind, suffix.to_owned()));
        }
    }
    found.sort_by_key(|(offset, _, _)| *offset);
    Ok(found)
}

/// Opens for reading and writing, creating what is missing.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    #[cfg(test)]
    faults::before_open()?;
    File::open(dir)?.sync_all()
}

/// Replaces a small file so that a crash leaves the old or the new, never half.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let file = File::create(&temporary)?;
    write_all_at(&file, bytes, 0)?;
    file.sync_data()?;
    std::fs::rename(&temporary, path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Removes a file; that it is not there is fine.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Renames a file; that it is not there is fine.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes all of `bytes` at `position`, without moving any cursor.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    #[cfg(test)]
    let bytes = match faults::before_write(bytes.len()) {
        None => bytes,
        Some(allowed) => {
            file.write_all_at(&bytes[..allowed], position)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
    };
    file.write_all_at(bytes, position)
}

/// Reads up to `length` bytes at `position`: fewer only at the end of the file.
pub(crate) fn read_at(file: &File, position: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    fill_at(file, position, length, &mut bytes)?;
    Ok(bytes)
}

/// As [`read_at`], into a buffer that is reused and holds nothing else.
///
/// Reads into spare capacity, so that no byte is zeroed before it is read.
pub(crate) fn fill_at(
    file: &File,
    position: u64,
    length: usize,
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    buffer.clear();
    buffer.reserve(length);
    while buffer.len() < length {
        let at = position + buffer.len() as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(buffer), at) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    buffer.truncate(length);
    Ok(())
}

/// A full disk, for tests: the next writes of this thread fail after some bytes.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::Cell;

    thread_local! {
        static BYTES_LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// Lets this thread write `bytes` more; `None` lifts the limit.
    pub(crate) fn set_bytes_left(bytes: Option<usize>) {
        BYTES_LEFT.set(bytes);
    }

    thread_local! {
        static OUT_OF_FILES: Cell<bool> = const { Cell::new(false) };
    }

    /// Makes this thread find no free descriptor for a folder.
    pub(crate) fn set_out_of_files(out: bool) {
        OUT_OF_FILES.set(out);
    }

    pub(super) fn before_open() -> std::io::Result<()> {
        match OUT_OF_FILES.get() {
            true => Err(rustix::io::Errno::MFILE.into()),
            false => Ok(()),
        }
    }

    pub(super) fn before_write(length: usize) -> Option<usize> {
        let left = BYTES_LEFT.get()?;
        BYTES_LEFT.set(Some(left.saturating_sub(length)));
        (left < length).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_back_with_their_suffix() {
        let dir = Path::new("/d");
        for kind in [Kind::Log, Kind::Index, Kind::TimeIndex, Kind::TxnIndex, Kind::Snapshot] {
            for suffix in ["", SWAP, CLEANED, DELETED] {
                let path = path_of(dir, 4711, kind, suffix);
                let name = path.file_name().unwrap().to_str().unwrap();
                assert_eq!(parse_name(name), Some((4711, kind, suffix)));
            }
        }
    }

    #[test]
    fn foreign_names_are_left_alone() {
        for name in ["leader-epoch-checkpoint", "1.log", "0000000000000000000x.log", "", "é"] {
            assert_eq!(parse_name(name), None, "{name}");
        }
    }
}
