//! Avro's binary encoding, written.

use super::defaults::instant;
use super::names;
use super::types::{Avro, UNION};
use crate::data::logical::decimal_bytes;
use crate::data::schema::{Kind, Schema};
use crate::data::{DataError, Struct, Value};

fn wrong<T>(message: impl Into<String>) -> Result<T, DataError> {
    Err(DataError(message.into()))
}

/// How values are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// A null stands for the default of its field (`ignore.default.for.nullables=false`).
    pub(super) null_is_default: bool,
    /// `scrub.invalid.names`.
    pub(super) scrub: bool,
}

/// Appends a value of that schema as Avro's type has it: the schema's own, or another
/// whose fields are found by their names.
pub(super) fn write(
    avro: &Avro,
    schema: &Schema,
    value: &Value,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    let value = match &schema.default {
        Some(default) if value.is_null() && form.null_is_default => default,
        _ => value,
    };
    let unfit =
        || wrong(format!("{} ({schema}) where Avro's {} is", value.describe(), avro.name()));
    match (avro, value) {
        (Avro::Union(branches), value) => {
            let (at, schema, value) = match branch(branches, schema, value) {
                Some(found) => found,
                None if value.is_null() => {
                    return wrong(format!("null where a {schema} is required"));
                }
                None => return unfit(),
            };
            long(at as i64, out);
            write(&branches[at], schema, value, form, out)?;
        }
        (_, Value::Null) if avro.is_null() => {}
        (_, Value::Null) => return wrong(format!("null where a {schema} is required")),
        (Avro::Boolean, Value::Boolean(value)) => out.push((*value).into()),
        (Avro::Int, value) => {
            let number = match value {
                Value::Int8(number) => i64::from(*number),
                Value::Int16(number) => i64::from(*number),
                Value::Int32(number) => i64::from(*number),
                Value::Instant(ms) => i64::from(
                    i32::try_from(instant(schema, *ms)?)
                        .or_else(|_| wrong("a point in time is too far away for 32 bits"))?,
                ),
                _ => return unfit(),
            };
            long(number, out);
        }
        (Avro::Long, value) => {
            let number = match value {
                Value::Int8(number) => i64::from(*number),
                Value::Int16(number) => i64::from(*number),
                Value::Int32(number) => i64::from(*number),
                Value::Int64(number) => *number,
                Value::Instant(ms) => instant(schema, *ms)?,
                _ => return unfit(),
            };
            long(number, out);
        }
        (Avro::Float, Value::Float32(number)) => out.extend_from_slice(&number.to_le_bytes()),
        (Avro::Double, Value::Float64(number)) => out.extend_from_slice(&number.to_le_bytes()),
        (Avro::Double, Value::Float32(number)) => {
            out.extend_from_slice(&f64::from(*number).to_le_bytes());
        }
        (Avro::Bytes, Value::Bytes(bytes)) => sized(bytes, out),
        (Avro::Bytes, Value::Decimal(decimal)) => sized(&decimal_bytes(schema, decimal)?, out),
        (Avro::Fixed(size), Value::Bytes(bytes)) if bytes.len() == *size => {
            out.extend_from_slice(bytes);
        }
        (Avro::Fixed(size), Value::Decimal(decimal)) => {
            let bytes = decimal_bytes(schema, decimal)?;
            let Some(more) = size.checked_sub(bytes.len()) else {
                return wrong(format!("a decimal is too long for Avro's fixed of {size} bytes"));
            };
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
            out.resize(out.len() + more, sign);
            out.extend_from_slice(&bytes);
        }
        (Avro::String, Value::String(text)) => sized(text.as_bytes(), out),
        (Avro::Enum(symbols), Value::String(text)) => {
            let Some(at) = symbols.iter().position(|symbol| symbol == text) else {
                return wrong(format!("a string is none of the enum's symbols ({schema})"));
            };
            long(at as i64, out);
        }
        (Avro::Array(of), Value::Array(elements)) => {
            let element = part(&schema.element)?;
            block(elements.len(), out);
            for value in elements {
                write(of, element, value, form, out)?;
            }
            long(0, out);
        }
        (Avro::Map(of), Value::Map(entries)) => {
            let element = part(&schema.element)?;
            block(entries.len(), out);
            for (key, value) in entries {
                let Value::String(key) = key else { return unfit() };
                sized(key.as_bytes(), out);
                write(of, element, value, form, out)?;
            }
            long(0, out);
        }
        (Avro::Entries { key, value: of, key_first }, Value::Map(entries)) => {
            let (of_key, of_value) = (part(&schema.key)?, part(&schema.element)?);
            block(entries.len(), out);
            for (own, value) in entries {
                if *key_first {
                    write(key, of_key, own, form, out)?;
                }
                write(of, of_value, value, form, out)?;
                if !key_first {
                    write(key, of_key, own, form, out)?;
                }
            }
            long(0, out);
        }
        (Avro::Record(fields), Value::Struct(value)) => record(fields, value, form, out)?,
        _ => return unfit(),
    }
    Ok(())
}

