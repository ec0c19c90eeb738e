//! SNS: the host side, which speaks to the service.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`config`] | a connection's settings |
//! | [`bind`] | [`Topic`]: what the plugin contract's interface binds to |
//!
//! What it shares with the other services is in `longshore-driver-aws`: credentials,
//! batches, what is done about errors, and every limit. The runtime's host is the one
//! caller: it opens a [`Topic`] for a connection that a connector was granted.
//!
//! Invariant: nothing is sent after the task's lease has ended.

pub mod bind;
pub mod config;

pub use bind::Topic;
pub use config::SnsConfig;
pub use longshore_driver_aws::{Answer, Attribute, AwsError, Class, Data, Entry};
pub use longshore_driver_common::Access;
