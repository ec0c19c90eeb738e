//! Rows out of bytes that come in pieces: `lines` and `json-lines`.

use memchr::memchr;

use super::options::{DecodeOptions, Format, FormatError};
use crate::batch::{Batch, NULL_LEN};
use crate::convert::{ConvertError, json};

/// Rows as records, and where each of them ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// A record a row: no key, the row without its terminator as value, no
    /// timestamp. The arena is the input itself, so that no row is copied.
    pub batch: Batch,
    /// After each record, the position in the input (bytes from its start)
    /// behind its terminator.
    pub ends: Vec<u64>,
}

/// What ends the decoding of an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A row above `max-row-bytes`.
    #[error("the row at byte {position} is longer than {limit} bytes")]
    RowTooLong {
        /// Where the row begins, in bytes from the start of the input.
        position: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A row of `json-lines` that is no JSON.
    #[error("the row at byte {position} is {source}")]
    NotJson {
        /// Where the row begins, in bytes from the start of the input.
        position: u64,
        /// What is wrong with it.
        source: ConvertError,
    },
}

impl DecodeError {
    /// A stable name in kebab-case, for metrics and alerts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RowTooLong { .. } => "row-too-long",
            Self::NotJson { .. } => "not-json",
        }
    }
}

/// Splits an input into rows, whatever pieces it comes in.
///
/// A row ends with a line feed, which is not part of it, nor is a carriage
/// return before it (`strip-cr`). In `lines` an empty row is a record with an
/// empty value; in `json-lines` blank rows are layout and no records.
#[derive(Debug)]
pub struct Decoder {
    format: Format,
    options: DecodeOptions,
    /// Position of the first byte that is not yet part of a row given out.
    position: u64,
    /// How much of the unfinished row was already searched for its end, so that
    /// a long row in many small pieces is not searched again with each.
    searched: usize,
}

impl Decoder {
    /// A decoder of an input that is read from `position` on, the start of a
    /// row. `options`: a JSON object, `{}` for the defaults.
    pub fn create(format: &str, options: &str, position: u64) -> Result<Self, FormatError> {
        let format = Format::named(format)?;
        Ok(Self { format, options: format.options(options)?, position, searched: 0 })
    }

    /// Position of the first byte that is not yet part of a row given out.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes every whole row from the front of `input` and leaves the start of
    /// an unfinished one there, behind which the caller adds what it reads next.
    ///
    /// `complete`: the input ends here, so that a last row without a terminator
    /// counts. On an error `input` is as it was; rows before the bad one are
    /// given out first, the error with the call after.
    pub fn decode(&mut self, input: &mut Vec<u8>, complete: bool) -> Result<Decoded, DecodeError> {
        let rows = memchr::memchr_iter(b'\n', input).count();
        let mut out = Rows::with_capacity(rows + 1);
        let mut start = 0;
        let mut from = self.searched.min(input.len());
        let mut trouble = None;
        while let Some(found) = memchr(b'\n', &input[from..]) {
            let feed = from + found;
            if let Err(error) = self.row(input, start, feed, feed + 1, &mut out) {
                trouble = Some(error);
                break;
            }
            start = feed + 1;
            from = start;
        }
        if trouble.is_none() && start < input.len() {
            let end = input.len();
            if complete {
                trouble = self.row(input, start, end, end, &mut out).err();
                if trouble.is_none() {
                    start = end;
                }
            } else if end - start > self.options.max_row_bytes + usize::from(self.options.strip_cr)
            {
                // Too long already; its end would only cost memory to find. (A
                // last byte that is a carriage return may yet be left out.)
                trouble = Some(self.too_long(start));
            }
        }
        match trouble {
            Some(error) if start == 0 => return Err(error),
            // The rows before it were good: the bad one is met again next time.
            Some(_) => self.searched = 0,
            None => self.searched = input.len() - start,
        }
        self.position += start as u64;
        let rest = input.split_off(start);
        let arena = std::mem::replace(input, rest);
        Ok(out.finish(arena))
    }

