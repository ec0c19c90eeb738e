//! `HoistField`: the whole becomes the one field of a struct or map.

use super::fields::{SchemaCache, add_field};
use super::options::{Given, OptionInfo, OptionKind, Problem};
use super::registry::{TransformKind, of_parts};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::schema::{Kind, Schema};
use crate::data::value::set_entry;
use crate::data::{Datum, Map, Struct, Value};

const FIELD: &str = "field";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_parts!("HoistField"),
    options: &[OptionInfo::required(FIELD, OptionKind::String, "MEDIUM", "The field's name.")],
    make,
};

#[derive(Debug)]
struct HoistField {
    part: Part,
    field: String,
    schemas: SchemaCache,
}

fn make(part: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let field = given.needed(FIELD).to_owned();
    Ok(Box::new(HoistField { part, field, schemas: SchemaCache::default() }))
}

impl Transform for HoistField {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        let Datum { schema, value } = record.take(self.part);
        let hoisted = match schema {
            None => {
                let mut map = Map::new();
                set_entry(&mut map, &self.field, value);
                Datum::plain(Value::Map(map))
            }
            Some(schema) => {
                let field = &self.field;
                let made = self
                    .schemas
                    .get(&schema, || add_field(Schema::new(Kind::Struct), field, schema.clone()))?;
                let mut hoisted = Struct::new(made.clone());
                hoisted.put(0, value)?;
                Datum { schema: Some(made), value: Value::Struct(hoisted) }
            }
        };
        record.set(self.part, hoisted);
        Ok(Outcome::Keep)
    }
}
