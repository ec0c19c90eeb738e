//! Connections and pipelines over HTTP: versions, conditions, forwarding.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::super::settings::{AdminListeners, ListenAddress, Scheme};
use super::*;
use crate::worker::herder::{Herder as _, Leadership};

fn definition(root: &str) -> Json {
    json!({ "driver": "objects", "kind": "local", "root": root })
}

#[tokio::test]
async fn a_connection_is_created_with_201_and_changed_only_as_it_was_read() {
    let api = Api::start().await;
    let put = |root: &str| api.request(Method::PUT, "/connections/files").json(&definition(root));
    let created = put("/a").header(header::IF_NONE_MATCH, "*").send().await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let first = created.headers()[header::ETAG].to_str().unwrap().to_owned();
    let again = put("/b").header(header::IF_NONE_MATCH, "*");
    api.fails(again, StatusCode::PRECONDITION_FAILED, "there already").await;
    let changed = put("/b").header(header::IF_MATCH, &first).send().await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    let late = put("/c").header(header::IF_MATCH, &first);
    api.fails(late, StatusCode::PRECONDITION_FAILED, "changed meanwhile").await;

    let (status, listed) = api.get("/connections").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(listed[0]["definition"]["root"], "/b");
    assert_eq!((&listed[0]["version"], &listed[0]["origin"]), (&json!(2), &json!("fleet")));
    let read = api.request(Method::GET, "/connections/files").send().await.unwrap();
    assert_eq!(read.headers()[header::ETAG], changed.headers()[header::ETAG]);
    let deleted = api.request(Method::DELETE, "/connections/files");
    api.fails(
        deleted.header(header::IF_MATCH, &first),
        StatusCode::PRECONDITION_FAILED,
        "changed meanwhile",
    )
    .await;
    let deleted = api.request(Method::DELETE, "/connections/files");
    assert_eq!(answer(deleted).await.0, StatusCode::NO_CONTENT);
    let gone = api.request(Method::GET, "/connections/files");
    api.fails(gone, StatusCode::NOT_FOUND, "no connection `files`").await;
}

#[tokio::test]
async fn the_leader_is_told_the_condition_and_its_tag_is_answered() {
    let (leader, follower) = (Api::start().await, Api::start().await);
    follower.shelf.led_by(Leadership::Of(leader.server.address().to_string()));
    let put = || follower.request(Method::PUT, "/connections/f").json(&definition("/a"));
    let created = put().header(header::IF_NONE_MATCH, "*").send().await.unwrap();
    assert!(created.headers().contains_key(header::ETAG));
    let again = put().header(header::IF_NONE_MATCH, "*");
    follower.fails(again, StatusCode::PRECONDITION_FAILED, "there already").await;
    let other = put().header(header::IF_MATCH, "\"9-x\"");
    follower.fails(other, StatusCode::PRECONDITION_FAILED, "changed meanwhile").await;
    assert_eq!(leader.get("/connections").await.1[0]["name"], "f");
    assert_eq!(follower.get("/connections").await.1, json!([]));
}

