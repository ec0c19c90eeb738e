//! The records inside of a batch, as views into its (decompressed) bytes.

use super::batch::{BatchError, BatchHeader};
use super::varint::{take_i32, take_i64};

/// One record, borrowed from its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its timestamp in ms: the broker's for LogAppendTime, else the producer's.
    pub timestamp_ms: i64,
    /// `None` is a null key.
    pub key: Option<&'a [u8]>,
    /// `None` is a null value: a tombstone on compacted topics.
    pub value: Option<&'a [u8]>,
    /// Encoded headers, their count first; see [`Record::headers`].
    raw_headers: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record's headers in order; a key may come more than once.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.raw_headers;
        let count = take_i32(&mut rest).unwrap_or(0);
        (0..count).map_while(move |_| {
            let key = take_bytes(&mut rest)??;
            Some((key, take_bytes(&mut rest)?))
        })
    }

    /// The headers as they stand in the batch, to be copied to another.
    pub(crate) fn raw_headers(&self) -> &'a [u8] {
        self.raw_headers
    }
}

/// Iterates over the records of one batch.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    header: BatchHeader,
    rest: &'a [u8],
    left: i32,
}

impl<'a> Records<'a> {
    /// `payload` is what follows the header, decompressed.
    #[must_use]
    pub fn new(header: &BatchHeader, payload: &'a [u8]) -> Self {
        Self { header: *header, rest: payload, left: header.record_count }
    }

    fn take(&mut self) -> Result<Record<'a>, BatchError> {
        const CUT: BatchError = BatchError::Malformed("a record runs beyond its batch");
        let length = take_i32(&mut self.rest).ok_or(CUT)?;
        let length = usize::try_from(length).map_err(|_| CUT)?;
        let (mut body, rest) = self.rest.split_at_checked(length).ok_or(CUT)?;
        self.rest = rest;
        let body = &mut body;
        let (_attributes, after) = body.split_first().ok_or(CUT)?;
        *body = after;
        let timestamp_delta = take_i64(body).ok_or(CUT)?;
        let offset_delta = take_i32(body).ok_or(CUT)?;
        if offset_delta < 0 || offset_delta > self.header.last_offset_delta {
            return Err(BatchError::Malformed("a record's offset lies outside of its batch"));
        }
        let key = take_bytes(body).ok_or(CUT)?;
        let value = take_bytes(body).ok_or(CUT)?;
        let raw_headers = *body;
        check_headers(raw_headers)
            .ok_or(BatchError::Malformed("a record's headers are malformed"))?;
        let timestamp_ms = if self.header.is_log_append_time() {
            self.header.max_timestamp_ms
        } else {
            self.header.base_timestamp_ms.wrapping_add(timestamp_delta)
        };
        Ok(Record {
            offset: self.header.base_offset + i64::from(offset_delta),
            timestamp_ms,
            key,
            value,
            raw_headers,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return (!std::mem::take(&mut self.rest).is_empty())
                .then_some(Err(BatchError::Malformed("bytes follow the last record")));
        }
        self.left -= 1;
        let taken = self.take();
        if taken.is_err() {
            self.left = 0;
            self.rest = &[];
        }
        Some(taken)
    }
}

/// Walks over uncompressed records by their lengths alone: the cheap check that
/// `count` records fill `payload` exactly.
pub(crate) fn check_lengths(payload: &[u8], count: i32) -> Result<(), BatchError> {
    let mut rest = payload;
    for _ in 0..count {
        rest = take_i32(&mut rest)
            .and_then(|length| usize::try_from(length).ok())
            .and_then(|length| rest.get(length..))
            .ok_or(BatchError::Malformed("a record runs beyond its batch"))?;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(BatchError::Malformed("bytes follow the last record"))
    }
}

/// A length-prefixed byte string; the outer `None` is malformed, the inner null.
#[inline]
#[allow(clippy::option_option, reason = "null and malformed are different things")]
fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = take_i32(input)?;
    if length == -1 {
        return Some(None);
    }
    let (bytes, rest) = input.split_at_checked(usize::try_from(length).ok()?)?;
    *input = rest;
    Some(Some(bytes))
}

fn check_headers(mut input: &[u8]) -> Option<()> {
    let count = take_i32(&mut input)?;
    if count < 0 {
        return None;
    }
    for _ in 0..count {
        take_bytes(&mut input)??;
        take_bytes(&mut input)?;
    }
    input.is_empty().then_some(())
}
