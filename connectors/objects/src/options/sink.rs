//! The options of a sink.

use longshore_sdk::{Config, ConfigError};
use serde_json::{Value, json};

use super::{bounded, keep};
use crate::kind::Kind;
use crate::partitioner::Partitioner;

const FLUSH_SIZE: u64 = 1_000_000;
const ROTATE_SCHEDULE_INTERVAL_MS: i64 = 60_000;

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

/// The options of a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkOptions {
    /// The folder that gets the files, empty for the connection's root.
    pub path: String,
    /// The connection that it is in.
    pub connection: String,
    /// How a record is written.
    pub format: SinkFormat,
    /// In which folder below `path`.
    pub partitioner: Partitioner,
    /// The files of a partition are finished after so many records.
    pub flush_size: u64,
    /// They are finished before a record whose timestamp is so much above that of their
    /// first, in milliseconds; `None`: never for that reason.
    pub rotate_interval_ms: Option<i64>,
    /// They are finished so long after their first record came, in milliseconds;
    /// `None`: never for that reason.
    pub rotate_schedule_interval_ms: Option<i64>,
}

impl SinkOptions {
    /// JSON Schema of the options.
    pub fn schema<K: Kind>() -> Value {
        let mut schema = json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "default": K::SINK_PATH,
                    "description": "The folder of the connection that gets the files; empty for its root." },
                "connection": { "type": "string", "default": K::CONNECTION, "x-connection": "write",
                    "description": "The connection that the folder is in." },
                "format": { "type": "string", "enum": ["json-lines", "lines"], "default": "json-lines",
                    "description": "What a record becomes: a line of JSON with key and value, or the value's bytes." },
                "flush.size": { "type": "integer", "default": FLUSH_SIZE, "minimum": 1,
                    "description": "The files of a partition are finished after so many records." },
                "rotate.interval.ms": { "type": "integer", "default": -1, "minimum": -1,
                    "description": "They are finished before a record whose timestamp is so much above that of their first; -1: never." },
                "rotate.schedule.interval.ms": { "type": "integer",
                    "default": ROTATE_SCHEDULE_INTERVAL_MS, "minimum": -1,
                    "description": "They are finished so long after they were begun, also when no record comes; -1: never." },
            },
        });
        let properties = schema["properties"].as_object_mut().expect("it is written above");
        properties.extend(Partitioner::properties(K::PARTITIONER));
        schema
    }

    /// What the file of a record, and its bytes there, depend on beside `path`: two that
    /// are alike in this write a record to the same file.
    pub fn layout(&self) -> String {
        format!("{}, {}", self.format.name(), self.partitioner.layout())
    }

    /// Reads the options, telling all that is wrong at once.
    pub fn read<K: Kind>(config: &Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let format = match config.get("format").unwrap_or("json-lines") {
            "json-lines" => Ok(SinkFormat::JsonLines),
            "lines" => Ok(SinkFormat::Lines),
            other => Err(ConfigError::at(
                "format",
                format!("`{other}` is no format; there are json-lines and lines"),
            )),
        };
        let path = folder(config.get("path").unwrap_or(K::SINK_PATH));
        let partitioner = Partitioner::read(config, K::PARTITIONER, &mut errors);
        let options = Self {
            path: keep(path, &mut errors).unwrap_or_default(),
            connection: config.get("connection").unwrap_or(K::CONNECTION).to_owned(),
            format: keep(format, &mut errors).unwrap_or(SinkFormat::JsonLines),
            partitioner: partitioner.unwrap_or(Partitioner::Flat),
            flush_size: keep(bounded(config, "flush.size", FLUSH_SIZE, 1, u64::MAX), &mut errors)
                .unwrap_or(1),
            rotate_interval_ms: interval(config, "rotate.interval.ms", -1, &mut errors),
            rotate_schedule_interval_ms: interval(
                config,
                "rotate.schedule.interval.ms",
                ROTATE_SCHEDULE_INTERVAL_MS,
                &mut errors,
            ),
        };
        if errors.is_empty() { Ok(options) } else { Err(errors) }
    }
}

fn interval(
    config: &Config,
    name: &str,
    default: i64,
    errors: &mut Vec<ConfigError>,
) -> Option<i64> {
    let interval = match config.parsed(name, default) {
        Ok(interval) if interval == 0 || interval < -1 => {
            Err(ConfigError::at(name, "must be above 0, or -1 for never"))
        }
        other => other,
    };
    keep(interval, errors).filter(|interval| *interval > 0)
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
    use super::super::{config, wrong};
    use super::*;
    use crate::kind::Plain;

    fn read(options: &[(&str, &str)]) -> Result<SinkOptions, Vec<ConfigError>> {
        SinkOptions::read::<Plain>(&config(options))
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let sink = read(&[("path", "./out/")]).unwrap();
        assert_eq!((sink.path.as_str(), sink.format), ("out", SinkFormat::JsonLines));
        assert_eq!(sink.partitioner, Partitioner::Flat);
        assert_eq!(sink.rotate_interval_ms, None);
        assert_eq!(sink.rotate_schedule_interval_ms, Some(60_000));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let mut told = wrong(read(&[
            ("path", "../out"),
            ("format", "xml"),
            ("partitioner.class", "Hash"),
            ("flush.size", "0"),
            ("rotate.interval.ms", "-2"),
            ("rotate.schedule.interval.ms", "0"),
        ]));
        told.sort();
        let expected = [
            "flush.size",
            "format",
            "partitioner.class",
            "path",
            "rotate.interval.ms",
            "rotate.schedule.interval.ms",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn no_path_may_lead_out_of_the_connection() {
        for path in ["/out", "a//b", "..", "a/./b"] {
            assert_eq!(wrong(read(&[("path", path)])), ["path"]);
        }
    }
}
