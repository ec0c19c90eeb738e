//! The options of both plugins, read once, and their schemas.

use longshore_sdk::{Config, ConfigError};
use serde_json::{Value, json};

/// What a row may hold unless the options say otherwise, in bytes: what fits a
/// record under Kafka's default `max.message.bytes`, with room for its framing.
pub const MAX_ROW_BYTES: u32 = (1 << 20) - 1024;
/// The host takes no longer row.
const MAX_ROW_BYTES_MAX: u32 = 128 << 20;
const BATCH_MAX_BYTES: u32 = 1 << 20;
const FLUSH_SIZE: u64 = 1_000_000;
const ROTATE_SCHEDULE_INTERVAL_MS: i64 = 60_000;

/// The options of `file-source`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceOptions {
    /// The topic that gets the rows.
    pub topic: String,
    /// Which files, each a glob.
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
    pub fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "topic": { "type": "string", "minLength": 1,
                    "description": "The topic that gets the rows." },
                "path": { "type": "string", "minLength": 1,
                    "description": "Which files of the connection: a path or a glob, several separated by commas." },
                "connection": { "type": "string", "default": "files", "x-connection": "read",
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
    pub fn read(config: &Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let globs = keep(required(config, "path"), &mut errors)
            .map(|path| keep(globs(path), &mut errors).unwrap_or_default());
        let row = bounded(config, "max.row.bytes", MAX_ROW_BYTES, 1, MAX_ROW_BYTES_MAX);
        let batch = bounded(config, "batch.max.bytes", BATCH_MAX_BYTES, 1, u32::MAX);
        let options = Self {
            topic: keep(required(config, "topic"), &mut errors).unwrap_or_default().to_owned(),
            globs: globs.unwrap_or_default(),
            connection: config.get("connection").unwrap_or("files").to_owned(),
            tail: keep(config.parsed("tail", false), &mut errors).unwrap_or_default(),
            max_row_bytes: keep(row, &mut errors).unwrap_or_default(),
            batch_max_bytes: keep(batch, &mut errors).unwrap_or_default(),
        };
        if errors.is_empty() { Ok(options) } else { Err(errors) }
    }
}

/// How the sink writes a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkFormat {
    /// `{"key":...,"value":...}` a record.
    JsonLines,
    /// The value's bytes a record.
    Lines,
}

impl SinkFormat {
    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "json-lines",
            Self::Lines => "lines",
        }
    }

    /// What the files' names end with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Lines => "txt",
        }
    }
}

/// The options of `file-sink`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkOptions {
    /// The folder that gets the files, empty for the connection's root.
    pub path: String,
    /// The connection that it is in.
    pub connection: String,
    /// How a record is written.
    pub format: SinkFormat,
    /// A file is finished after so many records.
    pub flush_size: u64,
    /// A file is finished so long after its first record, in milliseconds;
    /// `None`: never for that reason.
    pub rotate_schedule_interval_ms: Option<i64>,
}

impl SinkOptions {
    /// JSON Schema of the options.
    pub fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "default": "",
                    "description": "The folder of the connection that gets the files; empty for its root." },
                "connection": { "type": "string", "default": "files", "x-connection": "write",
                    "description": "The connection that the folder is in." },
                "format": { "type": "string", "enum": ["json-lines", "lines"], "default": "json-lines",
                    "description": "What a record becomes: a line of JSON with key and value, or the value's bytes." },
                "flush.size": { "type": "integer", "default": FLUSH_SIZE, "minimum": 1,
                    "description": "A file is finished after so many records." },
                "rotate.schedule.interval.ms": { "type": "integer",
                    "default": ROTATE_SCHEDULE_INTERVAL_MS, "minimum": -1,
                    "description": "A file is finished so long after it was begun, also when no record comes; -1: never." },
            },
        })
    }

    /// Reads the options, telling all that is wrong at once.
    pub fn read(config: &Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let format = match config.get("format").unwrap_or("json-lines") {
            "json-lines" => Ok(SinkFormat::JsonLines),
            "lines" => Ok(SinkFormat::Lines),
            other => Err(ConfigError::at(
                "format",
                format!("`{other}` is no format; there are json-lines and lines"),
            )),
        };
        let rotate = "rotate.schedule.interval.ms";
        let rotate = match config.parsed(rotate, ROTATE_SCHEDULE_INTERVAL_MS) {
            Ok(0) => Err(ConfigError::at(rotate, "must be above 0, or -1 for never")),
            Ok(interval) if interval < -1 => {
                Err(ConfigError::at(rotate, "must be above 0, or -1 for never"))
            }
            other => other,
        };
        let options = Self {
            path: keep(folder(config.get("path").unwrap_or("")), &mut errors).unwrap_or_default(),
            connection: config.get("connection").unwrap_or("files").to_owned(),
            format: keep(format, &mut errors).unwrap_or(SinkFormat::JsonLines),
            flush_size: keep(bounded(config, "flush.size", FLUSH_SIZE, 1, u64::MAX), &mut errors)
                .unwrap_or(1),
            rotate_schedule_interval_ms: keep(rotate, &mut errors).filter(|interval| *interval > 0),
        };
        if errors.is_empty() { Ok(options) } else { Err(errors) }
    }
}

/// The first of several things that are wrong, where only one can be told.
pub(crate) fn first(errors: Vec<ConfigError>) -> ConfigError {
    errors.into_iter().next().expect("options that are refused have an error")
}

