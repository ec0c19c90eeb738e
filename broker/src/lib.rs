//! The included broker: one node that speaks the Kafka protocol over a durable log.
//!
//! | module | what is inside |
//! | --- | --- |
//! | [`broker`] | [`Broker`]: start, shutdown; the only thing that an embedding process calls |
//! | [`config`] | [`BrokerConfig`] from Kafka's property names |
//! | [`log`] | the log of one partition: segments, indexes, recovery, retention, compaction |
//! | [`controller`] | metadata decisions behind a trait, over a durable journal |
//! | [`auth`] | who a client is: TLS, certificates, principals |
//! | `kafka` | listener, framing, one file for each API key |
//! | `group` | the group coordinator, a plain state machine and its driver |
//! | `partition` | the node's partitions, loaded, followed and kept in the background |
//! | `txn` | the transaction coordinator, likewise |
//! | `replay` | internal topics, read from front to back |
//! | `node` | what all connections share |
//! | `per_address` | how many connections each address has open |
//! | `quota` | how much a client may use, and how long it waits when it used more |
//! | [`http`] | HTTP connections, bounded |
//! | `datadir` | lock, `meta.properties` and layout of the data directory |
//! | `effective` | which configurations are in force: those of the start, and what was set since |
//! | `crash` | named points at which tests end the process |
//! | `sabotage` | faults on purpose, only with the feature of this name |
//! | `fuzzing` | what the fuzz targets in `broker/fuzz` call |
//! | `metrics` | metrics for Prometheus, and where they are served |
//! | `time_histogram` | times counted into buckets |
//! | `random` | random numbers and seeds of the simulations, in tests only |
//! | `temporary` | a broker in a folder of its own, in tests only |
//! | `limits` | every bound of the crate |
//!
//! Data flows one way: socket, frame, handler, partition, log. A module never
//! calls back up.
//!
//! Invariant: from produce to fetch a record batch is not decompressed or
//! re-encoded, save for the exceptions that `log` lists.

pub mod auth;
pub mod broker;
mod clock;
pub mod config;
pub mod controller;
pub mod crash;
mod datadir;
mod effective;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod group;
pub mod http;
mod kafka;
mod limits;
pub mod log;
mod metrics;
mod node;
mod partition;
mod per_address;
mod producer_ids;
mod quota;
#[cfg(test)]
mod random;
mod replay;
#[cfg(feature = "sabotage")]
pub mod sabotage;
#[cfg(test)]
mod temporary;
mod time_histogram;
mod topics;
mod txn;

pub use broker::{Broker, StartError};
pub use config::{BrokerConfig, ConfigError, ListenerConfig};
pub use datadir::DataDirError;
pub use metrics::{Reports, families, serve as serve_metrics};

/// Whether faults can be chosen: the binary `longshore` refuses to be built so.
pub const SABOTAGED: bool = cfg!(feature = "sabotage");
