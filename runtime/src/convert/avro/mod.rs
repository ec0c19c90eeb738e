//! `avro`: Avro with the schemas of a registry, as Confluent's `AvroConverter` reads and
//! writes it.
//!
//! | file | what it is |
//! | --- | --- |
//! | `types` | Avro's types, and the properties by which data is more than they say |
//! | `parse` | a schema's JSON, read into a type and a schema of the data model |
//! | `schema_text`, `names` | a schema of the data model as Avro's JSON |
//! | `defaults` | defaults in schemas, both ways |
//! | `decode`, `encode` | the binary encoding, both ways |

mod decode;
mod defaults;
mod encode;
mod names;
mod parse;
mod schema_text;
mod types;

use self::parse::{Names, Reading};
use self::schema_text::Writing;
pub use self::types::AvroSchema;
use self::types::DEFAULT_NAME;
use super::registered::agree;
use super::registered::format::{Format, Named};
use crate::data::{DataError, Datum, SchemaRef};
use crate::registry::SchemaKind;

/// The converter's own options, under `key.converter.` or `value.converter.`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvroOptions {
    /// `enhanced.avro.schema.support`: enums stay enums; branches of unions have full
    /// names.
    pub enhanced: bool,
    /// `connect.meta.data`: descriptions, versions and parameters go along.
    pub metadata: bool,
    /// `scrub.invalid.names`: names that Avro does not allow are changed.
    pub scrub: bool,
    /// `ignore.default.for.nullables=false`: a null stands for its field's default.
    pub null_is_default: bool,
}

impl Default for AvroOptions {
    /// Confluent's.
    fn default() -> Self {
        Self { enhanced: false, metadata: true, scrub: false, null_is_default: true }
    }
}

/// Avro, as Confluent's `AvroData` maps it.
#[derive(Debug)]
pub struct AvroFormat(pub AvroOptions);

impl Format for AvroFormat {
    type Schema = AvroSchema;

    const NAME: &'static str = "avro";
    const KIND: SchemaKind = SchemaKind::Avro;

    fn parse(&self, text: &str, named: &[Named]) -> Result<AvroSchema, DataError> {
        let reading = Reading { enhanced: self.0.enhanced, metadata: self.0.metadata };
        let mut names = Names::default();
        for other in named {
            parse::parse(&other.text, &mut names, reading)
                .map_err(|error| DataError(format!("`{}`, which it names: {error}", other.name)))?;
        }
        parse::parse(text, &mut names, reading)
    }

    fn text(&self, schema: &SchemaRef) -> Result<String, DataError> {
        let AvroOptions { enhanced, metadata, scrub, .. } = self.0;
        schema_text::text(schema, Writing { enhanced, metadata, scrub })
    }

    fn record_name(&self, schema: &SchemaRef) -> Result<Option<String>, DataError> {
        let name = names::TypeName::of(schema.name.as_deref(), DEFAULT_NAME, self.0.scrub)?;
        Ok(Some(name.full()))
    }

    fn agree(&self, own: &SchemaRef, theirs: &AvroSchema, strict: bool) -> Result<(), DataError> {
        match &theirs.connect {
            Some(connect) => agree::check(own, connect, strict, &|name| {
                names::field(name, true).ok().map(Into::into)
            }),
            None => Err(DataError::new("it holds nothing but null")),
        }
    }

    fn decode(&self, schema: &AvroSchema, data: &[u8]) -> Result<Datum, DataError> {
        let Some(connect) = &schema.connect else { return Ok(Datum::default()) };
        let value = decode::read_whole(&schema.avro, connect, data)?;
        Ok(Datum { schema: Some(connect.clone()), value })
    }

    fn encode(
        &self,
        schema: &AvroSchema,
        datum: &Datum,
        out: &mut Vec<u8>,
    ) -> Result<(), DataError> {
        let AvroOptions { null_is_default, scrub, .. } = self.0;
        let form = encode::Form { null_is_default, scrub };
        let Some(own) = &datum.schema else { return Err(DataError::new("it has no schema")) };
        encode::write_whole(&schema.avro, own, &datum.value, form, out)
    }
}

#[cfg(test)]
mod tests;
