//! The connector runtime: what the binary `longshore` is made of.
//!
//! Data flows one way: topic, `kafka`, `convert`, `transform`, `host`, plugin, driver.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`batch`] | records in bulk, the shape that crosses every border |
//! | [`kafka`] | Kafka clients behind batch-shaped traits |
//! | [`data`] | the data model: schemas and values |
//! | [`convert`] | converters between a topic's bytes and values |
//! | [`registry`] | a client of schema registries |
//! | [`transform`] | transforms of records, and predicates |
//! | [`format`] | file formats offered to plugins |
//! | [`host`] | the WASM host: engine, cache, limits, linker |
//! | [`task`] | source, sink and processor loops: one state machine each |
//! | [`worker`] | membership, assignment, internal topics |
//! | [`rest`] | the Kafka Connect REST API |
//! | `sabotage` | faults on purpose, only with the feature of this name |
//! | [`pipeline`] | the YAML model, validation, rendering |
//! | [`yaml`] | YAML that knows where everything stands |
//! | `http` | HTTP clients |
//! | [`logging`] | what is logged, and its levels while the process runs |
//! | [`cli`] | the commands |

pub mod batch;
pub mod cli;
pub mod convert;
pub mod data;
pub mod format;
pub mod host;
mod http;
pub mod kafka;
pub mod logging;
pub mod pipeline;
pub mod registry;
pub mod rest;
#[cfg(feature = "sabotage")]
pub mod sabotage;
pub mod task;
pub mod transform;
pub mod worker;
pub mod yaml;

/// Whether faults can be chosen: the binary refuses to be built so.
pub const SABOTAGED: bool = cfg!(feature = "sabotage");
