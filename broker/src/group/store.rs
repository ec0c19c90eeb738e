//! Groups and offsets in `__consumer_offsets`: written batch by batch, read
//! whole at start.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    consumer::{StoredConsumerGroup, decode_record},
    offsets::{CommittedOffset, Offsets},
    pending::PendingOffsets,
    records::{self, Key},
    state::StoredGroup,
};
use crate::{
    clock, crash,
    log::{BatchBuilder, MarkerKind, NO_SEQUENCE},
    partition::{Appended, Partition, PartitionError, PartitionManager},
    replay::{self, ReplayError, Replayed},
    topics::{self, CONSUMER_OFFSETS},
};

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

    /// A group's commit: an offset for each topic and partition.
    pub(super) fn of_offsets(group: &str, offsets: &[(String, i32, CommittedOffset)]) -> Self {
        let entry = |(topic, partition, offset): &(String, i32, CommittedOffset)| {
            let (group, topic) = (group.to_owned(), topic.clone());
            let key = Key::Offset { group, topic, partition: *partition };
            (records::encode_key(&key), Some(records::encode_offset(offset)))
        };
        Self(offsets.iter().map(entry).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Who commits offsets in a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TransactionalProducer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// Appends entries of one group as one batch.
pub(super) fn append(
    partitions: &PartitionManager,
    group: &str,
    entries: &Entries,
) -> Result<(Arc<Partition>, Appended), StoreError> {
    append_as(partitions, group, entries, BatchBuilder::new(0))
}

/// The same, as part of a transaction.
pub(super) fn append_in_transaction(
    partitions: &PartitionManager,
    group: &str,
    entries: &Entries,
    producer: TransactionalProducer,
) -> Result<(Arc<Partition>, Appended), StoreError> {
    // Not numbered: who appends twice commits the same offsets twice.
    let builder =
        BatchBuilder::new(0).producer(producer.id, producer.epoch, NO_SEQUENCE).transactional();
    append_as(partitions, group, entries, builder)
}

fn append_as(
    partitions: &PartitionManager,
    group: &str,
    entries: &Entries,
    mut builder: BatchBuilder,
) -> Result<(Arc<Partition>, Appended), StoreError> {
    let index = topics::partition_for(group, partitions.count(CONSUMER_OFFSETS));
    let partition = partitions.get(CONSUMER_OFFSETS, index).ok_or(StoreError::NoTopic)?;
    let now_ms = clock::wall_ms();
    for (key, value) in &entries.0 {
        builder.push(now_ms, Some(key), value.as_deref(), &[]);
    }
    let mut batch =
        builder.build().map_err(|error| StoreError::Encode { reason: error.to_string() })?;
    let appended = partition.append_internal(&mut batch)?;
    crash::point("group-after-store");
    Ok((partition, appended))
}

/// Which of so many partitions has a group's records; `None` of none.
pub(super) fn partition_of(group: &str, count: i32) -> Option<i32> {
    (count > 0).then(|| topics::partition_for(group, count))
}

/// A group as it was found in the topic.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) group: Option<StoredGroup>,
    pub(super) consumer: StoredConsumerGroup,
    pub(super) offsets: Offsets,
    pub(super) pending: PendingOffsets,
}

/// Groups with offsets in a producer's open transaction, by its id.
type InTransactions = HashMap<i64, HashSet<String>>;

/// Reads one partition of the topic from front to back.
pub(super) fn load(partition: &Partition) -> Result<HashMap<String, Loaded>, ReplayError> {
    let mut groups = HashMap::new();
    // Else each marker would be shown to every group.
    let mut in_transactions = InTransactions::new();
    replay::partition(partition, |replayed| {
        match replayed {
            Replayed::Record { header, record } => {
                let producer = header.is_transactional().then_some(header.producer_id);
                if let Err(error) =
                    take(&mut groups, &mut in_transactions, producer, record.key, record.value)
                {
                    tracing::warn!(
                        %partition, offset = record.offset, %error, "a group record is skipped"
                    );
                }
            }
            Replayed::Marker(marker) => {
                for group in in_transactions.remove(&marker.producer_id).into_iter().flatten() {
                    let Some(loaded) = groups.get_mut(&group) else { continue };
                    let commits = marker.kind == MarkerKind::Commit;
                    loaded.pending.end(marker.producer_id, commits, &mut loaded.offsets);
                }
            }
        }
        Ok(())
    })?;
    Ok(groups)
}

/// `producer` is who wrote it in a transaction.
fn take(
    groups: &mut HashMap<String, Loaded>,
    in_transactions: &mut InTransactions,
    producer: Option<i64>,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), records::RecordError> {
    match records::decode_key(key.unwrap_or_default())? {
        Key::Offset { group, topic, partition } => {
            let offset = value.map(records::decode_offset).transpose()?;
            if let (Some(_), Some(producer)) = (&offset, producer) {
                in_transactions.entry(producer).or_default().insert(group.clone());
            }
            let loaded = groups.entry(group).or_default();
            match (offset, producer) {
                (Some(offset), Some(producer)) => {
                    loaded.pending.set(producer, &topic, partition, offset);
                }
                (Some(offset), None) => {
                    loaded.pending.forget(&topic, partition);
                    loaded.offsets.set(&topic, partition, offset);
                }
                (None, _) => {
                    loaded.pending.forget(&topic, partition);
                    loaded.offsets.remove(&topic, partition);
                }
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
