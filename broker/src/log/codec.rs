//! The four codecs of the record format, for the few places that open a batch.

use std::borrow::Cow;
use std::io::{Read, Write};

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
        source: std::io::Error,
    },
    /// The stream is larger than any batch that we open.
    #[error("records decompress to more than {DECOMPRESSED_BYTES_MAX} bytes")]
    TooLarge,
}

const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic, then version 1 and lowest compatible version 1.
const XERIAL_HEADER_BYTES: usize = 16;
const XERIAL_CHUNK_BYTES: usize = 32 * 1024;

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
    /// When the stream is corrupt or larger than the limit.
    pub fn decompress(self, input: &[u8]) -> Result<Cow<'_, [u8]>, CodecError> {
        let output = match self {
            Self::None => return Ok(Cow::Borrowed(input)),
            Self::Gzip => self.drain(flate2::read::MultiGzDecoder::new(input)),
            Self::Snappy => unsnap(input),
            Self::Lz4 => self.drain(lz4_flex::frame::FrameDecoder::new(input)),
            Self::Zstd => zstd::stream::read::Decoder::with_buffer(input)
                .map_err(|source| CodecError::Corrupt { codec: self, source })
                .and_then(|decoder| self.drain(decoder)),
        };
        output.map(Cow::Owned)
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
        let written: std::io::Result<()> = match self {
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
                    .and_then(|()| encoder.finish().map(drop).map_err(std::io::Error::other))
            }
            Self::Zstd => zstd::stream::copy_encode(input, output, levels.zstd),
        };
        written.map_err(|source| CodecError::Corrupt { codec: self, source })
    }

    fn drain(self, reader: impl Read) -> Result<Vec<u8>, CodecError> {
        let mut output = Vec::new();
        let limit = DECOMPRESSED_BYTES_MAX as u64;
        reader
            .take(limit + 1)
            .read_to_end(&mut output)
            .map_err(|source| CodecError::Corrupt { codec: self, source })?;
        if output.len() as u64 > limit {
            return Err(CodecError::TooLarge);
        }
        Ok(output)
    }
}

fn unsnap(input: &[u8]) -> Result<Vec<u8>, CodecError> {
    let Some(mut chunks) = input
        .strip_prefix(&XERIAL_MAGIC)
        .and_then(|rest| rest.get(XERIAL_HEADER_BYTES - XERIAL_MAGIC.len()..))
    else {
        let mut output = Vec::new();
        unsnap_block(input, &mut output)?;
        return Ok(output);
    };
    let mut output = Vec::new();
    while !chunks.is_empty() {
        let (block, rest) = chunks
            .split_first_chunk()
            .and_then(|(length, rest)| {
                rest.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)
            })
            .ok_or_else(|| CodecError::Corrupt {
                codec: Codec::Snappy,
                source: std::io::ErrorKind::UnexpectedEof.into(),
            })?;
        unsnap_block(block, &mut output)?;
        chunks = rest;
    }
    Ok(output)
}

fn unsnap_block(block: &[u8], output: &mut Vec<u8>) -> Result<(), CodecError> {
    let corrupt =
        |error: snap::Error| CodecError::Corrupt { codec: Codec::Snappy, source: error.into() };
    let length = snap::raw::decompress_len(block).map_err(corrupt)?;
    let start = output.len();
    // The length is only a claim: 64 times the block is beyond what snappy can reach.
    if length > block.len().saturating_mul(64) || start + length > DECOMPRESSED_BYTES_MAX {
        return Err(CodecError::TooLarge);
    }
    output.resize(start + length, 0);
    let written =
        snap::raw::Decoder::new().decompress(block, &mut output[start..]).map_err(corrupt)?;
    output.truncate(start + written);
    Ok(())
}

fn snap_xerial(input: &[u8], output: &mut Vec<u8>) -> std::io::Result<()> {
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
        let zeros = std::io::repeat(0).take(DECOMPRESSED_BYTES_MAX as u64 + 1);
        zstd::stream::copy_encode(zeros, &mut packed, 1).unwrap();
        assert!(packed.len() < 100_000);
        assert!(matches!(Codec::Zstd.decompress(&packed), Err(CodecError::TooLarge)));
    }
}
