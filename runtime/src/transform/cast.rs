//! `Cast`: fields, or the whole key or value, as another type.
//!
//! A whole value of a logical type loses its name with its type; in Kafka Connect it
//! keeps it, and can then be written by no converter.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::fields::{SchemaCache, add_field, map, structure};
use super::options::{Given, NULL_IS_DEFAULT, OptionInfo, OptionKind, Problem};
use super::registry::{TransformKind, of_parts};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::logical::{self, Logical};
use crate::data::schema::{Kind, Schema};
use crate::data::value::{entry, set_entry};
use crate::data::{Datum, SchemaRef, Struct, Value, java_text, literal};

const SPEC: &str = "spec";
const PURPOSE: &str = "Cast of fields";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_parts!("Cast"),
    options: &[
        OptionInfo::required(
            SPEC,
            OptionKind::List,
            "HIGH",
            "Fields and the type to cast each to, as field:type; or one type alone, for the whole \
             key or value. Types are int8, int16, int32, int64, float32, float64, boolean and \
             string.",
        ),
        NULL_IS_DEFAULT,
    ],
    make,
};

#[derive(Debug)]
struct Cast {
    part: Part,
    fields: Vec<(String, Kind)>,
    whole: Option<Kind>,
    null_is_default: bool,
    schemas: SchemaCache,
}

fn make(part: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let (mut fields, mut whole) = (Vec::new(), None);
    let specs = given.list(SPEC);
    for spec in &specs {
        let wrong = |why: &str| Problem::new(SPEC, format!("has `{spec}`: {why}"));
        let kind = |name: &str| match Kind::named(name.trim()) {
            Some(Kind::Bytes | Kind::Array | Kind::Map | Kind::Struct) => {
                Err(wrong("nothing can be cast to that type"))
            }
            Some(kind) => Ok(kind),
            None => Err(wrong("there is no such type")),
        };
        match spec.split(':').collect::<Vec<_>>()[..] {
            [name] => whole = Some(kind(name)?),
            [field, name] => fields.push((field.trim().to_owned(), kind(name)?)),
            _ => return Err(wrong("it must be field:type")),
        }
    }
    if whole.is_some() && specs.len() > 1 {
        return Err(Problem::new(SPEC, "has a type for the whole value, and more beside it"));
    }
    let null_is_default = given.null_is_default();
    let schemas = SchemaCache::default();
    Ok(Box::new(Cast { part, fields, whole, null_is_default, schemas }))
}

impl Transform for Cast {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        if record.datum(self.part).value.is_null() {
            return Ok(Outcome::Keep);
        }
        let Datum { schema, value } = record.take(self.part);
        let cast = match (schema, self.whole) {
            (None, Some(kind)) => Datum::plain(cast(None, &value, kind)?),
            (None, None) => {
                let mut fields = map(value, PURPOSE)?;
                for (name, kind) in &self.fields {
                    let null = Value::Null;
                    let value = cast(None, entry(&fields, name).unwrap_or(&null), *kind)?;
                    set_entry(&mut fields, name, value);
                }
                Datum::plain(Value::Map(fields))
            }
            (Some(schema), whole) => {
                let made = self.schema(&schema)?;
                let value = match whole {
                    Some(kind) => cast(Some(&schema), &value, kind)?,
                    None => self.fields_of(&structure(value, PURPOSE)?, &made)?,
                };
                Datum { schema: Some(made), value }
            }
        };
        record.set(self.part, cast);
        Ok(Outcome::Keep)
    }
}

impl Cast {
    fn target(&self, field: &str) -> Option<Kind> {
        self.fields.iter().rev().find(|(name, _)| name == field).map(|(_, kind)| *kind)
    }

