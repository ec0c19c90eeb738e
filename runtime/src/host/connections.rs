//! Named uses of drivers, and who may use them.
//!
//! A connection is the operator's: plugins ask for it by name. References to
//! secrets are resolved here, when a connection is opened, and nowhere else.

use std::collections::BTreeMap;
use std::fmt;

use globset::Glob;
use longshore_driver_objects::{Access, Bucket, Class, ObjectsConfig, ObjectsError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Fault;
use crate::kafka::group::Lease;

/// What a connector may do on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Read from the system.
    Read,
    /// Write to it, which includes reading.
    Write,
}

/// Whom a connection's owner allows to use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Names of connectors, or patterns of names (`*`, `?`, `[a-z]`, `{a,b}`).
    pub connectors: Vec<String>,
    /// What they may do.
    pub verbs: Vec<Verb>,
}

/// A connection as its owner wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionConfig {
    /// The driver: `objects`.
    pub driver: String,
    /// Whom it serves; nobody unless said.
    #[serde(default = "nobody")]
    pub allow: Allow,
    /// The driver's own settings, references unresolved.
    #[serde(flatten)]
    pub settings: BTreeMap<String, Value>,
}

fn nobody() -> Allow {
    Allow { connectors: Vec::new(), verbs: Vec::new() }
}

/// What is wrong with a connection's definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection `{connection}`: {reason}")]
pub struct ConnectionError {
    /// Its name.
    pub connection: String,
    /// What is wrong, without any resolved value.
    pub reason: String,
}

/// The connections of a worker, by name.
#[derive(Debug, Clone, Default)]
pub struct Connections(BTreeMap<String, ConnectionConfig>);

impl Connections {
    /// Checks every definition; all that is wrong is told at once. References
    /// are resolved later, on use: a missing one costs the tasks that need it.
    pub fn new(
        definitions: BTreeMap<String, ConnectionConfig>,
    ) -> Result<Self, Vec<ConnectionError>> {
        let errors: Vec<_> = definitions
            .iter()
            .flat_map(|(name, definition)| {
                let connection = name.clone();
                wrong(definition)
                    .into_iter()
                    .map(move |reason| ConnectionError { connection: connection.clone(), reason })
            })
            .collect();
        if errors.is_empty() { Ok(Self(definitions)) } else { Err(errors) }
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Opens an object store for a connector.
    pub(super) async fn objects(
        &self,
        name: &str,
        connector: &str,
        lease: &Lease,
    ) -> Result<Bucket, Fault> {
        let (definition, verb) = self.granted(name, connector)?;
        if definition.driver != "objects" {
            return Err(config(
                "connection-of-another-kind",
                format!(
                    "the connection `{name}` is of the driver `{}`, not objects",
                    definition.driver
                ),
            ));
        }
        let resolved =
            resolve(&definition.settings, &|name| std::env::var(name).ok()).map_err(|reason| {
                config("connection-unresolved", format!("the connection `{name}`: {reason}"))
            })?;
        let settings: ObjectsConfig = serde_json::from_value(resolved).map_err(|_| {
            // The parser's words could quote a resolved secret.
            let reason = "its settings, once resolved, are not what the driver takes";
            config("connection-invalid", format!("the connection `{name}`: {reason}"))
        })?;
        let access = match verb {
            Verb::Read => Access::Read,
            Verb::Write => {
                let lease = lease.clone();
                Access::Write(std::sync::Arc::new(move || lease.is_valid()))
            }
        };
        Bucket::open(&settings, access).await.map_err(|error| objects_fault(&error))
    }

    /// The definition, and the most that the connector may do with it.
    fn granted(&self, name: &str, connector: &str) -> Result<(&ConnectionConfig, Verb), Fault> {
        let definition = self.0.get(name).ok_or_else(|| {
            config("connection-unknown", format!("there is no connection `{name}`"))
        })?;
        let allow = &definition.allow;
        let allowed = allow.connectors.iter().any(|pattern| {
            Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(connector))
        });
        let verb = match (allowed, &allow.verbs[..]) {
            (true, verbs) if verbs.contains(&Verb::Write) => Verb::Write,
            (true, [_, ..]) => Verb::Read,
            _ => {
                return Err(config(
                    "connection-not-granted",
                    format!(
                        "the connection `{name}` does not allow the connector `{connector}`; \
                         its owner names connectors and verbs under `allow`"
                    ),
                ));
            }
        };
        Ok((definition, verb))
    }
}

