//! `ReplaceField`: fields left out, or under other names.

use super::fields::{SchemaCache, add_field, map, structure};
use super::options::{Given, NULL_IS_DEFAULT, OptionInfo, OptionKind, Problem};
use super::registry::{TransformKind, of_parts};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::schema::Kind;
use crate::data::{Datum, Struct, Value};

const EXCLUDE: &str = "exclude";
const INCLUDE: &str = "include";
const RENAMES: &str = "renames";
const PURPOSE: &str = "ReplaceField";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_parts!("ReplaceField"),
    options: &[
        OptionInfo::optional(
            EXCLUDE,
            OptionKind::List,
            Some(""),
            "MEDIUM",
            "Fields to leave out, also if they are among those of `include`.",
        ),
        OptionInfo::optional(
            INCLUDE,
            OptionKind::List,
            Some(""),
            "MEDIUM",
            "The only fields that stay; all if none is named.",
        ),
        OptionInfo::optional(
            RENAMES,
            OptionKind::List,
            Some(""),
            "MEDIUM",
            "Other names of fields, as old:new.",
        ),
        NULL_IS_DEFAULT,
    ],
    make,
};

#[derive(Debug)]
struct ReplaceField {
    part: Part,
    names: Names,
    null_is_default: bool,
    schemas: SchemaCache,
}

#[derive(Debug)]
struct Names {
    exclude: Vec<String>,
    include: Vec<String>,
    renames: Vec<(String, String)>,
}

impl Names {
    fn stays(&self, field: &str) -> bool {
        let among = |names: &[String]| names.iter().any(|name| name == field);
        !among(&self.exclude) && (self.include.is_empty() || among(&self.include))
    }

    fn renamed<'a>(&'a self, field: &'a str) -> &'a str {
        let renamed = self.renames.iter().rev().find(|(old, _)| old == field);
        renamed.map_or(field, |(_, new)| new)
    }
}

fn make(part: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let mut renames = Vec::new();
    for rename in given.list(RENAMES) {
        match rename.split(':').collect::<Vec<_>>()[..] {
            [old, new] => renames.push((old.to_owned(), new.to_owned())),
            _ => return Err(Problem::new(RENAMES, format!("has `{rename}`: it must be old:new"))),
        }
    }
    let names = Names { exclude: given.list(EXCLUDE), include: given.list(INCLUDE), renames };
    let null_is_default = given.null_is_default();
    Ok(Box::new(ReplaceField { part, names, null_is_default, schemas: SchemaCache::default() }))
}

impl Transform for ReplaceField {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        if record.datum(self.part).value.is_null() {
            return Ok(Outcome::Keep);
        }
        let Datum { schema, value } = record.take(self.part);
        let names = &self.names;
        let replaced = match schema {
            None => {
                let stay = map(value, PURPOSE)?.into_iter().filter_map(|(key, value)| match key {
                    Value::String(key) => {
                        names.stays(&key).then(|| (Value::text(names.renamed(&key)), value))
                    }
                    key => Some((key, value)),
                });
                Datum::plain(Value::Map(stay.collect()))
            }
            Some(_) => {
                let value = structure(value, PURPOSE)?;
                let schema = value.schema().clone();
                let made = self.schemas.get(&schema, || {
                    let mut made = schema.basics(Kind::Struct);
                    for (name, field) in schema.fields.iter().filter(|(name, _)| names.stays(name))
                    {
                        made = add_field(made, names.renamed(name), field.clone())?;
                    }
                    Ok(made)
                })?;
                let mut replaced = Struct::new(made.clone());
                let stay = schema.fields.keys().enumerate().filter(|(_, name)| names.stays(name));
                for (to, (from, _)) in stay.enumerate() {
                    replaced.carry(to, value.at(from, self.null_is_default).clone())?;
                }
                Datum { schema: Some(made), value: Value::Struct(replaced) }
            }
        };
        record.set(self.part, replaced);
        Ok(Outcome::Keep)
    }
}
