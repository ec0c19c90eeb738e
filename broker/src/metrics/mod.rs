//! Metrics for Prometheus, under the names that Kafka's have behind the JMX
//! exporter with its rules for Kafka.
//!
//! ```text
//! requests.rs     requests by API and version, and their times
//! waiting.rs      requests that are under way, and what their answers wait for
//! connections.rs  connections that are open, by listener
//! families.rs     metrics written one name after the other, others' too
//! report.rs       everything at one moment
//! http.rs         that, and what others of the process report, at GET /metrics
//! ```
//!
//! Hot paths add to plain atomics that they hold already; what partitions,
//! groups and the controller know is asked of them when someone looks.

mod connections;
pub mod families;
mod http;
mod report;
mod requests;
mod waiting;

pub(crate) use connections::ConnectionCounts;
pub use http::{Reports, serve};
pub(crate) use report::NodeCollector;
pub(crate) use requests::{RequestCounts, RequestTimer};
pub(crate) use waiting::{DelayedOperation, UnderWay};

/// What is counted where it happens and nowhere else.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) requests: RequestCounts,
    pub(crate) under_way: std::sync::Arc<UnderWay>,
    pub(crate) connections: std::sync::Arc<ConnectionCounts>,
}
