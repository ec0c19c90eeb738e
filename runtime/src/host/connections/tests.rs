use std::path::Path;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::asked::Connections as _;
use super::*;
use crate::worker::herder::TaskId;
use crate::worker::stores::Checkpoints;

fn connections(json: &str) -> Result<Connections, Vec<ConnectionError>> {
    Connections::new(serde_json::from_str(json).unwrap(), Reach::default())
}

/// Connections from requests that may begin and refer below a folder.
fn reaching(folder: &Path) -> Connections {
    let paths = || AllowedPaths::new(vec![folder.to_owned()]).unwrap();
    let allowed = Allowed { roots: paths(), files: paths(), env: None };
    Connections::new(BTreeMap::new(), Reach { internal: Vec::new(), allowed }).unwrap()
}

const FILES: &str = r#"{"files": {"driver": "objects", "kind": "local", "root": "/data",
    "allow": {"connectors": ["lines", "daily-*"], "verbs": ["read"]}}}"#;

fn code<T>(result: Result<(T, Verb), Fault>) -> Result<Verb, String> {
    match result {
        Ok((_, verb)) => Ok(verb),
        Err(Fault::Config { code, .. }) => Err(code),
        Err(other) => panic!("{other}"),
    }
}

fn object_of(json: Value) -> Object {
    json.as_object().unwrap().clone()
}

fn local(root: &str) -> Object {
    object_of(json!({
        "driver": "objects", "kind": "local", "root": root,
        "allow": { "connectors": ["c"], "verbs": ["read"] },
    }))
}

fn context(task: u32) -> OpenContext {
    OpenContext {
        id: TaskId { connector: "c".to_owned(), task },
        connections: Arc::default(),
        checkpoints: Arc::new(Checkpoints::default()),
        stopping: CancellationToken::new(),
        reopen: CancellationToken::new(),
        lease: Default::default(),
    }
}

async fn root_named_in(file: &Path, connections: &Connections) -> (String, OpenContext) {
    let context = context(0);
    connections.set("f", Some(&local(&format!("${{file:{}}}", file.display()))));
    let opened = connections.objects("f", &context).await;
    (opened.err().map_or_else(String::new, |fault| fault.to_string()), context)
}

#[test]
fn a_connection_serves_whom_its_owner_allows() {
    let all = connections(FILES).unwrap();
    assert_eq!(code(all.granted("files", "lines")), Ok(Verb::Read));
    assert_eq!(code(all.granted("files", "daily-7")), Ok(Verb::Read));
    assert_eq!(code(all.granted("files", "other")), Err("connection-not-granted".to_owned()));
    assert_eq!(code(all.granted("s3", "lines")), Err("connection-unknown".to_owned()));
}

#[test]
fn without_allow_it_serves_nobody() {
    let all = connections(r#"{"f": {"driver": "objects", "kind": "local", "root": "/"}}"#);
    let all = all.unwrap();
    assert_eq!(code(all.granted("f", "lines")), Err("connection-not-granted".to_owned()));
}

#[test]
fn all_wrong_definitions_are_told_at_once() {
    let errors = connections(
        r#"{"a": {"driver": "floppy"}, "b": {"driver": "objects", "kind": "local", "rot": "/",
        "allow": {"connectors": ["[z-a"], "verbs": []}}}"#,
    )
    .unwrap_err();
    let names: Vec<_> = errors.iter().map(|error| error.connection.as_str()).collect();
    assert_eq!(names, ["a", "b", "b"]);
}

#[test]
fn the_workers_own_definition_counts_before_the_fleets() {
    let all = connections(FILES).unwrap();
    let theirs = object_of(json!({
        "driver": "objects", "kind": "local", "root": "/",
        "allow": { "connectors": ["*"], "verbs": ["write"] },
    }));
    all.set("files", Some(&theirs));
    assert_eq!(code(all.granted("files", "other")), Err("connection-not-granted".to_owned()));
    all.set("more", Some(&theirs));
    assert_eq!(code(all.granted("more", "other")), Ok(Verb::Write));
    all.set("more", None);
    assert_eq!(code(all.granted("more", "other")), Err("connection-unknown".to_owned()));
}

#[test]
fn a_secret_in_clear_is_refused_without_being_told() {
    let all = reaching(Path::new("/"));
    let mut definition = local("/data");
    definition.insert("password".to_owned(), "hunter2".into());
    let reasons = all.check(&definition).join("\n");
    assert!(reasons.contains("`password` holds a secret in clear"), "{reasons}");
    assert!(!reasons.contains("hunter2"), "{reasons}");
    assert!(all.check(&local("${file:/root}")).is_empty());
    assert!(all.check(&local("${vault:x}"))[0].contains("is no reference"));
}

#[tokio::test]
async fn a_resolved_value_is_in_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root");
    std::fs::write(&file, "/no/such/s3cr3t\n").unwrap();
    let (told, _) = root_named_in(&file, &reaching(Path::new("/"))).await;
    assert!(told.contains(references::MASK) && !told.contains("s3cr3t"), "{told}");
}

