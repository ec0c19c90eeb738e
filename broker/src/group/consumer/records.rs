//! Kafka's record formats of consumer groups in `__consumer_offsets`.
//!
//! ```text
//! key 3  group           epoch i32
//! key 4  group           topics: id | name | partitions i32 | racks (none here)
//! key 5  group | member  instance? | rack? | client id | client host | topics |
//!                        pattern? | rebalance timeout i32 | assignor?
//! key 6  group           assignment epoch i32
//! key 7  group | member  target: topic id | partitions
//! key 8  group | member  epoch i32 | previous epoch i32 | state i8 | assigned | to be revoked
//! ```
//!
//! Keys have strings with a length of two bytes. Values have version 0, compact
//! lengths (one greater, as varints; 0 is null) and tags after each structure.

use bytes::{Buf, BufMut};
use uuid::Uuid;

use super::state::{MemberState, Partitions};
use crate::group::records::RecordError;

/// What a record is about. The number of its variant is the key's version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RecordKey {
    Epoch,
    Topics,
    Member(String),
    TargetEpoch,
    Target(String),
    Current(String),
}

/// A record's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Epoch(i32),
    /// Id, name and number of partitions.
    Topics(Vec<(Uuid, String, i32)>),
    Member(MemberRecord),
    TargetEpoch(i32),
    Target(Partitions),
    Current(CurrentRecord),
}

/// What a member said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberRecord {
    pub(super) instance_id: Option<String>,
    pub(super) rack_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) topics: Vec<String>,
    pub(super) pattern: Option<String>,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) assignor: Option<String>,
}

/// Where a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurrentRecord {
    pub(super) epoch: i32,
    pub(super) previous_epoch: i32,
    pub(super) state: MemberState,
    pub(super) assigned: Partitions,
    pub(super) revoking: Partitions,
}

const VALUE_VERSION: i16 = 0;

impl RecordKey {
    pub(crate) fn version(&self) -> i16 {
        match self {
            RecordKey::Epoch => 3,
            RecordKey::Topics => 4,
            RecordKey::Member(_) => 5,
            RecordKey::TargetEpoch => 6,
            RecordKey::Target(_) => 7,
            RecordKey::Current(_) => 8,
        }
    }

    /// The member that it is about, if it is about one.
    pub(crate) fn member(&self) -> Option<&str> {
        match self {
            RecordKey::Member(id) | RecordKey::Target(id) | RecordKey::Current(id) => Some(id),
            RecordKey::Epoch | RecordKey::Topics | RecordKey::TargetEpoch => None,
        }
    }

    /// The key of this version; `member` reads on where it names one.
    pub(crate) fn read<E>(
        version: i16,
        member: impl FnOnce() -> Result<String, E>,
    ) -> Result<Option<Self>, E> {
        Ok(Some(match version {
            3 => RecordKey::Epoch,
            4 => RecordKey::Topics,
            5 => RecordKey::Member(member()?),
            6 => RecordKey::TargetEpoch,
            7 => RecordKey::Target(member()?),
            8 => RecordKey::Current(member()?),
            _ => return Ok(None),
        }))
    }
}

pub(crate) fn encode(record: &Record) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(64));
    out.0.put_i16(VALUE_VERSION);
    match record {
        Record::Epoch(epoch) | Record::TargetEpoch(epoch) => out.0.put_i32(*epoch),
        Record::Topics(topics) => {
            out.length(topics.len());
            for (id, name, count) in topics {
                out.0.put_slice(id.as_bytes());
                out.text(Some(name));
                out.0.put_i32(*count);
                out.length(0);
                out.tags();
            }
        }
        Record::Member(member) => {
            out.text(member.instance_id.as_deref());
            out.text(member.rack_id.as_deref());
            out.text(Some(&member.client_id));
            out.text(Some(&member.client_host));
            out.length(member.topics.len());
            member.topics.iter().for_each(|topic| out.text(Some(topic)));
            out.text(member.pattern.as_deref());
            out.0.put_i32(member.rebalance_timeout_ms);
            out.text(member.assignor.as_deref());
        }
        Record::Target(target) => out.partitions(target),
        Record::Current(current) => {
            out.0.put_i32(current.epoch);
            out.0.put_i32(current.previous_epoch);
            out.0.put_i8(match current.state {
                MemberState::Stable => 0,
                MemberState::UnrevokedPartitions => 1,
                MemberState::UnreleasedPartitions => 2,
            });
            out.partitions(&current.assigned);
            out.partitions(&current.revoking);
        }
    }
    out.tags();
    out.0
}

pub(crate) fn decode(key: &RecordKey, bytes: &[u8]) -> Result<Record, RecordError> {
    let mut read = Reader(bytes);
    let version = read.0.try_get_i16().map_err(|_| RecordError::Malformed)?;
    if version != VALUE_VERSION {
        return Err(RecordError::Version { what: "consumer group", version });
    }
    Ok(match key {
        RecordKey::Epoch => Record::Epoch(read.i32()?),
        RecordKey::TargetEpoch => Record::TargetEpoch(read.i32()?),
        RecordKey::Topics => {
            let mut topics = Vec::new();
            for _ in 0..read.length()?.unwrap_or(0) {
                topics.push((read.uuid()?, read.string()?, read.i32()?));
                for _ in 0..read.length()?.unwrap_or(0) {
                    read.i32()?;
                    for _ in 0..read.length()?.unwrap_or(0) {
                        read.string()?;
                    }
                    read.tags()?;
                }
                read.tags()?;
            }
            Record::Topics(topics)
        }
        RecordKey::Member(_) => Record::Member(MemberRecord {
            instance_id: read.text()?,
            rack_id: read.text()?,
            client_id: read.string()?,
            client_host: read.string()?,
            topics: {
                let mut topics = Vec::new();
                for _ in 0..read.length()?.unwrap_or(0) {
                    topics.push(read.string()?);
                }
                topics
            },
            pattern: read.text()?,
            rebalance_timeout_ms: read.i32()?,
            assignor: read.text()?,
        }),
        RecordKey::Target(_) => Record::Target(read.partitions()?),
        RecordKey::Current(_) => Record::Current(CurrentRecord {
            epoch: read.i32()?,
            previous_epoch: read.i32()?,
            state: match read.take(1)?[0] {
                0 => MemberState::Stable,
                1 => MemberState::UnrevokedPartitions,
                2 => MemberState::UnreleasedPartitions,
                _ => return Err(RecordError::Malformed),
            },
            assigned: read.partitions()?,
            revoking: read.partitions()?,
        }),
    })
}

