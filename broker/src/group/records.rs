//! Kafka's record formats of `__consumer_offsets`, so that its tools read ours.
//!
//! ```text
//! offset key   v1  version i16 | group | topic | partition i32
//! offset value v3  version i16 | offset i64 | leader epoch i32 | metadata | commit timestamp i64
//! group key    v2  version i16 | group
//! group value  v3  version i16 | protocol type | generation i32 | protocol? | leader? |
//!                  state timestamp i64 | members: id | instance id? | client id | client host |
//!                  rebalance timeout i32 | session timeout i32 | subscription | assignment
//! ```
//!
//! Strings have a length of two bytes, byte strings and arrays one of four, -1
//! being null. A record without a value removes what its key names. Older
//! versions of the values are read too.

use bytes::{Buf, BufMut, Bytes};

use super::{
    consumer::RecordKey,
    offsets::CommittedOffset,
    state::{StoredGroup, StoredMember},
};

const OFFSET_KEY: i16 = 1;
const OFFSET_VALUE: i16 = 3;
const GROUP_KEY: i16 = 2;
const GROUP_VALUE: i16 = 3;

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// A committed offset.
    Offset { group: String, topic: String, partition: i32 },
    /// A group's members and generation.
    Group { group: String },
    /// A part of a group of the consumer protocol.
    Consumer { group: String, key: RecordKey },
}

/// A record that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("version {version} of a {what} is not known")]
    Version { what: &'static str, version: i16 },
    #[error("a record ends inside a field, or a field is malformed")]
    Malformed,
}

pub(crate) fn encode_key(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    match key {
        Key::Offset { group, topic, partition } => {
            bytes.put_i16(OFFSET_KEY);
            put_string(&mut bytes, group);
            put_string(&mut bytes, topic);
            bytes.put_i32(*partition);
        }
        Key::Group { group } => {
            bytes.put_i16(GROUP_KEY);
            put_string(&mut bytes, group);
        }
        Key::Consumer { group, key } => {
            bytes.put_i16(key.version());
            put_string(&mut bytes, group);
            if let Some(member) = key.member() {
                put_string(&mut bytes, member);
            }
        }
    }
    bytes
}

pub(crate) fn encode_offset(offset: &CommittedOffset) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24 + offset.metadata.len());
    bytes.put_i16(OFFSET_VALUE);
    bytes.put_i64(offset.offset);
    bytes.put_i32(offset.leader_epoch);
    put_string(&mut bytes, &offset.metadata);
    bytes.put_i64(offset.commit_timestamp_ms);
    bytes
}

pub(crate) fn encode_group(group: &StoredGroup) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.put_i16(GROUP_VALUE);
    put_string(&mut bytes, &group.protocol_type);
    bytes.put_i32(group.generation);
    put_nullable(&mut bytes, group.protocol.as_deref());
    put_nullable(&mut bytes, group.leader.as_deref());
    bytes.put_i64(group.state_timestamp_ms);
    bytes.put_i32(group.members.len() as i32);
    for member in &group.members {
        put_string(&mut bytes, &member.id);
        put_nullable(&mut bytes, member.instance_id.as_deref());
        put_string(&mut bytes, &member.client_id);
        put_string(&mut bytes, &member.client_host);
        bytes.put_i32(member.rebalance_timeout_ms);
        bytes.put_i32(member.session_timeout_ms);
        put_bytes(&mut bytes, &member.subscription);
        put_bytes(&mut bytes, &member.assignment);
    }
    bytes
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<Key, RecordError> {
    let mut read = Reader(bytes);
    match read.i16()? {
        0 | OFFSET_KEY => {
            Ok(Key::Offset { group: read.string()?, topic: read.string()?, partition: read.i32()? })
        }
        GROUP_KEY => Ok(Key::Group { group: read.string()? }),
        version => {
            let unknown = RecordError::Version { what: "key", version };
            let group = read.string()?;
            let key = RecordKey::read(version, || read.string())?.ok_or(unknown)?;
            Ok(Key::Consumer { group, key })
        }
    }
}

pub(crate) fn decode_offset(bytes: &[u8]) -> Result<CommittedOffset, RecordError> {
    let mut read = Reader(bytes);
    let version = read.i16()?;
    if !(0..=OFFSET_VALUE).contains(&version) {
        return Err(RecordError::Version { what: "committed offset", version });
    }
    let offset = read.i64()?;
    let leader_epoch = if version >= 3 { read.i32()? } else { -1 };
    let metadata = read.string()?;
    let commit_timestamp_ms = read.i64()?;
    Ok(CommittedOffset { offset, leader_epoch, metadata, commit_timestamp_ms })
}

