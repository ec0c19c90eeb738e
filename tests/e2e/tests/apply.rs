//! `longshore apply` and `diff` against a running node: a folder of pipelines is
//! brought to a fleet, changed, applied again and pruned; connections are changed
//! under connectors that have them open.
#![allow(missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use longshore_e2e::process::Stream;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, Process, cli, limits, paths, rest, wire};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A node, a folder of pipelines, and folders of files to read.
struct Place {
    node: Node,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::with_prefix("longshore-").expect("a temporary folder can be made");
        for name in ["pipelines", "a", "b"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder can be made");
        }
        let node = Node::with()
            .roles("broker,controller,worker")
            .property("rest.listeners", "http://127.0.0.1:0")
            .property("connection.resources.enable", "true")
            .property("connection.resources.root.allowed.paths", json!([folder.path()]))
            .property("connection.resources.file.allowed.paths", json!([folder.path()]))
            .property("plugin.path", json!([paths::plugins()]))
            .property("metadata.max.age.ms", 200)
            .property("offsets.topic.num.partitions", 4)
            .property("auto.create.topics.enable", "false")
            .start();
        Self { node, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file can be written");
    }

    /// Runs a command on the node: its exit code and what it said.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let url = format!("http://{}", self.node.rest().expect("the node is a worker"));
        let bootstrap = self.node.bootstrap();
        let all = [arguments, &["--rest-url", &url, "--bootstrap-server", &bootstrap]].concat();
        let mut command = cli::command(&all);
        command.stdin(Stdio::null());
        let mut process = Process::spawn(arguments[0], &mut command);
        let code = process.ended(limits::CLIENT).code().expect("it ended by itself");
        let text = |stream| process.lines(stream).join("\n");
        (code, text(Stream::Out), text(Stream::Err))
    }

    fn on_folder(&self, command: &str, more: &[&str]) -> (i32, String, String) {
        let pipelines = self.path("pipelines").display().to_string();
        self.run(&[&[command, "-f", &pipelines], more].concat())
    }

    fn get(&self, path: &str) -> Value {
        rest::get(self.node.rest().expect("the node is a worker"), path).body
    }

    fn wait_rows(&self, topic: &str, partitions: i32, wanted: &[&str]) {
        until(&format!("{wanted:?} in {topic}"), limits::RUN, || {
            let all =
                (0..partitions).flat_map(|at| wire::read_partition(self.node.kafka(), topic, at));
            let mut rows: Vec<String> = all
                .map(|row| String::from_utf8(row.value.expect("a row").to_vec()).expect("UTF-8"))
                .collect();
            rows.sort();
            (rows == wanted).then_some(())
        });
    }
}

fn pipeline(root: &Path, partitions: u32, more: &str) -> String {
    format!(
        "name: orders\n\
         topics:\n  orders: {{ partitions: {partitions}, retention.ms: 86400000 }}\n\
         connections:\n  inbox:\n    driver: objects\n    kind: local\n    root: {}\n    \
         allow: {{ connectors: [\"*\"], verbs: [read] }}\n\
         connectors:\n  read:\n    connector.class: file-source\n    topic: orders\n    \
         path: \"*.txt\"\n    connection: inbox\n    tail: true\n{more}",
        root.display()
    )
}

const ANOTHER: &str = "  also:\n    connector.class: file-source\n    topic: orders\n    \
                       path: \"*.csv\"\n    connection: inbox\n    tail: true\n";

