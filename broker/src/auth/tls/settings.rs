//! What a TLS listener's properties say.

use std::{path::PathBuf, str::FromStr};

use rustls::{
    SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

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

impl TlsVersions {
    /// Both, which is the default.
    pub const ALL: Self = Self { tls12: true, tls13: true };

    /// In rustls's words, the newest first.
    #[must_use]
    pub fn supported(self) -> &'static [&'static SupportedProtocolVersion] {
        static TLS12_ONLY: [&SupportedProtocolVersion; 1] = [&TLS12];
        static TLS13_ONLY: [&SupportedProtocolVersion; 1] = [&TLS13];
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match (self.tls12, self.tls13) {
            (true, false) => &TLS12_ONLY,
            (false, true) => &TLS13_ONLY,
            _ => &BOTH,
        }
    }
}

/// A comma-separated list, as `ssl.enabled.protocols` has it.
impl FromStr for TlsVersions {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut versions = Self { tls12: false, tls13: false };
        for name in text.split(',') {
            match name.trim() {
                "TLSv1.2" => versions.tls12 = true,
                "TLSv1.3" => versions.tls13 = true,
                _ => return Err(()),
            }
        }
        Ok(versions)
    }
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