fn wrong(definition: &ConnectionConfig) -> Vec<String> {
    let mut reasons = Vec::new();
    for pattern in &definition.allow.connectors {
        if let Err(error) = Glob::new(pattern) {
            reasons.push(format!("`allow.connectors`: {error}"));
        }
    }
    if definition.driver == "objects" {
        // Unresolved references are strings too, so the shape can be checked.
        let settings = Value::Object(definition.settings.clone().into_iter().collect());
        if let Err(error) = serde_json::from_value::<ObjectsConfig>(settings) {
            reasons.push(error.to_string());
        }
    } else {
        reasons.push(format!("there is no driver `{}`; there is objects", definition.driver));
    }
    reasons
}

/// Replaces `${env:NAME}` and `${file:PATH}` in every string.
fn resolve(
    settings: &BTreeMap<String, Value>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Value, String> {
    let mut object = serde_json::Map::new();
    for (name, value) in settings {
        let value = match value {
            Value::String(text) => Value::String(resolve_text(text, env)?),
            other => other.clone(),
        };
        object.insert(name.clone(), value);
    }
    Ok(Value::Object(object))
}

/// Replaces `${env:NAME}` and `${file:PATH}` in a text.
pub(crate) fn resolve_text(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        out.push_str(before);
        let end = reference.find('}').ok_or("a reference `${` without `}`")?;
        let inside = &reference[2..end];
        match inside.split_once(':') {
            Some(("env", name)) => {
                out.push_str(&env(name).ok_or_else(|| format!("the variable `{name}` is not set"))?)
            }
            Some(("file", path)) => {
                let content = std::fs::read_to_string(path)
                    .map_err(|error| format!("the file `{path}` cannot be read: {error}"))?;
                out.push_str(content.trim_end_matches(['\r', '\n']));
            }
            _ => return Err(format!("`${{{inside}}}` is no reference; there are env: and file:")),
        }
        rest = &reference[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn config(code: &str, message: impl fmt::Display) -> Fault {
    Fault::Config { code: code.to_owned(), message: message.to_string() }
}

/// A driver's error as the contract's fault.
pub(super) fn objects_fault(error: &ObjectsError) -> Fault {
    let (code, message) = (error.code().to_owned(), error.to_string());
    match error.class() {
        Class::Retry => Fault::Retry { code, message, after: None },
        Class::Config => Fault::Config { code, message },
        Class::Fatal => Fault::Fatal { code, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(json: &str) -> Result<Connections, Vec<ConnectionError>> {
        Connections::new(serde_json::from_str(json).unwrap())
    }

    const FILES: &str = r#"{"files": {"driver": "objects", "kind": "local", "root": "/data",
        "allow": {"connectors": ["lines", "daily-*"], "verbs": ["read"]}}}"#;

    fn code(result: Result<(&ConnectionConfig, Verb), Fault>) -> Result<Verb, String> {
        match result {
            Ok((_, verb)) => Ok(verb),
            Err(Fault::Config { code, .. }) => Err(code),
            Err(other) => panic!("{other}"),
        }
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
    fn references_are_resolved_from_environment_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "s3cr3t\n").unwrap();
        let env = |name: &str| (name == "HOME_DIR").then(|| "/home".to_owned());
        let text = format!("${{env:HOME_DIR}}/x-${{file:{}}}-$y", secret.display());
        assert_eq!(resolve_text(&text, &env).unwrap(), "/home/x-s3cr3t-$y");
        assert_eq!(resolve_text("${env:NO}", &env).unwrap_err(), "the variable `NO` is not set");
        assert!(resolve_text("${dir:x}", &env).is_err());
        assert!(resolve_text("${env:", &env).is_err());
    }
}
