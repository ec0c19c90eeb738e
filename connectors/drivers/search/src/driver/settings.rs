//! A connection's settings, checked.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use elasticsearch::auth::Credentials;
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::Url;
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use longshore_driver_common::Secret;

use crate::classify::SearchError;
use crate::config::{Authentication, SearchSettings};
use crate::limits::{HIDDEN_BYTES_MIN, TIMEOUT_MS_MAX, WORDS_MAX};

/// What the client is made of.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) transport: Transport,
    /// It ends with a slash.
    pub(super) base: String,
    pub(super) hidden: Hidden,
    pub(super) timeout: Duration,
}

/// Credentials, kept out of words.
pub(super) struct Hidden(Vec<String>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

impl Hidden {
    /// A server's words in one line of a length that can be read, without credentials.
    pub(super) fn words(&self, words: &str) -> String {
        let hide = |words: String, secret: &String| words.replace(secret, "********");
        let words = self.0.iter().fold(words.to_owned(), hide);
        let words: Vec<_> = words.split_whitespace().collect();
        let words: String = words.join(" ").chars().filter(|c| !c.is_control()).collect();
        cut(&words, WORDS_MAX)
    }
}

/// The first characters of a text.
pub(super) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

fn wrong<T>(setting: &'static str, reason: impl Into<String>) -> Result<T, SearchError> {
    Err(SearchError::Setting { setting, reason: reason.into() })
}

/// Checks the settings; what is wrong is told without any value.
pub(super) fn check(settings: &SearchSettings) -> Result<Checked, SearchError> {
    let url = address(&settings.url)?;
    let ms = settings.request_timeout_ms;
    if ms == 0 || ms > TIMEOUT_MS_MAX {
        let reason = format!("is not between 1 and {TIMEOUT_MS_MAX}");
        return wrong("request.timeout.ms", reason);
    }
    let base = url.to_string();
    let is_tls = url.scheme() == "https";
    let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(url))
        .disable_proxy()
        .enable_meta_header(false);
    let mut hidden = Vec::new();
    if let Some(credentials) = credentials(settings, &mut hidden)? {
        builder = builder.auth(credentials);
    }
    if let Some(pem) = &settings.ssl_ca_pem {
        if !is_tls {
            return wrong("ssl.ca.pem", "has no effect without an address of https");
        }
        let Ok(certificate) = Certificate::from_pem(pem.as_bytes()) else {
            return wrong("ssl.ca.pem", "has no certificate as PEM that can be read");
        };
        builder = builder.cert_validation(CertificateValidation::Full(certificate));
    }
    let Ok(transport) = builder.build() else {
        return wrong("ssl.ca.pem", "or what else there is for TLS cannot be used");
    };
    hidden.retain(|secret| secret.len() >= HIDDEN_BYTES_MIN);
    let timeout = Duration::from_millis(ms);
    Ok(Checked { transport, base, hidden: Hidden(hidden), timeout })
}

fn address(text: &str) -> Result<Url, SearchError> {
    let Ok(mut url) = Url::parse(text) else { return wrong("url", "is no URL") };
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        return wrong("url", "is no address of http or https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("url", "has a user or a password, which would be shown: see `auth.type`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("url", "has a query or a fragment");
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn credentials(
    settings: &SearchSettings,
    hidden: &mut Vec<String>,
) -> Result<Option<Credentials>, SearchError> {
    let of = [
        ("connection.user", settings.connection_user.is_some(), Authentication::Basic),
        ("connection.password", settings.connection_password.is_some(), Authentication::Basic),
        ("api.key", settings.api_key.is_some(), Authentication::ApiKey),
    ];
    for (setting, is_set, auth_type) in of {
        let is_needed = settings.auth_type == auth_type;
        if is_set != is_needed {
            let which = if auth_type == Authentication::Basic { "basic" } else { "api-key" };
            let reason = if is_needed { "is missing, for" } else { "has no effect without" };
            return wrong(setting, format!("{reason} `auth.type: {which}`"));
        }
    }
    let reveal = |secret: &Option<Secret>| secret.as_ref().map(|it| it.reveal().to_owned());
    match settings.auth_type {
        Authentication::None => Ok(None),
        Authentication::Basic => {
            let user = settings.connection_user.clone().unwrap_or_default();
            if user.contains(':') {
                return wrong("connection.user", "has a colon, which no user's name may have");
            }
            let password = reveal(&settings.connection_password).unwrap_or_default();
            hidden.extend([BASE64.encode(format!("{user}:{password}")), password.clone()]);
            Ok(Some(Credentials::Basic(user, password)))
        }
        Authentication::ApiKey => {
            let key = reveal(&settings.api_key).unwrap_or_default();
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return wrong("api.key", "is not as the server encodes keys, in base64");
            }
            hidden.push(key.clone());
            Ok(Some(Credentials::EncodedApiKey(key)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SearchConfig;

    fn checked(more: &str) -> Result<Checked, SearchError> {
        let url = if more.contains(r#""url""#) { "" } else { r#","url":"http://a/b""# };
        let comma = if more.is_empty() { "" } else { "," };
        let json = format!(r#"{{"kind":"elasticsearch"{url}{comma}{more}}}"#);
        let SearchConfig::Elasticsearch(settings) = serde_json::from_str(&json).unwrap();
        check(&settings)
    }

    #[test]
    fn a_url_is_a_folder_and_credentials_are_not_in_words() {
        assert_eq!(checked("").unwrap().base, "http://a/b/");
        let basic =
            r#""auth.type":"basic","connection.user":"me","connection.password":"hunter22""#;
        let checked = checked(basic).unwrap();
        let words = checked.hidden.words(" hunter22\r\nis bWU6aHVudGVyMjI=\u{7} ");
        assert_eq!(words, "******** is ********");
        assert_eq!(checked.hidden.words(&"ä".repeat(400)).chars().count(), 303);
        assert!(!format!("{:?}", checked.hidden).contains("hunter"));
    }

    #[test]
    fn settings_that_cannot_be_are_told_by_name_and_not_by_value() {
        for (setting, settings) in [
            ("url", r#""url":"hunter22""#),
            ("url", r#""url":"ftp://hunter22/""#),
            ("url", r#""url":"http://me:hunter22@a/""#),
            ("url", r#""url":"http://a/?x=hunter22""#),
            ("connection.password", r#""auth.type":"basic","connection.user":"hunter22""#),
            (
                "connection.user",
                r#""auth.type":"basic","connection.user":"a:b","connection.password":"hunter22""#,
            ),
            ("connection.user", r#""connection.user":"hunter22""#),
            ("api.key", r#""api.key":"hunter22""#),
            ("api.key", r#""auth.type":"api-key""#),
            ("api.key", r#""auth.type":"api-key","api.key":"hunter22\n""#),
            ("ssl.ca.pem", r#""ssl.ca.pem":"hunter22""#),
            ("ssl.ca.pem", r#""url":"https://a","ssl.ca.pem":"hunter22""#),
            ("request.timeout.ms", r#""request.timeout.ms":0"#),
            ("request.timeout.ms", r#""request.timeout.ms":60000"#),
        ] {
            let error = checked(settings).unwrap_err();
            assert!(!error.to_string().contains("hunter22"), "{error}");
            let SearchError::Setting { setting: told, .. } = error else { panic!("{error}") };
            assert_eq!(told, setting, "{settings}");
        }
    }
}
