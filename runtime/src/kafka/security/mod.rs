//! How our clients prove who they are, and how their bytes are protected on
//! the way to a broker.
//!
//! | module | what it is |
//! | --- | --- |
//! | `properties` | from Kafka's property names, Java's and librdkafka's |
//! | `tls` | certificates to a rustls configuration |
//! | `scram` | SCRAM: the client's side of an exchange, and salted passwords |
//! | `librdkafka` | the same settings by librdkafka's names |
//!
//! Passwords and keys are [`Secret`]s: no log line and no error has them.

mod librdkafka;
mod properties;
mod scram;
mod tls;

use longshore_broker::auth::{Mechanism, PemSource, Secret, TlsVersions};

pub(in crate::kafka) use scram::Exchange;
pub use scram::{SaltedPassword, salted};
pub(crate) use tls::client_config;

/// What protects a client's connections. By default nothing: `PLAINTEXT`.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// TLS, for `SSL` and `SASL_SSL`.
    pub tls: Option<TlsSettings>,
    /// A name and its password, for `SASL_PLAINTEXT` and `SASL_SSL`.
    pub sasl: Option<SaslSettings>,
}

/// The client's side of TLS.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// The authorities that a broker's certificate is checked against; `None`
    /// for those of the system.
    pub authorities: Option<PemSource>,
    /// The certificate chain and key that the client shows, if it has any.
    pub identity: Option<(PemSource, PemSource)>,
    /// Whether the certificate must name the host that was connected to:
    /// `ssl.endpoint.identification.algorithm=https`.
    pub verify_host: bool,
    /// `ssl.enabled.protocols`.
    pub versions: TlsVersions,
}

impl TlsSettings {
    /// The system's authorities, and no certificate of our own.
    pub fn of_system() -> Self {
        Self { authorities: None, identity: None, verify_host: true, versions: TlsVersions::ALL }
    }
}

/// A name and its password.
#[derive(Clone, Debug)]
pub struct SaslSettings {
    /// `sasl.mechanism`.
    pub mechanism: Mechanism,
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: Secret,
}
