//! Records to bytes: `lines` and `json-lines`.

use super::options::{EncodeOptions, Format, FormatError};
use crate::batch::Batch;
use crate::convert::{ConvertError, Converters, Part};

/// A record that the format cannot hold; the others are encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The record's index in its batch.
    pub at: u32,
    /// A stable name in kebab-case, for metrics and dead letters.
    pub code: &'static str,
    /// What is wrong with it.
    pub message: String,
    /// What a converter could not read; `None` when the format cannot hold it.
    pub part: Option<Part>,
}

/// Encodes records into bytes that are taken away piece by piece.
///
/// | format | a record becomes |
/// | --- | --- |
/// | `lines` | its value's bytes as they are, and a line feed; a null value is refused |
/// | `json-lines` | `{"key":...,"value":...}` as its converters read them, and a line feed |
#[derive(Debug)]
pub struct Writer {
    format: Format,
    buffer: Vec<u8>,
    taken: u64,
}

impl Writer {
    /// An empty writer. `options`: a JSON object, `{}` for the defaults.
    pub fn create(format: &str, options: &str) -> Result<Self, FormatError> {
        let format = Format::named(format)?;
        let EncodeOptions {} = format.options(options)?;
        Ok(Self { format, buffer: Vec::new(), taken: 0 })
    }

    /// Encodes the records of `batch` named by `which`, in that order; none
    /// named means all. Refused ones leave no trace in the output.
    ///
    /// # Panics
    /// When `which` names a record that is not there: the host checks the
    /// guest's lists against the batch first.
    pub fn append(&mut self, batch: &Batch, converters: &Converters, which: &[u32]) -> Vec<Reject> {
        let mut rejects = Vec::new();
        let mut one = |at: u32| {
            let start = self.buffer.len();
            let result = match self.format {
                Format::Lines => line(batch, at, &mut self.buffer),
                Format::JsonLines => json_line(batch, converters, at, &mut self.buffer),
            };
            if let Err(Refusal { code, message, part }) = result {
                self.buffer.truncate(start);
                rejects.push(Reject { at, code, message, part });
            }
        };
        if which.is_empty() {
            (0..batch.len() as u32).for_each(&mut one);
        } else {
            which.iter().copied().for_each(&mut one);
        }
        rejects
    }

    /// All that was encoded since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        self.taken += self.buffer.len() as u64;
        std::mem::take(&mut self.buffer)
    }

    /// What waits to be taken away. Where it goes may fail: it is written from
    /// here, and taken after.
    pub fn encoded(&self) -> &[u8] {
        &self.buffer
    }

    /// Closes the format: what it has at its end joins what waits to be taken.
    pub fn finish(&mut self) {
        // Neither format has anything at its end.
    }

    /// Bytes encoded so far, those taken away included.
    pub fn size(&self) -> u64 {
        self.taken + self.buffer.len() as u64
    }

    /// Bytes that wait to be taken away.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }
}

struct Refusal {
    code: &'static str,
    message: String,
    part: Option<Part>,
}

fn line(batch: &Batch, at: u32, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let value = batch.value(at as usize).ok_or_else(|| Refusal {
        code: "null-value",
        message: "the value is null, which a line of text cannot tell from empty".to_owned(),
        part: None,
    })?;
    out.extend_from_slice(value);
    out.push(b'\n');
    Ok(())
}

