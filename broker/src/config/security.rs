//! What a listener's properties say about encryption and authentication.
//!
//! A property with the prefix `listener.name.NAME.`, the name in lower case,
//! is for that listener; without the prefix it is for all that have no other.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr, time::Duration};

use super::{ConfigError, lookup};
use crate::auth::{
    ClientAuth, Mechanism, PemSource, PrincipalMapping, SaslSettings, Secret, TlsSettings,
    TlsVersions,
};

/// How a listener's bytes are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// As they are.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL over a plain connection.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl FromStr for SecurityProtocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Ok(Self::Plaintext),
            "SSL" => Ok(Self::Ssl),
            "SASL_PLAINTEXT" => Ok(Self::SaslPlaintext),
            "SASL_SSL" => Ok(Self::SaslSsl),
            _ => Err(()),
        }
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        })
    }
}

impl SecurityProtocol {
    /// Whether there is TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether clients authenticate by SASL.
    pub fn is_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// What one listener asks of its clients.
#[derive(Debug, Clone)]
pub struct ListenerSecurity {
    /// `listener.security.protocol.map`.
    pub protocol: SecurityProtocol,
    /// Where the protocol has TLS.
    pub tls: Option<TlsSettings>,
    /// Where the protocol has SASL.
    pub sasl: Option<SaslSettings>,
}

/// Properties that may have a listener's prefix.
const LISTENER_KEYS: &[&str] = &[
    "connection.failed.authentication.delay.ms",
    "connections.max.reauth.ms",
    "max.connection.creation.rate",
    "max.connections",
    "plain.sasl.jaas.config",
    "sasl.enabled.mechanisms",
    "sasl.server.max.receive.size",
    "scram-sha-256.sasl.jaas.config",
    "scram-sha-512.sasl.jaas.config",
    "ssl.client.auth",
    "ssl.enabled.protocols",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.type",
    "ssl.principal.mapping.rules",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.type",
];

const PREFIX: &str = "listener.name.";

/// The property behind a listener's prefix, if the name has one that may be there.
fn behind_prefix(name: &str) -> Option<&'static str> {
    let rest = name.strip_prefix(PREFIX)?;
    LISTENER_KEYS.iter().copied().find(|key| {
        let listener = rest.strip_suffix(key).and_then(|rest| rest.strip_suffix('.'));
        listener.is_some_and(|listener| !listener.is_empty() && !listener.contains('.'))
    })
}

/// Whether the broker reads a property of this name, with a listener's prefix or without.
pub fn is_known(name: &str) -> bool {
    lookup(name).is_some() || behind_prefix(name).is_some()
}

/// Whether a property's value must not be shown.
pub fn is_sensitive(name: &str) -> bool {
    name.ends_with("ssl.keystore.key") || name.ends_with("sasl.jaas.config")
}

/// One listener's view of the properties.
pub(super) struct Scoped<'a> {
    given: &'a BTreeMap<String, String>,
    prefix: String,
}

impl ListenerSecurity {
    /// Reads what the properties say about the listener of this name.
    pub(super) fn read(
        given: &BTreeMap<String, String>,
        listener: &str,
    ) -> Result<Self, ConfigError> {
        let scoped = Scoped::new(given, listener);
        let protocol = protocol(given, listener)?;
        let tls = protocol.is_tls().then(|| scoped.tls(protocol)).transpose()?;
        let sasl = protocol.is_sasl().then(|| scoped.sasl()).transpose()?;
        Ok(Self { protocol, tls, sasl })
    }
}

/// The entry of `listener.security.protocol.map`, or the listener's own name.
fn protocol(
    given: &BTreeMap<String, String>,
    listener: &str,
) -> Result<SecurityProtocol, ConfigError> {
    const MAP: &str = "listener.security.protocol.map";
    const EXPECTED: &str = "NAME:PROTOCOL for each listener, \
         PROTOCOL one of PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL";
    let text = given.get(MAP).map_or("", String::as_str);
    let invalid = |value: &str| ConfigError::InvalidValue {
        name: MAP.to_owned(),
        value: value.to_owned(),
        expected: EXPECTED,
    };
    let mut found = None;
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (name, protocol) = entry.split_once(':').ok_or_else(|| invalid(text))?;
        let protocol = protocol.trim().parse().map_err(|()| invalid(text))?;
        if name.trim().eq_ignore_ascii_case(listener) {
            found = Some(protocol);
        }
    }
    match found {
        Some(protocol) => Ok(protocol),
        None => listener.parse().map_err(|()| invalid(text)),
    }
}

