//! SASL: how a client proves a name by a password.
//!
//! ```text
//! settings.rs    what the properties say
//! jaas.rs        the entry of a JAAS file that a property holds
//! plain.rs       PLAIN (RFC 4616)
//! scram.rs       SCRAM (RFC 5802): salted keys, and the server's side of an exchange
//! session.rs     one connection's exchanges, first and repeated (KIP-368)
//! ```
//!
//! None of it reads a clock, a socket or a file.

mod jaas;
mod plain;
mod scram;
mod session;
mod settings;

pub use jaas::options as jaas_options;
pub use scram::ScramCredential;
pub(crate) use scram::{ITERATIONS_DEFAULT, ITERATIONS_MAX, ITERATIONS_MIN, decoy_key};
pub(crate) use session::{AuthenticationError, Credentials, SaslSession, Step};
pub use settings::{Mechanism, SaslSettings};