    fn row(
        &self,
        input: &[u8],
        start: usize,
        end: usize,
        next: usize,
        out: &mut Rows,
    ) -> Result<(), DecodeError> {
        let terminated = next > end;
        let mut row = &input[start..end];
        if terminated && self.options.strip_cr && row.last() == Some(&b'\r') {
            row = &row[..row.len() - 1];
        }
        if row.len() > self.options.max_row_bytes {
            return Err(self.too_long(start));
        }
        if self.format == Format::JsonLines {
            if row.iter().all(|byte| b" \t\r".contains(byte)) {
                return Ok(());
            }
            json::checked(row).map_err(|source| DecodeError::NotJson {
                position: self.position + start as u64,
                source,
            })?;
        }
        out.push(start, row.len(), self.position + next as u64);
        Ok(())
    }

    fn too_long(&self, start: usize) -> DecodeError {
        DecodeError::RowTooLong {
            position: self.position + start as u64,
            limit: self.options.max_row_bytes,
        }
    }
}

/// The columns of a batch of rows while it grows.
struct Rows {
    at: Vec<u32>,
    len: Vec<i32>,
    ends: Vec<u64>,
}

impl Rows {
    fn with_capacity(rows: usize) -> Self {
        Self {
            at: Vec::with_capacity(rows),
            len: Vec::with_capacity(rows),
            ends: Vec::with_capacity(rows),
        }
    }

    fn push(&mut self, at: usize, len: usize, end: u64) {
        self.at.push(u32::try_from(at).expect("an input piece stays below 4 GiB"));
        self.len.push(i32::try_from(len).expect("a row stays below 2 GiB"));
        debug_assert_ne!(self.len.last(), Some(&NULL_LEN));
        self.ends.push(end);
    }

