//! What can go wrong between a worker and a Kafka cluster, and what to do.

use std::time::Duration;

use kafka_protocol::ResponseError;
use rdkafka::types::RDKafkaErrorCode;

use super::types::TopicPartition;
use crate::batch::BatchError;

/// What the one who gets an error should do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The cause may pass: do the same again after a pause.
    Retriable,
    /// Another one took over: a producer id, a member or a generation is out
    /// of date. Give up the work, and get it assigned anew.
    Fenced,
    /// The principal lacks a right, or did not authenticate. An operator must
    /// act; trying again helps only then.
    Authorization,
    /// The request itself is wrong, or the client is unusable.
    Fatal,
}

impl ErrorClass {
    /// The class of an error code that a broker answered.
    pub fn of_response(code: ResponseError) -> Self {
        use ResponseError as E;
        match code {
            E::IllegalGeneration
            | E::UnknownMemberId
            | E::FencedInstanceId
            | E::InvalidProducerEpoch
            | E::ProducerFenced
            | E::TransactionCoordinatorFenced => Self::Fenced,
            E::TopicAuthorizationFailed
            | E::GroupAuthorizationFailed
            | E::ClusterAuthorizationFailed
            | E::TransactionalIdAuthorizationFailed
            | E::DelegationTokenAuthorizationFailed
            | E::SaslAuthenticationFailed => Self::Authorization,
            // A rebalance ends, and so do a coordinator's move, a controller's election,
            // and a transaction whose markers are being written. A producer's id that
            // expired is replaced by the next producer.
            E::RebalanceInProgress
            | E::BrokerNotAvailable
            | E::ConcurrentTransactions
            | E::InvalidProducerIdMapping
            | E::UnknownProducerId => Self::Retriable,
            code if code.is_retriable() => Self::Retriable,
            _ => Self::Fatal,
        }
    }

    /// Whether an error code of librdkafka says that a broker refused what was sent, and
    /// would again.
    pub fn refuses_records(code: RDKafkaErrorCode) -> bool {
        use RDKafkaErrorCode as E;
        matches!(
            code,
            E::MessageSizeTooLarge
                | E::MessageBatchTooLarge
                | E::InvalidMessageSize
                | E::InvalidTimestamp
                | E::InvalidRecord
                | E::InvalidTopic
                | E::UnsupportedForMessageFormat
                | E::PolicyViolation
        )
    }

    /// The class of an error code of librdkafka, its own or a broker's.
    pub fn of_librdkafka(code: RDKafkaErrorCode) -> Self {
        use RDKafkaErrorCode as E;
        match code {
            E::Fenced
            | E::InvalidProducerEpoch
            | E::ProducerFenced
            | E::IllegalGeneration
            | E::UnknownMemberId
            | E::FencedInstanceId => Self::Fenced,
            E::Authentication
            | E::TopicAuthorizationFailed
            | E::GroupAuthorizationFailed
            | E::ClusterAuthorizationFailed
            | E::TransactionalIdAuthorizationFailed
            | E::SaslAuthenticationFailed => Self::Authorization,
            E::BrokerTransportFailure
            | E::Resolve
            | E::AllBrokersDown
            | E::OperationTimedOut
            | E::MessageTimedOut
            | E::QueueFull
            | E::NodeUpdate
            | E::WaitingForCoordinator
            | E::TimedOutQueue
            | E::WaitCache
            | E::Interrupted
            | E::Retry
            | E::PurgeQueue
            | E::PurgeInflight
            | E::UnknownPartition
            // Whoever owns the topic may still make it.
            | E::UnknownTopic
            | E::NotImplemented
            | E::LeaderNotAvailable
            | E::NotLeaderForPartition
            | E::RequestTimedOut
            | E::BrokerNotAvailable
            | E::ReplicaNotAvailable
            | E::UnknownTopicOrPartition
            | E::NetworkException
            | E::CoordinatorLoadInProgress
            | E::CoordinatorNotAvailable
            | E::NotCoordinator
            | E::NotEnoughReplicas
            | E::NotEnoughReplicasAfterAppend
            | E::KafkaStorageError
            | E::OffsetNotAvailable
            | E::FencedLeaderEpoch
            | E::UnknownLeaderEpoch
            | E::ThrottlingQuotaExceeded
            | E::ConcurrentTransactions
            // The producer's id or its sequence is lost: the next one begins anew.
            | E::InvalidProducerIdMapping
            | E::UnknownProducerId
            | E::OutOfOrderSequenceNumber => Self::Retriable,
            _ => Self::Fatal,
        }
    }
}

