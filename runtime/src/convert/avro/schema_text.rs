//! Schemas of the data model written as Avro's JSON: the rules of Confluent's
//! `AvroData.fromConnectSchema`.
//!
//! Avro lets a name be given once. Where Confluent's gives it twice, and has a schema
//! that no reader takes (two structs without a name, or of one name and different
//! fields), the second type has a number after its name; `connect.name` has its own.

use std::sync::Arc;

use super::super::json::write_string;
use super::defaults::{self, Form};
use super::names::{self, TypeName};
use super::types::{
    AVRO_PROPERTY, DEFAULT_NAME, ENUM, ENUM_DEFAULT, ENUM_DOC, FIELD_DOC, MAP_ENTRY, PRECISION,
    PRECISION_DEFAULT, PRIMITIVES, RECORD_DOC, UNION,
};
use crate::data::DataError;
use crate::data::logical::{Logical, scale_of};
use crate::data::schema::{Kind, Schema, SchemaRef};

fn wrong<T>(message: impl Into<String>) -> Result<T, DataError> {
    Err(DataError(message.into()))
}

/// Options of the converter that change what a schema is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Writing {
    /// `enhanced.avro.schema.support`: enums are enums again, and no strings.
    pub(super) enhanced: bool,
    /// `connect.meta.data`: what Avro does not know is written as properties.
    pub(super) metadata: bool,
    /// `scrub.invalid.names`.
    pub(super) scrub: bool,
}

/// The schema's JSON.
pub(super) fn text(schema: &SchemaRef, writing: Writing) -> Result<String, DataError> {
    let mut writer = Writer { writing, named: Vec::new(), out: Vec::new() };
    writer.schema(schema, "")?;
    Ok(String::from_utf8(writer.out).expect("JSON is text"))
}

struct Writer {
    writing: Writing,
    /// The types that have names by now, with what they are of.
    named: Vec<(TypeName, Arc<Schema>)>,
    out: Vec<u8>,
}

/// What a name is to be followed by.
enum Given {
    /// The type has it already.
    Known,
    /// It is new.
    New(TypeName),
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

    /// A schema, in a union with null if it is optional.
    fn schema(&mut self, schema: &SchemaRef, space: &str) -> Result<(), DataError> {
        if schema.kind == Kind::Struct && schema.name.as_deref() == Some(UNION) {
            return self.union(schema, space);
        }
        match (schema.optional, &schema.default) {
            (false, _) => self.base(schema, space)?,
            (true, None) => {
                self.raw("[\"null\",");
                self.base(schema, space)?;
                self.raw("]");
            }
            (true, Some(_)) => {
                self.raw("[");
                self.base(schema, space)?;
                self.raw(",\"null\"]");
            }
        }
        Ok(())
    }

    fn union(&mut self, schema: &Schema, space: &str) -> Result<(), DataError> {
        self.raw("[");
        if schema.optional {
            self.raw("\"null\"");
        }
        for (at, branch) in schema.fields.values().enumerate() {
            if branch.kind == Kind::Struct && branch.name.as_deref() == Some(UNION) {
                return wrong("a union stands in a union, which Avro does not have");
            }
            if at > 0 || schema.optional {
                self.raw(",");
            }
            self.base(branch, space)?;
        }
        self.raw("]");
        Ok(())
    }

    /// A schema without regard to its being optional.
    fn base(&mut self, schema: &SchemaRef, space: &str) -> Result<(), DataError> {
        let kind = match schema.kind {
            Kind::Int8 | Kind::Int16 | Kind::Int32 => "int",
            Kind::Int64 => "long",
            Kind::Float32 => "float",
            Kind::Float64 => "double",
            Kind::Boolean => "boolean",
            Kind::String => match schema.parameters.get(ENUM).filter(|_| self.writing.enhanced) {
                Some(name) => return self.enumeration(schema, name, space),
                None => "string",
            },
            Kind::Bytes => "bytes",
            Kind::Array => {
                let element = part(&schema.element)?;
                self.raw("{\"type\":\"array\",\"items\":");
                self.schema(element, space)?;
                return self.properties(schema);
            }
            Kind::Map if defaults::has_plain_keys(schema) => {
                let element = part(&schema.element)?;
                self.raw("{\"type\":\"map\",\"values\":");
                self.schema(element, space)?;
                return self.properties(schema);
            }
            Kind::Map => return self.entries(schema, space),
            Kind::Struct => return self.record(schema, space),
        };
        let from = self.out.len();
        self.raw("{\"type\":\"");
        self.raw(kind);
        self.raw("\"");
        let bare = self.out.len();
        self.properties(schema)?;
        if self.out.len() == bare + 1 {
            // Nothing to say but the type.
            self.out.truncate(from);
            write_string(kind, &mut self.out);
        }
        Ok(())
    }

