//! Longshore as a service: what systemd makes of the units, and what it is told.
#![allow(missing_docs, reason = "tests")]

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use longshore_e2e::process::Stream;
use longshore_e2e::{Node, Process, limits, paths};
use tempfile::TempDir;

const UNITS: [&str; 2] = ["longshore-broker.service", "longshore-worker.service"];
/// The most that `systemd-analyze security` may find open, in tenths.
const EXPOSURE_MAX: &str = "--threshold=20";

fn hosts() -> PathBuf {
    paths::repository().join("deploy/hosts")
}

fn folder() -> TempDir {
    TempDir::with_prefix("longshore-").expect("a temporary folder can be made")
}

/// Runs a program that must succeed, and gives all that it says.
fn said(name: &str, command: &mut Command) -> String {
    let mut process = Process::spawn(name, command.stdin(Stdio::null()));
    let status = process.ended(limits::CLIENT);
    let said = process.all_lines().join("\n");
    assert!(status.success(), "{name} ended with {status}: {said}");
    said
}

fn install(role: &str, to: &Path) -> String {
    let mut command = Command::new(hosts().join("install.sh"));
    command.arg(role).arg("--binary").arg(paths::longshore());
    command.arg("--plugins").arg(paths::plugins()).env("DESTDIR", to);
    said("install.sh", &mut command)
}

#[test]
#[ignore = "second tier"]
fn systemd_finds_nothing_wrong_with_the_units_and_little_open() {
    paths::set_up("systemd");
    let folder = folder();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]);
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", EXPOSURE_MAX]);
    for unit in UNITS {
        let text = std::fs::read_to_string(hosts().join(unit)).expect("the unit is there");
        // The program must be there, and is not installed here.
        let text = text.replace("/usr/bin/longshore", &paths::longshore().display().to_string());
        let file = folder.path().join(unit);
        std::fs::write(&file, text).expect("a file can be written");
        verify.arg(&file);
        security.arg(&file);
    }
    // Keys that it does not know are told, and passed over.
    assert_eq!(said("systemd-analyze verify", &mut verify), "");
    said("systemd-analyze security", &mut security);
}

#[test]
fn an_installation_is_whole_and_a_second_one_keeps_the_configuration() {
    let folder = folder();
    let at = |path: &str| folder.path().join(path);
    for role in ["broker", "worker"] {
        let told = install(role, folder.path());
        assert!(told.contains(&format!("systemctl enable --now longshore-{role}")), "{told}");
        let unit = format!("usr/lib/systemd/system/longshore-{role}.service");
        for file in [unit.as_str(), "usr/bin/longshore", &format!("etc/longshore/{role}.yaml")] {
            assert!(at(file).is_file(), "{file} is not installed");
        }
    }
    assert!(at("usr/lib/longshore/plugins/file-source.wasm").is_file());
    std::fs::write(at("etc/longshore/worker.yaml"), "mine").expect("a file can be written");
    let told = install("worker", folder.path());
    assert!(told.contains("systemctl restart longshore-worker"), "{told}");
    let kept = std::fs::read_to_string(at("etc/longshore/worker.yaml")).expect("it is there");
    assert_eq!(kept, "mine");
}

#[test]
fn an_installation_that_lacks_its_plugins_replaces_nothing() {
    let folder = folder();
    install("worker", folder.path());
    let binary = folder.path().join("usr/bin/longshore");
    std::fs::write(&binary, "the older one").expect("a file can be written");
    let mut command = Command::new(hosts().join("install.sh"));
    command.args(["worker", "--binary"]).arg(paths::longshore());
    command.arg("--plugins").arg(folder.path()).env("DESTDIR", folder.path());
    let mut process = Process::spawn("install.sh", command.stdin(Stdio::null()));
    assert!(!process.ended(limits::CLIENT).success());
    let told = process.lines(Stream::Err).join("\n");
    assert!(told.contains("has no plugins") && told.contains("--plugins"), "{told}");
    assert_eq!(std::fs::read(&binary).expect("it is there"), b"the older one");
}

#[test]
fn systemd_is_told_when_a_node_serves_and_when_it_stops() {
    let folder = folder();
    let socket = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&socket).expect("a socket can be bound");
    systemd.set_read_timeout(Some(limits::READY)).expect("a time-out can be set");
    let hears = |state: &str| {
        let mut heard = [0; 64];
        let length = systemd.recv(&mut heard).expect("it is told something");
        assert_eq!(String::from_utf8_lossy(&heard[..length]), state);
    };
    let socket = socket.display().to_string();
    let mut node = Node::with().environment("NOTIFY_SOCKET", &socket).start();
    hears("READY=1");
    assert!(node.stop().success());
    hears("STOPPING=1");
}
