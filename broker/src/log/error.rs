//! What can go wrong with a partition's log, one enum for each operation.

use std::io;
use std::path::{Path, PathBuf};

use kafka_protocol::error::ResponseError;

use super::batch::BatchError;
use super::codec::CodecError;
use super::producers::SequenceError;
use super::record_heads::RecordError;
use super::scan::ScanError;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}", path.display())]
pub struct FileError {
    /// What was attempted, as in "append to".
    pub action: &'static str,
    /// On which file or folder.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Bytes on disk that are not what was written there.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is corrupt at position {position}: {reason}; restore the file or move the partition's \
     folder away",
    file.display()
)]
pub struct Corruption {
    /// The segment's log.
    pub file: PathBuf,
    /// Position of the first byte that is wrong.
    pub position: u64,
    /// What is wrong.
    pub reason: String,
}

/// What ended a partition's log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Outage {
    /// Its files failed, or are not what was written there.
    #[error("{0}")]
    Failed(String),
    /// The node is stopping.
    #[error("it was closed")]
    Closed,
    /// Its topic is gone.
    #[error("it was deleted")]
    Deleted,
}

/// The partition takes no more calls.
#[derive(Debug, Clone, thiserror::Error)]
#[error("partition {partition} is offline: {outage}")]
pub struct Offline {
    /// Topic and partition, as its folder is named.
    pub partition: String,
    /// What took it offline.
    pub outage: Outage,
}

impl Offline {
    /// The error that Kafka's protocol has for it. A log that ended in order tells
    /// clients to look elsewhere, not operators that a disk failed.
    #[must_use]
    pub fn response(&self) -> ResponseError {
        match self.outage {
            Outage::Failed(_) => ResponseError::KafkaStorageError,
            Outage::Closed => ResponseError::NotLeaderOrFollower,
            Outage::Deleted => ResponseError::UnknownTopicOrPartition,
        }
    }
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder is not named `topic-partition`.
    #[error("{} is not named like a partition: topic-0", .0.display())]
    Name(PathBuf),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Records below the recovery point are damaged.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
}

/// Why a request was not appended; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A batch is malformed or its CRC is wrong.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A batch is well-formed but not allowed here.
    #[error("{0}")]
    InvalidRecord(&'static str),
    /// Records without a key in a batch for a compacted topic.
    #[error("a compacted topic takes no record without a key")]
    Keyless {
        /// Their places in the batch, in order; the first of them when they
        /// are very many.
        batch_indexes: Vec<i32>,
    },
    /// A batch is larger than `max.message.bytes`.
    #[error("a batch has {size_bytes} bytes, max.message.bytes is {max_bytes}")]
    MessageTooLarge {
        /// Of the batch.
        size_bytes: usize,
        /// The topic's limit.
        max_bytes: usize,
    },
    /// The request is larger than a segment.
    #[error("the batches have {size_bytes} bytes, segment.bytes is {max_bytes}")]
    LargerThanSegment {
        /// Of all batches.
        size_bytes: usize,
        /// The topic's limit.
        max_bytes: usize,
    },
    /// Too far from the broker's clock, or not the producer's to set.
    #[error("timestamp {timestamp_ms} is refused: {reason}")]
    InvalidTimestamp {
        /// The offending timestamp.
        timestamp_ms: i64,
        /// Why.
        reason: &'static str,
    },
    /// The records' compression cannot be read.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// An idempotent producer's sequence or epoch does not fit.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// The file system failed; the log is as it was before.
    #[error(transparent)]
    File(#[from] FileError),
    /// The partition takes no more appends.
    #[error(transparent)]
    Offline(#[from] Offline),
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset is not within the log.
    #[error("offset {offset} is not within {log_start_offset} to {log_end_offset}")]
    OffsetOutOfRange {
        /// As asked for.
        offset: i64,
        /// First offset there is.
        log_start_offset: i64,
        /// Offset after the last.
        log_end_offset: i64,
    },
    /// Damaged bytes were come upon.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// The file system failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The partition takes no more reads.
    #[error(transparent)]
    Offline(#[from] Offline),
}

/// Why records could not be made durable, or old ones not be removed.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The offset is not within the log.
    #[error("offset {offset} is not within {log_start_offset} to {high_watermark}")]
    OffsetOutOfRange {
        /// As asked for.
        offset: i64,
        /// First offset there is.
        log_start_offset: i64,
        /// Offset after the last that may be removed.
        high_watermark: i64,
    },
    /// Damaged bytes were come upon.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// The file system failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The partition takes no more calls.
    #[error(transparent)]
    Offline(#[from] Offline),
    /// The offset map cannot hold the keys of even one batch.
    #[error("the cleaner's offset map of {map_bytes} bytes is too small for one batch")]
    MapTooSmall {
        /// Its configured size.
        map_bytes: usize,
    },
}

impl From<RecordError> for AppendError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Codec(error) => error.into(),
            RecordError::Batch(error) => error.into(),
        }
    }
}