/// Why a request over our own connections (admin, offsets, membership) failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// `bootstrap.servers` or another setting cannot be used.
    #[error("`{name}` cannot be used: {reason}")]
    Config {
        /// The property's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No broker could be reached.
    #[error("no broker answers at {addresses}: {reason}; check `bootstrap.servers`")]
    Unreachable {
        /// The addresses tried.
        addresses: String,
        /// Why the last one failed.
        reason: String,
    },
    /// A connection broke, or was refused, before the answer came.
    #[error("the connection to {address} was lost: {reason}")]
    Disconnected {
        /// The broker, `host:port`.
        address: String,
        /// What happened to it.
        reason: String,
    },
    /// TLS did not come about, which trying again does not change.
    #[error("there is no TLS with {address}: {reason}")]
    Tls {
        /// The broker, `host:port`.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// The answer did not come in time.
    #[error("{what} got no answer within {} ms", after.as_millis())]
    TimedOut {
        /// The request.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// Broker and client have no version of a request in common.
    #[error("{address} serves {api} in {broker}, this client needs {client}")]
    Unsupported {
        /// The broker, `host:port`.
        address: String,
        /// The request's name.
        api: String,
        /// What the broker serves.
        broker: String,
        /// What this client speaks.
        client: String,
    },
    /// A broker sent something that is no answer.
    #[error("{address} answered {what} with bytes that cannot be read: {reason}")]
    Malformed {
        /// The broker, `host:port`.
        address: String,
        /// The request.
        what: String,
        /// What is wrong with them.
        reason: String,
    },
    /// A broker answered with an error code.
    #[error("{what} was refused: {code} ({message})")]
    Refused {
        /// The request and the thing that it was about.
        what: String,
        /// Kafka's error.
        code: ResponseError,
        /// The broker's words, or the code's usual meaning.
        message: String,
    },
    /// The client is shut down.
    #[error("the Kafka client is closed")]
    Closed,
}

impl ClientError {
    /// What to do about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable { .. } | Self::Disconnected { .. } | Self::TimedOut { .. } => {
                ErrorClass::Retriable
            }
            Self::Refused { code, .. } => ErrorClass::of_response(*code),
            Self::Tls { .. } => ErrorClass::Authorization,
            Self::Config { .. }
            | Self::Unsupported { .. }
            | Self::Malformed { .. }
            | Self::Closed => ErrorClass::Fatal,
        }
    }

    /// The broker's error code, if it answered with one.
    pub fn code(&self) -> Option<ResponseError> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// Why records were not produced.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProduceError {
    /// The batch's columns do not fit its arena. Nothing was sent.
    #[error("the batch for topic `{topic}` cannot be sent: {source}")]
    Batch {
        /// The topic it was meant for.
        topic: String,
        /// What is wrong with it.
        source: BatchError,
    },
    /// A header's name is no UTF-8, which Kafka demands. Nothing was sent.
    #[error("the name of header {header} of a batch for topic `{topic}` is not UTF-8")]
    HeaderName {
        /// The topic it was meant for.
        topic: String,
        /// The header's index in its batch.
        header: usize,
    },
    /// A record is larger than `max.request.size` allows.
    #[error(
        "record {at} of a batch for topic `{topic}` has {size_bytes} bytes, more than \
         `max.request.size`; raise `producer.override.max.request.size` and the topic's \
         `max.message.bytes`"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// The record's index in its batch.
        at: usize,
        /// Size of key, value and headers.
        size_bytes: usize,
    },
    /// A broker refused a record for what it is, and would again.
    #[error("a record for topic `{topic}` was refused: {reason}")]
    Unfit {
        /// The topic.
        topic: String,
        /// librdkafka's words.
        reason: String,
    },
    /// A record was refused, or not acknowledged in `delivery.timeout.ms`.
    #[error("a record for topic `{topic}` was not acknowledged: {reason}")]
    Delivery {
        /// The topic.
        topic: String,
        /// The partition, if one was chosen.
        partition: Option<i32>,
        /// librdkafka's words.
        reason: String,
        /// What to do about it.
        class: ErrorClass,
    },
    /// The producer failed for good: it must be replaced, and whoever sent
    /// through it reopens from the last checkpoint.
    #[error("the producer failed for good and must be replaced: {reason}")]
    Fatal {
        /// librdkafka's words.
        reason: String,
        /// [`ErrorClass::Fenced`] or [`ErrorClass::Fatal`].
        class: ErrorClass,
    },
    /// A step of a transaction failed. Nothing of the transaction is visible,
    /// unless the step was its commit: whether that was carried out shows only
    /// after the next producer of the id has begun.
    #[error("{what} with the transactional.id `{id}` failed: {reason}")]
    Transaction {
        /// The step: "committing a transaction".
        what: &'static str,
        /// The producer's `transactional.id`.
        id: String,
        /// librdkafka's words, or our own where it has none.
        reason: String,
        /// [`ErrorClass::Fenced`]: another producer with the id took over.
        class: ErrorClass,
    },
    /// A broker refused a record, and would again. The client gave up its whole
    /// transaction; nothing of it is visible.
    #[error("a record in a transaction of `{id}` was refused: {reason}")]
    Refused {
        /// The producer's `transactional.id`.
        id: String,
        /// librdkafka's words, which name topic and partition.
        reason: String,
    },
    /// Records were still unacknowledged at the deadline of a flush.
    #[error("{unacknowledged} records were still unacknowledged after {} ms", after.as_millis())]
    TimedOut {
        /// Records in flight.
        unacknowledged: usize,
        /// How long it was waited for.
        after: Duration,
    },
    /// A setting was refused.
    #[error("the producer cannot be made: {reason}")]
    Config {
        /// librdkafka's words.
        reason: String,
    },
    /// The producer was closed before the records were acknowledged.
    #[error("the producer is closed")]
    Closed,
}

