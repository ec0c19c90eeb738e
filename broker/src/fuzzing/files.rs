//! Several files in one input, and checksums set right.
//!
//! ```text
//! part := tag u8 | length u16 | bytes       big-endian; the last may be cut short
//! ```

use crate::log::limits::{BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES};

const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;

/// The parts of an input, each with its tag.
pub(super) fn parts(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([tag, high, low], rest) = bytes.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (part, after) = rest.split_at(length);
        bytes = after;
        Some((*tag, part))
    })
}

/// Gives every batch that is all there the checksum that it must have.
pub(super) fn mend_batches(mut bytes: &mut [u8]) {
    while bytes.len() >= BATCH_HEADER_BYTES {
        let length = u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
        let size = length.saturating_add(BATCH_PREFIX_BYTES);
        if size < BATCH_HEADER_BYTES || size > bytes.len() {
            return;
        }
        let (batch, rest) = bytes.split_at_mut(size);
        let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
        batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        bytes = rest;
    }
}

/// Gives a producer snapshot the checksum that it must have.
pub(super) fn mend_snapshot(bytes: &mut [u8]) {
    if let Some((head, entries)) = bytes.split_first_chunk_mut::<6>() {
        head[2..].copy_from_slice(&crc32c::crc32c(entries).to_be_bytes());
    }
}

/// A frame of the controller's journal around a payload.
pub(super) fn journal_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&crc32c::crc32c(payload).to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}
