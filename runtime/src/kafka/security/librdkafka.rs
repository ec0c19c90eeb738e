//! The settings by librdkafka's names.

use longshore_broker::auth::{PemSource, TlsVersions};

use super::Security;
use crate::kafka::error::ClientError;

impl Security {
    /// The properties of a librdkafka client, its secrets among them. What
    /// librdkafka has no property for is refused.
    pub(in crate::kafka) fn librdkafka(&self) -> Result<Vec<(&'static str, String)>, ClientError> {
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => return Ok(Vec::new()),
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        };
        let mut properties = vec![("security.protocol", protocol.to_owned())];
        if let Some(sasl) = &self.sasl {
            properties.push(("sasl.mechanism", sasl.mechanism.name().to_owned()));
            properties.push(("sasl.username", sasl.username.clone()));
            properties.push(("sasl.password", sasl.password.expose().to_owned()));
        }
        if let Some(tls) = &self.tls {
            if tls.versions != TlsVersions::ALL {
                return Err(ClientError::Config {
                    name: "ssl.enabled.protocols".to_owned(),
                    reason: "reading and writing records takes TLSv1.2 and TLSv1.3 alike and \
                             cannot be held to one; leave it out, or enable one on the listener"
                        .to_owned(),
                });
            }
            let mut pem = |source: &PemSource, file: &'static str, inline: &'static str| {
                properties.push(match source {
                    PemSource::File(path) => (file, path.display().to_string()),
                    PemSource::Inline(text) => (inline, text.expose().to_owned()),
                });
            };
            if let Some(authorities) = &tls.authorities {
                pem(authorities, "ssl.ca.location", "ssl.ca.pem");
            }
            if let Some((chain, key)) = &tls.identity {
                pem(chain, "ssl.certificate.location", "ssl.certificate.pem");
                pem(key, "ssl.key.location", "ssl.key.pem");
            }
            let algorithm = if tls.verify_host { "https" } else { "none" };
            properties.push(("ssl.endpoint.identification.algorithm", algorithm.to_owned()));
        }
        Ok(properties)
    }
}
