//! Defaults in schemas: as Avro has them, and as `connect.default` has them.
//!
//! Both are JSON, bytes being strings of a character each. Avro's must be of a union's
//! first branch, and has no number that is none; `connect.default` has null for what is
//! optional, and pairs for a map's entries whose keys are no plain strings.

use super::super::json::write_string;
use super::super::json_tree::Json;
use super::super::numbers::{special_float, write_float};
use super::names;
use super::types::{Avro, UNION};
use crate::data::logical::{self, DAY_MS, Logical, decimal_bytes, scale_of};
use crate::data::schema::{Kind, Schema, SchemaRef};
use crate::data::{DataError, Decimal, Map, Struct, Value, java_text};

fn wrong<T>(message: impl Into<String>) -> Result<T, DataError> {
    Err(DataError(message.into()))
}

/// Reads a default: Avro's own of a field, or one of `connect.default`. Either form is
/// taken for both.
pub(super) fn read(avro: &Avro, schema: &SchemaRef, json: &Json<'_>) -> Result<Value, DataError> {
    let unfit = || wrong(format!("{} is no default of {}", json.describe(), avro.name()));
    if let Avro::Union(branches) = avro {
        return match Avro::nullable(branches) {
            Some(_) if *json == Json::Null => Ok(Value::Null),
            Some(other) => read(other, schema, json),
            None => union(branches, schema, json),
        };
    }
    let value = match (avro, json) {
        (Avro::Null, Json::Null) => Value::Null,
        (Avro::Boolean, Json::Boolean(value)) => Value::Boolean(*value),
        (Avro::Int | Avro::Long, Json::Number(number)) => {
            let Ok(number) = number.parse() else { return unfit() };
            return whole(schema, number);
        }
        (Avro::Float, Json::Number(number)) => {
            Value::Float32(number.parse().expect("JSON's numbers are Rust's"))
        }
        (Avro::Double, Json::Number(number)) => {
            Value::Float64(number.parse().expect("JSON's numbers are Rust's"))
        }
        (Avro::Float | Avro::Double, Json::String(word)) => {
            let Some(number) = special_float(word) else { return unfit() };
            match avro {
                Avro::Float => Value::Float32(number as f32),
                _ => Value::Float64(number),
            }
        }
        (Avro::String | Avro::Enum(_), Json::String(text)) => Value::text(text),
        (Avro::Bytes | Avro::Fixed(_), Json::String(text)) => {
            let bytes: Result<Vec<u8>, _> =
                text.chars().map(|character| u8::try_from(u32::from(character))).collect();
            let Ok(bytes) = bytes else { return wrong("a default's bytes are beyond 255") };
            return of_bytes(schema, &bytes);
        }
        (Avro::Array(of), Json::Array(elements)) => {
            let element = part(&schema.element)?;
            let elements = elements.iter().map(|json| read(of, element, json));
            Value::Array(elements.collect::<Result<_, _>>()?)
        }
        (Avro::Map(of), Json::Object(members)) => {
            let element = part(&schema.element)?;
            let entry = |(name, json): &(_, _)| {
                Ok((Value::text(AsRef::<str>::as_ref(name)), read(of, element, json)?))
            };
            Value::Map(members.iter().map(entry).collect::<Result<_, DataError>>()?)
        }
        (Avro::Entries { key, value, .. }, Json::Array(entries)) => {
            let (of_key, of_value) = (part(&schema.key)?, part(&schema.element)?);
            let mut map = Map::new();
            for entry in entries {
                let (own_key, own_value) = match entry {
                    Json::Array(pair) if pair.len() == 2 => (&pair[0], &pair[1]),
                    entry => match (entry.get("key"), entry.get("value")) {
                        (Some(key), Some(value)) => (key, value),
                        _ => return wrong("a map's default has no pairs"),
                    },
                };
                map.insert(read(key, of_key, own_key)?, read(value, of_value, own_value)?);
            }
            Value::Map(map)
        }
        (Avro::Record(fields), Json::Object(_)) => {
            let mut made = Struct::new(schema.clone());
            for (at, (name, avro)) in fields.iter().enumerate() {
                let field = &schema.fields[at];
                let value = match json.get(name) {
                    Some(json) => read(avro, field, json)?,
                    None if field.default.is_some() || field.optional => {
                        field.default.clone().unwrap_or_default()
                    }
                    None => return wrong(format!("a record's default has no `{name}`")),
                };
                made.fill(at, value);
            }
            Value::Struct(made)
        }
        _ => return unfit(),
    };
    Ok(value)
}

fn part(schema: &Option<SchemaRef>) -> Result<&SchemaRef, DataError> {
    schema.as_ref().ok_or_else(|| DataError("a schema does not say what it holds".to_owned()))
}

/// The default of a union is one of its first branch.
fn union(
    branches: &[std::sync::Arc<Avro>],
    schema: &SchemaRef,
    json: &Json<'_>,
) -> Result<Value, DataError> {
    let mut made = Struct::new(schema.clone());
    match branches.first() {
        Some(first) if !first.is_null() => {
            let value = read(first, &schema.fields[0], json)?;
            made.fill(0, value);
            Ok(Value::Struct(made))
        }
        Some(_) if *json == Json::Null => Ok(Value::Null),
        _ => wrong("a union's default is not of its first branch"),
    }
}

