//! What a connection's owner writes, and what can be wrong with it.

use std::collections::BTreeMap;
use std::path::Path;

use globset::Glob;
use longshore_driver_objects::ObjectsConfig;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reach::Reach;
use super::references::{self, MASK};
#[cfg(feature = "search")]
use super::search;
use super::{http, registries};

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

impl Allow {
    /// The most that a connector may do; `None` for nothing.
    pub(super) fn most(&self, connector: &str) -> Option<Verb> {
        let named = self.connectors.iter().any(|pattern| {
            Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(connector))
        });
        match (named, &self.verbs[..]) {
            (true, verbs) if verbs.contains(&Verb::Write) => Some(Verb::Write),
            (true, [_, ..]) => Some(Verb::Read),
            _ => None,
        }
    }
}

/// A connection as its owner wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionConfig {
    /// The driver: `http`, `objects`, `schema-registry`, `search`, `sns`, `sql` or `sqs`.
    pub driver: String,
    /// Whom it serves; nobody unless said.
    #[serde(default = "nobody")]
    pub allow: Allow,
    /// The driver's own settings, references unresolved.
    #[serde(flatten)]
    pub settings: BTreeMap<String, Value>,
}

/// The drivers that this binary has.
const DRIVERS: &[&str] = &[
    http::DRIVER,
    "objects",
    registries::DRIVER,
    #[cfg(feature = "search")]
    search::DRIVER,
    #[cfg(feature = "sns")]
    super::sns::DRIVER,
    #[cfg(feature = "sql")]
    "sql",
    #[cfg(feature = "sqs")]
    super::sqs::DRIVER,
];

/// What is wrong with a driver's settings.
fn shape<T: DeserializeOwned>(settings: Value) -> Option<String> {
    serde_json::from_value::<T>(settings).err().map(|error| error.to_string())
}

fn nobody() -> Allow {
    Allow { connectors: Vec::new(), verbs: Vec::new() }
}

impl ConnectionConfig {
    /// All that is wrong with it. References stay unresolved: whether they can be
    /// is seen on the worker that uses them.
    pub(super) fn wrong(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for pattern in &self.allow.connectors {
            if let Err(error) = Glob::new(pattern) {
                reasons.push(format!("`allow.connectors`: {error}"));
            }
        }
        for (name, value) in &self.settings {
            references::wrong(name, value, &mut reasons);
        }
        // Unresolved references are strings too, so the shape can be checked.
        let settings = Value::Object(self.settings.clone().into_iter().collect());
        match self.driver.as_str() {
            "objects" => reasons.extend(shape::<ObjectsConfig>(settings)),
            #[cfg(feature = "sns")]
            super::sns::DRIVER => {
                reasons.extend(shape::<longshore_driver_sns::SnsConfig>(settings))
            }
            #[cfg(feature = "sql")]
            "sql" => reasons.extend(shape::<longshore_driver_sql::SqlConfig>(settings)),
            #[cfg(feature = "sqs")]
            super::sqs::DRIVER => {
                reasons.extend(shape::<longshore_driver_sqs::SqsConfig>(settings))
            }
            http::DRIVER => reasons.extend(http::wrong(&self.settings)),
            #[cfg(feature = "search")]
            search::DRIVER => reasons.extend(search::wrong(&self.settings)),
            registries::DRIVER => reasons.extend(registries::wrong(&self.settings)),
            other => {
                let known = DRIVERS.join(", ");
                reasons.push(format!("there is no driver `{other}`; there are {known}"));
            }
        }
        reasons
    }

    /// What of it a connection from a request may not have, as far as it is seen before
    /// references are resolved.
    pub(super) fn refused(&self, reach: &Reach) -> Vec<String> {
        let mut reasons = Vec::new();
        for (name, value) in &self.settings {
            references::refused(name, value, &reach.allowed, &mut reasons);
        }
        if let Some(Value::String(root)) = self.settings.get("root")
            && references::plain(root) == *root
        {
            reasons.extend(reach.refuses_root(Path::new(root), false));
        }
        if let Some(Value::String(ca)) = self.settings.get("ca")
            && references::plain(ca) == *ca
        {
            reasons.extend(reach.refuses_file(Path::new(ca), false));
        }
        reasons
    }

    /// Names of the settings that hold a secret itself, where a reference to it
    /// should stand.
    pub(super) fn clear_secrets(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, value) in &self.settings {
            clear(name, name, value, &mut |name, _| names.push(name.to_owned()));
        }
        names
    }

    /// As it may be shown: with no secret that stands in it by itself.
    pub(super) fn masked(&self) -> Self {
        let mut shown = self.clone();
        for (name, value) in &mut shown.settings {
            mask(name, value);
        }
        shown
    }
}

/// Calls `found` with the path of each secret in clear at or below a value.
fn clear(key: &str, path: &str, value: &Value, found: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                clear(name, &format!("{path}.{name}"), value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| clear(key, path, item, found)),
        value if is_clear(key, value) => found(path, value),
        _ => {}
    }
}

fn mask(key: &str, value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| mask(name, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(key, item)),
        value if is_clear(key, value) => *value = MASK.into(),
        _ => {}
    }
}

fn is_clear(key: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => {
            !text.is_empty()
                && ((crate::yaml::is_secret(key) && !references::is_whole(text))
                    || has_password(text))
        }
        Value::Number(_) => crate::yaml::is_secret(key),
        _ => false,
    }
}

/// A URL with a password before its host, `https://user:password@host`.
fn has_password(text: &str) -> bool {
    let plain = references::plain(text);
    let Some((_, rest)) = plain.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'));
    user.is_some_and(|(_, password)| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(settings: serde_json::Value) -> ConnectionConfig {
        let mut json = serde_json::json!({ "driver": "objects" });
        json.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_secret_in_clear_is_found_by_its_name_or_in_a_url_and_masked() {
        let definition = definition(serde_json::json!({
            "password": "hunter2",
            "auth": { "client.secret": "hunter3", "token": "${env:TOKEN}" },
            "url": "https://me:hunter4@example.com/x?y",
            "half": "https://${env:USER}:hunter5@example.com/",
            "fine": "https://${env:USER}:${file:/run/password}@example.com/",
            "root": "/data:x@y",
        }));
        assert_eq!(definition.clear_secrets(), ["auth.client.secret", "half", "password", "url"]);
        let shown = serde_json::to_string(&definition.masked()).unwrap();
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(
            shown.contains("${env:TOKEN}") && shown.contains("${file:/run/password}"),
            "{shown}"
        );
    }

    #[test]
    fn a_secret_beside_a_reference_is_still_in_clear() {
        let definition = definition(serde_json::json!({ "password": "hunter2${env:X}" }));
        assert_eq!(definition.clear_secrets(), ["password"]);
    }
}
