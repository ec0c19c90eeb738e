//! The SQL connector: `sql-sink`, over the driver `sql`.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`options`] | the options, read once, and their schema |
//! | [`plan`] | which row of which table a record becomes |
//! | [`format`] | values as cells of a row |
//! | [`dialect`] | names, types and statements of each kind of database |
//! | [`tables`] | tables that are there, made, or given columns |
//! | [`state`] | positions, kept in the database with the data |
//! | [`sink`] | records to rows, each once |
//!
//! README.md beside this crate is the user's page: options, guarantees, a
//! pipeline to copy.

pub mod dialect;
pub mod format;
pub mod options;
pub mod plan;
pub mod sink;
pub mod state;
pub mod tables;

pub use sink::SqlSink;
