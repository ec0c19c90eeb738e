//! `TimestampConverter`: times as text, numbers, `Date`, `Time` or `Timestamp`.

use super::fields::{SchemaCache, add_field, map, structure};
use super::options::{Given, NULL_IS_DEFAULT, OptionInfo, OptionKind, Problem};
use super::registry::{TransformKind, of_parts};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::date_format::DateFormat;
use crate::data::logical::{DAY_MS, Logical};
use crate::data::schema::{Kind, Schema, primitive};
use crate::data::value::{entry, set_entry};
use crate::data::{DataError, Datum, SchemaRef, Struct, Value};

const FIELD: &str = "field";
const TARGET: &str = "target.type";
const FORMAT: &str = "format";
const PRECISION: &str = "unix.precision";
const PURPOSE: &str = "TimestampConverter";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_parts!("TimestampConverter"),
    options: &[
        OptionInfo::optional(
            FIELD,
            OptionKind::String,
            Some(""),
            "HIGH",
            "The field with the time; nothing if the whole key or value is one.",
        ),
        OptionInfo::required(
            TARGET,
            OptionKind::String,
            "HIGH",
            "What the time becomes: string, unix (a number), Date, Time or Timestamp.",
        )
        .one_of(&["string", "unix", "Date", "Time", "Timestamp"]),
        OptionInfo::optional(
            FORMAT,
            OptionKind::String,
            Some(""),
            "MEDIUM",
            "The pattern of text, read or written, as SimpleDateFormat has them.",
        ),
        OptionInfo::optional(
            PRECISION,
            OptionKind::String,
            Some("milliseconds"),
            "LOW",
            "What numbers count, read or written. What is finer than a millisecond is lost.",
        )
        .one_of(&["nanoseconds", "microseconds", "milliseconds", "seconds"]),
        NULL_IS_DEFAULT,
    ],
    make,
};

/// A form of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Unix,
    Of(Logical),
}

/// What numbers count.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
}

#[derive(Debug)]
struct TimestampConverter {
    part: Part,
    field: String,
    target: Form,
    format: Option<(String, DateFormat)>,
    unit: Unit,
    null_is_default: bool,
    schemas: SchemaCache,
}

fn make(part: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let target = match given.needed(TARGET) {
        "string" => Form::Text,
        "unix" => Form::Unix,
        "Date" => Form::Of(Logical::Date),
        "Time" => Form::Of(Logical::Time),
        _ => Form::Of(Logical::Timestamp),
    };
    let pattern = given.needed(FORMAT);
    let format = match pattern.trim() {
        "" if target == Form::Text => {
            return Err(Problem::new(FORMAT, "is missing: `target.type` is string"));
        }
        "" => None,
        _ => {
            let format = DateFormat::new(pattern, now_ms());
            let format = format.map_err(|DataError(why)| Problem::new(FORMAT, why))?;
            Some((pattern.to_owned(), format))
        }
    };
    let unit = match given.needed(PRECISION) {
        "nanoseconds" => Unit::Nanoseconds,
        "microseconds" => Unit::Microseconds,
        "seconds" => Unit::Seconds,
        _ => Unit::Milliseconds,
    };
    Ok(Box::new(TimestampConverter {
        part,
        field: given.needed(FIELD).to_owned(),
        target,
        format,
        unit,
        null_is_default: given.null_is_default(),
        schemas: SchemaCache::default(),
    }))
}

/// Only what two digits of a year mean depends on it.
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

impl Unit {
    /// A number that is too large becomes the largest, as in Java's `TimeUnit`.
    fn to_ms(self, number: i64) -> i64 {
        match self {
            Self::Nanoseconds => number / 1_000_000,
            Self::Microseconds => number / 1000,
            Self::Milliseconds => number,
            Self::Seconds => number.saturating_mul(1000),
        }
    }

    fn of_ms(self, ms: i64) -> i64 {
        match self {
            Self::Nanoseconds => ms.saturating_mul(1_000_000),
            Self::Microseconds => ms.saturating_mul(1000),
            Self::Milliseconds => ms,
            Self::Seconds => ms / 1000,
        }
    }
}

impl Form {
    fn schema(self, optional: bool) -> SchemaRef {
        match self {
            Self::Text => primitive(Kind::String, optional),
            Self::Unix => primitive(Kind::Int64, optional),
            Self::Of(logical) => logical.schema(optional),
        }
    }

    fn of_schema(schema: &Schema) -> Result<Self, TransformError> {
        match (schema.logical(), schema.kind) {
            (Some(Logical::Decimal), _) => Err(no_time(&schema.to_string())),
            (Some(logical), _) => Ok(Self::Of(logical)),
            (None, Kind::String) => Ok(Self::Text),
            (None, Kind::Int64) => Ok(Self::Unix),
            _ => Err(no_time(&schema.to_string())),
        }
    }

