//! Why a partition refused, as Kafka's codes.

use kafka_protocol::error::ResponseError;

use crate::log::{AppendError, MaintenanceError, Offline, ReadError};

/// Why a partition refused a request. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartitionError {
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Maintenance(#[from] MaintenanceError),
    #[error(transparent)]
    Offline(#[from] Offline),
    #[error("the client knows leader epoch {asked}, it is {current} by now")]
    FencedLeaderEpoch { asked: i32, current: i32 },
    #[error("the client knows leader epoch {asked}, here it is still {current}")]
    UnknownLeaderEpoch { asked: i32, current: i32 },
    #[error("{present} replica(s) are in sync, min.insync.replicas is {needed}")]
    NotEnoughReplicas { present: i32, needed: i32 },
    #[error("the topic's cleanup.policy is compact alone: add delete to it first")]
    NotDeletable,
}

impl PartitionError {
    /// Kafka's code.
    pub(crate) fn code(&self) -> ResponseError {
        match self {
            PartitionError::Append(error) => error.response(),
            PartitionError::Read(error) => error.response(),
            PartitionError::Maintenance(error) => error.response(),
            PartitionError::Offline(offline) => offline.response(),
            PartitionError::FencedLeaderEpoch { .. } => ResponseError::FencedLeaderEpoch,
            PartitionError::UnknownLeaderEpoch { .. } => ResponseError::UnknownLeaderEpoch,
            PartitionError::NotEnoughReplicas { .. } => ResponseError::NotEnoughReplicas,
            PartitionError::NotDeletable => ResponseError::PolicyViolation,
        }
    }
}
