//! The document that describes the API holds for what is served and answered.

use std::collections::BTreeSet;

use super::*;
use crate::worker::herder::{Health, Herder as _};

struct Document(Json);

impl Document {
    async fn of(api: &Api) -> Self {
        let (status, document) = api.get("/openapi.json").await;
        assert_eq!(status, StatusCode::OK);
        Self(document)
    }

    fn paths(&self) -> &serde_json::Map<String, Json> {
        self.0["paths"].as_object().unwrap()
    }

    /// The path of the document that a request's path is one of: of several that
    /// which has the fewest names in it.
    fn template(&self, path: &str) -> &str {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &&String| {
            let names: Vec<&str> = template.split('/').collect();
            names.len() == parts.len()
                && names
                    .iter()
                    .zip(&parts)
                    .all(|(name, part)| name.starts_with('{') || name == part)
        };
        let found = self.paths().keys().filter(fits);
        found.min_by_key(|it| it.matches('{').count()).unwrap_or_else(|| panic!("{path}"))
    }

    /// Holds an answer against the document; the operation that it is of.
    fn check(&self, method: &Method, path: &str, status: StatusCode, body: &Json) -> String {
        let template = self.template(path);
        let method = method.as_str().to_ascii_lowercase();
        let responses = &self.paths()[template][&method]["responses"];
        let response = match responses.get(status.as_str()) {
            Some(response) => response,
            None if status.is_success() => panic!("{method} {path}: {status} is not described"),
            None => &responses["default"],
        };
        match response.pointer("/content/application~1json/schema") {
            None => assert_eq!(body, &json!(""), "{method} {path} {status}"),
            Some(schema) => {
                let mut schema = schema.clone();
                schema["components"] = self.0["components"].clone();
                let validator = jsonschema::validator_for(&schema).unwrap();
                let wrong: Vec<_> = validator.iter_errors(body).map(|it| it.to_string()).collect();
                assert!(wrong.is_empty(), "{method} {path} {status}: {wrong:?} in {body}");
            }
        }
        format!("{method} {template}")
    }
}

#[tokio::test]
async fn every_route_that_is_served_is_described_with_its_methods_and_no_other() {
    let api = Api::start().await;
    let document = Document::of(&api).await;
    assert!(document.paths().len() > 20);
    for (template, operations) in document.paths() {
        let path = template.replace("{task}", "0").replace(['{', '}'], "");
        let asked = api.request(Method::OPTIONS, &path).send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::OK, "{path}");
        let served = asked.headers()[header::ALLOW].to_str().unwrap().to_ascii_lowercase();
        let served: BTreeSet<_> =
            served.split(", ").filter(|it| !["head", "options"].contains(it)).collect();
        let described: BTreeSet<_> = operations.as_object().unwrap().keys().collect();
        let described: BTreeSet<_> = described.into_iter().map(String::as_str).collect();
        assert_eq!(served, described, "{path}");
    }
}

#[tokio::test]
async fn every_answer_is_as_it_is_described() {
    let api = Api::start().await;
    let document = Document::of(&api).await;
    let config = json!({ "connector.class": "file-source", "topic": "lines" });
    let new = json!({ "name": "read", "config": config });
    let offsets = json!({ "offsets": [{ "partition": { "path": "a" }, "offset": null }] });
    let level = json!({ "level": "DEBUG" });
    let parts = json!({ "topics": [], "connections": [], "connectors": ["p-c"] });
    let none = || Json::Null;
    let mut answered = BTreeSet::new();
    for (method, path, body) in [
        (Method::GET, "/", none()),
        (Method::GET, "/health", none()),
        (Method::GET, "/health/ready", none()),
        (Method::GET, "/health/live", none()),
        (Method::GET, "/openapi.json", none()),
        (Method::POST, "/connectors", new.clone()),
        (Method::POST, "/connectors", new),
        (Method::POST, "/connectors", json!([])),
        (Method::GET, "/connectors", none()),
        (Method::GET, "/connectors?expand=status&expand=info", none()),
        (Method::GET, "/connectors/read", none()),
        (Method::GET, "/connectors/other", none()),
        (Method::GET, "/connectors/read/config", none()),
        (Method::PUT, "/connectors/read/config", config.clone()),
        (Method::PUT, "/connectors/made/config", config.clone()),
        (Method::PATCH, "/connectors/read/config", json!({ "topic": null })),
        (Method::GET, "/connectors/read/status", none()),
        (Method::POST, "/connectors/read/restart", none()),
        (Method::POST, "/connectors/read/restart?includeTasks=true", none()),
        (Method::PUT, "/connectors/read/pause", none()),
        (Method::PUT, "/connectors/read/resume", none()),
        (Method::PUT, "/connectors/read/stop", none()),
        (Method::GET, "/connectors/read/tasks", none()),
        (Method::GET, "/connectors/read/tasks/0/status", none()),
        (Method::GET, "/connectors/read/tasks/7/status", none()),
        (Method::POST, "/connectors/read/tasks/0/restart", none()),
        (Method::PATCH, "/connectors/read/offsets", offsets),
        (Method::GET, "/connectors/read/offsets", none()),
        (Method::DELETE, "/connectors/read/offsets", none()),
        (Method::GET, "/connectors/read/topics", none()),
        (Method::PUT, "/connectors/read/topics/reset", none()),
        (Method::GET, "/connector-plugins", none()),
        (Method::GET, "/connector-plugins/file-source/config", none()),
        (Method::PUT, "/connector-plugins/file-source/config/validate", config),
        (Method::GET, "/admin/loggers", none()),
        (Method::GET, "/admin/loggers/root", none()),
        (Method::PUT, "/admin/loggers/a", level.clone()),
        (Method::PUT, "/admin/loggers/a?scope=cluster", level),
        (Method::POST, "/connectors/read/tasks", json!([])),
        (Method::PUT, "/connectors/read/fence", none()),
        (Method::DELETE, "/connectors/read", none()),
        (Method::PUT, "/connections/c", json!({ "driver": "objects" })),
        (Method::PUT, "/connections/c", json!({ "driver": "objects" })),
        (Method::GET, "/connections", none()),
        (Method::GET, "/connections/c", none()),
        (Method::DELETE, "/connections/c", none()),
        (Method::PUT, "/pipelines/p", parts.clone()),
        (Method::PUT, "/pipelines/p", parts),
        (Method::GET, "/pipelines", none()),
        (Method::GET, "/pipelines/p", none()),
        (Method::DELETE, "/pipelines/p", none()),
        (Method::POST, "/plugins", json!({})),
        (Method::GET, "/plugins", none()),
        (Method::GET, "/plugins/p", none()),
        (Method::PUT, "/plugins/p/active", json!({ "version": "1" })),
        (Method::DELETE, "/plugins/p/versions/1", none()),
    ] {
        let mut request = api.request(method.clone(), path);
        let text = if body.is_null() { String::new() } else { body.to_string() };
        if path.ends_with("/fence") || path.ends_with("/tasks") {
            let signature = api.shelf.sign(text.as_bytes()).unwrap();
            request = request.headers(super::super::internal::headers(&signature).unwrap());
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let (status, body) = answer(request).await;
        let path = path.split('?').next().unwrap();
        answered.insert(document.check(&method, path, status, &body));
    }
    api.shelf.feels(Health::Starting("No member yet.".to_owned()));
    let (status, body) = api.get("/health").await;
    document.check(&Method::GET, "/health", status, &body);

    let described = document.paths().iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().unwrap().keys();
        methods.map(move |method| format!("{method} {path}"))
    });
    assert_eq!(answered, described.collect(), "every operation was asked for");
}
