//! Plugins uploaded to a running node: versions, the tasks that follow the active
//! one, rolling back, kills, and files that are no plugins.
#![allow(missing_docs, reason = "tests")]

use std::net::SocketAddr;
use std::path::PathBuf;

use longshore_e2e::ports::free_address;
use longshore_e2e::process::Stream;
use longshore_e2e::wait::until;
use longshore_e2e::wordcount::records;
use longshore_e2e::{Node, Process, cli, limits, paths, rest};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A node without plugins of its own.
struct Place {
    node: Node,
    folder: TempDir,
    /// Where its plugins are changed.
    admin: SocketAddr,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
        for name in ["in", "plugins"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder can be made");
        }
        let admin = free_address();
        let allow = json!({ "connectors": ["*"], "verbs": ["read"] });
        let root = folder.path().join("in");
        let files = json!({ "driver": "objects", "kind": "local", "root": root, "allow": allow });
        let node = Node::with()
            .roles("broker,controller,worker")
            .property("rest.listeners", "http://127.0.0.1:0")
            .property("plugin.upload.enable", "true")
            .property("admin.listeners", format!("http://{admin}"))
            .property("plugin.path", json!([folder.path().join("plugins")]))
            .property("plugin.cache.dir", folder.path().join("cache").display())
            .property("offsets.topic.num.partitions", 4)
            .property("connections", json!({ "files": files }))
            .start();
        Self { node, folder, admin }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file can be written");
        path.display().to_string()
    }

    fn plugin(&self, arguments: &[&str]) -> (i32, String, String) {
        let url = format!("http://{}", self.admin);
        let all = [&["plugin"], arguments, &["--rest-url", &url]].concat();
        let mut process = Process::spawn("plugin", &mut cli::command(&all));
        let code = process.ended(limits::CLIENT).code().expect("it ended by itself");
        let text = |stream| process.lines(stream).join("\n");
        (code, text(Stream::Out), text(Stream::Err))
    }

    fn get(&self, path: &str) -> Value {
        rest::get(self.node.rest().expect("the node is a worker"), path).body
    }

    fn wait_version(&self, version: &str) {
        until(&format!("version {version}"), limits::RUN, || {
            let status = self.get("/connectors/read/status");
            let task = &status["tasks"][0];
            (task["version"] == version && task["state"] == "RUNNING").then_some(())
        });
    }

    fn wait_rows(&self, wanted: &[&str]) {
        until(&format!("{wanted:?}"), limits::RUN, || {
            let all = records(&self.node, "rows").into_iter().flatten();
            let rows =
                all.map(|(_, row)| String::from_utf8(row.expect("a row").to_vec()).expect("UTF-8"));
            let mut rows: Vec<String> = rows.collect();
            rows.sort();
            (rows == wanted).then_some(())
        });
    }
}

/// The component that says of itself that it is of another version. (The names of
/// the contract's interfaces, after an `@`, stay.)
fn of_version(component: &[u8], version: &[u8; 5]) -> Vec<u8> {
    let mut changed = component.to_vec();
    for at in 1..changed.len() - version.len() {
        if changed[at..].starts_with(b"0.1.0") && changed[at - 1] != b'@' {
            changed[at..at + version.len()].copy_from_slice(version);
        }
    }
    assert!(changed != component, "the component has its version in it");
    changed
}

#[test]
fn a_plugin_is_uploaded_run_replaced_and_rolled_back_and_survives_a_kill() {
    let mut place = Place::new();
    assert_eq!(place.get("/connector-plugins"), json!([]));
    let first = std::fs::read(paths::plugins().join("file-source.wasm")).expect("it is built");
    let second = of_version(&first, b"0.1.1");
    let one = place.file("one.wasm", &first);
    let two = place.file("two.wasm", &second);
    let (code, told, wrong) = place.plugin(&["upload", &one]);
    assert!(code == 0 && told.contains("file-source  0.1.0    yes"), "{told}{wrong}");

    let rest = place.node.rest().expect("the node is a worker");
    let bootstrap = place.node.bootstrap();
    cli::run(&["topic", "create", "rows", "--partitions", "2", "--bootstrap-server", &bootstrap]);
    place.file("in/a.txt", b"a\n");
    let config = [
        ("connector.class", "file-source"),
        ("path", "*.txt"),
        ("topic", "rows"),
        ("tail", "true"),
    ];
    rest::create(rest, "read", &config);
    place.wait_rows(&["a"]);
    place.wait_version("0.1.0");

    let (code, told, wrong) = place.plugin(&["upload", &two]);
    assert!(code == 0 && told.contains("file-source  0.1.1    yes"), "{told}{wrong}");
    place.wait_version("0.1.1");
    place.file("in/b.txt", b"b\n");
    place.wait_rows(&["a", "b"]);

    place.node.kill();
    place.node.restart();
    place.wait_version("0.1.1");
    let (code, told, wrong) = place.plugin(&["rollback", "file-source"]);
    assert_eq!((code, told.trim()), (0, "file-source 0.1.0 is active"), "{wrong}");
    place.wait_version("0.1.0");
    place.file("in/c.txt", b"c\n");
    place.wait_rows(&["a", "b", "c"]);
    let (code, _, wrong) = place.plugin(&["remove", "file-source", "0.1.0", "--yes"]);
    assert!(code == 1 && wrong.contains("the active one"), "{wrong}");
    let (code, _, wrong) = place.plugin(&["remove", "file-source", "0.1.1", "--yes"]);
    assert_eq!(code, 0, "{wrong}");
    let versions = place.get("/plugins/file-source");
    assert_eq!(versions["versions"].as_array().map(Vec::len), Some(1), "{versions}");
}

#[test]
fn files_that_are_no_plugins_are_refused_with_what_they_are() {
    let place = Place::new();
    let component = std::fs::read(paths::plugins().join("file-source.wasm")).expect("it is built");
    let refused = |bytes: &[u8], part: &str| {
        let file = place.file("hostile.wasm", bytes);
        let (code, _, told) = place.plugin(&["upload", &file]);
        assert!(code == 1 && told.contains(part), "{told}");
        assert_eq!(place.get("/plugins"), json!([]));
    };
    refused(b"", "no WebAssembly");
    refused(b"#!/bin/sh\nrm -rf /\n", "no WebAssembly");
    // An empty core module, and an empty component.
    refused(b"\0asm\x01\0\0\0", "core module");
    refused(b"\0asm\x0d\0\x01\0", "does not keep the plugin contract");
    refused(&component[..component.len() / 2], "no WASM component");
    let mut large = component.clone();
    large.resize((64 << 20) + 1, 0);
    refused(&large, "a plugin has at most");

    let rest = place.node.rest().expect("the node is a worker");
    let other = "0".repeat(64);
    let path = format!("/plugins?sha256={other}");
    let answer = rest::upload(rest, &path, &component);
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.body["message"].to_string().contains("admin.listeners"), "{answer:?}");
    let answer = rest::upload(place.admin, &path, &component);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body["message"].to_string().contains("SHA-256"), "{answer:?}");
    let answer = rest::upload(place.admin, "/plugins", &component);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(place.get("/plugins"), json!([]));
}
