//! The image, built by buildah from its Dockerfile and run by podman: by itself, and as
//! the chart's pod runs it. `tests/deploy/image.sh` says what stands in for what.
#![allow(missing_docs, reason = "tests")]

use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use longshore_e2e::chart::{Chart, KUBERNETES_NEWEST};
use longshore_e2e::ports::free_address;
use longshore_e2e::process::Stream;
use longshore_e2e::{Node, Process, limits, paths, rest};
use serde_json::{Value, json};
use tempfile::TempDir;

fn script() -> Command {
    let mut command = Command::new(paths::repository().join("tests/deploy/image.sh"));
    command.stdin(Stdio::null());
    command
}

fn podman(arguments: &[&str]) -> Command {
    let mut command = script();
    command.arg("podman").args(arguments);
    command
}

/// Builds the image, and gives its name.
fn build() -> String {
    paths::set_up("image");
    let mut command = script();
    command.arg("build").arg(paths::longshore()).arg(paths::plugins());
    let mut build = Process::spawn("image.sh build", &mut command);
    assert!(build.ended(limits::LONG_RUN).success(), "the image cannot be built");
    build.lines(Stream::Out).pop().expect("it prints the image's name")
}

/// A container, which is removed with this value.
struct Container {
    name: String,
    process: Process,
}

impl Container {
    /// Runs what comes after `run`, without rights, and with nothing to write to but
    /// volumes.
    fn run(name: &str, arguments: &[&str]) -> Self {
        let name = format!("longshore-{name}-{}", std::process::id());
        let mut command = podman(&["run", "--name", &name]);
        command.args(["--read-only", "--read-only-tmpfs=false"]);
        command.args(["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]);
        // Less than podman's own, which not every machine allows.
        command.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
        let process = Process::spawn(&name, command.args(arguments));
        Self { name, process }
    }

    fn wait_ready(&self) {
        self.process.wait_for("ready line", limits::READY, |line| {
            (line.stream == Stream::Out && line.text.starts_with("longshore ready ")).then_some(())
        });
    }

    /// Runs a command in the container, and gives what it printed.
    fn exec(&self, arguments: &[&str]) -> String {
        let all = [&["exec", &self.name, "/usr/bin/longshore"], arguments].concat();
        Process::run("podman exec", &mut podman(&all)).join("\n")
    }

    /// What Docker and Kubernetes do: the image's signal, and SIGKILL a minute later.
    fn stop(&mut self) {
        Process::run("podman stop", &mut podman(&["stop", "--time", "60", &self.name]));
        let status = self.process.ended(limits::STOP);
        assert!(status.success(), "{} drains: {status}", self.name);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = podman(&["rm", "--force", "--volumes", &self.name]).output();
    }
}

#[test]
#[ignore = "second tier"]
fn the_image_runs_by_itself_and_as_the_charts_worker() {
    let image = build();
    alone(&image);
    as_the_charts_worker(&image);
}

/// A node of all three roles, nothing said but where its volume is.
fn alone(image: &str) {
    let arguments = ["--network=none", "--volume=/var/cache/longshore", image];
    let mut node = Container::run("node", &arguments);
    node.wait_ready();
    Process::run("the health check", &mut podman(&["healthcheck", "run", &node.name]));
    node.exec(&["topic", "create", "lines", "--partitions", "3"]);
    assert!(node.exec(&["topic", "list"]).contains("lines"));
    assert!(node.exec(&["plugin", "list"]).contains("file-source"));
    let whose = podman(&["exec", &node.name, "stat", "--format=%u:%g", "/proc/1"]).output();
    assert_eq!(String::from_utf8_lossy(&whose.expect("it runs").stdout).trim(), "10001:10001");
    node.stop();
}

/// A pod's volume that is empty at first: what `fsGroup` makes of it.
fn empty_dir(path: &Path, group: u32) {
    std::fs::create_dir(path).expect("a folder can be made");
    chown(path, None, Some(group)).expect("the tests run as root");
    let mode = std::fs::Permissions::from_mode(0o2777);
    std::fs::set_permissions(path, mode).expect("its mode can be set");
}

/// One worker of the chart, with the rights and the volumes of its pod.
fn as_the_charts_worker(image: &str) {
    let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
    let broker = Node::start();
    let port = free_address().port();
    let manifests = {
        let chart = Chart::new();
        let values = chart.values(&json!({
            "worker": {
                "replicas": 1,
                "bootstrapServers": [broker.bootstrap()],
                "storageReplicationFactor": 1,
                "rest": { "address": "127.0.0.1", "advertisedHost": "127.0.0.1", "port": port },
            },
            "metrics": { "port": free_address().port() },
        }));
        chart.render(&values, &[KUBERNETES_NEWEST])
    };
    let pod = &manifests.get("StatefulSet", "-worker")["spec"]["template"]["spec"];
    let worker = &pod["containers"][0];
    // As `Container` runs it.
    assert_eq!(worker["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(worker["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
    assert_eq!(worker["securityContext"]["allowPrivilegeEscalation"], false);
    let id = |name: &str| pod["securityContext"][name].as_u64().expect("a number");
    let user = format!("--user={}:{}", id("runAsUser"), id("runAsGroup"));
    let mut arguments =
        vec!["--network=host".to_owned(), user, "--env=POD_NAME=worker-0".to_owned()];
    for mount in worker["volumeMounts"].as_array().expect("mounts") {
        let text = |name: &str| mount[name].as_str().expect("a text");
        let from = folder.path().join(text("name"));
        let rights = if mount["readOnly"] == true { "ro" } else { "rw" };
        match text("name") {
            "config" => {
                let (_, node) = manifests.files("-worker").next().expect("a node file");
                std::fs::write(&from, node).expect("a node file can be written");
            }
            _ => empty_dir(&from, id("fsGroup") as u32),
        }
        arguments.push(format!("--volume={}:{}:{rights}", from.display(), text("mountPath")));
    }
    arguments.push(image.to_owned());
    let given = worker["args"].as_array().expect("arguments").iter();
    arguments.extend(given.map(|text| text.as_str().expect("a text").to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut running = Container::run("worker", &arguments);
    running.wait_ready();

    let address = SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(rest::get(address, "/health/ready").status, 200);
    let plugins: Value = rest::get(address, "/connector-plugins").body;
    let classes = plugins.as_array().expect("plugins").iter().map(|plugin| &plugin["class"]);
    assert!(classes.clone().any(|class| class == "file-source"), "{plugins}");
    let compiled = folder.path().join("cache/compiled-plugins").read_dir();
    assert!(compiled.expect("the cache is used").next().is_some(), "no plugin is kept compiled");
    // What the pod does before it asks the worker to stop.
    let before = worker["lifecycle"]["preStop"]["exec"]["command"].as_array().expect("a command");
    let before = before.iter().map(|word| word.as_str().expect("a text"));
    let before: Vec<&str> = ["exec", &running.name].into_iter().chain(before).collect();
    Process::run("preStop", &mut podman(&before));
    running.stop();
}
