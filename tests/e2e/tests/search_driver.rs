//! The driver `search` against a node of OpenSearch: versions, order, and each way to fail.
//! What OpenSearch does not do when it is asked to, Werkzeug's server does.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use longshore_driver_search::{
    Access, Action, Class, Cluster, Operation, Outcome, SearchConfig, SearchError,
};
use longshore_e2e::http::{CLIENT, HttpServer, SECRET};
use longshore_e2e::https_front::{HttpsFront, PASSWORD, USER};
use longshore_e2e::opensearch::{OpenSearch, REQUEST_BYTES_MAX};
use rcgen::CertifiedKey;
use serde_json::{Value, json};
use tempfile::TempDir;

fn open_with(url: &str, more: &Value, access: Access) -> Cluster {
    let mut settings = json!({ "kind": "elasticsearch", "url": url });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let SearchConfig::Elasticsearch(settings) = serde_json::from_value(settings).unwrap();
    Cluster::open(&settings, access).unwrap()
}

fn open(url: &str, more: &Value) -> Cluster {
    open_with(url, more, Access::Write(Arc::new(|| true)))
}

fn index(index: &str, id: &str, version: i64, document: &Value) -> Operation {
    let (index, id, document) = (index.to_owned(), id.to_owned(), document.to_string());
    let (action, version) = (Action::Index, Some(version));
    Operation { action, index, id, version, document: document.into() }
}

fn upsert(in_index: &str, id: &str, document: &Value) -> Operation {
    let operation = index(in_index, id, 0, document);
    Operation { action: Action::Upsert, version: None, ..operation }
}

fn delete(in_index: &str, id: &str, version: i64) -> Operation {
    let operation = index(in_index, id, version, &Value::Null);
    Operation { action: Action::Delete, document: Vec::new(), ..operation }
}

/// What became of operations: `applied`, `superseded`, `absent` or a code.
async fn bulk(cluster: &Cluster, operations: &[Operation]) -> Vec<String> {
    let told = |answer: Result<Outcome, SearchError>| match answer {
        Ok(outcome) => format!("{outcome:?}").to_lowercase(),
        Err(error) => error.code(),
    };
    cluster.bulk(operations).await.into_iter().map(told).collect()
}

async fn failed(cluster: &Cluster, operation: Operation) -> (Class, String) {
    let error = cluster.bulk(&[operation]).await.remove(0).unwrap_err();
    (error.class(), error.code())
}

#[tokio::test]
async fn the_driver_does_what_its_interface_says_on_opensearch() {
    let mut server = OpenSearch::start();
    let cluster = open(&server.url(), &json!({ "request.timeout.ms": 15_000 }));
    a_version_makes_what_is_done_again_nothing(&server, &cluster).await;
    fields_are_merged_in_their_order(&server, &cluster).await;
    what_is_refused_costs_itself_alone(&server, &cluster).await;
    requests_that_are_too_large_go_in_halves(&server, &cluster).await;
    only_what_failed_is_to_be_sent_again(&server, &cluster).await;
    what_the_user_can_change_waits_for_him(&server, &cluster).await;
    nothing_is_written_without_the_right_or_the_lease(&server).await;
    a_server_that_restarts_has_what_it_acknowledged(&mut server, &cluster).await;
}

async fn a_version_makes_what_is_done_again_nothing(server: &OpenSearch, cluster: &Cluster) {
    let operations = [
        index("versions", "ä/1", 5, &json!({ "n": 5 })),
        index("versions", "ä/1", 4, &json!({ "n": 4 })),
        index("versions", "ä/1", 6, &json!({ "n": 1.10, "text": "a\nb" })),
        index("versions", "2", 7, &json!({ "n": 7 })),
        delete("versions", "2", 8),
        delete("versions", "3", 9),
    ];
    let done = ["applied", "superseded", "applied", "applied", "applied", "absent"];
    assert_eq!(bulk(cluster, &operations).await, done);
    let again = bulk(cluster, &operations[..5]).await;
    assert_eq!(again, ["superseded"; 5]);
    let documents = server.documents("versions");
    let expected = (6, json!({ "n": 1.10, "text": "a\nb" }));
    assert_eq!(documents, [("ä/1".to_owned(), expected)].into());
}