    fn finish(self, arena: Vec<u8>) -> Decoded {
        let mut batch = Batch { arena, ..Batch::default() };
        batch.columns.value_at = self.at;
        batch.columns.value_len = self.len;
        Decoded { batch, ends: self.ends }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoder(format: &str, options: &str) -> Decoder {
        Decoder::create(format, options, 0).unwrap()
    }

    type Rows = Vec<(Vec<u8>, u64)>;

    fn gather(decoded: &Decoded, into: &mut Rows) {
        assert_eq!(decoded.batch.validate(), Ok(()));
        assert_eq!(decoded.batch.len(), decoded.ends.len());
        for (at, end) in decoded.ends.iter().enumerate() {
            into.push((decoded.batch.value(at).unwrap().to_vec(), *end));
        }
    }

    /// All rows of `pieces`, fed one by one.
    fn rows(decoder: &mut Decoder, pieces: &[&[u8]], complete: bool) -> Result<Rows, DecodeError> {
        let (mut input, mut rows) = (Vec::new(), Rows::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            gather(&decoder.decode(&mut input, false)?, &mut rows);
        }
        loop {
            let decoded = decoder.decode(&mut input, complete)?;
            if decoded.ends.is_empty() {
                return Ok(rows);
            }
            gather(&decoded, &mut rows);
        }
    }

    fn owned(rows: &[(&[u8], u64)]) -> Rows {
        rows.iter().map(|(row, end)| (row.to_vec(), *end)).collect()
    }

    #[test]
    fn terminators_are_not_part_of_rows_and_empty_rows_are_rows() {
        let found = rows(&mut decoder("lines", "{}"), &[b"a\r\n\n\r\nb\rc\n"], true).unwrap();
        assert_eq!(found, owned(&[(b"a", 3), (b"", 4), (b"", 6), (b"b\rc", 10)]));
    }

    #[test]
    fn a_carriage_return_stays_when_asked_to() {
        let mut decoder = decoder("lines", r#"{"strip-cr": false}"#);
        assert_eq!(rows(&mut decoder, &[b"a\r\n"], true).unwrap(), owned(&[(b"a\r", 3)]));
    }

    #[test]
    fn a_last_row_without_terminator_counts_only_when_the_input_is_complete() {
        let found = rows(&mut decoder("lines", "{}"), &[b"a\nb\r"], true).unwrap();
        assert_eq!(found, owned(&[(b"a", 2), (b"b\r", 4)]));
        let mut decoder = decoder("lines", "{}");
        assert_eq!(rows(&mut decoder, &[b"a\nb"], false).unwrap(), owned(&[(b"a", 2)]));
        assert_eq!(decoder.position(), 2);
    }

    #[test]
    fn nothing_is_in_an_empty_input() {
        assert_eq!(rows(&mut decoder("lines", "{}"), &[b""], true).unwrap(), []);
    }

    #[test]
    fn bytes_that_are_not_utf8_pass_untouched() {
        let found = rows(&mut decoder("lines", "{}"), &[b"\xff\0\xc3\n"], true).unwrap();
        assert_eq!(found, owned(&[(b"\xff\0\xc3", 4)]));
    }

    #[test]
    fn positions_count_from_where_the_reading_began() {
        let mut decoder = Decoder::create("lines", "{}", 100).unwrap();
        assert_eq!(rows(&mut decoder, &[b"a\n"], true).unwrap(), owned(&[(b"a", 102)]));
    }

    #[test]
    fn a_row_above_the_limit_is_told_with_its_place_after_the_rows_before_it() {
        for complete in [false, true] {
            let mut decoder = decoder("lines", r#"{"max-row-bytes": 3}"#);
            let mut input = b"abc\r\nabcd\nx\n".to_vec();
            let first = decoder.decode(&mut input, complete).unwrap();
            assert_eq!(first.ends, [5]);
            let error = decoder.decode(&mut input, complete).unwrap_err();
            assert_eq!(error, DecodeError::RowTooLong { position: 5, limit: 3 });
            assert_eq!(decoder.decode(&mut input, complete), Err(error));
        }
    }

    #[test]
    fn a_row_that_never_ends_is_refused_before_it_fills_the_memory() {
        let mut decoder = decoder("lines", r#"{"max-row-bytes": 10}"#);
        let mut input = Vec::new();
        let error = (0..100).find_map(|_| {
            input.push(b'x');
            decoder.decode(&mut input, false).err()
        });
        assert_eq!(error, Some(DecodeError::RowTooLong { position: 0, limit: 10 }));
        assert_eq!(input.len(), 12);
    }

    #[test]
    fn json_lines_are_checked_and_blank_rows_are_layout() {
        let found = rows(&mut decoder("json-lines", "{}"), &[b"{\"a\":1}\r\n \n\n2"], true);
        assert_eq!(found.unwrap(), owned(&[(b"{\"a\":1}", 9), (b"2", 13)]));
        let error = rows(&mut decoder("json-lines", "{}"), &[b"1\n{\n"], true).unwrap_err();
        assert!(matches!(error, DecodeError::NotJson { position: 2, .. }), "{error}");
    }

    #[test]
    fn misspelt_options_and_formats_are_refused() {
        let error = Decoder::create("lines", r#"{"max-row": 3}"#, 0).unwrap_err();
        assert!(error.to_string().contains("max-row-bytes"), "{error}");
        let error = Decoder::create("csv", "{}", 0).unwrap_err();
        assert_eq!(error, FormatError::Unknown("csv".to_owned()));
    }

    /// What the rows of `text` are, written as plainly as can be.
    fn naive(text: &[u8]) -> Rows {
        let (mut rows, mut row) = (Rows::new(), Vec::new());
        for (at, byte) in text.iter().enumerate() {
            if *byte == b'\n' {
                if row.last() == Some(&b'\r') {
                    row.pop();
                }
                rows.push((std::mem::take(&mut row), at as u64 + 1));
            } else {
                row.push(*byte);
            }
        }
        if !row.is_empty() {
            rows.push((row, text.len() as u64));
        }
        rows
    }

    proptest! {
        #[test]
        fn rows_are_the_same_whatever_the_pieces(
            text in prop::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..200),
            cuts in prop::collection::vec(1_usize..20, 1..20),
        ) {
            let (mut pieces, mut rest, mut sizes) = (Vec::new(), &text[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                pieces.push(piece);
                rest = after;
            }
            let found = rows(&mut decoder("lines", "{}"), &pieces, true).unwrap();
            prop_assert_eq!(found, naive(&text));
        }
    }
}
