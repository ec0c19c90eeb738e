//! The four codecs of the record format, for the few places that open a batch.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read, Write};

use super::limits::DECOMPRESSED_BYTES_MAX;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// Written in xerial's framing as Java clients do; read with and without it.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// Why records could not be decompressed or compressed.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The batch names a codec that does not exist.
    #[error("codec {0} is unknown")]
    Unknown(u8),
    /// The bytes are no valid stream of their codec.
    #[error("{codec:?} records cannot be read: {source}")]
    Corrupt {
        /// Which codec.
        codec: Codec,
        /// What its library says.
        source: io::Error,
    },
    /// The stream is larger than what is opened.
    #[error("records decompress to more than {max_bytes} bytes")]
    TooLarge {
        /// The bound that holds for them.
        max_bytes: usize,
    },
}

const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic, then version 1 and lowest compatible version 1.
const XERIAL_HEADER_BYTES: usize = 16;
const XERIAL_CHUNK_BYTES: usize = 32 * 1024;

/// No element of snappy's makes more of its bytes: a copy takes three and makes 64.
const SNAPPY_RATIO_MAX: usize = 22;

/// Bytes that are decompressed at once.
const READ_BYTES: usize = 16 * 1024;

/// How hard the codecs that have levels try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecLevels {
    /// 1 to 9; below, the library's default.
    pub gzip: i32,
    /// Up to 22.
    pub zstd: i32,
}

impl Default for CodecLevels {
    fn default() -> Self {
        Self { gzip: -1, zstd: zstd::DEFAULT_COMPRESSION_LEVEL }
    }
}

impl Codec {
    /// From the low bits of a batch's attributes.
    ///
    /// # Errors
    /// [`CodecError::Unknown`] for 5 to 7.
    pub fn from_id(id: u8) -> Result<Self, CodecError> {
        Ok(match id {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            other => return Err(CodecError::Unknown(other)),
        })
    }

    /// The number in a batch's attributes.
    #[must_use]
    pub fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// Decompresses a batch's records; borrows when there is nothing to do.
    ///
    /// # Errors
    /// When the stream is corrupt or larger than [`DECOMPRESSED_BYTES_MAX`].
    pub fn decompress(self, input: &[u8]) -> Result<Cow<'_, [u8]>, CodecError> {
        self.decompress_within(DECOMPRESSED_BYTES_MAX, input)
    }

    /// The same with a bound of its own.
    pub(crate) fn decompress_within(
        self,
        max_bytes: usize,
        input: &[u8],
    ) -> Result<Cow<'_, [u8]>, CodecError> {
        if self == Self::None {
            return Ok(Cow::Borrowed(input));
        }
        let mut output = Vec::new();
        self.reader(input)?
            .take(max_bytes as u64 + 1)
            .read_to_end(&mut output)
            .map_err(|source| CodecError::Corrupt { codec: self, source })?;
        match output.len() > max_bytes {
            true => Err(CodecError::TooLarge { max_bytes }),
            false => Ok(Cow::Owned(output)),
        }
    }

    /// Decompresses a batch's records while they are read, and holds no more of them than
    /// the codec's window. An input that ends too early is an error.
    pub(crate) fn reader(self, input: &[u8]) -> Result<Box<dyn BufRead + '_>, CodecError> {
        fn buffered<'a>(reader: impl Read + 'a) -> Box<dyn BufRead + 'a> {
            Box::new(BufReader::with_capacity(READ_BYTES, reader))
        }
        Ok(match self {
            Self::None => Box::new(input),
            Self::Gzip => buffered(flate2::read::MultiGzDecoder::new(input)),
            Self::Snappy => Box::new(Unsnap::new(input)),
            Self::Lz4 => buffered(lz4_flex::frame::FrameDecoder::new(input)),
            Self::Zstd => zstd::stream::read::Decoder::with_buffer(input)
                .map(buffered)
                .map_err(|source| CodecError::Corrupt { codec: self, source })?,
        })
    }

    /// Appends `input`, compressed, to `output`.
    ///
    /// # Errors
    /// What the codec's library says; writing to memory does not fail otherwise.
    pub fn compress(
        self,
        levels: CodecLevels,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let written: io::Result<()> = match self {
            Self::None => {
                output.extend_from_slice(input);
                Ok(())
            }
            Self::Gzip => {
                let level = u32::try_from(levels.gzip);
                let level = level.map_or(flate2::Compression::default(), flate2::Compression::new);
                let mut encoder = flate2::write::GzEncoder::new(output, level);
                encoder.write_all(input).and_then(|()| encoder.finish().map(drop))
            }
            Self::Snappy => snap_xerial(input, output),
            Self::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(output);
                encoder
                    .write_all(input)
                    .and_then(|()| encoder.finish().map(drop).map_err(io::Error::other))
            }
            Self::Zstd => zstd::stream::copy_encode(input, output, levels.zstd),
        };
        written.map_err(|source| CodecError::Corrupt { codec: self, source })
    }
}