    fn of_value(value: &Value) -> Result<Self, TransformError> {
        match value {
            Value::Instant(_) => Ok(Self::Of(Logical::Timestamp)),
            Value::Int64(_) => Ok(Self::Unix),
            Value::String(_) => Ok(Self::Text),
            other => Err(no_time(other.describe())),
        }
    }
}

fn no_time(what: &str) -> TransformError {
    TransformError::new("no-timestamp", format!("{what} is no form of a time"))
}

impl Transform for TimestampConverter {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        let Datum { schema, value } = record.take(self.part);
        let converted = match schema {
            None if value.is_null() => Datum::default(),
            None if self.field.is_empty() => {
                let form = Form::of_value(&value)?;
                Datum::plain(self.convert(&value, form)?)
            }
            None => {
                let mut fields = map(value, PURPOSE)?;
                let converted = match entry(&fields, &self.field) {
                    None | Some(Value::Null) => Value::Null,
                    Some(value) => self.convert(value, Form::of_value(value)?)?,
                };
                set_entry(&mut fields, &self.field, converted);
                Datum::plain(Value::Map(fields))
            }
            Some(schema) if self.field.is_empty() => {
                let value = self.convert(&value, Form::of_schema(&schema)?)?;
                Datum { schema: Some(self.target.schema(schema.optional)), value }
            }
            Some(schema) => {
                let value = match value {
                    Value::Null => None,
                    value => Some(structure(value, PURPOSE)?),
                };
                let made = self.schema(&schema)?;
                let value = match value {
                    None => Value::Null,
                    Some(value) => Value::Struct(self.fields_of(&value, &made)?),
                };
                Datum { schema: Some(made), value }
            }
        };
        record.set(self.part, converted);
        Ok(Outcome::Keep)
    }
}

impl TimestampConverter {
    fn schema(&mut self, schema: &SchemaRef) -> Result<SchemaRef, TransformError> {
        let mut schemas = std::mem::take(&mut self.schemas);
        let made = schemas.get(schema, || {
            if schema.kind != Kind::Struct {
                let message = format!("{PURPOSE} of a field takes a struct, not {schema}");
                return Err(TransformError::new("not-a-struct", message));
            }
            let mut made = schema.basics(Kind::Struct);
            for (name, field) in &schema.fields {
                let converted = match *name == self.field {
                    true => self.target.schema(field.optional),
                    false => field.clone(),
                };
                made = add_field(made, name, converted)?;
            }
            made.optional = schema.optional;
            match &schema.default {
                Some(Value::Struct(default)) => {
                    let of_default = self.fields_of(default, &SchemaRef::new(made.clone()))?;
                    Ok(made.with_default(Value::Struct(of_default))?)
                }
                _ => Ok(made),
            }
        });
        self.schemas = schemas;
        made
    }

    fn fields_of(&self, value: &Struct, made: &SchemaRef) -> Result<Struct, TransformError> {
        let mut converted = Struct::new(made.clone());
        for (at, (name, schema)) in value.schema().fields.iter().enumerate() {
            let field = value.at(at, self.null_is_default);
            match *name == self.field {
                true => converted.put(at, self.convert(field, Form::of_schema(schema)?)?)?,
                false => converted.carry(at, field.clone())?,
            }
        }
        Ok(converted)
    }

    fn convert(&self, value: &Value, form: Form) -> Result<Value, TransformError> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let ms = match (form, value) {
            (Form::Text, Value::String(text)) => self.parse(text)?,
            (Form::Unix, Value::Int64(number)) => self.unit.to_ms(*number),
            (Form::Of(_), Value::Instant(ms)) => *ms,
            (_, other) => return Err(no_time(other.describe())),
        };
        Ok(match self.target {
            Form::Text => {
                let (_, format) = self.format.as_ref().expect("the options were checked");
                Value::String(format.format(ms))
            }
            Form::Unix => Value::Int64(self.unit.of_ms(ms)),
            Form::Of(Logical::Date) => Value::Instant(ms - ms.rem_euclid(DAY_MS)),
            Form::Of(Logical::Time) => Value::Instant(ms.rem_euclid(DAY_MS)),
            Form::Of(_) => Value::Instant(ms),
        })
    }

    fn parse(&self, text: &str) -> Result<i64, TransformError> {
        let Some((pattern, format)) = &self.format else {
            let message = format!("a time is text, but there is no `{FORMAT}` to read it by");
            return Err(TransformError::new("no-format", message));
        };
        format.parse(text).ok_or_else(|| {
            TransformError::new("bad-timestamp", format!("a time is not of the form `{pattern}`"))
        })
    }
}