    fn fields_of(&self, value: &Struct, made: &SchemaRef) -> Result<Value, TransformError> {
        let mut cast_fields = Struct::new(made.clone());
        for (at, (name, schema)) in value.schema().fields.iter().enumerate() {
            let field = value.at(at, self.null_is_default);
            match self.target(name) {
                Some(kind) => cast_fields.put(at, cast(Some(schema), field, kind)?)?,
                None => cast_fields.carry(at, field.clone())?,
            }
        }
        Ok(Value::Struct(cast_fields))
    }

    fn schema(&mut self, schema: &SchemaRef) -> Result<SchemaRef, TransformError> {
        let mut schemas = std::mem::take(&mut self.schemas);
        let made = schemas.get(schema, || {
            if let Some(kind) = self.whole {
                let basics = match schema.logical() {
                    Some(_) => Schema { doc: schema.doc.clone(), ..Schema::new(kind) },
                    None => schema.basics(kind),
                };
                return defaults(schema, Schema { optional: schema.optional, ..basics });
            }
            if schema.kind != Kind::Struct {
                // What the value is says the error.
                return Ok((**schema).clone());
            }
            let mut made = schema.basics(Kind::Struct);
            for (name, field) in &schema.fields {
                let field = match self.target(name) {
                    Some(kind) => {
                        let cast = Schema { optional: field.optional, ..Schema::new(kind) };
                        defaults(field, cast)?.into()
                    }
                    None => field.clone(),
                };
                made = add_field(made, name, field)?;
            }
            Ok(Schema { optional: schema.optional, ..made })
        });
        self.schemas = schemas;
        made
    }
}

/// The schema in the making with the default of the old one, cast.
fn defaults(schema: &Schema, made: Schema) -> Result<Schema, TransformError> {
    match &schema.default {
        None => Ok(made),
        Some(default) => {
            let default = cast(Some(schema), default, made.kind)?;
            Ok(made.with_default(default)?)
        }
    }
}

/// Numbers as Java narrows them, and text as it parses them.
enum Number {
    Whole(i64),
    Float(f64),
}

fn cast(schema: Option<&Schema>, value: &Value, target: Kind) -> Result<Value, TransformError> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let unsuited =
        || TransformError::new("unsuited-type", format!("{} cannot be cast", value.describe()));
    match schema.map(|schema| schema.kind).or_else(|| value.kind()) {
        Some(Kind::Array | Kind::Map | Kind::Struct) => return Err(unsuited()),
        // A number of JSON beyond 64 bits.
        None if !matches!(value, Value::Decimal(_)) => return Err(unsuited()),
        _ => {}
    }
    if target == Kind::String {
        return string(value).map(Value::String);
    }
    let number = match value {
        Value::Boolean(value) => Number::Whole((*value).into()),
        Value::Int8(number) => Number::Whole((*number).into()),
        Value::Int16(number) => Number::Whole((*number).into()),
        Value::Int32(number) => Number::Whole((*number).into()),
        Value::Int64(number) => Number::Whole(*number),
        Value::Float32(number) => Number::Float((*number).into()),
        Value::Float64(number) => Number::Float(*number),
        Value::Decimal(decimal) => match target {
            Kind::Float32 => return Ok(Value::Float32(decimal.to_f32())),
            Kind::Float64 => return Ok(Value::Float64(decimal.to_f64())),
            _ => Number::Whole(decimal.low_i64()),
        },
        Value::Instant(ms) => Number::Whole(match schema.and_then(Schema::logical) {
            Some(Logical::Date) => logical::days(*ms)?.into(),
            Some(Logical::Time) => logical::time_of_day(*ms)?.into(),
            _ => *ms,
        }),
        Value::String(text) => return parsed(text, target),
        _ => return Err(unsuited()),
    };
    Ok(match (target, number) {
        // Java makes an int of a float before it makes it narrower.
        (Kind::Int8, Number::Float(number)) => Value::Int8(number as i32 as i8),
        (Kind::Int16, Number::Float(number)) => Value::Int16(number as i32 as i16),
        (Kind::Int32, Number::Float(number)) => Value::Int32(number as i32),
        (Kind::Int64, Number::Float(number)) => Value::Int64(number as i64),
        (Kind::Float32, Number::Float(number)) => Value::Float32(number as f32),
        (Kind::Float64, Number::Float(number)) => Value::Float64(number),
        (_, Number::Float(number)) => Value::Boolean(number as i64 != 0),
        (Kind::Int8, Number::Whole(number)) => Value::Int8(number as i8),
        (Kind::Int16, Number::Whole(number)) => Value::Int16(number as i16),
        (Kind::Int32, Number::Whole(number)) => Value::Int32(number as i32),
        (Kind::Int64, Number::Whole(number)) => Value::Int64(number),
        (Kind::Float32, Number::Whole(number)) => Value::Float32(number as f32),
        (Kind::Float64, Number::Whole(number)) => Value::Float64(number as f64),
        (_, Number::Whole(number)) => Value::Boolean(number != 0),
    })
}

