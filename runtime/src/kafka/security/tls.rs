//! Certificates to a rustls configuration.

use std::path::Path;
use std::sync::Arc;

use longshore_broker::auth::{PemSource, TlsError, certificates, private_key};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::TlsSettings;
use crate::kafka::error::ClientError;

/// Where systems keep the authorities that they trust, as librdkafka looks for them.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Reads the certificates; the error names the property to look at.
pub(crate) fn client_config(settings: &TlsSettings) -> Result<Arc<ClientConfig>, ClientError> {
    let wrong = |name: &str, error: &dyn std::fmt::Display| ClientError::Config {
        name: name.to_owned(),
        reason: error.to_string(),
    };
    let provider = Arc::new(ring::default_provider());
    let roots =
        roots(settings.authorities.as_ref()).map_err(|error| wrong("ssl.ca.location", &error))?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| wrong("ssl.ca.location", &error))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(settings.versions.supported())
        .map_err(|error| wrong("ssl.enabled.protocols", &error))?;
    let builder = if settings.verify_host {
        builder.with_webpki_verifier(verifier)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyHost(verifier)))
    };
    let config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let name = "ssl.certificate.location";
            let chain = certificates(chain).map_err(|error| wrong(name, &error))?;
            let key = private_key(key).map_err(|error| wrong("ssl.key.location", &error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| wrong(name, &error))?
        }
    };
    Ok(Arc::new(config))
}

fn roots(authorities: Option<&PemSource>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(given) => {
            for certificate in certificates(given)? {
                roots.add(certificate)?;
            }
        }
        None => {
            let found = SYSTEM_AUTHORITIES.iter().map(Path::new).find(|path| path.is_file());
            let path = found.unwrap_or(Path::new(SYSTEM_AUTHORITIES[0])).to_owned();
            // A system's bundle may hold certificates that nothing can be checked
            // against; the others still count.
            roots.add_parsable_certificates(certificates(&PemSource::File(path))?);
        }
    }
    Ok(roots)
}

/// Checks all but the name of the host.
#[derive(Debug)]
struct AnyHost(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is what is checked last, when all else held.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
