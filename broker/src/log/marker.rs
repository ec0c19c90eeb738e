//! Transaction markers: Kafka's `EndTransactionMarker`, a control batch of one record.
//!
//! ```text
//! key   | version i16 = 0 | type i16: 0 abort, 1 commit |
//! value | version i16 = 0 | coordinator epoch i32 |
//! ```

use bytes::{Buf, BufMut};

use super::batch::{self, BatchHeader};
use super::builder::BatchBuilder;
use super::record::Records;

const VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerKind {
    /// Its records are never seen by a `read_committed` reader.
    Abort,
    /// Its records are.
    Commit,
}

/// The end of one producer's transaction, as its coordinator has it written into
/// each partition of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Whose transaction ends.
    pub producer_id: i64,
    /// The producer's epoch from now on. May be higher than that of the records
    /// (KIP-890, and when the coordinator fences a producer).
    pub producer_epoch: i16,
    /// Epoch of the coordinator: of the leader of its `__transaction_state` partition.
    pub coordinator_epoch: i32,
    /// How it ends.
    pub kind: MarkerKind,
}

impl Marker {
    /// The control batch that says so.
    pub(crate) fn build(&self, now_ms: i64) -> Vec<u8> {
        let mut key = Vec::with_capacity(4);
        key.put_i16(VERSION);
        key.put_i16(match self.kind {
            MarkerKind::Abort => ABORT,
            MarkerKind::Commit => COMMIT,
        });
        let mut value = Vec::with_capacity(6);
        value.put_i16(VERSION);
        value.put_i32(self.coordinator_epoch);
        let mut builder = BatchBuilder::new(0)
            .producer(self.producer_id, self.producer_epoch, batch::NO_SEQUENCE)
            .transactional()
            .control();
        builder.push(now_ms, Some(&key), Some(&value), &[]);
        builder.build().expect("a batch without a codec always builds")
    }

    /// The marker in a whole control batch. `None` for other batches, for control
    /// records of other kinds and for a marker that compaction emptied.
    pub(crate) fn parse(header: &BatchHeader, batch: &[u8]) -> Option<Self> {
        if !header.is_control() || header.codec_id() != 0 {
            return None;
        }
        let payload = batch.get(super::limits::BATCH_HEADER_BYTES..header.size_bytes)?;
        let record = Records::new(header, payload).next()?.ok()?;
        let (mut key, mut value) = (record.key?, record.value?);
        // Later versions only add fields behind these.
        let _version = key.try_get_i16().ok()?;
        let kind = match key.try_get_i16().ok()? {
            ABORT => MarkerKind::Abort,
            COMMIT => MarkerKind::Commit,
            _ => return None,
        };
        let _version = value.try_get_i16().ok()?;
        Some(Self {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            coordinator_epoch: value.try_get_i32().ok()?,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_back_from_its_batch() {
        for kind in [MarkerKind::Abort, MarkerKind::Commit] {
            let marker = Marker { producer_id: 7, producer_epoch: 3, coordinator_epoch: 9, kind };
            let batch = marker.build(5);
            let header = BatchHeader::parse(&batch).unwrap();
            assert!(header.is_control() && header.is_transactional());
            assert_eq!(Marker::parse(&header, &batch), Some(marker));
            for length in 0..batch.len() {
                assert_eq!(Marker::parse(&header, &batch[..length]), None, "cut at {length}");
            }
        }
    }

    #[test]
    fn control_records_that_end_no_transaction_are_no_markers() {
        for kind in [2, 3, 6, -1] {
            let mut builder = BatchBuilder::new(0).producer(1, 0, batch::NO_SEQUENCE).control();
            let key = [0_i16.to_be_bytes(), i16::to_be_bytes(kind)].concat();
            builder.push(0, Some(&key), Some(&[0; 6]), &[]);
            let batch = builder.build().unwrap();
            assert_eq!(Marker::parse(&BatchHeader::parse(&batch).unwrap(), &batch), None);
        }
    }
}
