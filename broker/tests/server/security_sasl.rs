//! Who gets in by a password, and what is let in before.

use std::time::{Duration, Instant};

use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, ApiVersionsRequest, DescribeConfigsRequest,
    DescribeUserScramCredentialsRequest, MetadataRequest, SaslAuthenticateRequest,
    SaslHandshakeRequest,
    alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion},
    describe_configs_request::DescribeConfigsResource,
    describe_user_scram_credentials_request::UserName,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    certificates::{Authority, client_config, connect},
    sasl::salted_password,
    support::{Client, PATIENCE, TestBroker, batch, encode, produce_request, text},
};

const AUTHENTICATION_FAILED: i16 = 58;
const UNSUPPORTED_MECHANISM: i16 = 33;
const ILLEGAL_STATE: i16 = 34;
const DUPLICATE: i16 = 92;
const NOT_FOUND: i16 = 91;
const UNACCEPTABLE: i16 = 93;

const LISTENERS: (&str, &str) =
    ("listeners", "SASL_PLAINTEXT://127.0.0.1:0,PLAINTEXT://127.0.0.1:0");
const PLAIN_USERS: (&str, &str) = (
    "listener.name.sasl_plaintext.plain.sasl.jaas.config",
    "org.apache.kafka.common.security.plain.PlainLoginModule required \
     username=\"broker\" password=\"not-a-user\" user_alice=\"wonderland\" user_bob=\"builder\";",
);
const SCRAM_USERS: (&str, &str) = (
    "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config",
    "org.apache.kafka.common.security.scram.ScramLoginModule required user_carol=\"first-noel\";",
);
const MECHANISMS: (&str, &str) = ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512");

async fn start(more: &[(&str, &str)]) -> TestBroker {
    let mut properties = vec![LISTENERS, PLAIN_USERS, SCRAM_USERS, MECHANISMS];
    properties.push(("connection.failed.authentication.delay.ms", "0"));
    properties.extend_from_slice(more);
    TestBroker::start(&properties).await
}

async fn plain_listener(broker: &TestBroker) -> Client {
    Client::connect(broker.broker.local_addrs()[1]).await
}

async fn assert_serves<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    client: &mut Client<S>,
) {
    assert_eq!(client.call(9, &MetadataRequest::default()).await.brokers.len(), 1);
}

