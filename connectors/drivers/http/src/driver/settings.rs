//! A connection's settings, checked.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue};

use super::header;
use super::hidden::Hidden;
use super::tokens::Tokens;
use crate::classify::HttpError;
use crate::config::{Authentication, HttpSettings};
use crate::limits::TIMEOUT_MS_MAX;

/// What the client is made of.
#[derive(Debug)]
pub(super) struct Checked {
    /// It ends with a slash.
    pub(super) base: Url,
    pub(super) headers: HeaderMap,
    pub(super) auth: Auth,
    pub(super) hidden: Hidden,
    pub(super) connect_timeout: Duration,
    pub(super) timeout: Duration,
}

/// How requests say whose they are.
#[derive(Debug)]
pub(super) enum Auth {
    None,
    Fixed(HeaderValue),
    Tokens(Box<Tokens>),
}

impl Auth {
    /// Whether there may be another credential than one that is refused.
    pub(super) fn renews(&self) -> bool {
        matches!(self, Self::Tokens(_))
    }
}

fn wrong<T>(setting: &'static str, reason: impl Into<String>) -> Result<T, HttpError> {
    Err(HttpError::Setting { setting, reason: reason.into() })
}

/// Checks the settings; what is wrong is told without any value.
pub(super) fn check(settings: &HttpSettings) -> Result<Checked, HttpError> {
    let mut base = address("url", &settings.url)?;
    if base.query().is_some() {
        return wrong("url", "has a query; it belongs to the connector's path");
    }
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    let mut hidden = Hidden::default();
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let (header, mut given) = header(name, value)
            .or_else(|reason| wrong("headers", format!("has `{name}`, which {reason}")))?;
        if is_secret(name) {
            given.set_sensitive(true);
            hidden.add(value);
        }
        headers.insert(header, given);
    }
    let auth = auth(settings, &mut hidden)?;
    Ok(Checked {
        base,
        headers,
        auth,
        hidden,
        connect_timeout: timeout("connect.timeout.ms", settings.connect_timeout_ms)?,
        timeout: timeout("request.timeout.ms", settings.request_timeout_ms)?,
    })
}

fn timeout(setting: &'static str, ms: u64) -> Result<Duration, HttpError> {
    if ms == 0 || ms > TIMEOUT_MS_MAX {
        return wrong(setting, format!("is not between 1 and {TIMEOUT_MS_MAX}"));
    }
    Ok(Duration::from_millis(ms))
}

/// Whether a header's value is a credential, as its name tells.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "cookie", "credential", "key", "password", "secret", "signature", "token"]
        .iter()
        .any(|part| name.contains(part))
}

fn auth(settings: &HttpSettings, hidden: &mut Hidden) -> Result<Auth, HttpError> {
    let of = [
        ("connection.user", settings.connection_user.is_some(), Authentication::Basic),
        ("connection.password", settings.connection_password.is_some(), Authentication::Basic),
        ("bearer.token", settings.bearer_token.is_some(), Authentication::Bearer),
        ("oauth2.token.url", settings.oauth2_token_url.is_some(), Authentication::Oauth2),
        ("oauth2.client.id", settings.oauth2_client_id.is_some(), Authentication::Oauth2),
        ("oauth2.client.secret", settings.oauth2_client_secret.is_some(), Authentication::Oauth2),
    ];
    for (setting, is_set, auth_type) in of {
        let is_needed = settings.auth_type == auth_type;
        if is_set != is_needed {
            let which = format!("{auth_type:?}").to_ascii_lowercase();
            let reason = if is_needed { "is missing, for" } else { "has no effect without" };
            return wrong(setting, format!("{reason} `auth.type: {which}`"));
        }
    }
    if settings.oauth2_client_scope.is_some() && settings.auth_type != Authentication::Oauth2 {
        return wrong("oauth2.client.scope", "has no effect without `auth.type: oauth2`");
    }
    let secret = |secret: &Option<crate::Secret>| secret.as_ref().map(|it| it.reveal().to_owned());
    match settings.auth_type {
        Authentication::None => Ok(Auth::None),
        Authentication::Basic => {
            let user = settings.connection_user.clone().unwrap_or_default();
            if user.contains(':') {
                return wrong("connection.user", "has a colon, which no user's name may have");
            }
            let password = secret(&settings.connection_password).unwrap_or_default();
            let encoded = BASE64.encode(format!("{user}:{password}"));
            hidden.add(&password);
            hidden.add(&encoded);
            fixed("connection.password", &format!("Basic {encoded}"))
        }
        Authentication::Bearer => {
            let token = secret(&settings.bearer_token).unwrap_or_default();
            hidden.add(&token);
            fixed("bearer.token", &format!("Bearer {token}"))
        }
        Authentication::Oauth2 => {
            let url = settings.oauth2_token_url.as_deref().unwrap_or_default();
            let url = address("oauth2.token.url", url)?;
            let client = settings.oauth2_client_id.clone().unwrap_or_default();
            let secret = secret(&settings.oauth2_client_secret).unwrap_or_default();
            hidden.add(&secret);
            let scope = settings.oauth2_client_scope.clone();
            let tokens = Tokens::new(url, client, secret, scope, settings.oauth2_client_auth_mode);
            if let Some(credential) = tokens.basic() {
                hidden.add(credential);
            }
            Ok(Auth::Tokens(Box::new(tokens)))
        }
    }
}

