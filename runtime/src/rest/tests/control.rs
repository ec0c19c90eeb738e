//! What is done to connectors that are there, and to the worker.

use super::*;
use crate::worker::herder::TargetState;

#[tokio::test]
async fn a_connector_is_paused_resumed_and_stopped_with_connects_codes() {
    let api = Api::start().await;
    api.create("read").await;
    for (action, status, target) in [
        ("pause", StatusCode::ACCEPTED, TargetState::Paused),
        ("resume", StatusCode::ACCEPTED, TargetState::Started),
        ("stop", StatusCode::NO_CONTENT, TargetState::Stopped),
    ] {
        let request = api.request(Method::PUT, &format!("/connectors/read/{action}"));
        assert_eq!(answer(request).await, (status, json!("")), "{action}");
        assert_eq!(api.shelf.target("read"), Some(target));
        let unknown = api.request(Method::PUT, &format!("/connectors/other/{action}"));
        api.fails(unknown, StatusCode::NOT_FOUND, "other").await;
    }
}

#[tokio::test]
async fn a_connector_begins_in_the_state_that_its_request_names() {
    let api = Api::start().await;
    let create = |name: &str, state: &str| {
        let body = json!({ "name": name, "config": {}, "initial_state": state });
        api.request(Method::POST, "/connectors").json(&body)
    };
    assert_eq!(answer(create("a", "PAUSED")).await.0, StatusCode::CREATED);
    assert_eq!(answer(create("b", "stopped")).await.0, StatusCode::CREATED);
    assert_eq!(answer(create("c", "RUNNING")).await.0, StatusCode::CREATED);
    assert_eq!(api.shelf.target("a"), Some(TargetState::Paused));
    assert_eq!(api.shelf.target("b"), Some(TargetState::Stopped));
    assert_eq!(api.shelf.target("c"), Some(TargetState::Started));
    api.fails(create("d", "STARTED"), StatusCode::INTERNAL_SERVER_ERROR, "initial_state").await;
}

#[tokio::test]
async fn offsets_are_read_altered_and_reset() {
    let api = Api::start().await;
    api.create("read").await;
    let path = "/connectors/read/offsets";
    assert_eq!(api.get(path).await, (StatusCode::OK, json!({ "offsets": [] })));
    let offsets = json!({ "offsets": [
        { "partition": { "path": "a.txt" }, "offset": { "position": 7 } },
        { "partition": { "path": "b.txt" }, "offset": null },
    ] });
    let altered = answer(api.request(Method::PATCH, path).json(&offsets)).await;
    assert_eq!(altered, (StatusCode::OK, json!({ "message": "altered" })));
    assert_eq!(api.get(path).await.1, offsets);
    for (body, status) in [
        (json!({}), StatusCode::BAD_REQUEST),
        (json!({ "offsets": [] }), StatusCode::BAD_REQUEST),
        (json!({ "offset": [] }), StatusCode::INTERNAL_SERVER_ERROR),
        (json!({ "offsets": [{ "partition": "a" }] }), StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        api.fails(api.request(Method::PATCH, path).json(&body), status, "").await;
    }
    let reset = answer(api.request(Method::DELETE, path)).await;
    assert_eq!(reset, (StatusCode::OK, json!({ "message": "reset" })));
    assert_eq!(api.get(path).await.1, json!({ "offsets": [] }));
    for method in [Method::GET, Method::DELETE] {
        let unknown = api.request(method, "/connectors/other/offsets");
        api.fails(unknown, StatusCode::NOT_FOUND, "other").await;
    }
}

#[tokio::test]
async fn active_topics_stand_under_their_connectors_name() {
    let api = Api::start().await;
    api.create("read").await;
    let (status, body) = api.get("/connectors/read/topics").await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "read": { "topics": ["lines"] } })));
    let unknown = api.get("/connectors/other/topics").await.1;
    assert_eq!(unknown, json!({ "other": { "topics": [] } }), "as in Kafka Connect");
    let reset = api.request(Method::PUT, "/connectors/read/topics/reset");
    api.fails(reset, StatusCode::FORBIDDEN, "disabled").await;
}

#[tokio::test]
async fn a_plugins_options_are_described_and_a_configuration_is_looked_at() {
    let api = Api::start().await;
    let (_, options) = api.get("/connector-plugins/file-source/config").await;
    let path = json!({
        "name": "path", "type": "STRING", "required": true, "default_value": null,
        "importance": "HIGH", "documentation": "", "group": null, "order": -1, "width": "NONE",
        "display_name": "path", "dependents": [],
    });
    assert_eq!(options[0], path);
    let unknown = api.request(Method::GET, "/connector-plugins/other/config");
    api.fails(unknown, StatusCode::NOT_FOUND, "Unknown plugin other").await;

    let validate = |config: Json| {
        api.request(Method::PUT, "/connector-plugins/file-source/config/validate").json(&config)
    };
    let (status, infos) = answer(validate(json!({ "connector.class": "file-source" }))).await;
    assert_eq!((status, &infos["error_count"]), (StatusCode::OK, &json!(1)));
    assert_eq!(infos["configs"][0]["definition"], path);
    let value = json!({
        "name": "path", "value": null, "recommended_values": [], "errors": ["`path` is missing"],
        "visible": true,
    });
    assert_eq!(infos["configs"][0]["value"], value);
    let other = validate(json!({ "connector.class": "file-sink" }));
    api.fails(other, StatusCode::BAD_REQUEST, "does not match").await;
    api.fails(validate(json!({})), StatusCode::INTERNAL_SERVER_ERROR, "no connector type").await;
}

#[tokio::test]
async fn levels_of_logging_are_read_and_set_for_one_worker_or_for_all() {
    let api = Api::start().await;
    let root = json!({ "level": "INFO", "last_modified": null });
    assert_eq!(api.get("/admin/loggers").await.1, json!({ "root": root }));
    assert_eq!(api.get("/admin/loggers/ROOT").await.1, root);
    let unknown = api.request(Method::GET, "/admin/loggers/other");
    api.fails(unknown, StatusCode::NOT_FOUND, "other").await;
    let set = |query: &str, body: Json| {
        let path = format!("/admin/loggers/longshore::task{query}");
        api.request(Method::PUT, &path).json(&body)
    };
    let (status, changed) = answer(set("?scope=worker", json!({ "level": "debug" }))).await;
    assert_eq!((status, changed), (StatusCode::OK, json!(["longshore::task"])));
    let (status, _) = answer(set("?scope=CLUSTER", json!({ "level": "debug" }))).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let told = [("longshore::task".to_owned(), "DEBUG".to_owned())];
    assert_eq!(api.shelf.cluster_loggers(), told);
    for name in ["%2A", ".a", "a%5Bb%5D", "a%3Dtrace%2Cb"] {
        for scope in ["worker", "cluster"] {
            let odd = api.request(Method::PUT, &format!("/admin/loggers/{name}?scope={scope}"));
            let odd = odd.json(&json!({ "level": "DEBUG" }));
            api.fails(odd, StatusCode::BAD_REQUEST, "no name of a logger").await;
        }
    }
    assert_eq!(api.shelf.cluster_loggers().len(), 1, "no other was stored");
    api.fails(set("", json!({})), StatusCode::BAD_REQUEST, "'level'").await;
    api.fails(set("", json!({ "level": "odd" })), StatusCode::NOT_FOUND, "'odd'").await;
}
