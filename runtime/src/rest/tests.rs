//! The API over real HTTP, with a herder that keeps its connectors in memory.

mod authentication;
mod control;
mod forward;
mod health;
mod internal;
mod listeners;
mod openapi;
mod resources;
mod shelf;
mod shelf_resources;

use std::sync::Arc;

use reqwest::{Client, Method, StatusCode, header};
use serde_json::{Value as Json, json};

use super::limits::BODY_BYTES_MAX;
use super::settings::RestSettings;
use super::{ErrorBody, RestServer};
use shelf::Shelf;

struct Api {
    server: RestServer,
    shelf: Arc<Shelf>,
    client: Client,
}

impl Api {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(set: impl FnOnce(&mut RestSettings)) -> Self {
        let mut settings = RestSettings::plain("127.0.0.1:0");
        set(&mut settings);
        let shelf = Arc::new(Shelf::default());
        let server = RestServer::start(settings).await.unwrap();
        server.serve(shelf.clone());
        Self { server, shelf, client: client() }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.server.address()))
    }

    async fn get(&self, path: &str) -> (StatusCode, Json) {
        answer(self.request(Method::GET, path)).await
    }

    async fn create(&self, name: &str) -> reqwest::Response {
        let config = json!({ "connector.class": "file-source", "topic": "lines" });
        let body = json!({ "name": name, "config": config });
        self.request(Method::POST, "/connectors").json(&body).send().await.unwrap()
    }

    async fn fails(&self, request: reqwest::RequestBuilder, status: StatusCode, part: &str) {
        let (code, body) = answer(request).await;
        assert_eq!(code, status, "{body}");
        let body: ErrorBody = serde_json::from_value(body).expect("Connect's error body");
        assert_eq!(body.error_code, status.as_u16());
        assert!(body.message.contains(part), "{:?} lacks {part:?}", body.message);
    }
}

/// A client of `http` alone.
fn client() -> Client {
    crate::http::client(None).unwrap().build().unwrap()
}

async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Json) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
}

#[tokio::test]
async fn root_names_version_and_cluster() {
    let api = Api::start().await;
    let (status, body) = api.get("/").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["kafka_cluster_id"], "shelf-cluster");
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    assert!(body["commit"].is_string());
    api.server.stop().await;
}

#[tokio::test]
async fn a_created_connector_answers_201_with_its_location_and_is_listed() {
    let api = Api::start().await;
    let created = api.create("a b/ü".replace('/', "-").as_str()).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    assert_eq!(created.headers()[header::LOCATION], "/connectors/a%20b-%C3%BC");
    let location = created.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let body: Json = created.json().await.unwrap();
    assert_eq!(body["config"]["name"], "a b-ü");
    assert_eq!(body["type"], "source");

    let (status, info) = api.get(&location).await;
    assert_eq!((status, info), (StatusCode::OK, body));
    assert_eq!(api.get("/connectors").await.1, json!(["a b-ü"]));
}

#[tokio::test]
async fn a_list_is_expanded_by_status_and_info() {
    let api = Api::start().await;
    api.create("read").await;
    let (_, plain) = api.get("/connectors?expand=status").await;
    assert_eq!(plain["read"]["status"]["connector"]["state"], "RUNNING");
    assert!(plain["read"].get("info").is_none());
    let (_, both) = api.get("/connectors?expand=status&expand=info").await;
    assert_eq!(both["read"]["info"]["config"]["topic"], "lines");
    assert!(both["read"]["status"].is_object());
    let unknown = api.get("/connectors?expand=all").await;
    assert_eq!(unknown, (StatusCode::OK, json!({ "read": {} })), "as in Kafka Connect");
}

#[tokio::test]
async fn creating_a_name_twice_is_a_conflict() {
    let api = Api::start().await;
    api.create("read").await;
    let again = json!({ "name": "read", "config": {} });
    let request = api.request(Method::POST, "/connectors").json(&again);
    api.fails(request, StatusCode::CONFLICT, "already exists").await;
}

#[tokio::test]
async fn putting_a_config_creates_with_201_and_changes_with_200() {
    let api = Api::start().await;
    let put = |config: Json| api.request(Method::PUT, "/connectors/read/config").json(&config);
    let first = put(json!({ "connector.class": "file-source", "tasks.max": 2 })).send().await;
    let first = first.unwrap();
    assert_eq!(first.status(), StatusCode::CREATED);
    assert_eq!(first.headers()[header::LOCATION], "/connectors/read");
    let (status, body) = answer(put(json!({ "connector.class": "file-source" }))).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body["config"].get("tasks.max").is_none(), "PUT replaces: {body}");
}

