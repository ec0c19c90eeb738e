//! Frames off a socket: a 4-byte length, then that many bytes.
//!
//! A claimed length takes at most [`limits::FRAME_CLAIM_BYTES_MAX`] of the
//! request memory: a thousand connections that claim much and send nothing must
//! not starve the others. A larger frame's share, and its buffer, grow with the
//! bytes that really came.

use std::{io, time::Duration};

use bytes::{Buf, BytesMut};
use kafka_protocol::messages::ApiKey;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

use super::memory::{MemoryBudget, MemoryGrant};
use crate::limits;

/// A request's bytes after the length, and the memory that they hold.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: BytesMut,
    pub(crate) memory: MemoryGrant,
}

/// Why no further frame comes from a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The length is negative or too small for any request.
    #[error("a frame claims {length} bytes, which no request has")]
    Length { length: i32 },
    /// The length is beyond the limit.
    #[error(
        "a frame claims {length} bytes, more than the {max} allowed: if the client is rightful, raise socket.request.max.bytes"
    )]
    TooLarge { length: usize, max: usize },
    /// The connection ended inside a frame.
    #[error("the connection ended inside a frame")]
    Truncated,
    /// The client stopped sending inside a frame.
    #[error("no byte of a half-sent frame came for {} s", limits::FRAME_STALL.as_secs())]
    Stalled,
    /// No request came for long.
    #[error("no request came for {} s (connections.max.idle.ms)", idle.as_secs())]
    Idle { idle: Duration },
    /// Other requests hold the memory.
    #[error(
        "requests under way hold all of the memory allowed to them: raise queued.max.request.bytes"
    )]
    NoMemory,
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads frames, in order, with the bounds of the configuration.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    socket: R,
    buffer: BytesMut,
    request_bytes_max: usize,
    request_bytes_min: usize,
    idle_max: Duration,
    budget: MemoryBudget,
}

/// How much a frame's share grows at a time: fast to the size of a usual
/// batch, which is then moved twice while it is read and not six times, slowly
/// beyond, where a claim that nothing comes of would cost others.
fn growth(reserved: usize) -> usize {
    if reserved < limits::FRAME_USUAL_BYTES { 8 } else { 2 }
}

