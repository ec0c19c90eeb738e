//! The included broker: a durable log that speaks the Kafka protocol.
