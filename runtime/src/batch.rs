//! Records in bulk: one arena of bytes and a column a field.
//!
//! The shape in which records cross every border of the runtime: from the
//! Kafka client, through converters, into a WASM guest and back. It mirrors
//! `types.batch` of the plugin contract, so that crossing into a guest is a
//! copy a column and never one a record.

use std::ops::Range;

/// Length of a null key, value or header value.
pub const NULL_LEN: i32 = -1;

/// Where each record's parts lie in the arena. Every column that is used has
/// one element a record; a column that nobody needs is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Start of the key in the arena, in bytes. Empty: every key is null.
    pub key_at: Vec<u32>,
    /// Length of the key in bytes, [`NULL_LEN`] for null.
    pub key_len: Vec<i32>,
    /// Start of the value in the arena, in bytes. Empty: every value is null.
    pub value_at: Vec<u32>,
    /// Length of the value in bytes, [`NULL_LEN`] for null (a tombstone).
    pub value_len: Vec<i32>,
    /// Milliseconds since the epoch, -1 for none.
    pub timestamp_ms: Vec<i64>,
    /// The broker's offset. Empty in batches not yet produced.
    pub offset: Vec<i64>,
    /// How many of [`Headers`] belong to each record. Empty: none has any.
    pub header_count: Vec<u32>,
}

/// All headers of a batch in record order: a name may repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// Start of the name in the arena, in bytes.
    pub name_at: Vec<u32>,
    /// Length of the name in bytes.
    pub name_len: Vec<u32>,
    /// Start of the value in the arena, in bytes.
    pub value_at: Vec<u32>,
    /// Length of the value in bytes, [`NULL_LEN`] for null.
    pub value_len: Vec<i32>,
}

/// A batch of records. Its length is that of the columns that it uses; one of
/// value, key, offset and timestamp is always among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The bytes that the columns point into.
    pub arena: Vec<u8>,
    /// The records' parts.
    pub columns: Columns,
    /// The records' headers.
    pub headers: Headers,
}

/// What makes a batch that came from outside unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A column has neither no element nor one a record.
    #[error("column `{column}` has {found} elements, but the batch has {expected} records")]
    ColumnLength {
        /// The column's name in the plugin contract.
        column: &'static str,
        /// Elements found.
        found: usize,
        /// Records in the batch.
        expected: usize,
    },
    /// A span reaches beyond the arena.
    #[error(
        "`{column}` of record {at} spans bytes {start}..{end}, outside its arena of {arena} bytes"
    )]
    Span {
        /// The column's name in the plugin contract.
        column: &'static str,
        /// Index of the record (or of the header) in the batch.
        at: usize,
        /// First byte of the span.
        start: u64,
        /// One past its last byte.
        end: u64,
        /// Size of the arena, in bytes.
        arena: usize,
    },
    /// A length below -1.
    #[error("`{column}` of record {at} has the length {len}; only -1 (null) may be negative")]
    NegativeLength {
        /// The column's name in the plugin contract.
        column: &'static str,
        /// Index of the record (or of the header) in the batch.
        at: usize,
        /// The length found.
        len: i32,
    },
    /// `header-count` does not add up to the headers that are there.
    #[error("`header-count` adds up to {counted} headers, but the batch has {found}")]
    HeaderCount {
        /// Sum of `header-count`.
        counted: u64,
        /// Headers in the batch.
        found: usize,
    },
}

impl Batch {
    /// The number of records.
    pub fn len(&self) -> usize {
        let c = &self.columns;
        c.value_len.len().max(c.key_len.len()).max(c.offset.len()).max(c.timestamp_ms.len())
    }

    /// True when there is no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key of record `at`, `None` for null.
    pub fn key(&self, at: usize) -> Option<&[u8]> {
        part(&self.arena, &self.columns.key_at, &self.columns.key_len, at)
    }

