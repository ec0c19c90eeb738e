//! The driver `http` against Werkzeug's server: who asks, what is taken, and each way to fail.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use longshore_driver_http::{Access, Class, Endpoint, HttpConfig, HttpError, Keep, Request};
use longshore_e2e::http::{CLIENT, HttpServer, SECRET, TOKEN};
use longshore_e2e::limits;
use serde_json::{Value, json};

fn open_with(server: &HttpServer, more: &Value, access: Access) -> Endpoint {
    let mut settings = json!({ "kind": "http", "url": server.url() });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let HttpConfig::Http(settings) = serde_json::from_value(settings).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    Endpoint::open(&settings, reqwest::Client::builder().no_proxy(), access).unwrap()
}

fn open(server: &HttpServer, more: &Value) -> Endpoint {
    open_with(server, more, Access::Write(Arc::new(|| true)))
}

fn post(path: &str, body: &str, lane: u32) -> Request {
    let (method, path) = ("POST".to_owned(), path.to_owned());
    Request { method, path, headers: vec![], body: body.to_owned().into(), lane }
}

/// Sends bodies, a lane each, and answers what became of them: `ok` or a code.
async fn send(endpoint: &Endpoint, requests: Vec<Request>) -> Vec<String> {
    let answers = endpoint.send(requests, &Keep::default()).await;
    answers.into_iter().map(|it| it.map_or_else(|e| e.code(), |_| "ok".to_owned())).collect()
}

fn bodies(server: &HttpServer) -> Vec<String> {
    server.taken().into_iter().map(|taken| taken.body).collect()
}

fn oauth2(server: &HttpServer) -> Value {
    json!({ "auth.type": "oauth2", "oauth2.token.url": server.token_url(),
        "oauth2.client.id": CLIENT, "oauth2.client.secret": SECRET })
}

