//! Several listeners, TLS, the admin listener, other origins' pages.

use longshore_broker::auth::PemSource;
use longshore_broker::auth::{ClientAuth, PrincipalMapping, TlsSettings as ServerTls, TlsVersions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::super::settings::{AdminListeners, Cors, HeaderRule, ListenAddress, RestTls, Scheme};
use super::*;
use crate::kafka::security::TlsSettings as ClientTls;
use crate::worker::herder::Leadership;

/// An authority, and files with what it signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        std::fs::write(authority.path("ca.pem"), authority.issuer.pem()).unwrap();
        authority.write("worker.pem");
        authority
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for this machine with its key.
    fn write(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path(name), certificate.pem() + &key.serialize_pem()).unwrap();
    }

    fn tls(&self, client_auth: ClientAuth) -> RestTls {
        let pem = |name: &str| PemSource::File(self.path(name));
        RestTls {
            server: ServerTls {
                certificates: pem("worker.pem"),
                key: pem("worker.pem"),
                trusted: Some(pem("ca.pem")),
                client_auth,
                versions: TlsVersions::ALL,
                mapping: PrincipalMapping::parse("DEFAULT").unwrap(),
            },
            client: ClientTls {
                authorities: Some(pem("ca.pem")),
                identity: Some((pem("worker.pem"), pem("worker.pem"))),
                verify_host: true,
                versions: TlsVersions::ALL,
            },
        }
    }

    /// A client that trusts this authority; it shows a certificate or none.
    fn client(&self, shows: bool) -> Client {
        let mut tls = self.tls(ClientAuth::None).client;
        if !shows {
            tls.identity = None;
        }
        crate::http::client(Some(&tls)).unwrap().build().unwrap()
    }

    async fn worker(&self, client_auth: ClientAuth) -> Api {
        Api::with(|settings| {
            settings.listeners[0].scheme = Scheme::Https;
            settings.advertised = Scheme::Https;
            settings.tls = Some(self.tls(client_auth));
        })
        .await
    }
}

async fn get(client: &Client, api: &Api, path: &str) -> Result<StatusCode, reqwest::Error> {
    let url = format!("https://localhost:{}{path}", api.server.address().port());
    client.get(url).send().await.map(|response| response.status())
}

#[tokio::test]
async fn requests_come_over_tls_and_a_new_certificate_is_shown_without_a_restart() {
    let authority = Authority::new();
    let api = authority.worker(ClientAuth::None).await;
    let trusting = authority.client(false);
    assert_eq!(get(&trusting, &api, "/connectors").await.unwrap(), StatusCode::OK);
    // Who speaks plain HTTP, or begins a handshake and says no more, holds up nobody.
    let silent = tokio::net::TcpStream::connect(api.server.address()).await.unwrap();
    assert!(api.request(Method::GET, "/").send().await.is_err());
    assert_eq!(get(&trusting, &api, "/").await.unwrap(), StatusCode::OK);
    drop(silent);

    let other = Authority::new();
    assert!(get(&other.client(false), &api, "/").await.is_err(), "it trusts somebody else");
    std::fs::copy(other.path("worker.pem"), authority.path("worker.pem")).unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while get(&other.client(false), &api, "/").await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the new certificate is not shown");
    }
}