#[tokio::test]
async fn a_file_that_changes_makes_its_users_open_the_connection_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root");
    std::fs::write(&file, folder.path().to_str().unwrap()).unwrap();
    let connections = reaching(Path::new("/"));
    let (told, user) = root_named_in(&file, &connections).await;
    assert_eq!(told, "");
    assert!(connections.look().await.is_empty() && !user.reopen.is_cancelled());
    // One that is away for a moment, as while it is replaced, changes nothing.
    std::fs::remove_file(&file).unwrap();
    assert!(connections.look().await.is_empty() && !user.reopen.is_cancelled());
    std::fs::write(&file, "/").unwrap();
    assert_eq!(connections.look().await, ["f"]);
    assert!(user.reopen.is_cancelled());
}

#[tokio::test]
async fn a_definition_that_changes_makes_its_users_open_the_connection_again() {
    let connections = reaching(Path::new("/"));
    connections.set("f", Some(&local("/")));
    let user = context(0);
    connections.objects("f", &user).await.unwrap();
    connections.set("f", Some(&local("/")));
    assert!(!user.reopen.is_cancelled(), "it is the same");
    connections.set("f", Some(&local("/tmp")));
    assert!(user.reopen.is_cancelled());
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let connections = reaching(Path::new("/"));
    let path = folder.path().join("late");
    connections.set("f", Some(&local(&format!("${{file:{}}}", path.display()))));
    let fault = connections.objects("f", &context(0)).await.unwrap_err();
    assert!(matches!(fault, Fault::Retry { .. }), "{fault}");
}

fn not_allowed(fault: &Fault) -> bool {
    matches!(fault, Fault::Config { code, .. } if code == "connection-not-allowed")
}

#[tokio::test]
async fn a_request_begins_a_connection_only_where_the_worker_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
    let connections = reaching(&inside);
    let at = |path: &Path| local(path.to_str().unwrap());
    assert!(connections.check(&at(&inside)).is_empty());
    connections.set("f", Some(&at(&inside)));
    connections.objects("f", &context(0)).await.unwrap();
    for refused in [outside.clone(), inside.join("../out"), inside.join("link")] {
        let reasons = connections.check(&at(&refused)).join("\n");
        assert!(reasons.contains("connection.resources.root.allowed.paths"), "{reasons}");
        // Whoever took it, this worker goes by its own file.
        connections.set("f", Some(&at(&refused)));
        let fault = connections.objects("f", &context(0)).await.unwrap_err();
        assert!(not_allowed(&fault), "{fault}");
    }
    // What its reference stands for is seen when it is opened.
    let named = inside.join("root");
    std::fs::write(&named, outside.to_str().unwrap()).unwrap();
    let (told, _) = root_named_in(&named, &connections).await;
    assert!(told.contains("root.allowed.paths") && !told.contains("/out"), "{told}");
}

#[tokio::test]
async fn no_connection_begins_among_the_workers_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    let own =
        json!({"f": local(cache.to_str().unwrap()), "g": local(folder.path().to_str().unwrap())});
    let reach = Reach { internal: vec![cache], ..Reach::default() };
    let connections = Connections::new(serde_json::from_value(own).unwrap(), reach).unwrap();
    let fault = connections.objects("f", &context(0)).await.unwrap_err();
    assert!(not_allowed(&fault) && fault.to_string().contains("its own"), "{fault}");
    connections.objects("g", &context(0)).await.unwrap();
}

#[test]
fn a_request_names_only_the_references_that_the_worker_allows() {
    let connections = reaching(Path::new("/run/secrets"));
    let with = |reference: &str| {
        let mut definition = local("/run/secrets");
        definition.insert("token".to_owned(), reference.into());
        connections.check(&definition).join("\n")
    };
    assert!(!with("${file:/run/secrets/token}").contains("may not refer"));
    for (reference, remedy) in [
        ("${file:/etc/shadow}", "connection.resources.file.allowed.paths"),
        ("${dir:/run/secrets/..:x}", "connection.resources.file.allowed.paths"),
        ("${env:HOME}", "connection.resources.env.allowlist.pattern"),
    ] {
        let told = with(reference);
        assert!(told.contains("`token`: ") && told.contains(remedy), "{told}");
    }
}

fn task(connector: &str) -> asked::TaskContext {
    asked::TaskContext {
        id: TaskId { connector: connector.to_owned(), task: 0 },
        checkpoints: Arc::new(Checkpoints::default()),
        stop: CancellationToken::new(),
        reopen: CancellationToken::new(),
        lease: Default::default(),
    }
}

fn registry(user: &str, verb: &str) -> Object {
    object_of(json!({
        "driver": "schema-registry", "schema.registry.url": "https://registry:8081",
        "basic.auth.user.info": user, "allow": { "connectors": ["c"], "verbs": [verb] },
    }))
}

