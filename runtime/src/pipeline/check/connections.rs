//! Connections: defined, and allowing the connectors that name them.

use globset::Glob;

use super::{DEFAULT_CONNECTION, Stage};
use crate::pipeline::catalog::PluginCatalog;
use crate::yaml::{Node, Problem, did_you_mean, join, listed};

pub(super) fn check(
    root: &Node,
    stages: &[Stage<'_>],
    catalog: &dyn PluginCatalog,
) -> Vec<Problem> {
    let mut problems = bad_patterns(root);
    problems.extend(bad_settings(root));
    for stage in stages {
        for used in uses(stage, catalog) {
            problems.extend(wrong_use(root, stage, &used));
        }
    }
    problems
}

/// An option that names a connection.
struct Use<'a> {
    option: String,
    node: &'a Node,
    /// What the plugin does with it; unknown without the plugin.
    verb: Option<String>,
}

fn uses<'a>(stage: &Stage<'a>, catalog: &dyn PluginCatalog) -> Vec<Use<'a>> {
    let schema = stage.plugin.and_then(|(name, _)| catalog.find(name)).map(|found| found.schema);
    let marked: Vec<(String, Option<String>)> =
        match schema.and_then(|schema| schema.get("properties")?.as_object()) {
            Some(properties) => properties
                .iter()
                .filter_map(|(option, property)| {
                    let verb = property.get("x-connection")?.as_str().map(str::to_owned);
                    Some((option.clone(), verb))
                })
                .collect(),
            None => vec![("connection".to_owned(), None)],
        };
    marked
        .into_iter()
        .filter_map(|(option, verb)| Some(Use { node: stage.node.get(&option)?, option, verb }))
        .collect()
}

fn wrong_use(root: &Node, stage: &Stage<'_>, used: &Use<'_>) -> Option<Problem> {
    let name = used.node.text()?;
    let path = join(&stage.path(), &used.option);
    let defined = root.get("connections").map(Node::entries).unwrap_or_default();
    let problem = |message: String, label: &str| {
        Problem::new(path.as_str(), &used.node.origin, message, label)
    };
    let Some(connection) = root.get("connections").and_then(|all| all.get(name)) else {
        if name == DEFAULT_CONNECTION {
            return None;
        }
        let known = defined.iter().map(|entry| entry.key.text.as_str());
        let known = known.chain([DEFAULT_CONNECTION]);
        return Some(
            problem(format!("no connection `{name}`"), "not under `connections`")
                .help(did_you_mean(name, known)),
        );
    };
    let allow = connection.get("allow")?;
    let connectors = texts(allow.get("connectors")?);
    let who = stage.key.text.as_str();
    if !connectors.iter().any(|pattern| matches(pattern, who)) {
        return Some(
            problem(format!("the connection `{name}` does not allow `{who}`"), "not allowed").help(
                format!(
                    "it allows {}; add `{who}` to connections.{name}.allow.connectors",
                    listed(connectors)
                ),
            ),
        );
    }
    let verb = used.verb.as_deref()?;
    let verbs = texts(allow.get("verbs")?);
    // Writing includes reading.
    let allowed = verbs.contains(&verb) || (verb == "read" && verbs.contains(&"write"));
    (!allowed).then(|| {
        problem(format!("the connection `{name}` does not allow `{who}` to {verb}"), "not allowed")
            .help(format!(
                "it allows {}; add `{verb}` to connections.{name}.allow.verbs",
                listed(verbs)
            ))
    })
}

fn texts(node: &Node) -> Vec<&str> {
    node.items().iter().filter_map(Node::text).collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

/// What a connection of a kind has beside what all have.
struct Kind {
    name: &'static str,
    driver: &'static str,
    needs: &'static [&'static str],
    may: &'static [&'static str],
}

impl Kind {
    fn has(&self, setting: &str) -> bool {
        self.needs.contains(&setting) || self.may.contains(&setting)
    }
}