#[tokio::test]
async fn the_right_password_is_let_in_and_a_wrong_one_costs_the_connection() {
    let broker = start(&[]).await;
    let mut client = broker.client().await;
    assert_eq!(client.plain("alice", "wonderland").await.error_code, 0);
    assert_serves(&mut client).await;
    for (user, password) in
        [("alice", "builder"), ("alice", ""), ("mallory", "wonderland"), ("broker", "not-a-user")]
    {
        let mut client = broker.client().await;
        let answer = client.plain(user, password).await;
        assert_eq!(answer.error_code, AUTHENTICATION_FAILED, "{user}");
        let message = answer.error_message.unwrap();
        assert_eq!(
            message.as_str(),
            "Authentication failed: invalid credentials with SASL mechanism PLAIN"
        );
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn a_failed_authentication_is_answered_late() {
    let broker = start(&[("connection.failed.authentication.delay.ms", "250")]).await;
    let mut client = broker.client().await;
    let begun = Instant::now();
    assert_eq!(client.plain("alice", "x").await.error_code, AUTHENTICATION_FAILED);
    assert!(begun.elapsed() >= Duration::from_millis(250));
}

#[tokio::test]
async fn scram_lets_in_by_both_hashes_and_refuses_wrong_and_unknown_alike() {
    let broker = start(&[]).await;
    let mut admin = plain_listener(&broker).await;
    assert_eq!(upsert(&mut admin, "dave", 1, "pw-256").await, [("dave".to_owned(), 0)]);
    for (mechanism, user, password, code) in [
        ("SCRAM-SHA-512", "carol", "first-noel", 0),
        ("SCRAM-SHA-256", "dave", "pw-256", 0),
        ("SCRAM-SHA-512", "carol", "second-noel", AUTHENTICATION_FAILED),
        ("SCRAM-SHA-256", "carol", "first-noel", AUTHENTICATION_FAILED),
        ("SCRAM-SHA-256", "mallory", "pw-256", AUTHENTICATION_FAILED),
        ("SCRAM-SHA-512", "alice", "wonderland", AUTHENTICATION_FAILED),
    ] {
        let mut client = broker.client().await;
        assert_eq!(client.scram(mechanism, user, password).await, code, "{mechanism} {user}");
        match code {
            0 => assert_serves(&mut client).await,
            _ => assert!(client.is_closed().await),
        }
    }
}

#[tokio::test]
async fn requests_before_authentication_cost_the_connection() {
    let broker = start(&[]).await;
    let metadata = encode(9, 1, &MetadataRequest::default());
    let produce = encode(9, 1, &produce_request("topic", 0, 1, batch(&["x"])));
    for frame in [&metadata, &produce] {
        let mut client = broker.client().await;
        // What a client may ask before it logs in.
        assert_eq!(client.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
        client.stream.write_all(frame).await.unwrap();
        assert!(client.is_closed().await);
        // Nor in the middle of an exchange.
        let mut client = broker.client().await;
        assert_eq!(client.handshake("SCRAM-SHA-512").await, 0);
        assert_eq!(client.token(b"n,,n=carol,r=x").await.error_code, 0);
        client.stream.write_all(frame).await.unwrap();
        assert!(client.is_closed().await);
    }
    let mut client = broker.client().await;
    let answer = client.token(b"\0alice\0wonderland").await;
    assert_eq!(answer.error_code, ILLEGAL_STATE, "a token without a handshake");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn an_unknown_mechanism_is_told_which_there_are() {
    let broker = start(&[("sasl.enabled.mechanisms", "SCRAM-SHA-512")]).await;
    for mechanism in ["PLAIN", "GSSAPI", ""] {
        let mut client = broker.client().await;
        let request = SaslHandshakeRequest::default().with_mechanism(text(mechanism));
        let answer = client.call(1, &request).await;
        assert_eq!(answer.error_code, UNSUPPORTED_MECHANISM);
        assert_eq!(answer.mechanisms, [text("SCRAM-SHA-512")]);
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn on_a_listener_without_sasl_it_is_out_of_place() {
    let broker = start(&[]).await;
    let mut client = plain_listener(&broker).await;
    assert_eq!(client.handshake("PLAIN").await, ILLEGAL_STATE);
    assert_eq!(client.token(b"\0alice\0wonderland").await.error_code, ILLEGAL_STATE);
    assert_serves(&mut client).await;
}

#[tokio::test]
async fn tokens_without_a_request_around_them_follow_the_oldest_handshake() {
    let broker = start(&[]).await;
    for (token, served) in [(&b"\0bob\0builder"[..], true), (b"\0bob\0x", false), (b"", false)] {
        let mut client = broker.client().await;
        let request = SaslHandshakeRequest::default().with_mechanism(text("PLAIN"));
        assert_eq!(client.call(0, &request).await.error_code, 0);
        client.stream.write_u32(token.len() as u32).await.unwrap();
        client.stream.write_all(token).await.unwrap();
        if served {
            assert_eq!(client.stream.read_u32().await.unwrap(), 0, "an empty token");
            assert_serves(&mut client).await;
        } else {
            assert!(client.is_closed().await);
        }
    }
}

#[tokio::test]
async fn a_session_ends_with_its_lifetime_unless_it_is_renewed_by_the_same_user() {
    let broker = start(&[("connections.max.reauth.ms", "400")]).await;
    let mut renewing = broker.client().await;
    let mut forgetful = broker.client().await;
    let mut turncoat = broker.client().await;
    for client in [&mut renewing, &mut forgetful, &mut turncoat] {
        let answer = client.plain("alice", "wonderland").await;
        assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, 400));
    }
    assert_eq!(turncoat.plain("bob", "builder").await.error_code, AUTHENTICATION_FAILED);
    assert!(turncoat.is_closed().await);
    let begun = Instant::now();
    // Three lifetimes of requests, on one session renewed and one not.
    let mut ended = None;
    while begun.elapsed() < Duration::from_millis(1200) {
        assert_eq!(renewing.plain("alice", "wonderland").await.error_code, 0);
        assert_serves(&mut renewing).await;
        if ended.is_none() {
            forgetful.send(9, &MetadataRequest::default()).await;
            if forgetful.receive_frame().await.is_none() {
                ended = Some(begun.elapsed());
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(ended.expect("its time was over") >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_large_frame_before_authentication_is_refused_before_it_is_read() {
    let broker = start(&[("sasl.server.max.receive.size", "1000")]).await;
    let mut client = broker.client().await;
    let request = SaslAuthenticateRequest::default().with_auth_bytes(vec![0; 2000].into());
    assert_eq!(client.handshake("PLAIN").await, 0);
    client.stream.write_all(&encode(2, 2, &request)[..4]).await.unwrap();
    assert!(client.is_closed().await);
    let mut client = broker.client().await;
    assert_eq!(client.plain("alice", "wonderland").await.error_code, 0);
    client.create_topic("topic", 1).await;
    let large = "x".repeat(5000);
    assert_eq!(client.produce("topic", 0, 1, batch(&[&large])).await.error_code, 0);
}

#[tokio::test]
async fn a_client_that_does_not_authenticate_in_time_is_cut_off() {
    let broker = start(&[("connections.max.idle.ms", "300")]).await;
    let mut busy = broker.client().await;
    let asking = async {
        // Never idle: ApiVersions may be asked for as often as one likes.
        loop {
            busy.send(0, &ApiVersionsRequest::default()).await;
            if busy.receive_frame().await.is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("the broker cuts it off");
}

#[tokio::test]
async fn a_flood_of_unauthenticated_clients_leaves_the_others_requests_alone() {
    let broker = start(&[("connections.max.idle.ms", "60000")]).await;
    let mut good = broker.client().await;
    assert_eq!(good.plain("alice", "wonderland").await.error_code, 0);
    good.create_topic("topic", 1).await;
    let address = broker.broker.local_addr();
    let flood = tokio::spawn(async move {
        let mut idle = Vec::new();
        loop {
            for user in ["alice", "mallory"] {
                let mut client = Client::connect(address).await;
                client.plain(user, "guess").await;
            }
            // One that says nothing, and one that stops in a frame.
            let silent = Client::connect(address).await;
            let mut halting = Client::connect(address).await;
            let _ = halting.stream.write_all(&[0, 7, 0xff]).await;
            idle.extend([silent, halting]);
        }
    });
    let mut slowest = Duration::ZERO;
    for _ in 0..300 {
        let begun = Instant::now();
        assert_eq!(good.produce("topic", 0, 1, batch(&["x"])).await.error_code, 0);
        slowest = slowest.max(begun.elapsed());
    }
    flood.abort();
    assert!(slowest < Duration::from_secs(5), "a request took {slowest:?}");
}

#[tokio::test]
async fn sasl_over_tls_names_the_user_of_the_password() {
    let authority = Authority::new("authority");
    let directory = tempfile::tempdir().unwrap();
    let keystore = directory.path().join("broker.pem");
    authority.server().write(&keystore);
    let users = PLAIN_USERS.1;
    let broker = TestBroker::start(&[
        ("listeners", "SECURE://127.0.0.1:0"),
        ("listener.security.protocol.map", "SECURE:SASL_SSL"),
        ("listener.name.secure.ssl.keystore.location", keystore.to_str().unwrap()),
        ("listener.name.secure.plain.sasl.jaas.config", users),
        ("listener.name.secure.sasl.enabled.mechanisms", "PLAIN"),
    ])
    .await;
    for (password, served) in [("wonderland", true), ("x", false)] {
        let stream = connect(broker.broker.local_addr(), client_config(&authority, None)).await;
        let mut client = Client::over(stream.unwrap());
        let code = client.plain("alice", password).await.error_code;
        assert_eq!(code == 0, served);
        match served {
            true => assert_serves(&mut client).await,
            false => assert!(client.receive_frame().await.is_none()),
        }
    }
}

async fn upsert(
    client: &mut Client,
    user: &str,
    mechanism: i8,
    password: &str,
) -> Vec<(String, i16)> {
    let salt = b"0123456789abcdef";
    let name = if mechanism == 1 { "SCRAM-SHA-256" } else { "SCRAM-SHA-512" };
    let salted = salted_password(name, password, salt, 4096);
    alter(client, vec![upsertion(user, mechanism, 4096, salt, &salted)], Vec::new()).await
}

fn upsertion(
    user: &str,
    mechanism: i8,
    iterations: i32,
    salt: &[u8],
    salted: &[u8],
) -> ScramCredentialUpsertion {
    ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(mechanism)
        .with_iterations(iterations)
        .with_salt(salt.to_vec().into())
        .with_salted_password(salted.to_vec().into())
}

fn deletion(user: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(mechanism)
}

async fn alter(
    client: &mut Client,
    upsertions: Vec<ScramCredentialUpsertion>,
    deletions: Vec<ScramCredentialDeletion>,
) -> Vec<(String, i16)> {
    let request = AlterUserScramCredentialsRequest::default()
        .with_upsertions(upsertions)
        .with_deletions(deletions);
    let response = client.call(0, &request).await;
    response.results.iter().map(|result| (result.user.to_string(), result.error_code)).collect()
}

#[tokio::test]
async fn credentials_that_cannot_be_are_refused_one_user_at_a_time() {
    let broker = start(&[]).await;
    let mut admin = plain_listener(&broker).await;
    let results = alter(
        &mut admin,
        vec![
            upsertion("few", 1, 4095, b"s", b"p"),
            upsertion("many", 1, 16385, b"s", b"p"),
            upsertion("", 1, 4096, b"s", b"p"),
            upsertion("none", 3, 4096, b"s", b"p"),
            upsertion("saltless", 1, 4096, b"", b"p"),
            upsertion("twice", 1, 4096, b"s", b"p"),
            upsertion("twice", 1, 4096, b"s", b"q"),
            upsertion("good", 1, 4096, b"s", b"p"),
            upsertion("good", 2, 8192, b"s", b"p"),
        ],
        vec![deletion("absent", 1), deletion("carol", 1)],
    )
    .await;
    let expected = [
        ("absent", NOT_FOUND),
        ("carol", NOT_FOUND),
        ("few", UNACCEPTABLE),
        ("many", UNACCEPTABLE),
        ("", UNACCEPTABLE),
        ("none", UNSUPPORTED_MECHANISM),
        ("saltless", UNACCEPTABLE),
        ("twice", DUPLICATE),
        ("good", 0),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(user, code)| ((*user).to_owned(), *code)).collect();
    assert_eq!(results, expected);

    let all = admin.call(0, &DescribeUserScramCredentialsRequest::default()).await;
    let described: Vec<_> = all
        .results
        .iter()
        .map(|user| {
            let infos = user.credential_infos.iter();
            (user.user.as_str(), infos.map(|i| (i.mechanism, i.iterations)).collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(described, [("carol", vec![(2, 4096)]), ("good", vec![(1, 4096), (2, 8192)])]);
    let name = |user: &str| UserName::default().with_name(text(user));
    let asked = DescribeUserScramCredentialsRequest::default().with_users(Some(vec![
        name("good"),
        name("absent"),
        name("x"),
        name("x"),
    ]));
    let some = admin.call(0, &asked).await;
    let codes: Vec<_> = some.results.iter().map(|r| (r.user.as_str(), r.error_code)).collect();
    assert_eq!(codes, [("absent", NOT_FOUND), ("good", 0), ("x", DUPLICATE)]);
}

#[tokio::test]
async fn users_outlive_a_restart_and_the_configuration_does_not_undo_a_new_password() {
    let broker = start(&[]).await;
    let mut admin = plain_listener(&broker).await;
    assert_eq!(upsert(&mut admin, "carol", 2, "changed").await, [("carol".to_owned(), 0)]);
    let broker = broker.restart(&[LISTENERS, PLAIN_USERS, SCRAM_USERS, MECHANISMS]).await;
    let mut client = broker.client().await;
    assert_eq!(client.scram("SCRAM-SHA-512", "carol", "changed").await, 0);
    let mut admin = plain_listener(&broker).await;
    assert_eq!(
        alter(&mut admin, vec![], vec![deletion("carol", 2)]).await,
        [("carol".to_owned(), 0)]
    );
    let mut client = broker.client().await;
    assert_ne!(client.scram("SCRAM-SHA-512", "carol", "changed").await, 0);
}

#[tokio::test]
async fn no_password_is_in_a_file_or_an_answer() {
    let broker = start(&[]).await;
    let mut admin = plain_listener(&broker).await;
    upsert(&mut admin, "dave", 1, "pass-of-dave").await;
    let resource =
        DescribeConfigsResource::default().with_resource_type(4).with_resource_name(text("1"));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let configs = format!("{:?}", admin.call(4, &request).await);
    let mut files = String::new();
    for name in ["journal", "snapshot"] {
        let path = broker.directory.path().join("metadata").join(name);
        files += &String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default());
    }
    assert!(files.contains("carol") && files.contains("dave"));
    for password in ["wonderland", "builder", "first-noel", "pass-of-dave"] {
        assert!(!configs.contains(password) && !files.contains(password));
    }
}
