//! A schema of the data model as JSON Schema: the rules of Confluent's
//! `JsonSchemaData.fromConnectSchema`.

use super::super::json::write_string;
use super::super::json_data::{self, Form, ONE_OF};
use super::{ENUM, NAMESPACE};
use crate::data::DataError;
use crate::data::logical::Logical;
use crate::data::schema::{Kind, Schema, SchemaRef};

/// The schema's JSON; `requires`: fields that may not be null are `required`.
pub(super) fn text(schema: &SchemaRef, requires: bool, form: Form) -> Result<String, DataError> {
    let mut writer = Writer { form, requires, out: Vec::new() };
    writer.schema(schema, None)?;
    Ok(String::from_utf8(writer.out).expect("JSON is text"))
}

struct Writer {
    form: Form,
    requires: bool,
    out: Vec<u8>,
}

impl Writer {
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn member(&mut self, name: &str, value: &str) {
        self.raw(",");
        write_string(name, &mut self.out);
        self.raw(":");
        write_string(value, &mut self.out);
    }

    fn index(&mut self, index: Option<usize>) {
        if let Some(index) = index {
            self.raw(&format!(",\"connect.index\":{index}"));
        }
    }

    /// A schema; `index` is its place in a struct.
    fn schema(&mut self, schema: &SchemaRef, index: Option<usize>) -> Result<(), DataError> {
        if schema.kind == Kind::Struct && schema.name.as_deref() == Some(ONE_OF) {
            self.raw("{\"oneOf\":[");
            if schema.optional {
                self.raw("{\"type\":\"null\"}");
            }
            for (at, part) in schema.fields.values().enumerate() {
                if at > 0 || schema.optional {
                    self.raw(",");
                }
                self.base(part, Some(at))?;
            }
            self.raw("]");
            self.index(index);
            self.raw("}");
            return Ok(());
        }
        if !schema.optional {
            return self.base(schema, index);
        }
        self.raw("{\"oneOf\":[{\"type\":\"null\"},");
        self.base(schema, None)?;
        self.raw("]");
        self.index(index);
        self.raw("}");
        Ok(())
    }

    /// A schema without regard to its being optional.
    fn base(&mut self, schema: &SchemaRef, index: Option<usize>) -> Result<(), DataError> {
        let own = match schema.kind {
            Kind::Int8 => Some("int8"),
            Kind::Int16 => Some("int16"),
            Kind::Int32 => Some("int32"),
            Kind::Int64 => Some("int64"),
            Kind::Float32 => Some("float32"),
            Kind::Float64 => Some("float64"),
            Kind::Bytes => Some("bytes"),
            Kind::Map => Some("map"),
            _ => None,
        };
        match schema.kind {
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => {
                self.raw("{\"type\":\"integer\"")
            }
            Kind::Float32 | Kind::Float64 => self.raw("{\"type\":\"number\""),
            Kind::Boolean => self.raw("{\"type\":\"boolean\""),
            Kind::Bytes if schema.logical() == Some(Logical::Decimal) => {
                self.raw("{\"type\":\"number\"");
            }
            Kind::String if schema.parameters.contains_key(ENUM) => self.symbols(schema),
            Kind::String | Kind::Bytes => self.raw("{\"type\":\"string\""),
            Kind::Array => {
                self.raw("{\"type\":\"array\",\"items\":");
                self.schema(part(&schema.element)?, None)?;
            }
            Kind::Map if json_data::has_text_keys(schema, self.form) => {
                self.raw("{\"type\":\"object\",\"additionalProperties\":");
                self.schema(part(&schema.element)?, None)?;
            }
            Kind::Map => {
                self.raw(
                    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"key\":",
                );
                self.schema(part(&schema.key)?, Some(0))?;
                self.raw(",\"value\":");
                self.schema(part(&schema.element)?, Some(1))?;
                self.raw("}}");
            }
            Kind::Struct => {
                self.raw("{\"type\":\"object\",\"properties\":{");
                for (at, (name, field)) in schema.fields.iter().enumerate() {
                    if at > 0 {
                        self.raw(",");
                    }
                    write_string(name, &mut self.out);
                    self.raw(":");
                    self.schema(field, Some(at))?;
                }
                self.raw("}");
                if self.requires {
                    self.required(schema);
                }
            }
        }
        if let Some(own) = own {
            self.member("connect.type", own);
        }
        self.beside(schema)?;
        self.index(index);
        self.raw("}");
        Ok(())
    }

    fn required(&mut self, schema: &Schema) {
        let required = schema.fields.iter().filter(|(_, field)| !field.optional);
        for (at, (name, _)) in required.clone().enumerate() {
            self.raw(if at > 0 { "," } else { ",\"required\":[" });
            write_string(name, &mut self.out);
        }
        if required.count() > 0 {
            self.raw("]");
        }
    }

    fn symbols(&mut self, schema: &Schema) {
        self.raw("{\"enum\":[");
        let prefix = format!("{ENUM}.");
        let symbols = schema.parameters.iter().filter(|(name, _)| name.starts_with(&prefix));
        for (at, (_, symbol)) in symbols.enumerate() {
            if at > 0 {
                self.raw(",");
            }
            write_string(symbol, &mut self.out);
        }
        self.raw("]");
    }

    /// What stands beside the type.
    fn beside(&mut self, schema: &SchemaRef) -> Result<(), DataError> {
        if let Some(name) = &schema.name {
            self.member("title", name);
        }
        if let Some(version) = schema.version {
            self.raw(&format!(",\"connect.version\":{version}"));
        }
        if let Some(doc) = &schema.doc {
            self.member("description", doc);
        }
        let own = schema.parameters.iter().filter(|(name, _)| !name.starts_with(NAMESPACE));
        for (at, (name, value)) in own.clone().enumerate() {
            self.raw(if at > 0 { "," } else { ",\"connect.parameters\":{" });
            write_string(name, &mut self.out);
            self.raw(":");
            write_string(value, &mut self.out);
        }
        if own.count() > 0 {
            self.raw("}");
        }
        if let Some(default) = &schema.default {
            self.raw(",\"default\":");
            json_data::write(Some(schema), default, self.form, &mut self.out)?;
        }
        Ok(())
    }
}

fn part(schema: &Option<SchemaRef>) -> Result<&SchemaRef, DataError> {
    schema.as_ref().ok_or_else(|| DataError("a schema does not say what it holds".to_owned()))
}