const KINDS: &[Kind] = &[
    Kind { name: "local", driver: "objects", needs: &["root"], may: &[] },
    Kind {
        name: "s3",
        driver: "objects",
        needs: &["bucket"],
        may: &[
            "prefix",
            "region",
            "endpoint",
            "path.style.access",
            "access.key.id",
            "secret.access.key",
            "session.token",
            "checksums",
        ],
    },
    Kind {
        name: "http",
        driver: "http",
        needs: &["url"],
        may: &[
            "auth.type",
            "connection.user",
            "connection.password",
            "bearer.token",
            "oauth2.token.url",
            "oauth2.client.id",
            "oauth2.client.secret",
            "oauth2.client.scope",
            "oauth2.client.auth.mode",
            "headers",
            "ssl.ca.pem",
            "ssl.certificate.pem",
            "ssl.key.pem",
            "connect.timeout.ms",
            "request.timeout.ms",
        ],
    },
    Kind {
        name: "elasticsearch",
        driver: "search",
        needs: &["url"],
        may: &[
            "auth.type",
            "connection.user",
            "connection.password",
            "api.key",
            "ssl.ca.pem",
            "request.timeout.ms",
        ],
    },
    Kind { name: "postgresql", driver: "sql", needs: SERVER, may: SERVER_MAY },
    Kind { name: "mysql", driver: "sql", needs: SERVER, may: SERVER_MAY },
    Kind { name: "mariadb", driver: "sql", needs: SERVER, may: SERVER_MAY },
    Kind { name: "sqlite", driver: "sql", needs: &["root", "file"], may: &[] },
    Kind { name: "sns", driver: "sns", needs: AWS, may: AWS_MAY },
    Kind { name: "sqs", driver: "sqs", needs: AWS, may: AWS_MAY },
];

const AWS: &[&str] = &["access.key.id", "secret.access.key"];
const AWS_MAY: &[&str] = &["region", "endpoint", "session.token"];

const SERVER: &[&str] = &["host", "database", "user"];
const SERVER_MAY: &[&str] = &["port", "password", "tls", "ca"];

/// Kinds of another driver, settings that the kind lacks, or that are another kind's; the
/// rest is the schema's.
fn bad_settings(root: &Node) -> Vec<Problem> {
    let connections = root.get("connections").map(Node::entries).unwrap_or_default();
    let mut problems = Vec::new();
    for connection in connections {
        let path = format!("connections.{}", connection.key.text);
        let Some(kind_node) = connection.node.get("kind") else { continue };
        let Some(kind) = kind_node.text() else { continue };
        let Some(own) = KINDS.iter().find(|of| of.name == kind) else { continue };
        let driver = connection.node.get("driver").and_then(Node::text);
        // One that is no driver at all is the schema's to tell.
        let known = driver.filter(|driver| KINDS.iter().any(|of| of.driver == *driver));
        if let Some(driver) = known.filter(|driver| *driver != own.driver) {
            let message =
                format!("`kind: {kind}` is of the driver `{}`, not of `{driver}`", own.driver);
            let path = join(&path, "kind");
            problems.push(Problem::new(path, &kind_node.origin, message, "another driver's"));
        }
        for name in own.needs.iter().filter(|name| connection.node.get(name).is_none()) {
            let message = format!("`{name}` is missing, which `kind: {kind}` needs");
            let origin = &connection.key.origin;
            problems.push(Problem::new(path.as_str(), origin, message, "without it"));
        }
        for entry in connection.node.entries() {
            let name = entry.key.text.as_str();
            let of = KINDS.iter().find(|other| other.has(name));
            if let Some(of) = of.filter(|_| !own.has(name)) {
                let message = format!("`{name}` is of `kind: {}`, not of `kind: {kind}`", of.name);
                let origin = &entry.key.origin;
                problems.push(Problem::new(join(&path, name), origin, message, "another kind's"));
            }
        }
    }
    problems
}

fn bad_patterns(root: &Node) -> Vec<Problem> {
    let connections = root.get("connections").map(Node::entries).unwrap_or_default();
    let mut problems = Vec::new();
    for connection in connections {
        let patterns = connection.node.get("allow").and_then(|allow| allow.get("connectors"));
        for pattern in patterns.map(Node::items).unwrap_or_default() {
            let Some(Err(error)) = pattern.text().map(Glob::new) else { continue };
            let path = format!("connections.{}.allow.connectors", connection.key.text);
            let message = format!("not a pattern: {}", error.kind());
            problems.push(Problem::new(path, &pattern.origin, message, "this pattern"));
        }
    }
    problems
}
