//! `--command-config`: how a command reaches a cluster that wants TLS or a password.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::CliError;
use crate::host::resolve_text;
use crate::kafka::{ClusterConfig, Security};
use crate::yaml::{Entry, Problem, Report, Value, read};

/// Reads a file of client properties and sets what it says. Properties of other
/// programs' clients that share the file are left out of account.
pub(super) fn apply(path: &Path, config: &mut ClusterConfig) -> Result<(), CliError> {
    let mut properties = load(path)?;
    config.security = Security::take(&mut properties)
        .map_err(|error| CliError::failed(format!("{}: {error}", path.display())))?;
    if let Some(client_id) = properties.remove("client.id") {
        config.client_id = client_id;
    }
    for name in ["default.api.timeout.ms", "request.timeout.ms"] {
        let Some(text) = properties.remove(name) else { continue };
        let ms = text.parse().map_err(|_| {
            let file = path.display();
            CliError::failed(format!("{file}: `{name}` is a number of milliseconds, not `{text}`"))
        })?;
        config.api_timeout = Duration::from_millis(ms);
        break;
    }
    let unused: Vec<String> = properties.into_keys().collect();
    if !unused.is_empty() {
        tracing::info!("{}: of no use here: {}", path.display(), unused.join(", "));
    }
    Ok(())
}

/// The properties of a file, its references to secrets resolved.
pub(super) fn load(path: &Path) -> Result<BTreeMap<String, String>, CliError> {
    let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    let properties = if is_yaml {
        yaml_properties(path)?
    } else {
        let text = std::fs::read_to_string(path).map_err(|error| {
            CliError::failed(format!("{} cannot be read: {error}", path.display()))
        })?;
        java_properties(&text)
    };
    let env = |name: &str| std::env::var(name).ok();
    let resolved = properties.into_iter().map(|(name, value)| {
        let value = resolve_text(&value, &env)
            .map_err(|why| CliError::failed(format!("{}: `{name}`: {why}", path.display())))?;
        Ok((name, value))
    });
    resolved.collect()
}

/// A mapping of names to scalars. Null is no value: the property is not set.
fn yaml_properties(path: &Path) -> Result<BTreeMap<String, String>, CliError> {
    let (document, mut problems) =
        read(path).map_err(|error| CliError::failed(error.to_string()))?;
    let mut properties = BTreeMap::new();
    if !matches!(document.root.value, Value::Mapping(_) | Value::Null) {
        let origin = document.root.origin.start();
        let message = "a file of client properties is a mapping of names to values";
        problems.push(Problem::new("", &origin, message, "no mapping"));
    }
    for Entry { key, node } in document.root.entries() {
        match (node.flat(), &node.value) {
            (Some(value), _) => {
                properties.insert(key.text.clone(), value);
            }
            (None, Value::Null) => {}
            (None, _) => {
                let message =
                    format!("`{}` is a property, whose value is one word or text", key.text);
                let help = "write the whole name before the colon, as in `ssl.ca.location: ca.pem`; \
                            several values are separated by commas";
                let problem =
                    Problem::new(&key.text, &key.origin, message, "has values of its own");
                problems.push(problem.help(help.to_owned()));
            }
        }
    }
    match Report::of(&document, problems) {
        Some(report) => Err(CliError::File(Box::new(report))),
        None => Ok(properties),
    }
}

/// `NAME=VALUE` lines as Java writes them: `#` and `!` begin comments, a
/// backslash at a line's end joins the next.
fn java_properties(text: &str) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim_start().to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while line.ends_with('\\') && !line.ends_with("\\\\") {
            line.pop();
            let Some(next) = lines.next() else { break };
            line.push_str(next.trim_start());
        }
        let end = line.find(|c: char| c == '=' || c == ':' || c.is_whitespace());
        let (name, value) = line.split_at(end.unwrap_or(line.len()));
        let value = value.trim_start();
        let value = value.strip_prefix(['=', ':']).unwrap_or(value).trim();
        properties.insert(name.to_owned(), unescaped(value));
    }
    properties
}

fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some(escaped)) => out.push(escaped),
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_java_writes_them() {
        let text = "# comment\n! another\n\nsecurity.protocol=SASL_SSL\nsasl.mechanism : PLAIN\n\
                    ssl.ca.location  /a b/ca.pem\nsasl.jaas.config=Module required \\\n    \
                    username=\"a\" \\\n    password=\"b=c\";\nback=a\\\\b\\tc\nempty=\nalone\n";
        let read = java_properties(text);
        let expected = [
            ("alone", ""),
            ("back", "a\\b\tc"),
            ("empty", ""),
            ("sasl.jaas.config", "Module required username=\"a\" password=\"b=c\";"),
            ("sasl.mechanism", "PLAIN"),
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", "/a b/ca.pem"),
        ];
        let read: Vec<_> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(read, expected);
    }
}