/// Snappy block by block: those of xerial's framing, or one alone.
struct Unsnap<'a> {
    /// What follows the block, and whether lengths come first.
    rest: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    /// Where in the block its reader is.
    at: usize,
}

impl<'a> Unsnap<'a> {
    fn new(input: &'a [u8]) -> Self {
        let framed = input
            .strip_prefix(&XERIAL_MAGIC)
            .and_then(|rest| rest.get(XERIAL_HEADER_BYTES - XERIAL_MAGIC.len()..));
        let (rest, framed) = framed.map_or((input, false), |rest| (rest, true));
        Self { rest, framed, block: Vec::new(), at: 0 }
    }

    fn next_block(&mut self) -> io::Result<()> {
        let block = if self.framed {
            let (length, after) =
                self.rest.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
            let length = usize::try_from(i32::from_be_bytes(*length));
            let (block, after) = length
                .ok()
                .and_then(|length| after.split_at_checked(length))
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            self.rest = after;
            block
        } else {
            std::mem::take(&mut self.rest)
        };
        let length = snap::raw::decompress_len(block)?;
        // The length is only a claim.
        if length > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
            return Err(io::Error::other("a block claims to become larger than it can"));
        }
        self.block.resize(length, 0);
        let written = snap::raw::Decoder::new().decompress(block, &mut self.block)?;
        self.block.truncate(written);
        self.at = 0;
        Ok(())
    }
}

impl BufRead for Unsnap<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.block.len() && !self.rest.is_empty() {
            self.next_block()?;
        }
        Ok(&self.block[self.at..])
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

impl Read for Unsnap<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let there = self.fill_buf()?;
        let bytes = there.len().min(into.len());
        into[..bytes].copy_from_slice(&there[..bytes]);
        self.consume(bytes);
        Ok(bytes)
    }
}

fn snap_xerial(input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    output.extend_from_slice(&XERIAL_MAGIC);
    output.extend_from_slice(&1i32.to_be_bytes());
    output.extend_from_slice(&1i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for chunk in input.chunks(XERIAL_CHUNK_BYTES) {
        let start = output.len();
        output.resize(start + 4 + snap::raw::max_compress_len(chunk.len()), 0);
        let written = encoder.compress(chunk, &mut output[start + 4..])?;
        let length = i32::try_from(written).expect("a chunk has 32 KiB");
        output[start..start + 4].copy_from_slice(&length.to_be_bytes());
        output.truncate(start + 4 + written);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    proptest! {
        #[test]
        fn every_codec_gives_back_what_it_took(
            bytes in proptest::collection::vec(0u8..4, 0..100_000),
        ) {
            for codec in ALL {
                let mut packed = Vec::new();
                codec.compress(CodecLevels::default(), &bytes, &mut packed).unwrap();
                let unpacked = codec.decompress(&packed).unwrap();
                prop_assert_eq!(unpacked.as_ref(), &bytes[..], "{:?}", codec);
            }
        }

        #[test]
        fn hostile_streams_are_refused_without_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            xerial in any::<bool>(),
        ) {
            let mut input = if xerial { XERIAL_MAGIC.to_vec() } else { Vec::new() };
            input.extend_from_slice(&bytes);
            for codec in ALL {
                let _ = codec.decompress(&input);
            }
        }
    }

    #[test]
    fn snappy_without_framing_is_read() {
        let packed = snap::raw::Encoder::new().compress_vec(b"hello hello hello").unwrap();
        assert_eq!(Codec::Snappy.decompress(&packed).unwrap().as_ref(), b"hello hello hello");
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let mut packed = Vec::new();
        let zeros = io::repeat(0).take(DECOMPRESSED_BYTES_MAX as u64 + 1);
        zstd::stream::copy_encode(zeros, &mut packed, 1).unwrap();
        assert!(packed.len() < 100_000);
        assert!(matches!(Codec::Zstd.decompress(&packed), Err(CodecError::TooLarge { .. })));
    }
}
