//! The heads of a batch's records, read while they are decompressed.
//!
//! Who only wants to know offsets, timestamps and whether there are keys needs no more of
//! a batch in memory than its codec's window, however large it becomes: a batch of 256 KB
//! may hold a gigabyte of zeros.

use std::io::BufRead;

use super::batch::{BatchError, BatchHeader};
use super::codec::{Codec, CodecError};

/// Bytes of the longest varint.
const VARINT_BYTES_MAX: usize = 10;

const CUT: BatchError = BatchError::Malformed("a record runs beyond its batch");

/// What is known of a record without its key, value and headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHead {
    /// Its offset in the partition.
    pub(crate) offset: i64,
    /// Its timestamp in ms: the broker's for LogAppendTime, else the producer's.
    pub(crate) timestamp_ms: i64,
    /// Whether its key is not null.
    pub(crate) has_key: bool,
}

/// Why the records of a batch cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// Reads the heads of one batch, and checks the records as [`Records`] does.
///
/// [`Records`]: super::record::Records
pub(crate) struct RecordHeads<'a> {
    header: BatchHeader,
    codec: Codec,
    input: Box<dyn BufRead + 'a>,
    bytes_max: usize,
    /// Bytes that may still be read, and those of the record under way.
    left_bytes: usize,
    record_bytes: usize,
    left_records: i32,
}

impl<'a> RecordHeads<'a> {
    /// `payload` is what follows the header; it may become `bytes_max` when decompressed.
    pub(crate) fn new(
        header: &BatchHeader,
        payload: &'a [u8],
        bytes_max: usize,
    ) -> Result<Self, CodecError> {
        let codec = Codec::from_id(header.codec_id())?;
        Ok(Self {
            header: *header,
            codec,
            input: codec.reader(payload)?,
            bytes_max,
            left_bytes: bytes_max,
            record_bytes: 0,
            left_records: header.record_count,
        })
    }

    /// The next record; `None` after the last, which nothing may follow.
    pub(crate) fn next(&mut self) -> Result<Option<RecordHead>, RecordError> {
        if self.left_records <= 0 {
            return match self.buffered()?.is_empty() {
                true => Ok(None),
                false => Err(BatchError::Malformed("bytes follow the last record").into()),
            };
        }
        self.left_records -= 1;
        self.record_bytes = VARINT_BYTES_MAX;
        let length = self.take_i32()?;
        self.record_bytes = usize::try_from(length).map_err(|_| CUT)?;
        let _attributes = self.take_byte()?;
        let timestamp_delta = self.take_i64()?;
        let offset_delta = self.take_i32()?;
        if offset_delta < 0 || offset_delta > self.header.last_offset_delta {
            let reason = "a record's offset lies outside of its batch";
            return Err(BatchError::Malformed(reason).into());
        }
        let has_key = self.skip_bytes()?;
        self.skip_bytes()?;
        self.skip_headers()?;
        let timestamp_ms = match self.header.is_log_append_time() {
            true => self.header.max_timestamp_ms,
            false => self.header.base_timestamp_ms.wrapping_add(timestamp_delta),
        };
        let offset = self.header.base_offset + i64::from(offset_delta);
        Ok(Some(RecordHead { offset, timestamp_ms, has_key }))
    }

    fn skip_headers(&mut self) -> Result<(), RecordError> {
        const MALFORMED: BatchError = BatchError::Malformed("a record's headers are malformed");
        let count = self.take_i32()?;
        if count < 0 {
            return Err(MALFORMED.into());
        }
        for _ in 0..count {
            if !self.skip_bytes()? {
                return Err(MALFORMED.into());
            }
            self.skip_bytes()?;
        }
        if self.record_bytes == 0 { Ok(()) } else { Err(MALFORMED.into()) }
    }

    /// Skips a length-prefixed byte string; `false` is null.
    fn skip_bytes(&mut self) -> Result<bool, RecordError> {
        let length = self.take_i32()?;
        if length == -1 {
            return Ok(false);
        }
        let mut left = usize::try_from(length).map_err(|_| CUT)?;
        if left > self.record_bytes {
            return Err(CUT.into());
        }
        while left > 0 {
            let there = self.buffered()?.len().min(left);
            if there == 0 {
                return Err(CUT.into());
            }
            self.consume(there)?;
            left -= there;
        }
        Ok(true)
    }

    fn take_i32(&mut self) -> Result<i32, RecordError> {
        Ok(i32::try_from(self.take_i64()?).map_err(|_| CUT)?)
    }

