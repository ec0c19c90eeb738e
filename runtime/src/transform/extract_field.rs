//! `ExtractField`: one field in place of the whole.

use super::fields::{FieldPath, map, structure};
use super::options::{Given, NULL_IS_DEFAULT, OptionInfo, OptionKind, Problem};
use super::registry::{TransformKind, of_parts};
use super::{Outcome, Record, Transform, TransformError};
use crate::convert::Part;
use crate::data::{Datum, Value};

const FIELD: &str = "field";
const SYNTAX: &str = "field.syntax.version";
const PURPOSE: &str = "ExtractField";

pub(super) static KIND: TransformKind = TransformKind {
    classes: of_parts!("ExtractField"),
    options: &[
        OptionInfo::required(FIELD, OptionKind::String, "MEDIUM", "The field to extract."),
        OptionInfo::optional(
            SYNTAX,
            OptionKind::String,
            Some("V1"),
            "HIGH",
            "V1: the field is a name. V2: names with dots between them lead to nested fields; one \
             that has dots stands in backticks.",
        )
        .one_of(&["V1", "V2"]),
        NULL_IS_DEFAULT,
    ],
    make,
};

#[derive(Debug)]
struct ExtractField {
    part: Part,
    given: String,
    path: FieldPath,
    null_is_default: bool,
}

fn make(part: Part, given: &Given<'_>) -> Result<Box<dyn Transform>, Problem> {
    let field = given.needed(FIELD);
    let path = match given.needed(SYNTAX) {
        "V2" => FieldPath::nested(FIELD, field)?,
        _ => FieldPath::name(field),
    };
    let null_is_default = given.null_is_default();
    Ok(Box::new(ExtractField { part, given: field.to_owned(), path, null_is_default }))
}

impl Transform for ExtractField {
    fn apply(&mut self, record: &mut Record) -> Result<Outcome, TransformError> {
        let Datum { schema, value } = record.take(self.part);
        let extracted = match schema {
            None if value.is_null() => Datum::default(),
            None => Datum::plain(self.path.of_map(&map(value, PURPOSE)?, PURPOSE)?),
            Some(schema) => {
                let value = match value {
                    Value::Null => None,
                    value => Some(structure(value, PURPOSE)?),
                };
                let Some(field) = self.path.schema(&schema) else {
                    return Err(super::fields::unknown_field(&self.given));
                };
                let of_struct = |it| self.path.of_struct(&it, self.null_is_default, PURPOSE);
                let value = value.map_or(Ok(Value::Null), of_struct)?;
                Datum { schema: Some(field.clone()), value }
            }
        };
        record.set(self.part, extracted);
        Ok(Outcome::Keep)
    }
}