    /// A name for a type that stands within that namespace.
    fn give(&mut self, wanted: TypeName, schema: &SchemaRef, space: &str) -> Given {
        let of = match schema.optional {
            true => Arc::new(Schema { optional: false, ..(**schema).clone() }),
            false => schema.clone(),
        };
        let mut name = wanted.clone();
        for number in 2.. {
            let full = name.full();
            match self.named.iter().find(|(known, _)| *known == name) {
                // A name without a namespace cannot be told where one reigns.
                Some((known, same))
                    if *same == of && (space.is_empty() || !known.space.is_empty()) =>
                {
                    write_string(&full, &mut self.out);
                    return Given::Known;
                }
                None if !PRIMITIVES.contains(&full.as_str()) => {
                    self.named.push((name.clone(), of));
                    return Given::New(name);
                }
                _ => name.name = format!("{}{number}", wanted.name),
            }
        }
        unreachable!("numbers do not end")
    }

    fn head(&mut self, kind: &str, name: &TypeName, space: &str) {
        self.raw("{\"type\":\"");
        self.raw(kind);
        self.raw("\"");
        self.member("name", &name.name);
        if name.space != space {
            self.member("namespace", &name.space);
        }
    }

    fn record(&mut self, schema: &SchemaRef, space: &str) -> Result<(), DataError> {
        let scrub = self.writing.scrub;
        let wanted = TypeName::of(schema.name.as_deref(), DEFAULT_NAME, scrub)?;
        let Given::New(name) = self.give(wanted, schema, space) else { return Ok(()) };
        self.head("record", &name, space);
        if let Some(doc) = schema.parameters.get(RECORD_DOC) {
            self.member("doc", doc);
        }
        self.raw(",\"fields\":[");
        let mut fields = Vec::with_capacity(schema.fields.len());
        for (at, (field, of)) in schema.fields.iter().enumerate() {
            let field_name = names::field(field, scrub)?;
            if fields.contains(&field_name) {
                return wrong(format!(
                    "two fields are named `{field_name}` once they are scrubbed"
                ));
            }
            self.raw(if at > 0 { ",{\"name\":" } else { "{\"name\":" });
            write_string(&field_name, &mut self.out);
            fields.push(field_name);
            self.raw(",\"type\":");
            self.schema(of, &name.space)?;
            if let Some(doc) = schema.parameters.get(&format!("{FIELD_DOC}{field}")) {
                self.member("doc", doc);
            }
            self.field_default(of)?;
            self.raw("}");
        }
        self.raw("]");
        self.properties(schema)
    }

    fn field_default(&mut self, schema: &Schema) -> Result<(), DataError> {
        let before = self.out.len();
        self.raw(",\"default\":");
        let form = Form { of_avro: true, scrub: self.writing.scrub };
        let has_one = match &schema.default {
            Some(default) => defaults::write_own(schema, default, form, &mut self.out)?,
            None if schema.optional => {
                self.raw("null");
                true
            }
            None => false,
        };
        if !has_one {
            self.out.truncate(before);
        }
        Ok(())
    }