    /// The value of record `at`, `None` for null.
    pub fn value(&self, at: usize) -> Option<&[u8]> {
        part(&self.arena, &self.columns.value_at, &self.columns.value_len, at)
    }

    /// The timestamp of record `at` in milliseconds, -1 for none.
    pub fn timestamp_ms(&self, at: usize) -> i64 {
        self.columns.timestamp_ms.get(at).copied().unwrap_or(-1)
    }

    /// The broker's offset of record `at`, if it has one.
    pub fn offset(&self, at: usize) -> Option<i64> {
        self.columns.offset.get(at).copied()
    }

    /// The name of header `at`, counted over the whole batch.
    pub fn header_name(&self, at: usize) -> &[u8] {
        let start = self.headers.name_at[at] as usize;
        &self.arena[start..start + self.headers.name_len[at] as usize]
    }

    /// The value of header `at`, counted over the whole batch; `None` for null.
    pub fn header_value(&self, at: usize) -> Option<&[u8]> {
        part(&self.arena, &self.headers.value_at, &self.headers.value_len, at)
    }

    /// Which headers of the batch are those of record `at`.
    pub fn headers_of(&self, at: usize) -> Range<usize> {
        let counts = &self.columns.header_count;
        let before = counts.iter().take(at).map(|count| *count as usize).sum();
        before..before + counts.get(at).copied().unwrap_or(0) as usize
    }

    /// Appends record `at` of another batch, whose headers there are `headers`.
    pub fn push_record(&mut self, from: &Self, at: usize, headers: Range<usize>) {
        self.push(from.key(at), from.value(at), from.timestamp_ms(at));
        for header in headers {
            self.push_header(from.header_name(header), from.header_value(header));
        }
    }

    /// Appends a record without headers, copying its parts into the arena.
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, timestamp_ms: i64) {
        let (at, len) = self.intern(key);
        self.columns.key_at.push(at);
        self.columns.key_len.push(len);
        let (at, len) = self.intern(value);
        self.columns.value_at.push(at);
        self.columns.value_len.push(len);
        self.columns.timestamp_ms.push(timestamp_ms);
    }

    /// Appends a header to the record pushed last.
    pub fn push_header(&mut self, name: &[u8], value: Option<&[u8]>) {
        let records = self.len();
        assert!(records > 0, "a header belongs to a record pushed before it");
        self.columns.header_count.resize(records, 0);
        let (at, len) = self.intern(Some(name));
        self.headers.name_at.push(at);
        self.headers.name_len.push(len as u32);
        let (at, len) = self.intern(value);
        self.headers.value_at.push(at);
        self.headers.value_len.push(len);
        self.columns.header_count[records - 1] += 1;
    }

    fn intern(&mut self, part: Option<&[u8]>) -> (u32, i32) {
        match part {
            None => (0, NULL_LEN),
            Some(bytes) => {
                let at = u32::try_from(self.arena.len()).expect("an arena stays below 4 GiB");
                self.arena.extend_from_slice(bytes);
                (at, i32::try_from(bytes.len()).expect("a part stays below 2 GiB"))
            }
        }
    }

    /// Checks every column's length and every span, so that the accessors
    /// cannot fail on a batch that a guest made.
    pub fn validate(&self) -> Result<(), BatchError> {
        let records = self.len();
        let c = &self.columns;
        for (column, found) in [
            ("key-at", c.key_at.len()),
            ("key-len", c.key_len.len()),
            ("value-at", c.value_at.len()),
            ("value-len", c.value_len.len()),
            ("timestamp-ms", c.timestamp_ms.len()),
            ("offset", c.offset.len()),
            ("header-count", c.header_count.len()),
        ] {
            if found != 0 && found != records {
                return Err(BatchError::ColumnLength { column, found, expected: records });
            }
        }
        spans("key", &c.key_at, &c.key_len, self.arena.len())?;
        spans("value", &c.value_at, &c.value_len, self.arena.len())?;
        let h = &self.headers;
        let count = h.name_at.len();
        for (column, found) in [
            ("headers.name-len", h.name_len.len()),
            ("headers.value-at", h.value_at.len()),
            ("headers.value-len", h.value_len.len()),
        ] {
            if found != count {
                return Err(BatchError::ColumnLength { column, found, expected: count });
            }
        }
        let counted: u64 = c.header_count.iter().map(|n| u64::from(*n)).sum();
        if counted != count as u64 {
            return Err(BatchError::HeaderCount { counted, found: count });
        }
        for (at, (start, len)) in h.name_at.iter().zip(&h.name_len).enumerate() {
            span("headers.name", at, *start, u64::from(*len), self.arena.len())?;
        }
        spans("headers.value", &h.value_at, &h.value_len, self.arena.len())
    }
}