    fn take_i64(&mut self) -> Result<i64, RecordError> {
        let mut value: u64 = 0;
        for index in 0..VARINT_BYTES_MAX {
            let byte = self.take_byte()?;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(CUT.into())
    }

    fn take_byte(&mut self) -> Result<u8, RecordError> {
        let byte = *self.buffered()?.first().ok_or(CUT)?;
        self.consume(1)?;
        Ok(byte)
    }

    /// What is decompressed and not yet consumed; nothing at the end alone.
    fn buffered(&mut self) -> Result<&[u8], CodecError> {
        let codec = self.codec;
        self.input.fill_buf().map_err(|source| CodecError::Corrupt { codec, source })
    }

    fn consume(&mut self, bytes: usize) -> Result<(), RecordError> {
        let too_large = CodecError::TooLarge { max_bytes: self.bytes_max };
        self.left_bytes = self.left_bytes.checked_sub(bytes).ok_or(too_large)?;
        self.record_bytes = self.record_bytes.checked_sub(bytes).ok_or(CUT)?;
        self.input.consume(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::{BatchBuilder, batch, codec::CodecLevels, limits, record::Records};

    type Head = (i64, i64, bool);

    /// What both readers find, or that they refuse the batch.
    fn heads(header: &BatchHeader, payload: &[u8]) -> [Result<Vec<Head>, String>; 2] {
        let whole = || {
            let payload = Codec::from_id(header.codec_id())
                .and_then(|codec| codec.decompress(payload))
                .map_err(|error| error.to_string())?;
            let records = Records::new(header, &payload);
            let head = records.map(|record| {
                let record = record.map_err(|error| error.to_string())?;
                Ok((record.offset, record.timestamp_ms, record.key.is_some()))
            });
            head.collect()
        };
        let streamed = || {
            let mut heads = RecordHeads::new(header, payload, limits::DECOMPRESSED_BYTES_MAX)
                .map_err(|error| error.to_string())?;
            let mut found = Vec::new();
            while let Some(head) = heads.next().map_err(|error| error.to_string())? {
                found.push((head.offset, head.timestamp_ms, head.has_key));
            }
            Ok(found)
        };
        [whole(), streamed()]
    }

    fn with_codec(mut header: BatchHeader, codec: u8, records: &[u8]) -> (BatchHeader, Vec<u8>) {
        let mut payload = Vec::new();
        let codec = Codec::from_id(codec).unwrap();
        codec.compress(CodecLevels::default(), records, &mut payload).unwrap();
        header.set_codec_id(codec.id());
        (header, payload)
    }

    proptest! {
        #[test]
        fn heads_are_those_of_the_records_whatever_the_codec_and_the_damage(
            records in proptest::collection::vec(
                (any::<bool>(), 0usize..3000, 0i64..1000, 0usize..3), 1..20,
            ),
            codec in 0u8..5,
            damage in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
            cut in proptest::option::of(any::<prop::sample::Index>()),
        ) {
            let mut builder = BatchBuilder::new(7);
            for (keyed, size, timestamp_ms, count) in records {
                let value = vec![b'v'; size];
                let headers = vec![(&b"name"[..], Some(&b"value"[..])); count];
                builder.push(timestamp_ms, keyed.then_some(b"key"), Some(&value), &headers);
            }
            let built = builder.build().unwrap();
            let header = BatchHeader::parse(&built).unwrap();
            let mut records = batch::payload(&header, &built).to_vec();
            let whole = damage.is_none() && cut.is_none();
            if let Some((at, byte)) = damage {
                let at = at.index(records.len());
                records[at] = byte;
            }
            if let Some(cut) = cut {
                records.truncate(cut.index(records.len()));
            }
            let (header, payload) = with_codec(header, codec, &records);
            let [read, streamed] = heads(&header, &payload);
            prop_assert_eq!(read.is_ok(), streamed.is_ok(), "{:?} {:?}", read, streamed);
            prop_assert!(!whole || read.is_ok());
            if read.is_ok() {
                prop_assert_eq!(read, streamed);
            }
        }

        #[test]
        fn hostile_streams_are_refused_without_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            codec in 0u8..5,
            records in 0i32..100,
        ) {
            let mut builder = BatchBuilder::new(0);
            builder.push(0, None, None, &[]);
            let mut header = BatchHeader::parse(&builder.build().unwrap()).unwrap();
            (header.record_count, header.last_offset_delta) = (records, records);
            header.set_codec_id(codec);
            let [read, streamed] = heads(&header, &bytes);
            prop_assert_eq!(read.is_ok(), streamed.is_ok(), "{:?} {:?}", read, streamed);
        }
    }

    #[test]
    fn a_batch_that_becomes_too_large_is_refused_when_it_does() {
        let mut builder = BatchBuilder::new(0).codec(Codec::Zstd);
        builder.push(1, Some(b"key"), Some(b"small"), &[]);
        builder.push(2, Some(b"key"), Some(&vec![0; 1 << 20]), &[]);
        let batch = builder.build().unwrap();
        let header = BatchHeader::parse(&batch).unwrap();
        let payload = batch::payload(&header, &batch);
        let mut heads = RecordHeads::new(&header, payload, 1 << 20).unwrap();
        assert_eq!(heads.next().unwrap().unwrap().timestamp_ms, 1);
        let refused = heads.next().unwrap_err();
        assert!(matches!(
            refused,
            RecordError::Codec(CodecError::TooLarge { max_bytes }) if max_bytes == 1 << 20
        ));
    }
}
