//! Encrypted listeners: who gets in, who does not, and whom that harms.

use std::path::{Path, PathBuf};

use kafka_protocol::messages::ApiVersionsRequest;
use longshore_broker::{Broker, StartError};
use tokio::io::AsyncWriteExt;

use crate::{
    certificates::{Authority, client_config, connect, eventually},
    support::{Client, TestBroker, batch, batches, config},
};

struct Files {
    _directory: tempfile::TempDir,
    keystore: PathBuf,
    truststore: PathBuf,
}

fn files(authority: &Authority) -> Files {
    let directory = tempfile::tempdir().unwrap();
    let keystore = directory.path().join("broker.pem");
    let truststore = directory.path().join("trusted.pem");
    authority.server().write(&keystore);
    std::fs::write(&truststore, &authority.pem).unwrap();
    Files { _directory: directory, keystore, truststore }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn start(files: &Files, more: &[(&str, &str)]) -> TestBroker {
    let mut properties = vec![
        ("listeners", "SSL://127.0.0.1:0,PLAINTEXT://127.0.0.1:0"),
        ("ssl.keystore.location", text(&files.keystore)),
        ("ssl.truststore.location", text(&files.truststore)),
    ];
    properties.extend_from_slice(more);
    TestBroker::start(&properties).await
}

/// Whether a client with this configuration gets an answer.
async fn is_served(broker: &TestBroker, config: rustls::ClientConfig) -> bool {
    let Ok(stream) = connect(broker.broker.local_addr(), config).await else { return false };
    // With TLS 1.3 a refused certificate shows at the first read.
    let mut client = Client::over(stream);
    client.send(0, &ApiVersionsRequest::default()).await;
    client.receive_frame().await.is_some()
}

#[tokio::test]
async fn records_go_in_and_out_through_tls_unchanged() {
    let authority = Authority::new("authority");
    let files = files(&authority);
    let broker = start(&files, &[]).await;
    let stream = connect(broker.broker.local_addr(), client_config(&authority, None)).await;
    let mut client = Client::over(stream.unwrap());
    client.create_topic("topic", 1).await;
    // Larger than a TLS record and than what sockets hold.
    let large = "x".repeat(900_000);
    for _ in 0..4 {
        assert_eq!(client.produce("topic", 0, -1, batch(&[&large])).await.error_code, 0);
    }
    let fetched = client.fetch("topic", 0, 0).await;
    assert_eq!(batches(&fetched)[0].record_count, 1);
    let mut plain = Client::connect(broker.broker.local_addrs()[1]).await;
    assert_eq!(plain.fetch("topic", 0, 0).await.responses, fetched.responses);
}

#[tokio::test]
async fn plaintext_on_a_tls_port_costs_its_connection_and_nothing_else() {
    let authority = Authority::new("authority");
    let files = files(&authority);
    let broker = start(&files, &[]).await;
    let config = client_config(&authority, None);
    let mut good = Client::over(connect(broker.broker.local_addr(), config).await.unwrap());
    for _ in 0..50 {
        let mut plain = broker.client().await;
        plain.send(0, &ApiVersionsRequest::default()).await;
        assert!(plain.is_closed().await);
        assert_eq!(good.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
    }
}

#[tokio::test]
async fn a_handshake_that_stalls_or_drips_is_cut_off() {
    let authority = Authority::new("authority");
    let files = files(&authority);
    let broker = start(&files, &[("connections.max.idle.ms", "300")]).await;
    let mut silent = broker.client().await;
    let mut dripping = broker.client().await;
    let drip = async {
        // The head of a ClientHello, then a byte at a time: never idle, never done.
        let _ = dripping.stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]).await;
        while dripping.stream.write_all(&[3]).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, drip).await.expect("the broker cuts it off");
    assert!(silent.is_closed().await);
}

#[tokio::test]
async fn a_client_without_a_good_certificate_is_refused_where_one_is_required() {
    let authority = Authority::new("authority");
    let files = files(&authority);
    let broker = start(&files, &[("ssl.client.auth", "required")]).await;
    let stranger = Authority::new("stranger").client("alice");
    let expired = authority.expired_client("alice");
    let for_servers = authority.server();
    let good = authority.client("alice");
    for (identity, served) in [
        (None, false),
        (Some(&stranger), false),
        (Some(&expired), false),
        (Some(&for_servers), false),
        (Some(&good), true),
    ] {
        let config = client_config(&authority, identity);
        assert_eq!(is_served(&broker, config).await, served);
    }
}

#[tokio::test]
async fn where_a_certificate_is_requested_one_may_be_missing_but_not_bad() {
    let authority = Authority::new("authority");
    let files = files(&authority);
    let requested = ("listener.name.ssl.ssl.client.auth", "requested");
    let broker = start(&files, &[requested]).await;
    let stranger = Authority::new("stranger").client("alice");
    assert!(is_served(&broker, client_config(&authority, None)).await);
    assert!(!is_served(&broker, client_config(&authority, Some(&stranger))).await);
}

#[tokio::test]
async fn a_certificate_that_no_rule_maps_is_refused() {
    let authority = Authority::new("authority");
    let files = files(&authority);
    let rules = ("ssl.principal.mapping.rules", "RULE:.*CN=(al.*?)(,.*|$)/$1/");
    let broker = start(&files, &[("ssl.client.auth", "required"), rules]).await;
    for (name, served) in [("alice", true), ("bob", false)] {
        let identity = authority.client(name);
        let config = client_config(&authority, Some(&identity));
        assert_eq!(is_served(&broker, config).await, served, "{name}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_a_bad_one_is_not() {
    let old = Authority::new("old");
    let files = files(&old);
    let broker = start(&files, &[]).await;
    let stream = connect(broker.broker.local_addr(), client_config(&old, None)).await;
    let mut from_before = Client::over(stream.unwrap());

    let new = Authority::new("new");
    new.server().write(&files.keystore);
    eventually(|| is_served(&broker, client_config(&new, None))).await;
    assert!(!is_served(&broker, client_config(&old, None)).await);
    assert_eq!(from_before.call(0, &ApiVersionsRequest::default()).await.error_code, 0);

    // A key that is not the certificate's: no client must ever see it, and
    // the next good file is taken.
    let mut broken = Authority::new("broken").server();
    broken.key = new.server().key;
    broken.write(&files.keystore);
    let newest = Authority::new("newest");
    for _ in 0..60 {
        assert!(is_served(&broker, client_config(&new, None)).await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    newest.server().write(&files.keystore);
    eventually(|| is_served(&broker, client_config(&newest, None))).await;
}

#[tokio::test]
async fn a_broker_without_usable_certificates_does_not_start_and_says_why() {
    let authority = Authority::new("authority");
    let files = files(&authority);
    let directory = tempfile::tempdir().unwrap();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (content, told) in [
        ("", "no CERTIFICATE block"),
        (authority.pem.as_str(), "no PRIVATE KEY block"),
        (&format!("{}{encrypted}", authority.pem), "openssl pkey"),
        (&format!("{}{}", authority.pem, authority.server().key), "cannot be used"),
    ] {
        std::fs::write(&files.keystore, content).unwrap();
        let properties =
            [("listeners", "SSL://127.0.0.1:0"), ("ssl.keystore.location", text(&files.keystore))];
        let error = Broker::start(config(directory.path(), &properties)).await.unwrap_err();
        assert!(matches!(error, StartError::Tls { .. }));
        assert!(error.to_string().contains(told), "{error}");
    }
}