fn fixed(setting: &'static str, credential: &str) -> Result<Auth, HttpError> {
    match HeaderValue::from_str(credential) {
        Ok(mut credential) => {
            credential.set_sensitive(true);
            Ok(Auth::Fixed(credential))
        }
        Err(_) => wrong(setting, "has characters that no header may have"),
    }
}

fn address(setting: &'static str, text: &str) -> Result<Url, HttpError> {
    let Ok(url) = Url::parse(text) else { return wrong(setting, "is no URL") };
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        return wrong(setting, "is no address of http or https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(setting, "has a user or a password, which would be shown: see `auth.type`");
    }
    if url.fragment().is_some() {
        return wrong(setting, "has a fragment");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HttpConfig;

    fn checked(more: &str) -> Result<Checked, HttpError> {
        let url = if more.contains(r#""url""#) { "" } else { r#","url":"http://a/b""# };
        let comma = if more.is_empty() { "" } else { "," };
        let json = format!(r#"{{"kind":"http"{url}{comma}{more}}}"#);
        let HttpConfig::Http(settings) = serde_json::from_str(&json).unwrap();
        check(&settings)
    }

    #[test]
    fn a_url_is_a_folder() {
        assert_eq!(checked("").unwrap().base.as_str(), "http://a/b/");
        assert_eq!(checked(r#""url":"https://a""#).unwrap().base.as_str(), "https://a/");
    }

    #[test]
    fn credentials_say_whose_requests_are_and_are_not_shown() {
        let basic =
            r#""auth.type":"basic","connection.user":"me","connection.password":"hunter22""#;
        let Auth::Fixed(credential) = checked(basic).unwrap().auth else { panic!("it is fixed") };
        assert_eq!(credential, "Basic bWU6aHVudGVyMjI=");
        let bearer = r#""auth.type":"bearer","bearer.token":"hunter22""#;
        let oauth2 = r#""auth.type":"oauth2","oauth2.token.url":"http://t/","oauth2.client.id":"me",
            "oauth2.client.secret":"hunter22","oauth2.client.scope":"write""#;
        for settings in [basic, bearer, oauth2, r#""headers":{"X-Api-Key":"hunter22"}"#] {
            let shown = format!("{:?}", checked(settings).unwrap());
            assert!(!shown.contains("hunter22") && !shown.contains("bWU6"), "{shown}");
        }
    }

    #[test]
    fn settings_that_cannot_be_are_told_by_name_and_not_by_value() {
        for (setting, settings) in [
            ("url", r#""url":"hunter22""#),
            ("url", r#""url":"ftp://hunter22/""#),
            ("url", r#""url":"http://me:hunter22@a/""#),
            ("url", r#""url":"http://a/?x=hunter22""#),
            ("url", r#""url":"http://a/#hunter22""#),
            ("bearer.token", r#""bearer.token":"hunter22""#),
            ("bearer.token", r#""auth.type":"bearer""#),
            ("bearer.token", r#""auth.type":"bearer","bearer.token":"hunter22\n""#),
            ("connection.password", r#""auth.type":"basic","connection.user":"hunter22""#),
            (
                "connection.user",
                r#""auth.type":"basic","connection.user":"a:b","connection.password":"hunter22""#,
            ),
            ("oauth2.client.scope", r#""oauth2.client.scope":"hunter22""#),
            ("oauth2.client.id", r#""auth.type":"oauth2","oauth2.token.url":"hunter22""#),
            ("headers", r#""headers":{"Authorization":"hunter22"}"#),
            ("headers", r#""headers":{"x":"hunter22\r\ny: z"}"#),
            ("connect.timeout.ms", r#""connect.timeout.ms":0"#),
            ("request.timeout.ms", r#""request.timeout.ms":60000"#),
        ] {
            let error = checked(settings).unwrap_err();
            assert!(!error.to_string().contains("hunter22"), "{error}");
            let HttpError::Setting { setting: told, .. } = error else { panic!("{error}") };
            assert_eq!(told, setting, "{settings}");
        }
    }
}
