//! Requests of a follower's users, answered by the leader.

use super::*;
use crate::worker::herder::{Herder as _, Leadership, TargetState};
use crate::worker::session_key::{InterWorker, SessionKey, SessionKeys};

/// A leader and a worker that takes it for the leader.
async fn two() -> (Api, Api) {
    let (leader, follower) = (Api::start().await, Api::start().await);
    follower.shelf.led_by(Leadership::Of(leader.server.address().to_string()));
    (leader, follower)
}

#[tokio::test]
async fn what_only_the_leader_does_is_answered_by_it_whole() {
    let (leader, follower) = two().await;
    let created = follower.create("a b").await;
    assert_eq!(created.status(), StatusCode::CREATED);
    assert_eq!(created.headers()[header::LOCATION], "/connectors/a%20b");
    assert_eq!(created.json::<Json>().await.unwrap()["config"]["name"], "a b");
    assert_eq!(leader.get("/connectors").await.1, json!(["a b"]));
    assert_eq!(follower.get("/connectors").await.1, json!([]), "reading stays where it is asked");

    let restart = "/connectors/a%20b/restart?includeTasks=true&onlyFailed=true";
    let restarted = follower.request(Method::POST, restart);
    assert_eq!(answer(restarted).await.0, StatusCode::ACCEPTED);
    assert_eq!(leader.shelf.restarts(), [(true, true)]);
    let stopped = follower.request(Method::PUT, "/connectors/a%20b/stop");
    assert_eq!(answer(stopped).await, (StatusCode::NO_CONTENT, json!("")));
    assert_eq!(leader.shelf.target("a b"), Some(TargetState::Stopped));
    let patched = follower.request(Method::PATCH, "/connectors/a%20b/config");
    let (_, body) = answer(patched.json(&json!({ "path": "x" }))).await;
    assert_eq!(body["config"]["path"], "x");
    let again = follower.request(Method::POST, "/connectors");
    let again = again.json(&json!({ "name": "a b", "config": {} }));
    follower.fails(again, StatusCode::CONFLICT, "already exists").await;
    let deleted = follower.request(Method::DELETE, "/connectors/a%20b");
    assert_eq!(answer(deleted).await.0, StatusCode::NO_CONTENT);
    assert_eq!(leader.get("/connectors").await.1, json!([]));
}

#[tokio::test]
async fn two_workers_that_take_each_other_for_the_leader_answer_409_after_two_hops() {
    let (one, two) = two().await;
    one.shelf.led_by(Leadership::Of(two.server.address().to_string()));
    let delete = one.request(Method::DELETE, "/connectors/x");
    one.fails(delete, StatusCode::CONFLICT, "conflicting operation").await;
}

#[tokio::test]
async fn what_says_that_it_was_forwarded_and_no_worker_signed_is_refused() {
    let (leader, follower) = two().await;
    leader.create("read").await;
    let forged = |query: &str| leader.request(Method::DELETE, &format!("/connectors/read?{query}"));
    for query in ["forward=true", "forward=false", "a=b&forward=true"] {
        leader.fails(forged(query), StatusCode::BAD_REQUEST, "missing required signature").await;
    }
    // A signature is its own request's alone: a stolen one opens nothing else.
    let signature = leader.shelf.sign(b"DELETE /connectors/other?forward=true\n").unwrap();
    let stolen = super::super::internal::headers(&signature).unwrap();
    let request = forged("forward=true").headers(stolen);
    leader.fails(request, StatusCode::FORBIDDEN, "invalid signature").await;
    let signature = leader.shelf.sign(b"DELETE /connectors/read?forward=true\n").unwrap();
    let own = super::super::internal::headers(&signature).unwrap();
    let changed = forged("forward=true").headers(own.clone()).body("{}");
    let changed = changed.header(header::CONTENT_TYPE, "application/json");
    leader.fails(changed, StatusCode::FORBIDDEN, "invalid signature").await;
    assert_eq!(leader.get("/connectors").await.1, json!(["read"]));
    let request = forged("forward=true").headers(own);
    assert_eq!(answer(request).await.0, StatusCode::NO_CONTENT);

    // A worker of another fleet has another key, one that starts has none.
    let mut keys = SessionKeys::default();
    follower.shelf.has_keys(keys.clone());
    let delete = || follower.request(Method::DELETE, "/connectors/read");
    follower.fails(delete(), StatusCode::SERVICE_UNAVAILABLE, "session key").await;
    keys.put(SessionKey::generate(&InterWorker::default(), 0));
    follower.shelf.has_keys(keys);
    follower.fails(delete(), StatusCode::FORBIDDEN, "invalid signature").await;
}

#[tokio::test]
async fn without_a_leader_there_is_409_and_with_one_that_is_gone_500() {
    let api = Api::start().await;
    api.shelf.led_by(Leadership::Unknown);
    let delete = || api.request(Method::DELETE, "/connectors/x");
    api.fails(delete(), StatusCode::CONFLICT, "no known leader").await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    api.shelf.led_by(Leadership::Of(address.to_string()));
    api.fails(delete(), StatusCode::INTERNAL_SERVER_ERROR, "IO Error").await;
}
