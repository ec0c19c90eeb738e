//! Reads a partition of an internal topic from front to back.

use crate::{
    log::{
        BatchError, BatchHeader, Batches, Codec, CodecError, Marker, ReadLimit, ReadUpTo, Record,
        Records, check_crc, limits::BATCH_HEADER_BYTES,
    },
    partition::{Partition, PartitionError},
};

/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// What a partition holds, in order.
pub(crate) enum Replayed<'a> {
    /// A record, and the header of its batch.
    Record { header: &'a BatchHeader, record: Record<'a> },
    /// The end of a producer's transaction.
    Marker(Marker),
}

/// Why a partition's contents are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error(transparent)]
    Partition(#[from] PartitionError),
    #[error("the batch at offset {offset} is damaged: {source}; restore the partition's folder")]
    Batch { offset: i64, source: BatchError },
    #[error("the batch at offset {offset} is damaged: {source}; restore the partition's folder")]
    Codec { offset: i64, source: CodecError },
    #[error("the record at offset {offset} is not understood: {reason}")]
    Record { offset: i64, reason: String },
}

/// Hands everything in the partition to `take`, up to its first error.
///
/// # Errors
/// That of `take`, or when something cannot be read: what comes after it is of no
/// use, since it may have been changed or ended by what is missing.
pub(crate) fn partition(
    partition: &Partition,
    mut take: impl FnMut(Replayed<'_>) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    let log = partition.log().map_err(PartitionError::from)?;
    let mut offset = log.log_start_offset();
    let limit = ReadLimit { max_bytes: READ_BYTES, at_least_one: true, up_to: ReadUpTo::LogEnd };
    loop {
        let bytes = log.read(offset, &limit).map_err(PartitionError::from)?.batches;
        let before = offset;
        for batch in Batches::new(&bytes) {
            let (header, batch) = match batch {
                Ok(batch) => batch,
                Err(source) if offset == before => {
                    return Err(ReplayError::Batch { offset, source });
                }
                // The read may have cut it: the next one begins with it.
                Err(_) => break,
            };
            take_batch(&header, batch, &mut take)?;
            offset = header.next_offset();
        }
        if offset == before {
            return Ok(());
        }
    }
}

fn take_batch(
    header: &BatchHeader,
    batch: &[u8],
    take: &mut impl FnMut(Replayed<'_>) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    let offset = header.base_offset;
    let damaged = |source| ReplayError::Batch { offset, source };
    check_crc(header, batch).map_err(damaged)?;
    if header.is_control() {
        return Marker::parse(header, batch)
            .map_or(Ok(()), |marker| take(Replayed::Marker(marker)));
    }
    let payload = batch.get(BATCH_HEADER_BYTES..).unwrap_or_default();
    let payload = Codec::from_id(header.codec_id())
        .and_then(|codec| codec.decompress(payload))
        .map_err(|source| ReplayError::Codec { offset, source })?;
    for record in Records::new(header, &payload) {
        take(Replayed::Record { header, record: record.map_err(damaged)? })?;
    }
    Ok(())
}