    fn entries(&mut self, schema: &SchemaRef, space: &str) -> Result<(), DataError> {
        self.raw("{\"type\":\"array\",\"items\":");
        let wanted = TypeName::of(schema.name.as_deref(), MAP_ENTRY, self.writing.scrub)?;
        let is_own = schema.name.is_none() && wanted.name == MAP_ENTRY;
        if let Given::New(name) = self.give(wanted, schema, space) {
            self.head("record", &name, space);
            self.raw(",\"fields\":[");
            for (at, of) in [&schema.key, &schema.element].into_iter().enumerate() {
                self.raw([r#"{"name":"key","type":"#, r#",{"name":"value","type":"#][at]);
                let of = part(of)?;
                self.schema(of, &name.space)?;
                self.field_default(of)?;
                self.raw("}");
            }
            self.raw("]");
            if !is_own || name.name != MAP_ENTRY {
                self.member("connect.internal.type", MAP_ENTRY);
            }
            self.raw("}");
        }
        self.properties(schema)
    }

    fn enumeration(
        &mut self,
        schema: &SchemaRef,
        name: &str,
        space: &str,
    ) -> Result<(), DataError> {
        let wanted = TypeName::of(Some(name), "", self.writing.scrub)?;
        let Given::New(name) = self.give(wanted, schema, space) else { return Ok(()) };
        self.head("enum", &name, space);
        let named = |prefix: &str| schema.parameters.get(&format!("{prefix}{}", name.name));
        if let Some(doc) = named(ENUM_DOC) {
            self.member("doc", doc);
        }
        self.raw(",\"symbols\":[");
        let prefix = format!("{ENUM}.");
        let symbols = schema.parameters.iter().filter(|(name, _)| name.starts_with(&prefix));
        for (at, (_, symbol)) in symbols.enumerate() {
            if at > 0 {
                self.raw(",");
            }
            write_string(&names::field(symbol, false)?, &mut self.out);
        }
        self.raw("]");
        if let Some(default) = named(ENUM_DEFAULT) {
            self.member("default", default);
        }
        self.properties(schema)
    }

    /// What the schema says beside its type, and the end of its object.
    fn properties(&mut self, schema: &Schema) -> Result<(), DataError> {
        let logical = schema.logical();
        if logical == Some(Logical::Decimal) {
            let scale = scale_of(schema)?;
            let precision = match schema.parameters.get(PRECISION) {
                None => PRECISION_DEFAULT,
                Some(text) => match text.parse() {
                    Ok(precision) => precision,
                    Err(_) => return wrong(format!("`{PRECISION}` is no number: `{text}`")),
                },
            };
            self.raw(&format!(",\"scale\":{scale},\"precision\":{precision}"));
        }
        if self.writing.metadata {
            self.metadata(schema)?;
        }
        let kind = match (schema.kind, logical) {
            (Kind::Bytes, Some(Logical::Decimal)) => Some("decimal"),
            (Kind::Int32, Some(Logical::Date)) => Some("date"),
            (Kind::Int32, Some(Logical::Time)) => Some("time-millis"),
            (Kind::Int64, Some(Logical::Timestamp)) => Some("timestamp-millis"),
            _ => None,
        };
        if let Some(kind) = kind {
            self.member("logicalType", kind);
        }
        for (name, value) in &schema.parameters {
            if name.starts_with(AVRO_PROPERTY) {
                self.member(name, value);
            }
        }
        self.raw("}");
        Ok(())
    }

    fn metadata(&mut self, schema: &Schema) -> Result<(), DataError> {
        if let Some(doc) = &schema.doc {
            self.member("connect.doc", doc);
        }
        if let Some(version) = schema.version {
            self.raw(&format!(",\"connect.version\":{version}"));
        }
        if !schema.parameters.is_empty() {
            self.raw(",\"connect.parameters\":{");
            for (at, (name, value)) in schema.parameters.iter().enumerate() {
                if at > 0 {
                    self.raw(",");
                }
                write_string(name, &mut self.out);
                self.raw(":");
                write_string(value, &mut self.out);
            }
            self.raw("}");
        }
        if let Some(default) = &schema.default {
            let before = self.out.len();
            self.raw(",\"connect.default\":");
            let form = Form { of_avro: false, scrub: self.writing.scrub };
            if !defaults::write_own(schema, default, form, &mut self.out)? {
                self.out.truncate(before);
            }
        }
        if let Some(name) = &schema.name {
            self.member("connect.name", name);
        }
        match schema.kind {
            Kind::Int8 => self.member("connect.type", "int8"),
            Kind::Int16 => self.member("connect.type", "int16"),
            _ => {}
        }
        Ok(())
    }
}

fn part(schema: &Option<SchemaRef>) -> Result<&SchemaRef, DataError> {
    schema.as_ref().ok_or_else(|| DataError("a schema does not say what it holds".to_owned()))
}
