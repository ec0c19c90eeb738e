//! A connection's settings.

use std::collections::BTreeMap;

use longshore_driver_common::Secret;
use serde::Deserialize;

use crate::limits::{CONNECT_TIMEOUT_MS, REQUEST_TIMEOUT_MS};

/// What the server is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum HttpConfig {
    /// Any that speaks HTTP/1.1.
    Http(HttpSettings),
}

/// A server, and as whom it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// What all requests are beneath: `https://host:port/path/`.
    pub url: String,
    /// How requests say whose they are.
    #[serde(default, rename = "auth.type")]
    pub auth_type: Authentication,
    /// The user, for `basic`.
    #[serde(rename = "connection.user")]
    pub connection_user: Option<String>,
    /// The user's password, for `basic`.
    #[serde(rename = "connection.password")]
    pub connection_password: Option<Secret>,
    /// The token, for `bearer`.
    #[serde(rename = "bearer.token")]
    pub bearer_token: Option<Secret>,
    /// Where tokens are had, for `oauth2`.
    #[serde(rename = "oauth2.token.url")]
    pub oauth2_token_url: Option<String>,
    /// Who asks for them.
    #[serde(rename = "oauth2.client.id")]
    pub oauth2_client_id: Option<String>,
    /// The client's secret.
    #[serde(rename = "oauth2.client.secret")]
    pub oauth2_client_secret: Option<Secret>,
    /// What the token is to allow.
    #[serde(rename = "oauth2.client.scope")]
    pub oauth2_client_scope: Option<String>,
    /// Where the client's id and secret stand.
    #[serde(default, rename = "oauth2.client.auth.mode")]
    pub oauth2_client_auth_mode: ClientAuthMode,
    /// Headers of every request, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The authorities that the server's certificate is checked against, as PEM; those of
    /// the system without it.
    #[serde(rename = "ssl.ca.pem")]
    pub ssl_ca_pem: Option<String>,
    /// The certificate that the client shows, with those that it is signed by, as PEM.
    #[serde(rename = "ssl.certificate.pem")]
    pub ssl_certificate_pem: Option<String>,
    /// Its key, as PEM.
    #[serde(rename = "ssl.key.pem")]
    pub ssl_key_pem: Option<Secret>,
    /// How long a connection may take to come about, in milliseconds.
    #[serde(default = "connect_timeout", rename = "connect.timeout.ms")]
    pub connect_timeout_ms: u64,
    /// How long a request may take with its connection, its token and its answer, in
    /// milliseconds.
    #[serde(default = "request_timeout", rename = "request.timeout.ms")]
    pub request_timeout_ms: u64,
}

fn connect_timeout() -> u64 {
    CONNECT_TIMEOUT_MS
}

fn request_timeout() -> u64 {
    REQUEST_TIMEOUT_MS
}

/// How requests say whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authentication {
    /// They do not.
    #[default]
    None,
    /// With a name and its password (RFC 7617).
    Basic,
    /// With a token that does not change (RFC 6750).
    Bearer,
    /// With tokens that a client's id and secret are given for (RFC 6749, section 4.4).
    Oauth2,
}

/// Where the client's id and secret stand when a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuthMode {
    /// In the header `Authorization`.
    #[default]
    Header,
    /// In the request's body.
    Body,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<HttpSettings, serde_json::Error> {
        serde_json::from_str(json).map(|HttpConfig::Http(settings)| settings)
    }

    #[test]
    fn a_server_needs_no_more_than_its_url_and_misspelt_settings_are_refused() {
        let settings = read(r#"{"kind":"http","url":"http://a"}"#).unwrap();
        assert_eq!(settings.auth_type, Authentication::None);
        assert_eq!((settings.connect_timeout_ms, settings.request_timeout_ms), (5_000, 10_000));
        for wrong in [
            r#"{"url":"http://a"}"#,
            r#"{"kind":"http"}"#,
            r#"{"kind":"http","url":"http://a","auth.type":"digest"}"#,
            r#"{"kind":"http","url":"http://a","token":"x"}"#,
            r#"{"kind":"http","url":"http://a","request.timeout.ms":-1}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_page_tells_every_setting() {
        let page = include_str!("../README.md");
        let rows = page.lines().skip_while(|line| !line.starts_with("| `"));
        let told: Vec<_> = rows
            .take_while(|line| line.starts_with("| `"))
            .map(|line| line.split('`').nth(1).unwrap().to_owned())
            .collect();
        let error = serde_json::from_str::<HttpSettings>(r#"{"url":"a","other":1}"#).unwrap_err();
        let names = error.to_string();
        let known: Vec<_> = names.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        assert_eq!(told, known);
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = read(
            r#"{"kind":"http","url":"http://a","connection.password":"hunter2",
                "bearer.token":"hunter3","oauth2.client.secret":"hunter4","ssl.key.pem":"hunter5"}"#,
        )
        .unwrap();
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter") && shown.contains("********"), "{shown}");
    }
}
