//! `key.converter` and `value.converter` of a connector's configuration.

use std::sync::Arc;

use super::{BytesConverter, Converter, Converters, JsonConverter, LongConverter, StringConverter};
use crate::worker::herder::ConnectorConfig;

/// The converters there are, by short name and by the class that Kafka Connect
/// has for the same encoding.
const NAMES: [(&str, &str); 4] = [
    ("string", "org.apache.kafka.connect.storage.StringConverter"),
    ("bytes", "org.apache.kafka.connect.converters.ByteArrayConverter"),
    ("long", "org.apache.kafka.connect.converters.LongConverter"),
    ("json", "org.apache.kafka.connect.json.JsonConverter"),
];

/// What is wrong with a connector's converters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConverterError {
    /// No converter of that name.
    #[error(
        "`{option}` names no converter: `{found}`; there are string, bytes, long and json{hint}"
    )]
    Unknown {
        /// The option's name.
        option: String,
        /// Its value.
        found: String,
        /// `; did you mean ...?`, or nothing.
        hint: String,
    },
    /// `schemas.enable` asks for what is not there.
    #[error(
        "`{option}` is `{found}`, but the JSON converter reads and writes JSON without schemas: \
         set it to false (with Kafka Connect's class name the default is true)"
    )]
    Schemas {
        /// The option's name.
        option: String,
        /// Its value.
        found: String,
    },
}

impl ConverterError {
    /// The option at fault, for errors that point at a place.
    pub fn option(&self) -> &str {
        match self {
            Self::Unknown { option, .. } | Self::Schemas { option, .. } => option,
        }
    }
}

/// The converter of that short name or Kafka Connect class name.
pub fn named(name: &str) -> Option<Arc<dyn Converter>> {
    let (short, _) = NAMES.iter().find(|(short, class)| [*short, *class].contains(&name))?;
    Some(match *short {
        "string" => Arc::new(StringConverter),
        "bytes" => Arc::new(BytesConverter),
        "long" => Arc::new(LongConverter),
        _ => Arc::new(JsonConverter),
    })
}

impl Converters {
    /// Reads `key.converter` and `value.converter`; each is `string` unless said
    /// otherwise.
    ///
    /// All that is wrong is told at once.
    pub fn from_config(config: &ConnectorConfig) -> Result<Self, Vec<ConverterError>> {
        let mut errors = Vec::new();
        let mut read = |option: &str| match one(config, option) {
            Ok(converter) => converter,
            Err(error) => {
                errors.push(error);
                Arc::new(StringConverter)
            }
        };
        let converters = Self { key: read("key.converter"), value: read("value.converter") };
        if errors.is_empty() { Ok(converters) } else { Err(errors) }
    }
}

fn one(config: &ConnectorConfig, option: &str) -> Result<Arc<dyn Converter>, ConverterError> {
    let name = config.get(option).map_or("string", String::as_str);
    let Some(converter) = named(name) else {
        return Err(ConverterError::Unknown {
            option: option.to_owned(),
            found: name.to_owned(),
            hint: hint(name),
        });
    };
    if converter.name() == "json" {
        // Connect's own converter wraps values in a schema unless told not to:
        // a config moved from there must not silently change its meaning.
        let default = if name == "json" { "false" } else { "true" };
        let switch = format!("{option}.schemas.enable");
        let found = config.get(&switch).map_or(default, String::as_str);
        if found != "false" {
            return Err(ConverterError::Schemas { option: switch, found: found.to_owned() });
        }
    }
    Ok(converter)
}

fn hint(found: &str) -> String {
    NAMES
        .iter()
        .flat_map(|(short, class)| [*short, *class])
        .map(|name| (strsim::jaro_winkler(found, name), name))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(options: &[(&str, &str)]) -> ConnectorConfig {
        options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn names(options: &[(&str, &str)]) -> [&'static str; 2] {
        let converters = Converters::from_config(&config(options)).unwrap();
        [converters.key.name(), converters.value.name()]
    }

    #[test]
    fn strings_unless_said_otherwise() {
        assert_eq!(names(&[]), ["string", "string"]);
        assert_eq!(names(&[("value.converter", "long")]), ["string", "long"]);
    }

    #[test]
    fn every_name_and_class_of_kafka_connect_is_known() {
        for (short, class) in NAMES {
            let plain = ("key.converter.schemas.enable", "false");
            assert_eq!(names(&[("key.converter", short), plain])[0], short);
            assert_eq!(names(&[("key.converter", class), plain])[0], short);
        }
    }

    #[test]
    fn json_with_schemas_is_refused_and_not_misread() {
        let class = "org.apache.kafka.connect.json.JsonConverter";
        for options in [
            &[("value.converter", class)][..],
            &[("value.converter", "json"), ("value.converter.schemas.enable", "true")],
        ] {
            let errors = Converters::from_config(&config(options)).unwrap_err();
            assert!(matches!(&errors[..], [ConverterError::Schemas { .. }]), "{errors:?}");
            assert_eq!(errors[0].option(), "value.converter.schemas.enable");
        }
    }

    #[test]
    fn all_misspelt_names_are_told_at_once_with_a_suggestion() {
        let wrong = config(&[("key.converter", "strnig"), ("value.converter", "avro")]);
        let errors = Converters::from_config(&wrong).unwrap_err();
        assert_eq!(errors.len(), 2);
        assert!(errors[0].to_string().ends_with("did you mean `string`?"), "{}", errors[0]);
        assert!(errors[1].to_string().ends_with("long and json"), "{}", errors[1]);
    }
}