impl<'a> Scoped<'a> {
    pub(super) fn new(given: &'a BTreeMap<String, String>, listener: &str) -> Self {
        Self { given, prefix: format!("{PREFIX}{}.", listener.to_ascii_lowercase()) }
    }

    fn text(&self, name: &str) -> Option<&str> {
        let scoped = format!("{}{name}", self.prefix);
        let value = self.given.get(&scoped).or_else(|| self.given.get(name));
        let default = || lookup(name).and_then(|key| key.default);
        value.map(String::as_str).or_else(default).filter(|value| !value.is_empty())
    }

    /// What is given for this listener alone.
    pub(super) fn own(&self, name: &str) -> Option<&str> {
        self.given.get(&format!("{}{name}", self.prefix)).map(String::as_str)
    }

    fn number(&self, name: &str) -> Result<u64, ConfigError> {
        let expected = "a whole number from 0";
        self.text(name)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.invalid(name, expected))
    }

    /// An error about a property, under the name that it was given by.
    pub(super) fn invalid(&self, name: &str, expected: &'static str) -> ConfigError {
        let scoped = format!("{}{name}", self.prefix);
        let (name, value) = match self.given.get(&scoped) {
            Some(value) => (scoped, Some(value)),
            None => (name.to_owned(), self.given.get(name)),
        };
        let value = if is_sensitive(&name) { None } else { value };
        let value = value.cloned().unwrap_or_default();
        ConfigError::InvalidValue { name, value, expected }
    }

    fn tls(&self, protocol: SecurityProtocol) -> Result<TlsSettings, ConfigError> {
        for name in ["ssl.keystore.type", "ssl.truststore.type"] {
            if self.text(name).is_some_and(|kind| !kind.eq_ignore_ascii_case("PEM")) {
                return Err(self.invalid(name, "PEM; other kinds of stores are not read"));
            }
        }
        let file = |name| self.text(name).map(|path| PemSource::File(PathBuf::from(path)));
        let inline = |name| self.text(name).map(|text| PemSource::Inline(Secret::new(text)));
        let certificates =
            inline("ssl.keystore.certificate.chain").or_else(|| file("ssl.keystore.location"));
        let key = inline("ssl.keystore.key").or_else(|| file("ssl.keystore.location"));
        let (Some(certificates), Some(key)) = (certificates, key) else {
            let expected = "a PEM file with certificate chain and private key, \
                 or ssl.keystore.certificate.chain and ssl.keystore.key";
            return Err(self.invalid("ssl.keystore.location", expected));
        };
        let trusted =
            inline("ssl.truststore.certificates").or_else(|| file("ssl.truststore.location"));
        // SASL says who a client is: there a certificate is asked for only if
        // the listener's own property says so (KIP-684).
        let asked = match protocol.is_sasl() {
            true => self.own("ssl.client.auth"),
            false => self.text("ssl.client.auth"),
        };
        let client_auth = match asked {
            Some("required") => ClientAuth::Required,
            Some("requested") => ClientAuth::Requested,
            Some("none") | None => ClientAuth::None,
            _ => return Err(self.invalid("ssl.client.auth", "none, requested or required")),
        };
        if client_auth != ClientAuth::None && trusted.is_none() {
            let expected = "a PEM file with the authorities of clients' certificates, \
                 since ssl.client.auth asks for them";
            return Err(self.invalid("ssl.truststore.location", expected));
        }
        let mapping = self.text("ssl.principal.mapping.rules").unwrap_or("DEFAULT");
        let mapping = PrincipalMapping::parse(mapping).map_err(|_| {
            let expected = "DEFAULT or RULE:pattern/replacement/[LU], separated by commas";
            self.invalid("ssl.principal.mapping.rules", expected)
        })?;
        let versions = self.tls_versions()?;
        Ok(TlsSettings { certificates, key, trusted, client_auth, versions, mapping })
    }

    fn sasl(&self) -> Result<SaslSettings, ConfigError> {
        const MECHANISMS: &str = "sasl.enabled.mechanisms";
        let mechanisms: Result<Vec<Mechanism>, ()> = self
            .text(MECHANISMS)
            .unwrap_or_default()
            .split(',')
            .map(|m| m.trim().parse())
            .collect();
        let mechanisms = mechanisms
            .map_err(|()| self.invalid(MECHANISMS, "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"))?;
        let users = |mechanism: Mechanism| {
            let name = format!("{}.sasl.jaas.config", mechanism.name().to_ascii_lowercase());
            let expected = "a login module, `required`, and user_NAME=\"password\" for each user, \
                 with a semicolon at the end";
            let entry = self.own(&name).map(SaslSettings::users);
            match entry {
                None => Ok(BTreeMap::new()),
                Some(users) => users.ok_or_else(|| self.invalid(&name, expected)),
            }
        };
        let mut scram_users = BTreeMap::new();
        for mechanism in [Mechanism::ScramSha256, Mechanism::ScramSha512] {
            let users = users(mechanism)?;
            scram_users.extend(users.into_iter().map(|(user, word)| ((mechanism, user), word)));
        }
        let lifetime = self.number("connections.max.reauth.ms")?;
        let delay = self.number("connection.failed.authentication.delay.ms")?;
        let frame_bytes_max = self.number("sasl.server.max.receive.size")?;
        Ok(SaslSettings {
            mechanisms,
            plain_users: users(Mechanism::Plain)?,
            scram_users,
            session_lifetime: (lifetime > 0).then(|| Duration::from_millis(lifetime)),
            failure_delay: Duration::from_millis(delay),
            frame_bytes_max: usize::try_from(frame_bytes_max).unwrap_or(usize::MAX),
        })
    }

    fn tls_versions(&self) -> Result<TlsVersions, ConfigError> {
        const NAME: &str = "ssl.enabled.protocols";
        let text = self.text(NAME).unwrap_or_default();
        text.parse().map_err(|()| self.invalid(NAME, "TLSv1.2, TLSv1.3 or both"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BrokerConfig;

    fn read(properties: &[(&str, &str)]) -> Result<BrokerConfig, ConfigError> {
        BrokerConfig::from_properties(properties.iter().copied())
    }

    #[test]
    fn a_listeners_own_property_wins_over_the_one_for_all() {
        let config = read(&[
            ("listeners", "A://:1,B://:2"),
            ("listener.security.protocol.map", "A:SSL,B:ssl"),
            ("ssl.keystore.location", "/all.pem"),
            ("listener.name.b.ssl.keystore.location", "/b.pem"),
        ])
        .unwrap();
        let file = |name: &str| match &config.security[name].tls.as_ref().unwrap().certificates {
            PemSource::File(path) => path.to_str().unwrap().to_owned(),
            PemSource::Inline(_) => panic!("a file was given"),
        };
        assert_eq!((file("A"), file("B")), ("/all.pem".to_owned(), "/b.pem".to_owned()));
    }

    #[test]
    fn what_a_tls_listener_lacks_is_told_by_name() {
        for (properties, name) in [
            (&[][..], "ssl.keystore.location"),
            (&[("ssl.keystore.location", "x"), ("ssl.keystore.type", "JKS")], "ssl.keystore.type"),
            (
                &[("ssl.keystore.location", "x"), ("ssl.client.auth", "required")],
                "ssl.truststore.location",
            ),
            (
                &[("ssl.keystore.location", "x"), ("ssl.enabled.protocols", "TLSv1.1")],
                "ssl.enabled.protocols",
            ),
            (
                &[("ssl.keystore.location", "x"), ("listener.name.ssl.ssl.client.auth", "yes")],
                "listener.name.ssl.ssl.client.auth",
            ),
        ] {
            let mut properties = properties.to_vec();
            properties.push(("listeners", "SSL://:1"));
            let error = read(&properties).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
    }

    #[test]
    fn a_listener_needs_a_protocol_and_a_prefix_a_property() {
        assert!(read(&[("listeners", "INSIDE://:1")]).is_err());
        assert!(read(&[("listener.security.protocol.map", "PLAINTEXT:TLS")]).is_err());
        for name in ["listener.name.a.num.partitions", "listener.name.ssl.client.auth"] {
            let error = read(&[(name, "1")]).unwrap_err();
            assert_eq!(error, ConfigError::UnknownProperty { name: name.to_owned() });
        }
    }

    #[test]
    fn a_private_key_is_in_no_debug_output_and_no_error() {
        let config = read(&[
            ("listeners", "SSL://:1"),
            ("ssl.keystore.certificate.chain", "public"),
            ("ssl.keystore.key", "hush-hush"),
        ])
        .unwrap();
        assert!(!format!("{config:?}").contains("hush-hush"));
    }
}
