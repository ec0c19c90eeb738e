//! Our own connections to brokers: what administration, offsets and
//! membership stand on.
//!
//! | module | what it is |
//! | --- | --- |
//! | `connection` | one socket: frames, correlation ids, versions |
//! | `secure` | TLS and SASL around it |
//! | `cluster` | many brokers: addresses, who is in charge, trying again |

mod cluster;
mod connection;
mod secure;

pub(super) use cluster::{Cluster, Lane, Target, refused};

/// Limits of the connections to brokers.
mod limits {
    use std::time::Duration;

    /// The largest answer taken from a broker, in bytes. (A list of all groups
    /// or topics of a large cluster has some MiB.)
    pub(super) const RESPONSE_BYTES_MAX: usize = 64 << 20;
    /// Requests that may wait to be written on one connection.
    pub(super) const QUEUED_REQUESTS_MAX: usize = 64;
    /// How long to wait for a connection.
    pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// How long to wait for one answer, unless the request says more.
    pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
    /// The least that a request waits for its answer, however long it took to send it.
    pub(super) const ANSWER_TIME_MIN: Duration = Duration::from_secs(1);
    /// The first pause before a request is tried again; it doubles each time.
    pub(super) const BACKOFF_MIN: Duration = Duration::from_millis(50);
    /// The longest pause.
    pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(1);
}
