//! Walks over the batches of one segment file from front to back.

use std::fs::File;
use std::io;

use super::batch::{BatchError, BatchHeader};
use super::files;
use super::limits::{BATCH_HEADER_BYTES, SCAN_CHUNK_BYTES};

/// Header-only walks read this much at once: many small batches, or a header.
const HEADER_CHUNK_BYTES: usize = 16 * 1024;

/// Why a walk stopped before the end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// One batch and where it stands.
#[derive(Debug)]
pub(crate) struct Scanned<'a> {
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
    /// The whole batch, or as many bytes as a header-only walk happens to have.
    pub(crate) bytes: &'a [u8],
}

/// A lending iterator over batches, with one buffer.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    whole: bool,
    buffer: Vec<u8>,
    /// File position of the buffer's first byte.
    buffer_at: u64,
}

impl<'a> Scanner<'a> {
    /// Whole batches from `position` up to `end`.
    pub(crate) fn batches(file: &'a File, position: u64, end: u64) -> Self {
        Self { file, position, end, whole: true, buffer: Vec::new(), buffer_at: position }
    }

    /// Headers only: skips over the records of large batches without reading.
    /// Control batches come whole.
    pub(crate) fn headers(file: &'a File, position: u64, end: u64) -> Self {
        Self { whole: false, ..Self::batches(file, position, end) }
    }

    /// Where the next batch starts: the end of the last good one.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next batch; `None` at the end. After an error the walk is over.
    pub(crate) fn next(&mut self) -> Result<Option<Scanned<'_>>, ScanError> {
        let left = self.end - self.position;
        if left == 0 {
            return Ok(None);
        }
        let header_bytes = left.min(BATCH_HEADER_BYTES as u64) as usize;
        let header = BatchHeader::parse(self.have(header_bytes)?)?;
        let size = header.size_bytes as u64;
        if size > left {
            return Err(BatchError::Truncated { needed: size, available: left }.into());
        }
        let position = self.position;
        // A marker is its record; it is little more than a header.
        let whole = self.whole || header.is_control();
        self.have(if whole { header.size_bytes } else { header_bytes })?;
        self.position += size;
        let start = (position - self.buffer_at) as usize;
        let bytes = &self.buffer[start..self.buffer.len().min(start + header.size_bytes)];
        Ok(Some(Scanned { position, header, bytes }))
    }

    /// At least `length` bytes at the current position.
    fn have(&mut self, length: usize) -> Result<&[u8], ScanError> {
        let start = self.position - self.buffer_at;
        if start + length as u64 > self.buffer.len() as u64 {
            let chunk = if self.whole { SCAN_CHUNK_BYTES } else { HEADER_CHUNK_BYTES };
            let wanted = (self.end - self.position).min(length.max(chunk) as u64) as usize;
            files::fill_at(self.file, self.position, wanted, &mut self.buffer)?;
            self.buffer_at = self.position;
        }
        let start = (self.position - self.buffer_at) as usize;
        self.buffer.get(start..start + length).ok_or_else(|| {
            // The file became shorter than the segment believes.
            ScanError::Io(io::ErrorKind::UnexpectedEof.into())
        })
    }
}
