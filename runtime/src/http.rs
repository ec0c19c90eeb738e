//! HTTP clients, whose TLS is rustls on ring as everywhere.

use std::sync::Arc;

use reqwest::{Client, ClientBuilder};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::kafka::ClientError;
use crate::kafka::security::{TlsSettings, client_config};

/// Begins a client that goes through no proxy and follows no redirection. Without
/// `tls` it trusts nobody, and is for `http` alone.
pub(crate) fn client(tls: Option<&TlsSettings>) -> Result<ClientBuilder, ClientError> {
    let config = match tls {
        Some(tls) => client_config(tls)?,
        None => {
            let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
            let builder = builder.with_safe_default_protocol_versions().map_err(|error| {
                let (name, reason) = ("ssl.enabled.protocols".to_owned(), error.to_string());
                ClientError::Config { name, reason }
            })?;
            let none = RootCertStore::empty();
            Arc::new(builder.with_root_certificates(none).with_no_client_auth())
        }
    };
    let redirect = reqwest::redirect::Policy::none();
    Ok(Client::builder().no_proxy().redirect(redirect).tls_backend_preconfigured((*config).clone()))
}
