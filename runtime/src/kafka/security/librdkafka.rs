//! The settings by librdkafka's names.

use longshore_broker::auth::PemSource;

use super::Security;

impl Security {
    /// The properties of a librdkafka client, its secrets among them.
    pub(in crate::kafka) fn librdkafka(&self) -> Vec<(&'static str, String)> {
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => return Vec::new(),
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
        properties
    }
}
