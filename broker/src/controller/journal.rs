//! The durable local log of metadata records.
//!
//! Two files: `journal`, frames appended and synced before they are answered,
//! and `snapshot`, one frame that stands for every frame up to its sequence.
//!
//! ```text
//! frame   := length u32 | crc32c u32 | payload        big-endian
//! payload := JSON {"sequence": n, "records": [...]}   crc over the payload
//! ```
//!
//! A frame is a transaction: all of its records apply or none. A torn last
//! frame was never answered, so opening drops it; a bad frame with a good one
//! after it is corruption and refuses to open.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{ClusterImage, MetadataRecord};
use crate::{datadir, limits};

/// Why the journal cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A frame in the middle does not match its checksum.
    #[error(
        "{} is corrupt at byte {position}: {reason}; restore the metadata folder from a backup",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the bad frame begins.
        position: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A change, or all that there is, does not fit a frame.
    #[error("{bytes} bytes of metadata do not fit a frame of {max}")]
    TooLarge {
        /// Of the frame's payload.
        bytes: usize,
        /// A frame's limit.
        max: usize,
    },
    /// The file system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Transaction {
    sequence: u64,
    records: Vec<MetadataRecord>,
}

/// An open journal. After an error it may only be used again if [`Journal::is_usable`].
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
    file: File,
    bytes: u64,
    snapshot_bytes: u64,
    next_sequence: u64,
    /// Unless what the disk holds is unknown.
    usable: bool,
    #[cfg(test)]
    disk_full_after: Option<usize>,
}

const HEADER_BYTES: usize = 8;

impl Journal {
    /// Opens or creates the journal, and replays it into an image.
    pub(super) fn open(directory: &Path) -> Result<(Self, ClusterImage), JournalError> {
        let journal_path = directory.join("journal");
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::Io { path, source }
        };
        fs::create_dir_all(directory).map_err(io(directory))?;
        datadir::sync_parent(directory).map_err(io(directory))?;
        let mut image = ClusterImage::default();
        let mut next_sequence = 0;
        let snapshot_bytes = read_snapshot(directory, &mut image, &mut next_sequence)?;

        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&journal_path)
            .map_err(io(&journal_path))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(io(&journal_path))?;
        let end = replay(&journal_path, &content, &mut image, &mut next_sequence)?;
        if end < content.len() {
            tracing::warn!(
                path = %journal_path.display(),
                dropped_bytes = content.len() - end,
                "the journal's last frame was torn by a crash and never answered: dropped"
            );
            file.set_len(end as u64).map_err(io(&journal_path))?;
        }
        file.seek(SeekFrom::Start(end as u64)).map_err(io(&journal_path))?;
        file.sync_all().map_err(io(&journal_path))?;
        datadir::sync_parent(&journal_path).map_err(io(&journal_path))?;
        let journal = Self {
            directory: directory.to_owned(),
            file,
            bytes: end as u64,
            snapshot_bytes,
            next_sequence,
            usable: true,
            #[cfg(test)]
            disk_full_after: None,
        };
        Ok((journal, image))
    }

    /// The sequence that the next transaction will have.
    pub(super) fn next_sequence(&self) -> i64 {
        i64::try_from(self.next_sequence).unwrap_or(i64::MAX)
    }

    /// Appends one transaction and syncs it.
    pub(super) fn append(&mut self, records: &[MetadataRecord]) -> Result<(), JournalError> {
        let frame = encode(self.next_sequence, records)?;
        let path = self.directory.join("journal");
        if let Err(source) = self.write(&frame) {
            // A full disk refuses this change alone: what came of it is cut off.
            let restored = self
                .file
                .set_len(self.bytes)
                .and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            self.usable = restored.is_ok();
            return Err(JournalError::Io { path, source });
        }
        if let Err(source) = self.file.sync_data() {
            // The kernel may have dropped the pages, these or earlier ones.
            self.usable = false;
            return Err(JournalError::Io { path, source });
        }
        self.bytes += frame.len() as u64;
        self.next_sequence += 1;
        Ok(())
    }

    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if let Some(bytes) = self.disk_full_after {
            self.file.write_all(&frame[..bytes])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(frame)
    }

    /// Whether it is as it was before a call that failed.
    pub(super) fn is_usable(&self) -> bool {
        self.usable
    }

    /// Folds the journal into a snapshot once it has grown enough. `image`
    /// must show everything appended.
    pub(super) fn compact_if_large(&mut self, image: &ClusterImage) -> Result<(), JournalError> {
        if self.bytes <= limits::JOURNAL_BYTES_MAX.max(self.snapshot_bytes) {
            return Ok(());
        }
        self.compact(image)
    }

    pub(super) fn compact(&mut self, image: &ClusterImage) -> Result<(), JournalError> {
        // The snapshot stands for every sequence below the next one. A crash
        // before the truncation leaves frames that the snapshot covers: the
        // replay skips them by their sequence.
        let frame = encode(self.next_sequence, &image.to_records())?;
        let path = self.directory.join("snapshot");
        datadir::write_durably(&path, &frame)
            .map_err(|source| JournalError::Io { path, source })?;
        self.snapshot_bytes = frame.len() as u64;
        self.next_sequence += 1;
        self.usable = false;
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .and_then(|_| self.file.sync_all())
            .map_err(|source| JournalError::Io { path: self.directory.join("journal"), source })?;
        self.bytes = 0;
        self.usable = true;
        Ok(())
    }
}

