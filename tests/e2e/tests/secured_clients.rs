//! The commands and the worker against listeners with TLS and passwords: our own
//! connections and librdkafka's both.
#![allow(missing_docs, reason = "tests")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use longshore_e2e::node::Settings;
use longshore_e2e::{Node, Process, cli, limits};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// A folder of certificates and of files for `--command-config`.
struct Files(TempDir);

impl Files {
    /// An authority, a certificate for a host by it, and another authority.
    fn new(host: &str) -> Self {
        let files = Self(TempDir::with_prefix("longshore-").expect("a folder can be made"));
        let authority = |file: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, file);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().expect("a key can be made");
            let own = params.self_signed(&key).expect("an authority can be made");
            files.write(file, &own.pem());
            Issuer::new(params, key)
        };
        authority("other.pem");
        let issuer = authority("ca.pem");
        let key = KeyPair::generate().expect("a key can be made");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("it is a name");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate can be made");
        files.write("server.pem", &format!("{}{}", certificate.pem(), key.serialize_pem()));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).expect("a file can be written");
        self.path(name).display().to_string()
    }

    /// A file of client properties with Kafka's names.
    fn client(&self, name: &str, mechanism: &str, password: &str) -> String {
        let module =
            if mechanism == "PLAIN" { "plain.PlainLoginModule" } else { "scram.ScramLoginModule" };
        let text = format!(
            "security.protocol=SASL_SSL\nsasl.mechanism={mechanism}\n\
             sasl.jaas.config=org.apache.kafka.common.security.{module} required \\\n  \
             username=\"alice\" password=\"{password}\";\n\
             ssl.truststore.type=PEM\nssl.truststore.location={}\n",
            self.path("ca.pem").display()
        );
        self.write(name, &text)
    }
}

/// A node whose one listener wants TLS and a password.
fn settings(files: &Files) -> Settings {
    Node::with()
        .property("listeners", "SASL_SSL://127.0.0.1:0")
        .property("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512")
        .property(
            "listener.name.sasl_ssl.plain.sasl.jaas.config",
            r#"'Plain required user_alice="a password";'"#,
        )
        .property(
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config",
            r#"'Scram required user_alice="a password";'"#,
        )
        .property(
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config",
            r#"'Scram required user_alice="a password";'"#,
        )
        .property("ssl.keystore.location", files.path("server.pem").display())
}

#[test]
fn commands_pass_tls_and_every_mechanism_with_both_clients() {
    let files = Files::new("127.0.0.1");
    let node = settings(&files).start();
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let config = files.client("client.properties", mechanism, "a password");
        let topic = mechanism.to_lowercase();
        let bootstrap = node.bootstrap();
        let reach = ["--bootstrap-server", &bootstrap, "--command-config", &config];
        cli::run(&[&["topic", "create", &topic][..], &reach].concat());
        let mut command = cli::command(&[&["produce", &topic][..], &reach].concat());
        let mut produce = Process::spawn("produce", command.stdin(Stdio::piped()));
        produce.stdin().expect("stdin is piped").write_all(b"over TLS\n").expect("it reads");
        assert!(produce.ended(limits::CLIENT).success());
        let read = ["consume", &topic, "--from-beginning", "--until-end"];
        assert_eq!(cli::run(&[&read[..], &reach].concat()), ["over TLS"], "{mechanism}");
    }
}

