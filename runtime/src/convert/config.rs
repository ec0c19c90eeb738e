//! `key.converter`, `value.converter` and `header.converter` of a connector's
//! configuration.

use std::sync::Arc;

use super::connect_json::JsonOptions;
use super::csv::CsvOptions;
use super::registry_config::{self, OpenedRegistries, is_registered};
use super::{
    BooleanConverter, BytesConverter, Converter, Converters, CsvConverter, HeaderConverter,
    JsonConverter, NumberConverter, Part, Passage, Passages, Side, StringConverter, header,
};
use crate::worker::herder::ConnectorConfig;

/// The converters there are, by short name and by the class that Kafka Connect
/// has for the same encoding; it has none for CSV.
pub const NAMES: [(&str, &str); 10] = [
    ("string", "org.apache.kafka.connect.storage.StringConverter"),
    ("bytes", "org.apache.kafka.connect.converters.ByteArrayConverter"),
    ("short", "org.apache.kafka.connect.converters.ShortConverter"),
    ("integer", "org.apache.kafka.connect.converters.IntegerConverter"),
    ("long", "org.apache.kafka.connect.converters.LongConverter"),
    ("float", "org.apache.kafka.connect.converters.FloatConverter"),
    ("double", "org.apache.kafka.connect.converters.DoubleConverter"),
    ("boolean", "org.apache.kafka.connect.converters.BooleanConverter"),
    ("json", "org.apache.kafka.connect.json.JsonConverter"),
    ("csv", "csv"),
];

/// Kafka Connect's own converter of headers, which has no other use.
pub const SIMPLE_HEADERS: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// `header.converter`.
pub const HEADERS: &str = "header.converter";

/// What is wrong with a connector's converters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConverterError {
    /// No converter of that name.
    #[error("`{option}` names no converter: `{found}`; there are {there}{hint}")]
    Unknown {
        /// The option's name.
        option: String,
        /// Its value.
        found: String,
        /// The short names.
        there: String,
        /// `; did you mean ...?`, or nothing.
        hint: String,
    },
    /// An option of the JSON converter has a value that it cannot have.
    #[error("`{option}` must be {expected}, not `{found}`")]
    Value {
        /// The option's name.
        option: String,
        /// What it may be.
        expected: &'static str,
        /// Its value.
        found: String,
    },
    /// An option of a converter with a registry is wrong otherwise.
    #[error("`{option}` {reason}")]
    Wrong {
        /// The option's name.
        option: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ConverterError {
    /// The option at fault, for errors that point at a place.
    pub fn option(&self) -> &str {
        match self {
            Self::Unknown { option, .. }
            | Self::Value { option, .. }
            | Self::Wrong { option, .. } => option,
        }
    }
}

/// The converter of that short name or Kafka Connect class name, with the options that
/// it has unless others are given.
pub fn named(name: &str) -> Option<Arc<dyn Converter>> {
    let (short, _) = NAMES.iter().find(|(short, class)| [*short, *class].contains(&name))?;
    Some(match *short {
        "string" => Arc::new(StringConverter),
        "bytes" => Arc::new(BytesConverter),
        "short" => Arc::new(NumberConverter::Short),
        "integer" => Arc::new(NumberConverter::Integer),
        "long" => Arc::new(NumberConverter::Long),
        "float" => Arc::new(NumberConverter::Float),
        "double" => Arc::new(NumberConverter::Double),
        "boolean" => Arc::new(BooleanConverter),
        "csv" => Arc::new(CsvConverter::default()),
        _ => {
            let schemas = schemas_by_default(name);
            Arc::new(JsonConverter::new(JsonOptions { schemas, ..JsonOptions::default() }))
        }
    })
}

/// Connect's own converter wraps values in a schema unless told not to: a config moved
/// from there must not silently change its meaning. The short name is ours, and means
/// what it says.
fn schemas_by_default(name: &str) -> bool {
    name != "json"
}

/// The short names, for a message.
pub fn short_names() -> String {
    let names: Vec<_> = NAMES.iter().map(|(short, _)| *short).collect();
    let (last, others) = names.split_last().expect("there are some");
    format!("{} and {last}", others.join(", "))
}

/// `key.converter` or `value.converter`.
pub(super) fn option_of(part: Part) -> &'static str {
    match part {
        Part::Key => "key.converter",
        Part::Value => "value.converter",
    }
}

