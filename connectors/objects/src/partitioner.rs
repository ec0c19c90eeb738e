//! In which folder a record is written: Kafka Connect's partitioners.
//!
//! | `partitioner.class` | folder below `path` |
//! | --- | --- |
//! | `FlatPartitioner` | none: all files are in `path` (Longshore's own) |
//! | `DefaultPartitioner` | `<topic>/partition=<number>` |
//! | `FieldPartitioner` | `<topic>/<field>=<value>` for each of `partition.field.name` |
//! | `TimeBasedPartitioner` | `<topic>/<path.format>` of the record's time |
//! | `DailyPartitioner`, `HourlyPartitioner` | the same with a format of their own |
//!
//! A folder depends on the record alone, never on a clock: a replay writes each record
//! where it was.

use longshore_sdk::{Config, ConfigError, Partition};
use serde_json::{Map, Value, json};

use crate::path_format::{PathFormat, zone_ms};

const DAILY: &str = "'year'=YYYY/'month'=MM/'day'=dd";
const HOURLY: &str = "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH";

/// What a calendar of four digits can tell, in milliseconds since the epoch.
const TIME_MS_MAX: i64 = 253_402_300_800_000;

/// The longest value in a folder's name, in bytes: a name has 255 with its field.
const VALUE_BYTES_MAX: usize = 120;

/// In which folder a record is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitioner {
    /// All in one.
    Flat,
    /// One for each topic-partition.
    Default,
    /// By values of the record.
    Field(Vec<String>),
    /// By the record's time.
    Time(Time),
}

/// How a record's time names its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    format: PathFormat,
    /// What the clock is ahead of UTC.
    zone_ms: i64,
    /// Times are cut down to multiples of it, above 0.
    duration_ms: i64,
    /// The field of the value that has it; none: the record's timestamp.
    field: Option<String>,
}

/// Why a record has no folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoFolder {
    /// A stable name in kebab-case.
    pub code: &'static str,
    /// What is wrong with the record.
    pub message: String,
}

impl Partitioner {
    /// The options in JSON Schema.
    pub(crate) fn properties(default: &str) -> Map<String, Value> {
        let properties = json!({
            "partitioner.class": { "type": "string", "default": default,
                "description": "In which folder a record is written: FlatPartitioner, DefaultPartitioner, FieldPartitioner, TimeBasedPartitioner, DailyPartitioner or HourlyPartitioner." },
            "partition.field.name": { "type": "string",
                "description": "The fields of the value that FieldPartitioner goes by, separated by commas." },
            "path.format": { "type": "string",
                "description": "The folder of a time, for TimeBasedPartitioner." },
            "partition.duration.ms": { "type": "integer", "default": -1, "minimum": -1,
                "description": "Times are cut down to multiples of it, for TimeBasedPartitioner; -1: they are taken as they are." },
            "timezone": { "type": "string", "default": "UTC",
                "description": "The clock that names folders: UTC or +HH:MM." },
            "timestamp.extractor": { "type": "string", "enum": ["Record", "RecordField"], "default": "Record",
                "description": "What a record's time is: its timestamp, or a field of its value." },
            "timestamp.field": { "type": "string", "default": "timestamp",
                "description": "The field with RecordField, in milliseconds since the epoch." },
        });
        match properties {
            Value::Object(properties) => properties,
            _ => unreachable!("it is written as an object above"),
        }
    }

    /// Reads the options, noting all that is wrong.
    pub(crate) fn read(
        config: &Config,
        default: &str,
        errors: &mut Vec<ConfigError>,
    ) -> Option<Self> {
        let class = config.get("partitioner.class").unwrap_or(default).trim();
        // Kafka Connect's names with their packages are taken too.
        match class.rsplit('.').next().unwrap_or_default() {
            "FlatPartitioner" => Some(Self::Flat),
            "DefaultPartitioner" => Some(Self::Default),
            "FieldPartitioner" => fields(config, errors).map(Self::Field),
            "DailyPartitioner" => Time::read(config, Some(DAILY), errors).map(Self::Time),
            "HourlyPartitioner" => Time::read(config, Some(HOURLY), errors).map(Self::Time),
            "TimeBasedPartitioner" => Time::read(config, None, errors).map(Self::Time),
            _ => {
                let message = format!(
                    "`{class}` is no partitioner; there are FlatPartitioner, DefaultPartitioner, \
                     FieldPartitioner, TimeBasedPartitioner, DailyPartitioner and HourlyPartitioner"
                );
                errors.push(ConfigError::at("partitioner.class", message));
                None
            }
        }
    }