pub(crate) fn decode_group(bytes: &[u8]) -> Result<StoredGroup, RecordError> {
    let mut read = Reader(bytes);
    let version = read.i16()?;
    if !(0..=GROUP_VALUE).contains(&version) {
        return Err(RecordError::Version { what: "group", version });
    }
    let mut group = StoredGroup {
        protocol_type: read.string()?,
        generation: read.i32()?,
        protocol: read.nullable()?,
        leader: read.nullable()?,
        state_timestamp_ms: if version >= 2 { read.i64()? } else { -1 },
        members: Vec::new(),
    };
    // The count is a claim: members are gathered as they are found.
    for _ in 0..read.i32()?.max(0) {
        let id = read.string()?;
        let instance_id = if version >= 3 { read.nullable()? } else { None };
        let client_id = read.string()?;
        let client_host = read.string()?;
        let rebalance = if version >= 1 { Some(read.i32()?) } else { None };
        let session_timeout_ms = read.i32()?;
        group.members.push(StoredMember {
            id,
            instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: rebalance.unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription: read.bytes()?,
            assignment: read.bytes()?,
        });
    }
    Ok(group)
}

fn put_string(bytes: &mut Vec<u8>, text: &str) {
    // Every string that comes here was bounded when it came in.
    let length = i16::try_from(text.len()).expect("strings of groups are bounded below 32 KiB");
    bytes.put_i16(length);
    bytes.put_slice(text.as_bytes());
}

fn put_nullable(bytes: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put_string(bytes, text),
        None => bytes.put_i16(-1),
    }
}

fn put_bytes(bytes: &mut Vec<u8>, content: &[u8]) {
    bytes.put_i32(content.len() as i32);
    bytes.put_slice(content);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn i16(&mut self) -> Result<i16, RecordError> {
        self.0.try_get_i16().map_err(|_| RecordError::Malformed)
    }

    fn i32(&mut self) -> Result<i32, RecordError> {
        self.0.try_get_i32().map_err(|_| RecordError::Malformed)
    }

    fn i64(&mut self) -> Result<i64, RecordError> {
        self.0.try_get_i64().map_err(|_| RecordError::Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&[u8], RecordError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(RecordError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn nullable(&mut self) -> Result<Option<String>, RecordError> {
        let length = match self.i16()? {
            -1 => return Ok(None),
            length => usize::try_from(length).map_err(|_| RecordError::Malformed)?,
        };
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| RecordError::Malformed)?;
        Ok(Some(text.to_owned()))
    }

    fn string(&mut self) -> Result<String, RecordError> {
        Ok(self.nullable()?.unwrap_or_default())
    }

    fn bytes(&mut self) -> Result<Bytes, RecordError> {
        let length = match self.i32()? {
            -1 => 0,
            length => usize::try_from(length).map_err(|_| RecordError::Malformed)?,
        };
        Ok(Bytes::copy_from_slice(self.take(length)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_offset_is_written_as_kafka_writes_it() {
        let key = Key::Offset { group: "g".into(), topic: "t".into(), partition: 2 };
        assert_eq!(encode_key(&key), b"\0\x01\0\x01g\0\x01t\0\0\0\x02");
        let offset = CommittedOffset {
            offset: 5,
            leader_epoch: -1,
            metadata: "m".into(),
            commit_timestamp_ms: 7,
        };
        let bytes = encode_offset(&offset);
        assert_eq!(bytes, b"\0\x03\0\0\0\0\0\0\0\x05\xff\xff\xff\xff\0\x01m\0\0\0\0\0\0\0\x07");
        assert_eq!(decode_offset(&bytes), Ok(offset));
        assert_eq!(decode_key(&encode_key(&key)), Ok(key));
    }

    #[test]
    fn a_group_reads_back_as_it_was_written() {
        let member = StoredMember {
            id: "m".into(),
            instance_id: Some("i".into()),
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout_ms: 1,
            session_timeout_ms: 2,
            subscription: Bytes::from_static(b"s"),
            assignment: Bytes::new(),
        };
        let group = StoredGroup {
            protocol_type: "connect".into(),
            generation: 3,
            protocol: None,
            leader: Some("m".into()),
            state_timestamp_ms: 4,
            members: vec![member.clone(), StoredMember { instance_id: None, ..member }],
        };
        let bytes = encode_group(&group);
        assert_eq!(decode_group(&bytes), Ok(group));
        for cut in 0..bytes.len() {
            assert_eq!(decode_group(&bytes[..cut]), Err(RecordError::Malformed), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_are_refused_without_panic(bytes: Vec<u8>) {
            let _ = decode_key(&bytes);
            let _ = decode_offset(&bytes);
            let _ = decode_group(&bytes);
        }
    }
}