#[tokio::test]
async fn where_clients_must_show_a_certificate_workers_show_their_own() {
    let authority = Authority::new();
    let leader = authority.worker(ClientAuth::Required).await;
    let follower = authority.worker(ClientAuth::Required).await;
    assert!(get(&authority.client(false), &leader, "/").await.is_err());
    let client = authority.client(true);
    assert_eq!(get(&client, &leader, "/").await.unwrap(), StatusCode::OK);

    follower.shelf.led_by(Leadership::Of(leader.server.address().to_string()));
    let url = format!("https://localhost:{}/connectors", follower.server.address().port());
    let body = json!({ "name": "a", "config": { "connector.class": "file-source" } });
    let created = client.post(url).json(&body).send().await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED, "{:?}", created.text().await);
    assert_eq!(get(&client, &leader, "/connectors/a").await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn a_listener_without_its_certificate_is_told() {
    let authority = Authority::new();
    let mut settings = RestSettings::plain("127.0.0.1:0");
    settings.listeners[0].scheme = Scheme::Https;
    let error = RestServer::start(settings.clone()).await.err().unwrap().to_string();
    assert!(error.contains("has no certificate"), "{error}");
    settings.tls = Some(authority.tls(ClientAuth::None));
    std::fs::remove_file(authority.path("worker.pem")).unwrap();
    let error = RestServer::start(settings).await.err().unwrap().to_string();
    assert!(error.contains("worker.pem"), "{error}");
}

#[tokio::test]
async fn admin_is_where_its_listeners_are_and_nowhere_else() {
    let own = ListenAddress { scheme: Scheme::Http, address: "127.0.0.1:0".to_owned() };
    let api = Api::with(|settings| {
        settings.admin = AdminListeners::Own { listeners: vec![own], tls: None };
    })
    .await;
    let loggers = api.request(Method::GET, "/admin/loggers");
    api.fails(loggers, StatusCode::NOT_FOUND, "404").await;
    let admin = format!("http://{}", api.server.admin_address().unwrap());
    let get = |path: &str| api.client.get(format!("{admin}{path}"));
    assert_eq!(answer(get("/admin/loggers")).await.0, StatusCode::OK);
    api.fails(get("/connectors"), StatusCode::NOT_FOUND, "404").await;

    let none = Api::with(|settings| settings.admin = AdminListeners::Disabled).await;
    let loggers = none.request(Method::GET, "/admin/loggers");
    none.fails(loggers, StatusCode::NOT_FOUND, "404").await;
    assert_eq!(none.get("/connectors").await.0, StatusCode::OK);
}

#[tokio::test]
async fn pages_of_allowed_origins_are_let_in_and_others_are_not() {
    let api = Api::with(|settings| {
        settings.cors =
            Cors { origins: vec!["https://a:1".to_owned()], methods: vec!["PUT".to_owned()] };
    })
    .await;
    let ask = async |method: Method, origin: &str| {
        let request = api.request(method, "/connectors").header(header::ORIGIN, origin);
        let request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "PUT");
        let response = request.send().await.unwrap();
        let text = |name| response.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        let allowed = text(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        (response.status(), allowed, text(header::ACCESS_CONTROL_ALLOW_METHODS))
    };
    let own = Some("https://a:1".to_owned());
    assert_eq!(ask(Method::GET, "https://a:1").await, (StatusCode::OK, own.clone(), None));
    let put = Some("PUT".to_owned());
    assert_eq!(ask(Method::OPTIONS, "https://a:1").await, (StatusCode::OK, own, put));
    assert_eq!(ask(Method::GET, "https://b:1").await, (StatusCode::OK, None, None));

    let closed = Api::start().await;
    let request = closed.request(Method::GET, "/").header(header::ORIGIN, "https://a:1");
    let answered = request.send().await.unwrap();
    assert!(!answered.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn options_names_the_methods_of_a_path_and_every_answer_has_the_headers_of_the_settings() {
    let api = Api::with(|settings| {
        settings.headers = HeaderRule::parse_all("set X-Frame-Options: DENY").unwrap();
    })
    .await;
    let asked = api.request(Method::OPTIONS, "/connectors").send().await.unwrap();
    assert_eq!(asked.status(), StatusCode::OK);
    assert_eq!(asked.headers()["x-frame-options"], "DENY");
    let allowed = asked.headers()[header::ALLOW].to_str().unwrap().to_owned();
    let mut methods: Vec<_> = allowed.split(", ").collect();
    methods.sort_unstable();
    assert_eq!(methods, ["GET", "HEAD", "OPTIONS", "POST"]);
    assert_eq!(asked.text().await.unwrap(), allowed, "as JAX-RS answers");
    let missing = api.request(Method::GET, "/nothing").send().await.unwrap();
    assert_eq!(missing.headers()["x-frame-options"], "DENY");
}
