//! Two workers on one cluster, with TLS and passwords: whichever is asked, what only
//! the leader does is done, and what nobody signed is refused.
#![allow(missing_docs, reason = "tests")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use longshore_e2e::ports::free_address;
use longshore_e2e::process::{Stream, tied_command};
use longshore_e2e::rest::Answer;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, cli, limits, paths, rest, wire};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

/// `ana:secret`, as basic authentication sends it.
const ANA: (&str, &str) = ("Authorization", "Basic YW5hOnNlY3JldA==");

/// A folder with certificates, users and lines to read.
fn folder() -> TempDir {
    let folder = TempDir::with_prefix("longshore-rest-").expect("a temporary folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file can be written");
    };
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key can be made");
    write("ca.pem", &params.self_signed(&key).expect("an authority can be made").pem());
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key can be made");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("it is a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate can be made");
    write("worker.pem", &format!("{}{}", certificate.pem(), key.serialize_pem()));
    write("users", "ana=secret\nlook=only\n");
    write("in.txt", "one\ntwo\n");
    folder
}

/// A worker that listens with TLS, as the others know it, and without, as the test
/// asks it.
struct Worker {
    plain: SocketAddr,
    tls: SocketAddr,
    process: Process,
}

impl Worker {
    /// Starts it and waits until it serves.
    fn start(number: u8, bootstrap: &str, folder: &Path) -> Self {
        let (plain, tls) = (free_address(), free_address());
        let connections = json!({ "files": {
            "driver": "objects", "kind": "local", "root": folder,
            "allow": { "connectors": ["*"], "verbs": ["read", "write"] },
        } });
        let file = |name: &str| json!(folder.join(name)).to_string();
        let mut text = String::new();
        for (name, value) in [
            ("process.roles", "worker".to_owned()),
            ("bootstrap.servers", bootstrap.to_owned()),
            ("rest.listeners", format!("http://{plain},https://{tls}")),
            ("rest.advertised.listener", "https".to_owned()),
            ("listeners.https.ssl.keystore.location", file("worker.pem")),
            ("listeners.https.ssl.truststore.location", file("ca.pem")),
            ("rest.auth.basic.file", file("users")),
            ("rest.auth.readers", "look".to_owned()),
            ("admin.listeners", "\"\"".to_owned()),
            ("plugin.path", json!([paths::plugins()]).to_string()),
            ("plugin.cache.dir", file("cache")),
            ("connections", connections.to_string()),
        ] {
            writeln!(text, "{name}: {value}").expect("a string takes all");
        }
        let path: PathBuf = folder.join(format!("worker-{number}.yaml"));
        std::fs::write(&path, text).expect("the worker's file can be written");
        let mut command = tied_command(&paths::longshore());
        command.arg("server").arg("-c").arg(&path);
        let worker = Self { plain, tls, process: Process::spawn("a worker", &mut command) };
        worker.process.wait_for("ready line", limits::READY, |line| {
            (line.stream == Stream::Out && line.text.starts_with("longshore ready")).then_some(())
        });
        worker
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        rest::request_with(self.plain, method, path, &[ANA], body)
    }

    /// The same, again while the fleet rebalances.
    fn asks(&self, method: &str, path: &str, body: Option<&Value>, status: u16) -> Value {
        until(&format!("{method} {path}"), limits::RUN, || {
            let answer = self.ask(method, path, body);
            let passes = answer.status == 409;
            assert!(passes || answer.status == status, "{method} {path}: {answer:?}");
            (!passes).then_some(answer.body)
        })
    }

    fn waits(&self, name: &str, state: &str, tasks: usize) {
        until(&format!("{name} is {state}"), limits::RUN, || {
            let status = self.ask("GET", &format!("/connectors/{name}/status"), None).body;
            let found = status["tasks"].as_array()?;
            let all = found.iter().all(|task| task["state"] == state);
            (status["connector"]["state"] == state && found.len() == tasks && all).then_some(())
        });
    }
}

