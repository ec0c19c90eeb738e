//! Records of topics to messages, as by `sqs-sink` and `sns-sink`.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`kind`] | the service, as the sink needs it |
//! | [`options`] | the options, read once, and their schema |
//! | [`format`] | what a record becomes: a message, or nothing |
//! | [`attributes`] | headers as attributes, and back |
//! | [`state`] | the messages of a partition that are not taken yet, and what is durable |
//! | [`sink`] | records of topics to messages |
//!
//! The connector over a service is a crate of its own, which names what is its own in a
//! [`Kind`].

pub mod attributes;
pub mod format;
pub mod kind;
pub mod options;
pub mod sink;
pub mod state;

pub use kind::{Kind, Place};
pub use sink::MessageSink;
