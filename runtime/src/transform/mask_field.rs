//! `MaskField`: fields with nothing in them, or something else than they had.
//!
//! A decimal is masked with a zero of its own scale, which its schema can hold; in
//! Kafka Connect with a plain zero, which a schema with another scale cannot.

use super::fields::{map, structure};
use super::options::{Given, NULL_IS_DEFAULT, OptionInfo, OptionKind, Problem};
use super::registry::{TransformKind, of_parts};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::value::{entry, set_entry};
use crate::data::{Datum, Decimal, Map, Struct, Value};

const FIELDS: &str = "fields";
const REPLACEMENT: &str = "replacement";
const PURPOSE: &str = "MaskField";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_parts!("MaskField"),
    options: &[
        OptionInfo::required(FIELDS, OptionKind::List, "HIGH", "The fields to mask."),
        OptionInfo::optional(
            REPLACEMENT,
            OptionKind::String,
            None,
            "LOW",
            "What numbers and strings become, in place of 0 and nothing.",
        ),
        NULL_IS_DEFAULT,
    ],
    make,
};

#[derive(Debug)]
struct MaskField {
    part: Part,
    fields: Vec<String>,
    replacement: Option<String>,
    null_is_default: bool,
}

fn make(part: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let replacement = given.text(REPLACEMENT);
    if replacement == Some("") {
        return Err(Problem::new(REPLACEMENT, "must not be empty"));
    }
    Ok(Box::new(MaskField {
        part,
        fields: given.list(FIELDS),
        replacement: replacement.map(str::to_owned),
        null_is_default: given.null_is_default(),
    }))
}

impl Transform for MaskField {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        let Datum { schema, value } = record.take(self.part);
        let masked = match schema {
            None => {
                let mut fields = map(value, PURPOSE)?;
                for name in &self.fields {
                    let masked = match entry(&fields, name) {
                        Some(value) => self.masked(value)?,
                        None => Value::Null,
                    };
                    set_entry(&mut fields, name, masked);
                }
                Datum::plain(Value::Map(fields))
            }
            Some(schema) => {
                let value = structure(value, PURPOSE)?;
                let mut masked = Struct::new(value.schema().clone());
                for (at, name) in value.schema().fields.keys().enumerate() {
                    let field = value.at(at, self.null_is_default);
                    match self.fields.contains(name) {
                        true => masked.put(at, self.masked(field)?)?,
                        false => masked.carry(at, field.clone())?,
                    }
                }
                Datum { schema: Some(schema), value: Value::Struct(masked) }
            }
        };
        record.set(self.part, masked);
        Ok(Outcome::Keep)
    }
}

impl MaskField {
    fn masked(&self, value: &Value) -> Result<Value, TransformError> {
        match &self.replacement {
            _ if value.is_null() => Ok(Value::Null),
            None => nothing(value),
            Some(replacement) => replaced(value, replacement),
        }
    }
}

fn unsuited(value: &Value) -> TransformError {
    TransformError::new("unsuited-type", format!("{} cannot be masked so", value.describe()))
}

fn nothing(value: &Value) -> Result<Value, TransformError> {
    Ok(match value {
        Value::Boolean(_) => Value::Boolean(false),
        Value::Int8(_) => Value::Int8(0),
        Value::Int16(_) => Value::Int16(0),
        Value::Int32(_) => Value::Int32(0),
        Value::Int64(_) => Value::Int64(0),
        Value::Float32(_) => Value::Float32(0.0),
        Value::Float64(_) => Value::Float64(0.0),
        Value::String(_) => Value::String(String::new()),
        Value::Decimal(decimal) => {
            let zero = Decimal::from_bytes(&[0], decimal.scale());
            Value::Decimal(zero.expect("it has a byte"))
        }
        Value::Instant(_) => Value::Instant(0),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Map(_) => Value::Map(Map::new()),
        other => return Err(unsuited(other)),
    })
}

fn replaced(value: &Value, replacement: &str) -> Result<Value, TransformError> {
    if let Value::String(_) = value {
        return Ok(Value::text(replacement));
    }
    let number = || {
        Decimal::parse(replacement).ok_or_else(|| {
            let message = format!("the replacement `{replacement}` is no number");
            TransformError::new("unsuited-replacement", message)
        })
    };
    Ok(match value {
        Value::Int8(_) => Value::Int8(number()?.low_i64() as i8),
        Value::Int16(_) => Value::Int16(number()?.low_i64() as i16),
        Value::Int32(_) => Value::Int32(number()?.low_i64() as i32),
        Value::Int64(_) => Value::Int64(number()?.low_i64()),
        Value::Float32(_) => Value::Float32(number()?.to_f64() as f32),
        Value::Float64(_) => Value::Float64(number()?.to_f64()),
        Value::Decimal(_) => Value::Decimal(number()?),
        other => return Err(unsuited(other)),
    })
}
