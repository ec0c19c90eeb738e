//! What the REST listeners are told: Kafka Connect's settings, typed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use axum::http::{HeaderName, HeaderValue, Uri};
use longshore_broker::auth::TlsSettings as ServerTls;

use crate::kafka::security::TlsSettings as ClientTls;

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// As they are.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As URLs begin.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// How requests come.
    pub scheme: Scheme,
    /// `host:port`; port 0 takes any free one.
    pub address: String,
}

impl ListenAddress {
    /// Reads `http://host:port`. Kafka Connect's examples write the scheme in
    /// capitals; without a host it is every address of the machine.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, address) = text.trim().split_once("://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let (host, port) = address.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        let host = if host.is_empty() { "0.0.0.0" } else { host };
        Some(Self { scheme, address: format!("{host}:{port}") })
    }
}

/// `listeners.https.ssl.*`: both sides of TLS, since workers forward requests to each
/// other over it.
#[derive(Debug, Clone)]
pub struct RestTls {
    /// As a listener.
    pub server: ServerTls,
    /// As a client of other workers: it trusts whom the listener trusts and shows the
    /// listener's own certificate.
    pub client: ClientTls,
}

/// `admin.listeners` (KIP-495): where `/admin` is served.
#[derive(Debug, Clone, Default)]
pub enum AdminListeners {
    /// With everything else, which is the default.
    #[default]
    Shared,
    /// Nowhere.
    Disabled,
    /// On listeners of its own, and only there.
    Own {
        /// The addresses, at least one.
        listeners: Vec<ListenAddress>,
        /// `admin.listeners.https.ssl.*`, for those that are `https`.
        tls: Option<Box<RestTls>>,
    },
}

/// Who may send requests. Without any file everybody may.
#[derive(Debug, Clone, Default)]
pub struct Authentication {
    /// A file of `USER=PASSWORD` lines, for HTTP's basic authentication.
    pub basic: Option<PathBuf>,
    /// A file of `NAME=TOKEN` lines, for bearer tokens.
    pub bearer: Option<PathBuf>,
    /// Those of these names who may only read.
    pub readers: BTreeSet<String>,
    /// Those of these names who alone may change what code the fleet runs; empty: all
    /// who reach admin listeners.
    pub admins: BTreeSet<String>,
}

/// `access.control.allow.*`: which web pages may send requests.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    /// `access.control.allow.origin`; none, one, several or `*`.
    pub origins: Vec<String>,
    /// `access.control.allow.methods`; empty for GET, POST and HEAD.
    pub methods: Vec<String>,
}

/// One rule of `response.http.headers.config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRule {
    /// Whether what is there stays.
    pub is_added: bool,
    /// The header.
    pub name: HeaderName,
    /// Its value.
    pub value: RuleValue,
}

/// The value of a header that a rule gives answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleValue {
    /// This.
    Text(HeaderValue),
    /// The date so many milliseconds from when the answer is given.
    DateIn(i64),
}

impl HeaderRule {
    /// Reads `set NAME: VALUE, addDate NAME: MILLISECONDS`; a rule whose value has a comma
    /// stands in double quotes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let mut quoted = false;
        let rules = text.split(|c: char| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let rules = rules.map(|rule| rule.trim().trim_matches('"').trim());
        rules.filter(|rule| !rule.is_empty()).map(Self::parse).collect()
    }

    fn parse(rule: &str) -> Result<Self, String> {
        const FORM: &str = "a rule is `set NAME: VALUE`, `add NAME: VALUE`, \
                            `setDate NAME: MILLISECONDS` or `addDate NAME: MILLISECONDS`";
        let wrong = || format!("{FORM}, not `{rule}`");
        let (action, header) = rule.split_once(char::is_whitespace).ok_or_else(wrong)?;
        let (is_added, is_date) = match action.to_ascii_lowercase().as_str() {
            "set" => (false, false),
            "add" => (true, false),
            "setdate" => (false, true),
            "adddate" => (true, true),
            _ => return Err(wrong()),
        };
        let (name, value) = header.split_once(':').ok_or_else(wrong)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
        let value = match is_date {
            true => RuleValue::DateIn(value.trim().parse().map_err(|_| wrong())?),
            false => RuleValue::Text(HeaderValue::try_from(value.trim()).map_err(|_| wrong())?),
        };
        Ok(Self { is_added, name, value })
    }
}

