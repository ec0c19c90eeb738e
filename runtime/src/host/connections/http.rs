//! Connections of the driver `http`.

use std::collections::BTreeMap;

use longshore_broker::auth::{PemSource, Secret};
use longshore_driver_common::Access;
use longshore_driver_http::{Class, Endpoint, HttpConfig, HttpError, HttpSettings};
use serde_json::Value;

use super::Connections;
use super::references::{self, Secrets};
use crate::host::error::Fault;
use crate::host::plugin::OpenContext;
use crate::http;
use crate::kafka::security::TlsSettings;

/// The name of the driver.
pub(super) const DRIVER: &str = "http";

/// What is wrong with settings whose references are not resolved yet.
pub(super) fn wrong(settings: &BTreeMap<String, Value>) -> Option<String> {
    let is_resolved = settings.values().all(references::is_resolved);
    let settings = Value::Object(settings.clone().into_iter().collect());
    match serde_json::from_value(settings) {
        // Unresolved references are strings too, so the shape can be checked.
        Err(error) => Some(error.to_string()),
        Ok(HttpConfig::Http(settings)) if is_resolved => {
            endpoint(&settings, Access::Read).err().map(|error| error.to_string())
        }
        Ok(_) => None,
    }
}

impl Connections {
    /// Opens an HTTP server for a task, with what must not be shown of it.
    pub(crate) async fn http(
        &self,
        name: &str,
        context: &OpenContext,
    ) -> Result<(Endpoint, Secrets), Fault> {
        let (HttpConfig::Http(settings), verb, secrets) =
            self.settings(name, DRIVER, context).await?;
        let access = super::access(verb, context);
        match endpoint(&settings, access) {
            Ok(endpoint) => Ok((endpoint, secrets)),
            Err(error) => Err(fault(&error).hiding(&secrets)),
        }
    }
}

/// Makes a client; nothing is asked yet.
fn endpoint(settings: &HttpSettings, access: Access) -> Result<Endpoint, HttpError> {
    let tls = tls(settings)?;
    let wrong = |error: crate::kafka::ClientError| {
        let reason = format!("or what else it has for TLS cannot be used: {error}");
        HttpError::Setting { setting: "ssl.ca.pem", reason }
    };
    let client = http::client(tls.as_ref()).map_err(wrong)?;
    Endpoint::open(settings, client, access)
}

fn tls(settings: &HttpSettings) -> Result<Option<TlsSettings>, HttpError> {
    let urls = [Some(&settings.url), settings.oauth2_token_url.as_ref()];
    let is_https = |url: &str| url.get(..6).is_some_and(|it| it.eq_ignore_ascii_case("https:"));
    let is_tls = urls.into_iter().flatten().any(|url| is_https(url.trim_start()));
    let given = [
        ("ssl.ca.pem", settings.ssl_ca_pem.is_some()),
        ("ssl.certificate.pem", settings.ssl_certificate_pem.is_some()),
        ("ssl.key.pem", settings.ssl_key_pem.is_some()),
    ];
    if !is_tls {
        return match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((setting, _)) => {
                let reason = "has no effect without an address of https".to_owned();
                Err(HttpError::Setting { setting, reason })
            }
            None => Ok(None),
        };
    }
    let inline = |text: &str| PemSource::Inline(Secret::new(text.to_owned()));
    let identity = match (&settings.ssl_certificate_pem, &settings.ssl_key_pem) {
        (Some(chain), Some(key)) => Some((inline(chain), inline(key.reveal()))),
        (None, None) => None,
        _ => {
            let reason = "needs `ssl.key.pem` beside it, and that one it".to_owned();
            return Err(HttpError::Setting { setting: "ssl.certificate.pem", reason });
        }
    };
    let authorities = settings.ssl_ca_pem.as_deref().map(inline);
    Ok(Some(TlsSettings { authorities, identity, ..TlsSettings::of_system() }))
}

/// What cannot be opened as the contract's fault.
fn fault(error: &HttpError) -> Fault {
    let (code, message) = (error.code(), error.to_string());
    match error.class() {
        Class::Retry => Fault::Retry { code, message, after: error.after() },
        Class::Config | Class::Reject => Fault::Config { code, message },
        Class::Fatal => Fault::Fatal { code, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(settings: Value) -> Option<String> {
        wrong(&settings.as_object().unwrap().clone().into_iter().collect())
    }

    #[test]
    fn settings_are_checked_before_anybody_uses_them_as_far_as_they_can_be() {
        use serde_json::json;
        let https = "https://a/";
        assert_eq!(reason(json!({ "kind": "http", "url": https })), None);
        assert_eq!(reason(json!({ "kind": "http", "url": "${env:URL}" })), None);
        for (setting, settings) in [
            ("url", json!({ "kind": "http", "url": "a" })),
            ("token", json!({ "kind": "http", "url": https, "token": "hunter22" })),
            ("bearer.token", json!({ "kind": "http", "url": https, "bearer.token": "hunter22" })),
            ("ssl.ca.pem", json!({ "kind": "http", "url": https, "ssl.ca.pem": "hunter22" })),
            ("ssl.ca.pem", json!({ "kind": "http", "url": "http://a/", "ssl.ca.pem": "x" })),
            (
                "ssl.certificate.pem",
                json!({ "kind": "http", "url": https, "ssl.key.pem": "hunter22" }),
            ),
        ] {
            let reason = reason(settings).unwrap();
            assert!(reason.contains(setting) && !reason.contains("hunter22"), "{reason}");
        }
    }
}
