//! The 61-byte header of a record batch (format v2): parse, check, patch.
//!
//! A batch stays opaque on its way from produce to fetch; all that the log needs
//! is in this header. The layout is drawn in `DESIGN.md`, section 2.

use super::limits::{BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES};

/// "No producer id": the batch is of a producer that is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// "No sequence".
pub const NO_SEQUENCE: i32 = -1;
/// "No timestamp".
pub const NO_TIMESTAMP: i64 = -1;

const LEADER_EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const RECORD_COUNT_AT: usize = 57;

const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME_BIT: i16 = 0x08;
const TRANSACTIONAL_BIT: i16 = 0x10;
const CONTROL_BIT: i16 = 0x20;
const DELETE_HORIZON_BIT: i16 = 0x40;

/// Why bytes are no valid record batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the batch says it has, or than any batch has.
    #[error("a batch of {needed} bytes is cut after {available}")]
    Truncated {
        /// Bytes that the batch must have.
        needed: u64,
        /// Bytes that are there.
        available: u64,
    },
    /// The length field is negative or smaller than the header.
    #[error("batch length {0} is smaller than a batch header")]
    Length(i32),
    /// A format that is not v2.
    #[error("magic {0} is not supported, only record batches of format v2 are")]
    Magic(i8),
    /// The CRC-32C does not match.
    #[error("CRC-32C is {actual:#010x}, the header says {stored:#010x}")]
    Crc {
        /// As stored in the header.
        stored: u32,
        /// As computed over the bytes.
        actual: u32,
    },
    /// Count, offsets or records do not fit together.
    #[error("{0}")]
    Malformed(&'static str),
}

/// The header of one batch, decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (of the original batch, if compaction took records).
    pub base_offset: i64,
    /// Bytes of the whole batch, header included.
    pub size_bytes: usize,
    /// Epoch of the leader that appended it; -1 in a produce request.
    pub leader_epoch: i32,
    /// Always 2.
    pub magic: i8,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Codec, timestamp type, transactional, control and delete-horizon bits.
    pub attributes: i16,
    /// Last offset minus base offset.
    pub last_offset_delta: i32,
    /// What timestamp deltas are relative to, in ms; also the delete horizon.
    pub base_timestamp_ms: i64,
    /// Greatest timestamp of the batch in ms.
    pub max_timestamp_ms: i64,
    /// Producer id, or [`NO_PRODUCER_ID`].
    pub producer_id: i64,
    /// Producer epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence of the first record, or [`NO_SEQUENCE`].
    pub base_sequence: i32,
    /// Records in the batch.
    pub record_count: i32,
}

impl BatchHeader {
    /// Decodes the header at the front of `bytes`, which may end after it.
    ///
    /// # Errors
    /// When it is too short, its length field is impossible or its magic is not 2.
    /// The CRC is not checked: see [`check_crc`].
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let Some(header) = bytes.first_chunk::<BATCH_HEADER_BYTES>() else {
            return Err(BatchError::Truncated {
                needed: BATCH_HEADER_BYTES as u64,
                available: bytes.len() as u64,
            });
        };
        let length = i32::from_be_bytes(field(header, 8));
        let size_bytes = usize::try_from(length)
            .ok()
            .map(|length| length + BATCH_PREFIX_BYTES)
            .filter(|size| *size >= BATCH_HEADER_BYTES)
            .ok_or(BatchError::Length(length))?;
        let magic = header[MAGIC_AT] as i8;
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        Ok(Self {
            base_offset: i64::from_be_bytes(field(header, 0)),
            size_bytes,
            leader_epoch: i32::from_be_bytes(field(header, LEADER_EPOCH_AT)),
            magic,
            crc: u32::from_be_bytes(field(header, CRC_AT)),
            attributes: i16::from_be_bytes(field(header, ATTRIBUTES_AT)),
            last_offset_delta: i32::from_be_bytes(field(header, LAST_OFFSET_DELTA_AT)),
            base_timestamp_ms: i64::from_be_bytes(field(header, BASE_TIMESTAMP_AT)),
            max_timestamp_ms: i64::from_be_bytes(field(header, MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(field(header, PRODUCER_ID_AT)),
            producer_epoch: i16::from_be_bytes(field(header, PRODUCER_EPOCH_AT)),
            base_sequence: i32::from_be_bytes(field(header, BASE_SEQUENCE_AT)),
            record_count: i32::from_be_bytes(field(header, RECORD_COUNT_AT)),
        })
    }

    /// Offset of the last record.
    #[inline]
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Offset after the last record.
    #[inline]
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Sequence of the last record; sequences wrap from `i32::MAX` to 0.
    #[inline]
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        add_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// Whether an idempotent producer sent it.
    #[inline]
    #[must_use]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// The codec's number, 0 for none. 5 to 7 are no codec.
    #[inline]
    #[must_use]
    pub fn codec_id(&self) -> u8 {
        (self.attributes & CODEC_MASK) as u8
    }

    /// Whether every record has the batch's max timestamp, given by the broker.
    #[inline]
    #[must_use]
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME_BIT != 0
    }