/// The converter that the configuration names; `string` unless said otherwise.
fn name_of(config: &ConnectorConfig, part: Part) -> &str {
    config.get(option_of(part)).map_or("string", |name| name.trim())
}

/// Which way a connector's records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From a source to its topics.
    ToTopics,
    /// From topics to a sink or processor.
    FromTopics,
}

impl Converters {
    /// Reads `key.converter` and `value.converter`, as a sink or processor is given what
    /// they read; each is `string` unless said otherwise. What a registry's converter
    /// reads, the plugin is given as plain JSON.
    ///
    /// All that is wrong is told at once.
    pub fn from_config(config: &ConnectorConfig) -> Result<Self, Vec<ConverterError>> {
        let mut errors = Vec::new();
        let mut read = |part: Part| match name_of(config, part) {
            name if is_registered(name) => plugin_side(Way::FromTopics),
            name => one(config, option_of(part), name, &mut errors)
                .unwrap_or_else(|| Arc::new(StringConverter)),
        };
        let converters = Self { key: read(Part::Key), value: read(Part::Value) };
        if errors.is_empty() { Ok(converters) } else { Err(errors) }
    }
}

/// What stands for a registry's converter towards the plugin. A decimal is a number to
/// a sink: without a schema nobody could tell its scale.
fn plugin_side(way: Way) -> Arc<dyn Converter> {
    let own = JsonOptions::default();
    Arc::new(JsonConverter::new(match way {
        Way::ToTopics => JsonOptions { schemas: true, ..own },
        Way::FromTopics => JsonOptions { numeric_decimals: true, null_is_default: false, ..own },
    }))
}

impl Passages {
    /// Reads `key.converter` and `value.converter`. `opened` are the registries that
    /// [connections](registry_config::connection) name; what has none of its own to ask yet
    /// is only checked.
    ///
    /// All that is wrong is told at once.
    pub fn from_config(
        config: &ConnectorConfig,
        way: Way,
        opened: &OpenedRegistries,
    ) -> Result<Self, Vec<ConverterError>> {
        let mut errors = Vec::new();
        let mut read = |part: Part| {
            let (option, name) = (option_of(part), name_of(config, part));
            if !is_registered(name) {
                let plain = one(config, option, name, &mut errors);
                return Passage::within(plain.unwrap_or_else(|| Arc::new(StringConverter)));
            }
            let plugin = Side::Plain(plugin_side(way));
            let reader = Reader { config, converter: option, errors: &mut errors };
            let Some(registered) = registry_config::read(reader, name, part, way, opened) else {
                return Passage { from: plugin.clone(), to: plugin, converts: true };
            };
            let topic = Side::Registry(registered);
            match way {
                Way::ToTopics => Passage { from: plugin, to: topic, converts: true },
                Way::FromTopics => Passage { from: topic, to: plugin, converts: true },
            }
        };
        let passages = Self { key: read(Part::Key), value: read(Part::Value) };
        if errors.is_empty() { Ok(passages) } else { Err(errors) }
    }
}

impl HeaderConverter {
    /// Reads `header.converter`, `simple` unless said otherwise.
    pub fn from_config(config: &ConnectorConfig) -> Result<Self, Vec<ConverterError>> {
        let name = config.get(HEADERS).map_or(header::SIMPLE, |name| name.trim());
        if [header::SIMPLE, SIMPLE_HEADERS].contains(&name) {
            return Ok(Self::Simple);
        }
        let mut errors = Vec::new();
        match one(config, HEADERS, name, &mut errors) {
            Some(converter) if errors.is_empty() => Ok(Self::Of(converter)),
            _ => Err(errors),
        }
    }
}