/// A whole number under the type that its schema makes of it.
pub(super) fn whole(schema: &Schema, number: i64) -> Result<Value, DataError> {
    let value = match schema.logical() {
        Some(Logical::Date) => {
            i32::try_from(number).ok().map(|days| Value::Instant(i64::from(days) * DAY_MS))
        }
        Some(Logical::Time) => (0..=DAY_MS).contains(&number).then_some(Value::Instant(number)),
        Some(Logical::Timestamp) => Some(Value::Instant(number)),
        _ => match schema.kind {
            Kind::Int8 => number.try_into().ok().map(Value::Int8),
            Kind::Int16 => number.try_into().ok().map(Value::Int16),
            Kind::Int32 => number.try_into().ok().map(Value::Int32),
            Kind::Int64 => Some(Value::Int64(number)),
            _ => None,
        },
    };
    value.ok_or_else(|| DataError(format!("a number is outside of what a {schema} can be")))
}

/// Bytes, or the decimal that its schema makes of them.
pub(super) fn of_bytes(schema: &Schema, bytes: &[u8]) -> Result<Value, DataError> {
    if schema.logical() != Some(Logical::Decimal) {
        return Ok(Value::Bytes(bytes.to_vec()));
    }
    match Decimal::from_bytes(bytes, scale_of(schema)?) {
        Some(decimal) => Ok(Value::Decimal(decimal)),
        None => wrong("a decimal has no bytes"),
    }
}

/// How a default is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// As Avro's own, and not as `connect.default` has it.
    pub(super) of_avro: bool,
    /// Names of fields are scrubbed.
    pub(super) scrub: bool,
}

/// Appends a default; false if the form cannot have it, and then what was appended is
/// of no use.
pub(super) fn write(
    schema: &Schema,
    value: &Value,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<bool, DataError> {
    // What is within: null, where the union's first branch is the other one.
    let null_first = schema.optional && schema.default.is_none();
    if value.is_null() {
        out.extend_from_slice(b"null");
        return Ok(!form.of_avro || null_first);
    }
    write_value(schema, value, form, !form.of_avro || !null_first, out)
}

/// The same of a field's own default, whose branch stands first.
pub(super) fn write_own(
    schema: &Schema,
    value: &Value,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<bool, DataError> {
    write_value(schema, value, form, true, out)
}

fn write_value(
    schema: &Schema,
    value: &Value,
    form: Form,
    mut fits: bool,
    out: &mut Vec<u8>,
) -> Result<bool, DataError> {
    let number = |number: i64, out: &mut Vec<u8>| {
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    };
    match value {
        Value::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Int8(value) => number((*value).into(), out),
        Value::Int16(value) => number((*value).into(), out),
        Value::Int32(value) => number((*value).into(), out),
        Value::Int64(value) => number(*value, out),
        Value::Float32(value) => {
            fits &= value.is_finite() || !form.of_avro;
            write_float(value.is_finite(), &java_text::float32(*value), out);
        }
        Value::Float64(value) => {
            fits &= value.is_finite() || !form.of_avro;
            write_float(value.is_finite(), &java_text::float64(*value), out);
        }
        Value::String(text) => write_string(text, out),
        Value::Bytes(bytes) => write_bytes(bytes, out),
        Value::Decimal(decimal) => write_bytes(&decimal_bytes(schema, decimal)?, out),
        Value::Instant(ms) => number(instant(schema, *ms)?, out),
        Value::Array(elements) => {
            let element = part(&schema.element)?;
            out.push(b'[');
            for (at, value) in elements.iter().enumerate() {
                comma(at, out);
                fits &= write(element, value, form, out)?;
            }
            out.push(b']');
        }
        Value::Map(entries) => {
            let (key, element) = (part(&schema.key)?, part(&schema.element)?);
            let plain = has_plain_keys(schema);
            out.push(if plain { b'{' } else { b'[' });
            for (at, (name, value)) in entries.iter().enumerate() {
                comma(at, out);
                if plain {
                    let Value::String(name) = name else {
                        return wrong("a map has a key that is no text");
                    };
                    write_string(name, out);
                    out.push(b':');
                    fits &= write(element, value, form, out)?;
                    continue;
                }
                out.extend_from_slice(if form.of_avro { b"{\"key\":" } else { b"[" });
                fits &= write(key, name, form, out)?;
                out.extend_from_slice(if form.of_avro { b",\"value\":" } else { b"," });
                fits &= write(element, value, form, out)?;
                out.push(if form.of_avro { b'}' } else { b']' });
            }
            out.push(if plain { b'}' } else { b']' });
        }
        Value::Struct(value) => {
            // A union has its default in its first branch, and no other place for one.
            fits &= schema.name.as_deref() != Some(UNION);
            out.push(b'{');
            for (at, (name, field)) in schema.fields.iter().enumerate() {
                comma(at, out);
                write_string(&names::field(name, form.scrub)?, out);
                out.push(b':');
                let value = value.get(name, false).unwrap_or(&Value::Null);
                fits &= write(field, value, form, out)?;
            }
            out.push(b'}');
        }
        Value::Null => out.extend_from_slice(b"null"),
    }
    Ok(fits)
}

/// True if Avro has such a map: its keys are strings that are never null.
pub(super) fn has_plain_keys(schema: &Schema) -> bool {
    schema.key.as_ref().is_some_and(|key| key.kind == Kind::String && !key.optional)
}

/// The number that a point in time is under its schema.
pub(super) fn instant(schema: &Schema, ms: i64) -> Result<i64, DataError> {
    match schema.logical() {
        Some(Logical::Date) => logical::days(ms).map(i64::from),
        Some(Logical::Time) => logical::time_of_day(ms).map(i64::from),
        Some(Logical::Timestamp) => Ok(ms),
        _ => wrong(format!("a point in time where a {schema} is expected")),
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let text: String = bytes.iter().copied().map(char::from).collect();
    write_string(&text, out);
}

fn comma(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
}