#[tokio::test]
async fn a_pipelines_parts_are_noted_and_forgotten() {
    let api = Api::start().await;
    let parts = json!({ "topics": ["t"], "connections": [], "connectors": ["p-c"] });
    let put = |parts: &Json| api.request(Method::PUT, "/pipelines/p").json(parts);
    let (status, body) = answer(put(&parts)).await;
    assert_eq!((status, &body["definition"]), (StatusCode::CREATED, &parts));
    let unknown = put(&json!({ "topics": [], "connections": [], "connectors": [], "more": 1 }));
    api.fails(unknown, StatusCode::INTERNAL_SERVER_ERROR, "more").await;
    let deleted = api.request(Method::DELETE, "/pipelines/p");
    assert_eq!(answer(deleted).await.0, StatusCode::NO_CONTENT);
    assert_eq!(api.get("/pipelines").await.1, json!([]));
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_wherever_it_is_sent() {
    let api = Api::start().await;
    let large = json!({ "driver": "objects", "root": "x".repeat(10 << 20) });
    for (method, path) in [
        (Method::POST, "/connectors"),
        (Method::PUT, "/connectors/c/config"),
        (Method::PUT, "/connections/c"),
        (Method::PUT, "/pipelines/p"),
    ] {
        let request = api.request(method, path).json(&large);
        api.fails(request, StatusCode::PAYLOAD_TOO_LARGE, "bytes").await;
    }
}

/// A worker with admin listeners of their own.
async fn with_admin() -> Api {
    Api::with(|settings| {
        let address = ListenAddress { scheme: Scheme::Http, address: "127.0.0.1:0".to_owned() };
        settings.admin = AdminListeners::Own { listeners: vec![address], tls: None };
    })
    .await
}

impl Api {
    fn admin(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let address = self.server.admin_address().unwrap();
        self.client.request(method, format!("http://{address}{path}"))
    }
}

#[tokio::test]
async fn plugins_are_changed_on_the_admin_listener_alone() {
    let (leader, follower) = (with_admin().await, with_admin().await);
    follower.shelf.led_by(Leadership::Of(leader.server.address().to_string()));
    let path = format!("/plugins?sha256={}", "a".repeat(64));
    let wasm = |request: reqwest::RequestBuilder| {
        request.header(header::CONTENT_TYPE, "application/wasm").body(vec![0; 8])
    };
    for api in [&leader, &follower] {
        let post = wasm(api.request(Method::POST, &path));
        api.fails(post, StatusCode::FORBIDDEN, "admin.listeners").await;
        let active = api.request(Method::PUT, "/plugins/p8/active").json(&json!({}));
        api.fails(active, StatusCode::FORBIDDEN, "admin.listeners").await;
        let delete = api.request(Method::DELETE, "/plugins/p8/versions/1");
        api.fails(delete, StatusCode::FORBIDDEN, "admin.listeners").await;
    }
    // Whoever says that he is a worker must sign it, and is not listened to before.
    let forged = wasm(leader.request(Method::POST, &format!("{path}&forward=true")));
    leader.fails(forged, StatusCode::BAD_REQUEST, "missing required signature").await;
    // A signature is looked at before a component is read: of this one nothing comes.
    let of_another = leader.shelf.sign(b"POST /plugins?forward=true\n").unwrap();
    let signature = super::super::internal::headers(&of_another).unwrap();
    let mut head = format!("POST {path}&forward=true HTTP/1.1\r\nHost: w\r\nContent-Length: 9\r\n");
    for (name, value) in &signature {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    let mut stream = tokio::net::TcpStream::connect(leader.server.address()).await.unwrap();
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    let answer_to_forged = BufReader::new(stream).lines().next_line().await.unwrap().unwrap();
    assert!(answer_to_forged.contains("403"), "{answer_to_forged}");
    let sent_on = wasm(follower.admin(Method::POST, &path));
    assert_eq!(answer(sent_on).await.0, StatusCode::CREATED);
    assert_eq!(leader.get("/plugins").await.1[0]["name"], "p8");
    let listed = leader.admin(Method::GET, "/plugins");
    assert_eq!(answer(listed).await.1[0]["name"], "p8");
}

#[tokio::test]
async fn where_nobody_is_set_apart_nobody_changes_plugins() {
    let api = Api::start().await;
    let path = format!("/plugins?sha256={}", "a".repeat(64));
    let post = api.request(Method::POST, &path).header(header::CONTENT_TYPE, "application/wasm");
    api.fails(post.body(vec![0; 8]), StatusCode::FORBIDDEN, "rest.auth.admins").await;
    assert_eq!(api.get("/plugins").await, (StatusCode::OK, json!([])));
}

#[tokio::test]
async fn a_component_is_taken_whole_by_the_leader_and_others_are_refused() {
    let (leader, follower) = (with_admin().await, with_admin().await);
    follower.shelf.led_by(Leadership::Of(leader.server.address().to_string()));
    let digest = "a".repeat(64);
    let post = |path: &str, bytes: usize| {
        let request = follower.admin(Method::POST, path).body(vec![0; bytes]);
        request.header(header::CONTENT_TYPE, "application/wasm")
    };
    let path = format!("/plugins?sha256={digest}");
    // More than any configuration may have.
    let (status, body) = answer(post(&path, 3 << 20)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let (_, listed) = leader.get("/plugins").await;
    assert_eq!(listed[0]["versions"][0]["bytes"], 3 << 20);
    assert_eq!(follower.get("/plugins").await.1, json!([]));
    assert_eq!(leader.get(&format!("/plugins/p{}", 3 << 20)).await.0, StatusCode::OK);
    follower.fails(post("/plugins", 8), StatusCode::BAD_REQUEST, "sha256").await;
    let json = follower.admin(Method::POST, &path).json(&json!({}));
    follower.fails(json, StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/wasm").await;
    let large = post(&path, (64 << 20) + 1);
    follower.fails(large, StatusCode::PAYLOAD_TOO_LARGE, "bytes").await;
    let put = |body: Json| {
        let path = format!("/plugins/p{}/active", 3 << 20);
        follower.admin(Method::PUT, &path).json(&body)
    };
    assert_eq!(answer(put(json!({ "version": "1" }))).await.1["active"], "1");
    assert_eq!(answer(put(json!({ "version": null }))).await.1["active"], Json::Null);
    let deleted = follower.admin(Method::DELETE, "/plugins/p/versions/1");
    assert_eq!(answer(deleted).await.0, StatusCode::NO_CONTENT);
}
