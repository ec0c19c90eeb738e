//! Search engines: the host side, which speaks to Elasticsearch and OpenSearch.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`config`] | a connection's settings: where the cluster is and who asks it |
//! | [`driver`] | the client: settings, order, one bulk request and its answer |
//! | [`bind`] | [`Cluster`]: what the plugin contract's interface binds to |
//! | [`classify`] | what can go wrong, and whether to retry, to wait for the user, to refuse or to stop |
//! | [`limits`] | every limit of this crate |
//!
//! The runtime's host is the one caller: it opens a [`Cluster`] for a connection that a
//! connector was granted.
//!
//! Invariant: operations of one document are done in the order in which they came, or,
//! where each says its version, come to what that order would have come to.
//!
//! Invariant: nothing is asked to change after the task's lease has ended.
//!
//! Invariant: credentials are in no words of an error.

pub mod bind;
pub mod classify;
pub mod config;
mod driver;
pub mod limits;

pub use bind::{Action, Answer, Cluster, Operation, Outcome};
pub use classify::{Class, Lost, SearchError};
pub use config::{Authentication, SearchConfig, SearchSettings};
pub use longshore_driver_common::{Access, Secret};
