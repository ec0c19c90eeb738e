//! The values of the Helm chart: each is used, documented and checked, and a wrong one
//! is refused by its name.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeSet;

use longshore_e2e::chart::Chart;
use serde_json::{Map, Value, json};

/// What is Helm's own.
const NOT_OURS: [&str; 1] = ["global"];

/// Names of values from the outermost on, with dots between.
type Path = String;

fn join(path: &str, name: &str) -> Path {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// All values that have no values below them.
fn leaves(path: &str, value: &Value, found: &mut Vec<(Path, Value)>) {
    match value.as_object() {
        Some(object) if !object.is_empty() => {
            for (name, value) in object {
                leaves(&join(path, name), value, found);
            }
        }
        _ => found.push((path.to_owned(), value.clone())),
    }
}

/// Values on top of others.
fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                merge(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// The value alone, at its place.
fn at(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |value, name| json!(Map::from_iter([(name.to_owned(), value)])))
}

/// Everything that can be switched on.
fn all_on() -> Value {
    json!({
        "worker": {
            "bootstrapServers": ["kafka:9092"],
            "autoscaling": { "enabled": true, "lag": { "enabled": true } },
            "config": {
                "connection.resources.enable": true,
                "listeners.https.ssl.keystore.location": "/worker.pem",
            },
        },
        "broker": { "enabled": true },
        "plugins": { "downloads": [
            { "name": "a", "url": "https://example.com/a.wasm", "sha256": "a".repeat(64) },
        ] },
        "pipelines": { "copy": { "topics": { "lines": {} } } },
        "pipelineJob": {
            "restConfig": { "secretName": "rest" },
            "commandConfig": { "secretName": "command" },
        },
        "metrics": {
            "serviceMonitor": { "enabled": true },
            "prometheusRule": { "enabled": true },
        },
        "networkPolicy": { "enabled": true, "egress": { "enabled": true } },
    })
}

/// Another value that is as right; for most its type says which.
fn another(path: &str, value: &Value) -> Value {
    let named = json!([{ "name": "other" }]);
    match path.rsplit_once('.').map_or(path, |(_, name)| name) {
        "digest" => return json!(format!("sha256:{}", "b".repeat(64))),
        "pullPolicy" => return json!("Always"),
        "scheme" => return json!("https"),
        "bootstrapServers" => return json!(["other:9092"]),
        "storageReplicationFactor" => return json!(2),
        "livenessPath" | "readinessPath" => return json!("/other"),
        "httpHeaders" => return json!([{ "name": "a", "value": "b" }]),
        "interval" | "scrapeTimeout" => return json!("31s"),
        "size" | "sizeLimit" | "cpu" | "memory" | "averageValue" => return json!("123"),
        "accessModes" => return json!(["ReadWriteMany"]),
        "storageClassName" => return json!("fast"),
        "whenDeleted" => return json!("Delete"),
        "path" if value.is_array() => return json!(["/other"]),
        "path" => return json!("/other"),
        "extraArgs" | "drop" => return json!(["other"]),
        "type" if path.ends_with("probes.type") => return json!("tcp"),
        "type" if path.ends_with("service.type") => return json!("NodePort"),
        _ => {}
    }
    match path {
        "plugins.images" => json!([{ "name": "a", "image": "b" }]),
        "plugins.volumes" => json!([{ "name": "a", "claimName": "b" }]),
        "plugins.uploads" => json!([{ "name": "a", "configMap": "b" }]),
        "plugins.downloads" => json!([]),
        "worker.connections" => json!({ "files": { "driver": "objects" } }),
        _ => match value {
            Value::Bool(flag) => json!(!flag),
            Value::Number(number) => json!(number.as_i64().expect("a whole number") + 1),
            Value::String(text) => json!(format!("{text}1")),
            Value::Array(_) => named,
            Value::Object(_) => json!({ "other": "1" }),
            Value::Null => panic!("{path}: which value?"),
        },
    }
}

/// What takes this value's place or needs it, switched off.
fn without(path: &str) -> Option<Value> {
    match path {
        "worker.replicas" => Some(at("worker.autoscaling.enabled", json!(false))),
        "metrics.enabled" => Some(json!({ "metrics": {
            "serviceMonitor": { "enabled": false }, "prometheusRule": { "enabled": false },
        } })),
        _ => None,
    }
}

#[test]
#[ignore = "second tier"]
fn each_value_changes_what_is_made() {
    let chart = Chart::new();
    let mut found = Vec::new();
    let mut base = chart.defaults();
    merge(&mut base, &all_on());
    leaves("", &base, &mut found);
    assert!(found.len() > 100, "{}", found.len());
    let made = chart.text(&base);
    // What the base itself has in maps that may hold anything.
    let is_free = |path: &str| path.starts_with("pipelines.") || path.starts_with("worker.config.");
    for (path, value) in found.into_iter().filter(|(path, _)| !is_free(path)) {
        let mut base = base.clone();
        let made = match without(&path) {
            Some(off) => {
                merge(&mut base, &off);
                chart.text(&base)
            }
            None => made.clone(),
        };
        merge(&mut base, &at(&path, another(&path, &value)));
        assert!(chart.text(&base) != made, "{path} changes nothing");
    }
}

/// The values that the table in the README has: `.tag` after `image.repository` is
/// `image.tag`.
fn documented() -> BTreeSet<Path> {
    let text = std::fs::read_to_string(Chart::path().join("README.md")).expect("a README");
    let (_, table) = text.split_once("| value | default | meaning |").expect("a table of values");
    let mut names = BTreeSet::new();
    for row in table.lines().take_while(|row| row.is_empty() || row.starts_with('|')) {
        let Some(first) = row.split('|').nth(1) else { continue };
        let mut parent = String::new();
        for name in first.split('`').skip(1).step_by(2) {
            let name = match name.strip_prefix('.') {
                Some(name) => join(&parent, name),
                None => {
                    parent = name.rsplit_once('.').map_or(String::new(), |it| it.0.to_owned());
                    name.to_owned()
                }
            };
            names.insert(name);
        }
    }
    names
}

/// The values that the schema knows.
fn checked(path: &str, schema: &Value, found: &mut BTreeSet<Path>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = join(path, name);
        checked(&path, schema, found);
        found.insert(path);
    }
}

