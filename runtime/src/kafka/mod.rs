//! Kafka clients behind batch-shaped traits.
//!
//! Arena and columns in, arena and columns out, nothing per message: tasks see
//! [`Producer`] and [`Consumer`], never the client beneath them.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`types`] | partitions, positions, what a read brings |
//! | [`error`] | what can fail, and what to do about it |
//! | [`config`] | how clients are configured |
//! | [`producer`] | batches to topics, a receipt a batch; transactions |
//! | [`consumer`] | partitions assigned by hand to batches |
//! | [`librdkafka`] | producer and consumer on librdkafka |
//! | [`security`] | TLS and SASL, by Kafka's property names |
//! | `net` | our own connections to brokers |
//! | [`admin`] | topics, configs, groups and offsets |
//! | [`group`] | membership of the worker group, and its lease |

pub mod admin;
#[cfg(test)]
mod broker_tests;
pub mod config;
pub mod consumer;
pub mod error;
pub mod group;
pub mod librdkafka;
mod net;
pub mod producer;
pub mod security;
#[cfg(test)]
mod transaction_tests;
pub mod types;

pub use admin::{Admin, AdminClient};
pub use config::{ClusterConfig, ConsumerConfig, Overrides, ProducerConfig, Transactional};
pub use consumer::Consumer;
pub use error::{ClientError, ConsumeError, ErrorClass, ProduceError};
pub use group::{Delegate, Lease, Membership, MembershipConfig};
pub use librdkafka::consumer::{ConnectorConsumer, TaskConsumer};
pub use librdkafka::producer::KafkaProducer;
pub use librdkafka::transactions::KafkaTransactions;
pub use producer::{Producer, Receipt, TransactionalProducer};
pub use security::Security;
pub use types::{CommittedOffset, Fetched, OffsetCommit, OffsetReset, Start, TopicPartition};