#[tokio::test]
async fn whose_requests_they_are_is_said_and_wrong_credentials_wait_for_the_user() {
    let server = HttpServer::start();
    let basic = |password| json!({ "auth.type": "basic", "connection.user": CLIENT, "connection.password": password });
    let bearer = |token| json!({ "auth.type": "bearer", "bearer.token": token });
    for (auth, right, wrong) in
        [("basic", basic(SECRET), basic("wrong")), ("bearer", bearer(SECRET), bearer("wrong"))]
    {
        server.set(&json!({ "auth": auth }));
        assert_eq!(send(&open(&server, &right), vec![post("x", "1", 0)]).await, ["ok"]);
        let answer = open(&server, &wrong).send(vec![post("x", "2", 0)], &Keep::default()).await;
        let error = answer.into_iter().next().unwrap().unwrap_err();
        assert_eq!((error.class(), error.code().as_str()), (Class::Config, "http-401"));
        assert!(error.to_string().contains("who are you?"), "{error}");
    }
    let mut wrong = oauth2(&server);
    wrong["oauth2.client.secret"] = "wrong".into();
    assert_eq!(send(&open(&server, &wrong), vec![post("x", "3", 0)]).await, ["token-refused"]);
    assert_eq!(bodies(&server), ["1", "1"]);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_when_it_is_refused() {
    let server = HttpServer::start();
    // What is said is true: no request is ever refused.
    server.set(&json!({ "auth": "oauth2", "valid_seconds": 1.0, "said_seconds": 1.0 }));
    let endpoint = open(&server, &oauth2(&server));
    let began = Instant::now();
    while server.count("tokens") < 3 {
        assert!(began.elapsed() < limits::ANSWER);
        assert_eq!(send(&endpoint, vec![post("x", "1", 0)]).await, ["ok"]);
    }
    assert_eq!(server.count("refused"), 0);
    // It ends long before what is said: the refusal renews it, once for all that ask.
    server.set(&json!({ "valid_seconds": 0.3, "said_seconds": 3600 }));
    let endpoint = open(&server, &oauth2(&server));
    assert_eq!(send(&endpoint, vec![post("x", "2", 0)]).await, ["ok"]);
    let before = server.count("tokens");
    tokio::time::sleep(Duration::from_millis(400)).await;
    server.set(&json!({ "valid_seconds": 3600 }));
    let requests = (0..8).map(|lane| post("x", "3", lane)).collect();
    assert_eq!(send(&endpoint, requests).await, ["ok"; 8]);
    assert_eq!(server.count("tokens"), before + 1);
    assert!(server.count("refused") > 0);
}

#[tokio::test]
async fn a_lane_stops_at_a_failure_and_the_others_go_on() {
    let server = HttpServer::start();
    let (status, headers) = (429, json!({ "Retry-After": "7" }));
    server.set(&json!({ "faults": { "2": { "status": status, "headers": headers } } }));
    let endpoint = open(&server, &json!({}));
    let requests = vec![post("x", "a1", 0), post("x", "a2", 0), post("x", "a3", 0)];
    let answers = endpoint.send(requests, &Keep::default()).await;
    assert!(answers[0].is_ok());
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!((error.class(), error.after()), (Class::Retry, Some(Duration::from_secs(7))));
    assert!(matches!(answers[2], Err(HttpError::NotSent { .. })));
    server.set(&json!({ "faults": { "1": { "status": 422 } } }));
    let refused = send(&endpoint, vec![post("x", "b1", 0), post("x", "b2", 0)]).await;
    assert_eq!(refused, ["http-422", "ok"], "a refused one does not hold up its lane");
    assert_eq!(send(&endpoint, vec![post("x", "c", 9), post("x", "d", 8)]).await, ["ok", "ok"]);
    assert_eq!(bodies(&server)[..2], ["a1", "b2"]);
}

#[tokio::test]
async fn answers_that_do_not_come_are_asked_for_again_and_those_too_large_are_cut() {
    let server = HttpServer::start();
    server.set(&json!({ "faults": {
        "1": { "cut": true },
        "2": { "slow": 3 },
        "3": { "large": 50_000_000 },
        "4": { "status": 503, "headers": { "Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT" } },
    } }));
    let endpoint = open(&server, &json!({ "request.timeout.ms": 1000 }));
    assert_eq!(send(&endpoint, vec![post("x", "1", 0)]).await, ["connection-lost"]);
    assert_eq!(send(&endpoint, vec![post("x", "2", 0)]).await, ["timeout"]);
    let keep = Keep { headers: vec!["Content-Length".to_owned()], body_bytes: 10 };
    let answer = endpoint.send(vec![post("x", "3", 0)], &keep).await.remove(0).unwrap();
    assert_eq!((answer.body.as_slice(), answer.whole), (&b"xxxxxxxxxx"[..], false));
    assert_eq!(answer.headers, [("content-length".to_owned(), "50000000".to_owned())]);
    let error = endpoint.send(vec![post("x", "4", 0)], &keep).await.remove(0).unwrap_err();
    assert_eq!((error.class(), error.after()), (Class::Retry, Some(Duration::from_secs(3600))));
    drop(server);
    assert_eq!(send(&endpoint, vec![post("x", "5", 0)]).await, ["unreachable"]);
}

#[tokio::test]
async fn a_redirection_to_another_host_is_told_and_gets_nothing() {
    let (server, other) = (HttpServer::start(), HttpServer::start());
    let location = format!("{}x?secret=1", other.url());
    server.set(&json!({ "auth": "bearer",
        "faults": { "1": { "status": 307, "headers": { "Location": location } } } }));
    let endpoint = open(&server, &json!({ "auth.type": "bearer", "bearer.token": SECRET }));
    let answer = endpoint.send(vec![post("x", "1", 0)], &Keep::default()).await.remove(0);
    let error = answer.unwrap_err();
    assert_eq!((error.class(), error.code().as_str()), (Class::Config, "redirected"));
    assert!(error.to_string().contains(&format!("{}x`", other.url())), "{error}");
    assert_eq!(other.count("requests"), 0);
}

#[tokio::test]
async fn a_server_that_repeats_credentials_tells_the_guest_none() {
    let server = HttpServer::start();
    server.set(&json!({ "auth": "oauth2", "faults": { "1": { "echo": true } } }));
    let mut settings = oauth2(&server);
    settings["headers"] = json!({ "X-Api-Key": "canary-key-of-http" });
    let endpoint = open(&server, &settings);
    let keep = Keep { headers: vec![], body_bytes: 1 << 20 };
    let answer = endpoint.send(vec![post("x", "1", 0)], &keep).await.remove(0).unwrap();
    let body = String::from_utf8(answer.body).unwrap();
    assert!(body.contains("Bearer ********") && !body.contains(TOKEN), "{body}");
    assert!(!body.contains("canary-key"), "{body}");
    let sent = &server.taken()[0].headers;
    assert!(sent["authorization"].contains(TOKEN) && sent["x-api-key"] == "canary-key-of-http");
}

#[tokio::test]
async fn nothing_is_changed_without_the_right_or_the_lease() {
    let server = HttpServer::start();
    let get = || Request { method: "GET".to_owned(), ..post("x", "", 1) };
    let reader = open_with(&server, &json!({}), Access::Read);
    assert_eq!(send(&reader, vec![post("x", "1", 0), get()]).await, ["read-only", "ok"]);
    let holds = Arc::new(AtomicBool::new(true));
    let lease = Arc::clone(&holds);
    let access = Access::Write(Arc::new(move || lease.load(Ordering::Relaxed)));
    let writer = open_with(&server, &json!({}), access);
    assert_eq!(send(&writer, vec![post("x", "2", 0)]).await, ["ok"]);
    holds.store(false, Ordering::Relaxed);
    assert_eq!(send(&writer, vec![post("x", "3", 0), get()]).await, ["fenced", "ok"]);
    holds.store(true, Ordering::Relaxed);
    assert_eq!(send(&writer, vec![post("../x", "4", 0)]).await, ["bad-path"]);
    assert_eq!(bodies(&server), ["", "2", ""]);
}
