//! Responses as lists of byte pieces, so that record bytes are never copied
//! into a frame: they go from the log's buffer to the socket.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::{Encodable, HeaderVersion};

use super::memory::MemoryGrant;
use crate::limits;

/// What a response is an answer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestId {
    pub(crate) api_version: i16,
    pub(crate) correlation_id: i32,
}

/// A whole frame on its way to a socket; a [`Buf`] over its pieces.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    /// Memory that the pieces hold; given back when the response is written.
    memory: Option<MemoryGrant>,
}

/// A response could not be encoded: it is too large, or a handler set a field that the
/// version lacks.
#[derive(Debug, thiserror::Error)]
#[error("a response could not be encoded: {reason}")]
pub(crate) struct EncodeError {
    pub(crate) reason: String,
}

impl Response {
    /// Encodes a message behind the response header of its version.
    ///
    /// # Errors
    /// When it is larger than any answer may be, or has a field that the version lacks.
    pub(crate) fn encode<M>(id: RequestId, message: &M) -> Result<Self, EncodeError>
    where
        M: Encodable + HeaderVersion,
    {
        Self::encode_within(limits::ANSWER_BYTES_MAX, id, message)
    }

    fn encode_within<M>(bytes_max: usize, id: RequestId, message: &M) -> Result<Self, EncodeError>
    where
        M: Encodable + HeaderVersion,
    {
        let flexible = M::header_version(id.api_version) >= 1;
        let body = message
            .compute_size(id.api_version)
            .map_err(|error| EncodeError { reason: error.to_string() })?;
        if body > bytes_max {
            let reason = format!(
                "it would have {body} bytes, more than the {bytes_max} that clients take; \
                 the client must ask for less in one request"
            );
            return Err(EncodeError { reason });
        }
        let mut frame = BytesMut::with_capacity(9 + body);
        frame.put_u32(0);
        put_header(&mut frame, id.correlation_id, flexible);
        message
            .encode(&mut frame, id.api_version)
            .map_err(|error| EncodeError { reason: error.to_string() })?;
        let length = frame.len() as u32 - 4;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        Ok(Self::from_frame(frame.freeze()))
    }

    /// A frame of these bytes alone.
    pub(crate) fn raw(bytes: &[u8]) -> Self {
        let mut frame = BytesMut::with_capacity(4 + bytes.len());
        frame.put_u32(bytes.len() as u32);
        frame.put_slice(bytes);
        Self::from_frame(frame.freeze())
    }

    /// Bytes that are left to be written.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it holds memory that others may want.
    pub(crate) fn holds_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Writes `value` over the four bytes at `at`, which are of one piece.
    pub(crate) fn overwrite(&mut self, at: usize, value: i32) {
        let mut start = 0;
        for piece in &mut self.pieces {
            if at < start + piece.len() {
                let mut changed = BytesMut::from(&piece[..]);
                changed[at - start..at - start + 4].copy_from_slice(&value.to_be_bytes());
                *piece = changed.freeze();
                return;
            }
            start += piece.len();
        }
    }

    fn from_frame(frame: Bytes) -> Self {
        Self { bytes: frame.len(), pieces: VecDeque::from([frame]), memory: None }
    }
}

/// Builds a response around bytes that are not copied.
#[derive(Debug)]
pub(crate) struct ResponseBuilder {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    /// Fields since the last piece.
    pub(crate) fields: BytesMut,
}

impl ResponseBuilder {
    pub(crate) fn new(id: RequestId, flexible: bool) -> Self {
        let mut fields = BytesMut::with_capacity(256);
        put_header(&mut fields, id.correlation_id, flexible);
        Self { pieces: VecDeque::with_capacity(8), bytes: 0, fields }
    }

    /// Appends bytes without copying them.
    pub(crate) fn splice(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let fields = self.fields.split().freeze();
        self.push(fields);
        self.push(bytes);
    }

    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// The whole frame; `memory` is given back once it is written.
    pub(crate) fn finish(mut self, memory: Option<MemoryGrant>) -> Response {
        let fields = self.fields.split().freeze();
        self.push(fields);
        let length = self.bytes as u32;
        self.pieces.push_front(Bytes::copy_from_slice(&length.to_be_bytes()));
        Response { pieces: self.pieces, bytes: self.bytes + 4, memory }
    }
}

pub(crate) fn put_header(frame: &mut BytesMut, correlation_id: i32, flexible: bool) {
    frame.put_i32(correlation_id);
    if flexible {
        frame.put_u8(0);
    }
}

impl Buf for Response {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.bytes, "a response is never advanced beyond its end");
        self.bytes -= count;
        while count > 0 {
            let piece = self.pieces.front_mut().expect("pieces hold the bytes that remain");
            if piece.len() > count {
                piece.advance(count);
                return;
            }
            count -= piece.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::SaslAuthenticateResponse;

    use super::*;

    #[test]
    fn an_answer_larger_than_its_bound_is_refused_before_it_is_built() {
        let id = RequestId { api_version: 2, correlation_id: 1 };
        let message = SaslAuthenticateResponse::default().with_auth_bytes(vec![0; 100].into());
        let bytes = message.compute_size(2).unwrap();
        assert!(Response::encode_within(bytes, id, &message).is_ok());
        let refused = Response::encode_within(bytes - 1, id, &message).unwrap_err();
        assert!(refused.to_string().contains("must ask for less"), "{refused}");
    }
}