    /// Whether it belongs to a transaction.
    #[inline]
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Whether its records are for the broker's and the clients' own use.
    #[inline]
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// Time in ms from which tombstones of this batch may be removed (KIP-534).
    #[inline]
    #[must_use]
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON_BIT != 0).then_some(self.base_timestamp_ms)
    }

    /// Checks what can be seen without the records: offsets and count agree.
    ///
    /// # Errors
    /// [`BatchError::Malformed`] with the reason.
    pub(crate) fn check_shape(&self) -> Result<(), BatchError> {
        if self.last_offset_delta < 0 {
            return Err(BatchError::Malformed("last offset delta is negative"));
        }
        if self.record_count < 0 {
            return Err(BatchError::Malformed("record count is negative"));
        }
        // Compaction removes records, never adds any.
        if i64::from(self.record_count) > i64::from(self.last_offset_delta) + 1 {
            return Err(BatchError::Malformed("more records than offsets"));
        }
        if self.base_offset < 0 || self.base_offset.checked_add(i64::from(i32::MAX)).is_none() {
            return Err(BatchError::Malformed("base offset is out of range"));
        }
        Ok(())
    }

    /// Writes this header over the first 61 bytes of `batch` and seals it with
    /// its length and CRC. For batches that we build; others stay as they came.
    pub(crate) fn seal(&self, batch: &mut [u8]) {
        debug_assert_eq!(self.size_bytes, batch.len(), "a header seals its own batch");
        let length = i32::try_from(batch.len() - BATCH_PREFIX_BYTES)
            .expect("a batch is bounded by max.message.bytes or the decompression limit");
        put(batch, 0, self.base_offset.to_be_bytes());
        put(batch, 8, length.to_be_bytes());
        put(batch, LEADER_EPOCH_AT, self.leader_epoch.to_be_bytes());
        batch[MAGIC_AT] = 2;
        put(batch, ATTRIBUTES_AT, self.attributes.to_be_bytes());
        put(batch, LAST_OFFSET_DELTA_AT, self.last_offset_delta.to_be_bytes());
        put(batch, BASE_TIMESTAMP_AT, self.base_timestamp_ms.to_be_bytes());
        put(batch, MAX_TIMESTAMP_AT, self.max_timestamp_ms.to_be_bytes());
        put(batch, PRODUCER_ID_AT, self.producer_id.to_be_bytes());
        put(batch, PRODUCER_EPOCH_AT, self.producer_epoch.to_be_bytes());
        put(batch, BASE_SEQUENCE_AT, self.base_sequence.to_be_bytes());
        put(batch, RECORD_COUNT_AT, self.record_count.to_be_bytes());
        let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
        put(batch, CRC_AT, crc.to_be_bytes());
    }

    /// Sets codec bits.
    pub(crate) fn set_codec_id(&mut self, codec: u8) {
        self.attributes = (self.attributes & !CODEC_MASK) | i16::from(codec);
    }

    /// Marks the base timestamp as a delete horizon.
    pub(crate) fn set_delete_horizon(&mut self, horizon_ms: i64) {
        self.attributes |= DELETE_HORIZON_BIT;
        self.base_timestamp_ms = horizon_ms;
    }

    /// Marks all records as stamped by the broker at `now_ms`.
    pub(crate) fn set_log_append_time(&mut self, now_ms: i64) {
        self.attributes |= LOG_APPEND_TIME_BIT;
        self.max_timestamp_ms = now_ms;
    }

    /// Sets the control bit.
    pub(crate) fn set_control(&mut self) {
        self.attributes |= CONTROL_BIT;
    }

    /// Sets or clears the transactional bit.
    pub(crate) fn set_transactional(&mut self, transactional: bool) {
        self.attributes &= !TRANSACTIONAL_BIT;
        if transactional {
            self.attributes |= TRANSACTIONAL_BIT;
        }
    }
}

/// `sequence + increment`, wrapping from `i32::MAX` to 0 as producers do.
#[inline]
pub(crate) fn add_sequence(sequence: i32, increment: i32) -> i32 {
    ((i64::from(sequence) + i64::from(increment)) & i64::from(i32::MAX)) as i32
}

/// Whether `sequence` comes after `other`, of two that are less than half of all
/// sequences apart: after `i32::MAX` comes 0.
#[inline]
pub(crate) fn is_after(sequence: i32, other: i32) -> bool {
    let distance = (i64::from(sequence) - i64::from(other)) & i64::from(i32::MAX);
    (1..1 << 30).contains(&distance)
}

/// Compares the stored CRC-32C with the bytes of one whole batch.
///
/// # Errors
/// [`BatchError::Crc`] with both values.
pub fn check_crc(header: &BatchHeader, batch: &[u8]) -> Result<(), BatchError> {
    let actual = crc32c::crc32c(&batch[ATTRIBUTES_AT..header.size_bytes]);
    if actual == header.crc { Ok(()) } else { Err(BatchError::Crc { stored: header.crc, actual }) }
}

/// Writes the two fields that the broker owns and the CRC does not cover.
#[inline]
pub(crate) fn patch(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    put(batch, 0, base_offset.to_be_bytes());
    put(batch, LEADER_EPOCH_AT, leader_epoch.to_be_bytes());
}

/// Bytes after the header of a batch of `size_bytes`: its records.
#[inline]
pub(crate) fn payload<'a>(header: &BatchHeader, batch: &'a [u8]) -> &'a [u8] {
    &batch[BATCH_HEADER_BYTES..header.size_bytes]
}

/// The whole batches at the front of `bytes`, one after the other.
///
/// Ends with an error at the first that is malformed or cut; CRCs are not checked.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    /// Iterates over `bytes`, for example what a fetch returned.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<(BatchHeader, &'a [u8]), BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        Some(BatchHeader::parse(rest).and_then(|header| {
            let batch = rest.get(..header.size_bytes).ok_or(BatchError::Truncated {
                needed: header.size_bytes as u64,
                available: rest.len() as u64,
            })?;
            self.rest = &rest[header.size_bytes..];
            Ok((header, batch))
        }))
    }
}

#[inline]
fn field<const N: usize>(header: &[u8; BATCH_HEADER_BYTES], at: usize) -> [u8; N] {
    *header[at..].first_chunk().expect("every field lies within the header")
}

#[inline]
fn put<const N: usize>(batch: &mut [u8], at: usize, value: [u8; N]) {
    batch[at..at + N].copy_from_slice(&value);
}
