//! `ValueToKey`: a key of fields of the value.

use super::fields::{SchemaCache, add_field, unknown_field};
use super::options::{Given, NULL_IS_DEFAULT, OptionInfo, OptionKind, Problem};
use super::registry::{Reads, TransformKind, of_records};
use super::{Outcome, Record, Transform, TransformError, fields};
use crate::convert::Part;
use crate::data::schema::{Kind, Schema};
use crate::data::value::{entry, set_entry};
use crate::data::{Datum, Map, Struct, Value};

const FIELDS: &str = "fields";
const PURPOSE: &str = "ValueToKey";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_records!("ValueToKey", Reads::VALUE),
    options: &[
        OptionInfo::required(
            FIELDS,
            OptionKind::List,
            "HIGH",
            "The fields of the value that make up the key.",
        ),
        NULL_IS_DEFAULT,
    ],
    make,
};

#[derive(Debug)]
struct ValueToKey {
    fields: Vec<String>,
    null_is_default: bool,
    schemas: SchemaCache,
}

fn make(_: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let (fields, null_is_default) = (given.list(FIELDS), given.null_is_default());
    Ok(Box::new(ValueToKey { fields, null_is_default, schemas: SchemaCache::default() }))
}

impl Transform for ValueToKey {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        let Datum { schema, value } = record.datum(Part::Value);
        let key = match (schema, value) {
            (None, Value::Map(value)) => {
                let mut key = Map::new();
                for field in &self.fields {
                    set_entry(&mut key, field, entry(value, field).cloned().unwrap_or_default());
                }
                Datum::plain(Value::Map(key))
            }
            (None, other) => return fields::map(other.clone(), PURPOSE).map(|_| Outcome::Keep),
            (Some(_), Value::Struct(value)) => {
                let names = &self.fields;
                let made = self.schemas.get(value.schema(), || {
                    let mut made = Schema::new(Kind::Struct);
                    for name in names {
                        let field = value.schema().fields.get(name);
                        let field = field.ok_or_else(|| unknown_field(name))?;
                        made = add_field(made, name, field.clone())?;
                    }
                    Ok(made)
                })?;
                let mut key = Struct::new(made.clone());
                for (at, name) in self.fields.iter().enumerate() {
                    let field = value.get(name, self.null_is_default);
                    key.carry(at, field.expect("the schema has it").clone())?;
                }
                Datum { schema: Some(made), value: Value::Struct(key) }
            }
            (_, other) => return fields::structure(other.clone(), PURPOSE).map(|_| Outcome::Keep),
        };
        record.set(Part::Key, key);
        Ok(Outcome::Keep)
    }
}
