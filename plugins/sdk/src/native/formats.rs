//! `formats/formats`, as far as a plugin's unit tests need it: keys and values
//! are text, as the string converter has them.

use std::cell::RefCell;

use crate::fault::Fault;
use crate::{Batch, Records, Reject};

/// A format's encoder.
#[derive(Debug)]
pub struct Writer {
    json: bool,
    buffer: RefCell<(Vec<u8>, u64)>,
}

impl Writer {
    /// `options` must be a JSON object.
    pub fn create(format: &str, options: &str) -> Result<Self, Fault> {
        check_options(options)?;
        Ok(Self { json: is_json(format)?, buffer: RefCell::default() })
    }

    /// Those records, in that order; none named means all.
    pub fn append(&self, records: &Records, which: &[u32]) -> Result<Vec<Reject>, Fault> {
        let all: Vec<u32> = (0..records.count()).collect();
        let mut buffer = self.buffer.borrow_mut();
        let mut rejects = Vec::new();
        for at in if which.is_empty() { &all } else { which } {
            let record = records.batch.record(*at as usize);
            let row =
                if self.json { json_row(record.key, record.value) } else { text_row(record.value) };
            match row {
                Ok(row) => {
                    buffer.1 += row.len() as u64;
                    buffer.0.extend_from_slice(&row);
                }
                Err((code, message)) => rejects.push(Reject::new(*at, code, message)),
            }
        }
        Ok(rejects)
    }

    /// Bytes encoded so far.
    pub fn size(&self) -> u64 {
        self.buffer.borrow().1
    }

    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.buffer.borrow_mut().0)
    }
}

type Row = Result<Vec<u8>, (&'static str, &'static str)>;

fn text_row(value: Option<&[u8]>) -> Row {
    let mut row = value.ok_or(("null-value", "the value is null"))?.to_vec();
    row.push(b'\n');
    Ok(row)
}

fn json_row(key: Option<&[u8]>, value: Option<&[u8]>) -> Row {
    let text = |part: Option<&[u8]>| match part.map(std::str::from_utf8) {
        None => Ok(serde_json::Value::Null),
        Some(Ok(text)) => Ok(text.into()),
        Some(Err(_)) => Err(("not-utf8", "not UTF-8")),
    };
    Ok(format!("{{\"key\":{},\"value\":{}}}\n", text(key)?, text(value)?).into_bytes())
}

/// Rows of `input` from `at` on, at most about `max_bytes` of them, with where
/// each ends. `complete`: a last row without terminator counts.
pub(crate) fn rows(
    format: &str,
    options: &str,
    input: &[u8],
    at: u64,
    max_bytes: u32,
    complete: bool,
) -> Result<(Batch, Vec<u64>), Fault> {
    check_options(options)?;
    let json = is_json(format)?;
    let (mut batch, mut ends) = (Batch::new(), Vec::new());
    let mut start = at as usize;
    while start < input.len() && batch.bytes() < max_bytes as usize {
        let feed = input[start..].iter().position(|byte| *byte == b'\n');
        let (mut row, next) = match feed {
            Some(feed) => (&input[start..start + feed], start + feed + 1),
            None if complete => (&input[start..], input.len()),
            None => break,
        };
        if feed.is_some() && row.last() == Some(&b'\r') {
            row = &row[..row.len() - 1];
        }
        if json && serde_json::from_slice::<serde_json::Value>(row).is_err() {
            return Err(Fault::fatal("not-json", format!("the row at byte {start} is not JSON")));
        }
        batch.push(None, Some(row));
        ends.push(next as u64);
        start = next;
    }
    Ok((batch, ends))
}

fn is_json(format: &str) -> Result<bool, Fault> {
    match format {
        "lines" => Ok(false),
        "json-lines" => Ok(true),
        other => Err(Fault::config("unknown-format", format!("there is no format `{other}`"))),
    }
}

fn check_options(options: &str) -> Result<(), Fault> {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(options)
        .map(|_| ())
        .map_err(|error| Fault::config("format-options", error))
}
