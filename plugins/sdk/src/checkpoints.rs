//! Where a source was: Kafka Connect's source partitions and offsets, as JSON
//! objects that an operator can read and patch.

#[cfg(target_arch = "wasm32")]
use crate::bindings::describe::longshore::base::checkpoints as import;
#[cfg(not(target_arch = "wasm32"))]
use crate::native::checkpoints as import;

use crate::Checkpoint;

/// The saved checkpoints of these partitions of this connector, whichever task
/// saved them; those never saved are left out.
pub fn get(partitions: &[String]) -> Vec<Checkpoint> {
    import::get(partitions)
}

/// The saved offset of one partition.
pub fn offset(partition: &str) -> Option<String> {
    get(&[partition.to_owned()]).pop().and_then(|checkpoint| checkpoint.offset)
}

/// All of them in the order of their partition, at most `max`, after `after`.
pub fn list(after: Option<&str>, max: u32) -> Vec<Checkpoint> {
    import::list(after, max)
}

impl Checkpoint {
    /// `partition` is at `offset`, both JSON objects.
    pub fn at(partition: impl Into<String>, offset: impl Into<String>) -> Self {
        Self { partition: partition.into(), offset: Some(offset.into()) }
    }

    /// Forgets `partition`.
    pub fn forget(partition: impl Into<String>) -> Self {
        Self { partition: partition.into(), offset: None }
    }
}
