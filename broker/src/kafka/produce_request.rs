//! A Produce request taken apart without copying its records.
//!
//! The log patches offsets into batches in place, so it needs their bytes to
//! itself. Here each partition's records are split off the frame as a buffer
//! of their own, which shared slices would not allow.

use bytes::{Buf, BytesMut};
use kafka_protocol::{messages::TopicName, protocol::StrBytes};

use super::shape::ShapeError;

/// The first version with compact lengths and tags.
const FLEXIBLE_FROM: i16 = 9;

/// A partition's number and its records.
pub(super) type PartitionRecords = (i32, Option<BytesMut>);

/// A Produce request.
#[derive(Debug)]
pub(super) struct ProduceFrame {
    pub(super) transactional_id: Option<StrBytes>,
    pub(super) acks: i16,
    pub(super) timeout_ms: i32,
    /// By topic, in the order of the request.
    pub(super) topics: Vec<(TopicName, Vec<PartitionRecords>)>,
}

/// Takes apart a body whose shape has been checked.
pub(super) fn decode(body: BytesMut, version: i16) -> Result<ProduceFrame, ShapeError> {
    let mut read = Reader { rest: body, flexible: version >= FLEXIBLE_FROM };
    let transactional_id = read.text()?;
    let acks = read.rest.try_get_i16().map_err(|_| ShapeError::Short)?;
    let timeout_ms = read.int32()?;
    // Both counts were checked against the bytes that are there.
    let count = read.length(4)?.unwrap_or(0);
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let name = read.text()?.ok_or(ShapeError::Length)?;
        let count = read.length(4)?.unwrap_or(0);
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            let index = read.int32()?;
            let records = match read.length(4)? {
                Some(length) => Some(read.take(length)?),
                None => None,
            };
            read.tags()?;
            partitions.push((index, records));
        }
        read.tags()?;
        topics.push((TopicName(name), partitions));
    }
    Ok(ProduceFrame { transactional_id, acks, timeout_ms, topics })
}

struct Reader {
    rest: BytesMut,
    flexible: bool,
}

impl Reader {
    fn take(&mut self, length: usize) -> Result<BytesMut, ShapeError> {
        match length <= self.rest.len() {
            true => Ok(self.rest.split_to(length)),
            false => Err(ShapeError::Short),
        }
    }

    fn int32(&mut self) -> Result<i32, ShapeError> {
        self.rest.try_get_i32().map_err(|_| ShapeError::Short)
    }

    fn text(&mut self) -> Result<Option<StrBytes>, ShapeError> {
        let Some(length) = self.length(2)? else { return Ok(None) };
        let bytes = self.take(length)?;
        // Copied: a name must not keep a frame of records alive.
        let text = std::str::from_utf8(&bytes).map_err(|_| ShapeError::Text)?;
        Ok(Some(StrBytes::from_string(text.to_owned())))
    }

    /// A length of `bytes` bytes, or a varint one greater; `None` is null.
    fn length(&mut self, bytes: usize) -> Result<Option<usize>, ShapeError> {
        if self.flexible {
            return Ok(self.varint()?.checked_sub(1).map(|length| length as usize));
        }
        let length = match bytes {
            2 => i32::from(self.rest.try_get_i16().map_err(|_| ShapeError::Short)?),
            _ => self.int32()?,
        };
        match length {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| ShapeError::Length),
        }
    }

    fn tags(&mut self) -> Result<(), ShapeError> {
        if self.flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let length = self.varint()? as usize;
                self.take(length)?;
            }
        }
        Ok(())
    }

    fn varint(&mut self) -> Result<u32, ShapeError> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.rest.try_get_u8().map_err(|_| ShapeError::Short)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| ShapeError::Length);
            }
        }
        Err(ShapeError::Length)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::{
        messages::{
            ProduceRequest, TransactionalId,
            produce_request::{PartitionProduceData, TopicProduceData},
        },
        protocol::Encodable,
    };

    use super::*;

    #[test]
    fn every_version_is_taken_apart_as_it_was_encoded() {
        let data = |index, records: Option<&'static [u8]>| {
            PartitionProduceData::default()
                .with_index(index)
                .with_records(records.map(Bytes::from_static))
        };
        let topic = |name: &'static str, partitions| {
            TopicProduceData::default()
                .with_name(TopicName(StrBytes::from_static_str(name)))
                .with_partition_data(partitions)
        };
        let request = ProduceRequest::default()
            .with_transactional_id(Some(TransactionalId(StrBytes::from_static_str("t"))))
            .with_acks(-1)
            .with_timeout_ms(1500)
            .with_topic_data(vec![
                topic("a", vec![data(0, Some(b"xyz")), data(7, None)]),
                topic("b", vec![data(1, Some(b""))]),
            ]);
        for version in 3..=12 {
            let mut body = BytesMut::new();
            request.encode(&mut body, version).unwrap();
            super::super::shape::check(kafka_protocol::messages::ApiKey::Produce, version, &body)
                .unwrap();
            let frame = decode(body, version).unwrap();
            assert_eq!(frame.transactional_id.as_deref(), Some("t"));
            assert_eq!((frame.acks, frame.timeout_ms), (-1, 1500));
            let (name, partitions) = &frame.topics[0];
            assert_eq!(name.as_str(), "a");
            assert_eq!(partitions[0].1.as_deref(), Some(&b"xyz"[..]));
            assert_eq!(partitions[1], (7, None));
            assert_eq!(frame.topics[1].1[0].1.as_deref(), Some(&b""[..]));
        }
    }
}
