//! Frames off a socket: a 4-byte length, then that many bytes.
//!
//! A claimed length takes at most [`limits::FRAME_CLAIM_BYTES_MAX`] of the
//! request memory: a thousand connections that claim much and send nothing must
//! not starve the others. A larger frame's share, and its buffer, grow with the
//! bytes that really came, at a [`Pace`]; the slowest give way to those who wait for
//! memory. A connection without a frame holds no buffer.

use std::{
    future::{poll_fn, ready},
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use bytes::{Buf, BufMut, BytesMut};
use kafka_protocol::messages::ApiKey;
use tokio::{
    io::{AsyncRead, AsyncReadExt, ReadBuf},
    time::{Instant, timeout, timeout_at},
};

use super::{
    pace::Pace,
    request_memory::{RequestGrant, RequestMemory},
};
use crate::limits;

/// A request's bytes after the length, and the memory that they hold.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: BytesMut,
    pub(crate) memory: RequestGrant,
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
    #[error("no byte of a half-sent frame came for {} s", stalled.as_secs())]
    Stalled { stalled: Duration },
    /// The client sends, but hardly.
    #[error("a frame comes too slowly: {bytes} bytes of it after {} s", after.as_secs())]
    Slow { bytes: usize, after: Duration },
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
    memory: Arc<RequestMemory>,
}

