//! Every command as its user meets it: arguments, outputs, exit codes.

#![allow(clippy::unwrap_used)] // Helpers of tests panic as tests do.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value as Json;

fn longshore(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.args(arguments).env_remove("LONGSHORE_LOG").env_remove("LONGSHORE_PLUGIN_PATH");
    command
}

fn ran(arguments: &[&str]) -> (i32, String, String) {
    told(&longshore(arguments).output().unwrap())
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn succeeded(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = ran(arguments);
    assert_eq!(code, 0, "{arguments:?}: {stderr}");
    stdout
}

fn fails(arguments: &[&str], code: i32, part: &str) {
    let (found, _, stderr) = ran(arguments);
    assert_eq!(found, code, "{arguments:?}: {stderr}");
    // Drawn reports wrap their lines.
    let unwrapped = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unwrapped.contains(part), "{arguments:?} lacks {part:?}: {stderr}");
}

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("configs")
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A `longshore server`, killed when its test ends otherwise.
struct Server {
    process: Child,
    kafka: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = "process.roles: broker,controller\nlog.dirs: data\n\
                      listeners: PLAINTEXT://127.0.0.1:0\n";
        let node = file(folder.path(), "node.yaml", config);
        let mut command = longshore(&["server", "-c", &node, "--log", "error"]);
        let mut process =
            command.current_dir(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let kafka = line.trim().strip_prefix("longshore ready kafka=").expect("a ready line");
        assert!(!kafka.contains("rest="), "no worker, no REST: {line}");
        Self { process, kafka: kafka.to_owned(), _folder: folder }
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        ran(&[arguments, &["--bootstrap-server", &self.kafka]].concat())
    }

    fn succeeded(&self, arguments: &[&str]) -> String {
        succeeded(&[arguments, &["--bootstrap-server", &self.kafka]].concat())
    }

    fn fails(&self, arguments: &[&str], part: &str) {
        fails(&[arguments, &["--bootstrap-server", &self.kafka]].concat(), 1, part);
    }

    fn produced(&self, arguments: &[&str], stdin: &[u8]) -> (i32, String, String) {
        let arguments = [arguments, &["--bootstrap-server", &self.kafka]].concat();
        let mut command = longshore(&arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        process.stdin.take().unwrap().write_all(stdin).unwrap();
        told(&process.wait_with_output().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let commands = [
        "run",
        "server",
        "lint",
        "render",
        "schema",
        "topic",
        "topic list",
        "topic create",
        "topic describe",
        "topic delete",
        "produce",
        "consume",
        "group",
        "group list",
        "group describe",
        "connector",
        "connector list",
        "connector status",
        "connector create",
        "connector restart",
        "connector delete",
        "plugin",
        "plugin list",
        "plugin inspect",
    ];
    for command in commands {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = succeeded(&arguments);
        assert!(help.contains("Example"), "{command} lacks an example:\n{help}");
        assert!(help.contains(&format!("longshore {command}")), "{command}:\n{help}");
    }
    assert!(succeeded(&["--help"]).contains("Exit codes"));
    assert!(succeeded(&["server", "--help"]).contains("group.initial.rebalance.delay.ms [3000]"));
}

#[test]
fn the_repositorys_own_pipeline_lints_and_renders() {
    let wordcount = configs().join("pipelines/wordcount.yaml");
    let wordcount = wordcount.to_str().unwrap();
    let clean = succeeded(&["lint", "--no-plugins", wordcount]);
    assert_eq!(clean, "1 file without problems\n");
    let set = ["--set", "topics.lines.partitions=7"];
    let rendered = succeeded(&[&["render", wordcount][..], &set].concat());
    let rendered: Json = serde_json::from_str(&rendered).unwrap();
    assert_eq!(rendered["connectors"][0]["name"], "wordcount-read");
    assert_eq!(rendered["topics"][1]["partitions"], 7);
    let yaml = succeeded(&["render", wordcount, "--output", "yaml"]);
    assert!(yaml.starts_with("name: wordcount\n"), "{yaml}");
}

#[test]
fn lint_exits_1_and_tells_lines_to_people_and_programs() {
    let folder = tempfile::tempdir().unwrap();
    let bad = file(folder.path(), "bad.yaml", "name: bad\nconectors: {}\n");
    let good = file(folder.path(), "good.yaml", "name: good\n");
    fails(&["lint", "--no-plugins", &good, &bad], 1, "did you mean `connectors`?");
    let (code, stdout, _) = ran(&["lint", "--no-plugins", "--output", "json", &good, &bad]);
    let told: Json = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &told["files"]), (1, &2.into()));
    assert_eq!(told["problems"][0]["line"], 2);
    assert_eq!(told["problems"][0]["path"], "conectors");
    fails(&["lint", "--no-plugins", "/nowhere.yaml"], 1, "cannot read /nowhere.yaml");
    fails(&["lint", "--no-plugins", &good, "--set", "a"], 2, "PATH=VALUE");
}

#[test]
fn schemas_are_json_schemas_of_pipelines_and_nodes() {
    for (arguments, key) in [(&["schema"][..], "connectors"), (&["schema", "--node"], "log.dirs")] {
        let schema: Json = serde_json::from_str(&succeeded(arguments)).unwrap();
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}

#[test]
fn a_missing_plugin_is_told_with_the_folders_that_were_searched() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    let wordcount = configs().join("pipelines/wordcount.yaml");
    let run = ["run", wordcount.to_str().unwrap(), "--plugin-path", empty];
    fails(&run, 1, "no plugin `file-source`");
    fails(&run, 1, empty.rsplit('/').next().unwrap());
    fails(&["plugin", "inspect", "file-source", "--plugin-path", empty], 1, "no plugin");
    std::fs::write(folder.path().join("file-source.wasm"), "this is no component").unwrap();
    fails(&run, 1, "not loaded");
    let list = succeeded(&["plugin", "list", "--output", "json", "--plugin-path", empty]);
    let list: Json = serde_json::from_str(&list).unwrap();
    assert_eq!(list["broken"].as_array().unwrap().len(), 1, "{list}");
}

#[test]
fn a_wrong_node_file_is_told_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let bad = file(folder.path(), "node.yaml", "log.dir: x\nlisteners: y\nproces.roles: z\n");
    fails(&["server", "-c", &bad], 1, "did you mean `process.roles`?");
    assert!(!folder.path().join("x").exists());
    fails(&["server"], 2, "--config");
    fails(&["--log", "a=b=c", "schema"], 2, "--log");
}

