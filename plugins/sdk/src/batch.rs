//! Records in bulk: building and reading.
//!
//! A batch is one arena of bytes and a column a field; here that is a list to
//! push to and an iterator of [`Record`]s. Columns that nobody uses stay empty
//! and cost nothing on their way.

use crate::bindings::describe::longshore::base::types::{Columns, Headers};

#[cfg(target_arch = "wasm32")]
pub use crate::bindings::describe::longshore::base::batches::Records;
pub use crate::bindings::describe::longshore::base::types::Batch;
#[cfg(not(target_arch = "wasm32"))]
pub use crate::native::records::Records;

const NULL_LEN: i32 = -1;

/// One record of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its index in the batch: what a reject names.
    pub at: u32,
    /// `None`: null.
    pub key: Option<&'a [u8]>,
    /// `None`: null, a tombstone.
    pub value: Option<&'a [u8]>,
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The broker's, in batches read from a topic.
    pub offset: Option<i64>,
    /// In the form `values`: the id of the key's schema, 0 for none.
    pub key_schema: u32,
    /// In the form `values`: the id of the value's schema, 0 for none.
    pub value_schema: u32,
}

impl Records {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.count() as usize
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Copies the whole batch in. A plugin that only routes takes
    /// [`Records::route`] instead.
    pub fn read(&self) -> Batch {
        let columns = self.columns();
        let headers =
            if columns.header_count.is_empty() { Headers::default() } else { self.headers() };
        Batch { arena: self.arena(), columns, headers }
    }

    /// The columns without any payload: timestamps, offsets, lengths.
    pub fn route(&self) -> Columns {
        self.columns()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for `records` values of `bytes` in all.
    pub fn with_capacity(records: usize, bytes: usize) -> Self {
        let mut batch = Self::default();
        batch.arena.reserve(bytes);
        batch.columns.value_at.reserve(records);
        batch.columns.value_len.reserve(records);
        batch
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        let c = &self.columns;
        c.value_len.len().max(c.key_len.len()).max(c.offset.len()).max(c.timestamp_ms.len())
    }

    /// True when there is no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all keys, values and headers.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Appends a record, copying its parts.
    ///
    /// # Panics
    /// When the arena would pass 4 GiB, which is a guest's whole memory.
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        let before = self.len();
        if let Some(key) = key {
            // The column is used from now on: those before had null keys.
            self.columns.key_at.resize(before, 0);
            self.columns.key_len.resize(before, NULL_LEN);
            let (at, len) = self.copy(key);
            self.columns.key_at.push(at);
            self.columns.key_len.push(len);
        } else if !self.columns.key_len.is_empty() {
            self.columns.key_at.push(0);
            self.columns.key_len.push(NULL_LEN);
        }
        let (at, len) = value.map_or((0, NULL_LEN), |value| self.copy(value));
        self.columns.value_at.push(at);
        self.columns.value_len.push(len);
        if !self.columns.timestamp_ms.is_empty() {
            self.columns.timestamp_ms.push(-1);
        }
        for column in [
            &mut self.columns.header_count,
            &mut self.columns.key_schema,
            &mut self.columns.value_schema,
        ] {
            if !column.is_empty() {
                column.push(0);
            }
        }
    }

    /// Sets the timestamp of the record pushed last, in milliseconds since the
    /// epoch.
    ///
    /// # Panics
    /// When the batch is empty.
    pub fn timestamp(&mut self, timestamp_ms: i64) {
        let records = self.len();
        assert!(records > 0, "a timestamp belongs to a record pushed before it");
        self.columns.timestamp_ms.resize(records, -1);
        self.columns.timestamp_ms[records - 1] = timestamp_ms;
    }

    /// Sets the ids of the schemas of the record pushed last, 0 for none: of its key and
    /// of its value.
    ///
    /// # Panics
    /// When the batch is empty.
    pub fn schemas(&mut self, key: u32, value: u32) {
        let records = self.len();
        assert!(records > 0, "schemas belong to a record pushed before them");
        for (id, column) in
            [(key, &mut self.columns.key_schema), (value, &mut self.columns.value_schema)]
        {
            if id != 0 || !column.is_empty() {
                column.resize(records, 0);
                column[records - 1] = id;
            }
        }
    }

