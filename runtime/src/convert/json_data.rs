//! Between JSON and data, under a schema or without one: the rules of Kafka Connect's
//! `JsonConverter`.
//!
//! What that changes in silence is an error here: a JSON string for a number (it reads
//! 0), a number that its type cannot hold, `1.5` for a whole one. Without a schema a
//! number that neither 64 bits nor a float can hold is a decimal.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json::write_string;
use super::json_tree::Json;
use super::numbers::{special_float, write_float};
use crate::data::logical::{self, DAY_MS, Logical, decimal_bytes, scale_of};
use crate::data::schema::{Kind, Schema, SchemaRef};
use crate::data::{DataError, Decimal, Map, Struct, Value, java_text};

/// How values are written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// `decimal.format=NUMERIC`: decimals are numbers, and not base64 of their bytes.
    pub(super) numeric_decimals: bool,
    /// `replace.null.with.default`.
    pub(super) null_is_default: bool,
    /// Whose JSON it is.
    pub(super) dialect: Dialect,
}

/// How what JSON has no word for stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// The `json` converter's: a map whose keys are no text is an array of pairs.
    Connect,
    /// `json-schema`'s: a map whose keys are no text, or may be null, is an array of objects
    /// of `key` and `value`; a struct that stands for a `oneOf` is the part of it that is set.
    JsonSchema,
}

/// The struct that stands for a `oneOf`: a field for each of its parts, one of which is set.
pub(super) const ONE_OF: &str = "io.confluent.connect.json.OneOf";

/// True if the map is an object.
pub(super) fn has_text_keys(schema: &Schema, form: Form) -> bool {
    let may_be_null = |key: &Schema| key.optional && form.dialect == Dialect::JsonSchema;
    schema.key.as_ref().is_none_or(|key| key.kind == Kind::String && !may_be_null(key))
}

fn is_one_of(schema: &Schema, form: Form) -> bool {
    form.dialect == Dialect::JsonSchema && schema.name.as_deref() == Some(ONE_OF)
}

fn wrong<T>(message: impl Into<String>) -> Result<T, DataError> {
    Err(DataError(message.into()))
}

/// The value that `json` is; `None` is a field that is not there.
pub(super) fn read(
    schema: Option<&SchemaRef>,
    json: Option<&Json<'_>>,
    form: Form,
) -> Result<Value, DataError> {
    let json = json.unwrap_or(&Json::Null);
    let Some(schema) = schema else { return plain(json) };
    if *json == Json::Null {
        return match &schema.default {
            Some(default) if form.null_is_default => Ok(default.clone()),
            _ if schema.optional => Ok(Value::Null),
            _ => wrong(format!("null where a {schema} is required")),
        };
    }
    let unfit = || wrong(format!("{} where a {schema} is expected", json.describe()));
    if let Some(logical) = schema.logical() {
        return match logical_value(logical, schema, json)? {
            Some(value) => Ok(value),
            None => unfit(),
        };
    }
    if is_one_of(schema, form) {
        return one_of(schema, json, form);
    }
    let value = match (schema.kind, json) {
        (Kind::Boolean, Json::Boolean(value)) => Value::Boolean(*value),
        (Kind::String, Json::String(text)) => Value::text(text),
        (Kind::Bytes, Json::String(text)) => Value::Bytes(base64(text)?),
        (Kind::Float32 | Kind::Float64, Json::String(word)) => {
            let Some(value) = special_float(word) else { return unfit() };
            if schema.kind == Kind::Float32 {
                Value::Float32(value as f32)
            } else {
                Value::Float64(value)
            }
        }
        (kind, Json::Number(number)) => match number_of(kind, number) {
            Some(value) => value,
            None => return wrong(format!("the number {} is no {kind}", shown(number))),
        },
        (Kind::Array, Json::Array(elements)) => {
            let element = schema.element.as_ref();
            let elements = elements.iter().map(|json| read(element, Some(json), form));
            Value::Array(elements.collect::<Result<_, _>>()?)
        }
        (Kind::Map, json) => Value::Map(map(schema, json, form)?),
        (Kind::Struct, Json::Object(_)) => {
            let mut value = Struct::new(schema.clone());
            for (at, (name, field)) in schema.fields.iter().enumerate() {
                let of_field = read(Some(field), json.get(name), form);
                value.fill(at, of_field.map_err(|error| DataError(format!("`{name}`: {error}")))?);
            }
            Value::Struct(value)
        }
        _ => return unfit(),
    };
    Ok(value)
}

/// A number is shown in a message; a long one is cut.
fn shown(number: &str) -> &str {
    &number[..number.len().min(40)]
}

fn plain(json: &Json<'_>) -> Result<Value, DataError> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Boolean(value) => Value::Boolean(*value),
        Json::String(text) => Value::text(text),
        Json::Number(number) => plain_number(number)?,
        Json::Array(elements) => {
            Value::Array(elements.iter().map(plain).collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let entries = members.iter().map(|(name, json)| Ok((Value::text(name), plain(json)?)));
            Value::Map(entries.collect::<Result<_, _>>()?)
        }
    })
}