fn string(value: &Value) -> Result<String, TransformError> {
    Ok(match value {
        Value::Instant(ms) => literal::moment(*ms),
        Value::Bytes(bytes) => STANDARD.encode(bytes),
        other => java_text::text(other)?,
    })
}

fn parsed(text: &str, target: Kind) -> Result<Value, TransformError> {
    let value = match target {
        Kind::Int8 => text.parse().ok().map(Value::Int8),
        Kind::Int16 => text.parse().ok().map(Value::Int16),
        Kind::Int32 => text.parse().ok().map(Value::Int32),
        Kind::Int64 => text.parse().ok().map(Value::Int64),
        Kind::Float32 => float(text).map(Value::Float32),
        Kind::Float64 => float(text).map(Value::Float64),
        _ => Some(Value::Boolean(text.eq_ignore_ascii_case("true"))),
    };
    let wrong = || TransformError::new("out-of-range", format!("a string is no {target}"));
    value.ok_or_else(wrong)
}

/// A float as Java reads it: `1.5f`, ` NaN `. Not in hexadecimal.
fn float<F: std::str::FromStr>(text: &str) -> Option<F> {
    let text = text.trim();
    let digits = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    match text.strip_prefix(['+', '-']).unwrap_or(text) {
        "NaN" | "Infinity" => text.parse().ok(),
        // Rust has other words for these.
        _ if digits.contains(|it: char| it.is_alphabetic() && !"eE".contains(it)) => None,
        _ => digits.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_narrowed_as_java_narrows_them() {
        for (value, kind, expected) in [
            (Value::Int32(300), Kind::Int8, Value::Int8(44)),
            (Value::Float64(1e10), Kind::Int16, Value::Int16(-1)),
            (Value::Float64(f64::NAN), Kind::Int64, Value::Int64(0)),
            (Value::Float64(-1.9), Kind::Int32, Value::Int32(-1)),
            (Value::Float64(0.9), Kind::Boolean, Value::Boolean(false)),
            (Value::Boolean(true), Kind::Float32, Value::Float32(1.0)),
            (Value::text("+12"), Kind::Int8, Value::Int8(12)),
            (Value::text(" 1.5f"), Kind::Float64, Value::Float64(1.5)),
            (Value::text("-Infinity"), Kind::Float32, Value::Float32(f32::NEG_INFINITY)),
            (Value::text("TRUE"), Kind::Boolean, Value::Boolean(true)),
            (Value::Float32(1e10), Kind::String, Value::text("1.0E10")),
            (Value::Bytes(vec![1, 2]), Kind::String, Value::text("AQI=")),
        ] {
            assert_eq!(cast(None, &value, kind), Ok(expected), "{value:?} to {kind}");
        }
        for (value, kind) in [
            (Value::text("128"), Kind::Int8),
            (Value::text("inf"), Kind::Float64),
            (Value::text(""), Kind::Int64),
            (Value::Bytes(vec![1]), Kind::Int8),
            (Value::Array(Vec::new()), Kind::String),
        ] {
            assert!(cast(None, &value, kind).is_err(), "{value:?} to {kind}");
        }
    }
}
