//! `InsertField`: fields with what is known of the record beside its key and value.

use super::fields::{SchemaCache, add_field, map, structure};
use super::options::{Given, NULL_IS_DEFAULT, OptionInfo, OptionKind, Problem};
use super::registry::{TransformKind, of_parts};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::logical::Logical;
use crate::data::schema::{Kind, primitive};
use crate::data::value::set_entry;
use crate::data::{Datum, SchemaRef, Struct, Value};

const STATIC_FIELD: &str = "static.field";
const STATIC_VALUE: &str = "static.value";
const PURPOSE: &str = "InsertField";

const fn field(name: &'static str, doc: &'static str) -> OptionInfo {
    OptionInfo::optional(name, OptionKind::String, None, "MEDIUM", doc)
}

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_parts!("InsertField"),
    options: &[
        field(
            "topic.field",
            "The field that gets the topic. With ! behind its name it is a required one, with ? \
             an optional one, which it also is without either.",
        ),
        field("partition.field", "The field that gets the partition, with ! or ? behind it."),
        field("offset.field", "The field that gets the offset, for sinks; with ! or ? behind it."),
        field("timestamp.field", "The field that gets the record's time, with ! or ? behind it."),
        field(STATIC_FIELD, "The field that gets `static.value`, with ! or ? behind it."),
        field(STATIC_VALUE, "What `static.field` gets."),
        NULL_IS_DEFAULT,
    ],
    make,
};

/// What a field gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static,
}

#[derive(Debug)]
struct Insertion {
    source: Source,
    field: String,
    optional: bool,
}

#[derive(Debug)]
struct InsertField {
    part: Part,
    insertions: Vec<Insertion>,
    fixed: String,
    null_is_default: bool,
    schemas: SchemaCache,
}

fn make(part: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let mut insertions = Vec::new();
    for (option, source) in [
        ("topic.field", Source::Topic),
        ("partition.field", Source::Partition),
        ("offset.field", Source::Offset),
        ("timestamp.field", Source::Timestamp),
        (STATIC_FIELD, Source::Static),
    ] {
        let Some(spec) = given.text(option) else { continue };
        let optional = !spec.ends_with('!');
        let field = spec.strip_suffix(['!', '?']).unwrap_or(spec).to_owned();
        insertions.push(Insertion { source, field, optional });
    }
    if insertions.is_empty() {
        return Err(Problem::new("topic.field", "or another field to insert must be given"));
    }
    let fixed = given.text(STATIC_VALUE);
    if fixed.is_none() && insertions.iter().any(|it| it.source == Source::Static) {
        return Err(Problem::new(STATIC_VALUE, format!("is missing: `{STATIC_FIELD}` gets it")));
    }
    Ok(Box::new(InsertField {
        part,
        insertions,
        fixed: fixed.unwrap_or_default().to_owned(),
        null_is_default: given.null_is_default(),
        schemas: SchemaCache::default(),
    }))
}

impl Source {
    fn schema(self, optional: bool) -> SchemaRef {
        match self {
            Self::Topic | Self::Static => primitive(Kind::String, optional),
            Self::Partition => primitive(Kind::Int32, optional),
            Self::Offset => primitive(Kind::Int64, optional),
            Self::Timestamp => Logical::Timestamp.schema(optional),
        }
    }
}

impl Transform for InsertField {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        if record.datum(self.part).value.is_null() {
            return Ok(Outcome::Keep);
        }
        let Datum { schema, value } = record.take(self.part);
        let inserted = match schema {
            None => {
                let mut fields = map(value, PURPOSE)?;
                for insertion in &self.insertions {
                    match self.value(insertion.source, record)? {
                        Value::Null => {}
                        // Without a schema a time is a number.
                        Value::Instant(ms) => {
                            set_entry(&mut fields, &insertion.field, Value::Int64(ms));
                        }
                        value => set_entry(&mut fields, &insertion.field, value),
                    }
                }
                Datum::plain(Value::Map(fields))
            }
            Some(_) => self.with_schema(structure(value, PURPOSE)?, record)?,
        };
        record.set(self.part, inserted);
        Ok(Outcome::Keep)
    }
}

impl InsertField {
    /// Null for what the record does not have.
    fn value(&self, source: Source, record: &Record) -> Result<Value, TransformError> {
        Ok(match source {
            Source::Topic => Value::text(&record.topic),
            Source::Partition => record.partition.map_or(Value::Null, Value::Int32),
            Source::Offset => {
                let none = || {
                    let message = "a record on its way from a source has no offset yet";
                    TransformError::new("no-offset", message)
                };
                Value::Int64(record.offset.ok_or_else(none)?)
            }
            Source::Timestamp => record.timestamp_ms.map_or(Value::Null, Value::Instant),
            Source::Static => Value::text(&self.fixed),
        })
    }

    fn with_schema(&mut self, value: Struct, record: &Record) -> Result<Datum, TransformError> {
        let insertions = &self.insertions;
        let schema = value.schema();
        let made = self.schemas.get(schema, || {
            let mut made = schema.basics(Kind::Struct);
            for (name, field) in &schema.fields {
                made = add_field(made, name, field.clone())?;
            }
            for Insertion { source, field, optional } in insertions {
                made = add_field(made, field, source.schema(*optional))?;
            }
            Ok(made)
        })?;
        let mut inserted = Struct::new(made.clone());
        let count = schema.fields.len();
        for at in 0..count {
            inserted.carry(at, value.at(at, self.null_is_default).clone())?;
        }
        for (at, insertion) in self.insertions.iter().enumerate() {
            match self.value(insertion.source, record)? {
                Value::Null => {}
                value => inserted.put(count + at, value)?,
            }
        }
        Ok(Datum { schema: Some(made), value: Value::Struct(inserted) })
    }
}
