//! Schemas as Kafka Connect's `JsonConverter` writes them into its envelopes.

use std::sync::Arc;

use super::json::write_string;
use super::json_data::{self, Dialect, Form};
use super::json_tree::Json;
use crate::data::DataError;
use crate::data::schema::{Kind, Schema, SchemaRef};

/// JSON's names of the types.
const TYPES: [(Kind, &str); 12] = [
    (Kind::Boolean, "boolean"),
    (Kind::Int8, "int8"),
    (Kind::Int16, "int16"),
    (Kind::Int32, "int32"),
    (Kind::Int64, "int64"),
    (Kind::Float32, "float"),
    (Kind::Float64, "double"),
    (Kind::Bytes, "bytes"),
    (Kind::String, "string"),
    (Kind::Array, "array"),
    (Kind::Map, "map"),
    (Kind::Struct, "struct"),
];

/// How plugins are told of schemas: nothing of a value is in them but defaults.
const TOLD: Form =
    Form { numeric_decimals: false, null_is_default: false, dialect: Dialect::Connect };

/// A schema's text, without the name of a field.
pub(crate) fn to_text(schema: &Schema) -> Result<String, DataError> {
    let mut out = Vec::new();
    write(schema, None, TOLD, &mut out)?;
    Ok(String::from_utf8(out).expect("JSON is UTF-8"))
}

/// The schema that a text tells.
pub(crate) fn from_text(text: &str) -> Result<SchemaRef, DataError> {
    schema(&Json::parse(text).map_err(DataError)?, TOLD)
}

fn wrong<T>(message: impl Into<String>) -> Result<T, DataError> {
    Err(DataError(message.into()))
}

/// Reads a schema; null is none.
pub(super) fn read(json: &Json<'_>, form: Form) -> Result<Option<SchemaRef>, DataError> {
    if *json == Json::Null {
        return Ok(None);
    }
    schema(json, form).map(Some)
}

fn schema(json: &Json<'_>, form: Form) -> Result<SchemaRef, DataError> {
    let Some(name) = json.get("type").and_then(Json::text) else {
        return wrong("a schema has no `type`");
    };
    let Some((kind, _)) = TYPES.iter().find(|(_, known)| *known == name) else {
        return wrong(format!("there is no type `{name}` of schemas"));
    };
    let part = |name: &str| match json.get(name) {
        Some(part) if *part != Json::Null => schema(part, form),
        _ => wrong(format!("the schema of an {kind} has no `{name}`")),
    };
    let mut read = match kind {
        Kind::Array => Schema::array(part("items")?),
        Kind::Map => Schema::map(part("keys")?, part("values")?),
        Kind::Struct => fields(json, form)?,
        kind => Schema::new(*kind),
    };
    read.optional = json.get("optional") == Some(&Json::Boolean(true));
    read.name = json.get("name").and_then(Json::text).map(str::to_owned);
    if let Some(Json::Number(number)) = json.get("version") {
        read.version = number.parse().ok();
    }
    read.doc = json.get("doc").and_then(Json::text).map(str::to_owned);
    if let Some(Json::Object(parameters)) = json.get("parameters") {
        for (name, value) in parameters {
            let Some(value) = value.text() else {
                return wrong(format!("the parameter `{name}` of a schema is no string"));
            };
            read.parameters.insert(name.to_string(), value.to_owned());
        }
    }
    let Some(default) = json.get("default") else { return Ok(Arc::new(read)) };
    let read = Arc::new(read);
    let default = json_data::read(Some(&read), Some(default), form)
        .map_err(|error| DataError(format!("a schema's default: {error}")))?;
    if default.is_null() {
        return Ok(read);
    }
    // A struct that is its own schema's default has the schema without it.
    Ok(Arc::new(Schema { default: Some(default), ..(*read).clone() }))
}

fn fields(json: &Json<'_>, form: Form) -> Result<Schema, DataError> {
    let Some(Json::Array(fields)) = json.get("fields") else {
        return wrong("the schema of a STRUCT has no array `fields`");
    };
    let mut read = Schema::new(Kind::Struct);
    for field in fields {
        let Some(name) = field.get("field").and_then(Json::text) else {
            return wrong("a field of a struct's schema has no `field` with its name");
        };
        read = read.field(name, schema(field, form)?)?;
    }
    Ok(read)
}

/// Appends a schema; of a field with its name.
pub(super) fn write(
    schema: &Schema,
    field: Option<&str>,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    let (_, name) = TYPES.iter().find(|(kind, _)| *kind == schema.kind).expect("all are there");
    out.extend_from_slice(b"{\"type\":");
    write_string(name, out);
    let part = |name: &str, part: &Option<SchemaRef>, out: &mut Vec<u8>| {
        let Some(part) = part else {
            return wrong(format!("the schema of an {} does not say what it holds", schema.kind));
        };
        out.push(b',');
        write_string(name, out);
        out.push(b':');
        write(part, None, form, out)
    };
    match schema.kind {
        Kind::Array => part("items", &schema.element, out)?,
        Kind::Map => {
            part("keys", &schema.key, out)?;
            part("values", &schema.element, out)?;
        }
        Kind::Struct => {
            out.extend_from_slice(b",\"fields\":[");
            for (at, (name, of_field)) in schema.fields.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(of_field, Some(name), form, out)?;
            }
            out.push(b']');
        }
        _ => {}
    }
    out.extend_from_slice(if schema.optional {
        b",\"optional\":true"
    } else {
        b",\"optional\":false"
    });
    let text = |name: &str, value: &Option<String>, out: &mut Vec<u8>| {
        if let Some(value) = value {
            out.push(b',');
            write_string(name, out);
            out.push(b':');
            write_string(value, out);
        }
    };
    text("name", &schema.name, out);
    if let Some(version) = schema.version {
        out.extend_from_slice(format!(",\"version\":{version}").as_bytes());
    }
    text("doc", &schema.doc, out);
    if !schema.parameters.is_empty() {
        out.extend_from_slice(b",\"parameters\":{");
        for (at, (name, value)) in schema.parameters.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_string(name, out);
            out.push(b':');
            write_string(value, out);
        }
        out.push(b'}');
    }
    if let Some(default) = &schema.default {
        out.extend_from_slice(b",\"default\":");
        json_data::write(Some(schema), default, form, out)?;
    }
    if let Some(name) = field {
        out.extend_from_slice(b",\"field\":");
        write_string(name, out);
    }
    out.push(b'}');
    Ok(())
}