    /// The one folder of all records of a partition; none if it depends on them.
    pub(crate) fn only(&self, partition: &Partition) -> Option<String> {
        match self {
            Self::Flat => Some(String::new()),
            Self::Default => Some(format!("{}/partition={}", partition.topic, partition.number)),
            Self::Field(_) | Self::Time(_) => None,
        }
    }

    /// All that it goes by, in words that are kept: boundary objects have them.
    pub(crate) fn layout(&self) -> String {
        match self {
            Self::Flat => "FlatPartitioner".to_owned(),
            Self::Default => "DefaultPartitioner".to_owned(),
            Self::Field(fields) => format!("FieldPartitioner {}", fields.join(",")),
            Self::Time(time) => time.layout(),
        }
    }

    /// Whether the folder depends on the record's value.
    pub(crate) fn reads_values(&self) -> bool {
        match self {
            Self::Flat | Self::Default => false,
            Self::Field(_) => true,
            Self::Time(time) => time.field.is_some(),
        }
    }

    /// The folder of a record; `value` counts where values are read.
    pub(crate) fn folder(
        &self,
        partition: &Partition,
        timestamp_ms: i64,
        value: Option<&[u8]>,
    ) -> Result<String, NoFolder> {
        let topic = &partition.topic;
        match self {
            Self::Flat | Self::Default => Ok(self.only(partition).unwrap_or_default()),
            Self::Time(time) => Ok(format!("{topic}/{}", time.folder(timestamp_ms, value)?)),
            Self::Field(fields) => {
                let value = object(value)?;
                let mut folder = topic.clone();
                for field in fields {
                    let text = text(field, find(&value, field)?)?;
                    folder.push_str(&format!("/{}={text}", escaped(field)));
                }
                Ok(folder)
            }
        }
    }
}

impl Time {
    fn read(config: &Config, own: Option<&str>, errors: &mut Vec<ConfigError>) -> Option<Self> {
        let before = errors.len();
        let mut wrong = |path: &str, message: String| errors.push(ConfigError::at(path, message));
        let format = match (own, config.get("path.format")) {
            (Some(own), _) => PathFormat::read(own),
            (None, Some(format)) => PathFormat::read(format),
            (None, None) => Err("is required by TimeBasedPartitioner".to_owned()),
        };
        let format = format.map_err(|reason| wrong("path.format", reason)).ok();
        let zone = zone_ms(config.get("timezone").unwrap_or("UTC").trim());
        let zone_ms = zone.map_err(|reason| wrong("timezone", reason)).unwrap_or_default();
        let extractor = config.get("timestamp.extractor").unwrap_or("Record").trim();
        let field = match extractor {
            "Record" => None,
            "RecordField" => {
                Some(config.get("timestamp.field").unwrap_or("timestamp").trim().to_owned())
            }
            "Wallclock" => {
                let reason = "Wallclock would have a replay write records to other folders; there \
                              are Record and RecordField";
                wrong("timestamp.extractor", reason.to_owned());
                None
            }
            other => {
                let reason = format!("`{other}` is none; there are Record and RecordField");
                wrong("timestamp.extractor", reason);
                None
            }
        };
        let duration = match config.parsed("partition.duration.ms", -1) {
            Ok(duration) if duration == 0 || duration < -1 => Err(ConfigError::at(
                "partition.duration.ms",
                "must be above 0, or -1 for times as they are",
            )),
            other => other,
        };
        let duration_ms = duration.map_err(|error| errors.push(error)).unwrap_or_default().max(1);
        let format = format.filter(|_| errors.len() == before)?;
        Some(Self { format, zone_ms, duration_ms, field })
    }

    fn layout(&self) -> String {
        let Self { format, zone_ms, duration_ms, field } = self;
        let (sign, minutes) = (if *zone_ms < 0 { '-' } else { '+' }, zone_ms.abs() / 60_000);
        let zone = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        let of = field.as_ref().map(|field| format!(" of {field}")).unwrap_or_default();
        format!("TimeBasedPartitioner {format} {zone} by {duration_ms} ms{of}")
    }

