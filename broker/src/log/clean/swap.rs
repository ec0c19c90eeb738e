//! The swap: cleaned files take the place of segments, killable at every step.
//! `DESIGN.md`, section 11, step 5.

use std::fs::File;
use std::path::Path;

use crate::log::error::{Corruption, FileContext, FileError, scan_failure};
use crate::log::files::{self, CLEANED, DELETED, Kind, SWAP, path_of};
use crate::log::scan::Scanner;

/// Removes the cleaned files of a compaction that will not be committed.
pub(super) fn discard(dir: &Path, base_offset: i64) -> Result<(), FileError> {
    for kind in Kind::SEGMENT {
        let path = path_of(dir, base_offset, kind, CLEANED);
        files::remove(&path).on("remove", &path)?;
    }
    Ok(())
}

/// Commits the cleaned files of `base_offset`: after this they win, crash or not.
pub(super) fn commit(dir: &Path, folder: &File, base_offset: i64) -> Result<(), FileError> {
    crate::crash::point("clean-before-swap");
    for kind in Kind::SEGMENT {
        let from = path_of(dir, base_offset, kind, CLEANED);
        files::rename(&from, &path_of(dir, base_offset, kind, SWAP)).on("rename", &from)?;
    }
    folder.sync_all().on("fsync", dir)
}

/// Renames the replaced segments away and the committed files into place.
pub(super) fn replace(
    dir: &Path,
    folder: &File,
    base_offset: i64,
    replaced: &[i64],
) -> Result<(), FileError> {
    for offset in replaced {
        mark_deleted(dir, *offset)?;
        crate::crash::point("clean-middle-of-swap");
    }
    install(dir, folder, base_offset)?;
    for offset in replaced {
        remove_deleted(dir, *offset)?;
    }
    crate::crash::point("clean-after-swap");
    Ok(())
}

fn install(dir: &Path, folder: &File, base_offset: i64) -> Result<(), FileError> {
    for kind in Kind::SEGMENT {
        let from = path_of(dir, base_offset, kind, SWAP);
        files::rename(&from, &path_of(dir, base_offset, kind, "")).on("rename", &from)?;
    }
    folder.sync_all().on("fsync", dir)
}

/// Takes a segment's files out of the log by name. The log goes first: a segment
/// without indexes is rebuilt, indexes without a segment are removed.
pub(in crate::log) fn mark_deleted(dir: &Path, base_offset: i64) -> Result<(), FileError> {
    for kind in Kind::SEGMENT.into_iter().rev() {
        let from = path_of(dir, base_offset, kind, "");
        files::rename(&from, &path_of(dir, base_offset, kind, DELETED)).on("rename", &from)?;
    }
    Ok(())
}

/// Unlinks what [`mark_deleted`] renamed.
pub(in crate::log) fn remove_deleted(dir: &Path, base_offset: i64) -> Result<(), FileError> {
    for kind in Kind::SEGMENT {
        let path = path_of(dir, base_offset, kind, DELETED);
        files::remove(&path).on("remove", &path)?;
    }
    Ok(())
}

/// At open: finishes committed swaps, forgets the others, removes what is deleted.
pub(in crate::log) fn finish<E>(dir: &Path) -> Result<(), E>
where
    E: From<FileError> + From<Corruption>,
{
    let listed = files::list(dir).on("list", dir)?;
    for (base_offset, _, _) in
        listed.iter().filter(|(_, kind, suffix)| *kind == Kind::Log && suffix == SWAP)
    {
        let end_offset = end_of::<E>(&path_of(dir, *base_offset, Kind::Log, SWAP), *base_offset)?;
        tracing::info!(dir = %dir.display(), base_offset, end_offset, "finishing a compaction");
        for (offset, kind, suffix) in &listed {
            let replaced = suffix.is_empty() && (*base_offset..end_offset).contains(offset);
            if replaced && *kind != Kind::Snapshot {
                let path = path_of(dir, *offset, *kind, "");
                files::remove(&path).on("remove", &path)?;
            }
        }
        let folder = File::open(dir).on("open", dir)?;
        install(dir, &folder, *base_offset)?;
    }
    // What is still there under these names belongs to nothing.
    for (offset, kind, suffix) in files::list(dir).on("list", dir)? {
        if [CLEANED, SWAP, DELETED].contains(&suffix.as_str()) {
            let path = path_of(dir, offset, kind, &suffix);
            files::remove(&path).on("remove", &path)?;
        }
    }
    Ok(())
}

fn end_of<E>(path: &Path, base_offset: i64) -> Result<i64, E>
where
    E: From<FileError> + From<Corruption>,
{
    let file = std::fs::File::open(path).on("open", path)?;
    let size = file.metadata().on("open", path)?.len();
    let mut scanner = Scanner::headers(&file, 0, size);
    let mut end_offset = base_offset;
    loop {
        let position = scanner.position();
        match scanner.next() {
            Ok(Some(batch)) => end_offset = batch.header.next_offset(),
            Ok(None) => return Ok(end_offset),
            Err(error) => return Err(scan_failure(error, path.to_owned(), position)),
        }
    }
}
