//! The options, read once, and their schema.

use std::fmt::Display;
use std::str::FromStr;

use longshore_sdk::{Config, ConfigError};
use serde_json::{Value, json};

use crate::format::is_id;
use crate::kind::Kind;

/// What becomes of a record without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnNull {
    /// It is passed over.
    Ignore,
    /// It is refused.
    Fail,
}

/// Which headers become attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Headers {
    /// All.
    All,
    /// Those of these names.
    Named(Vec<String>),
}

/// The options of the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkOptions {
    /// The connection to the service.
    pub connection: String,
    /// Where messages go.
    pub place: String,
    /// Which headers become attributes.
    pub headers: Headers,
    /// The attribute that has the record's key.
    pub key_attribute: Option<String>,
    /// FIFO: the group of all messages; the key is, unless this is.
    pub group: Option<String>,
    /// What becomes of a record without a value.
    pub on_null: OnNull,
}

impl SinkOptions {
    /// JSON Schema of the options.
    pub fn schema<K: Kind>() -> Value {
        json!({
            "type": "object",
            "properties": {
                "connection": { "type": "string", "default": K::CONNECTION, "x-connection": "write",
                    "description": "The connection to the service." },
                K::PLACE: { "type": "string", "minLength": 1,
                    "description": format!("Where messages go: {}.", K::PLACE_IS) },
                "headers.to.attributes": { "type": "string", "default": "*",
                    "description": "Headers that become attributes of the message: their names, separated by commas, * for all; empty for none." },
                "key.attribute": { "type": "string", "default": "",
                    "description": "The attribute that has the record's key; empty: none has it." },
                "message.group.id": { "type": "string", "default": "",
                    "description": "FIFO: the group of all messages; empty: the record's key, and for those without one their topic and partition." },
                "behavior.on.null.values": { "type": "string", "enum": ["ignore", "fail"], "default": "ignore",
                    "description": "What becomes of a record without a value: it is passed over, or refused." },
            },
            "required": [K::PLACE],
        })
    }

    /// Reads the options, telling all that is wrong at once.
    pub fn read<K: Kind>(config: &Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let text =
            |name: &str, default: &str| config.get(name).unwrap_or(default).trim().to_owned();
        let set = |name: &str| Some(text(name, "")).filter(|text| !text.is_empty());
        let place = keep(required(config, K::PLACE), &mut errors);
        let headers = match text("headers.to.attributes", "*").as_str() {
            "*" => Headers::All,
            names => {
                let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
                Headers::Named(names.map(str::to_owned).collect())
            }
        };
        let group = set("message.group.id");
        if group.as_deref().is_some_and(|group| !is_id(group)) {
            let message = "must be up to 128 letters, digits or punctuation marks";
            errors.push(ConfigError::at("message.group.id", message));
        }
        let key_attribute = set("key.attribute");
        if let Some(Err(reason)) = key_attribute.as_deref().map(crate::attributes::name) {
            errors.push(ConfigError::at("key.attribute", reason));
        }
        let on_null = match text("behavior.on.null.values", "ignore").as_str() {
            "ignore" => OnNull::Ignore,
            "fail" => OnNull::Fail,
            other => {
                let message = format!("`{other}` is neither `ignore` nor `fail`");
                errors.push(ConfigError::at("behavior.on.null.values", message));
                OnNull::Fail
            }
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        let (connection, place) = (text("connection", K::CONNECTION), place.unwrap_or_default());
        let place = place.to_owned();
        Ok(Self { connection, place, headers, key_attribute, group, on_null })
    }
}

/// The result, if it is one; else its error is noted.
pub fn keep<T>(result: Result<T, ConfigError>, errors: &mut Vec<ConfigError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

/// An option that is there, and not empty.
pub fn required<'a>(config: &'a Config, name: &str) -> Result<&'a str, ConfigError> {
    match config.required(name)?.trim() {
        "" => Err(ConfigError::at(name, "is empty")),
        value => Ok(value),
    }
}

/// A number between bounds.
pub fn bounded<T>(config: &Config, name: &str, default: T, min: T, max: T) -> Result<T, ConfigError>
where
    T: FromStr<Err: Display> + PartialOrd + Display,
{
    let value = config.parsed(name, default)?;
    if value < min || value > max {
        let message = format!("`{value}` is not between {min} and {max}");
        return Err(ConfigError::at(name, message));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::tests::Played;

    fn read(options: &[(&str, &str)]) -> Result<SinkOptions, Vec<ConfigError>> {
        SinkOptions::read::<Played>(&options.iter().copied().collect())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let options = read(&[("place", " q ")]).unwrap();
        assert_eq!((options.place.as_str(), options.headers), ("q", Headers::All));
        assert_eq!((options.group, options.key_attribute), (None, None));
        assert_eq!(options.on_null, OnNull::Ignore);
        let named = read(&[("place", "q"), ("headers.to.attributes", "a, b")]).unwrap();
        assert_eq!(named.headers, Headers::Named(vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let errors = read(&[
            ("message.group.id", "a b"),
            ("key.attribute", "AWS.key"),
            ("behavior.on.null.values", "delete"),
        ]);
        let told: Vec<_> = errors.unwrap_err().into_iter().map(|error| error.path).collect();
        let expected = ["place", "message.group.id", "key.attribute", "behavior.on.null.values"];
        assert_eq!(told, expected);
    }
}
