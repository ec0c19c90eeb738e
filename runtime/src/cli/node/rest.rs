//! What a node's file says of requests: where REST listens and for whom, and how
//! workers prove their requests to each other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use longshore_broker::auth::{ClientAuth, PrincipalMapping, TlsSettings as ServerTls};

use super::keys::{ADMIN_TLS_PREFIX, REST_TLS_PREFIX};
use super::reader::{Reader, split};
use crate::kafka::{ClientError, Security};
use crate::rest::settings::{
    AdminListeners, Authentication, Cors, HeaderRule, ListenAddress, RestSettings, RestTls, Scheme,
    is_origin,
};
use crate::worker::session_key::{InterWorker, MacAlgorithm};
use crate::yaml::did_you_mean;

const LISTENERS: &str = "rest.listeners";
const ADMIN_LISTENERS: &str = "admin.listeners";

impl Reader<'_> {
    pub(super) fn rest(&mut self) -> RestSettings {
        let listeners = self.listeners(LISTENERS, "http://127.0.0.1:8083");
        if self.flat.get(LISTENERS).is_some_and(|given| split(given).is_empty()) {
            self.wrong(LISTENERS, "`rest.listeners` is at least one address", None);
        }
        let tls = self.tls(REST_TLS_PREFIX, LISTENERS, &listeners);
        RestSettings {
            advertised: self.advertised(&listeners),
            listeners,
            tls,
            admin: self.admin(),
            authentication: self.authentication(),
            cors: self.cors(),
            headers: self.headers(),
        }
    }

    fn listeners(&mut self, name: &str, default: &str) -> Vec<ListenAddress> {
        let mut listeners = Vec::new();
        for text in split(&self.text(name, default)) {
            match ListenAddress::parse(&text) {
                Some(listener) => listeners.push(listener),
                None => {
                    let message = format!(
                        "`{name}` are addresses of the form http://host:port or https://host:port"
                    );
                    self.wrong(name, message, None);
                }
            }
        }
        listeners
    }

    fn advertised(&mut self, listeners: &[ListenAddress]) -> Scheme {
        const NAME: &str = "rest.advertised.listener";
        let first = listeners.first().map_or(Scheme::Http, |listener| listener.scheme);
        let Some(given) = self.flat.get(NAME).map(|given| given.trim().to_ascii_lowercase()) else {
            return first;
        };
        let found = listeners.iter().find(|listener| listener.scheme.name() == given);
        match found {
            Some(listener) => listener.scheme,
            None => {
                let message = format!("`{NAME}` is `http` or `https`, as one of `{LISTENERS}`");
                self.wrong(NAME, message, None);
                first
            }
        }
    }

    fn admin(&mut self) -> AdminListeners {
        if !self.flat.contains_key(ADMIN_LISTENERS) {
            return AdminListeners::Shared;
        }
        let listeners = self.listeners(ADMIN_LISTENERS, "");
        if listeners.is_empty() {
            return AdminListeners::Disabled;
        }
        let tls = self.tls(ADMIN_TLS_PREFIX, ADMIN_LISTENERS, &listeners);
        AdminListeners::Own { listeners, tls: tls.map(Box::new) }
    }

    /// The TLS properties behind `prefix`, for those of `listeners` that want them.
    fn tls(&mut self, prefix: &str, of: &str, listeners: &[ListenAddress]) -> Option<RestTls> {
        let is_wanted = listeners.iter().any(|listener| listener.scheme == Scheme::Https);
        let of_prefix = |(key, value): (&String, &String)| {
            Some((key.strip_prefix(prefix)?.to_owned(), value.clone()))
        };
        let mut properties: BTreeMap<_, _> = self.flat.iter().filter_map(of_prefix).collect();
        if !is_wanted {
            if let Some(name) = properties.keys().next() {
                let message = format!("it has no effect: none of `{of}` is https");
                self.wrong(&format!("{prefix}{name}"), message, None);
            }
            return None;
        }
        let client_auth = self.client_auth(prefix, properties.remove("ssl.client.auth"));
        if !properties.keys().any(|name| name.starts_with("ssl.keystore.")) {
            let name = format!("{prefix}ssl.keystore.location");
            let help = format!("write `{name}: FILE`, PEM with certificate chain and private key");
            self.wrong(of, "an https listener lacks its certificate", Some(help));
            return None;
        }
        properties.insert("security.protocol".to_owned(), "SSL".to_owned());
        let client = match Security::take(&mut properties) {
            Ok(security) => security.tls?,
            Err(error) => {
                let (name, reason) = match error {
                    ClientError::Config { name, reason } => (name, reason),
                    other => (String::new(), other.to_string()),
                };
                self.wrong(&format!("{prefix}{name}"), reason, None);
                return None;
            }
        };
        if let Some(name) = properties.keys().next() {
            self.wrong(&format!("{prefix}{name}"), "here stand ssl.* alone", None);
        }
        let Some((certificates, key)) = client.identity.clone() else {
            let name = format!("{prefix}ssl.keystore.location");
            self.wrong(&name, "a certificate and its key are needed", None);
            return None;
        };
        if client_auth != ClientAuth::None && client.authorities.is_none() {
            let name = format!("{prefix}ssl.client.auth");
            let help = format!("write `{prefix}ssl.truststore.location: FILE`, PEM");
            let message = "clients' certificates are asked for, and no authority for them is given";
            self.wrong(&name, message, Some(help));
        }
        let server = ServerTls {
            certificates,
            key,
            trusted: client.authorities.clone(),
            client_auth,
            versions: client.versions,
            mapping: PrincipalMapping::parse("DEFAULT").ok()?,
        };
        Some(RestTls { server, client })
    }

    fn client_auth(&mut self, prefix: &str, given: Option<String>) -> ClientAuth {
        match given.as_deref().map(str::trim) {
            None | Some("none") => ClientAuth::None,
            Some("requested") => ClientAuth::Requested,
            Some("required") => ClientAuth::Required,
            Some(_) => {
                let message = "`ssl.client.auth` is none, requested or required";
                self.wrong(&format!("{prefix}ssl.client.auth"), message, None);
                ClientAuth::Required
            }
        }
    }

    fn authentication(&mut self) -> Authentication {
        const READERS: &str = "rest.auth.readers";
        const ADMINS: &str = "rest.auth.admins";
        let file = |name: &str| self.flat.get(name).map(PathBuf::from);
        let basic = file("rest.auth.basic.file");
        let bearer = file("rest.auth.bearer.file");
        let names = |key| split(&self.text(key, "")).into_iter().collect();
        let (readers, admins) = (names(READERS), names(ADMINS));
        let settings = Authentication { basic, bearer, readers, admins };
        let is_open = settings.basic.is_none() && settings.bearer.is_none();
        for (key, names) in [(READERS, &settings.readers), (ADMINS, &settings.admins)] {
            if is_open && !names.is_empty() {
                let help = "write `rest.auth.basic.file: FILE` or `rest.auth.bearer.file: FILE`";
                let message = "it has no effect: everybody may send requests";
                self.wrong(key, message, Some(help.to_owned()));
            }
        }
        if let Some(both) = settings.admins.intersection(&settings.readers).next() {
            let message = format!("`{both}` is among `{READERS}`, who may only read");
            self.wrong(ADMINS, message, None);
        }
        settings
    }

    fn cors(&mut self) -> Cors {
        const ORIGINS: &str = "access.control.allow.origin";
        let origins = split(&self.text(ORIGINS, ""));
        if let Some(wrong) = origins.iter().find(|origin| !is_origin(origin)) {
            let message = format!("`{wrong}` is no origin: write https://host:port, or *");
            self.wrong(ORIGINS, message, None);
        }
        let methods = split(&self.text("access.control.allow.methods", ""));
        Cors { origins, methods: methods.iter().map(|it| it.to_ascii_uppercase()).collect() }
    }

    fn headers(&mut self) -> Vec<HeaderRule> {
        const NAME: &str = "response.http.headers.config";
        HeaderRule::parse_all(&self.text(NAME, "")).unwrap_or_else(|why| {
            self.wrong(NAME, why, None);
            Vec::new()
        })
    }

    pub(super) fn inter_worker(&mut self) -> InterWorker {
        const SIGNATURE: &str = "inter.worker.signature.algorithm";
        const VERIFICATION: &str = "inter.worker.verification.algorithms";
        const SIZE: &str = "inter.worker.key.size";
        /// As many bits as the shortest hash: a shorter key is easier to guess than it.
        const BITS_MIN: u32 = 256;
        let defaults = InterWorker::default();
        let settings = InterWorker {
            key_algorithm: self.mac("inter.worker.key.generation.algorithm"),
            key_bits: self.flat.contains_key(SIZE).then(|| self.number(SIZE, BITS_MIN)),
            key_ttl: self.millis("inter.worker.key.ttl.ms", defaults.key_ttl),
            signature_algorithm: self.mac(SIGNATURE),
            verification_algorithms: split(&self.text(VERIFICATION, "HmacSHA256"))
                .iter()
                .filter_map(|text| self.mac_named(VERIFICATION, text))
                .collect(),
        };
        if settings.key_bits.is_some_and(|bits| bits < BITS_MIN) {
            self.wrong(SIZE, format!("the key has at least {BITS_MIN} bits"), None);
        }
        if !settings.verification_algorithms.contains(&settings.signature_algorithm) {
            let message = format!("`{SIGNATURE}` must be among `{VERIFICATION}`");
            self.wrong(SIGNATURE, message, None);
        }
        settings
    }

    fn mac(&mut self, name: &str) -> MacAlgorithm {
        let text = self.text(name, "HmacSHA256");
        self.mac_named(name, text.trim()).unwrap_or(MacAlgorithm::HmacSha256)
    }

    fn mac_named(&mut self, name: &str, text: &str) -> Option<MacAlgorithm> {
        let found = text.parse().ok();
        if found.is_none() {
            let help = did_you_mean(text, MacAlgorithm::ALL.map(|(name, _)| name));
            let message = format!("`{text}` is none of HmacSHA256, HmacSHA384, HmacSHA512");
            self.wrong(name, message, help);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::{load, told};
    use super::*;

    fn rest(text: &str) -> RestSettings {
        load(text).unwrap().worker.unwrap().rest
    }

    #[test]
    fn several_listeners_may_be_plain_and_tls_and_one_scheme_is_advertised() {
        let tls = "listeners.https.ssl.keystore.location: server.pem\n";
        let both = "rest.listeners: [HTTP://127.0.0.1:0, https://:8443]\n";
        let settings = rest(&format!("{both}{tls}"));
        assert_eq!(settings.advertised, Scheme::Http);
        assert_eq!(settings.listeners[1].address, "0.0.0.0:8443");
        assert_eq!(settings.tls.unwrap().server.client_auth, ClientAuth::None);
        let settings = rest(&format!("{both}{tls}rest.advertised.listener: HTTPS\n"));
        assert_eq!(settings.advertised, Scheme::Https);
        let wrong = told("rest.advertised.listener: https");
        assert!(wrong[0].contains("as one of `rest.listeners`"), "{wrong:?}");
    }

    #[test]
    fn an_https_listener_needs_a_certificate_and_clients_certificates_an_authority() {
        let wrong = told("rest.listeners: https://a:1");
        assert!(wrong[0].contains("listeners.https.ssl.keystore.location"), "{wrong:?}");
        let wrong = told(
            "rest.listeners: https://a:1\nlisteners.https.ssl.keystore.location: s.pem\n\
             listeners.https.ssl.client.auth: required\n",
        );
        assert!(wrong[0].starts_with("3:34"), "{wrong:?}");
        assert!(wrong[0].contains("no authority"), "{wrong:?}");
        let wrong = told("listeners.https.ssl.keystore.location: s.pem");
        assert!(wrong[0].contains("no effect"), "{wrong:?}");
        let wrong = told(
            "rest.listeners: https://a:1\nlisteners.https.ssl.keystore.location: s.pem\n\
             listeners.https.ssl.keystore.type: JKS\n",
        );
        assert!(wrong[0].contains("`JKS` is not supported"), "{wrong:?}");
    }

    #[test]
    fn admin_is_shared_unless_it_has_listeners_of_its_own_or_none() {
        assert!(matches!(rest("").admin, AdminListeners::Shared));
        for none in ["admin.listeners: \"\"", "admin.listeners: []"] {
            assert!(matches!(rest(none).admin, AdminListeners::Disabled), "{none}");
        }
        match rest("admin.listeners: http://127.0.0.1:8093").admin {
            AdminListeners::Own { listeners, tls: None } => {
                assert_eq!(listeners[0].address, "127.0.0.1:8093");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_may_send_requests_is_read_and_what_has_no_effect_is_told() {
        let text = "rest.auth.basic.file: users\nrest.auth.readers: [ana, ben]\n\
                    access.control.allow.origin: https://a:1\naccess.control.allow.methods: put\n\
                    response.http.headers.config: \"set X-Frame-Options: DENY\"\n";
        let settings = rest(text);
        assert_eq!(settings.authentication.basic, Some(PathBuf::from("users")));
        assert_eq!(settings.authentication.readers.len(), 2);
        assert_eq!(settings.cors.methods, ["PUT"]);
        assert_eq!(settings.headers.len(), 1);
        for (text, part) in [
            ("rest.auth.readers: ana", "no effect"),
            ("rest.auth.admins: ana", "no effect"),
            (
                "rest.auth.basic.file: u\nrest.auth.readers: [a, b]\nrest.auth.admins: b",
                "only read",
            ),
            ("access.control.allow.origin: a.example", "no origin"),
            ("response.http.headers.config: \"X: y\"", "set NAME: VALUE"),
        ] {
            let told = told(text);
            assert!(told[0].contains(part), "{told:?}");
        }
    }

    #[test]
    fn keys_among_workers_have_kafka_connects_names_and_defaults() {
        let keys = |text: &str| load(text).unwrap().worker.unwrap().config.inter_worker;
        assert_eq!(keys(""), InterWorker::default());
        let text = "inter.worker.key.generation.algorithm: hmacsha512\n\
                    inter.worker.key.size: 512\ninter.worker.key.ttl.ms: 1000\n\
                    inter.worker.signature.algorithm: HmacSHA384\n\
                    inter.worker.verification.algorithms: [HmacSHA256, HmacSHA384]\n";
        let set = keys(text);
        assert_eq!((set.key_bits, set.key_ttl.as_millis()), (Some(512), 1000));
        assert_eq!(set.key_algorithm, MacAlgorithm::HmacSha512);
        assert_eq!(set.verification_algorithms.len(), 2);
        for (text, part) in [
            ("inter.worker.signature.algorithm: HmacSHA512", "must be among"),
            ("inter.worker.key.generation.algorithm: HmacMD5", "none of HmacSHA256"),
            ("inter.worker.key.size: 64", "at least 256"),
        ] {
            let told = told(text);
            assert!(told[0].contains(part), "{told:?}");
        }
    }
}