    fn folder(&self, timestamp_ms: i64, value: Option<&[u8]>) -> Result<String, NoFolder> {
        let time_ms = match &self.field {
            None => Some(timestamp_ms),
            Some(field) => find(&object(value)?, field)?.as_i64(),
        };
        let time_ms = time_ms.filter(|time| (0..TIME_MS_MAX).contains(time));
        let time_ms = time_ms.ok_or_else(|| NoFolder {
            code: "no-timestamp",
            message: match &self.field {
                None => "the record has no timestamp that names a folder".to_owned(),
                Some(field) => format!("the field `{field}` has no milliseconds since the epoch"),
            },
        })?;
        let local_ms = time_ms + self.zone_ms;
        Ok(self.format.folder(local_ms - local_ms.rem_euclid(self.duration_ms)))
    }
}

fn fields(config: &Config, errors: &mut Vec<ConfigError>) -> Option<Vec<String>> {
    let names = config.get("partition.field.name").unwrap_or_default();
    let fields: Vec<_> = names.split(',').map(|name| name.trim().to_owned()).collect();
    if fields.iter().any(String::is_empty) {
        let message = "FieldPartitioner needs names of fields, separated by commas";
        errors.push(ConfigError::at("partition.field.name", message));
        return None;
    }
    Some(fields)
}

fn object(value: Option<&[u8]>) -> Result<Value, NoFolder> {
    value.and_then(|value| serde_json::from_slice(value).ok()).filter(Value::is_object).ok_or_else(
        || NoFolder {
            code: "no-field",
            message: "the value is no JSON object, whose fields name its folder".to_owned(),
        },
    )
}

/// A field, or one of a field's fields as `outer.inner`.
fn find<'a>(value: &'a Value, field: &str) -> Result<&'a Value, NoFolder> {
    let found = value
        .get(field)
        .or_else(|| field.split('.').try_fold(value, |value, name| value.get(name)));
    found.filter(|value| !value.is_null()).ok_or_else(|| NoFolder {
        code: "no-field",
        message: format!("the value has no field `{field}`, which names its folder"),
    })
}

fn text(field: &str, value: &Value) -> Result<String, NoFolder> {
    let text = match value {
        Value::String(text) => escaped(text),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => {
            let message = format!("the field `{field}` is no text, number or boolean");
            return Err(NoFolder { code: "no-field", message });
        }
    };
    if text.len() > VALUE_BYTES_MAX {
        let message = format!(
            "the field `{field}` has {} bytes, and a folder's name has room for {VALUE_BYTES_MAX}",
            text.len()
        );
        return Err(NoFolder { code: "value-too-long", message });
    }
    Ok(text)
}

