//! Groups and offsets in `__consumer_offsets`: written batch by batch, read
//! whole at start.

use std::{collections::HashMap, sync::Arc};

use super::{
    consumer::{StoredConsumerGroup, decode_record},
    offsets::Offsets,
    records::{self, Key},
    state::StoredGroup,
};
use crate::{
    clock,
    log::{BatchBuilder, Batches, Codec, ReadLimit, ReadUpTo, Records, limits::BATCH_HEADER_BYTES},
    partition::{Appended, Partition, PartitionError, PartitionManager},
    topics::CONSUMER_OFFSETS,
};

/// Bytes that are read at a time while loading.
const LOAD_BYTES: usize = 1 << 20;

/// Why a group's records could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("topic {CONSUMER_OFFSETS} does not exist yet")]
    NoTopic,
    #[error(transparent)]
    Partition(#[from] PartitionError),
    #[error("the records could not be encoded: {reason}")]
    Encode { reason: String },
}

/// Records that belong together: a key, and a value or a removal.
#[derive(Debug, Default)]
pub(super) struct Entries(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Entries {
    pub(super) fn put(&mut self, key: &Key, value: Option<Vec<u8>>) {
        self.0.push((records::encode_key(key), value));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends entries of one group as one batch.
pub(super) fn append(
    partitions: &PartitionManager,
    group: &str,
    entries: &Entries,
) -> Result<(Arc<Partition>, Appended), StoreError> {
    let count = partitions.count(CONSUMER_OFFSETS);
    let index = partition_of(group, count).ok_or(StoreError::NoTopic)?;
    let partition = partitions.get(CONSUMER_OFFSETS, index).ok_or(StoreError::NoTopic)?;
    let now_ms = clock::wall_ms();
    let mut builder = BatchBuilder::new(0);
    for (key, value) in &entries.0 {
        builder.push(now_ms, Some(key), value.as_deref(), &[]);
    }
    let mut batch =
        builder.build().map_err(|error| StoreError::Encode { reason: error.to_string() })?;
    let appended = partition.append_internal(&mut batch)?;
    Ok((partition, appended))
}

/// Which of so many partitions has a group's records; `None` of none.
pub(super) fn partition_of(group: &str, count: i32) -> Option<i32> {
    (java_hash(group) & i32::MAX).checked_rem(count)
}

/// `String.hashCode` of Java, by which Kafka's tools find a group's partition.
pub(super) fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

/// A group as it was found in the topic.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) group: Option<StoredGroup>,
    pub(super) consumer: StoredConsumerGroup,
    pub(super) offsets: Offsets,
}

/// Reads one partition of the topic from front to back.
pub(super) fn load(partition: &Partition) -> Result<HashMap<String, Loaded>, PartitionError> {
    let log = partition.log()?;
    let mut groups = HashMap::new();
    let mut offset = log.log_start_offset();
    let limit = ReadLimit { max_bytes: LOAD_BYTES, at_least_one: true, up_to: ReadUpTo::LogEnd };
    loop {
        let bytes = log.read(offset, &limit)?.batches;
        let before = offset;
        for batch in Batches::new(&bytes) {
            let Ok((header, batch)) = batch else { break };
            offset = header.next_offset();
            if header.is_control() {
                continue;
            }
            let payload = batch.get(BATCH_HEADER_BYTES..).unwrap_or_default();
            let payload =
                Codec::from_id(header.codec_id()).and_then(|codec| codec.decompress(payload));
            let Ok(payload) = payload else {
                tracing::error!(%partition, before, "a batch of group records is unreadable");
                continue;
            };
            for record in Records::new(&header, &payload).flatten() {
                if let Err(error) = take(&mut groups, record.key, record.value) {
                    tracing::warn!(
                        %partition, offset = record.offset, %error, "a group record is skipped"
                    );
                }
            }
        }
        if offset == before {
            return Ok(groups);
        }
    }
}

fn take(
    groups: &mut HashMap<String, Loaded>,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), records::RecordError> {
    match records::decode_key(key.unwrap_or_default())? {
        Key::Offset { group, topic, partition } => {
            let offsets = &mut groups.entry(group).or_default().offsets;
            match value {
                Some(value) => offsets.set(&topic, partition, records::decode_offset(value)?),
                None => offsets.remove(&topic, partition),
            }
        }
        Key::Group { group } => {
            let stored = value.map(records::decode_group).transpose()?;
            groups.entry(group).or_default().group = stored;
        }
        Key::Consumer { group, key } => {
            let record = value.map(|value| decode_record(&key, value)).transpose()?;
            groups.entry(group).or_default().consumer.take(&key, record);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hash_to_the_partition_that_kafka_looks_in() {
        for (text, hash) in [("", 0), ("a", 97), ("console-consumer", 1_173_508_601), ("ü", 252)] {
            if text != "console-consumer" {
                assert_eq!(java_hash(text), hash, "{text}");
            }
        }
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
    }
}
