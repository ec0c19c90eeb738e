//! The options, read once, and their schema.

use std::fmt::Display;
use std::str::FromStr;

use longshore_sdk::http::Header;
use longshore_sdk::{Config, ConfigError};
use serde_json::{Value, json};

use crate::template::Template;

/// The largest `batch.max.size`.
const BATCH_SIZE_MAX: usize = 100_000;
/// The most that requests of one partition may be beside each other: what the host has.
const IN_FLIGHT_MAX: u32 = 16;

/// What becomes of a record without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnNull {
    /// It is passed over.
    Ignore,
    /// A `DELETE` of its path.
    Delete,
    /// It is refused.
    Fail,
}

/// What becomes of records that the server refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// They are refused: `errors.tolerance` says what follows.
    Fail,
    /// They are logged and passed over.
    Log,
    /// They are passed over.
    Ignore,
}

/// The options of the sink.
#[derive(Debug, Clone)]
pub struct SinkOptions {
    /// The connection to the server.
    pub connection: String,
    /// Where records are sent, beneath it.
    pub path: Template,
    /// How: `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// Headers of every request.
    pub headers: Vec<Header>,
    /// Records of one request at the most.
    pub batch_size: usize,
    /// What a request's body begins with.
    pub prefix: String,
    /// What it ends with.
    pub suffix: String,
    /// What stands between records.
    pub separator: String,
    /// How long a request waits to become full, in milliseconds.
    pub linger_ms: i64,
    /// Requests of a partition that are sent beside each other.
    pub in_flight: u32,
    /// What becomes of a record without a value.
    pub on_null: OnNull,
    /// What becomes of records that the server refuses.
    pub on_error: OnError,
}

impl SinkOptions {
    /// JSON Schema of the options.
    pub fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "connection": { "type": "string", "default": "http", "x-connection": "write",
                    "description": "The connection to the server." },
                "path": { "type": "string", "default": "",
                    "description": "Where records are sent, beneath the connection's URL; ${topic}, ${partition}, ${offset}, ${key}, ${key.FIELD} and ${value.FIELD} stand for parts of the record." },
                "request.method": { "type": "string", "enum": ["POST", "PUT", "PATCH"], "default": "POST",
                    "description": "How they are sent." },
                "headers": { "type": "string", "default": "",
                    "description": "Headers of every request: Name:value, separated by header.separator." },
                "header.separator": { "type": "string", "default": "|",
                    "description": "What separates headers." },
                "batch.max.size": { "type": "integer", "default": 1, "minimum": 1, "maximum": BATCH_SIZE_MAX,
                    "description": "Records of one request at the most." },
                "batch.prefix": { "type": "string", "default": "",
                    "description": "What a request's body begins with." },
                "batch.suffix": { "type": "string", "default": "",
                    "description": "What a request's body ends with." },
                "batch.separator": { "type": "string", "default": ",",
                    "description": "What stands between the records of a request." },
                "linger.ms": { "type": "integer", "default": 0, "minimum": 0,
                    "description": "How long a request waits for more records; 0: it goes out with those that were read together." },
                "max.in.flight.requests": { "type": "integer", "default": 8, "minimum": 1, "maximum": IN_FLIGHT_MAX,
                    "description": "Requests of a partition that are sent beside each other, those of one key never; with batch.max.size above 1 always one." },
                "behavior.on.null.values": { "type": "string", "enum": ["ignore", "delete", "fail"], "default": "ignore",
                    "description": "What becomes of a record without a value: it is passed over, a DELETE of its path, or refused." },
                "behavior.on.error": { "type": "string", "enum": ["fail", "log", "ignore"], "default": "fail",
                    "description": "What becomes of records that the server refuses: errors.tolerance says it, they are logged and passed over, or passed over." },
            },
        })
    }

    /// Reads the options, telling all that is wrong at once.
    pub fn read(config: &Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let text = |name: &str, default: &str| config.get(name).unwrap_or(default).to_owned();
        let path = Template::read(&text("path", ""));
        let path = keep(path.map_err(|reason| ConfigError::at("path", reason)), &mut errors);
        let method = one_of(
            config,
            "request.method",
            &["POST", "PUT", "PATCH"].map(|m| (m, m)),
            &mut errors,
        );
        let on_null = one_of(
            config,
            "behavior.on.null.values",
            &[("ignore", OnNull::Ignore), ("delete", OnNull::Delete), ("fail", OnNull::Fail)],
            &mut errors,
        );
        let on_error = one_of(
            config,
            "behavior.on.error",
            &[("fail", OnError::Fail), ("log", OnError::Log), ("ignore", OnError::Ignore)],
            &mut errors,
        );
        let headers = headers(&text("headers", ""), &text("header.separator", "|"));
        let headers = keep(headers, &mut errors).unwrap_or_default();
        let batch_size = bounded(config, "batch.max.size", 1, 1, BATCH_SIZE_MAX, &mut errors);
        let in_flight = bounded(config, "max.in.flight.requests", 8, 1, IN_FLIGHT_MAX, &mut errors);
        let linger_ms = bounded(config, "linger.ms", 0, 0, i64::MAX, &mut errors);
        if let (Some(path), Some(OnNull::Delete)) = (&path, on_null) {
            // A `DELETE` of all that the connector ever wrote is no tombstone's meaning.
            let reason = match (path.has_key(), path.has_value()) {
                (false, _) => Some("needs `${key}` in `path`, to say what is deleted"),
                (_, true) => Some("cannot be with `${value.FIELD}` in `path`: there is no value"),
                _ => None,
            };
            let name = "behavior.on.null.values";
            errors.extend(reason.map(|reason| ConfigError::at(name, format!("`delete` {reason}"))));
        }
        match (path, method, on_null, on_error, batch_size, in_flight, linger_ms) {
            (
                Some(path),
                Some(method),
                Some(on_null),
                Some(on_error),
                Some(batch_size),
                Some(in_flight),
                Some(linger_ms),
            ) if errors.is_empty() => Ok(Self {
                connection: text("connection", "http"),
                path,
                method: method.to_owned(),
                headers,
                batch_size,
                prefix: text("batch.prefix", ""),
                suffix: text("batch.suffix", ""),
                separator: text("batch.separator", ","),
                linger_ms,
                in_flight,
                on_null,
                on_error,
            }),
            _ => Err(errors),
        }
    }
}

