//! SQL databases: the host side, which speaks to the server.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`config`] | a connection's settings: the kind of database, where it is, as whom |
//! | [`driver`] | the kinds behind one face: PostgreSQL, MySQL and MariaDB, SQLite |
//! | [`bind`] | [`Database`], [`Transaction`]: what the plugin contract's interface binds to |
//! | [`classify`] | what can go wrong, and whether to retry, to wait for the user, to stop, or to refuse a row |
//! | [`limits`] | every limit of this crate |
//!
//! The runtime's host is the one caller: it opens a [`Database`] for a connection that
//! a connector was granted, and hands its parts to the guest.
//!
//! Invariants: a transaction that did not answer is never taken up again, its connection
//! is closed. Nothing is written once the task's lease is over.

pub mod bind;
pub mod classify;
pub mod config;
mod driver;
pub mod limits;

pub use bind::{
    Cells, Column, Database, Refused, RowStatement, Statement, TableColumn, Transaction,
};
pub use classify::{Class, SqlError};
pub use config::{SqlConfig, Tls};
pub use driver::Dialect;
pub use longshore_driver_common::Access;