fn part<'a>(arena: &'a [u8], at: &[u32], len: &[i32], record: usize) -> Option<&'a [u8]> {
    let len = usize::try_from(*len.get(record)?).ok()?;
    let start = *at.get(record)? as usize;
    Some(&arena[start..start + len])
}

fn spans(column: &'static str, at: &[u32], len: &[i32], arena: usize) -> Result<(), BatchError> {
    if at.len() != len.len() {
        return Err(BatchError::ColumnLength { column, found: at.len(), expected: len.len() });
    }
    for (record, (start, len)) in at.iter().zip(len).enumerate() {
        match *len {
            NULL_LEN => {}
            len if len < 0 => {
                return Err(BatchError::NegativeLength { column, at: record, len });
            }
            len => span(column, record, *start, len as u64, arena)?,
        }
    }
    Ok(())
}

fn span(
    column: &'static str,
    at: usize,
    start: u32,
    len: u64,
    arena: usize,
) -> Result<(), BatchError> {
    let start = u64::from(start);
    let end = start + len;
    if end > arena as u64 {
        return Err(BatchError::Span { column, at, start, end, arena });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Batch {
        let mut batch = Batch::default();
        batch.push(Some(b"k"), None, 7);
        batch.push_header(b"h", Some(b"1"));
        batch.push_header(b"h", None);
        batch.push(None, Some(b"value"), 8);
        batch.columns.header_count.resize(2, 0);
        batch
    }

    #[test]
    fn what_was_pushed_is_read_back() {
        let batch = two();
        assert_eq!(batch.validate(), Ok(()));
        assert_eq!(batch.len(), 2);
        assert_eq!((batch.key(0), batch.value(0)), (Some(&b"k"[..]), None));
        assert_eq!((batch.key(1), batch.value(1)), (None, Some(&b"value"[..])));
        assert_eq!(batch.columns.header_count, [2, 0]);
    }

    #[test]
    fn a_span_outside_the_arena_is_refused() {
        let mut batch = two();
        batch.columns.value_len[1] = 6_000;
        assert!(matches!(batch.validate(), Err(BatchError::Span { column: "value", at: 1, .. })));
        let mut batch = two();
        batch.columns.key_at[0] = u32::MAX;
        assert!(matches!(batch.validate(), Err(BatchError::Span { column: "key", at: 0, .. })));
        let mut batch = two();
        batch.headers.name_len[1] = u32::MAX;
        assert!(matches!(batch.validate(), Err(BatchError::Span { .. })));
    }

    #[test]
    fn lengths_that_do_not_match_are_refused() {
        let mut batch = two();
        batch.columns.timestamp_ms.pop();
        assert!(matches!(batch.validate(), Err(BatchError::ColumnLength { .. })));
        let mut batch = two();
        batch.columns.value_len[0] = -2;
        assert!(matches!(batch.validate(), Err(BatchError::NegativeLength { .. })));
        let mut batch = two();
        batch.columns.header_count[1] = 1;
        assert!(matches!(batch.validate(), Err(BatchError::HeaderCount { .. })));
    }
}