async fn fields_are_merged_in_their_order(server: &OpenSearch, cluster: &Cluster) {
    let merges = (0..20)
        .map(|n| upsert("merged", &(n % 2).to_string(), &json!({ "n": n, (format!("f{n}")): n })));
    assert_eq!(bulk(cluster, &merges.collect::<Vec<_>>()).await, ["applied"; 20]);
    let documents = server.documents("merged");
    let (_, one) = &documents["1"];
    assert_eq!(
        (&one["n"], &one["f1"], one.as_object().unwrap().len()),
        (&json!(19), &json!(1), 11)
    );
    let unversioned = |id| Operation { version: None, ..delete("merged", id, 0) };
    let gone = [unversioned("0"), unversioned("0"), upsert("merged", "0", &json!({ "n": 1 }))];
    assert_eq!(bulk(cluster, &gone).await, ["applied", "absent", "applied"]);
    assert_eq!(server.documents("merged")["0"].1, json!({ "n": 1 }));
}

async fn what_is_refused_costs_itself_alone(server: &OpenSearch, cluster: &Cluster) {
    let mapping =
        json!({ "mappings": { "dynamic": "strict", "properties": { "n": { "type": "long" } } } });
    server.put("/strict", &mapping);
    let strict = |id: &str, document| index("strict", id, 1, &document);
    let too_long = "x".repeat(513);
    let operations = [
        strict("1", json!({ "n": 1 })),
        strict("2", json!({ "n": "text" })),
        strict("3", json!({ "other": 1 })),
        strict("4", json!([])),
        // The server refuses the whole request for that one.
        strict(&too_long, json!({ "n": 1 })),
        strict("5", json!({ "n": 5 })),
        strict("2", json!({ "n": 2 })),
    ];
    let done = [
        "applied",
        "mapper-parsing-exception",
        "strict-dynamic-mapping-exception",
        "bad-document",
        "http-400",
        "applied",
        "applied",
    ];
    let answers = cluster.bulk(&operations).await;
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!(error.class(), Class::Reject);
    assert!(error.to_string().contains("failed to parse field [n]"), "{error}");
    let error = answers[4].as_ref().unwrap_err();
    assert!(
        error.class() == Class::Reject && error.to_string().contains("Validation Failed"),
        "{error}"
    );
    assert_eq!(bulk(cluster, &operations).await.len(), done.len());
    let told: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.map_or_else(|error| error.code(), |_| "applied".to_owned()))
        .collect();
    assert_eq!(told, done);
    assert_eq!(server.documents("strict").into_keys().collect::<Vec<_>>(), ["1", "2", "5"]);
}

async fn requests_that_are_too_large_go_in_halves(server: &OpenSearch, cluster: &Cluster) {
    let large = |id, bytes| index("large", id, 1, &json!({ "text": "x".repeat(bytes) }));
    let part = REQUEST_BYTES_MAX * 2 / 5;
    let operations =
        [large("1", part), large("2", part), large("3", part), large("4", REQUEST_BYTES_MAX)];
    let mapping =
        json!({ "mappings": { "properties": { "text": { "type": "text", "index": false } } } });
    server.put("/large", &mapping);
    assert_eq!(bulk(cluster, &operations).await, ["applied", "applied", "applied", "http-413"]);
    assert_eq!(server.documents("large").len(), 3);
}

