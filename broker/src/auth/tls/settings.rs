//! What a TLS listener's properties say.

use std::path::PathBuf;

use crate::auth::{PrincipalMapping, Secret};

/// Where PEM text comes from.
#[derive(Debug, Clone)]
pub enum PemSource {
    /// A file, which may change while the broker runs.
    File(PathBuf),
    /// The property itself.
    Inline(Secret),
}

/// `ssl.client.auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Clients are not asked for a certificate.
    None,
    /// A client may show one; it must then be good.
    Requested,
    /// A client without one is refused.
    Required,
}

/// `ssl.enabled.protocols`; at least one is enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsVersions {
    /// TLSv1.2.
    pub tls12: bool,
    /// TLSv1.3.
    pub tls13: bool,
}

/// A TLS listener's settings.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// The certificate chain, leaf first: `ssl.keystore.location` or
    /// `ssl.keystore.certificate.chain`.
    pub certificates: PemSource,
    /// The private key, unencrypted PKCS#8, PKCS#1 or SEC1: `ssl.keystore.location`
    /// or `ssl.keystore.key`.
    pub key: PemSource,
    /// The authorities that clients' certificates are checked against:
    /// `ssl.truststore.location` or `ssl.truststore.certificates`.
    pub trusted: Option<PemSource>,
    /// `ssl.client.auth`.
    pub client_auth: ClientAuth,
    /// `ssl.enabled.protocols`.
    pub versions: TlsVersions,
    /// `ssl.principal.mapping.rules`.
    pub mapping: PrincipalMapping,
}

impl TlsSettings {
    /// The files that the certificates are read from.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let sources = [Some(&self.certificates), Some(&self.key), self.trusted.as_ref()];
        let file = |source: &PemSource| match source {
            PemSource::File(path) => Some(path.clone()),
            PemSource::Inline(_) => None,
        };
        let mut files: Vec<PathBuf> = sources.into_iter().flatten().filter_map(file).collect();
        files.sort();
        files.dedup();
        files
    }
}
