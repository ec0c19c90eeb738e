//! Transactional ids in `__transaction_state`: written one by one, read whole
//! at start.

use std::{collections::HashMap, sync::Arc};

use super::{
    records::{self, RecordError},
    state::Metadata,
};
use crate::{
    clock, crash,
    log::BatchBuilder,
    partition::{Appended, Partition, PartitionError, PartitionManager},
    replay::{self, ReplayError, Replayed},
    topics::{self, TRANSACTION_STATE},
};

/// Why a transactional id could not be written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("topic {TRANSACTION_STATE} does not exist yet")]
    NoTopic,
    #[error(transparent)]
    Partition(#[from] PartitionError),
    #[error("the record could not be encoded: {reason}")]
    Encode { reason: String },
}

/// The partition that holds an id, if the topic is there.
pub(super) fn partition_of(
    partitions: &PartitionManager,
    id: &str,
) -> Result<Arc<Partition>, StoreError> {
    let index = topics::partition_for(id, partitions.count(TRANSACTION_STATE));
    partitions.get(TRANSACTION_STATE, index).ok_or(StoreError::NoTopic)
}

/// Appends what is now known of an id, or that it is forgotten.
pub(super) fn append(
    partitions: &PartitionManager,
    id: &str,
    metadata: Option<&Metadata>,
) -> Result<(Arc<Partition>, Appended), StoreError> {
    let partition = partition_of(partitions, id)?;
    let mut builder = BatchBuilder::new(0);
    let value = metadata.map(records::encode_value);
    builder.push(clock::wall_ms(), Some(&records::encode_key(id)), value.as_deref(), &[]);
    let mut batch =
        builder.build().map_err(|error| StoreError::Encode { reason: error.to_string() })?;
    crash::point("txn-before-store");
    let appended = partition.append_internal(&mut batch)?;
    crash::point("txn-after-store");
    Ok((partition, appended))
}

/// Reads one partition of the topic from front to back.
///
/// # Errors
/// When one record cannot be read: an older one of its id must not stand for it.
pub(super) fn load(partition: &Partition) -> Result<HashMap<String, Metadata>, ReplayError> {
    let mut found = HashMap::new();
    replay::partition(partition, |replayed| {
        let Replayed::Record { record, .. } = replayed else { return Ok(()) };
        take(&mut found, record.key, record.value).map_err(|error| ReplayError::Record {
            offset: record.offset,
            reason: error.to_string(),
        })
    })?;
    Ok(found)
}

fn take(
    found: &mut HashMap<String, Metadata>,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), RecordError> {
    let id = records::decode_key(key.unwrap_or_default())?;
    match value {
        Some(value) => {
            found.insert(id, records::decode_value(value)?);
        }
        None => {
            found.remove(&id);
        }
    }
    Ok(())
}
