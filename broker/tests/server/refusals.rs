//! What clients that others wrote make of a refusal: librdkafka's kcat, and
//! Kafka's own Java tools. Each must name the reason, not time out.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

use crate::{
    certificates::{Authority, Identity},
    support::{TestBroker, batch},
};

/// The folder of Kafka's jars, which `tests/systems/install.sh java` fills.
fn kafkas_jars() -> String {
    let cache = std::env::var("LONGSHORE_CACHE").unwrap_or_else(|_| {
        format!("{}/.cache/longshore", std::env::var("HOME").expect("HOME is set"))
    });
    format!("{cache}/java/lib/*")
}

async fn said(command: &mut Command) -> String {
    let done = command.kill_on_drop(true).stdin(Stdio::null()).output();
    let done = tokio::time::timeout(std::time::Duration::from_secs(180), done);
    let output = done.await.expect("a client that is refused gives up").expect("it is installed");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Produces the lines of this file to `secret`.
async fn kcat(bootstrap: &str, record: &Path, properties: &[(&str, &str)]) -> String {
    let mut command = Command::new("kcat");
    command.args(["-P", "-b", bootstrap, "-t", "secret", "-p", "0", "-l"]).arg(record);
    command.args(["-X", "message.timeout.ms=5000", "-X", "debug=security"]);
    for (name, value) in properties {
        command.args(["-X", &format!("{name}={value}")]);
    }
    said(&mut command).await
}

/// Produces a record to `secret` with Kafka's ProducerPerformance.
async fn java(bootstrap: &str, folder: &Path, properties: &[(&str, &str)]) -> String {
    let file = folder.join("client.properties");
    let lines = properties.iter().map(|(name, value)| format!("{name}={value}\n"));
    let text = format!("bootstrap.servers={bootstrap}\nmax.block.ms=20000\n");
    std::fs::write(&file, text + &lines.collect::<String>()).unwrap();
    let mut command = Command::new("java");
    command.args(["-cp", &kafkas_jars(), "org.apache.kafka.tools.ProducerPerformance"]);
    command.args(["--topic", "secret", "--num-records", "1", "--record-size", "10"]);
    command.args(["--throughput", "-1", "--producer.config"]).arg(&file);
    said(&mut command).await
}

fn assert_said(text: &str, reason: &str, what: &str) {
    assert!(text.contains(reason), "{what}: no word of {reason:?} in\n{text}");
}

const INVALID: &str = "Authentication failed: invalid credentials with SASL mechanism PLAIN";

#[tokio::test]
#[ignore = "second tier"]
async fn wrong_passwords_and_forbidden_topics_are_named_by_clients_of_others() {
    let broker = TestBroker::start(&[
        ("listeners", "SASL_PLAINTEXT://127.0.0.1:0,PLAINTEXT://127.0.0.1:0"),
        ("sasl.enabled.mechanisms", "PLAIN"),
        (
            "listener.name.sasl_plaintext.plain.sasl.jaas.config",
            "PlainLoginModule required user_alice=\"a\";",
        ),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("super.users", "User:ANONYMOUS"),
    ])
    .await;
    let [sasl, plain] = broker.broker.local_addrs() else { panic!("two listeners") };
    let mut admin = crate::support::Client::connect(*plain).await;
    admin.create_topic("secret", 1).await;
    let (sasl, folder) = (sasl.to_string(), tempfile::tempdir().unwrap());
    let record = folder.path().join("record");
    std::fs::write(&record, "record\n").unwrap();
    for (password, of_kcat, of_java) in [
        ("guess", INVALID, INVALID),
        (
            "a",
            "Topic authorization failed",
            "TopicAuthorizationException: Not authorized to access topics: [secret]",
        ),
    ] {
        let text = kcat(
            &sasl,
            &record,
            &[
                ("security.protocol", "SASL_PLAINTEXT"),
                ("sasl.mechanism", "PLAIN"),
                ("sasl.username", "alice"),
                ("sasl.password", password),
            ],
        )
        .await;
        assert_said(&text, of_kcat, "kcat");
        let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
        let login = format!("{module} required username=\"alice\" password=\"{password}\";");
        let text = java(
            &sasl,
            folder.path(),
            &[
                ("security.protocol", "SASL_PLAINTEXT"),
                ("sasl.mechanism", "PLAIN"),
                ("sasl.jaas.config", &login),
            ],
        )
        .await;
        assert_said(&text, of_java, "Java");
    }
    // Nothing came through.
    assert_eq!(admin.produce("secret", 0, 1, batch(&["x"])).await.base_offset, 0);
}

#[tokio::test]
#[ignore = "second tier"]
async fn bad_certificates_and_plaintext_are_named_by_clients_of_others() {
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text_of = |name: &str| path(name).to_str().unwrap().to_owned();
    authority.server().write(&path("broker.pem"));
    std::fs::write(path("trusted.pem"), &authority.pem).unwrap();
    std::fs::write(path("record"), "record\n").unwrap();
    let broker = TestBroker::start(&[
        ("listeners", "SSL://127.0.0.1:0"),
        ("ssl.keystore.location", &text_of("broker.pem")),
        ("ssl.truststore.location", &text_of("trusted.pem")),
        ("ssl.client.auth", "required"),
    ])
    .await;
    let tls = broker.broker.local_addr().to_string();
    let expired = authority.expired_client("alice");
    let stranger = Authority::new("stranger").client("alice");
    for (identity, alert) in [
        (Some(&expired), "certificate expired"),
        (Some(&stranger), "unknown ca"),
        (None, "certificate required"),
    ] {
        let (mut of_kcat, mut of_java) = (of_kcat(&text_of("trusted.pem")), Vec::new());
        of_java.extend([
            ("security.protocol", "SSL".to_owned()),
            ("ssl.endpoint.identification.algorithm", String::new()),
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.location", text_of("trusted.pem")),
        ]);
        if let Some(Identity { certificate, key }) = identity {
            std::fs::write(path("certificate.pem"), certificate).unwrap();
            std::fs::write(path("key.pem"), key).unwrap();
            std::fs::write(path("both.pem"), format!("{key}{certificate}")).unwrap();
            of_kcat.push(("ssl.certificate.location", text_of("certificate.pem")));
            of_kcat.push(("ssl.key.location", text_of("key.pem")));
            of_java.push(("ssl.keystore.type", "PEM".to_owned()));
            of_java.push(("ssl.keystore.location", text_of("both.pem")));
        }
        let borrowed: Vec<_> = of_kcat.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_said(&kcat(&tls, &path("record"), &borrowed).await, alert, "kcat");
        let borrowed: Vec<_> = of_java.iter().map(|(name, value)| (*name, &**value)).collect();
        let text = java(&tls, folder.path(), &borrowed).await;
        assert_said(&text, "SslAuthenticationException", alert);
    }
    let text = kcat(&tls, &path("record"), &[]).await;
    assert_said(&text, "security.protocol", "plaintext on a TLS port");
}

fn of_kcat(trusted: &str) -> Vec<(&'static str, String)> {
    vec![
        ("security.protocol", "SSL".to_owned()),
        ("ssl.ca.location", trusted.to_owned()),
        ("enable.ssl.certificate.verification", "false".to_owned()),
    ]
}