/// # Errors
/// [`JournalError::TooLarge`]: what is never read back must not be written.
fn encode(sequence: u64, records: &[MetadataRecord]) -> Result<Vec<u8>, JournalError> {
    let transaction = Transaction { sequence, records: records.to_vec() };
    let payload =
        serde_json::to_vec(&transaction).expect("records have string keys and no failing part");
    let (bytes, max) = (payload.len(), limits::JOURNAL_FRAME_BYTES_MAX);
    if bytes > max {
        return Err(JournalError::TooLarge { bytes, max });
    }
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    frame.extend_from_slice(&crc32c::crc32c(&payload).to_be_bytes());
    frame.extend_from_slice(&payload);
    Ok(frame)
}

/// A frame, and the bytes that it takes.
fn decode(content: &[u8]) -> Result<(Transaction, usize), String> {
    let (header, rest) = content.split_at_checked(HEADER_BYTES).ok_or("its header is cut short")?;
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let length = word(0) as usize;
    if length > limits::JOURNAL_FRAME_BYTES_MAX {
        return Err(format!("its length {length} is beyond the limit"));
    }
    let payload = rest.get(..length).ok_or("its payload is cut short")?;
    if crc32c::crc32c(payload) != word(4) {
        return Err("its checksum does not match".to_owned());
    }
    let transaction: Transaction =
        serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    if transaction.sequence == u64::MAX {
        return Err("no transaction can follow its sequence".to_owned());
    }
    Ok((transaction, HEADER_BYTES + length))
}

fn read_snapshot(
    directory: &Path,
    image: &mut ClusterImage,
    next_sequence: &mut u64,
) -> Result<u64, JournalError> {
    let path = directory.join("snapshot");
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(JournalError::Io { path, source }),
    };
    // The snapshot was renamed into place after its sync, so it is never torn.
    let (transaction, _) =
        decode(&content).map_err(|reason| JournalError::Corrupt { path, position: 0, reason })?;
    transaction.records.iter().for_each(|record| image.apply(record));
    *next_sequence = transaction.sequence + 1;
    Ok(content.len() as u64)
}

/// Applies every whole frame; answers with the end of the last one.
fn replay(
    path: &Path,
    content: &[u8],
    image: &mut ClusterImage,
    next_sequence: &mut u64,
) -> Result<usize, JournalError> {
    let mut position = 0;
    while position < content.len() {
        match decode(&content[position..]) {
            Ok((transaction, bytes)) => {
                if transaction.sequence >= *next_sequence {
                    transaction.records.iter().for_each(|record| image.apply(record));
                    *next_sequence = transaction.sequence + 1;
                }
                position += bytes;
            }
            Err(_) if is_torn(&content[position..]) => break,
            Err(reason) => {
                let position = position as u64;
                return Err(JournalError::Corrupt { path: path.to_owned(), position, reason });
            }
        }
    }
    Ok(position)
}

