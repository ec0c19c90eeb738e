//! `SetSchemaMetadata`: another name or version of the schema.

use super::fields::SchemaCache;
use super::options::{Given, NULL_IS_DEFAULT, OptionInfo, OptionKind, Problem};
use super::registry::{TransformKind, of_parts};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::schema::Schema;
use crate::data::{Datum, Struct, Value};

const NAME: &str = "schema.name";
const VERSION: &str = "schema.version";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_parts!("SetSchemaMetadata"),
    options: &[
        OptionInfo::optional(NAME, OptionKind::String, None, "HIGH", "The schema's name."),
        OptionInfo::optional(VERSION, OptionKind::Int, None, "HIGH", "The schema's version."),
        NULL_IS_DEFAULT,
    ],
    make,
};

#[derive(Debug)]
struct SetSchemaMetadata {
    part: Part,
    name: Option<String>,
    version: Option<i32>,
    null_is_default: bool,
    schemas: SchemaCache,
}

fn make(part: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let (name, version) = (given.text(NAME).map(str::to_owned), given.int(VERSION));
    if name.is_none() && version.is_none() {
        return Err(Problem::new(NAME, format!("or `{VERSION}` must be given")));
    }
    let null_is_default = given.null_is_default();
    let schemas = SchemaCache::default();
    Ok(Box::new(SetSchemaMetadata { part, name, version, null_is_default, schemas }))
}

impl Transform for SetSchemaMetadata {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        let Datum { schema, value } = record.take(self.part);
        let Some(schema) = schema else {
            if value.is_null() {
                // A tombstone has no schema, and needs none.
                return Ok(Outcome::Keep);
            }
            let message = "SetSchemaMetadata takes only what has a schema";
            return Err(TransformError::new("no-schema", message));
        };
        let (name, version) = (&self.name, self.version);
        let made = self.schemas.get(&schema, || {
            let name = name.clone().or_else(|| schema.name.clone());
            Ok(Schema { name, version: version.or(schema.version), ..(*schema).clone() })
        })?;
        let value = match value {
            Value::Struct(value) => {
                let mut renamed = Struct::new(made.clone());
                for at in 0..made.fields.len() {
                    renamed.carry(at, value.at(at, self.null_is_default).clone())?;
                }
                Value::Struct(renamed)
            }
            other => other,
        };
        record.set(self.part, Datum { schema: Some(made), value });
        Ok(Outcome::Keep)
    }
}
