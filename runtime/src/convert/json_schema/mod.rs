//! `json-schema`: JSON with its JSON Schema in a registry, as Confluent's
//! `JsonSchemaConverter` reads and writes it.
//!
//! | file | what it is |
//! | --- | --- |
//! | `parse` | a JSON Schema, read into a schema of the data model |
//! | `schema_text` | a schema of the data model as JSON Schema |
//!
//! The data itself is JSON as the `json` converter has it, in the
//! [dialect](super::json_data::Dialect) that JSON Schema has words for.

mod parse;
mod schema_text;

use super::json::utf8;
use super::json_data::{self, Dialect, Form};
use super::json_tree::Json;
use super::registered::agree;
use super::registered::format::{Format, Named};
use crate::data::schema::{Kind, SchemaRef};
use crate::data::{DataError, Datum};
use crate::registry::SchemaKind;

/// What begins the names of what JSON Schema has and the data model does not.
const NAMESPACE: &str = "io.confluent.connect.json";
/// The parameter of a string that is an enum; its symbols are parameters below it.
const ENUM: &str = "io.confluent.connect.json.Enum";

/// The converter's own options, under `key.converter.` or `value.converter.`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonSchemaOptions {
    /// `decimal.format=NUMERIC`: decimals are numbers, and not base64 of their bytes.
    pub numeric_decimals: bool,
    /// `use.optional.for.nonrequired`: what a schema does not require may be null.
    pub optional_unless_required: bool,
    /// `ignore.default.for.nullables=false`: a null stands for its field's default.
    pub null_is_default: bool,
}

impl Default for JsonSchemaOptions {
    /// Confluent's.
    fn default() -> Self {
        Self { numeric_decimals: false, optional_unless_required: false, null_is_default: true }
    }
}

/// JSON Schema, as Confluent's `JsonSchemaData` maps it.
#[derive(Debug)]
pub struct JsonSchemaFormat(pub JsonSchemaOptions);

impl JsonSchemaFormat {
    fn form(&self) -> Form {
        let JsonSchemaOptions { numeric_decimals, null_is_default, .. } = self.0;
        Form { numeric_decimals, null_is_default, dialect: Dialect::JsonSchema }
    }
}

impl Format for JsonSchemaFormat {
    /// `None` for a schema of null alone.
    type Schema = Option<SchemaRef>;

    const NAME: &'static str = "json-schema";
    const KIND: SchemaKind = SchemaKind::Json;

    fn parse(&self, text: &str, named: &[Named]) -> Result<Self::Schema, DataError> {
        parse::parse(text, named, self.0.optional_unless_required, self.form())
    }

    fn text(&self, schema: &SchemaRef) -> Result<String, DataError> {
        schema_text::text(schema, self.0.optional_unless_required, self.form())
    }

    fn record_name(&self, schema: &SchemaRef) -> Result<Option<String>, DataError> {
        Ok(schema.name.clone())
    }

    fn agree(&self, own: &SchemaRef, theirs: &Self::Schema, strict: bool) -> Result<(), DataError> {
        let Some(theirs) = theirs else { return Err(DataError::new("it holds nothing but null")) };
        agree::check(own, theirs, strict, &|name| Some(name.into()))?;
        kinds(own, theirs)
    }

    fn decode(&self, schema: &Self::Schema, data: &[u8]) -> Result<Datum, DataError> {
        let text = utf8(Self::NAME, data).map_err(|error| DataError(error.to_string()))?;
        let json = Json::parse(text).map_err(|error| DataError(format!("not JSON: {error}")))?;
        if schema.is_none() && json != Json::Null {
            return Err(DataError(format!("{} where nothing but null can be", json.describe())));
        }
        let value = json_data::read(schema.as_ref(), Some(&json), self.form())?;
        Ok(Datum { schema: schema.clone(), value })
    }

    fn encode(&self, _: &Self::Schema, datum: &Datum, out: &mut Vec<u8>) -> Result<(), DataError> {
        json_data::write(datum.schema.as_deref(), &datum.value, self.form(), out)
    }
}

/// Refuses data that is other JSON than the registry's schema has.
fn kinds(own: &SchemaRef, theirs: &SchemaRef) -> Result<(), DataError> {
    let in_json = |kind: Kind| match kind {
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => Kind::Int64,
        Kind::Float32 | Kind::Float64 => Kind::Float64,
        other => other,
    };
    let whole_for_number =
        in_json(own.kind) == Kind::Int64 && in_json(theirs.kind) == Kind::Float64;
    if in_json(own.kind) != in_json(theirs.kind) && !whole_for_number {
        return Err(DataError(format!("data is {own}, and the schema has {theirs}")));
    }
    if own.optional && !theirs.optional {
        return Err(DataError(format!("data may be null, and the schema requires {theirs}")));
    }
    for (one, other) in [(&own.key, &theirs.key), (&own.element, &theirs.element)] {
        if let (Some(one), Some(other)) = (one, other) {
            kinds(one, other)?;
        }
    }
    for (name, field) in &own.fields {
        if let Some(other) = theirs.fields.get(name) {
            kinds(field, other).map_err(|error| DataError(format!("`{name}`: {error}")))?;
        }
    }
    let left_out = theirs.fields.iter().find(|(name, other)| {
        !own.fields.contains_key(*name) && !other.optional && other.default.is_none()
    });
    match left_out {
        Some((name, _)) => {
            Err(DataError(format!("the schema requires `{name}`, which data lacks")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
