//! Builds record batches: for internal topics, the cleaner and tests.

use super::batch::{BatchHeader, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP};
use super::codec::{Codec, CodecError, CodecLevels};
use super::limits::BATCH_HEADER_BYTES;
use super::record::Record;
use super::varint::{len_i64, put_i64};

/// Collects records and seals them into one batch.
///
/// ```
/// use longshore_broker::log::{BatchBuilder, Batches};
/// let mut builder = BatchBuilder::new(0);
/// builder.push(1_700_000_000_000, Some(b"key"), Some(b"value"), &[]);
/// let batch = builder.build().expect("uncompressed records always build");
/// assert_eq!(Batches::new(&batch).count(), 1);
/// ```
#[derive(Debug)]
pub struct BatchBuilder {
    header: BatchHeader,
    codec: Codec,
    levels: CodecLevels,
    records: Vec<u8>,
    /// What timestamp deltas are taken from; the first record's if not given.
    base_timestamp_ms: Option<i64>,
    max_timestamp_ms: i64,
}

impl BatchBuilder {
    /// An empty batch whose first record will have `base_offset` (0 when a
    /// partition will assign it).
    #[must_use]
    pub fn new(base_offset: i64) -> Self {
        let header = BatchHeader {
            base_offset,
            size_bytes: BATCH_HEADER_BYTES,
            leader_epoch: -1,
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: -1,
            base_timestamp_ms: NO_TIMESTAMP,
            max_timestamp_ms: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: NO_SEQUENCE,
            record_count: 0,
        };
        Self {
            header,
            codec: Codec::None,
            levels: CodecLevels::default(),
            records: Vec::new(),
            base_timestamp_ms: None,
            max_timestamp_ms: NO_TIMESTAMP,
        }
    }

    /// A batch that takes the place of `original`: same offsets, producer, codec
    /// and flags, fewer records. With `new_horizon_ms` its base timestamp
    /// becomes that delete horizon.
    pub(crate) fn replacing(
        original: &BatchHeader,
        codec: Codec,
        new_horizon_ms: Option<i64>,
    ) -> Self {
        let mut header = *original;
        header.record_count = 0;
        if let Some(horizon_ms) = new_horizon_ms {
            header.set_delete_horizon(horizon_ms);
        }
        // A horizon that is already set must stay what deltas are relative to.
        let base_timestamp_ms = header.delete_horizon_ms();
        Self {
            header,
            codec,
            levels: CodecLevels::default(),
            records: Vec::new(),
            base_timestamp_ms,
            max_timestamp_ms: NO_TIMESTAMP,
        }
    }

    /// Compresses the records with `codec`.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// How hard the codec tries.
    #[must_use]
    pub(crate) fn levels(mut self, levels: CodecLevels) -> Self {
        self.levels = levels;
        self
    }

    /// Makes it a batch of an idempotent producer.
    #[must_use]
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Makes it part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.header.set_transactional(true);
        self
    }

    /// Makes its record one for the broker's and the clients' own use.
    #[must_use]
    pub(crate) fn control(mut self) -> Self {
        self.header.set_control();
        self
    }

    /// Adds a record with the next offset.
    pub fn push(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) {
        let offset_delta = self.header.last_offset_delta + 1;
        self.header.last_offset_delta = offset_delta;
        let mut raw_headers = Vec::new();
        put_i64(&mut raw_headers, headers.len() as i64);
        for (key, value) in headers {
            put_bytes(&mut raw_headers, Some(key));
            put_bytes(&mut raw_headers, *value);
        }
        self.put(offset_delta, timestamp_ms, key, value, &raw_headers);
    }

    /// Keeps a record of the batch that this one replaces, at its offset.
    pub(crate) fn keep(&mut self, record: &Record<'_>) {
        let offset_delta = (record.offset - self.header.base_offset) as i32;
        let headers = record.raw_headers();
        self.put(offset_delta, record.timestamp_ms, record.key, record.value, headers);
    }

    fn put(
        &mut self,
        offset_delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        raw_headers: &[u8],
    ) {
        let base_ms = *self.base_timestamp_ms.get_or_insert(timestamp_ms);
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
        self.header.record_count += 1;
        let timestamp_delta = timestamp_ms.wrapping_sub(base_ms);
        let length = 1
            + len_i64(timestamp_delta)
            + len_i64(i64::from(offset_delta))
            + bytes_len(key)
            + bytes_len(value)
            + raw_headers.len();
        put_i64(&mut self.records, length as i64);
        self.records.push(0);
        put_i64(&mut self.records, timestamp_delta);
        put_i64(&mut self.records, i64::from(offset_delta));
        put_bytes(&mut self.records, key);
        put_bytes(&mut self.records, value);
        self.records.extend_from_slice(raw_headers);
    }

    /// Records so far.
    #[must_use]
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// Bytes of the records so far, before compression.
    #[must_use]
    pub fn records_bytes(&self) -> usize {
        self.records.len()
    }

    /// Seals the batch: header, records, length, CRC.
    ///
    /// # Errors
    /// When the codec fails.
    pub fn build(self) -> Result<Vec<u8>, CodecError> {
        let mut header = self.header;
        let mut batch = Vec::with_capacity(BATCH_HEADER_BYTES + self.records.len());
        batch.resize(BATCH_HEADER_BYTES, 0);
        if header.record_count == 0 {
            // As Kafka's cleaner leaves it: no records, hence nothing compressed.
            header.set_codec_id(0);
            header.base_timestamp_ms =
                header.delete_horizon_ms().unwrap_or(header.max_timestamp_ms);
        } else {
            header.set_codec_id(self.codec.id());
            self.codec.compress(self.levels, &self.records, &mut batch)?;
            header.base_timestamp_ms = self.base_timestamp_ms.unwrap_or(NO_TIMESTAMP);
            if !header.is_log_append_time() {
                header.max_timestamp_ms = self.max_timestamp_ms;
            }
        }
        header.size_bytes = batch.len();
        header.seal(&mut batch);
        Ok(batch)
    }
}

fn bytes_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| len_i64(bytes.len() as i64) + bytes.len())
}

fn put_bytes(output: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_i64(output, -1),
        Some(bytes) => {
            put_i64(output, bytes.len() as i64);
            output.extend_from_slice(bytes);
        }
    }
}