#[test]
fn what_cannot_be_reached_is_named_with_the_remedy_and_code_3() {
    // Port 1 of this machine is nobody's.
    fails(&["connector", "list", "--rest-url", "http://127.0.0.1:1"], 3, "http://127.0.0.1:1");
    fails(&["connector", "list", "--rest-url", "127.0.0.1:1"], 2, "http://host:port");
    fails(&["topic", "list", "--bootstrap-server", "127.0.0.1:1"], 3, "longshore server");
}

#[test]
fn topics_are_created_listed_described_and_deleted() {
    let server = Server::start();
    let create = ["topic", "create", "counts", "--partitions", "3"];
    server.succeeded(&[&create[..], &["--config", "cleanup.policy=compact"]].concat());
    server.fails(&create, "already exists");
    let list: Json =
        serde_json::from_str(&server.succeeded(&["topic", "list", "--output", "json"])).unwrap();
    assert_eq!(list[0]["name"], "counts");
    assert_eq!(list[0]["partitions"].as_array().unwrap().len(), 3);
    let described = server.succeeded(&["topic", "describe", "counts"]);
    assert!(described.contains("cleanup.policy  compact"), "{described}");
    server.fails(&["topic", "describe", "count"], "did you mean `counts`?");
    let (code, _, stderr) = server.run(&["topic", "create", "a", "--config", "retension.ms=1"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("did you mean `retention.ms`?"), "{stderr}");
    server.succeeded(&["topic", "delete", "counts", "--yes"]);
    server.fails(&["topic", "delete", "counts", "--yes"], "there is no topic `counts`");
    server.fails(&["group", "describe", "nobody"], "there is no group `nobody`");
    assert_eq!(server.succeeded(&["group", "list", "--output", "json"]), "[]\n");
}

#[test]
fn lines_are_produced_and_consumed_through_converters() {
    let server = Server::start();
    server.succeeded(&["topic", "create", "counts"]);
    let produce = ["produce", "counts", "--key-separator", ":", "--value-converter", "long"];
    let (code, _, stderr) = server.produced(&produce, b"a:1\r\nb:-2\nc:3");
    assert_eq!(code, 0, "{stderr}");
    let consume = ["consume", "counts", "--from-beginning", "--until-end"];
    let printed = [&consume[..], &["--print-key", "--value-converter", "long"]].concat();
    assert_eq!(server.succeeded(&printed), "a\t1\nb\t-2\nc\t3\n");
    let json = ["--output", "json", "--count", "2", "--value-converter", "long"];
    let lines = server.succeeded(&[&consume[..], &json].concat());
    let records: Vec<Json> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 2);
    assert_eq!((&records[1]["key"], &records[1]["value"]), (&"b".into(), &(-2).into()));
    assert_eq!((&records[1]["offset"], &records[1]["partition"]), (&1.into(), &0.into()));

    let bad = [&consume[..], &["--value-converter", "json"]].concat();
    server.fails(&bad, "counts-0 at offset 0");
    let (code, _, stderr) = server.produced(&produce, b"d:4\ne:five\nf:6\n");
    assert_eq!(code, 1);
    assert!(stderr.contains("line 2 was not produced"), "{stderr}");
    server.fails(&["produce", "nothing"], "there is no topic `nothing`");
    server.fails(&["consume", "counts", "--partition", "7"], "partitions 0 to 0");
}

