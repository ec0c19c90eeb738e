//! What the drivers of AWS's messaging services share.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`config`] | a connection's settings: where the service is and who asks it |
//! | [`client`] | those settings as the SDK's, and the lease that is asked before each write |
//! | [`batches`] | messages in batches, many at a time, the order of a group kept |
//! | [`classify`] | what can go wrong, and whether to retry, to wait for the user, to refuse or to stop |
//! | [`fault`] | the SDK's errors as the drivers' |
//! | [`limits`] | every limit of these drivers |
//!
//! Its callers are the drivers of a service each.
//!
//! Invariant: nothing is written after the task's lease has ended.

pub mod batches;
pub mod classify;
pub mod client;
pub mod config;
pub mod fault;
pub mod limits;

pub use batches::{Answer, Attribute, Data, Entry, Service};
pub use classify::{AwsError, Class, Refusal};
pub use client::Lease;
pub use config::AwsSettings;