#[test]
#[ignore = "second tier"]
fn each_value_is_documented_and_checked_and_nothing_else_is() {
    let mut found = Vec::new();
    let defaults = Chart::new().defaults();
    leaves("", &defaults, &mut found);
    let found: BTreeSet<Path> = found.into_iter().map(|(path, _)| path).collect();
    let schema = std::fs::read(Chart::path().join("values.schema.json")).expect("a schema");
    let schema: Value = serde_json::from_slice(&schema).expect("it is JSON");
    let mut known = BTreeSet::new();
    checked("", &schema, &mut known);
    for (what, names) in [("documented", &documented()), ("in the schema", &known)] {
        let is_in = |path: &&Path| {
            names.iter().any(|name| *path == name || path.starts_with(&format!("{name}.")))
        };
        let left: Vec<_> = found.iter().filter(|path| !is_in(path)).collect();
        assert!(left.is_empty(), "not {what}: {left:?}");
        let is_value = |name: &&Path| {
            let at = format!("/{}", name.replace('.', "/"));
            defaults.pointer(&at).is_some() || NOT_OURS.contains(&name.as_str())
        };
        let more: Vec<_> = names.iter().filter(|name| !is_value(name)).collect();
        assert!(more.is_empty(), "{what}, and no value: {more:?}");
    }
}

/// The values of workers on a cluster that there is.
fn with(worker: Value) -> Value {
    let mut values = json!({ "worker": { "bootstrapServers": ["kafka:9092"] } });
    merge(&mut values["worker"], &worker);
    values
}

/// The same with values of another part.
fn beside(worker: Value, more: &Value) -> Value {
    let mut values = with(worker);
    merge(&mut values, more);
    values
}

#[test]
#[ignore = "second tier"]
fn a_wrong_value_is_refused_by_its_name() {
    let chart = Chart::new();
    let copy = json!({ "pipelines": { "copy": { "topics": { "lines": {} } } } });
    let connections =
        json!({ "pipelines": { "copy": { "connections": { "a": { "driver": "objects" } } } } });
    for (wrong, told) in [
        (json!({}), "worker.bootstrapServers is empty: name the cluster's brokers as host:port"),
        (with(json!({ "bootstrapServers": ["kafka"] })), "bootstrapServers"),
        (with(json!({ "replica": 3 })), "replica"),
        (with(json!({ "replicas": "three" })), "replicas"),
        (with(json!({ "drainSeconds": 1 })), "drainSeconds"),
        (with(json!({ "groupId": "a fleet" })), "groupId"),
        (with(json!({ "resources": { "limit": {} } })), "limit"),
        (with(json!({ "config": { "group.id": "a" } })), "`group.id`: set worker.groupId"),
        (
            with(json!({ "autoscaling": { "enabled": true, "minReplicas": 5, "maxReplicas": 2 } })),
            "maxReplicas 2 is below minReplicas 5",
        ),
        (
            with(json!({ "autoscaling": { "enabled": true, "cpuUtilization": null } })),
            "set cpuUtilization or lag.enabled",
        ),
        (
            with(json!({
                "autoscaling": { "enabled": true }, "resources": { "requests": { "cpu": null } },
            })),
            "set worker.resources.requests.cpu",
        ),
        (
            with(json!({ "rest": { "scheme": "https" } })),
            "there is no certificate: name its file as listeners.https.ssl.keystore.location",
        ),
        (
            with(json!({ "rest": { "scheme": "https" }, "config": {
                "listeners.https.ssl.keystore.location": "/worker.pem",
                "listeners.https.ssl.client.auth": "required",
            } })),
            "set worker.probes.type to tcp",
        ),
        (with(json!({ "rest": { "port": 9404 } })), "worker.rest.port and metrics.port are both"),
        (
            beside(
                json!({}),
                &json!({ "plugins": { "downloads": [
                { "name": "a", "url": "https://a/a.wasm" },
            ] } }),
            ),
            "sha256",
        ),
        (
            beside(
                json!({}),
                &json!({ "metrics": { "enabled": false, "serviceMonitor": { "enabled": true } } }),
            ),
            "metrics.serviceMonitor.enabled needs metrics.enabled",
        ),
        (
            beside(json!({ "config": { "rest.auth.bearer.file": "/tokens" } }), &copy),
            "set pipelineJob.restConfig",
        ),
        (
            beside(json!({ "config": { "worker.client.security.protocol": "SASL_SSL" } }), &copy),
            "the cluster's listener is SASL_SSL",
        ),
        (beside(json!({}), &connections), "the pipeline `copy` defines connections"),
    ] {
        let said = chart.refused(&wrong);
        assert!(said.contains(told), "{wrong}: {said}");
    }
}