/// All of it.
#[derive(Debug, Clone)]
pub struct RestSettings {
    /// `rest.listeners`, at least one.
    pub listeners: Vec<ListenAddress>,
    /// `rest.advertised.listener`: how other workers send requests to this one, and it
    /// to them.
    pub advertised: Scheme,
    /// `listeners.https.ssl.*`.
    pub tls: Option<RestTls>,
    /// `admin.listeners`.
    pub admin: AdminListeners,
    /// Who may send requests.
    pub authentication: Authentication,
    /// Which web pages may.
    pub cors: Cors,
    /// `response.http.headers.config`.
    pub headers: Vec<HeaderRule>,
}

impl RestSettings {
    /// Whether nothing sets those apart who may change what code the fleet runs.
    pub fn is_open_to_all(&self) -> bool {
        let has_listeners = matches!(self.admin, AdminListeners::Own { .. });
        self.authentication.admins.is_empty() && !has_listeners
    }

    /// One listener without TLS, open to everybody, at `host:port`.
    pub fn plain(address: impl Into<String>) -> Self {
        let listener = ListenAddress { scheme: Scheme::Http, address: address.into() };
        Self {
            listeners: vec![listener],
            advertised: Scheme::Http,
            tls: None,
            admin: AdminListeners::Shared,
            authentication: Authentication::default(),
            cors: Cors::default(),
            headers: Vec::new(),
        }
    }
}

/// Whether a text is an origin as browsers send it, `https://host:port`, or `*`.
pub fn is_origin(text: &str) -> bool {
    let has_path = |uri: &Uri| uri.path_and_query().is_some_and(|path| path.as_str() != "/");
    let is_url = |uri: Uri| uri.scheme().is_some() && uri.authority().is_some() && !has_path(&uri);
    text == "*" || (!text.ends_with('/') && text.parse::<Uri>().is_ok_and(is_url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_port() {
        let parse = |text: &str| ListenAddress::parse(text).map(|it| (it.scheme, it.address));
        assert_eq!(parse("HTTP://a:1"), Some((Scheme::Http, "a:1".to_owned())));
        assert_eq!(parse(" https://[::1]:0"), Some((Scheme::Https, "[::1]:0".to_owned())));
        assert_eq!(parse("http://:8083"), Some((Scheme::Http, "0.0.0.0:8083".to_owned())));
        for wrong in ["", "a:1", "http://a", "ftp://a:1", "http://a:70000"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn header_rules_are_read_with_commas_in_quotes() {
        let text = r#"set X-Frame-Options: DENY, "add Cache-Control: no-cache, no-store", "#;
        let rules = HeaderRule::parse_all(text).unwrap();
        let told: Vec<_> = rules
            .iter()
            .map(|rule| (rule.is_added, rule.name.as_str(), rule.value.clone()))
            .collect();
        let text = |text| RuleValue::Text(HeaderValue::from_static(text));
        let expected = [
            (false, "x-frame-options", text("DENY")),
            (true, "cache-control", text("no-cache, no-store")),
        ];
        assert_eq!(told, expected);
        let rules = HeaderRule::parse_all("setDate Expires: 60000, addDate X: -1").unwrap();
        let told: Vec<_> = rules.iter().map(|it| (it.is_added, it.value.clone())).collect();
        assert_eq!(told, [(false, RuleValue::DateIn(60_000)), (true, RuleValue::DateIn(-1))]);
        for wrong in
            ["X-Frame-Options: DENY", "set X", "set a b: c", "drop X: y", "setDate X: soon"]
        {
            let error = HeaderRule::parse_all(wrong).unwrap_err();
            assert!(error.contains("set NAME: VALUE"), "{error}");
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        for right in ["*", "http://a", "https://a.example:8443"] {
            assert!(is_origin(right), "{right}");
        }
        for wrong in ["", "a", "a.example:80", "https://a/b", "https://a/", "https://*/x"] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }
}
