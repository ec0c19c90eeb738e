//! Where a registry is.

use std::time::Duration;

use reqwest::Url;

/// How long a connection to a registry may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take, its connection included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Its addresses, asked in turn from the one that answered last.
    pub urls: Vec<Url>,
    /// For each address: [`REQUEST_TIMEOUT`] unless said otherwise.
    pub timeout: Duration,
}

impl RegistrySettings {
    /// Reads addresses that are separated by commas; the error says what is wrong.
    pub fn at(urls: &str) -> Result<Self, String> {
        let urls: Result<Vec<_>, _> = urls.split(',').map(str::trim).map(address).collect();
        Ok(Self { urls: urls?, timeout: REQUEST_TIMEOUT })
    }

    /// True if an address is asked over TLS.
    pub fn is_tls(&self) -> bool {
        self.urls.iter().any(|url| url.scheme() == "https")
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
}
