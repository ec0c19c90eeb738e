//! The options of a source.

use longshore_sdk::{Config, ConfigError};
use serde_json::{Value, json};

use super::{bounded, keep, required};
use crate::kind::Kind;

/// What a row may hold unless the options say otherwise, in bytes: what fits a
/// record under Kafka's default `max.message.bytes`, with room for its framing.
const MAX_ROW_BYTES: u32 = (1 << 20) - 1024;
/// The host takes no longer row.
const MAX_ROW_BYTES_MAX: u32 = 128 << 20;
const BATCH_MAX_BYTES: u32 = 1 << 20;

/// The options of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceOptions {
    /// The topic that gets the rows.
    pub topic: String,
    /// Which objects, each a glob.
    pub globs: Vec<String>,
    /// The connection that they are in.
    pub connection: String,
    /// Go on after all is read.
    pub tail: bool,
    /// The longest row, in bytes.
    pub max_row_bytes: u32,
    /// About how much a poll gives out, in bytes.
    pub batch_max_bytes: u32,
}

impl SourceOptions {
    /// JSON Schema of the options.
    pub fn schema<K: Kind>() -> Value {
        json!({
            "type": "object",
            "properties": {
                "topic": { "type": "string", "minLength": 1,
                    "description": "The topic that gets the rows." },
                "path": { "type": "string", "minLength": 1,
                    "description": "Which files of the connection: a path or a glob, several separated by commas." },
                "connection": { "type": "string", "default": K::CONNECTION, "x-connection": "read",
                    "description": "The connection that the files are in." },
                "tail": { "type": "boolean", "default": false,
                    "description": "Go on after all is read: growing and new files are followed." },
                "max.row.bytes": { "type": "integer", "default": MAX_ROW_BYTES,
                    "minimum": 1, "maximum": MAX_ROW_BYTES_MAX,
                    "description": "The longest row; a longer one stops the task." },
                "batch.max.bytes": { "type": "integer", "default": BATCH_MAX_BYTES, "minimum": 1,
                    "description": "About how much a poll gives out." },
            },
            "required": ["topic", "path"],
        })
    }

    /// Reads the options, telling all that is wrong at once.
    pub fn read<K: Kind>(config: &Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let globs = keep(required(config, "path"), &mut errors)
            .map(|path| keep(globs(path), &mut errors).unwrap_or_default());
        let row = bounded(config, "max.row.bytes", MAX_ROW_BYTES, 1, MAX_ROW_BYTES_MAX);
        let batch = bounded(config, "batch.max.bytes", BATCH_MAX_BYTES, 1, u32::MAX);
        let options = Self {
            topic: keep(required(config, "topic"), &mut errors).unwrap_or_default().to_owned(),
            globs: globs.unwrap_or_default(),
            connection: config.get("connection").unwrap_or(K::CONNECTION).to_owned(),
            tail: keep(config.parsed("tail", false), &mut errors).unwrap_or_default(),
            max_row_bytes: keep(row, &mut errors).unwrap_or_default(),
            batch_max_bytes: keep(batch, &mut errors).unwrap_or_default(),
        };
        if errors.is_empty() { Ok(options) } else { Err(errors) }
    }
}

/// Splits at the commas that are not in braces, brackets or behind a backslash.
fn globs(path: &str) -> Result<Vec<String>, ConfigError> {
    let (mut depth, mut escaped) = (0_i32, false);
    let parts = path.split(|c| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match c {
            '\\' => escaped = true,
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth <= 0
    });
    let mut globs = Vec::new();
    for part in parts.map(str::trim) {
        let glob = part.strip_prefix("./").unwrap_or(part);
        if glob.is_empty() {
            return Err(ConfigError::at("path", "has an empty part between commas"));
        }
        if glob.starts_with('/') || glob.split('/').any(|name| name == "..") {
            let message = format!(
                "`{glob}` must be relative and stay inside the connection's root; \
                 root a connection where the files are"
            );
            return Err(ConfigError::at("path", message));
        }
        globs.push(glob.to_owned());
    }
    Ok(globs)
}

#[cfg(test)]
mod tests {
    use super::super::{config, literal, wrong};
    use super::*;
    use crate::kind::Plain;

    fn read(options: &[(&str, &str)]) -> Result<SourceOptions, Vec<ConfigError>> {
        SourceOptions::read::<Plain>(&config(options))
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        assert_eq!(
            read(&[("topic", "t"), ("path", "a, ./b*")]).unwrap(),
            SourceOptions {
                topic: "t".into(),
                globs: vec!["a".into(), "b*".into()],
                connection: "files".into(),
                tail: false,
                max_row_bytes: 1_047_552,
                batch_max_bytes: 1_048_576,
            }
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let bad = [("tail", "maybe"), ("max.row.bytes", "0"), ("batch.max.bytes", "x")];
        let expected = ["path", "topic", "tail", "max.row.bytes", "batch.max.bytes"];
        assert_eq!(wrong(read(&bad)), expected);
    }

    #[test]
    fn no_path_may_lead_out_of_the_connection() {
        for path in ["/etc/passwd", "../x", "a/../b", "a,/b", "a,", ""] {
            assert_eq!(wrong(read(&[("topic", "t"), ("path", path)])), ["path"]);
        }
    }

    #[test]
    fn commas_in_braces_belong_to_the_glob() {
        assert_eq!(globs("a{b,c}, d\\,e").unwrap(), ["a{b,c}", "d\\,e"]);
        assert_eq!(literal("d\\,e").as_deref(), Some("d,e"));
        assert_eq!(literal("a*"), None);
    }
}