fn one(
    config: &ConnectorConfig,
    option: &'static str,
    name: &str,
    errors: &mut Vec<ConverterError>,
) -> Option<Arc<dyn Converter>> {
    let Some(converter) = named(name) else {
        errors.push(ConverterError::Unknown {
            option: option.to_owned(),
            found: name.to_owned(),
            there: match option {
                HEADERS => short_names(),
                _ => format!(
                    "{}, and with a schema registry {}",
                    short_names(),
                    registry_config::short_names()
                ),
            },
            hint: hint(name),
        });
        return None;
    };
    let mut reader = Reader { config, converter: option, errors };
    match converter.name() {
        "json" => Some(Arc::new(JsonConverter::new(reader.json(name)))),
        "csv" => reader.csv().map(|csv| -> Arc<dyn Converter> { Arc::new(csv) }),
        _ => Some(converter),
    }
}

/// Reads the options of one converter.
pub(super) struct Reader<'a, 'e> {
    pub(super) config: &'a ConnectorConfig,
    pub(super) converter: &'static str,
    pub(super) errors: &'e mut Vec<ConverterError>,
}

impl<'a> Reader<'a, '_> {
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        default: T,
        expected: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> T {
        let option = format!("{}.{name}", self.converter);
        let Some(text) = self.config.get(&option) else { return default };
        parse(text.trim()).unwrap_or_else(|| {
            self.errors.push(ConverterError::Value { option, expected, found: text.clone() });
            default
        })
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        self.read(name, default, "true or false", |text| match text {
            _ if text.eq_ignore_ascii_case("true") => Some(true),
            _ if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        })
    }

    pub(super) fn count(&mut self, name: &str, default: usize) -> usize {
        self.read(name, default, "a whole number", |text| text.parse().ok())
    }

    pub(super) fn wrong(&mut self, name: &str, reason: impl Into<String>) {
        let option = format!("{}.{name}", self.converter);
        self.errors.push(ConverterError::Wrong { option, reason: reason.into() });
    }

    fn json(&mut self, name: &str) -> JsonOptions {
        let own = JsonOptions::default();
        JsonOptions {
            schemas: self.flag("schemas.enable", schemas_by_default(name)),
            schemas_kept_max: self.count("schemas.cache.size", own.schemas_kept_max),
            numeric_decimals: self.decimals(),
            null_is_default: self.flag("replace.null.with.default", own.null_is_default),
        }
    }

    fn csv(&mut self) -> Option<CsvConverter> {
        let own = CsvOptions::default();
        let given = |name: &str| self.config.get(&format!("{}.{name}", self.converter));
        let columns = given("columns").map(|names| names.trim()).filter(|names| !names.is_empty());
        let columns = columns.map_or_else(Vec::new, |names| {
            names.split(',').map(|name| name.trim().to_owned()).collect()
        });
        // Not trimmed: it may be a tab.
        let delimiter = given("delimiter").map_or(",", String::as_str);
        let null = given("null").cloned().unwrap_or(own.null);
        let delimiter = match delimiter {
            "\\t" => b'\t',
            one if one.len() == 1 => one.as_bytes()[0],
            _ => {
                self.wrong("delimiter", "must be one character of ASCII, or `\\t` for a tab");
                return None;
            }
        };
        match CsvConverter::new(CsvOptions { columns, delimiter, null }) {
            Ok(csv) => Some(csv),
            Err((name, reason)) => {
                self.wrong(name, reason);
                None
            }
        }
    }

    pub(super) fn decimals(&mut self) -> bool {
        self.read("decimal.format", false, "BASE64 or NUMERIC", |text| match text {
            _ if text.eq_ignore_ascii_case("base64") => Some(false),
            _ if text.eq_ignore_ascii_case("numeric") => Some(true),
            _ => None,
        })
    }
}

