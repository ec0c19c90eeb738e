//! The included broker: a durable log that speaks the Kafka protocol.

pub mod crash;
pub mod log;