async fn only_what_failed_is_to_be_sent_again(server: &OpenSearch, cluster: &Cluster) {
    server.put("/full", &json!({}));
    server.put("/full/_settings", &json!({ "index.blocks.read_only_allow_delete": true }));
    let nobody = json!({ "settings": { "index.routing.allocation.require._name": "nobody" } });
    server.put("/lost?wait_for_active_shards=0", &nobody);
    let operations = [
        index("full", "1", 1, &json!({ "n": 1 })),
        index("free", "1", 2, &json!({ "n": 2 })),
        delete("full", "1", 3),
        index("full", "2", 4, &json!({ "n": 4 })),
        upsert("full", "2", &json!({ "m": 4 })),
    ];
    let answers = cluster.bulk(&operations).await;
    let error = answers[0].as_ref().unwrap_err();
    assert_eq!((error.class(), error.code().as_str()), (Class::Retry, "cluster-block-exception"));
    // Its deletion does not overtake it, nor does another's merge.
    assert_eq!(answers[1], Ok(Outcome::Applied));
    assert_eq!([&answers[2], &answers[4]], [&Err(SearchError::NotSent); 2]);
    server.put("/full/_settings", &json!({ "index.blocks.read_only_allow_delete": null }));
    let failed: Vec<_> = [0, 2, 3, 4].map(|at: usize| operations[at].clone()).into();
    assert_eq!(bulk(cluster, &failed).await, ["applied"; 4]);
    assert_eq!(server.documents("full")["2"].1, json!({ "n": 4, "m": 4 }));

    // A shard that is nowhere does not take the others' answers with it.
    let hurried = open(&server.url(), &json!({ "request.timeout.ms": 2_000 }));
    let operations = [index("lost", "1", 1, &json!({})), index("free", "2", 2, &json!({ "n": 2 }))];
    let answers = hurried.bulk(&operations).await;
    let error = answers[0].as_ref().unwrap_err();
    assert_eq!(
        (error.class(), error.code().as_str()),
        (Class::Retry, "unavailable-shards-exception")
    );
    assert_eq!(answers[1], Ok(Outcome::Applied));
    assert_eq!(server.request("DELETE", "/lost", None).status, 200);
}

async fn what_the_user_can_change_waits_for_him(server: &OpenSearch, cluster: &Cluster) {
    let setting = json!({ "persistent": { "action.auto_create_index": "-made*,+*" } });
    server.put("/_cluster/settings", &setting);
    let config = |code: &str| (Class::Config, code.to_owned());
    let one = |in_index| index(in_index, "1", 1, &json!({}));
    assert_eq!(failed(cluster, one("made")).await, config("index-not-found-exception"));
    assert_eq!(failed(cluster, one("A")).await, config("invalid-index-name-exception"));
    let unversioned = Operation { version: None, ..delete("made", "1", 0) };
    assert_eq!(bulk(cluster, &[unversioned]).await, ["absent"], "there is nothing to delete");
    server.put("/shut", &json!({}));
    assert_eq!(server.request("POST", "/shut/_close", None).status, 200);
    assert_eq!(failed(cluster, one("shut")).await, config("index-closed-exception"));
    server.put("/blocked", &json!({ "settings": { "index.blocks.write": true } }));
    assert_eq!(failed(cluster, one("blocked")).await, config("cluster-block-exception"));
    let elsewhere = open(&format!("{}/a/b/c", server.url()), &json!({}));
    assert_eq!(failed(&elsewhere, one("x")).await.0, Class::Config);
}

async fn nothing_is_written_without_the_right_or_the_lease(server: &OpenSearch) {
    let one = || index("leased", "1", 1, &json!({}));
    let reader = open_with(&server.url(), &json!({}), Access::Read);
    assert_eq!(bulk(&reader, &[one()]).await, ["read-only"]);
    let holds = Arc::new(AtomicBool::new(false));
    let lease = Arc::clone(&holds);
    let access = Access::Write(Arc::new(move || lease.load(Ordering::Relaxed)));
    let writer = open_with(&server.url(), &json!({}), access);
    assert_eq!(failed(&writer, one()).await, (Class::Retry, "fenced".to_owned()));
    holds.store(true, Ordering::Relaxed);
    assert_eq!(bulk(&writer, &[one()]).await, ["applied"], "it was not there before");
}

async fn a_server_that_restarts_has_what_it_acknowledged(
    server: &mut OpenSearch,
    cluster: &Cluster,
) {
    let one = || index("kept", "1", 1, &json!({ "n": 1 }));
    assert_eq!(bulk(cluster, &[one()]).await, ["applied"]);
    server.kill();
    // The connection that was there is found dead, and then none comes about.
    assert_eq!(failed(cluster, one()).await.0, Class::Retry);
    assert_eq!(failed(cluster, one()).await, (Class::Retry, "unreachable".to_owned()));
    server.start_again();
    assert_eq!(bulk(cluster, &[one()]).await, ["superseded"]);
}

