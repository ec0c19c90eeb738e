//! SQS: the host side, which speaks to the service.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`config`] | a connection's settings |
//! | [`driver`] | requests: sending, receiving, deleting, keeping hidden |
//! | [`bind`] | [`Queue`]: what the plugin contract's interface binds to |
//! | [`limits`] | every limit of this crate |
//!
//! What it shares with the other services is in `longshore-driver-aws`: credentials,
//! batches, and what is done about errors. The runtime's host is the one caller: it opens
//! a [`Queue`] for a connection that a connector was granted.
//!
//! Invariant: nothing is sent after the task's lease has ended. What is deleted was made
//! durable before, so that needs none.
//!
//! Invariant: what is released is not hidden again behind it.

pub mod bind;
pub mod config;
mod driver;
pub mod limits;

pub use bind::{Message, Queue};
pub use config::SqsConfig;
pub use longshore_driver_aws::{
    Answer, Attribute, AwsError, AwsSettings, Class, Data, Entry, Refusal,
};
pub use longshore_driver_common::Access;
