//! The WASM host: every plugin runs here, and reaches nothing but what it is
//! handed.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`engine`] | [`PluginHost`]: the engine, its ticker, loading plugins |
//! | [`cache`] | compiled code on disk, written by this worker alone |
//! | [`catalog`] | the plugins of a plugin path, by name |
//! | [`plugin`] | one plugin: what it tells about itself, opening instances |
//! | [`source`], [`sink`], [`processor`] | an open instance of each role |
//! | [`call`] | one call into a guest: its limits, and why it failed |
//! | [`error`] | what those failures are |
//! | [`limits`] | every limit of this module |
//! | [`memory`] | the limit on a guest's memory |
//! | [`guest`] | what the host keeps for one instance |
//! | [`records`] | batches that a guest holds by handle |
//! | `values` | records as what the converters make of them, and their schemas |
//! | [`state`] | a processor's keyed state |
//! | [`connections`] | named uses of drivers, and who may use them |
//! | [`imports`] | the contract's imports: base, formats, object store |
//! | [`wasi`] | an empty world for components of other languages |
//! | [`convert`] | between the contract's shapes and the runtime's |
//! | [`uploads`] | plugins that came through the fleet, by version |
//! | [`adapt`] | plugins as the worker asks for them |
//! | [`measure`] | what crossing costs, for the benchmarks |
//!
//! Invariants: a guest's trap, time-out or memory limit costs one instance. No
//! span of a guest's batch is used before it was checked. No secret of a
//! connection crosses into a guest or an error.

pub mod adapt;
mod bindings;
pub mod cache;
mod call;
pub mod catalog;
pub mod connections;
mod convert;
pub mod engine;
pub mod error;
mod guest;
mod imports;
pub mod limits;
mod linker;
pub mod measure;
mod memory;
pub mod plugin;
pub mod processor;
mod records;
pub mod sink;
pub mod source;
pub mod state;
pub mod uploads;
mod values;
mod wasi;

pub use catalog::Catalog;
pub(crate) use connections::resolve_text;
pub use connections::{
    Allowed, AllowedPaths, ConnectionConfig, Connections, Pattern as ReferencePattern, Reach,
};
pub use engine::{HostConfig, PluginHost};
pub use error::{CallError, Cause, Fault, HostError};
pub use limits::Limits;
pub use plugin::{CheckpointReader, Manifest, OpenContext, Plugin};
pub use processor::ProcessorInstance;
pub use sink::SinkInstance;
pub use source::SourceInstance;
pub use uploads::{FleetPlugins, OwnPlugins};