fn keep<T>(result: Result<T, ConfigError>, errors: &mut Vec<ConfigError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

fn required<'a>(config: &'a Config, name: &str) -> Result<&'a str, ConfigError> {
    match config.required(name)?.trim() {
        "" => Err(ConfigError::at(name, "is empty")),
        value => Ok(value),
    }
}

fn bounded<T>(config: &Config, name: &str, default: T, min: T, max: T) -> Result<T, ConfigError>
where
    T: std::str::FromStr<Err: std::fmt::Display> + PartialOrd + std::fmt::Display,
{
    let value = config.parsed(name, default)?;
    if value < min || value > max {
        let message = format!("`{value}` is not between {min} and {max}");
        return Err(ConfigError::at(name, message));
    }
    Ok(value)
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

/// The one path that a glob without wildcards stands for.
pub(crate) fn literal(glob: &str) -> Option<String> {
    let mut path = String::new();
    let mut characters = glob.chars();
    while let Some(c) = characters.next() {
        match c {
            '*' | '?' | '[' | ']' | '{' | '}' => return None,
            '\\' => path.push(characters.next()?),
            c => path.push(c),
        }
    }
    Some(path)
}

fn folder(path: &str) -> Result<String, ConfigError> {
    let relative = path.trim().trim_end_matches('/');
    let relative = relative.strip_prefix("./").unwrap_or(relative);
    let relative = if relative == "." { "" } else { relative };
    let proper = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    if path.trim().starts_with('/') || !(relative.is_empty() || relative.split('/').all(proper)) {
        let message = format!("`{path}` must be a folder inside the connection's root");
        return Err(ConfigError::at("path", message));
    }
    Ok(relative.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(options: &[(&str, &str)]) -> Config {
        options.iter().copied().collect()
    }

    fn wrong<T>(result: Result<T, Vec<ConfigError>>) -> Vec<String> {
        result.err().unwrap_or_default().into_iter().map(|error| error.path).collect()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let source = SourceOptions::read(&config(&[("topic", "t"), ("path", "a, ./b*")])).unwrap();
        assert_eq!(
            source,
            SourceOptions {
                topic: "t".into(),
                globs: vec!["a".into(), "b*".into()],
                connection: "files".into(),
                tail: false,
                max_row_bytes: 1_047_552,
                batch_max_bytes: 1_048_576,
            }
        );
        let sink = SinkOptions::read(&config(&[("path", "./out/")])).unwrap();
        assert_eq!((sink.path.as_str(), sink.format), ("out", SinkFormat::JsonLines));
        assert_eq!(sink.rotate_schedule_interval_ms, Some(60_000));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let bad = config(&[("tail", "maybe"), ("max.row.bytes", "0"), ("batch.max.bytes", "x")]);
        assert_eq!(
            wrong(SourceOptions::read(&bad)),
            ["path", "topic", "tail", "max.row.bytes", "batch.max.bytes"].map(str::to_owned)
        );
        let bad = config(&[
            ("path", "../out"),
            ("format", "xml"),
            ("flush.size", "0"),
            ("rotate.schedule.interval.ms", "0"),
        ]);
        assert_eq!(
            wrong(SinkOptions::read(&bad)),
            ["path", "format", "flush.size", "rotate.schedule.interval.ms"].map(str::to_owned)
        );
    }

    #[test]
    fn no_path_may_lead_out_of_the_connection() {
        for path in ["/etc/passwd", "../x", "a/../b", "a,/b", "a,", ""] {
            assert_eq!(
                wrong(SourceOptions::read(&config(&[("topic", "t"), ("path", path)]))),
                ["path"]
            );
        }
        for path in ["/out", "a//b", "..", "a/./b"] {
            assert_eq!(wrong(SinkOptions::read(&config(&[("path", path)]))), ["path"]);
        }
    }

    #[test]
    fn commas_in_braces_belong_to_the_glob() {
        assert_eq!(globs("a{b,c}, d\\,e").unwrap(), ["a{b,c}", "d\\,e"]);
        assert_eq!(literal("d\\,e").as_deref(), Some("d,e"));
        assert_eq!(literal("a*"), None);
    }

    /// The options table of the README, `name` and `default` of each row.
    fn table(heading: &str) -> Vec<(String, String)> {
        let readme = include_str!("../README.md");
        let section = readme.split(heading).nth(1).expect("the section is there");
        let rows = section.lines().skip_while(|line| !line.starts_with("| `"));
        rows.take_while(|line| line.starts_with("| `"))
            .map(|line| {
                let cells: Vec<_> =
                    line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
                (cells[1].clone(), cells[2].clone())
            })
            .collect()
    }

    #[test]
    fn the_readme_tells_every_option_with_its_default() {
        for (heading, schema) in [
            ("### Options of file-source", SourceOptions::schema()),
            ("### Options of file-sink", SinkOptions::schema()),
        ] {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let mut expected: Vec<_> = schema["properties"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, option)| {
                    let default = match &option["default"] {
                        Value::Null => String::new(),
                        Value::String(text) if text.is_empty() => "empty".to_owned(),
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    let required = required.contains(&name.as_str().into());
                    (name.clone(), if required { "required".to_owned() } else { default })
                })
                .collect();
            let mut found = table(heading);
            expected.sort();
            found.sort();
            assert_eq!(found, expected, "{heading}");
        }
    }
}