fn plain_number(number: &str) -> Result<Value, DataError> {
    if number.contains(['.', 'e', 'E']) {
        let float: f64 = number.parse().expect("JSON's numbers are Rust's");
        if float.is_finite() {
            return Ok(Value::Float64(float));
        }
    } else if let Ok(whole) = number.parse() {
        return Ok(Value::Int64(whole));
    }
    let too_long = || DataError(format!("the number {}... is too long", shown(number)));
    Decimal::parse(number).map(Value::Decimal).ok_or_else(too_long)
}

fn number_of(kind: Kind, number: &str) -> Option<Value> {
    match kind {
        Kind::Float32 => number.parse().ok().filter(|it: &f32| it.is_finite()).map(Value::Float32),
        Kind::Float64 => number.parse().ok().filter(|it: &f64| it.is_finite()).map(Value::Float64),
        Kind::Int8 => whole(number)?.try_into().ok().map(Value::Int8),
        Kind::Int16 => whole(number)?.try_into().ok().map(Value::Int16),
        Kind::Int32 => whole(number)?.try_into().ok().map(Value::Int32),
        Kind::Int64 => whole(number).map(Value::Int64),
        _ => None,
    }
}

/// Also of `1.0` and `1e3`.
fn whole(number: &str) -> Option<i64> {
    number.parse().ok().or_else(|| Decimal::parse(number)?.exact_i64())
}

fn base64(text: &str) -> Result<Vec<u8>, DataError> {
    STANDARD.decode(text).map_err(|error| DataError(format!("a string is no base64 ({error})")))
}

/// `None` if it is JSON of another kind.
fn logical_value(
    logical: Logical,
    schema: &Schema,
    json: &Json<'_>,
) -> Result<Option<Value>, DataError> {
    let millis = match (logical, json) {
        (Logical::Decimal, Json::Number(number)) => {
            return match Decimal::parse(number) {
                Some(decimal) => Ok(Some(Value::Decimal(decimal))),
                None => wrong(format!("the number {}... is too long", shown(number))),
            };
        }
        (Logical::Decimal, Json::String(text)) => {
            return match Decimal::from_bytes(&base64(text)?, scale_of(schema)?) {
                Some(decimal) => Ok(Some(Value::Decimal(decimal))),
                None => wrong("a decimal has no bytes"),
            };
        }
        (Logical::Date, Json::Number(number)) => {
            number.parse::<i32>().ok().map(|days| i64::from(days) * DAY_MS)
        }
        (Logical::Time, Json::Number(number)) => {
            number.parse().ok().filter(|ms| (0..=DAY_MS).contains(ms))
        }
        (Logical::Timestamp, Json::Number(number)) => number.parse().ok(),
        _ => return Ok(None),
    };
    match millis {
        Some(ms) => Ok(Some(Value::Instant(ms))),
        None => wrong(format!("a number is outside of what a {schema} can be")),
    }
}

/// The struct with the first part set that such JSON can be.
fn one_of(schema: &SchemaRef, json: &Json<'_>, form: Form) -> Result<Value, DataError> {
    for (at, part) in schema.fields.values().enumerate() {
        if !is_one_of(part, form) && !may_be(part, json) {
            continue;
        }
        if let Ok(value) = read(Some(part), Some(json), form) {
            let mut made = Struct::new(schema.clone());
            made.fill(at, value);
            return Ok(Value::Struct(made));
        }
    }
    wrong(format!("{} is none of what its `oneOf` allows", json.describe()))
}

/// True if an object has no member that the struct does not have.
fn may_be(schema: &Schema, json: &Json<'_>) -> bool {
    match (schema.kind, json) {
        (Kind::Struct, Json::Object(members)) => {
            members.iter().all(|(name, _)| schema.fields.contains_key(name.as_ref()))
        }
        _ => true,
    }
}

/// An object where the keys are text, else an array.
fn map(schema: &Schema, json: &Json<'_>, form: Form) -> Result<Map, DataError> {
    let (key, element) = (schema.key.as_ref(), schema.element.as_ref());
    let of_text = has_text_keys(schema, form);
    match json {
        Json::Object(members) if of_text => members
            .iter()
            .map(|(name, json)| Ok((Value::text(name), read(element, Some(json), form)?)))
            .collect(),
        Json::Array(pairs) if !of_text => pairs
            .iter()
            .map(|pair| match pair {
                Json::Array(pair) if pair.len() == 2 && form.dialect == Dialect::Connect => {
                    Ok((read(key, Some(&pair[0]), form)?, read(element, Some(&pair[1]), form)?))
                }
                Json::Object(_) if form.dialect == Dialect::JsonSchema => {
                    Ok((read(key, pair.get("key"), form)?, read(element, pair.get("value"), form)?))
                }
                _ => wrong("an entry of a map has no key and value"),
            })
            .collect(),
        other => wrong(format!(
            "{} where a map is expected: an object if its keys are text, else an array of pairs",
            other.describe()
        )),
    }
}

