//! Where a registry is, and who asks it.

use std::collections::BTreeMap;
use std::time::Duration;

use longshore_broker::auth::Secret;
use reqwest::Url;

use crate::kafka::security::{Security, TlsSettings};
use crate::yaml::did_you_mean;

/// How long a connection to a registry may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take, its connection included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The property with a registry's addresses.
pub const URL: &str = "schema.registry.url";

const USER: &str = "basic.auth.user.info";
const TOKEN: &str = "bearer.auth.token";
/// What Confluent's clients say beside these, with the value that it has here.
const SOURCES: [(&str, &str, &str); 2] = [
    ("basic.auth.credentials.source", "USER_INFO", USER),
    ("bearer.auth.credentials.source", "STATIC_TOKEN", TOKEN),
];
/// What stands for a credential where something is shown.
const MASK: &str = "********";

/// Where a registry is, and who asks it.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// Its addresses, asked in turn from the one that answered last.
    pub urls: Vec<Url>,
    /// Who asks.
    pub credentials: Credentials,
    /// Whom it trusts over TLS, and what it shows.
    pub tls: TlsSettings,
    /// For each address: [`REQUEST_TIMEOUT`] unless said otherwise.
    pub timeout: Duration,
    /// Schemas may be registered.
    pub may_register: bool,
}

/// Who asks a registry.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nobody in particular.
    None,
    /// `basic.auth.user.info`: a name and its password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// `bearer.auth.token`.
    Bearer(Secret),
}

impl Credentials {
    /// Words of a registry, which may repeat what it was sent, without the credential.
    pub(super) fn hidden_in(&self, words: String) -> String {
        match self {
            Self::Basic { password: secret, .. } | Self::Bearer(secret)
                if !secret.expose().is_empty() =>
            {
                words.replace(secret.expose(), MASK)
            }
            _ => words,
        }
    }
}

impl RegistrySettings {
    /// Reads addresses that are separated by commas; the error says what is wrong.
    pub fn at(urls: &str) -> Result<Self, String> {
        let urls: Result<Vec<_>, _> = urls.split(',').map(str::trim).map(address).collect();
        Ok(Self {
            urls: urls?,
            credentials: Credentials::None,
            tls: TlsSettings::of_system(),
            timeout: REQUEST_TIMEOUT,
            may_register: true,
        })
    }

    /// Reads a connection's settings: `schema.registry.url`, `basic.auth.user.info` or
    /// `bearer.auth.token`, and `ssl.*` as Kafka's clients have it, certificates and keys
    /// in their own text. The error quotes no value.
    pub fn of_properties(mut properties: BTreeMap<String, String>) -> Result<Self, String> {
        Self::check_names(properties.keys().map(String::as_str))?;
        let urls = properties.remove(URL).ok_or_else(|| format!("`{URL}` is missing"))?;
        let settings = Self::at(&urls).map_err(|reason| format!("`{URL}`: {reason}"))?;
        for (name, only, beside) in SOURCES {
            let Some(source) = properties.remove(name) else { continue };
            if source != only || !properties.contains_key(beside) {
                return Err(format!("`{name}` can only be {only}, with `{beside}`"));
            }
        }
        let credentials = credentials(properties.remove(USER), properties.remove(TOKEN))?;
        if !settings.is_tls() {
            return match properties.keys().next() {
                Some(name) => Err(format!("`{name}` has no effect without an address of https")),
                None => Ok(Self { credentials, ..settings }),
            };
        }
        properties.insert("security.protocol".to_owned(), "SSL".to_owned());
        let security = Security::take(&mut properties).map_err(|error| error.to_string())?;
        let tls = security.tls.expect("the protocol is SSL");
        Ok(Self { credentials, tls, ..settings })
    }

    /// Refuses a name that no setting of a connection has.
    pub fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let own = [URL, USER, TOKEN, SOURCES[0].0, SOURCES[1].0];
        for name in names {
            // A path would be looked up on whatever worker opens the connection.
            if name.starts_with("ssl.") && name.ends_with(".location") {
                return Err(format!(
                    "`{name}` is not taken: give the text itself, such as `ssl.ca.pem: \
                     ${{file:PATH}}`"
                ));
            }
            if !own.contains(&name) && !name.starts_with("ssl.") {
                let help = did_you_mean(name, own).unwrap_or_default();
                return Err(format!("there is no setting `{name}`; {help}"));
            }
        }
        Ok(())
    }

    /// True if an address is asked over TLS.
    pub fn is_tls(&self) -> bool {
        self.urls.iter().any(|url| url.scheme() == "https")
    }
}

fn credentials(user: Option<String>, token: Option<String>) -> Result<Credentials, String> {
    match (user, token) {
        (None, None) => Ok(Credentials::None),
        (None, Some(token)) => Ok(Credentials::Bearer(Secret::new(token))),
        (Some(user), None) => match user.split_once(':') {
            Some((user, password)) => Ok(Credentials::Basic {
                user: user.to_owned(),
                password: Secret::new(password.to_owned()),
            }),
            None => Err(format!("`{USER}` is no name and password with a colon between")),
        },
        (Some(_), Some(_)) => Err(format!("of `{USER}` and `{TOKEN}` only one can be")),
    }
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{}` is no URL: {error}", hidden(text)))?;
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        return Err(format!("`{}` is no address of http or https", hidden(text)));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // It would be shown with the connector's configuration.
        return Err("an address has a user or a password, which would be shown".to_owned());
    }
    Ok(url)
}

/// An address that may hold a password before its host.
fn hidden(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_separated_by_commas_and_show_no_password() {
        let settings = RegistrySettings::at("http://a:8081, https://b/prefix/").unwrap();
        assert_eq!(settings.urls.len(), 2);
        assert!(settings.is_tls());
        for wrong in ["", "a:8081", "ftp://a", "http://a,,http://b", "http://u:secret@a"] {
            let error = RegistrySettings::at(wrong).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_connections_settings_are_read_whole_and_none_is_quoted() {
        let read = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            RegistrySettings::of_properties(pairs.collect())
        };
        let (http, https) = ((URL, "http://a"), (URL, "https://a"));
        let basic = read(&[http, (USER, "me:hunter2:x")]).unwrap();
        let shown = format!("{basic:?}");
        assert!(shown.contains("\"me\"") && !shown.contains("hunter2"), "{shown}");
        assert!(read(&[https, (TOKEN, "hunter2"), ("ssl.enabled.protocols", "TLSv1.3")]).is_ok());
        for wrong in [
            &[][..],
            &[http, (USER, "hunter2")],
            &[http, (USER, "a:hunter2"), (TOKEN, "hunter2")],
            &[http, ("ssl.ca.pem", "hunter2")],
            &[https, ("ssl.ca.location", "/hunter2")],
            &[http, ("user", "hunter2")],
            &[https, ("sasl.password", "hunter2")],
            &[http, (USER, "a:hunter2"), ("basic.auth.credentials.source", "SASL_INHERIT")],
            &[http, ("bearer.auth.credentials.source", "STATIC_TOKEN")],
        ] {
            let error = read(wrong).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
