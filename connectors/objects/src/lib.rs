//! What the connectors over object stores have in common: rows of objects to a topic,
//! and records of topics to objects, each exactly once, over the driver `objects`.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`kind`] | what tells those connectors apart |
//! | [`options`] | the options of source and sink, read once, and their schemas |
//! | [`source`] | rows of objects to a topic |
//! | [`plan`] | which task reads which object |
//! | [`state`] | how far each object was read, as checkpoints |
//! | [`sink`] | records of topics to objects |
//! | [`partitioner`] | in which folder a record is written |
//! | [`path_format`] | folders that are named by a time |
//! | [`names`] | the names of the sink's objects, and its boundary objects |
//! | [`readme`] | a connector's page, compared with its options |

pub mod kind;
pub mod names;
pub mod options;
pub mod partitioner;
pub mod path_format;
pub mod plan;
pub mod readme;
pub mod sink;
pub mod source;
pub mod state;

pub use kind::Kind;
pub use sink::ObjectSink;
pub use source::ObjectSource;
