//! `HeaderFrom`: fields as headers, copied or moved.

use std::sync::Arc;

use super::fields::{SchemaCache, add_field, map, structure, unknown_field};
use super::options::{Given, NULL_IS_DEFAULT, OptionInfo, OptionKind, Problem};
use super::registry::{TransformKind, of_parts};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::schema::Kind;
use crate::data::value::{entry, remove_entry};
use crate::data::{Datum, Struct, Value};

const FIELDS: &str = "fields";
const HEADERS: &str = "headers";
const OPERATION: &str = "operation";
const PURPOSE: &str = "HeaderFrom";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_parts!("HeaderFrom"),
    options: &[
        OptionInfo::required(FIELDS, OptionKind::List, "HIGH", "The fields that become headers."),
        OptionInfo::required(
            HEADERS,
            OptionKind::List,
            "HIGH",
            "The names of these headers, in the order of the fields.",
        ),
        OptionInfo::required(
            OPERATION,
            OptionKind::String,
            "HIGH",
            "Whether the fields stay where they are (copy) or not (move).",
        )
        .one_of(&["move", "copy"]),
        NULL_IS_DEFAULT,
    ],
    make,
};

#[derive(Debug)]
struct HeaderFrom {
    part: Part,
    /// Fields, and their headers.
    pairs: Vec<(String, Arc<str>)>,
    moves: bool,
    null_is_default: bool,
    schemas: SchemaCache,
}

fn make(part: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let (fields, headers) = (given.list(FIELDS), given.list(HEADERS));
    if fields.len() != headers.len() {
        let (fields, headers) = (fields.len(), headers.len());
        let message = format!("has {headers} names for {fields} `{FIELDS}`");
        return Err(Problem::new(HEADERS, message));
    }
    let pairs = fields.into_iter().zip(headers.into_iter().map(Into::into)).collect();
    Ok(Box::new(HeaderFrom {
        part,
        pairs,
        moves: given.needed(OPERATION) == "move",
        null_is_default: given.null_is_default(),
        schemas: SchemaCache::default(),
    }))
}

impl Transform for HeaderFrom {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        let Datum { schema, value } = record.datum(self.part);
        if schema.is_none() {
            let Value::Map(fields) = value else {
                // Says what it is.
                return map(record.take(self.part).value, PURPOSE).map(|_| Outcome::Keep);
            };
            let values = self.pairs.iter().map(|(field, _)| entry(fields, field).cloned());
            let values: Vec<_> = values.map(Option::unwrap_or_default).collect();
            for ((_, header), value) in self.pairs.iter().zip(values) {
                record.add_header(header.clone(), Datum::plain(value));
            }
            if self.moves {
                let mut fields = map(record.take(self.part).value, PURPOSE)?;
                for (field, _) in &self.pairs {
                    remove_entry(&mut fields, field);
                }
                record.set(self.part, Datum::plain(Value::Map(fields)));
            }
            return Ok(Outcome::Keep);
        }
        let Value::Struct(fields) = value else {
            return structure(record.take(self.part).value, PURPOSE).map(|_| Outcome::Keep);
        };
        let mut values = Vec::with_capacity(self.pairs.len());
        for (field, _) in &self.pairs {
            let at = fields.index_of(field).ok_or_else(|| unknown_field(field))?;
            let schema = Some(fields.schema().fields[at].clone());
            values.push(Datum { schema, value: fields.at(at, self.null_is_default).clone() });
        }
        if self.moves {
            let left = self.left(fields)?;
            record.set(self.part, left);
        }
        for ((_, header), value) in self.pairs.iter().zip(values) {
            record.add_header(header.clone(), value);
        }
        Ok(Outcome::Keep)
    }
}

impl HeaderFrom {
    /// The struct without what was moved.
    fn left(&mut self, fields: &Struct) -> Result<Datum, TransformError> {
        let pairs = &self.pairs;
        let schema = fields.schema();
        let made = self.schemas.get(schema, || {
            let mut made = schema.basics(Kind::Struct);
            for (name, field) in &schema.fields {
                if !pairs.iter().any(|(moved, _)| moved == name) {
                    made = add_field(made, name, field.clone())?;
                }
            }
            Ok(made)
        })?;
        let mut left = Struct::new(made.clone());
        for (at, name) in made.fields.keys().enumerate() {
            let value = fields.get(name, self.null_is_default).expect("it was there");
            left.carry(at, value.clone())?;
        }
        Ok(Datum { schema: Some(made), value: Value::Struct(left) })
    }
}
