//! Fetch's answer, built by hand so that record bytes go from the log's buffer to
//! the socket without being copied into a frame.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;

use super::{
    errors,
    memory::MemoryGrant,
    response::{RequestId, Response, ResponseBuilder},
};
use crate::log::AbortedTransaction;

/// The first version with compact lengths and tags.
const FLEXIBLE_FROM: i16 = 12;

/// What one partition answers.
pub(super) struct Fetched {
    pub(super) index: i32,
    pub(super) code: i16,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    pub(super) log_start_offset: i64,
    /// What `read_committed` consumers are to leave out; others are not told.
    pub(super) aborted: Option<Vec<AbortedTransaction>>,
    pub(super) records: Bytes,
}

impl Fetched {
    pub(super) fn failed(index: i32, code: ResponseError) -> Self {
        Self {
            index,
            code: code.code(),
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted: None,
            records: Bytes::new(),
        }
    }
}

pub(super) fn whole_error(id: RequestId, code: ResponseError) -> Response {
    without_topics(id, code.code())
}

/// An answer without topics, for a client that is throttled.
pub(super) fn empty(id: RequestId) -> Response {
    without_topics(id, errors::NONE)
}

fn without_topics(id: RequestId, code: i16) -> Response {
    let mut builder = ResponseBuilder::new(id, id.api_version >= FLEXIBLE_FROM);
    put_top(&mut builder.fields, id.api_version, code, 0);
    if id.api_version >= FLEXIBLE_FROM {
        builder.fields.put_u8(0);
    }
    builder.finish(None)
}

/// The fields up to and with the count of topics.
fn put_top(fields: &mut BytesMut, version: i16, code: i16, topics: usize) {
    fields.put_i32(0);
    if version >= 7 {
        fields.put_i16(code);
        fields.put_i32(0);
    }
    put_count(fields, version, topics);
}

/// Everything that was fetched, by topic in the order of the request.
pub(super) fn encode<'a>(
    id: RequestId,
    topics: impl Iterator<Item = &'a str>,
    fetched: Vec<Vec<Fetched>>,
    memory: Option<MemoryGrant>,
) -> Response {
    let version = id.api_version;
    let flexible = version >= FLEXIBLE_FROM;
    let mut builder = ResponseBuilder::new(id, flexible);
    put_top(&mut builder.fields, version, errors::NONE, fetched.len());
    for (name, partitions) in topics.zip(fetched) {
        let name = name.as_bytes();
        if flexible {
            put_varint(&mut builder.fields, name.len() as u32 + 1);
        } else {
            builder.fields.put_i16(name.len() as i16);
        }
        builder.fields.put_slice(name);
        put_count(&mut builder.fields, version, partitions.len());
        for partition in partitions {
            put_partition(&mut builder, version, partition);
        }
        if flexible {
            builder.fields.put_u8(0);
        }
    }
    if flexible {
        builder.fields.put_u8(0);
    }
    builder.finish(memory)
}

fn put_partition(builder: &mut ResponseBuilder, version: i16, fetched: Fetched) {
    let fields = &mut builder.fields;
    fields.put_i32(fetched.index);
    fields.put_i16(fetched.code);
    fields.put_i64(fetched.high_watermark);
    fields.put_i64(fetched.last_stable_offset);
    if version >= 5 {
        fields.put_i64(fetched.log_start_offset);
    }
    put_aborted(fields, version, fetched.aborted.as_deref());
    if version >= 11 {
        // No preferred read replica.
        fields.put_i32(-1);
    }
    let length = fetched.records.len();
    if version >= FLEXIBLE_FROM {
        put_varint(fields, length as u32 + 1);
    } else {
        fields.put_i32(length as i32);
    }
    builder.splice(fetched.records);
    if version >= FLEXIBLE_FROM {
        builder.fields.put_u8(0);
    }
}

fn put_aborted(fields: &mut BytesMut, version: i16, aborted: Option<&[AbortedTransaction]>) {
    let flexible = version >= FLEXIBLE_FROM;
    let Some(aborted) = aborted else {
        return if flexible { fields.put_u8(0) } else { fields.put_i32(-1) };
    };
    put_count(fields, version, aborted.len());
    for transaction in aborted {
        fields.put_i64(transaction.producer_id);
        fields.put_i64(transaction.first_offset);
        if flexible {
            fields.put_u8(0);
        }
    }
}

fn put_count(fields: &mut BytesMut, version: i16, count: usize) {
    if version >= FLEXIBLE_FROM {
        put_varint(fields, count as u32 + 1);
    } else {
        fields.put_i32(count as i32);
    }
}

fn put_varint(fields: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        fields.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    fields.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use kafka_protocol::{
        messages::{FetchResponse, ResponseHeader, fetch_response::AbortedTransaction as Aborted},
        protocol::{Decodable, HeaderVersion},
    };

    use super::*;

    #[test]
    fn every_version_carries_the_stable_offset_and_what_was_aborted() {
        let aborted = [(7, 3), (8, 4)].map(|(producer_id, first_offset)| AbortedTransaction {
            producer_id,
            first_offset,
            last_offset: 9,
            last_stable_offset: 10,
        });
        for version in 4..=12 {
            let fetched = |aborted: Option<&[AbortedTransaction]>| Fetched {
                index: 1,
                code: errors::NONE,
                high_watermark: 30,
                last_stable_offset: 20,
                log_start_offset: 10,
                aborted: aborted.map(<[_]>::to_vec),
                records: Bytes::from_static(b"records"),
            };
            let partitions = vec![fetched(None), fetched(Some(&[])), fetched(Some(&aborted))];
            let id = RequestId { api_version: version, correlation_id: 5 };
            let mut frame = encode(id, ["t"].into_iter(), vec![partitions], None);
            let mut frame = frame.copy_to_bytes(frame.remaining());
            assert_eq!(frame.get_u32() as usize, frame.len());
            ResponseHeader::decode(&mut frame, FetchResponse::header_version(version)).unwrap();
            let response = FetchResponse::decode(&mut frame, version).unwrap();
            assert!(frame.is_empty(), "version {version}");
            let partitions = &response.responses[0].partitions;
            let expected = |(producer_id, first_offset): (i64, i64)| {
                Aborted::default()
                    .with_producer_id(producer_id.into())
                    .with_first_offset(first_offset)
            };
            assert_eq!(partitions[0].aborted_transactions, None, "read_uncommitted: null");
            assert_eq!(partitions[1].aborted_transactions, Some(vec![]));
            let both = vec![expected((7, 3)), expected((8, 4))];
            assert_eq!(partitions[2].aborted_transactions, Some(both), "version {version}");
            for partition in partitions {
                assert_eq!(partition.high_watermark, 30);
                assert_eq!(partition.last_stable_offset, 20);
                assert_eq!(partition.records.as_deref(), Some(&b"records"[..]));
            }
        }
    }
}