    /// Adds a header to the record pushed last; a name may repeat.
    ///
    /// # Panics
    /// When the batch is empty.
    pub fn header(&mut self, name: &str, value: Option<&[u8]>) {
        let records = self.len();
        assert!(records > 0, "a header belongs to a record pushed before it");
        self.columns.header_count.resize(records, 0);
        let (at, len) = self.copy(name.as_bytes());
        self.headers.name_at.push(at);
        self.headers.name_len.push(len as u32);
        let (at, len) = value.map_or((0, NULL_LEN), |value| self.copy(value));
        self.headers.value_at.push(at);
        self.headers.value_len.push(len);
        self.columns.header_count[records - 1] += 1;
    }

    fn copy(&mut self, part: &[u8]) -> (u32, i32) {
        let at = u32::try_from(self.arena.len()).expect("an arena stays below 4 GiB");
        self.arena.extend_from_slice(part);
        (at, i32::try_from(part.len()).expect("a part stays below 2 GiB"))
    }

    /// The record at index `at`.
    ///
    /// # Panics
    /// When there is none.
    pub fn record(&self, at: usize) -> Record<'_> {
        assert!(at < self.len(), "record {at} of {}", self.len());
        let c = &self.columns;
        Record {
            at: at as u32,
            key: part(&self.arena, &c.key_at, &c.key_len, at),
            value: part(&self.arena, &c.value_at, &c.value_len, at),
            timestamp_ms: c.timestamp_ms.get(at).copied().filter(|ms| *ms != -1),
            offset: c.offset.get(at).copied(),
            key_schema: c.key_schema.get(at).copied().unwrap_or(0),
            value_schema: c.value_schema.get(at).copied().unwrap_or(0),
        }
    }

    /// The records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        (0..self.len()).map(|at| self.record(at))
    }

    /// The headers of every record in order: names and values.
    pub fn headers(&self) -> impl Iterator<Item = Vec<(&[u8], Option<&[u8]>)>> {
        let mut next = 0;
        (0..self.len()).map(move |record| {
            let count = self.columns.header_count.get(record).copied().unwrap_or(0) as usize;
            let range = next..next + count;
            next = range.end;
            range.map(|at| self.one_header(at)).collect()
        })
    }

    fn one_header(&self, at: usize) -> (&[u8], Option<&[u8]>) {
        let h = &self.headers;
        let start = h.name_at[at] as usize;
        let name = &self.arena[start..start + h.name_len[at] as usize];
        (name, part(&self.arena, &h.value_at, &h.value_len, at))
    }
}

fn part<'a>(arena: &'a [u8], at: &[u32], len: &[i32], record: usize) -> Option<&'a [u8]> {
    let len = usize::try_from(*len.get(record)?).ok()?;
    let start = *at.get(record)? as usize;
    Some(&arena[start..start + len])
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Batch {
    fn default() -> Self {
        Self { arena: Vec::new(), columns: Columns::default(), headers: Headers::default() }
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Columns {
    fn default() -> Self {
        Self {
            key_at: Vec::new(),
            key_len: Vec::new(),
            value_at: Vec::new(),
            value_len: Vec::new(),
            timestamp_ms: Vec::new(),
            offset: Vec::new(),
            key_schema: Vec::new(),
            value_schema: Vec::new(),
            header_count: Vec::new(),
        }
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Headers {
    fn default() -> Self {
        Self {
            name_at: Vec::new(),
            name_len: Vec::new(),
            value_at: Vec::new(),
            value_len: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_read_back_and_unused_columns_stay_empty() {
        let mut batch = Batch::new();
        batch.push(None, Some(b"one"));
        batch.push(None, None);
        assert!(batch.columns.key_at.is_empty() && batch.columns.timestamp_ms.is_empty());
        let values: Vec<_> = batch.iter().map(|record| record.value).collect();
        assert_eq!(values, [Some(&b"one"[..]), None]);
        assert_eq!(batch.record(0).timestamp_ms, None);
    }

    #[test]
    fn a_column_used_late_covers_the_records_before() {
        let mut batch = Batch::new();
        batch.push(None, Some(b"a"));
        batch.push(Some(b"k"), Some(b"b"));
        batch.timestamp(7);
        batch.header("h", Some(b"1"));
        batch.header("h", None);
        batch.push(None, Some(b"c"));
        let keys: Vec<_> = batch.iter().map(|record| record.key).collect();
        assert_eq!(keys, [None, Some(&b"k"[..]), None]);
        let times: Vec<_> = batch.iter().map(|record| record.timestamp_ms).collect();
        assert_eq!(times, [None, Some(7), None]);
        let headers: Vec<_> = batch.headers().collect();
        assert_eq!(headers[0], []);
        assert_eq!(headers[1], [(&b"h"[..], Some(&b"1"[..])), (&b"h"[..], None)]);
        assert_eq!(headers[2], []);
    }
}