#[test]
fn whoever_is_refused_is_told_why_and_what_to_do() {
    let files = Files::new("127.0.0.1");
    let node = settings(&files).start();
    let refused = |bootstrap: &str, config: Option<&str>| {
        let mut all = vec!["topic", "list", "--bootstrap-server", bootstrap];
        all.extend(config.into_iter().flat_map(|config| ["--command-config", config]));
        let (code, told) = cli::refused(&all);
        assert!(!told.contains("a passw"), "{told}");
        (code, told)
    };
    let named = node.bootstrap();
    let right = files.client("right.properties", "SCRAM-SHA-512", "a password");

    let wrong = files.client("wrong.properties", "SCRAM-SHA-512", "a passwort");
    let (code, told) = refused(&named, Some(&wrong));
    assert_eq!(code, 1);
    assert!(told.contains("SASL_AUTHENTICATION_FAILED"), "{told}");

    let text = std::fs::read_to_string(&right).expect("it was written");
    let other = files.write("other.properties", &text.replace("ca.pem", "other.pem"));
    let (code, told) = refused(&named, Some(&other));
    assert_eq!(code, 1);
    assert!(told.contains("UnknownIssuer") && told.contains("ssl.ca.location"), "{told}");

    let (code, told) = refused(&format!("localhost:{}", node.kafka().port()), Some(&right));
    assert!(code == 1 && told.contains("not valid for name"), "{told}");

    let (code, told) = refused(&named, None);
    assert_eq!(code, 3);
    assert!(told.contains("security.protocol"), "a plaintext client on a TLS port: {told}");

    let missing = files.write("none.properties", "security.protocol=SASL_SSL\n");
    let (code, told) = refused(&named, Some(&missing));
    assert!(code == 1 && told.contains("`sasl.mechanism`"), "{told}");
}

#[test]
fn without_the_check_of_the_hosts_name_an_address_does() {
    let files = Files::new("elsewhere");
    let node = settings(&files).start();
    let config = files.client("client.properties", "PLAIN", "a password");
    let text = std::fs::read_to_string(&config).expect("it was written");
    let any = files.write("any.yaml", &yaml(&text));
    let bootstrap = node.bootstrap();
    let reach = ["--bootstrap-server", &bootstrap, "--command-config", &any];
    cli::run(&[&["topic", "create", "reached"][..], &reach].concat());
    let read = ["consume", "reached", "--from-beginning", "--until-end"];
    assert!(cli::run(&[&read[..], &reach].concat()).is_empty());
}

/// The same properties as YAML, with no check of the host's name.
fn yaml(properties: &str) -> String {
    let joined = properties.replace("\\\n", "");
    let lines = joined.lines().map(|line| {
        let (name, value) = line.split_once('=').expect("each line is NAME=VALUE");
        format!("{name}: '{value}'\n")
    });
    let mut text: String = lines.collect();
    text.push_str("ssl.endpoint.identification.algorithm: ''\n");
    text
}

#[test]
fn a_worker_in_the_brokers_process_reaches_it_by_tls_and_a_password() {
    let files = Files::new("elsewhere");
    let password = files.write("password", "a password\n");
    let node = settings(&files)
        .roles("broker,controller,worker")
        .property("rest.listeners", "http://127.0.0.1:0")
        .property("plugin.cache.dir", cache(files.0.path()))
        .property("worker.client.security.protocol", "SASL_SSL")
        .property("worker.client.sasl.mechanism", "SCRAM-SHA-256")
        .property("worker.client.sasl.username", "alice")
        .property("worker.client.sasl.password", format!("${{file:{password}}}"))
        .property("worker.client.ssl.ca.location", files.path("ca.pem").display())
        .property("worker.client.ssl.endpoint.identification.algorithm", "none")
        .start();
    assert!(node.rest().is_some(), "it is a member of its group, and its topics are read");
    let config = files.write(
        "client.yaml",
        &yaml(
            &std::fs::read_to_string(files.client("c", "PLAIN", "a password"))
                .expect("it was written"),
        ),
    );
    let bootstrap = node.bootstrap();
    let list = ["group", "describe", "longshore", "--bootstrap-server", &bootstrap];
    let group = cli::json(&[&list[..], &["--command-config", &config]].concat());
    assert_eq!(group["state"], "Stable");
    assert_eq!(group["protocol_type"], "connect");
}

fn cache(folder: &Path) -> String {
    folder.join("cache").display().to_string()
}
