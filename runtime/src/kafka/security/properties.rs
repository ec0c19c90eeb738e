//! Security from Kafka's properties.

use std::collections::BTreeMap;
use std::path::PathBuf;

use longshore_broker::auth::{Mechanism, PemSource, Secret, TlsVersions, jaas_options};
use longshore_broker::config::SecurityProtocol;

use super::{SaslSettings, Security, TlsSettings};
use crate::kafka::error::ClientError;
use crate::yaml::did_you_mean;

/// What says whom to trust, or who we are: of no use without TLS.
const TLS_FILES: [&str; 12] = [
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
];

/// Every property of security that is understood.
const NAMES: [&str; 24] = [
    "sasl.jaas.config",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.enabled.protocols",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.type",
    "ssl.protocol",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.type",
    "ssl.truststore.password",
];

fn refuse<T>(name: &str, reason: impl Into<String>) -> Result<T, ClientError> {
    Err(ClientError::Config { name: name.to_owned(), reason: reason.into() })
}

impl Security {
    /// Takes what concerns security out of `properties`: the names of Java's
    /// clients and of librdkafka. What is left there is something else's.
    pub fn take(properties: &mut BTreeMap<String, String>) -> Result<Self, ClientError> {
        let concerns = |name: &str| {
            ["security.", "sasl.", "ssl."].iter().any(|prefix| name.starts_with(prefix))
        };
        let (given, rest) =
            std::mem::take(properties).into_iter().partition(|(name, _)| concerns(name));
        *properties = rest;
        Given(given).security()
    }
}

/// The properties of security.
struct Given(BTreeMap<String, String>);

