//! The file connector: `file-source` and `file-sink`, over the driver `objects`.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`options`] | the options of both, read once, and their schemas |
//! | [`source`] | rows of files to a topic |
//! | [`plan`] | which task reads which file |
//! | [`state`] | how far each file was read, as checkpoints |
//! | [`sink`] | records of topics to files |
//! | [`format`] | the names of the sink's files, and its boundary objects |
//!
//! README.md beside this crate is the user's page: options, guarantees, a
//! pipeline to copy.

pub mod format;
pub mod options;
pub mod plan;
pub mod sink;
pub mod source;
pub mod state;

pub use sink::FileSink;
pub use source::FileSource;
