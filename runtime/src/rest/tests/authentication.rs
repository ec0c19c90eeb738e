//! Who may send requests.

use std::path::PathBuf;

use super::super::settings::Authentication;
use super::*;
use crate::worker::herder::Leadership;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("users"), "ana=p:w\nlook=only").unwrap();
        std::fs::write(folder.path().join("tokens"), "robot=t0ken\nprobe=look-t0ken").unwrap();
        Self { folder }
    }

    fn authentication(&self) -> Authentication {
        let file = |name: &str| -> Option<PathBuf> { Some(self.folder.path().join(name)) };
        let readers = ["look", "probe"].map(str::to_owned).into();
        let admins = ["ana"].map(str::to_owned).into();
        Authentication { basic: file("users"), bearer: file("tokens"), readers, admins }
    }
}

#[tokio::test]
async fn only_those_who_prove_a_name_are_let_in_and_readers_only_read() {
    let files = Files::new();
    let api = Api::with(|settings| settings.authentication = files.authentication()).await;
    let list = || api.request(Method::GET, "/connectors");
    for (who, request) in [
        ("nobody", list()),
        ("a wrong password", list().basic_auth("ana", Some("other"))),
        ("a wrong name", list().basic_auth("eve", Some("p:w"))),
        ("no password", list().basic_auth("ana", None::<&str>)),
        ("a wrong token", list().bearer_auth("other")),
        ("a password as a token", list().bearer_auth("p:w")),
        ("torn base64", list().header(header::AUTHORIZATION, "Basic @@")),
        ("no scheme", list().header(header::AUTHORIZATION, "t0ken")),
        ("what is not there", api.request(Method::GET, "/nothing")),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{who}");
        let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
        let schemes: Vec<_> = challenges.iter().map(|it| it.to_str().unwrap()).collect();
        assert!(schemes[0].starts_with("Basic realm=") && schemes[1].starts_with("Bearer realm="));
        let body: ErrorBody = response.json().await.unwrap();
        assert_eq!(body.error_code, 401);
    }
    for request in [list().basic_auth("ana", Some("p:w")), list().bearer_auth("t0ken")] {
        assert_eq!(answer(request).await, (StatusCode::OK, json!([])));
    }
    assert_eq!(api.get("/health").await.0, StatusCode::OK, "probes have no password");

    let create = |request: reqwest::RequestBuilder| {
        request.json(&json!({ "name": "a", "config": { "connector.class": "file-source" } }))
    };
    let post = || create(api.request(Method::POST, "/connectors"));
    for reader in [post().basic_auth("look", Some("only")), post().bearer_auth("look-t0ken")] {
        api.fails(reader, StatusCode::FORBIDDEN, "may only read").await;
    }
    assert_eq!(answer(list().basic_auth("look", Some("only"))).await.0, StatusCode::OK);
    let validate = api.request(Method::PUT, "/connector-plugins/file-source/config/validate");
    let validate = validate.json(&json!({ "connector.class": "file-source" }));
    assert_eq!(answer(validate.bearer_auth("look-t0ken")).await.0, StatusCode::OK);
    assert_eq!(answer(post().bearer_auth("t0ken")).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_users_credentials_go_along_to_the_leader_and_a_worker_has_none_of_its_own() {
    let files = Files::new();
    let leader = Api::with(|settings| settings.authentication = files.authentication()).await;
    let strict = Api::with(|settings| settings.authentication = files.authentication()).await;
    let open = Api::start().await;
    for follower in [&strict, &open] {
        let address = leader.server.address().to_string();
        follower.shelf.led_by(Leadership::Of(address));
    }
    let create = |follower: &Api, name: &str| {
        let config = json!({ "connector.class": "file-source" });
        let body = json!({ "name": name, "config": config });
        follower.request(Method::POST, "/connectors").json(&body)
    };
    let created = answer(create(&strict, "a").basic_auth("ana", Some("p:w"))).await;
    assert_eq!(created.0, StatusCode::CREATED);
    strict.fails(create(&strict, "b"), StatusCode::UNAUTHORIZED, "cannot access").await;
    // A worker that asks nobody for a password gives nobody the leader's rights.
    open.fails(create(&open, "b"), StatusCode::UNAUTHORIZED, "cannot access").await;
    let created = answer(create(&open, "b").bearer_auth("t0ken")).await;
    assert_eq!(created.0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_told_before_anybody_is_let_in() {
    let mut settings = RestSettings::plain("127.0.0.1:0");
    settings.authentication.basic = Some(PathBuf::from("/no/such/users"));
    let error = RestServer::start(settings).await.err().unwrap().to_string();
    assert!(error.contains("/no/such/users"), "{error}");
}

#[tokio::test]
async fn only_those_who_are_named_change_plugins() {
    let files = Files::new();
    let api = Api::with(|settings| settings.authentication = files.authentication()).await;
    let path = format!("/plugins?sha256={}", "a".repeat(64));
    let post = || {
        let request = api.request(Method::POST, &path).body(vec![0; 8]);
        request.header(header::CONTENT_TYPE, "application/wasm")
    };
    api.fails(post().bearer_auth("t0ken"), StatusCode::FORBIDDEN, "rest.auth.admins").await;
    let reader = post().basic_auth("look", Some("only"));
    api.fails(reader, StatusCode::FORBIDDEN, "may only read").await;
    let admin = post().basic_auth("ana", Some("p:w"));
    assert_eq!(answer(admin).await.0, StatusCode::CREATED);
    let listed = api.request(Method::GET, "/plugins").bearer_auth("t0ken");
    assert_eq!(answer(listed).await.1[0]["name"], "p8");
}
