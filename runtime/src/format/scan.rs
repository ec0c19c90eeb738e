//! Rows of an object, read and decoded piece by piece.

use longshore_driver_objects::{Blob, ObjectsError};

use super::options::FormatError;
use super::rows::{DecodeError, Decoded, Decoder};

/// Why a scan does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The object cannot be read.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// What it holds is not in the format.
    #[error("`{path}`: {source}")]
    Decode {
        /// The object's path.
        path: String,
        /// What is wrong.
        source: DecodeError,
    },
}

/// A position in an object, from which it is decoded in one direction.
///
/// It holds the bytes of the row that it has begun, no more than one piece and
/// one row of the longest kind.
#[derive(Debug)]
pub struct Scan {
    blob: Blob,
    decoder: Decoder,
    /// Bytes read and not yet given out.
    held: Vec<u8>,
    /// Where the next bytes are read.
    at: u64,
    /// The object will not grow: a last row without terminator counts.
    complete: bool,
}

impl Scan {
    /// Scans `blob` from `at` on, the start of a row. `options`: a JSON object,
    /// `{}` for the defaults.
    pub fn open(
        blob: Blob,
        format: &str,
        options: &str,
        at: u64,
        complete: bool,
    ) -> Result<Self, FormatError> {
        let decoder = Decoder::create(format, options, at)?;
        Ok(Self { blob, decoder, held: Vec::new(), at, complete })
    }

    /// Memory that it holds between two calls: the row that it has begun.
    pub fn held_bytes(&self) -> usize {
        self.held.capacity()
    }

    /// About `max_bytes` of records, at least one if there is one. `None`: the
    /// end, for now; what is added to the object later is found by calling it
    /// again.
    pub async fn next(&mut self, max_bytes: u32) -> Result<Option<Decoded>, ScanError> {
        let max_bytes = max_bytes.max(1);
        loop {
            // What is held is less than a row, and counts: pieces stay even.
            let room = max_bytes.saturating_sub(u32::try_from(self.held.len()).unwrap_or(u32::MAX));
            let wanted = if room == 0 { max_bytes } else { room };
            let read = self.blob.read_onto(self.at, wanted, &mut self.held).await?;
            self.at += read as u64;
            let ended = read == 0;
            let decoded =
                self.decoder.decode(&mut self.held, ended && self.complete).map_err(|source| {
                    ScanError::Decode { path: self.blob.path().to_owned(), source }
                })?;
            if !decoded.ends.is_empty() {
                return Ok(Some(decoded));
            }
            if ended {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_driver_objects::{Access, Bucket, ObjectsConfig};
    use proptest::prelude::*;

    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    async fn blob(root: &tempfile::TempDir, text: &[u8]) -> Blob {
        std::fs::write(root.path().join("file"), text).unwrap();
        let config = ObjectsConfig::Local { root: root.path().to_owned() };
        Bucket::open(&config, Access::Read).await.unwrap().blob("file").await.unwrap()
    }

    type Rows = Vec<(Vec<u8>, u64)>;

    async fn rows(scan: &mut Scan, max_bytes: u32) -> Rows {
        let mut rows = Rows::new();
        while let Some(decoded) = scan.next(max_bytes).await.unwrap() {
            for (at, end) in decoded.ends.iter().enumerate() {
                rows.push((decoded.batch.value(at).unwrap().to_vec(), *end));
            }
        }
        rows
    }

    #[test]
    fn what_is_added_later_is_found_and_a_begun_row_waits_for_its_end() {
        run(async {
            let root = tempfile::tempdir().unwrap();
            let mut scan =
                Scan::open(blob(&root, b"one\ntw").await, "lines", "{}", 0, false).unwrap();
            assert_eq!(rows(&mut scan, 100).await, [(b"one".to_vec(), 4)]);
            let file = std::fs::OpenOptions::new().append(true).open(root.path().join("file"));
            std::io::Write::write_all(&mut file.unwrap(), b"o\nthree").unwrap();
            assert_eq!(rows(&mut scan, 100).await, [(b"two".to_vec(), 8)]);
        });
    }

    #[test]
    fn a_limit_of_rows_that_memory_would_not_bear_is_refused() {
        run(async {
            let root = tempfile::tempdir().unwrap();
            for bytes in [(128_u64 << 20) + 1, u64::MAX] {
                let options = format!(r#"{{"max-row-bytes": {bytes}}}"#);
                let blob = blob(&root, b"one\n").await;
                let error = Scan::open(blob, "lines", &options, 0, true).unwrap_err().to_string();
                assert!(error.contains("may be 134217728 at most"), "{error}");
            }
        });
    }

    #[test]
    fn what_is_not_in_the_format_names_object_and_place() {
        run(async {
            let root = tempfile::tempdir().unwrap();
            let options = r#"{"max-row-bytes": 4}"#;
            let blob = blob(&root, b"one\nlonger").await;
            let mut scan = Scan::open(blob, "lines", options, 0, true).unwrap();
            assert!(scan.next(100).await.unwrap().is_some());
            let error = scan.next(100).await.unwrap_err().to_string();
            assert_eq!(error, "`file`: the row at byte 4 is longer than 4 bytes");
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_are_the_same_whatever_the_size_of_pieces(
            text in "[ab\r\n]{0,60}", max_bytes in 1_u32..20, from in 0_usize..60,
        ) {
            let mut start = 0;
            let mut expected = Rows::new();
            for row in text.split_inclusive('\n') {
                let at = start;
                start += row.len();
                let plain = row.strip_suffix("\r\n").or(row.strip_suffix('\n')).unwrap_or(row);
                if at >= from {
                    expected.push((plain.as_bytes().to_vec(), start as u64));
                }
            }
            let first = text.match_indices('\n').map(|(at, _)| at + 1).chain([text.len()]);
            let at = if from == 0 { 0 } else { first.into_iter().find(|at| *at >= from).unwrap_or(text.len()) };
            let found = run(async {
                let root = tempfile::tempdir().unwrap();
                let blob = blob(&root, text.as_bytes()).await;
                let mut scan = Scan::open(blob, "lines", "{}", at as u64, true).unwrap();
                rows(&mut scan, max_bytes).await
            });
            prop_assert_eq!(found, expected);
        }
    }
}