impl Given {
    /// The first of these that is set to something, with its name.
    fn first<'a>(&'a self, names: &[&'a str]) -> Option<(&'a str, &'a str)> {
        let set = |name: &&'a str| {
            let value = self.0.get(*name)?.trim();
            (!value.is_empty()).then_some((*name, value))
        };
        names.iter().find_map(set)
    }

    fn security(&self) -> Result<Security, ClientError> {
        for name in self.0.keys() {
            if !NAMES.contains(&name.as_str()) {
                let help = did_you_mean(name, NAMES).unwrap_or_default();
                return refuse(name, format!("a client here has no such property; {help}"));
            }
        }
        let protocol = match self.first(&["security.protocol"]) {
            None => SecurityProtocol::Plaintext,
            Some((name, text)) => text.parse().or_else(|()| {
                refuse(
                    name,
                    format!("`{text}` is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
                )
            })?,
        };
        let tls = protocol.is_tls().then(|| self.tls()).transpose()?;
        let sasl = protocol.is_sasl().then(|| self.sasl()).transpose()?;
        // A password that would go nowhere, or a certificate that nothing checks,
        // is a mistake that should not pass for safety.
        let unused = match (&tls, &sasl) {
            (_, None) => self.first(&["sasl.jaas.config", "sasl.password"]),
            _ => None,
        }
        .or_else(|| match tls {
            None => self.first(&TLS_FILES),
            Some(_) => None,
        });
        match unused {
            Some((name, _)) => refuse(
                name,
                format!(
                    "it has no effect with `security.protocol={protocol}`; set SSL, SASL_SSL or SASL_PLAINTEXT"
                ),
            ),
            None => Ok(Security { tls, sasl }),
        }
    }

    fn tls(&self) -> Result<TlsSettings, ClientError> {
        for name in ["ssl.truststore.type", "ssl.keystore.type"] {
            match self.first(&[name]) {
                Some((_, kind)) if !kind.eq_ignore_ascii_case("PEM") => {
                    return refuse(
                        name,
                        format!(
                            "`{kind}` is not supported, PEM is: convert with \
                             `keytool -importkeystore -deststoretype pkcs12` and `openssl pkcs12 -nodes`"
                        ),
                    );
                }
                _ => {}
            }
        }
        if let Some((name, _)) = self.first(&["ssl.key.password"]) {
            return refuse(
                name,
                "encrypted keys are not supported: write the key with `openssl pkey -in KEY -out KEY.pem`",
            );
        }
        let authorities = self.pem(
            &["ssl.ca.pem", "ssl.truststore.certificates"],
            &["ssl.ca.location", "ssl.truststore.location"],
        );
        let chain = self.pem(
            &["ssl.certificate.pem", "ssl.keystore.certificate.chain"],
            &["ssl.certificate.location", "ssl.keystore.location"],
        );
        let key = self.pem(
            &["ssl.key.pem", "ssl.keystore.key"],
            &["ssl.key.location", "ssl.keystore.location"],
        );
        let identity = match (chain, key) {
            (Some(chain), Some(key)) => Some((chain, key)),
            (None, None) => None,
            (Some(_), None) => {
                return refuse("ssl.key.location", "a certificate is given, but no key of it");
            }
            (None, Some(_)) => {
                return refuse("ssl.certificate.location", "a key is given, but no certificate");
            }
        };
        const HOST: &str = "ssl.endpoint.identification.algorithm";
        // Kafka turns the check off by an empty text, librdkafka by `none`.
        let verify_host = match self.0.get(HOST).map(|text| text.trim()) {
            None => true,
            Some("" | "none") => false,
            Some(text) if text.eq_ignore_ascii_case("https") => true,
            Some(text) => return refuse(HOST, format!("`{text}` is neither `https` nor `none`")),
        };
        let versions = self.tls_versions()?;
        Ok(TlsSettings { authorities, identity, verify_host, versions })
    }

    fn tls_versions(&self) -> Result<TlsVersions, ClientError> {
        // Java makes its context of this one, and then enables what the other says.
        if let Some((name, text)) = self.first(&["ssl.protocol"])
            && !["TLS", "TLSv1.2", "TLSv1.3"].contains(&text)
        {
            return refuse(name, format!("`{text}` is none of TLS, TLSv1.2, TLSv1.3"));
        }
        match self.first(&["ssl.enabled.protocols"]) {
            None => Ok(TlsVersions::ALL),
            Some((name, text)) => text.parse().or_else(|()| {
                refuse(
                    name,
                    format!("`{text}` is not TLSv1.2, TLSv1.3 or both, with a comma between"),
                )
            }),
        }
    }

    fn pem(&self, inline: &[&str], files: &[&str]) -> Option<PemSource> {
        let inline = self.first(inline).map(|(_, text)| {
            // A file of Java properties writes line ends as `\n`.
            PemSource::Inline(Secret::new(text.replace("\\n", "\n")))
        });
        inline.or_else(|| self.first(files).map(|(_, path)| PemSource::File(PathBuf::from(path))))
    }

    fn sasl(&self) -> Result<SaslSettings, ClientError> {
        let mechanism = match self.first(&["sasl.mechanism", "sasl.mechanisms"]) {
            None => {
                return refuse(
                    "sasl.mechanism",
                    "it is not given; set PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
                );
            }
            Some((name, text)) => text.parse::<Mechanism>().or_else(|()| {
                refuse(
                    name,
                    format!("`{text}` is not supported; PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 are"),
                )
            })?,
        };
        let (mut username, mut password) = (None, None);
        if let Some((name, entry)) = self.first(&["sasl.jaas.config"]) {
            let Some(options) = jaas_options(entry) else {
                // Its text has a password: it is not quoted.
                return refuse(
                    name,
                    "it is no entry of the form `MODULE required username=\"NAME\" password=\"PASSWORD\";`",
                );
            };
            for (option, value) in options {
                match option.as_str() {
                    "username" => username = Some(value.expose().to_owned()),
                    "password" => password = Some(value),
                    _ => {}
                }
            }
        }
        if let Some((_, text)) = self.first(&["sasl.username"]) {
            username = Some(text.to_owned());
        }
        if let Some(text) = self.0.get("sasl.password").filter(|text| !text.is_empty()) {
            password = Some(Secret::new(text));
        }
        match (username, password) {
            (Some(username), Some(password)) => Ok(SaslSettings { mechanism, username, password }),
            (None, _) => refuse("sasl.username", "it is not given, nor in `sasl.jaas.config`"),
            (_, None) => refuse("sasl.password", "it is not given, nor in `sasl.jaas.config`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&str, &str)]) -> Result<(Security, BTreeMap<String, String>), String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut properties = lines.iter().map(own).collect();
        let security = Security::take(&mut properties).map_err(|error| error.to_string())?;
        Ok((security, properties))
    }

    #[test]
    fn javas_names_and_librdkafkas_mean_the_same() {
        let jaas = r#"org.apache.kafka.common.security.scram.ScramLoginModule required username="alice" password="p;w";"#;
        for lines in [
            [
                ("sasl.mechanism", "SCRAM-SHA-512"),
                ("sasl.jaas.config", jaas),
                ("sasl.username", ""),
                ("ssl.truststore.location", "ca.pem"),
            ],
            [
                ("sasl.mechanisms", "SCRAM-SHA-512"),
                ("sasl.username", "alice"),
                ("sasl.password", "p;w"),
                ("ssl.ca.location", "ca.pem"),
            ],
        ] {
            let lines =
                [&[("security.protocol", "SASL_SSL"), ("linger.ms", "5")], &lines[..]].concat();
            let (security, rest) = read(&lines).unwrap();
            let (sasl, tls) = (security.sasl.unwrap(), security.tls.unwrap());
            assert_eq!(sasl.mechanism, Mechanism::ScramSha512);
            assert_eq!((sasl.username.as_str(), sasl.password.expose()), ("alice", "p;w"));
            assert!(
                matches!(tls.authorities, Some(PemSource::File(path)) if path.ends_with("ca.pem"))
            );
            assert!(tls.verify_host && tls.identity.is_none());
            assert_eq!(rest.into_keys().collect::<Vec<_>>(), ["linger.ms"]);
        }
    }

    #[test]
    fn without_a_protocol_nothing_is_protected_and_a_lost_password_is_told() {
        let (security, _) = read(&[]).unwrap();
        assert!(security.tls.is_none() && security.sasl.is_none());
        let told = read(&[("sasl.password", "hidden-word")]).unwrap_err();
        assert!(told.contains("security.protocol=PLAINTEXT"), "{told}");
        assert!(!told.contains("hidden-word"), "{told}");
    }

    #[test]
    fn each_mistake_is_told_by_its_property_without_a_secret() {
        let sasl = ("security.protocol", "SASL_PLAINTEXT");
        let plain = ("sasl.mechanism", "PLAIN");
        for (lines, name) in [
            (&[("security.protocol", "TLS")][..], "security.protocol"),
            (&[sasl], "sasl.mechanism"),
            (&[sasl, ("sasl.mechanism", "GSSAPI")], "sasl.mechanism"),
            (&[sasl, plain], "sasl.username"),
            (&[sasl, plain, ("sasl.username", "alice")], "sasl.password"),
            (&[sasl, plain, ("sasl.jaas.config", "hidden-word")], "sasl.jaas.config"),
            (&[("security.protocol", "SSL"), ("ssl.keystore.type", "JKS")], "ssl.keystore.type"),
            (
                &[("security.protocol", "SSL"), ("ssl.key.location", "a")],
                "ssl.certificate.location",
            ),
            (&[("ssl.ca.locations", "a")], "ssl.ca.locations"),
            (
                &[("security.protocol", "SSL"), ("ssl.enabled.protocols", "TLSv1.1,TLSv1.2")],
                "ssl.enabled.protocols",
            ),
            (&[("security.protocol", "SSL"), ("ssl.protocol", "SSLv3")], "ssl.protocol"),
        ] {
            let told = read(lines).unwrap_err();
            assert!(told.starts_with(&format!("`{name}`")), "{told}");
            assert!(!told.contains("hidden-word"), "{told}");
        }
    }

    #[test]
    fn tls_is_held_to_the_versions_that_are_enabled() {
        for (text, tls12, tls13) in [
            (None, true, true),
            (Some("TLSv1.2,TLSv1.3"), true, true),
            (Some("TLSv1.2"), true, false),
            (Some(" TLSv1.3 "), false, true),
        ] {
            let mut lines = vec![("security.protocol", "SSL")];
            lines.extend(text.map(|text| ("ssl.enabled.protocols", text)));
            let (security, _) = read(&lines).unwrap();
            assert_eq!(security.tls.as_ref().unwrap().versions, TlsVersions { tls12, tls13 });
            // librdkafka has no such setting: it must not pass for having it.
            assert_eq!(security.librdkafka().is_ok(), tls12 && tls13, "{text:?}");
        }
    }

    #[test]
    fn the_check_of_the_hosts_name_is_turned_off_as_either_client_writes_it() {
        for (text, verified) in [("", false), ("none", false), ("https", true)] {
            let name = "ssl.endpoint.identification.algorithm";
            let (security, _) = read(&[("security.protocol", "ssl"), (name, text)]).unwrap();
            assert_eq!(security.tls.unwrap().verify_host, verified, "{text}");
        }
    }
}