#[test]
fn a_server_ends_with_0_on_sigterm() {
    let mut server = Server::start();
    server.succeeded(&["topic", "create", "lines"]);
    let terminated = Command::new("kill").arg(server.process.id().to_string()).status().unwrap();
    assert!(terminated.success());
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}

#[test]
fn nothing_is_deleted_or_aborted_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let soon = file(folder.path(), "client.properties", "default.api.timeout.ms=100\n");
    // Nobody listens there: each is refused before it would matter.
    for command in [
        "topic delete t",
        "group delete g",
        "group delete-offsets g --topic t",
        "acl remove --topic t",
        "acl remove --topic t --pattern match --allow-principal User:a",
        "user delete alice",
        "quota remove --user alice",
        "txn abort --transactional-id x",
        "txn abort --topic t --partition 0 --start-offset 0 --force",
        "connector delete c",
    ] {
        let nowhere = ["--bootstrap-server", "127.0.0.1:1", "--rest-url", "http://127.0.0.1:1"];
        let nowhere = nowhere.into_iter().chain(["--command-config", &soon]);
        let arguments: Vec<&str> = command.split(' ').chain(nowhere).collect();
        let (code, _, stderr) = told(&longshore(&arguments).stdin(Stdio::null()).output().unwrap());
        assert!(code == 2 && stderr.contains("add --yes"), "{command}: {code} {stderr}");
        fails(&[&arguments[..], &["--yes"]].concat(), 3, "127.0.0.1:1");
    }
    assert!(succeeded(&["--help"]).contains("--yes is needed"));
}

#[test]
fn a_listener_that_does_not_answer_cannot_be_reached() {
    let folder = tempfile::tempdir().unwrap();
    let config = file(folder.path(), "client.properties", "default.api.timeout.ms=500\n");
    // Connections wait in its backlog, and nobody takes them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let list = ["topic", "list", "--bootstrap-server", &address, "--command-config", &config];
    fails(&list, 3, "");
}

#[test]
fn a_nested_value_of_client_properties_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let nested = "client.id: a\nssl:\n  enabled.protocols: TLSv1.3\nsasl.mechanism: [PLAIN]\n";
    let nested = file(folder.path(), "client.yaml", nested);
    let list = ["topic", "list", "--command-config", &nested];
    fails(&list, 1, "`ssl` is a property, whose value is one word or text");
    fails(&list, 1, "client.yaml:2:1");
    fails(&list, 1, "`sasl.mechanism` is a property");
}

/// `script` gives the shell a terminal, in which Ctrl-C goes to both. What the
/// terminal shows after `typed` at the prompt and Ctrl-C.
fn interrupted(typed: Option<&[u8]>) -> String {
    // Connections wait in its backlog: the command is under way for seconds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (longshore, address) = (env!("CARGO_BIN_EXE_longshore"), silent.local_addr().unwrap());
    let line = format!(
        "trap : INT; '{longshore}' user set alice --bootstrap-server {address}; \
         echo \"code=$?\"; stty -a"
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--command", &line, "/dev/null"]);
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).env("SHELL", "/bin/sh");
    let mut script = script.spawn().unwrap();
    let mut terminal = script.stdin.take().unwrap();
    let mut shown = BufReader::new(script.stdout.take().unwrap());
    let mut prompt = Vec::new();
    shown.read_until(b':', &mut prompt).unwrap();
    assert_eq!(String::from_utf8_lossy(&prompt), "Password of alice:");
    if let Some(typed) = typed {
        terminal.write_all(typed).unwrap();
        // The line ends when the password was read.
        shown.read_until(b'\n', &mut prompt).unwrap();
    }
    terminal.write_all(b"\x03").unwrap();
    let mut rest = String::new();
    shown.read_to_string(&mut rest).unwrap();
    script.wait().unwrap();
    rest
}

#[test]
fn ctrl_c_at_the_password_prompt_leaves_the_terminal_as_it_was() {
    let shown = interrupted(None);
    assert!(shown.contains("code=130"), "{shown}");
    assert!(shown.contains(" echo ") && !shown.contains("-echo "), "{shown}");
}

#[test]
fn ctrl_c_after_the_password_ends_the_command_all_the_same() {
    let shown = interrupted(Some(b"secret\n"));
    assert!(shown.contains("code=130") && !shown.contains("secret"), "{shown}");
}

#[test]
fn passwords_are_hashed_as_often_as_kafkas_brokers_take() {
    for iterations in ["4095", "16385"] {
        fails(&["user", "set", "alice", "--iterations", iterations], 2, "4096..=16384");
    }
}