#[tokio::test]
async fn what_other_servers_answer_is_known_for_what_it_is() {
    let server = HttpServer::start();
    let one = || index("i", "1", 1, &json!({}));
    let basic = |password| json!({ "auth.type": "basic", "connection.user": CLIENT, "connection.password": password });
    server.set(&json!({ "auth": "basic" }));
    let config = |code: &str| (Class::Config, code.to_owned());
    assert_eq!(failed(&open(&server.url(), &basic("wrong")), one()).await, config("http-401"));
    let other = HttpServer::start();
    let location = format!("{}x?secret=1", other.url());
    server.set(&json!({ "faults": {
        "2": { "status": 429, "headers": { "Retry-After": "7" }, "body": SECRET },
        "3": { "status": 503 },
        "4": { "cut": true },
        "5": { "slow": 3 },
        "6": { "status": 307, "headers": { "Location": location } },
        "7": { "status": 403 },
    } }));
    let settings = {
        let mut settings = basic(SECRET);
        settings["request.timeout.ms"] = 1000.into();
        settings
    };
    let cluster = open(&server.url(), &settings);
    // It lets in who shows the right password, and is no search engine.
    assert_eq!(failed(&cluster, one()).await, config("not-a-search-engine"));
    let error = cluster.bulk(&[one(), one()]).await.remove(1).unwrap_err();
    assert_eq!((error.class(), error.after()), (Class::Retry, Some(Duration::from_secs(7))));
    assert_eq!(error.to_string(), "HTTP status 429: ********");
    let retry = |code: &str| (Class::Retry, code.to_owned());
    assert_eq!(failed(&cluster, one()).await, retry("http-503"));
    assert_eq!(failed(&cluster, one()).await, retry("connection-lost"));
    assert_eq!(failed(&cluster, one()).await, retry("timeout"));
    assert_eq!(failed(&cluster, one()).await, config("redirected"));
    assert!(other.taken().iter().all(|taken| !taken.headers.contains_key("authorization")));
    assert_eq!(failed(&cluster, one()).await, config("http-403"));
    server.set(&json!({ "auth": "none" }));
    let key = json!({ "auth.type": "api-key", "api.key": "aWQ6a2V5" });
    assert_eq!(failed(&open(&server.url(), &key), one()).await, config("not-a-search-engine"));
    let taken = server.taken().pop().unwrap();
    assert_eq!(taken.headers["authorization"], "ApiKey aWQ6a2V5");
    assert!(taken.path.starts_with("_bulk?"), "{}", taken.path);
}

#[tokio::test]
#[ignore = "second tier: installs Apache's web server"]
async fn behind_tls_and_a_password_it_is_who_it_says() {
    let folder = TempDir::with_prefix("longshore-").unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let place = |name: &str| folder.path().join(name);
    std::fs::write(place("certificate.pem"), cert.pem()).unwrap();
    std::fs::write(place("key.pem"), signing_key.serialize_pem()).unwrap();
    let server = OpenSearch::start();
    let front = HttpsFront::start(&server.url(), &place("certificate.pem"), &place("key.pem"));
    let settings = |password: &str| {
        json!({ "auth.type": "basic", "connection.user": USER, "connection.password": password,
            "ssl.ca.pem": cert.pem() })
    };
    let one = || index("i", "1", 1, &json!({}));
    assert_eq!(bulk(&open(&front.url(), &settings(PASSWORD)), &[one()]).await, ["applied"]);
    let (class, code) = failed(&open(&front.url(), &settings("wrong")), one()).await;
    assert_eq!((class, code.as_str()), (Class::Config, "http-401"));
    let error = open(&front.url(), &json!({})).bulk(&[one()]).await.remove(0).unwrap_err();
    assert_eq!((error.class(), error.code().as_str()), (Class::Config, "tls"), "{error}");
    let plain = front.url().replace("https:", "http:");
    assert_eq!(failed(&open(&plain, &json!({})), one()).await.0, Class::Config);
}
