//! A connection's settings.

use longshore_driver_common::Secret;
use serde::Deserialize;

use crate::limits::REQUEST_TIMEOUT_MS;

/// What the cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SearchConfig {
    /// Elasticsearch, or what has its bulk API: OpenSearch.
    Elasticsearch(SearchSettings),
}

/// A cluster, and as whom it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Where the cluster is: `https://host:port`, perhaps with a path before its own.
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
    /// The key as the server encoded it when it was made, for `api-key`.
    #[serde(rename = "api.key")]
    pub api_key: Option<Secret>,
    /// The authorities that the server's certificate is checked against, as PEM, beside
    /// those that the client knows.
    #[serde(rename = "ssl.ca.pem")]
    pub ssl_ca_pem: Option<String>,
    /// How long a request may take with its connection and its answer, in milliseconds.
    #[serde(default = "request_timeout", rename = "request.timeout.ms")]
    pub request_timeout_ms: u64,
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
    /// With a key that the cluster made.
    ApiKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<SearchSettings, serde_json::Error> {
        serde_json::from_str(json).map(|SearchConfig::Elasticsearch(settings)| settings)
    }

    #[test]
    fn a_cluster_needs_no_more_than_its_url_and_misspelt_settings_are_refused() {
        let settings = read(r#"{"kind":"elasticsearch","url":"http://a"}"#).unwrap();
        assert_eq!(settings.auth_type, Authentication::None);
        assert_eq!(settings.request_timeout_ms, 10_000);
        for wrong in [
            r#"{"url":"http://a"}"#,
            r#"{"kind":"elasticsearch"}"#,
            r#"{"kind":"solr","url":"http://a"}"#,
            r#"{"kind":"elasticsearch","url":"http://a","auth.type":"digest"}"#,
            r#"{"kind":"elasticsearch","url":"http://a","apikey":"x"}"#,
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
            .filter_map(|line| line.split('`').nth(1))
            .collect();
        let unknown = serde_json::from_str::<SearchSettings>(r#"{"url":"a","other":1}"#);
        let error = unknown.unwrap_err().to_string();
        let known: Vec<_> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(told, known);
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = r#"{"kind":"elasticsearch","url":"http://a",
            "connection.password":"hunter2","api.key":"hunter3"}"#;
        let shown = format!("{:?}", read(settings).unwrap());
        assert!(!shown.contains("hunter") && shown.contains("********"), "{shown}");
    }
}