#[tokio::test]
async fn a_registry_is_opened_for_whom_its_owner_allows_and_again_when_its_password_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "hunter2").unwrap();
    let user = format!("me:${{file:{}}}", file.display());
    let all = reaching(Path::new("/"));
    all.set("r", Some(&registry(&user, "read")));
    let context = task("c");
    let opened = all.registry("r", &context).await.unwrap();
    assert!(!opened.may_register && !format!("{opened:?}").contains("hunter2"));
    all.set("w", Some(&registry(&user, "write")));
    assert!(all.registry("w", &task("c")).await.unwrap().may_register);
    all.set("f", Some(&local("/data")));
    for (name, connector, told) in [
        ("r", "other", "does not allow the connector `other`"),
        ("none", "c", "there is no connection"),
        ("f", "c", "not schema-registry"),
    ] {
        let error = all.registry(name, &task(connector)).await.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    std::fs::write(&file, "hunter3").unwrap();
    assert_eq!(all.look().await, ["r", "w"]);
    assert!(context.reopen.is_cancelled());
    // What is wrong with a value is said without it.
    std::fs::write(&file, "hunter4\0").unwrap();
    all.set("r", Some(&registry(&format!("${{file:{}}}", file.display()), "read")));
    let error = all.registry("r", &task("c")).await.unwrap_err().to_string();
    assert!(error.contains("no name and password") && !error.contains("hunter"), "{error}");
}

#[test]
fn a_registrys_definition_is_checked_before_its_references_are_resolved() {
    let all = reaching(Path::new("/"));
    let check = |definition: &Object| all.check(definition).join("\n");
    assert_eq!(check(&registry("${file:/user}", "read")), "");
    assert!(check(&registry("me:hunter2", "read")).contains("holds a secret in clear"));
    assert!(!check(&registry("me:hunter2", "read")).contains("hunter2"));
    let shown = Value::Object(all.shown(&registry("me:hunter2", "read"))).to_string();
    assert!(!shown.contains("hunter2"), "{shown}");
    for (name, value) in [
        ("basic.auth.user", "${file:/user}"),
        ("ssl.ca.location", "/etc/ca.pem"),
        ("schema.registry.url", "registry:8081"),
    ] {
        let mut wrong = registry("${file:/user}", "read");
        if name == "schema.registry.url" {
            wrong.remove("basic.auth.user.info");
        }
        wrong.insert(name.to_owned(), value.into());
        assert!(check(&wrong).contains(name), "{name}");
    }
}

#[cfg(feature = "sql")]
#[tokio::test]
async fn a_database_is_opened_by_whom_it_allows_and_where_the_worker_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(&outside).unwrap();
    let connections = reaching(&inside);
    let file = |root: &Path, connector: &str| {
        object_of(json!({
            "driver": "sql", "kind": "sqlite", "root": root, "file": "a.db",
            "allow": { "connectors": [connector], "verbs": ["write"] },
        }))
    };
    connections.set("d", Some(&file(&inside, "c")));
    connections.sql("d", &context(0)).await.unwrap();
    assert!(inside.join("a.db").exists());
    connections.set("d", Some(&file(&outside, "c")));
    let fault = connections.sql("d", &context(0)).await.unwrap_err();
    assert!(not_allowed(&fault), "{fault}");
    assert!(!outside.join("a.db").exists());
    // Neither are certificates read from anywhere, whichever way the file is named.
    let server = |ca: &str| {
        object_of(json!({
            "driver": "sql", "kind": "postgresql", "host": "127.0.0.1", "port": 1, "ca": ca,
            "database": "d", "user": "u", "allow": { "connectors": ["c"], "verbs": ["write"] },
        }))
    };
    std::fs::write(outside.join("ca.pem"), "x").unwrap();
    std::os::unix::fs::symlink(outside.join("ca.pem"), inside.join("link.pem")).unwrap();
    std::fs::write(inside.join("name"), outside.join("ca.pem").to_str().unwrap()).unwrap();
    let reference = format!("${{file:{}}}", inside.join("name").display());
    for ca in [outside.join("ca.pem"), inside.join("link.pem"), reference.into()] {
        let definition = server(ca.to_str().unwrap());
        connections.set("d", Some(&definition));
        let fault = connections.sql("d", &context(0)).await.unwrap_err();
        assert!(not_allowed(&fault), "{}: {fault}", ca.display());
    }
    connections.set("d", Some(&server(inside.join("ca.pem").to_str().unwrap())));
    assert!(!not_allowed(&connections.sql("d", &context(0)).await.unwrap_err()));
    assert!(connections.check(&server("/etc/ca.pem")).join("\n").contains("file.allowed.paths"));
    for (definition, expected) in [
        (file(&inside, "another"), "connection-not-granted"),
        (local(inside.to_str().unwrap()), "connection-of-another-kind"),
    ] {
        connections.set("d", Some(&definition));
        match connections.sql("d", &context(0)).await.unwrap_err() {
            Fault::Config { code, .. } => assert_eq!(code, expected),
            other => panic!("{other}"),
        }
    }
}
