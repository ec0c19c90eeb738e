//! Plugins: there, of the right role, with options that they have.

use serde_json::Value as Json;

use super::Stage;
use crate::pipeline::catalog::{PluginCatalog, PluginDescription};
use crate::pipeline::options;
use crate::worker::herder::ConnectorKind;
use crate::worker::{guarantees, overrides};
use crate::yaml::{
    Node, Problem, Value, check_schema, closest, did_you_mean, join, listed, plain_scalar,
};

pub(super) fn check(stages: &[Stage<'_>], catalog: &dyn PluginCatalog) -> Vec<Problem> {
    let mut problems = Vec::new();
    for stage in stages {
        let Some((name, node)) = stage.plugin else { continue };
        let path = join(&stage.path(), stage.plugin_key());
        let Some(plugin) = catalog.find(name) else {
            if catalog.complete() {
                problems.push(
                    Problem::new(path, &node.origin, format!("no plugin `{name}`"), "not found")
                        .help(where_to_look(name, catalog)),
                );
            }
            continue;
        };
        problems.extend(wrong_role(stage, name, node, plugin.kind));
        problems.extend(wrong_options(stage, name, &plugin));
    }
    problems
}

fn where_to_look(name: &str, catalog: &dyn PluginCatalog) -> String {
    let names = catalog.names();
    let known = || names.iter().map(String::as_str);
    let mut help = match closest(name, known()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None if names.is_empty() => "no plugin is known".to_owned(),
        None => format!("known: {}", listed(known())),
    };
    let folders: Vec<String> =
        catalog.folders().iter().map(|folder| folder.display().to_string()).collect();
    if folders.is_empty() {
        help.push_str(
            "; no plugin folder exists: give --plugin-path, or build them (`make plugins`)",
        );
    } else {
        help.push_str(&format!("; searched: {}", folders.join(", ")));
    }
    for broken in catalog.broken() {
        help.push_str(&format!("\nnot loaded: {broken}"));
    }
    help
}

fn wrong_role(stage: &Stage<'_>, name: &str, node: &Node, kind: ConnectorKind) -> Option<Problem> {
    let processes = kind == ConnectorKind::Processor;
    let (message, help) = match (stage.section, processes) {
        ("streams", false) => (
            format!("`{name}` is no processor"),
            "sources and sinks stand under `connectors`, with `connector.class`",
        ),
        ("connectors", true) => (
            format!("`{name}` is a processor"),
            "processors stand under `streams`, with `processor`, `from` and `to`",
        ),
        _ => return None,
    };
    let path = join(&stage.path(), stage.plugin_key());
    Some(Problem::new(path, &node.origin, message, "in the wrong section").help(help.to_owned()))
}

/// Keys of a stage that are not options of its plugin.
fn is_structure(stage: &Stage<'_>, name: &str) -> bool {
    stage.section == "streams" && matches!(name, "processor" | "from" | "to")
}

fn wrong_options(
    stage: &Stage<'_>,
    plugin: &str,
    described: &PluginDescription<'_>,
) -> Vec<Problem> {
    let empty = serde_json::Map::new();
    let properties = described.schema.get("properties").and_then(Json::as_object).unwrap_or(&empty);
    let open = described.schema.get("additionalProperties").is_some_and(|more| *more != false);
    let mut problems = Vec::new();
    let mut own = Vec::new();
    for entry in stage.node.entries() {
        let name = entry.key.text.as_str();
        if is_structure(stage, name) {
            continue;
        }
        if let Some(property) = properties.get(name) {
            let mut entry = entry.clone();
            as_declared(&mut entry.node, property);
            own.push(entry);
            continue;
        }
        let value = entry.node.flat().unwrap_or_default();
        let wrong = overrides::wrong(name, &value).map(|wrong| (wrong, "no override"));
        let wrong = wrong.or_else(|| {
            Some((guarantees::wrong(described.kind, name, &value)?, "no such guarantee"))
        });
        if let Some((wrong, label)) = wrong {
            problems.push(Problem::new(
                join(&stage.path(), name),
                &entry.key.origin,
                format!("`{name}` {wrong}"),
                label,
            ));
        } else if !open && !options::is_workers(name) {
            let known = properties.keys().map(String::as_str).chain(options::workers());
            problems.push(
                Problem::new(
                    join(&stage.path(), name),
                    &entry.key.origin,
                    format!("`{name}` is no option of `{plugin}`"),
                    "unknown option",
                )
                .help(did_you_mean(name, known)),
            );
        }
    }
    // What a stage's own keys stand for counts as given.
    if stage.section == "streams" {
        for (option, key) in [("topics", "from"), ("output.topic", "to")] {
            if properties.contains_key(option)
                && let Some(given) = stage.node.entry(key)
            {
                let mut given = given.clone();
                given.key.text = option.to_owned();
                if !given.node.items().is_empty() {
                    let names = given.node.items().iter().filter_map(Node::text);
                    given.node.value = Value::String(names.collect::<Vec<_>>().join(","));
                }
                own.push(given);
            }
        }
    }
    let node = Node { origin: stage.node.origin.clone(), value: Value::Mapping(own) };
    problems.extend(check_schema(&stage.path(), &node, described.schema).into_iter().map(
        |mut problem| {
            // The stage's own block has no key of its own in that mapping.
            problem.message =
                problem.message.replace("this file", &format!("`{}`", stage.key.text));
            if problem.path == stage.path() {
                problem.origin = stage.key.origin.clone();
            }
            problem
        },
    ));
    problems
}

/// A flat configuration knows only strings; a schema says what they stand for.
fn as_declared(node: &mut Node, property: &Json) {
    let declares = |name: &str| match property.get("type") {
        Some(Json::String(one)) => one == name,
        Some(Json::Array(many)) => many.iter().any(|one| one == name),
        _ => false,
    };
    match &node.value {
        Value::String(text) if !declares("string") => {
            let scalar = plain_scalar(text);
            let fits = match scalar {
                Value::Boolean(_) => declares("boolean"),
                Value::Integer(_) => declares("integer") || declares("number"),
                Value::Float(_) => declares("number"),
                _ => false,
            };
            if fits {
                node.value = scalar;
            }
        }
        Value::Boolean(_) | Value::Integer(_) | Value::Float(_) if declares("string") => {
            let fits = match node.value {
                Value::Boolean(_) => declares("boolean"),
                _ => declares("integer") || declares("number"),
            };
            if !fits && let Some(text) = node.flat() {
                node.value = Value::String(text);
            }
        }
        _ => {}
    }
}
