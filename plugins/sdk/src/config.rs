//! A connector's options, and what is wrong with them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::Fault;

pub use crate::bindings::describe::longshore::base::types::ConfigError;

/// A connector's flat options, as Kafka Connect has them: names and strings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config(BTreeMap<String, String>);

impl Config {
    /// Reads the JSON object that the host passes.
    pub fn from_json(json: &str) -> Result<Self, Fault> {
        let object: BTreeMap<String, serde_json::Value> = serde_json::from_str(json)
            .map_err(|error| Fault::config("config-unreadable", error))?;
        let text = |value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(Self(object.into_iter().map(|(name, value)| (name, text(value))).collect()))
    }

    /// The option's value, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of an option that must be set.
    pub fn required(&self, name: &str) -> Result<&str, ConfigError> {
        self.get(name).ok_or_else(|| ConfigError::at(name, "is required"))
    }

    /// The option's value as a number, a boolean or whatever parses; `default`
    /// if it is not set.
    pub fn parsed<T>(&self, name: &str, default: T) -> Result<T, ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        match self.get(name) {
            None => Ok(default),
            Some(text) => text
                .trim()
                .parse()
                .map_err(|error| ConfigError::at(name, format!("`{text}`: {error}"))),
        }
    }

    /// All options in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Config {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(options: I) -> Self {
        Self(options.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl ConfigError {
    /// The option `path` is wrong.
    pub fn at(path: &str, message: impl Display) -> Self {
        Self { path: path.to_owned(), message: message.to_string() }
    }
}

/// An option that is wrong when a task opens stops it until the user changes it.
impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::config("config-invalid", format!("`{}` {}", error.path, error.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_by_name_and_type() {
        let config = Config::from_json(r#"{"path": "a", "max.rows": "12", "flag": true}"#).unwrap();
        assert_eq!(config.required("path").unwrap(), "a");
        assert_eq!(config.parsed("max.rows", 1_u32), Ok(12));
        assert_eq!(config.parsed("flag", false), Ok(true));
        assert_eq!(config.parsed("absent", 7_u32), Ok(7));
    }

    #[test]
    fn what_is_wrong_names_the_option() {
        let config: Config = [("max.rows", "many")].into_iter().collect();
        let error = config.parsed("max.rows", 1_u32).unwrap_err();
        assert_eq!(error.path, "max.rows");
        let fault = Fault::from(config.required("path").unwrap_err());
        assert_eq!(fault, Fault::config("config-invalid", "`path` is required"));
    }
}
