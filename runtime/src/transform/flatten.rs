//! `Flatten`: nested fields become fields of the whole, under the names on the way to
//! them. Arrays stay as they are; with a schema a map cannot be flattened.

use std::sync::Arc;

use super::fields::{SchemaCache, add_field, map, structure};
use super::options::{Given, OptionInfo, OptionKind, Problem};
use super::registry::{TransformKind, of_parts};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::schema::{Kind, Schema};
use crate::data::{Datum, Map, Struct, Value};

const DELIMITER: &str = "delimiter";
const PURPOSE: &str = "Flatten";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_parts!("Flatten"),
    options: &[OptionInfo::optional(
        DELIMITER,
        OptionKind::String,
        Some("."),
        "MEDIUM",
        "What stands between the names on the way to a field.",
    )],
    make,
};

#[derive(Debug)]
struct Flatten {
    part: Part,
    delimiter: String,
    schemas: SchemaCache,
}

fn make(part: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let delimiter = given.needed(DELIMITER).to_owned();
    Ok(Box::new(Flatten { part, delimiter, schemas: SchemaCache::default() }))
}

impl Transform for Flatten {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        if record.datum(self.part).value.is_null() {
            return Ok(Outcome::Keep);
        }
        let Datum { schema, value } = record.take(self.part);
        let flat = match schema {
            None => {
                let mut flat = Map::new();
                self.map(map(value, PURPOSE)?, "", &mut flat)?;
                Datum::plain(Value::Map(flat))
            }
            Some(schema) => {
                let value = structure(value, PURPOSE)?;
                let delimiter = &self.delimiter;
                let made = self.schemas.get(&schema, || {
                    let default = match &schema.default {
                        Some(Value::Struct(default)) => Some(default),
                        _ => None,
                    };
                    let basics = schema.basics(Kind::Struct);
                    flat_schema(delimiter, &schema, "", schema.optional, default, basics)
                })?;
                let mut flat = Struct::new(made.clone());
                let mut next = 0;
                fill(&value, &mut flat, &mut next)?;
                Datum { schema: Some(made), value: Value::Struct(flat) }
            }
        };
        record.set(self.part, flat);
        Ok(Outcome::Keep)
    }
}

fn name(delimiter: &str, prefix: &str, field: &str) -> String {
    match prefix {
        "" => field.to_owned(),
        prefix => format!("{prefix}{delimiter}{field}"),
    }
}

fn unsuited(found: &str, field: &str) -> TransformError {
    let message = format!("{PURPOSE} takes no {found} (in the field `{field}`)");
    TransformError::new("unsuited-type", message)
}

impl Flatten {
    fn map(&self, entries: Map, prefix: &str, flat: &mut Map) -> Result<(), TransformError> {
        for (key, value) in entries {
            let Value::String(key) = key else {
                return Err(unsuited("key other than text", prefix));
            };
            let name = name(&self.delimiter, prefix, &key);
            match value {
                Value::Map(inner) => self.map(inner, &name, flat)?,
                Value::Struct(_) | Value::Instant(_) => {
                    return Err(unsuited("such value without a schema", &name));
                }
                other => {
                    flat.insert(Value::String(name), other);
                }
            }
        }
        Ok(())
    }
}

fn flat_schema(
    delimiter: &str,
    schema: &Schema,
    prefix: &str,
    optional: bool,
    default: Option<&Struct>,
    mut flat: Schema,
) -> Result<Schema, TransformError> {
    for (at, (field, schema)) in schema.fields.iter().enumerate() {
        let name = name(delimiter, prefix, field);
        let optional = optional || schema.optional;
        let of_parent = || default.map(|it| it.at(at, true)).filter(|it| !it.is_null());
        let default = schema.default.as_ref().or_else(of_parent);
        match schema.kind {
            Kind::Struct => {
                let default = match default {
                    Some(Value::Struct(default)) => Some(default),
                    _ => None,
                };
                flat = flat_schema(delimiter, schema, &name, optional, default, flat)?;
            }
            Kind::Map => return Err(unsuited("map under a schema", &name)),
            kind => {
                let element = schema.element.clone();
                let made = Schema { optional, element, ..schema.basics(kind) };
                let made = match default {
                    Some(default) => made.with_default(default.clone())?,
                    None => made,
                };
                flat = add_field(flat, &name, Arc::new(made))?;
            }
        }
    }
    Ok(flat)
}

/// Sets the fields from the `next` on to those of `value`, in the order in which their
/// schema was made.
fn fill(value: &Struct, flat: &mut Struct, next: &mut usize) -> Result<(), TransformError> {
    for (at, schema) in value.schema().fields.values().enumerate() {
        if schema.kind != Kind::Struct {
            flat.put(*next, value.at(at, true).clone())?;
            *next += 1;
            continue;
        }
        match value.at(at, false) {
            Value::Struct(inner) => fill(inner, flat, next)?,
            // Its fields stay null.
            _ => *next += leaves(schema),
        }
    }
    Ok(())
}

fn leaves(schema: &Schema) -> usize {
    let fields = schema.fields.values();
    fields.map(|field| if field.kind == Kind::Struct { leaves(field) } else { 1 }).sum()
}