impl AppendError {
    /// The error that Kafka's protocol has for it.
    #[must_use]
    pub fn response(&self) -> ResponseError {
        match self {
            Self::Batch(BatchError::Malformed(_) | BatchError::Magic(_))
            | Self::InvalidRecord(_)
            | Self::Keyless { .. } => ResponseError::InvalidRecord,
            Self::Batch(_) => ResponseError::CorruptMessage,
            Self::MessageTooLarge { .. } => ResponseError::MessageTooLarge,
            Self::LargerThanSegment { .. } => ResponseError::RecordListTooLarge,
            Self::InvalidTimestamp { .. } => ResponseError::InvalidTimestamp,
            Self::Codec(CodecError::Unknown(_)) => ResponseError::UnsupportedCompressionType,
            Self::Codec(CodecError::TooLarge { .. }) => ResponseError::MessageTooLarge,
            Self::Codec(_) => ResponseError::CorruptMessage,
            Self::Sequence(SequenceError::OutOfOrder { .. }) => {
                ResponseError::OutOfOrderSequenceNumber
            }
            Self::Sequence(SequenceError::Fenced { .. }) => ResponseError::InvalidProducerEpoch,
            Self::Sequence(SequenceError::CoordinatorFenced { .. }) => {
                ResponseError::TransactionCoordinatorFenced
            }
            Self::Sequence(SequenceError::TransactionState { .. }) => {
                ResponseError::InvalidTxnState
            }
            Self::File(_) => ResponseError::KafkaStorageError,
            Self::Offline(offline) => offline.response(),
        }
    }
}

impl ReadError {
    /// The error that Kafka's protocol has for it.
    #[must_use]
    pub fn response(&self) -> ResponseError {
        match self {
            Self::OffsetOutOfRange { .. } => ResponseError::OffsetOutOfRange,
            Self::Corrupt(_) | Self::File(_) => ResponseError::KafkaStorageError,
            Self::Offline(offline) => offline.response(),
        }
    }
}

impl MaintenanceError {
    /// The error that Kafka's protocol has for it.
    #[must_use]
    pub fn response(&self) -> ResponseError {
        match self {
            Self::OffsetOutOfRange { .. } => ResponseError::OffsetOutOfRange,
            Self::Offline(offline) => offline.response(),
            _ => ResponseError::KafkaStorageError,
        }
    }
}

/// Says what was being done to which file.
pub(crate) trait FileContext<T> {
    fn on(self, action: &'static str, path: &Path) -> Result<T, FileError>;

    /// As [`FileContext::on`] where the path would have to be made: it is, of a failure.
    fn on_file(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, FileError>;
}

impl<T> FileContext<T> for io::Result<T> {
    fn on(self, action: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError { action, path: path.to_owned(), source })
    }

    fn on_file(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, FileError> {
        self.map_err(|source| FileError { action, path: path(), source })
    }
}

/// Sorts what a walk over a segment came upon into I/O and corruption.
pub(crate) fn scan_failure<E>(error: ScanError, file: PathBuf, position: u64) -> E
where
    E: From<FileError> + From<Corruption>,
{
    match error {
        ScanError::Io(source) => FileError { action: "read", path: file, source }.into(),
        ScanError::Batch(reason) => {
            Corruption { file, position, reason: reason.to_string() }.into()
        }
    }
}