fn hint(found: &str) -> String {
    NAMES
        .iter()
        .chain(&registry_config::NAMES)
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
        let headers = |options| HeaderConverter::from_config(&config(options)).unwrap().name();
        assert_eq!((headers(&[]), headers(&[(HEADERS, SIMPLE_HEADERS)])), ("simple", "simple"));
        assert_eq!(headers(&[(HEADERS, "json")]), "json");
        assert!(HeaderConverter::from_config(&config(&[(HEADERS, "simpel")])).is_err());
    }

    #[test]
    fn every_name_and_class_of_kafka_connect_is_known() {
        for (short, class) in NAMES {
            assert_eq!(names(&[("key.converter", short)])[0], short);
            assert_eq!(names(&[("key.converter", class)])[0], short);
        }
    }

    #[test]
    fn json_has_schemas_by_kafka_connects_name_and_none_by_the_short_one() {
        let class = "org.apache.kafka.connect.json.JsonConverter";
        let envelope = br#"{"schema":{"type":"int8"},"payload":7}"#;
        let wrapped = |options: &[(&str, &str)]| {
            let converters = Converters::from_config(&config(options)).unwrap();
            converters.value.read(Some(envelope)).unwrap().schema.is_some()
        };
        let switch = "value.converter.schemas.enable";
        assert!(wrapped(&[("value.converter", class)]));
        assert!(wrapped(&[("value.converter", "json"), (switch, "TRUE")]));
        assert!(!wrapped(&[("value.converter", class), (switch, "false")]));
        assert!(!wrapped(&[("value.converter", "json")]));
    }

    #[test]
    fn csv_has_its_columns_and_says_which_option_is_wrong() {
        let csv = |options: &[(&str, &str)]| {
            let mut config = config(options);
            config.insert("value.converter".to_owned(), "csv".to_owned());
            Converters::from_config(&config).map(|converters| converters.value)
        };
        let of = csv(&[
            ("value.converter.columns", "a, b"),
            ("value.converter.delimiter", "\\t"),
            ("value.converter.null", "NULL"),
        ]);
        let mut out = Vec::new();
        of.unwrap().write_json(Some(b"1\tNULL"), &mut out).unwrap();
        assert_eq!(out, br#"{"a":"1","b":null}"#);
        for (option, wrong) in [
            ("columns", "a,a"),
            ("columns", "a,,b"),
            ("delimiter", ""),
            ("delimiter", ", "),
            ("delimiter", "\""),
            ("delimiter", "é"),
            ("null", "a,b"),
            ("null", "\""),
        ] {
            let option = format!("value.converter.{option}");
            let errors = csv(&[(&option, wrong)]).unwrap_err();
            assert_eq!(errors.iter().map(ConverterError::option).collect::<Vec<_>>(), [option]);
        }
    }

    #[test]
    fn every_wrong_option_of_the_json_converter_is_told_at_once() {
        let wrong = config(&[
            ("value.converter", "json"),
            ("value.converter.schemas.enable", "yes"),
            ("value.converter.schemas.cache.size", "-1"),
            ("value.converter.decimal.format", "text"),
            ("value.converter.replace.null.with.default", ""),
        ]);
        let errors = Converters::from_config(&wrong).unwrap_err();
        assert_eq!(errors.len(), 4);
        assert_eq!(errors[0].option(), "value.converter.schemas.enable");
        assert!(errors[2].to_string().contains("BASE64 or NUMERIC"), "{}", errors[2]);
    }

    #[test]
    fn all_misspelt_names_are_told_at_once_with_a_suggestion() {
        let wrong = config(&[("key.converter", "strnig"), ("value.converter", "xml")]);
        let errors = Converters::from_config(&wrong).unwrap_err();
        assert_eq!(errors.len(), 2);
        assert!(errors[0].to_string().ends_with("did you mean `string`?"), "{}", errors[0]);
        assert!(errors[1].to_string().ends_with("registry avro, json-schema"), "{}", errors[1]);
    }
}
