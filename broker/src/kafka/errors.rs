//! Our errors as Kafka's codes, and messages for people.

use kafka_protocol::{error::ResponseError, protocol::StrBytes};

use crate::{
    auth::AuthenticationError,
    controller::{ControllerError, TopicRef},
    group::{CommitError, ConsumerGroupError, GroupError, HeartbeatRefusal},
    limits,
    txn::TransactionError,
};

/// The message of a refusal for want of a right.
pub(super) const NOT_ALLOWED: &str = "the principal is not allowed to do this";

/// The message of what only makes sense with an authorizer.
pub(super) const NO_AUTHORIZER: &str = "no authorizer is configured: set authorizer.class.name";

/// No error.
pub(super) const NONE: i16 = 0;

/// The code of a refused metadata change.
pub(super) fn controller(error: &ControllerError) -> ResponseError {
    match error {
        ControllerError::InvalidTopicName { .. } => ResponseError::InvalidTopicException,
        ControllerError::TopicExists { .. } => ResponseError::TopicAlreadyExists,
        ControllerError::UnknownTopic { topic: TopicRef::Id(_) } => ResponseError::UnknownTopicId,
        ControllerError::UnknownTopic { .. } => ResponseError::UnknownTopicOrPartition,
        ControllerError::InvalidPartitions { .. } => ResponseError::InvalidPartitions,
        ControllerError::InvalidReplicationFactor { .. } => ResponseError::InvalidReplicationFactor,
        ControllerError::InvalidAssignment { .. } => ResponseError::InvalidReplicaAssignment,
        ControllerError::InvalidQuota { .. } => ResponseError::InvalidRequest,
        // As Kafka has it for brokers.
        ControllerError::InvalidBrokerConfig { .. } => ResponseError::InvalidRequest,
        ControllerError::InvalidConfig { .. } => ResponseError::InvalidConfig,
        ControllerError::NoReassignment { .. } => ResponseError::NoReassignmentInProgress,
        ControllerError::Storage { .. } => ResponseError::KafkaStorageError,
    }
}

/// The code of a failed authentication.
pub(super) fn authentication(error: &AuthenticationError) -> ResponseError {
    match error {
        AuthenticationError::Mechanism { .. } => ResponseError::UnsupportedSaslMechanism,
        AuthenticationError::NoHandshake
        | AuthenticationError::Unfinished
        | AuthenticationError::Unauthenticated => ResponseError::IllegalSaslState,
        AuthenticationError::Credentials { .. }
        | AuthenticationError::Changed { .. }
        | AuthenticationError::Expired => ResponseError::SaslAuthenticationFailed,
    }
}

/// The text of an error for the client.
pub(super) fn message(error: &impl std::fmt::Display) -> Option<StrBytes> {
    Some(StrBytes::from_string(error.to_string()))
}

/// The code of a member's refused request.
pub(super) fn group(error: GroupError) -> ResponseError {
    match error {
        GroupError::UnknownMemberId => ResponseError::UnknownMemberId,
        GroupError::IllegalGeneration => ResponseError::IllegalGeneration,
        GroupError::RebalanceInProgress => ResponseError::RebalanceInProgress,
        GroupError::FencedInstanceId => ResponseError::FencedInstanceId,
        GroupError::InconsistentGroupProtocol => ResponseError::InconsistentGroupProtocol,
        GroupError::MemberIdRequired => ResponseError::MemberIdRequired,
        GroupError::GroupMaxSizeReached => ResponseError::GroupMaxSizeReached,
        GroupError::CoordinatorNotAvailable => ResponseError::CoordinatorNotAvailable,
        GroupError::NotCoordinator => ResponseError::NotCoordinator,
    }
}

/// The same, where there may be no error.
pub(super) fn group_or_none(error: Option<GroupError>) -> i16 {
    error.map_or(NONE, |error| group(error).code())
}

/// The code of a refused request of a member of the consumer protocol.
pub(super) fn consumer_group(error: &ConsumerGroupError) -> ResponseError {
    match error {
        ConsumerGroupError::InvalidRequest(_) => ResponseError::InvalidRequest,
        ConsumerGroupError::UnknownMemberId => ResponseError::UnknownMemberId,
        ConsumerGroupError::FencedMemberEpoch { .. } => ResponseError::FencedMemberEpoch,
        ConsumerGroupError::StaleMemberEpoch { .. } => ResponseError::StaleMemberEpoch,
        ConsumerGroupError::UnreleasedInstanceId { .. } => ResponseError::UnreleasedInstanceId,
        ConsumerGroupError::FencedInstanceId => ResponseError::FencedInstanceId,
        ConsumerGroupError::GroupMaxSizeReached => ResponseError::GroupMaxSizeReached,
        ConsumerGroupError::UnsupportedAssignor => ResponseError::UnsupportedAssignor,
        ConsumerGroupError::InvalidRegularExpression { .. } => {
            ResponseError::InvalidRegularExpression
        }
        ConsumerGroupError::UnsupportedVersion => ResponseError::UnsupportedVersion,
        ConsumerGroupError::GroupIdNotFound => ResponseError::GroupIdNotFound,
    }
}

/// The code of a refused heartbeat.
pub(super) fn heartbeat(refusal: &HeartbeatRefusal) -> ResponseError {
    match refusal {
        HeartbeatRefusal::Group(error) => consumer_group(error),
        HeartbeatRefusal::Store(_) | HeartbeatRefusal::Removed => {
            ResponseError::CoordinatorNotAvailable
        }
    }
}

/// Whether this is the id of a group that can have members.
pub(super) fn is_group_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= limits::GROUP_ID_BYTES_MAX
}

/// The code of a refused step of a transaction. Clients that do not know of
/// fencing have an older code for it.
pub(super) fn transaction(error: TransactionError, knows_fencing: bool) -> ResponseError {
    match error {
        TransactionError::InvalidRequest => ResponseError::InvalidRequest,
        TransactionError::InvalidTransactionTimeout => ResponseError::InvalidTransactionTimeout,
        TransactionError::InvalidProducerIdMapping => ResponseError::InvalidProducerIdMapping,
        TransactionError::ProducerFenced if knows_fencing => ResponseError::ProducerFenced,
        TransactionError::ProducerFenced => ResponseError::InvalidProducerEpoch,
        TransactionError::ConcurrentTransactions => ResponseError::ConcurrentTransactions,
        TransactionError::InvalidTransactionState => ResponseError::InvalidTxnState,
        TransactionError::TransactionAbortable => ResponseError::TransactionAbortable,
        TransactionError::CoordinatorNotAvailable => ResponseError::CoordinatorNotAvailable,
        TransactionError::TransactionalIdNotFound => ResponseError::TransactionalIdNotFound,
    }
}

/// The code of a refused commit or deletion.
pub(super) fn commit(error: &CommitError) -> ResponseError {
    match error {
        CommitError::Group(error) => group(*error),
        CommitError::Consumer(error) => consumer_group(error),
        CommitError::Store(_) => ResponseError::CoordinatorNotAvailable,
        CommitError::NoGroup => ResponseError::GroupIdNotFound,
        CommitError::NonEmpty => ResponseError::NonEmptyGroup,
    }
}
