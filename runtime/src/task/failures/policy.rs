//! The `errors.*` options of a connector.

use std::time::Duration;

/// What becomes of records that cannot be used, and of calls that may succeed later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorPolicy {
    /// `errors.tolerance=all`.
    pub tolerant: bool,
    /// `errors.log.enable`.
    pub log: bool,
    /// `errors.log.include.messages`.
    pub log_messages: bool,
    /// `errors.deadletterqueue.*`; `None` without a topic's name.
    pub dead_letters: Option<DeadLetterTopic>,
    /// `errors.retry.timeout`: how long in a row a plugin's retriable fault is tried
    /// again. `None` for ever, which is the default here and -1 in Kafka Connect,
    /// where each connector has retries of its own before it throws.
    pub retry_timeout: Option<Duration>,
    /// `errors.retry.delay.max.ms`; `None` for the worker's.
    pub retry_delay_max: Option<Duration>,
}

/// Where dead letters go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterTopic {
    /// `errors.deadletterqueue.topic.name`.
    pub name: String,
    /// `errors.deadletterqueue.topic.replication.factor`, for a topic that is not
    /// there yet; `None` for the broker's default.
    pub replication_factor: Option<i16>,
    /// `errors.deadletterqueue.context.headers.enable`: on unless turned off, where
    /// Kafka Connect has it off unless turned on.
    pub context_headers: bool,
}