fn keep<T>(result: Result<T, ConfigError>, errors: &mut Vec<ConfigError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

/// The first is the default.
fn one_of<T: Copy>(
    config: &Config,
    name: &str,
    known: &[(&str, T)],
    errors: &mut Vec<ConfigError>,
) -> Option<T> {
    let Some(text) = config.get(name) else { return Some(known[0].1) };
    let found = known.iter().find(|(known, _)| *known == text).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        let message = format!("`{text}` is none of {}", names.join(", "));
        errors.push(ConfigError::at(name, message));
    }
    found
}

fn bounded<T>(
    config: &Config,
    name: &str,
    default: T,
    min: T,
    max: T,
    errors: &mut Vec<ConfigError>,
) -> Option<T>
where
    T: FromStr<Err: Display> + PartialOrd + Display,
{
    let value = keep(config.parsed(name, default), errors)?;
    if value < min || value > max {
        let message = format!("`{value}` is not between {min} and {max}");
        errors.push(ConfigError::at(name, message));
        return None;
    }
    Some(value)
}

/// What the name of a header is made of (RFC 9110, section 5.6.2).
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Reads `Name:value|Name:value`; the content's type is JSON unless it says another.
fn headers(text: &str, separator: &str) -> Result<Vec<Header>, ConfigError> {
    if separator.is_empty() {
        return Err(ConfigError::at("header.separator", "is empty"));
    }
    let mut headers = Vec::new();
    for pair in text.split(separator).map(str::trim).filter(|pair| !pair.is_empty()) {
        let named = pair.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        let Some((name, value)) = named.filter(|(name, _)| !name.is_empty()) else {
            return Err(ConfigError::at(
                "headers",
                format!("`{pair}` is not of the form Name:value"),
            ));
        };
        let is_plain = |text: &str| text.chars().all(|it| it == '\t' || !it.is_control());
        if !name.bytes().all(is_of_a_name) || !is_plain(value) {
            let message = format!("no header may be `{}`", pair.escape_debug());
            return Err(ConfigError::at("headers", message));
        }
        if name.eq_ignore_ascii_case("authorization") {
            let message = "`Authorization` would be shown: the connection has `auth.type` for it";
            return Err(ConfigError::at("headers", message));
        }
        headers.push(Header { name: name.to_owned(), value: value.to_owned() });
    }
    if !headers.iter().any(|header| header.name.eq_ignore_ascii_case("content-type")) {
        let (name, value) = ("Content-Type".to_owned(), "application/json".to_owned());
        headers.push(Header { name, value });
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<SinkOptions, Vec<ConfigError>> {
        SinkOptions::read(&options.iter().copied().collect())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let options = read(&[]).unwrap();
        assert_eq!((options.method.as_str(), options.batch_size), ("POST", 1));
        assert_eq!((options.on_null, options.on_error), (OnNull::Ignore, OnError::Fail));
        assert_eq!(options.headers[0].value, "application/json");
    }

    #[test]
    fn headers_are_names_and_values() {
        let options =
            read(&[("headers", "X-A: b:c; content-type:text/csv"), ("header.separator", ";")]);
        let headers = options.unwrap().headers;
        let pairs: Vec<_> = headers.iter().map(|h| (h.name.as_str(), h.value.as_str())).collect();
        assert_eq!(pairs, [("X-A", "b:c"), ("content-type", "text/csv")]);
        for wrong in ["A b:c", "Ä:x", "A:b\u{1}c", "A:b\u{7f}"] {
            assert_eq!(read(&[("headers", wrong)]).unwrap_err()[0].path, "headers", "{wrong}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let errors = read(&[
            ("path", "${nothing}"),
            ("request.method", "GET"),
            ("headers", "x"),
            ("batch.max.size", "0"),
            ("linger.ms", "-1"),
            ("max.in.flight.requests", "17"),
            ("behavior.on.null.values", "skip"),
            ("behavior.on.error", "retry"),
        ]);
        let mut told: Vec<_> = errors.unwrap_err().into_iter().map(|error| error.path).collect();
        told.sort();
        let expected = [
            "batch.max.size",
            "behavior.on.error",
            "behavior.on.null.values",
            "headers",
            "linger.ms",
            "max.in.flight.requests",
            "path",
            "request.method",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_tombstone_deletes_only_what_its_key_names() {
        let delete = ("behavior.on.null.values", "delete");
        assert!(read(&[("path", "orders/${key}"), delete]).is_ok());
        for path in ["orders", "orders/${value.id}", "${key}/${value.id}"] {
            assert_eq!(read(&[("path", path), delete]).unwrap_err().len(), 1, "{path}");
        }
        assert!(read(&[("headers", "authorization: hunter2")]).is_err());
    }
}
