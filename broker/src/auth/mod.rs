//! Who a client is, and how its bytes are protected on the way.
//!
//! ```text
//! principal.rs          the name that a connection acts under
//! distinguished_name.rs a certificate's subject as Kafka writes it
//! mapping.rs            ssl.principal.mapping.rules: from a subject to a name
//! secret.rs             text that no log line and no answer shows
//! tls/                  certificates from PEM files, loaded anew when they change
//! ```
//!
//! Nothing here reads a socket: the listener does, and asks.

mod distinguished_name;
mod mapping;
mod principal;
mod secret;
mod tls;

pub use mapping::{MappingError, PrincipalMapping};
pub(crate) use principal::Principal;
pub use secret::Secret;
pub(crate) use tls::TlsListener;
pub use tls::{ClientAuth, PemSource, TlsError, TlsSettings, TlsVersions};