impl ProduceError {
    /// What to do about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Delivery { class, .. }
            | Self::Fatal { class, .. }
            | Self::Transaction { class, .. } => *class,
            Self::TimedOut { .. } | Self::Closed => ErrorClass::Retriable,
            Self::Batch { .. }
            | Self::HeaderName { .. }
            | Self::TooLarge { .. }
            | Self::Unfit { .. }
            | Self::Refused { .. }
            | Self::Config { .. } => ErrorClass::Fatal,
        }
    }

    /// True if the records were refused for what they are: their size, a header's name, a
    /// time or a lack of keys that the topic does not take.
    pub fn refuses_records(&self) -> bool {
        matches!(
            self,
            Self::HeaderName { .. }
                | Self::TooLarge { .. }
                | Self::Unfit { .. }
                | Self::Refused { .. }
        )
    }
}

/// Why records were not consumed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The partition is not assigned to this consumer.
    #[error("{partition} is not assigned here")]
    NotAssigned {
        /// The partition.
        partition: TopicPartition,
    },
    /// The partition is assigned already: two tasks would read it.
    #[error("{partition} is assigned to another task of the same connector")]
    AssignedTwice {
        /// The partition.
        partition: TopicPartition,
    },
    /// The position asked for is not in the log, and `auto.offset.reset` is `none`.
    #[error(
        "offset {position} of {partition} is not in the log, and `auto.offset.reset` is `none`"
    )]
    OutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// The position that was asked for, -1 when it is not known.
        position: i64,
    },
    /// Reading a partition failed.
    #[error("{partition} cannot be read: {reason}")]
    Partition {
        /// The partition.
        partition: TopicPartition,
        /// librdkafka's words.
        reason: String,
        /// What to do about it.
        class: ErrorClass,
    },
    /// The whole consumer failed.
    #[error("the consumer cannot {what}: {reason}")]
    Consumer {
        /// What it tried.
        what: &'static str,
        /// librdkafka's words.
        reason: String,
        /// What to do about it.
        class: ErrorClass,
    },
    /// Offsets could not be looked up or committed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The consumer is closed.
    #[error("the consumer is closed")]
    Closed,
}

impl ConsumeError {
    /// What to do about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Partition { class, .. } | Self::Consumer { class, .. } => *class,
            Self::Client(error) => error.class(),
            // Who had it before is about to let go.
            Self::AssignedTwice { .. } => ErrorClass::Retriable,
            Self::NotAssigned { .. } | Self::OutOfRange { .. } | Self::Closed => ErrorClass::Fatal,
        }
    }
}