#[test]
fn a_folder_is_applied_again_and_again_the_same_and_pruned_when_asked() {
    let place = Place::new();
    place.write("pipelines/orders.yaml", &pipeline(&place.path("a"), 1, ANOTHER));
    let (code, told, _) = place.on_folder("diff", &[]);
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("+++ files: connector orders-read"), "{told}");
    assert_eq!(place.get("/connectors"), json!([]), "diff changes nothing");
    let (code, told, _) = place.on_folder("apply", &["--dry-run", "--exit-code"]);
    assert_eq!(code, 4, "{told}");
    assert_eq!(place.get("/connectors"), json!([]), "nor does a dry run");

    let (code, told, wrong) = place.on_folder("apply", &[]);
    assert_eq!(code, 0, "{told}{wrong}");
    assert!(told.contains("created connector orders-read"), "{told}");
    place.write("a/one.txt", "one\n");
    place.wait_rows("orders", 1, &["one"]);
    let tasks = place.get("/connectors/orders-read/tasks");

    let (code, told, wrong) = place.on_folder("apply", &["--exit-code", "--prune"]);
    assert_eq!((code, told.trim()), (0, "nothing to change"), "{wrong}");
    let (code, told, _) = place.on_folder("diff", &["--output", "json"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(place.get("/connectors/orders-read/tasks"), tasks);

    // More partitions, another folder, one connector fewer.
    place.write("pipelines/orders.yaml", &pipeline(&place.path("b"), 3, ""));
    place.write("b/two.txt", "two\n");
    let (code, told, wrong) = place.on_folder("apply", &["--exit-code"]);
    assert_eq!(code, 4, "{told}{wrong}");
    assert!(told.contains("-partitions: 1") && told.contains("+partitions: 3"), "{told}");
    assert!(told.contains("orders-also is in no file any more"), "{told}");
    place.wait_rows("orders", 3, &["one", "two"]);
    assert_eq!(place.get("/connectors"), json!(["orders-also", "orders-read"]));

    let (code, _, wrong) = place.on_folder("apply", &["--prune"]);
    assert_eq!(code, 2, "nobody consented: {wrong}");
    assert_eq!(place.get("/connectors"), json!(["orders-also", "orders-read"]));
    let (code, told, wrong) = place.on_folder("apply", &["--prune", "--yes"]);
    assert_eq!(code, 0, "{told}{wrong}");
    assert_eq!(place.get("/connectors"), json!(["orders-read"]));
    let (code, told, _) = place.on_folder("diff", &["--prune", "all"]);
    assert_eq!(code, 0, "{told}");

    // The last file goes, another pipeline comes.
    std::fs::remove_file(place.path("pipelines/orders.yaml")).expect("it is there");
    place.write("pipelines/empty.yaml", "name: empty\n");
    let (code, told, wrong) = place.on_folder("apply", &["--prune", "all", "--yes"]);
    assert_eq!(code, 0, "{told}{wrong}");
    assert_eq!(place.get("/connectors"), json!([]));
    assert_eq!(place.get("/connections"), json!([]));
    let (code, _, _) = place.run(&["topic", "describe", "orders"]);
    assert_eq!(code, 0, "topics are never deleted");
}

#[test]
fn all_that_is_wrong_is_told_at_its_line_before_anything_is_changed() {
    let place = Place::new();
    let refused = |part: &str, line: &str| {
        let (code, _, told) = place.on_folder("apply", &[]);
        assert_eq!(code, 1, "{told}");
        let unwrapped = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(unwrapped.contains(part) && told.contains(line), "{told}");
        assert_eq!(place.get("/connectors"), json!([]));
        assert_eq!(place.get("/connections"), json!([]));
    };
    let good = pipeline(&place.path("a"), 1, "");
    let write = |text: &str| place.write("pipelines/orders.yaml", text);
    write(&good.replace("file-source", "file-sauce"));
    refused("the fleet has no plugin `file-sauce`", "orders.yaml:12");
    write(&good.replace("path: \"*.txt\"", "max.row.bytes: many"));
    refused("max.row.bytes", "orders.yaml:14");
    write(&good.replace(&place.path("a").display().to_string(), "a"));
    refused("absolute path", "orders.yaml:8");
    write(&good.replace("tail: true", "password: ${env:HOME}"));
    refused("a reference to a secret outside `connections`", "orders.yaml:16");
    write(&(good.clone() + "    unknown: {}\n"));
    refused("orders.yaml", "orders.yaml:17");
    place.write("pipelines/other.yaml", "name: orders\n");
    write(&good);
    refused("the pipeline `orders` is defined in", "other.yaml:1");
    std::fs::remove_file(place.path("pipelines/other.yaml")).expect("it is there");

    let (code, told, wrong) = place.on_folder("apply", &[]);
    assert_eq!(code, 0, "{told}{wrong}");
    write(&good.replace("name: orders", "name: more"));
    let (code, _, told) = place.on_folder("apply", &[]);
    assert!(code == 1 && told.contains("belongs to the pipeline `orders`"), "{told}");
}

#[test]
fn a_connection_is_put_shown_without_its_secret_and_opened_again_when_its_file_changes() {
    let place = Place::new();
    let secret = place.path("root");
    std::fs::write(&secret, place.path("a").display().to_string()).expect("it can be written");
    let file = place.path("inbox.yaml");
    let definition = format!(
        "driver: objects\nkind: local\nroot: ${{file:{}}}\n\
         allow: {{ connectors: [read], verbs: [read] }}\n",
        secret.display()
    );
    std::fs::write(&file, definition).expect("it can be written");
    let file = file.display().to_string();
    let elsewhere = place.path("elsewhere.yaml");
    let etc = "driver: objects\nkind: local\nroot: /etc\n\
               allow: { connectors: [read], verbs: [read] }\n";
    std::fs::write(&elsewhere, etc).expect("it can be written");
    let elsewhere = elsewhere.display().to_string();
    let (code, _, wrong) = place.run(&["connection", "put", "inbox", &elsewhere]);
    assert!(code == 1 && wrong.contains("connection.resources.root.allowed.paths"), "{wrong}");
    let (code, told, wrong) = place.run(&["connection", "put", "inbox", &file]);
    assert_eq!((code, told.trim()), (0, "inbox has version 1"), "{wrong}");
    let (code, _, wrong) = place.run(&["connection", "put", "inbox", &file, "--if-version", "7"]);
    assert!(code == 1 && wrong.contains("has version 1, not 7"), "{wrong}");
    let (code, _, wrong) = place.run(&["connection", "put", "inbox", &file, "--if-version", "0"]);
    assert!(code == 1 && wrong.contains("there already"), "{wrong}");

    let rest = place.node.rest().expect("the node is a worker");
    let bootstrap = place.node.bootstrap();
    cli::run(&["topic", "create", "rows", "--bootstrap-server", &bootstrap]);
    let config = [
        ("connector.class", "file-source"),
        ("connection", "inbox"),
        ("path", "*.txt"),
        ("topic", "rows"),
        ("tail", "true"),
    ];
    place.write("a/one.txt", "one\n");
    place.write("b/two.txt", "two\n");
    rest::create(rest, "stranger", &config);
    rest::create(rest, "read", &config);
    place.wait_rows("rows", 1, &["one"]);
    let stranger = until("the stranger failed", limits::RUN, || {
        let status = place.get("/connectors/stranger/status");
        let failed =
            status["connector"]["state"] == "FAILED" || status["tasks"][0]["state"] == "FAILED";
        failed.then(|| status.to_string())
    });
    assert!(stranger.contains("does not allow the connector `stranger`"), "{stranger}");

    let next = place.path("root.next");
    std::fs::write(&next, place.path("b").display().to_string()).expect("it can be written");
    std::fs::rename(next, &secret).expect("it can be replaced");
    place.wait_rows("rows", 1, &["one", "two"]);
    rest::wait_state(rest, "read", "RUNNING");

    let (_, shown, _) = place.run(&["connection", "get", "inbox"]);
    assert!(shown.contains("root: ${file:") && shown.contains("# inbox, version 1"), "{shown}");
    assert!(!shown.contains(&place.path("b").display().to_string()), "{shown}");
    let (code, _, wrong) = place.run(&["connection", "delete", "inbox", "--yes"]);
    assert!(code == 1 && wrong.contains("used by read, stranger"), "{wrong}");
    for name in ["read", "stranger"] {
        let path = format!("/connectors/{name}");
        assert_eq!(rest::request(rest, "DELETE", &path, None).status, 204);
    }
    let (code, _, wrong) = place.run(&["connection", "delete", "inbox", "--yes"]);
    assert_eq!(code, 0, "{wrong}");
}