fn json_line(
    batch: &Batch,
    converters: &Converters,
    at: u32,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let refused = |part: Part, error: &ConvertError| {
        let name = match part {
            Part::Key => "key",
            Part::Value => "value",
        };
        Refusal { code: error.code(), message: format!("the {name} is {error}"), part: Some(part) }
    };
    let at = at as usize;
    let (key, value) = (&converters.key, &converters.value);
    out.extend_from_slice(b"{\"key\":");
    key.write_json(batch.key(at), out).map_err(|error| refused(Part::Key, &error))?;
    out.extend_from_slice(b",\"value\":");
    value.write_json(batch.value(at), out).map_err(|error| refused(Part::Value, &error))?;
    out.extend_from_slice(b"}\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::convert::{BytesConverter, NumberConverter, Part as Read};

    type Part<'a> = Option<&'a [u8]>;

    fn batch(records: &[(Part<'_>, Part<'_>)]) -> Batch {
        let mut batch = Batch::default();
        for (key, value) in records {
            batch.push(*key, *value, -1);
        }
        batch
    }

    fn counts() -> Converters {
        Converters { value: Arc::new(NumberConverter::Long), ..Converters::default() }
    }

    #[test]
    fn json_lines_hold_key_and_value_as_their_converters_read_them() {
        let mut writer = Writer::create("json-lines", "{}").unwrap();
        let records = batch(&[(Some(b"a\"b"), Some(&7_i64.to_be_bytes())), (None, None)]);
        assert_eq!(writer.append(&records, &counts(), &[]), []);
        assert_eq!(writer.size(), 51);
        assert_eq!(
            String::from_utf8(writer.take()).unwrap(),
            "{\"key\":\"a\\\"b\",\"value\":7}\n{\"key\":null,\"value\":null}\n"
        );
        writer.finish();
        assert_eq!((writer.size(), writer.buffered()), (51, 0));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_refused_and_leaves_no_trace() {
        let mut writer = Writer::create("json-lines", "{}").unwrap();
        let one = 1_i64.to_be_bytes();
        let records =
            batch(&[(Some(b"\xff"), Some(&one)), (Some(b"a"), Some(b"1")), (None, Some(&one))]);
        let rejects = writer.append(&records, &counts(), &[]);
        assert_eq!(
            rejects.iter().map(|r| (r.at, r.code, r.part)).collect::<Vec<_>>(),
            [(0, "not-utf8", Some(Read::Key)), (1, "not-a-long", Some(Read::Value))]
        );
        assert!(rejects[0].message.starts_with("the key is not UTF-8 from byte 0"), "{rejects:?}");
        assert_eq!(writer.take(), b"{\"key\":null,\"value\":1}\n");
    }

    #[test]
    fn records_are_written_in_the_order_in_which_they_are_named() {
        let mut writer = Writer::create("lines", "{}").unwrap();
        let records = batch(&[(None, Some(b"a")), (None, Some(b"")), (None, Some(b"c\r\n"))]);
        assert_eq!(writer.append(&records, &Converters::default(), &[2, 1]), []);
        assert_eq!(writer.take(), b"c\r\n\n\n");
        assert_eq!(writer.append(&records, &Converters::default(), &[]), []);
        assert_eq!(writer.take(), b"a\n\nc\r\n\n");
    }

    #[test]
    fn a_null_value_is_no_line() {
        let mut writer = Writer::create("lines", "{}").unwrap();
        let rejects = writer.append(&batch(&[(Some(b"k"), None)]), &Converters::default(), &[]);
        assert_eq!((rejects[0].at, rejects[0].code, rejects[0].part), (0, "null-value", None));
        assert_eq!(writer.size(), 0);
    }

    #[test]
    fn misspelt_options_are_refused() {
        assert!(Writer::create("lines", r#"{"indent": 2}"#).is_err());
        assert!(Writer::create("parquet", "{}").is_err());
        assert!(Writer::create("lines", "").is_err());
    }

    proptest! {
        #[test]
        fn a_line_is_what_serde_json_writes(
            records in prop::collection::vec((any::<Option<String>>(), any::<Option<Vec<u8>>>()), 1..20)
        ) {
            let converters =
                Converters { value: Arc::new(BytesConverter), ..Converters::default() };
            let mut batch = Batch::default();
            let mut expected = String::new();
            for (key, value) in &records {
                batch.push(key.as_deref().map(str::as_bytes), value.as_deref(), -1);
                let value = value.as_ref().map(|bytes| {
                    use base64::Engine as _;
                    base64::engine::general_purpose::STANDARD.encode(bytes)
                });
                // A map's keys are in order, and so are `key` and `value`.
                expected += &serde_json::to_string(&json!({ "key": key, "value": value })).unwrap();
                expected.push('\n');
            }
            let mut writer = Writer::create("json-lines", "{}").unwrap();
            prop_assert_eq!(writer.append(&batch, &converters, &[]), []);
            let text = String::from_utf8(writer.take()).unwrap();
            for line in text.lines() {
                prop_assert!(serde_json::from_str::<Value>(line).is_ok());
            }
            prop_assert_eq!(text, expected);
        }
    }
}