#[tokio::test]
async fn a_number_in_a_config_becomes_its_text_and_a_list_is_refused() {
    let api = Api::start().await;
    let put = |config: Json| api.request(Method::PUT, "/connectors/read/config").json(&config);
    let (_, body) = answer(put(json!({ "tasks.max": 2, "fail": true }))).await;
    assert_eq!(body["config"]["tasks.max"], "2");
    assert_eq!(body["config"]["fail"], "true");
    let list = put(json!({ "topics": ["a"] }));
    api.fails(list, StatusCode::INTERNAL_SERVER_ERROR, "`topics`").await;
}

#[tokio::test]
async fn patching_a_config_changes_some_keys_and_null_deletes_one() {
    let api = Api::start().await;
    api.create("read").await;
    let patch = json!({ "topic": null, "path": "*.md" });
    let request = api.request(Method::PATCH, "/connectors/read/config").json(&patch);
    assert_eq!(answer(request).await.0, StatusCode::OK);
    let expected = json!({ "connector.class": "file-source", "name": "read", "path": "*.md" });
    assert_eq!(api.get("/connectors/read/config").await.1, expected);
}

#[tokio::test]
async fn a_name_in_the_config_must_be_the_connectors() {
    let api = Api::start().await;
    let request = api.request(Method::PUT, "/connectors/read/config").json(&json!({ "name": "b" }));
    api.fails(request, StatusCode::BAD_REQUEST, "doesn't match").await;
    for name in ["", " ", "a/b", "a\nb"] {
        let body = json!({ "name": name, "config": {} });
        let request = api.request(Method::POST, "/connectors").json(&body);
        api.fails(request, StatusCode::BAD_REQUEST, "name").await;
    }
}

#[tokio::test]
async fn deleting_answers_204_and_then_404_everywhere() {
    let api = Api::start().await;
    api.create("read").await;
    let delete = || api.request(Method::DELETE, "/connectors/read");
    assert_eq!(delete().send().await.unwrap().status(), StatusCode::NO_CONTENT);
    api.fails(delete(), StatusCode::NOT_FOUND, "read").await;
    for path in ["", "/config", "/status", "/tasks", "/tasks/0/status"] {
        let request = api.request(Method::GET, &format!("/connectors/read{path}"));
        api.fails(request, StatusCode::NOT_FOUND, "read").await;
    }
    for path in ["/restart", "/tasks/0/restart"] {
        let request = api.request(Method::POST, &format!("/connectors/read{path}"));
        api.fails(request, StatusCode::NOT_FOUND, "read").await;
    }
}

#[tokio::test]
async fn status_and_tasks_have_connects_shapes() {
    let api = Api::start().await;
    api.create("read").await;
    let status = json!({
        "name": "read",
        "connector": { "state": "RUNNING", "worker_id": "127.0.0.1:8083", "version": "1" },
        "tasks": [{
            "id": 0,
            "state": "FAILED",
            "worker_id": "127.0.0.1:8083",
            "version": "1",
            "trace": "why",
        }],
        "type": "source",
    });
    assert_eq!(api.get("/connectors/read/status").await, (StatusCode::OK, status.clone()));
    assert_eq!(api.get("/connectors/read/tasks/0/status").await.1, status["tasks"][0]);
    let (_, tasks) = api.get("/connectors/read/tasks").await;
    assert_eq!(tasks[0]["id"], json!({ "connector": "read", "task": 0 }));
    assert_eq!(tasks[0]["config"]["topic"], "lines");
    for task in ["7", "first", "-1", "99999999999"] {
        let request = api.request(Method::GET, &format!("/connectors/read/tasks/{task}/status"));
        api.fails(request, StatusCode::NOT_FOUND, task).await;
    }
}

