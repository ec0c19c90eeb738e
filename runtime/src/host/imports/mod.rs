//! The contract's imports, one file an interface.
//!
//! An error of the engine returned here traps the guest: it is for what no
//! correct guest does. Everything else is the contract's `fault`.

mod base;
mod batches;
pub(super) mod formats;
pub(super) mod http;
pub(super) mod objects;
mod schemas;
#[cfg(feature = "search")]
pub(super) mod search;
#[cfg(feature = "sns")]
pub(super) mod sns;
#[cfg(feature = "sql")]
pub(super) mod sql;
#[cfg(feature = "sqs")]
pub(super) mod sqs;
mod state;

use super::bindings::types;

/// What a plugin is told that opens a connection before it is open itself: `describe` is
/// pure.
fn no_connections_here() -> types::Fault {
    types::Fault::Config(types::Detail {
        code: "no-connections-here".to_owned(),
        message: "a plugin has no connections before it is open".to_owned(),
    })
}
