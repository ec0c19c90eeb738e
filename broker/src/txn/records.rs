//! Kafka's record formats of `__transaction_state`, so that its tools read ours.
//!
//! ```text
//! key   v0  version i16 | transactional id
//! value v0  version i16 | producer id i64 | epoch i16 | timeout ms i32 | state i8 |
//!           topics?: name | partitions i32... | last update ms i64 | start ms i64
//! value v1  the same with compact lengths, and tagged fields: 0 previous producer id i64,
//!           1 next producer id i64, 2 client transaction version i16
//! ```
//!
//! Version 1 is written (KIP-890), both are read. In version 0 strings have a
//! length of two bytes and arrays one of four; in version 1 both are varints one
//! greater. Topics are null in the state Empty. A record without a value
//! removes the id.

use bytes::{Buf, BufMut};

use super::state::{
    ClientVersion, Metadata, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Partitions, ProducerIdAndEpoch,
    TransactionState,
};

const KEY: i16 = 0;
const VALUE: i16 = 1;
const PREVIOUS_PRODUCER_ID_TAG: u32 = 0;
const NEXT_PRODUCER_ID_TAG: u32 = 1;
const CLIENT_VERSION_TAG: u32 = 2;

/// A record that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("version {version} of a transaction's {what} is not known")]
    Version { what: &'static str, version: i16 },
    #[error("transaction state {id} is not known")]
    State { id: i8 },
    #[error("a record ends inside a field, or a field is malformed")]
    Malformed,
}

pub(crate) fn encode_key(transactional_id: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + transactional_id.len());
    bytes.put_i16(KEY);
    // Ids are bounded below 32 KiB when they come in.
    bytes.put_i16(i16::try_from(transactional_id.len()).unwrap_or(i16::MAX));
    bytes.put_slice(transactional_id.as_bytes());
    bytes
}

pub(crate) fn encode_value(metadata: &Metadata) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.put_i16(VALUE);
    bytes.put_i64(metadata.producer.id);
    bytes.put_i16(metadata.producer.epoch);
    bytes.put_i32(metadata.timeout_ms);
    bytes.put_i8(metadata.state as i8);
    if metadata.state == TransactionState::Empty {
        bytes.put_u8(0);
    } else {
        put_varint(&mut bytes, metadata.partitions.0.len() as u32 + 1);
        for (topic, partitions) in metadata.partitions.topics() {
            put_varint(&mut bytes, topic.len() as u32 + 1);
            bytes.put_slice(topic.as_bytes());
            put_varint(&mut bytes, partitions.len() as u32 + 1);
            partitions.iter().for_each(|partition| bytes.put_i32(*partition));
            bytes.put_u8(0);
        }
    }
    bytes.put_i64(metadata.last_update_ms);
    bytes.put_i64(metadata.start_ms);
    put_tags(&mut bytes, metadata);
    bytes
}

fn put_tags(bytes: &mut Vec<u8>, metadata: &Metadata) {
    // Defaults are left out, as Kafka's writer does.
    let ids = [
        (PREVIOUS_PRODUCER_ID_TAG, metadata.previous_producer_id),
        (NEXT_PRODUCER_ID_TAG, metadata.next_producer_id),
    ];
    let ids = ids.into_iter().filter(|(_, id)| *id != NO_PRODUCER_ID);
    let level = metadata.client_version.level();
    put_varint(bytes, ids.clone().count() as u32 + u32::from(level != 0));
    for (tag, id) in ids {
        put_varint(bytes, tag);
        put_varint(bytes, size_of::<i64>() as u32);
        bytes.put_i64(id);
    }
    if level != 0 {
        put_varint(bytes, CLIENT_VERSION_TAG);
        put_varint(bytes, size_of::<i16>() as u32);
        bytes.put_i16(level);
    }
}