/// Appends the JSON of a value.
pub(super) fn write(
    schema: Option<&Schema>,
    value: &Value,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    if value.is_null() {
        let Some(schema) = schema else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        return match &schema.default {
            Some(default) if form.null_is_default => write(Some(schema), default, form, out),
            _ if schema.optional => {
                out.extend_from_slice(b"null");
                Ok(())
            }
            _ => wrong(format!("null where a {schema} is required")),
        };
    }
    if let Some((schema, logical)) = schema.and_then(|it| it.logical().map(|logical| (it, logical)))
    {
        return write_logical(logical, schema, value, form, out);
    }
    let unfit = || match schema {
        Some(schema) => wrong(format!("{} where a {schema} is expected", value.describe())),
        None => wrong(format!("{} without a schema cannot be JSON", value.describe())),
    };
    if schema.is_some_and(|schema| value.kind() != Some(schema.kind)) {
        return unfit();
    }
    match value {
        Value::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Int8(number) => whole_number((*number).into(), out),
        Value::Int16(number) => whole_number((*number).into(), out),
        Value::Int32(number) => whole_number((*number).into(), out),
        Value::Int64(number) => whole_number(*number, out),
        Value::Float32(number) => {
            write_float(number.is_finite(), &java_text::float32(*number), out);
        }
        Value::Float64(number) => {
            write_float(number.is_finite(), &java_text::float64(*number), out);
        }
        Value::Decimal(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::String(text) => write_string(text, out),
        Value::Bytes(bytes) => write_string(&STANDARD.encode(bytes), out),
        Value::Array(elements) => {
            let element = schema.and_then(|schema| schema.element.as_deref());
            out.push(b'[');
            for (at, value) in elements.iter().enumerate() {
                comma(at, out);
                write(element, value, form, out)?;
            }
            out.push(b']');
        }
        Value::Map(entries) => write_map(schema, entries, form, out)?,
        Value::Struct(value) => write_struct(schema, value, form, out)?,
        Value::Null | Value::Instant(_) => return unfit(),
    }
    Ok(())
}

fn comma(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
}

fn whole_number(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn write_logical(
    logical: Logical,
    schema: &Schema,
    value: &Value,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    match (logical, value) {
        (Logical::Decimal, Value::Decimal(decimal)) if form.numeric_decimals => {
            out.extend_from_slice(decimal.to_string().as_bytes());
        }
        (Logical::Decimal, Value::Decimal(decimal)) => {
            write_string(&STANDARD.encode(decimal_bytes(schema, decimal)?), out);
        }
        (Logical::Date, Value::Instant(ms)) => whole_number(logical::days(*ms)?.into(), out),
        (Logical::Time, Value::Instant(ms)) => whole_number(logical::time_of_day(*ms)?.into(), out),
        (Logical::Timestamp, Value::Instant(ms)) => whole_number(*ms, out),
        _ => return wrong(format!("{} where a {schema} is expected", value.describe())),
    }
    Ok(())
}

fn write_map(
    schema: Option<&Schema>,
    entries: &Map,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    let key = schema.and_then(|schema| schema.key.as_deref());
    let element = schema.and_then(|schema| schema.element.as_deref());
    let of_text = match schema {
        Some(schema) if schema.key.is_some() => has_text_keys(schema, form),
        _ => entries.keys().all(|key| matches!(key, Value::String(_))),
    };
    out.push(if of_text { b'{' } else { b'[' });
    for (at, (name, value)) in entries.iter().enumerate() {
        comma(at, out);
        match name {
            Value::String(name) if of_text => {
                write_string(name, out);
                out.push(b':');
                write(element, value, form, out)?;
            }
            _ if of_text => {
                return wrong(format!("a map has {} among its keys of text", name.describe()));
            }
            name => {
                let [open, between, close]: [&[u8]; 3] = match form.dialect {
                    Dialect::Connect => [b"[", b",", b"]"],
                    Dialect::JsonSchema => [b"{\"key\":", b",\"value\":", b"}"],
                };
                out.extend_from_slice(open);
                write(key, name, form, out)?;
                out.extend_from_slice(between);
                write(element, value, form, out)?;
                out.extend_from_slice(close);
            }
        }
    }
    out.push(if of_text { b'}' } else { b']' });
    Ok(())
}

fn write_struct(
    schema: Option<&Schema>,
    value: &Struct,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    let own = value.schema();
    if schema.is_some_and(|schema| !schema.describes(own)) {
        return wrong("a struct has another schema than it should");
    }
    if is_one_of(own, form) {
        let set = value.values().iter().position(|value| !value.is_null());
        let Some(at) = set else { return wrong("no part of a `oneOf` is set") };
        return write(Some(&own.fields[at]), &value.values()[at], form, out);
    }
    out.push(b'{');
    for (at, (name, field)) in own.fields.iter().enumerate() {
        comma(at, out);
        write_string(name, out);
        out.push(b':');
        let written = write(Some(field), value.at(at, false), form, out);
        written.map_err(|error| DataError(format!("`{name}`: {error}")))?;
    }
    out.push(b'}');
    Ok(())
}
