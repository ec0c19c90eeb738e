//! HTTP: the host side, which speaks to the server.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`config`] | a connection's settings: where the server is and who asks it |
//! | [`driver`] | the client: paths, credentials and their tokens, one request and its answer |
//! | [`bind`] | [`Endpoint`]: what the plugin contract's interface binds to |
//! | [`classify`] | what can go wrong, and whether to retry, to wait for the user, to refuse or to stop |
//! | [`limits`] | every limit of this crate |
//!
//! The runtime's host is the one caller: it opens an [`Endpoint`] for a connection
//! that a connector was granted, with a client whose TLS it has set up.
//!
//! Invariant: no request leaves the connection's URL, whatever a plugin says, and no
//! redirection is followed: credentials go to nobody else.
//!
//! Invariant: nothing is asked to change after the task's lease has ended.
//!
//! Invariant: credentials are in no answer, and in no words of an error.

pub mod bind;
pub mod classify;
pub mod config;
mod driver;
pub mod limits;

pub use bind::{Answer, Endpoint, Keep, Request, Response};
pub use classify::{Class, HttpError, Lost, TokenFault};
pub use config::{Authentication, HttpConfig, HttpSettings};
pub use longshore_driver_common::{Access, Secret};
