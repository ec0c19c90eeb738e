//! A client of schema registries: the REST API of Confluent's, which others offer too.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`client`] | requests: schemas by id and subject, registration |
//! | [`answers`] | what is asked and answered, in JSON |
//! | [`framing`] | the bytes before a record's data that say which schema it has |
//! | [`settings`] | where the registry is |
//! | [`error`] | what can be wrong, and whether it may pass |
//!
//! It knows no format of schemas: those who read them keep what they made of them.

pub mod answers;
#[cfg(test)]
pub(crate) mod apicurio;
pub mod client;
pub mod error;
pub mod framing;
#[cfg(test)]
pub(crate) mod scripted;
pub mod settings;

pub use answers::{Found, Reference, Registered, SchemaKind, Submitted};
pub use client::Registry;
pub use error::RegistryError;
pub use settings::{Credentials, RegistrySettings};