#[tokio::test]
async fn restart_answers_204_alone_and_202_with_the_status_when_tasks_are_asked_for() {
    let api = Api::start().await;
    api.create("read").await;
    let restart =
        |query: &str| api.request(Method::POST, &format!("/connectors/read/restart{query}"));
    assert_eq!(answer(restart("")).await.0, StatusCode::NO_CONTENT);
    let (status, body) = answer(restart("?includeTasks=true&onlyFailed=true")).await;
    assert_eq!((status, &body["name"]), (StatusCode::ACCEPTED, &json!("read")));
    assert_eq!(answer(restart("?includeTasks=yes")).await.0, StatusCode::NO_CONTENT);
    assert_eq!(api.shelf.restarts(), [(false, false), (true, true), (false, false)]);
    let task = api.request(Method::POST, "/connectors/read/tasks/0/restart");
    assert_eq!(task.send().await.unwrap().status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn plugins_are_listed_with_class_type_and_version_those_of_kafka_connects_types_first() {
    let api = Api::start().await;
    let source = json!({ "class": "file-source", "type": "source", "version": "0.1.0" });
    let processor = json!({ "class": "count-words", "type": "processor", "version": "0.1.0" });
    assert_eq!(api.get("/connector-plugins").await.1, json!([source]));
    let all = api.get("/connector-plugins?connectorsOnly=false").await.1;
    assert_eq!(all.as_array().unwrap()[..2], [source, processor]);
    for (class, kind) in [
        ("org.apache.kafka.connect.json.JsonConverter", "converter"),
        ("org.apache.kafka.connect.json.JsonConverter", "header_converter"),
        ("org.apache.kafka.connect.storage.SimpleHeaderConverter", "header_converter"),
        ("org.apache.kafka.connect.transforms.Cast$Value", "transformation"),
        ("org.apache.kafka.connect.transforms.Filter", "transformation"),
        ("org.apache.kafka.connect.transforms.predicates.HasHeaderKey", "predicate"),
    ] {
        let version = env!("CARGO_PKG_VERSION");
        let listed = json!({ "class": class, "type": kind, "version": version });
        assert!(all.as_array().unwrap().contains(&listed), "{listed}");
    }
    let class = "org.apache.kafka.connect.transforms.Cast$Key";
    let options = api.get(&format!("/connector-plugins/{class}/config")).await.1;
    assert_eq!((&options[0]["name"], &options[0]["required"]), (&json!("spec"), &json!(true)));
}

#[tokio::test]
async fn a_slash_at_the_end_changes_nothing_as_in_kafka_connect() {
    let api = Api::start().await;
    api.create("read").await;
    assert_eq!(api.get("/connectors/").await, (StatusCode::OK, json!(["read"])));
    assert_eq!(api.get("/connectors/read/").await.0, StatusCode::OK);
    let expanded = api.get("/connectors/?expand=info").await.1;
    assert_eq!(expanded["read"]["info"]["name"], "read");
    assert_eq!(api.get("/").await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_option_set_to_null_is_left_out() {
    let api = Api::start().await;
    let config = json!({ "topic": "lines", "path": null });
    let request = api.request(Method::PUT, "/connectors/read/config").json(&config);
    let expected = json!({ "name": "read", "topic": "lines" });
    assert_eq!(answer(request).await.1["config"], expected);
}

#[tokio::test]
async fn what_is_no_request_gets_connects_error_body() {
    let api = Api::start().await;
    let post = || api.request(Method::POST, "/connectors");
    let json = || post().header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    // Kafka Connect has one code for what cannot be read and for its own faults.
    let unreadable = StatusCode::INTERNAL_SERVER_ERROR;
    api.fails(json().body("{ torn"), unreadable, "line 1").await;
    let no_text = api.request(Method::GET, "/connectors/%FF");
    api.fails(no_text, StatusCode::BAD_REQUEST, "UTF-8").await;
    api.fails(json().body("[]"), unreadable, "body").await;
    api.fails(json().body("{}"), unreadable, "`config`").await;
    api.fails(json().body(""), unreadable, "body").await;
    api.fails(json().body(r#"{"name":"a"}"#), unreadable, "`config`").await;
    api.fails(json().body(r#"{"config":{}}"#), StatusCode::BAD_REQUEST, "name").await;
    api.fails(json().body(r#"{"config":{},"id":1}"#), unreadable, "`id`").await;
    let deep = format!(r#"{{"name":"a","config":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    api.fails(json().body(deep), unreadable, "invalid type").await;
    api.fails(post().body("name=a"), StatusCode::UNSUPPORTED_MEDIA_TYPE, "JSON").await;
    let form = post().header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    api.fails(form.body("name=a"), StatusCode::UNSUPPORTED_MEDIA_TYPE, "415").await;
    let text = api.request(Method::GET, "/connectors").header(header::ACCEPT, "text/plain");
    api.fails(text, StatusCode::NOT_ACCEPTABLE, "406").await;
    let any =
        api.request(Method::GET, "/connectors").header(header::ACCEPT, "text/html, */*;q=0.1");
    assert_eq!(answer(any).await.0, StatusCode::OK);
    let large = json().body(" ".repeat(BODY_BYTES_MAX + 1));
    api.fails(large, StatusCode::PAYLOAD_TOO_LARGE, "more than").await;
    api.fails(api.request(Method::GET, "/conectors"), StatusCode::NOT_FOUND, "404").await;
    let wrong = api.request(Method::DELETE, "/connectors");
    api.fails(wrong, StatusCode::METHOD_NOT_ALLOWED, "405").await;
    assert_eq!(api.get("/connectors").await, (StatusCode::OK, json!([])), "it still serves");
}