/// A text as a part of a folder's name, as in the path of a URL: what could be read as
/// something else is `%XX`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '/' | '%' | '=' | '\\' | '*' | '?' | '"' | '#') || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<Partitioner, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let config = options.iter().copied().collect();
        let read = Partitioner::read(&config, "FlatPartitioner", &mut errors);
        read.ok_or(errors)
    }

    fn folder(
        options: &[(&str, &str)],
        timestamp_ms: i64,
        value: &str,
    ) -> Result<String, NoFolder> {
        let partition = Partition { topic: "t".into(), number: 3 };
        read(options).unwrap().folder(&partition, timestamp_ms, Some(value.as_bytes()))
    }

    /// 2026-11-23T14:05:59Z
    const TIME_MS: i64 = 1_795_442_759_000;

    #[test]
    fn folders_are_kafka_connects() {
        let class = |name| [("partitioner.class", name)];
        let of = |name| folder(&class(name), TIME_MS, "").unwrap();
        assert_eq!(of("FlatPartitioner"), "");
        assert_eq!(of("DefaultPartitioner"), "t/partition=3");
        assert_eq!(of("DailyPartitioner"), "t/year=2026/month=11/day=23");
        let hourly = "io.confluent.connect.storage.partitioner.HourlyPartitioner";
        assert_eq!(of(hourly), "t/year=2026/month=11/day=23/hour=14");
    }

    #[test]
    fn a_time_is_the_timestamp_or_a_field_by_the_clock_that_was_chosen() {
        let time = |more: &[(&'static str, &'static str)], value| {
            let mut options =
                vec![("partitioner.class", "TimeBasedPartitioner"), ("path.format", "dd/HHmm")];
            options.extend(more);
            folder(&options, TIME_MS, value)
        };
        assert_eq!(time(&[], "").unwrap(), "t/23/1405");
        assert_eq!(time(&[("timezone", "+10:00")], "").unwrap(), "t/24/0005");
        assert_eq!(time(&[("partition.duration.ms", "900000")], "").unwrap(), "t/23/1400");
        let field = [("timestamp.extractor", "RecordField"), ("timestamp.field", "at.ms")];
        assert_eq!(time(&field, r#"{"at":{"ms":60000}}"#).unwrap(), "t/01/0001");
        for value in ["", "7", "{}", r#"{"at":{"ms":"x"}}"#, r#"{"at":{"ms":-1}}"#] {
            assert!(time(&field, value).is_err(), "{value}");
        }
        let timestamp = folder(&[("partitioner.class", "DailyPartitioner")], -1, "");
        assert_eq!(timestamp.unwrap_err().code, "no-timestamp");
    }

    #[test]
    fn a_field_names_a_folder_whatever_it_holds() {
        let of = |value| {
            let options =
                [("partitioner.class", "FieldPartitioner"), ("partition.field.name", "a, b.c")];
            folder(&options, 0, value)
        };
        assert_eq!(of(r#"{"a":"x","b":{"c":7}}"#).unwrap(), "t/a=x/b.c=7");
        assert_eq!(of(r#"{"a":"../x=%","b.c":true}"#).unwrap(), "t/a=..%2Fx%3D%25/b.c=true");
        assert_eq!(of(r#"{"a":"","b":{"c":"ü\n"}}"#).unwrap(), "t/a=/b.c=ü%0A");
        for value in ["null", "[]", r#"{"a":1}"#, r#"{"a":null,"b.c":1}"#, r#"{"a":{},"b.c":1}"#] {
            assert_eq!(of(value).unwrap_err().code, "no-field", "{value}");
        }
        let long = format!(r#"{{"a":"{}","b.c":1}}"#, "x".repeat(200));
        assert_eq!(of(&long).unwrap_err().code, "value-too-long");
    }

    #[test]
    fn a_layout_tells_all_that_folders_depend_on_and_never_changes() {
        let of = |options: &[(&str, &str)]| read(options).unwrap().layout();
        let class = |name| ("partitioner.class", name);
        assert_eq!(of(&[class("DefaultPartitioner")]), "DefaultPartitioner");
        let fields = [class("FieldPartitioner"), ("partition.field.name", "a, b.c")];
        assert_eq!(of(&fields), "FieldPartitioner a,b.c");
        let time = [class("TimeBasedPartitioner"), ("path.format", "'d='dd/HH''mm")];
        let layout = "TimeBasedPartitioner 'd='dd'/'HH''mm +00:00 by 1 ms";
        assert_eq!(of(&time), layout);
        for other in [
            ("path.format", "dd"),
            ("timezone", "-03:30"),
            ("partition.duration.ms", "1000"),
            ("timestamp.extractor", "RecordField"),
        ] {
            let options: Vec<_> = time.iter().copied().chain([other]).collect();
            assert_ne!(of(&options), layout, "{other:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_option() {
        let wrong = |options: &[(&str, &str)]| -> Vec<String> {
            read(options).unwrap_err().into_iter().map(|error| error.path).collect()
        };
        let time = ("partitioner.class", "TimeBasedPartitioner");
        assert_eq!(wrong(&[("partitioner.class", "X")]), ["partitioner.class"]);
        assert_eq!(wrong(&[("partitioner.class", "FieldPartitioner")]), ["partition.field.name"]);
        assert_eq!(
            wrong(&[
                time,
                ("timezone", "Europe/Berlin"),
                ("timestamp.extractor", "Wallclock"),
                ("partition.duration.ms", "0"),
            ]),
            ["path.format", "timezone", "timestamp.extractor", "partition.duration.ms"]
        );
    }
}
