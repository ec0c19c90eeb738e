//! Reads a partition of an internal topic from front to back.

use crate::{
    log::{
        BatchHeader, Batches, Codec, Marker, ReadLimit, ReadUpTo, Record, Records,
        limits::BATCH_HEADER_BYTES,
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

/// Hands everything in the partition to `take`. What cannot be read within a
/// batch is logged and skipped.
pub(crate) fn partition(
    partition: &Partition,
    mut take: impl FnMut(Replayed<'_>),
) -> Result<(), PartitionError> {
    let log = partition.log()?;
    let mut offset = log.log_start_offset();
    let limit = ReadLimit { max_bytes: READ_BYTES, at_least_one: true, up_to: ReadUpTo::LogEnd };
    loop {
        let bytes = log.read(offset, &limit)?.batches;
        let before = offset;
        for batch in Batches::new(&bytes) {
            let Ok((header, batch)) = batch else { break };
            offset = header.next_offset();
            if header.is_control() {
                if let Some(marker) = Marker::parse(&header, batch) {
                    take(Replayed::Marker(marker));
                }
                continue;
            }
            let payload = batch.get(BATCH_HEADER_BYTES..).unwrap_or_default();
            let payload =
                Codec::from_id(header.codec_id()).and_then(|codec| codec.decompress(payload));
            let Ok(payload) = payload else {
                tracing::error!(%partition, before, "a batch of an internal topic is unreadable");
                continue;
            };
            for record in Records::new(&header, &payload).flatten() {
                take(Replayed::Record { header: &header, record });
            }
        }
        if offset == before {
            return Ok(());
        }
    }
}