/// The shortest header: key, version, correlation id.
const REQUEST_BYTES_MIN: usize = 8;

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(
        socket: R,
        request_bytes_max: usize,
        idle_max: Duration,
        memory: Arc<RequestMemory>,
    ) -> Self {
        Self {
            socket,
            buffer: BytesMut::new(),
            request_bytes_max,
            request_bytes_min: REQUEST_BYTES_MIN,
            idle_max,
            memory,
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
        self.next_after(ready(())).await
    }

    /// The same, but no more than a claim of it before `turn` has come; a Produce, which
    /// keeps nothing when it is begun, need not wait for that.
    pub(crate) async fn next_after(
        &mut self,
        turn: impl Future<Output = ()>,
    ) -> Result<Option<Frame>, FrameError> {
        if self.buffer.is_empty() && self.first_bytes().await? == 0 {
            return Ok(None);
        }
        let mut pace = Pace::begin(self.idle_max);
        while self.buffer.len() < 4 {
            self.fill(&mut pace, 4, None, limits::READ_AHEAD_BYTES).await?;
        }
        let length = self.length()?;
        let memory = Arc::clone(&self.memory);
        let mut share = waited(&mut pace, memory.claim(length)).await?;
        let mut turn = (length > share.bytes()).then_some(turn);
        loop {
            if self.buffer.len() >= 2 {
                self.check_control_length(length)?;
            }
            if self.buffer.len() > share.bytes()
                && let Some(turn) = turn.take()
                && !self.is_produce()
            {
                let since = Instant::now();
                turn.await;
                pace.excuse(since.elapsed());
            }
            if self.buffer.len() >= length {
                break;
            }
            // Only once more is there than the share holds: who sends nothing more
            // waits for bytes, at its pace, and not for memory, before others.
            while self.buffer.len() > share.bytes() {
                waited(&mut pace, memory.grow(&mut share)).await?;
            }
            // Not beyond the frame, so that a full read ends with it and the next one is
            // not copied over.
            let room = length.min(share.bytes() + limits::READ_AHEAD_BYTES);
            let missing = room - self.buffer.len();
            self.fill(&mut pace, length, Some(&share), missing).await?;
        }
        Ok(Some(Frame { bytes: self.take(length), memory: share }))
    }

    /// Takes the frame out of the buffer, and the buffer with it: a connection
    /// that has sent a large request does not keep its memory.
    fn take(&mut self, length: usize) -> BytesMut {
        if self.buffer.len() == length {
            return std::mem::take(&mut self.buffer);
        }
        self.buffer.split_to(length)
    }

    /// Takes the length off the buffer.
    fn length(&mut self) -> Result<usize, FrameError> {
        let length = self.buffer.get_i32();
        let length = match usize::try_from(length) {
            Ok(bytes) if bytes >= self.request_bytes_min => bytes,
            _ => return Err(FrameError::Length { length }),
        };
        match length <= self.request_bytes_max {
            true => Ok(length),
            false => Err(FrameError::TooLarge { length, max: self.request_bytes_max }),
        }
    }

    /// Only Produce carries records, so only it may be as large as the
    /// configuration allows.
    fn check_control_length(&self, length: usize) -> Result<(), FrameError> {
        if !self.is_produce() && length > limits::CONTROL_FRAME_BYTES_MAX {
            return Err(FrameError::TooLarge { length, max: limits::CONTROL_FRAME_BYTES_MAX });
        }
        Ok(())
    }

    /// Whether the frame of which two bytes are there is one.
    fn is_produce(&self) -> bool {
        i16::from_be_bytes([self.buffer[0], self.buffer[1]]) == ApiKey::Produce as i16
    }

    /// Waits for a frame to begin; answers with the bytes that came, 0 at the end.
    async fn first_bytes(&mut self) -> Result<usize, FrameError> {
        let Self { socket, buffer, .. } = self;
        let read = poll_fn(|context| {
            // On the stack, since most connections wait here most of the time.
            let mut room = [const { MaybeUninit::uninit() }; limits::READ_AHEAD_BYTES];
            let mut room = ReadBuf::uninit(&mut room);
            task::ready!(Pin::new(&mut *socket).poll_read(context, &mut room))?;
            buffer.extend_from_slice(room.filled());
            Poll::Ready(io::Result::Ok(room.filled().len()))
        });
        match timeout(self.idle_max, read).await {
            Ok(read) => Ok(read?),
            Err(_) => Err(FrameError::Idle { idle: self.idle_max }),
        }
    }

    /// Reads so many bytes more at most of a frame that has begun, at its pace; it ends at
    /// `length`, and `share` is what it holds that others may want.
    async fn fill(
        &mut self,
        pace: &mut Pace,
        length: usize,
        share: Option<&RequestGrant>,
        bytes_max: usize,
    ) -> Result<(), FrameError> {
        self.buffer.reserve(bytes_max);
        loop {
            let look = pace.deadline().min(Instant::now() + limits::PACE_CHECK);
            let mut room = (&mut self.buffer).limit(bytes_max.min(limits::READ_BYTES_MAX));
            let read = timeout_at(look, self.socket.read_buf(&mut room)).await;
            let now = Instant::now();
            match read {
                Ok(Ok(0)) => return Err(FrameError::Truncated),
                Ok(Ok(bytes)) => pace.came(bytes, now),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {}
            }
            // What is whole takes nobody's time any more.
            if self.buffer.len() < length && self.is_too_slow(pace, share, now) {
                let (bytes, after, stalled) = pace.so_far(now);
                return Err(match stalled >= limits::PACE_WINDOW {
                    true => FrameError::Stalled { stalled },
                    false => FrameError::Slow { bytes, after },
                });
            }
            match read {
                Ok(Ok(limits::READ_BYTES_MAX)) => {
                    // More is there: first it is the others' turn.
                    tokio::task::yield_now().await;
                    return Ok(());
                }
                Ok(_) => return Ok(()),
                Err(_) => {}
            }
        }
    }

    fn is_too_slow(&self, pace: &mut Pace, share: Option<&RequestGrant>, now: Instant) -> bool {
        if now >= pace.deadline() {
            return true;
        }
        let Some(share) = share.filter(|_| self.memory.is_wanted()) else { return false };
        let pace = pace.bytes_per_second(now);
        pace.is_some_and(|pace| self.memory.cuts(share, pace, now))
    }
}

/// Waits for memory, for so long and no longer; the client is not blamed for it.
async fn waited<T>(pace: &mut Pace, grant: impl Future<Output = T>) -> Result<T, FrameError> {
    let since = Instant::now();
    let granted = timeout(limits::REQUEST_MEMORY_WAIT, grant).await;
    pace.excuse(since.elapsed());
    granted.map_err(|_| FrameError::NoMemory)
}

#[cfg(test)]
mod tests;
