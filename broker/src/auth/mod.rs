//! Who a client is, and how its bytes are protected on the way.
//!
//! ```text
//! acl/                  who may do what with which resource
//! principal.rs          the name that a connection acts under
//! distinguished_name.rs a certificate's subject as Kafka writes it
//! mapping.rs            ssl.principal.mapping.rules: from a subject to a name
//! secret.rs             text that no log line and no answer shows
//! sasl/                 names proved by passwords: PLAIN, SCRAM
//! tls/                  certificates from PEM files, loaded anew when they change
//! ```
//!
//! Nothing here reads a socket: the listener does, and asks.

mod acl;
mod distinguished_name;
mod mapping;
mod principal;
mod sasl;
mod secret;
mod tls;

pub use acl::{
    Acl, AclFilter, AclOperation, AclSet, AuthorizerSettings, PatternFilter, PatternType,
    Permission, ResourceType,
};
pub(crate) use acl::{Authorizer, CLUSTER_NAME};
pub use mapping::{MappingError, PrincipalMapping};
pub(crate) use principal::Principal;
pub(crate) use sasl::{
    AuthenticationError, Credentials, ITERATIONS_DEFAULT, ITERATIONS_MAX, ITERATIONS_MIN,
    SaslSession, Step, decoy_key,
};
pub use sasl::{Mechanism, SaslSettings, ScramCredential, jaas_options};
pub use secret::Secret;
pub use tls::{
    ClientAuth, PemSource, TlsError, TlsListener, TlsSettings, TlsVersions, certificates,
    private_key,
};
