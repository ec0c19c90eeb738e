//! What workers ask of each other.

use super::super::internal::headers;
use super::*;
use crate::worker::herder::Herder as _;

#[tokio::test]
async fn tasks_and_fencing_are_for_workers_that_sign_with_the_fleets_key() {
    let api = Api::start().await;
    api.create("read").await;
    let tasks = r#"[{"path":"a"},{"path":"b"}]"#;
    let post = |body: &'static str| {
        api.request(Method::POST, "/connectors/read/tasks")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
    };
    let fence = || api.request(Method::PUT, "/connectors/read/fence");
    for unsigned in [post(tasks), fence()] {
        api.fails(unsigned, StatusCode::BAD_REQUEST, "missing required signature").await;
    }
    let signed = |text: &str| headers(&api.shelf.sign(text.as_bytes()).unwrap()).unwrap();
    let other = post("[]").headers(signed(tasks));
    api.fails(other, StatusCode::FORBIDDEN, "invalid signature").await;
    // What nobody signed is not read, however long it is; what a worker sends is.
    let long = api.request(Method::POST, "/connectors/read/tasks").body(vec![b' '; 3 << 20]);
    api.fails(long, StatusCode::BAD_REQUEST, "missing required signature").await;
    api.fails(post("{torn"), StatusCode::INTERNAL_SERVER_ERROR, "body").await;
    let odd = |signature: &str, algorithm: &str| {
        fence()
            .header("X-Connect-Authorization", signature)
            .header("X-Connect-Request-Signature-Algorithm", algorithm)
    };
    api.fails(odd("@@", "HmacSHA256"), StatusCode::BAD_REQUEST, "base64").await;
    api.fails(odd("AAAA", "HmacMD5"), StatusCode::BAD_REQUEST, "'HmacMD5'").await;
    api.fails(odd("AAAA", "HmacSHA256"), StatusCode::FORBIDDEN, "invalid signature").await;
    assert!(api.shelf.given().is_empty() && api.shelf.fenced().is_empty());

    let posted = answer(post(tasks).headers(signed(tasks))).await;
    assert_eq!(posted, (StatusCode::NO_CONTENT, json!("")));
    let given = api.shelf.given();
    assert_eq!((given[0].0.as_str(), given[0].1.len()), ("read", 2));
    assert_eq!(given[0].1[1]["path"], "b");
    assert_eq!(answer(fence().headers(signed(""))).await.0, StatusCode::NO_CONTENT);
    assert_eq!(api.shelf.fenced(), ["read"]);
    let unknown = api.request(Method::PUT, "/connectors/other/fence").headers(signed(""));
    api.fails(unknown, StatusCode::NOT_FOUND, "other").await;
}