/// The transactional id that a record is about.
pub(crate) fn decode_key(bytes: &[u8]) -> Result<String, RecordError> {
    let mut read = Reader { rest: bytes, flexible: false };
    match read.i16()? {
        KEY => read.string(),
        version => Err(RecordError::Version { what: "key", version }),
    }
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<Metadata, RecordError> {
    let mut read = Reader { rest: bytes, flexible: false };
    let version = read.i16()?;
    if !(0..=VALUE).contains(&version) {
        return Err(RecordError::Version { what: "value", version });
    }
    read.flexible = version >= 1;
    let producer = ProducerIdAndEpoch { id: read.i64()?, epoch: read.i16()? };
    let timeout_ms = read.i32()?;
    let state = read.i8()?;
    let state = usize::try_from(state)
        .ok()
        .and_then(|id| TransactionState::ALL.get(id).copied())
        .ok_or(RecordError::State { id: state })?;
    // An id without a transaction has none, whatever a record says: as in Kafka.
    let partitions = Some(read.partitions()?).filter(|_| state != TransactionState::Empty);
    let mut metadata = Metadata {
        state,
        producer,
        previous_producer_id: NO_PRODUCER_ID,
        next_producer_id: NO_PRODUCER_ID,
        last_epoch: NO_PRODUCER_EPOCH,
        timeout_ms,
        partitions: partitions.unwrap_or_default(),
        last_update_ms: read.i64()?,
        start_ms: read.i64()?,
        client_version: ClientVersion::Classic,
    };
    if read.flexible {
        read.tags(&mut metadata)?;
    }
    Ok(metadata)
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.put_u8(value as u8);
}

struct Reader<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl<'a> Reader<'a> {
    fn i8(&mut self) -> Result<i8, RecordError> {
        self.rest.try_get_i8().map_err(|_| RecordError::Malformed)
    }

    fn i16(&mut self) -> Result<i16, RecordError> {
        self.rest.try_get_i16().map_err(|_| RecordError::Malformed)
    }

    fn i32(&mut self) -> Result<i32, RecordError> {
        self.rest.try_get_i32().map_err(|_| RecordError::Malformed)
    }

    fn i64(&mut self) -> Result<i64, RecordError> {
        self.rest.try_get_i64().map_err(|_| RecordError::Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(RecordError::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u32, RecordError> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.rest.try_get_u8().map_err(|_| RecordError::Malformed)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| RecordError::Malformed);
            }
        }
        Err(RecordError::Malformed)
    }

    /// The length of a string; null is malformed where it is not allowed.
    fn string(&mut self) -> Result<String, RecordError> {
        let length = match self.flexible {
            true => self.varint()?.checked_sub(1).map(|length| length as usize),
            false => usize::try_from(self.i16()?).ok(),
        };
        let text = self.take(length.ok_or(RecordError::Malformed)?)?;
        std::str::from_utf8(text).map(str::to_owned).map_err(|_| RecordError::Malformed)
    }

    /// The elements of an array; null has none.
    fn count(&mut self) -> Result<u32, RecordError> {
        match self.flexible {
            true => Ok(self.varint()?.saturating_sub(1)),
            false => match self.i32()? {
                -1 => Ok(0),
                count => u32::try_from(count).map_err(|_| RecordError::Malformed),
            },
        }
    }

    fn partitions(&mut self) -> Result<Partitions, RecordError> {
        let mut partitions = Partitions::default();
        for _ in 0..self.count()? {
            let topic = self.string()?;
            for _ in 0..self.count()? {
                let partition = self.i32()?;
                partitions.insert(&topic, partition);
            }
            if self.flexible {
                self.skip_tags()?;
            }
        }
        Ok(partitions)
    }

    fn skip_tags(&mut self) -> Result<(), RecordError> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()? as usize;
            self.take(length)?;
        }
        Ok(())
    }

    fn tags(&mut self, metadata: &mut Metadata) -> Result<(), RecordError> {
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let length = self.varint()? as usize;
            let mut field = Reader { rest: self.take(length)?, flexible: true };
            match tag {
                PREVIOUS_PRODUCER_ID_TAG => metadata.previous_producer_id = field.i64()?,
                NEXT_PRODUCER_ID_TAG => metadata.next_producer_id = field.i64()?,
                CLIENT_VERSION_TAG => {
                    metadata.client_version = ClientVersion::from_level(field.i16()?);
                }
                // A later version's: tagged fields may be ignored.
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn metadata() -> Metadata {
        let mut partitions = Partitions::default();
        for (topic, partition) in [("t", 2), ("t", 0), ("u", 7)] {
            partitions.insert(topic, partition);
        }
        Metadata {
            state: TransactionState::PrepareCommit,
            producer: ProducerIdAndEpoch { id: 5, epoch: 3 },
            previous_producer_id: 4,
            next_producer_id: NO_PRODUCER_ID,
            last_epoch: NO_PRODUCER_EPOCH,
            timeout_ms: 60_000,
            partitions,
            start_ms: 10,
            last_update_ms: 11,
            client_version: ClientVersion::EpochBump,
        }
    }

    #[test]
    fn a_transaction_is_written_as_kafka_writes_it() {
        assert_eq!(encode_key("id"), b"\0\0\0\x02id");
        assert_eq!(decode_key(b"\0\0\0\x02id").as_deref(), Ok("id"));
        let bytes = encode_value(&metadata());
        let expected = b"\0\x01\0\0\0\0\0\0\0\x05\0\x03\0\0\xea\x60\x02\
            \x03\x02t\x03\0\0\0\0\0\0\0\x02\0\x02u\x02\0\0\0\x07\0\
            \0\0\0\0\0\0\0\x0b\0\0\0\0\0\0\0\x0a\
            \x02\0\x08\0\0\0\0\0\0\0\x04\x02\x02\0\x02";
        assert_eq!(bytes, expected);
        assert_eq!(decode_value(&bytes), Ok(metadata()));
        for cut in 0..bytes.len() {
            assert_eq!(decode_value(&bytes[..cut]), Err(RecordError::Malformed), "cut at {cut}");
        }
    }

    #[test]
    fn the_classic_version_is_read() {
        let bytes = b"\0\0\0\0\0\0\0\0\0\x05\0\x03\0\0\xea\x60\x02\
            \0\0\0\x02\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x02\0\x01u\0\0\0\x01\0\0\0\x07\
            \0\0\0\0\0\0\0\x0b\0\0\0\0\0\0\0\x0a";
        let expected = Metadata {
            previous_producer_id: NO_PRODUCER_ID,
            client_version: ClientVersion::Classic,
            ..metadata()
        };
        assert_eq!(decode_value(bytes), Ok(expected));
        let empty = b"\0\0\0\0\0\0\0\0\0\x05\0\x03\0\0\xea\x60\0\xff\xff\xff\xff\
            \0\0\0\0\0\0\0\x0b\xff\xff\xff\xff\xff\xff\xff\xff";
        let empty = decode_value(empty).unwrap();
        assert_eq!((empty.state, empty.start_ms), (TransactionState::Empty, -1));
    }

    #[test]
    fn an_id_without_a_transaction_has_no_partitions_whatever_its_record_says() {
        let empty = b"\0\0\0\0\0\0\0\0\0\x05\0\x03\0\0\xea\x60\0\
            \0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\x0b\0\0\0\0\0\0\0\x0a";
        let empty = decode_value(empty).unwrap();
        assert_eq!(empty.partitions, Partitions::default());
        assert_eq!(decode_value(&encode_value(&empty)), Ok(empty));
    }

    proptest! {
        #[test]
        fn random_bytes_are_refused_without_panic(bytes: Vec<u8>) {
            let _ = decode_key(&bytes);
            let _ = decode_value(&bytes);
        }
    }
}
