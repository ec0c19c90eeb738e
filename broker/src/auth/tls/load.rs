//! PEM text to a rustls configuration.

use std::{fs, io, path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{ClientAuth, PemSource, TlsSettings};

/// Why a listener has no certificates to show. No text of a key is in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The text holds no PEM blocks, or broken ones.
    #[error("the {what} in {origin} cannot be read as PEM: {reason}")]
    Pem {
        /// Certificates or a key.
        what: &'static str,
        /// The file or property.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The key needs a password.
    #[error(
        "the private key in {origin} is encrypted, which is not supported: \
         write it with `openssl pkey -in KEY -out KEY.pem`"
    )]
    EncryptedKey {
        /// The file or property.
        origin: String,
    },
    /// Certificates and key do not fit together, or cannot be used.
    #[error("the certificate or its key cannot be used: {source}")]
    Unusable {
        /// The library's reason.
        #[from]
        source: rustls::Error,
    },
    /// Clients' certificates cannot be checked.
    #[error("the truststore cannot be used: {source}")]
    Truststore {
        /// The library's reason.
        #[from]
        source: VerifierBuilderError,
    },
}

/// Reads every source anew.
pub(super) fn load(settings: &TlsSettings) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let certificates = certificates(&settings.certificates)?;
    let key = private_key(&settings.key)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(settings.versions.supported())?;
    let builder = match client_verifier(settings, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(builder.with_single_cert(certificates, key)?))
}

fn client_verifier(
    settings: &TlsSettings,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if settings.client_auth == ClientAuth::None {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    if let Some(trusted) = &settings.trusted {
        for certificate in certificates(trusted)? {
            roots.add(certificate)?;
        }
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match settings.client_auth {
        ClientAuth::Required => builder,
        ClientAuth::Requested | ClientAuth::None => builder.allow_unauthenticated(),
    };
    Ok(Some(builder.build()?))
}

/// The certificates of a source, in their order; at least one.
pub fn certificates(source: &PemSource) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (text, origin) = read(source)?;
    let what = "certificates";
    let failed = |reason: String| TlsError::Pem { what, origin: origin.clone(), reason };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(failed("there is no CERTIFICATE block".to_owned()))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// The private key of a source.
pub fn private_key(source: &PemSource) -> Result<PrivateKeyDer<'static>, TlsError> {
    let (text, origin) = read(source)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) if contains(&text, b"ENCRYPTED PRIVATE KEY") => {
            Err(TlsError::EncryptedKey { origin })
        }
        // The parser's own words may quote the text.
        Err(pem::Error::NoItemsFound) => {
            let reason = "there is no PRIVATE KEY block".to_owned();
            Err(TlsError::Pem { what: "private key", origin, reason })
        }
        Err(_) => {
            let reason = "a block is broken".to_owned();
            Err(TlsError::Pem { what: "private key", origin, reason })
        }
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

fn read(source: &PemSource) -> Result<(Vec<u8>, String), TlsError> {
    match source {
        PemSource::File(path) => {
            let io = |source| TlsError::Io { path: path.clone(), source };
            Ok((fs::read(path).map_err(io)?, path.display().to_string()))
        }
        PemSource::Inline(text) => {
            Ok((text.expose().as_bytes().to_vec(), "the configuration".to_owned()))
        }
    }
}