fn record(
    fields: &[(String, std::sync::Arc<Avro>)],
    value: &Struct,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    let own = &value.schema().fields;
    for (at, (name, avro)) in fields.iter().enumerate() {
        // Mostly the fields are the struct's own, in its order.
        let in_place = own.get_index(at).filter(|(own, _)| *own == name).map(|_| at);
        let found = in_place.or_else(|| own.get_index_of(name)).or_else(|| {
            let scrubbed = |own: &String| names::field(own, true).is_ok_and(|own| own == *name);
            own.keys().position(scrubbed).filter(|_| form.scrub)
        });
        let within = |error: DataError| DataError(format!("`{name}`: {error}"));
        match found {
            Some(at) => {
                write(avro, &own[at], value.at(at, false), form, out).map_err(within)?;
            }
            // A field that only the registry's schema has.
            None => write(avro, &Schema::new(Kind::String), &Value::Null, form, out)
                .map_err(|_| within(DataError("the data has no such field".to_owned())))?,
        }
    }
    Ok(())
}

/// The branch that holds a value, and what of the value it holds.
fn branch<'v>(
    branches: &[std::sync::Arc<Avro>],
    schema: &'v Schema,
    value: &'v Value,
) -> Option<(usize, &'v Schema, &'v Value)> {
    if value.is_null() {
        let at = branches.iter().position(|branch| branch.is_null())?;
        return Some((at, schema, value));
    }
    if let Value::Struct(union) = value
        && union.schema().name.as_deref() == Some(UNION)
    {
        let set = union.values().iter().position(|value| !value.is_null())?;
        // The struct has no field for null.
        let mut others = branches.iter().enumerate().filter(|(_, branch)| !branch.is_null());
        let (at, _) = others.nth(set)?;
        return Some((at, &*union.schema().fields[set], &union.values()[set]));
    }
    let at = branches.iter().position(|branch| holds(branch, value))?;
    Some((at, schema, value))
}

fn holds(avro: &Avro, value: &Value) -> bool {
    matches!(
        (avro, value),
        (Avro::Boolean, Value::Boolean(_))
            | (Avro::Int, Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Instant(_))
            | (
                Avro::Long,
                Value::Int8(_)
                    | Value::Int16(_)
                    | Value::Int32(_)
                    | Value::Int64(_)
                    | Value::Instant(_)
            )
            | (Avro::Float, Value::Float32(_))
            | (Avro::Double, Value::Float32(_) | Value::Float64(_))
            | (Avro::Bytes | Avro::Fixed(_), Value::Bytes(_) | Value::Decimal(_))
            | (Avro::String | Avro::Enum(_), Value::String(_))
            | (Avro::Array(_), Value::Array(_))
            | (Avro::Map(_) | Avro::Entries { .. }, Value::Map(_))
            | (Avro::Record(_), Value::Struct(_))
    )
}

fn part(schema: &Option<crate::data::SchemaRef>) -> Result<&Schema, DataError> {
    let none = || DataError("a schema does not say what it holds".to_owned());
    schema.as_deref().ok_or_else(none)
}

/// A number in zigzag, seven bits a byte.
fn long(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn sized(bytes: &[u8], out: &mut Vec<u8>) {
    long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

/// The count of the one block that an array or map is written as.
fn block(count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        long(count as i64, out);
    }
}

/// Appends a record's whole key or value: bytes as they are, without a length, as
/// Confluent's serializer has it.
pub(super) fn write_whole(
    avro: &Avro,
    schema: &Schema,
    value: &Value,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    match (avro, value) {
        (Avro::Bytes, Value::Bytes(bytes)) => out.extend_from_slice(bytes),
        (Avro::Bytes, Value::Decimal(decimal)) => {
            out.extend_from_slice(&decimal_bytes(schema, decimal)?);
        }
        (avro, value) => write(avro, schema, value, form, out)?,
    }
    Ok(())
}
