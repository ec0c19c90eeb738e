//! The Rust guest SDK: what a plugin is written with.
//!
//! A plugin is a type that implements [`Plugin`] and one of [`Source`],
//! [`Sink`] and [`Processor`]; a binary target exports it:
//!
//! ```ignore
//! // src/bin/file-source.rs
//! longshore_sdk::export_source!(my_connector::FileSource);
//! ```
//!
//! The same code compiles natively, where the imports are played by
//! [`testkit`]: a plugin's unit tests need no WASM.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`plugin`] | the traits |
//! | [`config`] | a connector's options, and what is wrong with them |
//! | [`batch`] | records in bulk: building and reading |
//! | [`values`] | keys and values as the connector's converters read and write them |
//! | [`fault`] | how a whole call fails |
//! | [`trouble`] | what a sink does between a failure and the next try |
//! | [`course`] | how far a sink has come with a partition |
//! | [`host`] | log, metrics, clock, random numbers |
//! | [`checkpoints`] | where a source was |
//! | [`transactions`] | where a source's transactions end |
//! | [`state`] | a processor's keyed state |
//! | [`formats`], [`objects`], [`sql`] | file formats, object stores and databases, done by the host |
//! | [`http`], [`search`] | HTTP servers and search engines, asked by the host |
//! | [`sns`], [`sqs`] | topics of SNS and queues of SQS, asked by the host |
//! | [`export`] | the macros that make a component of a type |
//! | [`testkit`] | all imports played natively, for unit tests |

// The generated code names this crate as guests do.
extern crate self as longshore_sdk;

pub mod batch;
#[doc(hidden)]
pub mod bindings;
pub mod checkpoints;
pub mod config;
pub mod course;
pub mod export;
pub mod fault;
pub mod formats;
pub mod host;
pub mod http;
pub mod objects;
pub mod plugin;
pub mod search;
pub mod sns;
pub mod sql;
pub mod sqs;
pub mod state;
pub mod transactions;
pub mod trouble;
pub mod values;

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
pub mod testkit;

#[doc(hidden)]
pub use wit_bindgen;

pub use batch::{Batch, Record, Records};
pub use config::{Config, ConfigError};
pub use fault::Fault;
pub use plugin::{
    About, Checkpoint, Form, LateReject, Mark, Next, Output, Partition, Plugin, Polled, Processed,
    Processor, Progress, Refused, Reject, Sink, Source, Stalled, Task,
};