/// The shortest header: key, version, correlation id.
const REQUEST_BYTES_MIN: usize = 8;

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(
        socket: R,
        request_bytes_max: usize,
        idle_max: Duration,
        budget: MemoryBudget,
    ) -> Self {
        Self {
            socket,
            buffer: BytesMut::new(),
            request_bytes_max,
            request_bytes_min: REQUEST_BYTES_MIN,
            idle_max,
            budget,
        }
    }

    /// Sets the largest frame; `raw` if the next is a token of SASL and not a
    /// request, which may be as short as it likes.
    pub(crate) fn expect(&mut self, request_bytes_max: usize, raw: bool) {
        self.request_bytes_max = request_bytes_max;
        self.request_bytes_min = if raw { 0 } else { REQUEST_BYTES_MIN };
    }

    /// The next frame; `None` when the client closed between frames.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        while self.buffer.len() < 4 {
            self.buffer.reserve(limits::READ_AHEAD_BYTES);
            let started = !self.buffer.is_empty();
            match self.fill().await? {
                0 if started => return Err(FrameError::Truncated),
                0 => return Ok(None),
                _ => {}
            }
        }
        let length =
            i32::from_be_bytes([self.buffer[0], self.buffer[1], self.buffer[2], self.buffer[3]]);
        let length = match usize::try_from(length) {
            Ok(bytes) if bytes >= self.request_bytes_min => bytes,
            _ => return Err(FrameError::Length { length }),
        };
        if length > self.request_bytes_max {
            return Err(FrameError::TooLarge { length, max: self.request_bytes_max });
        }
        self.buffer.advance(4);
        let claim = length.min(limits::FRAME_CLAIM_BYTES_MAX);
        let mut memory = self.reserve(claim).await?;
        let mut reserved = claim;
        while self.buffer.len() < length {
            if self.buffer.len() >= 2 {
                self.check_control_length(length)?;
            }
            // A read fills whatever room the buffer has, which may be more than
            // was asked for.
            while self.buffer.len() >= reserved {
                let next = reserved.saturating_mul(growth(reserved)).min(length);
                memory.merge(self.reserve(next - reserved).await?);
                reserved = next;
            }
            // Exactly what is missing, so that a full read ends with the frame
            // and the next one is not copied over.
            self.buffer.reserve(reserved - self.buffer.len());
            if self.fill().await? == 0 {
                return Err(FrameError::Truncated);
            }
        }
        Ok(Some(Frame { bytes: self.buffer.split_to(length), memory }))
    }

    /// Only Produce carries records, so only it may be as large as the
    /// configuration allows.
    fn check_control_length(&self, length: usize) -> Result<(), FrameError> {
        let key = i16::from_be_bytes([self.buffer[0], self.buffer[1]]);
        if key != ApiKey::Produce as i16 && length > limits::CONTROL_FRAME_BYTES_MAX {
            return Err(FrameError::TooLarge { length, max: limits::CONTROL_FRAME_BYTES_MAX });
        }
        Ok(())
    }

    async fn reserve(&self, bytes: usize) -> Result<MemoryGrant, FrameError> {
        timeout(limits::REQUEST_MEMORY_WAIT, self.budget.take(bytes))
            .await
            .map_err(|_| FrameError::NoMemory)
    }

    async fn fill(&mut self) -> Result<usize, FrameError> {
        let (patience, idle) = match self.buffer.is_empty() {
            true => (self.idle_max, true),
            false => (limits::FRAME_STALL, false),
        };
        match timeout(patience, self.socket.read_buf(&mut self.buffer)).await {
            Ok(read) => Ok(read?),
            Err(_) if idle => Err(FrameError::Idle { idle: patience }),
            Err(_) => Err(FrameError::Stalled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> FrameReader<&[u8]> {
        FrameReader::new(bytes, 64 << 20, Duration::from_secs(5), MemoryBudget::new(128 << 20))
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32).to_be_bytes(), body].concat()
    }

    #[tokio::test]
    async fn frames_of_every_size_come_back_whole_and_in_order() {
        let bodies: Vec<Vec<u8>> = [8, 9, 20_000, 3 << 20, 8, (1 << 20) + 1]
            .iter()
            .map(|&size: &usize| {
                let mut body = vec![7; size];
                body[..2].copy_from_slice(&[0, 0]);
                body
            })
            .collect();
        let bytes: Vec<u8> = bodies.iter().flat_map(|body| framed(body)).collect();
        let mut reader = reader(&bytes);
        for body in &bodies {
            assert_eq!(reader.next().await.unwrap().unwrap().bytes, body);
        }
        assert!(reader.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_claim_of_two_gigabytes_or_less_than_nothing_is_refused_at_once() {
        for claim in [i32::MAX, i32::MIN, -1, 0, 7, (64 << 20) + 1] {
            let bytes = claim.to_be_bytes();
            let error = reader(&bytes).next().await.unwrap_err();
            assert!(
                matches!(error, FrameError::Length { .. } | FrameError::TooLarge { .. }),
                "{claim}: {error}"
            );
        }
    }

    #[tokio::test]
    async fn a_truncated_frame_is_told_at_every_byte() {
        let whole = framed(&[0; 40]);
        for cut in 1..whole.len() {
            let error = reader(&whole[..cut]).next().await.unwrap_err();
            assert!(matches!(error, FrameError::Truncated), "{cut}: {error}");
        }
    }

    #[tokio::test]
    async fn a_large_claim_allocates_only_what_came() {
        let mut bytes = (60_u32 << 20).to_be_bytes().to_vec();
        bytes.extend_from_slice(&[0; 1000]);
        let mut reader = reader(&bytes);
        assert!(matches!(reader.next().await, Err(FrameError::Truncated)));
        assert!(reader.buffer.capacity() <= 8 * limits::FRAME_CLAIM_BYTES_MAX);
    }

    #[tokio::test]
    async fn only_produce_may_be_larger_than_the_control_limit() {
        let claim = (limits::CONTROL_FRAME_BYTES_MAX + 1) as u32;
        let mut bytes = claim.to_be_bytes().to_vec();
        bytes.extend_from_slice(&[0, 3, 0, 1, 0, 0]);
        assert!(matches!(reader(&bytes).next().await, Err(FrameError::TooLarge { .. })));
        bytes[5] = 0;
        assert!(matches!(reader(&bytes).next().await, Err(FrameError::Truncated)));
    }
}