#[test]
fn any_worker_of_a_fleet_does_everything_over_tls_and_for_those_alone_who_may() {
    let broker = Node::start();
    wire::create_topic(broker.kafka(), "lines", 1, &[]);
    let folder = folder();
    let workers = [1, 2].map(|it| Worker::start(it, &broker.bootstrap(), folder.path()));

    for worker in &workers {
        assert_eq!(rest::get(worker.plain, "/health").status, 200);
        assert_eq!(rest::get(worker.plain, "/connectors").status, 401);
        assert_eq!(worker.ask("GET", "/admin/loggers", None).status, 404, "it is turned off");
        let look = ("Authorization", "Basic bG9vazpvbmx5");
        let read = |method: &str| {
            rest::request_with(worker.plain, method, "/connectors/x", &[look], None).status
        };
        assert_eq!((read("GET"), read("DELETE")), (404, 403));
        // Only a worker may say that it was forwarded.
        let forged = worker.ask("DELETE", "/connectors/x?forward=true", None);
        assert_eq!(forged.status, 400, "{forged:?}");
        let config =
            json!({ "connector.class": "file-source", "topic": "lines", "path": "in.txt" });
        let name = format!("read-{}", worker.plain.port());
        let at = |path: &str| format!("/connectors/{name}{path}");
        let new = json!({ "name": name, "config": config });
        worker.asks("POST", "/connectors", Some(&new), 201);
        for other in &workers {
            other.waits(&name, "RUNNING", 1);
        }
        worker.asks("PUT", &at("/config"), Some(&config), 200);
        worker.asks("PATCH", &at("/config"), Some(&json!({ "tasks.max": "1" })), 200);
        for other in &workers {
            other.waits(&name, "RUNNING", 1);
        }
        worker.asks("POST", &at("/restart?includeTasks=true"), None, 202);
        worker.waits(&name, "RUNNING", 1);
        worker.asks("POST", &at("/tasks/0/restart"), None, 204);
        worker.asks("PUT", &at("/pause"), None, 202);
        worker.waits(&name, "PAUSED", 1);
        worker.asks("PUT", &at("/stop"), None, 204);
        worker.waits(&name, "STOPPED", 0);
        let partition = json!({ "path": "in.txt" });
        let offsets =
            json!({ "offsets": [{ "partition": partition, "offset": { "position": 4 } }] });
        worker.asks("PATCH", &at("/offsets"), Some(&offsets), 200);
        commands(worker, folder.path(), &name, "{\"position\":4}");
        worker.asks("DELETE", &at(""), None, 204);
    }
}

/// The same by commands, over TLS.
fn commands(worker: &Worker, folder: &Path, name: &str, position: &str) {
    let config = folder.join("client.properties");
    let ca = folder.join("ca.pem");
    let text = |user: &str| {
        format!("ssl.truststore.location={}\nbasic.auth.user.info={user}\n", ca.display())
    };
    std::fs::write(&config, text("ana:secret")).expect("a file can be written");
    let url = format!("https://{}", worker.tls);
    let config_path = config.display().to_string();
    let with = |arguments: &[&str]| -> Vec<String> {
        let common = ["--rest-url", &url, "--rest-config", &config_path];
        arguments.iter().chain(&common).map(|it| (*it).to_owned()).collect()
    };
    let run = |arguments: &[&str]| {
        let all = with(arguments);
        cli::run(&all.iter().map(String::as_str).collect::<Vec<_>>()).join("\n")
    };
    let refused = |arguments: &[&str]| {
        let all = with(arguments);
        cli::refused(&all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert!(run(&["connector", "list"]).contains(name));
    assert!(run(&["connector", "offsets", "get", name]).contains(position));
    let (code, said) = refused(&["connector", "offsets", "reset", name]);
    assert!(code == 2 && said.contains("--yes"), "{said}");
    let reset = run(&["connector", "offsets", "reset", name, "--yes"]);
    assert!(reset.contains("reset successfully"), "{reset}");
    assert!(!run(&["connector", "offsets", "get", name]).contains("position"));
    let file = folder.join("offsets.json");
    let offsets = json!({ "offsets": [
        { "partition": { "path": "in.txt" }, "offset": { "position": 4 } },
    ] });
    std::fs::write(&file, offsets.to_string()).expect("a file can be written");
    run(&["connector", "offsets", "alter", name, &file.display().to_string(), "--yes"]);
    assert!(run(&["connector", "offsets", "get", name]).contains(position));
    run(&["connector", "resume", name]);
    worker.waits(name, "RUNNING", 1);
    run(&["connector", "pause", name]);
    worker.waits(name, "PAUSED", 1);
    run(&["connector", "stop", name]);
    worker.waits(name, "STOPPED", 0);
    std::fs::write(&config, text("ana:wrong")).expect("a file can be written");
    let (code, said) = refused(&["connector", "list"]);
    assert!(code == 1 && said.contains("--rest-config") && !said.contains("wrong"), "{said}");
    // A container's health check knows no password.
    std::fs::write(&config, format!("ssl.truststore.location={}\n", ca.display()))
        .expect("a file can be written");
    assert!(run(&["health"]).contains("ready to handle requests"));
}