/// Whether a bad frame can be an unfinished write: nothing good follows it.
fn is_torn(bad: &[u8]) -> bool {
    // One append is unfinished at most, so a bad frame is torn exactly when no
    // later byte begins a good frame.
    !(1..bad.len()).any(|start| decode(&bad[start..]).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(next: i64) -> Vec<MetadataRecord> {
        vec![MetadataRecord::ProducerIds { next }]
    }

    #[test]
    fn a_sequence_that_none_can_follow_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let frame = encode(u64::MAX, &ids(1)).unwrap();
        fs::write(directory.path().join("snapshot"), frame).unwrap();
        let refused = Journal::open(directory.path());
        assert!(matches!(refused, Err(JournalError::Corrupt { .. })));
    }

    fn filled(directory: &Path, count: i64) {
        let (mut journal, _) = Journal::open(directory).unwrap();
        for next in 1..=count {
            journal.append(&ids(next)).unwrap();
        }
    }

    #[test]
    fn what_was_appended_is_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 3);
        let (_, image) = Journal::open(dir.path()).unwrap();
        assert_eq!(image.next_producer_id(), 3);
    }

    #[test]
    fn a_full_disk_refuses_one_change_and_no_later_one() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 1);
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        for bytes in [0, 5, 20] {
            journal.disk_full_after = Some(bytes);
            assert!(matches!(journal.append(&ids(7)), Err(JournalError::Io { .. })));
            assert!(journal.is_usable());
            assert_eq!(Journal::open(dir.path()).unwrap().1.next_producer_id(), 1);
        }
        journal.disk_full_after = None;
        journal.append(&ids(9)).unwrap();
        assert_eq!(Journal::open(dir.path()).unwrap().1.next_producer_id(), 9);
    }

    #[test]
    fn metadata_that_could_not_be_read_back_is_never_written() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, mut image) = Journal::open(dir.path()).unwrap();
        let topic_id = uuid::Uuid::from_u128(7);
        let topic = MetadataRecord::Topic { topic_id, name: "t".into() };
        let large = MetadataRecord::Config {
            resource: crate::controller::ConfigResource::Topic("t".into()),
            key: "k".into(),
            value: Some("v".repeat(limits::JOURNAL_FRAME_BYTES_MAX)),
        };
        journal.append(std::slice::from_ref(&topic)).unwrap();
        image.apply(&topic);
        let refused = journal.append(std::slice::from_ref(&large));
        assert!(matches!(refused, Err(JournalError::TooLarge { .. })));
        image.apply(&large);
        assert!(matches!(journal.compact(&image), Err(JournalError::TooLarge { .. })));
        assert!(journal.is_usable());
        assert_eq!(Journal::open(dir.path()).unwrap().1.topics().count(), 1);
    }

    #[test]
    fn a_tail_torn_at_any_byte_costs_only_the_last_transaction() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 3);
        let path = dir.path().join("journal");
        let whole = fs::read(&path).unwrap();
        let frame = whole.len() / 3;
        for cut in 2 * frame + 1..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (mut journal, image) = Journal::open(dir.path()).unwrap();
            assert_eq!(image.next_producer_id(), 2, "cut at {cut}");
            journal.append(&ids(9)).unwrap();
            let (_, image) = Journal::open(dir.path()).unwrap();
            assert_eq!(image.next_producer_id(), 9, "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_before_a_good_frame_refuses_to_open() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 3);
        let path = dir.path().join("journal");
        let whole = fs::read(&path).unwrap();
        for position in 0..2 * whole.len() / 3 {
            let mut bad = whole.clone();
            bad[position] ^= 0x40;
            fs::write(&path, &bad).unwrap();
            let error = Journal::open(dir.path()).unwrap_err();
            assert!(matches!(error, JournalError::Corrupt { .. }), "byte {position}: {error}");
        }
    }

    #[test]
    fn a_snapshot_stands_for_the_journal_even_if_truncation_was_lost() {
        let dir = tempfile::tempdir().unwrap();
        let topic_id = uuid::Uuid::from_u128(7);
        let (mut journal, mut image) = Journal::open(dir.path()).unwrap();
        let created = MetadataRecord::Topic { topic_id, name: "t".into() };
        let removed = MetadataRecord::RemoveTopic { topic_id };
        for record in [created, removed] {
            journal.append(std::slice::from_ref(&record)).unwrap();
            image.apply(&record);
        }
        let before = fs::read(dir.path().join("journal")).unwrap();
        journal.compact(&image).unwrap();
        fs::write(dir.path().join("journal"), before).unwrap();
        let (mut journal, replayed) = Journal::open(dir.path()).unwrap();
        assert_eq!(replayed, image);
        journal.append(&ids(5)).unwrap();
        assert_eq!(Journal::open(dir.path()).unwrap().1.next_producer_id(), 5);
    }
}
