//! The partitions of this node: their logs, who waits for them, and what is
//! done to them in the background.
//!
//! ```text
//! handle.rs      one partition as requests see it: leader checks, append, read
//! error.rs       why a partition refused, as Kafka's codes
//! traffic.rs     what went in and out since the start
//! waiter.rs      fetches that wait for appends
//! manager.rs     all partitions; follows the cluster's image
//! metadata.rs    partition.metadata: which topic id a folder belongs to
//! strays.rs      folders of partitions that the cluster does not have
//! background.rs  retention, compaction, flush.ms, checkpoints
//! ```

mod background;
mod error;
mod handle;
mod manager;
mod metadata;
mod strays;
mod traffic;
mod waiter;

pub(crate) use background::Background;
pub(crate) use error::PartitionError;
pub(crate) use handle::{Appended, Isolation, OffsetSpec, Partition};
pub(crate) use manager::{DeletionFollower, PartitionManager, check_topic_configs};
pub(crate) use strays::set_strays_aside;
pub(crate) use traffic::TrafficCounts;
pub(crate) use waiter::FetchWaiter;