struct Writer(Vec<u8>);

impl Writer {
    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.0.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.put_u8(value as u8);
    }

    fn length(&mut self, length: usize) {
        let length = u32::try_from(length).expect("what a request held has fewer than 2^32 parts");
        self.varint(length + 1);
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => {
                self.length(text.len());
                self.0.put_slice(text.as_bytes());
            }
            None => self.varint(0),
        }
    }

    fn partitions(&mut self, partitions: &Partitions) {
        self.length(partitions.len());
        for (topic, numbers) in partitions {
            self.0.put_slice(topic.as_bytes());
            self.length(numbers.len());
            numbers.iter().for_each(|number| self.0.put_i32(*number));
            self.tags();
        }
    }

    fn tags(&mut self) {
        self.varint(0);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn i32(&mut self) -> Result<i32, RecordError> {
        self.0.try_get_i32().map_err(|_| RecordError::Malformed)
    }

    fn varint(&mut self) -> Result<u32, RecordError> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| RecordError::Malformed);
            }
        }
        Err(RecordError::Malformed)
    }

    /// A length, which is a claim; `None` is null.
    fn length(&mut self) -> Result<Option<u32>, RecordError> {
        Ok(self.varint()?.checked_sub(1))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(RecordError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn text(&mut self) -> Result<Option<String>, RecordError> {
        let Some(length) = self.length()? else { return Ok(None) };
        let bytes = self.take(length as usize)?;
        let text = std::str::from_utf8(bytes).map_err(|_| RecordError::Malformed)?;
        Ok(Some(text.to_owned()))
    }

    fn string(&mut self) -> Result<String, RecordError> {
        self.text()?.ok_or(RecordError::Malformed)
    }

    fn uuid(&mut self) -> Result<Uuid, RecordError> {
        Uuid::from_slice(self.take(16)?).map_err(|_| RecordError::Malformed)
    }

    fn partitions(&mut self) -> Result<Partitions, RecordError> {
        let mut partitions = Partitions::new();
        for _ in 0..self.length()?.unwrap_or(0) {
            let topic = self.uuid()?;
            for _ in 0..self.length()?.unwrap_or(0) {
                partitions.entry(topic).or_default().insert(self.i32()?);
            }
            self.tags()?;
        }
        Ok(partitions)
    }

    fn tags(&mut self) -> Result<(), RecordError> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.take(length as usize)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn topic() -> Uuid {
        Uuid::from_u128(7)
    }

    #[test]
    fn records_are_written_as_kafka_writes_them() {
        assert_eq!(encode(&Record::Epoch(5)), b"\0\0\0\0\0\x05\0");
        let target = Record::Target(Partitions::from([(topic(), [2].into())]));
        let mut expected = b"\0\0\x02".to_vec();
        expected.extend_from_slice(topic().as_bytes());
        expected.extend_from_slice(b"\x02\0\0\0\x02\0\0");
        assert_eq!(encode(&target), expected);
    }

    #[test]
    fn every_record_reads_back_and_none_that_is_cut_does() {
        let partitions = Partitions::from([(topic(), (0..200).collect())]);
        let member = MemberRecord {
            instance_id: Some("i".into()),
            rack_id: None,
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            topics: vec!["t".into(), "ü".repeat(100)],
            pattern: Some("a.*".into()),
            rebalance_timeout_ms: 9,
            assignor: Some("range".into()),
        };
        let current = CurrentRecord {
            epoch: -2,
            previous_epoch: 4,
            state: MemberState::UnrevokedPartitions,
            assigned: partitions.clone(),
            revoking: Partitions::new(),
        };
        let id = || "m".to_owned();
        for (key, record) in [
            (RecordKey::Epoch, Record::Epoch(3)),
            (RecordKey::Topics, Record::Topics(vec![(topic(), "t".into(), 4)])),
            (RecordKey::Member(id()), Record::Member(member)),
            (RecordKey::TargetEpoch, Record::TargetEpoch(i32::MAX)),
            (RecordKey::Target(id()), Record::Target(partitions)),
            (RecordKey::Current(id()), Record::Current(current)),
        ] {
            let bytes = encode(&record);
            assert_eq!(decode(&key, &bytes), Ok(record));
            // The last byte is the count of tags, which may be left out.
            for cut in 0..bytes.len() - 1 {
                assert_eq!(
                    decode(&key, &bytes[..cut]),
                    Err(RecordError::Malformed),
                    "{key:?} {cut}"
                );
            }
            assert_eq!(RecordKey::read(key.version(), || Ok::<_, ()>(id())), Ok(Some(key)));
        }
    }

    proptest! {
        #[test]
        fn random_bytes_are_refused_without_panic(version in 3..=8_i16, mut bytes: Vec<u8>) {
            bytes.splice(0..0, [0, 0]);
            let key = RecordKey::read(version, || Ok::<_, ()>(String::new()));
            let _ = decode(&key.unwrap().unwrap(), &bytes);
        }
    }
}
