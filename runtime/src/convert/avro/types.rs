//! Avro's types, and the names that Confluent's `AvroData` has for what Avro cannot say.

use std::sync::Arc;

use crate::data::SchemaRef;

/// Where records without a name of their own are.
pub(super) const NAMESPACE: &str = "io.confluent.connect.avro";
/// The name of a struct without one.
pub(super) const DEFAULT_NAME: &str = "ConnectDefault";
/// The record that an entry of a map is whose keys are no plain strings.
pub(super) const MAP_ENTRY: &str = "MapEntry";
/// The struct that stands for a union: a field for each of its branches.
pub(super) const UNION: &str = "io.confluent.connect.avro.Union";
/// The parameter with an enum's full name; its symbols are parameters below it.
pub(super) const ENUM: &str = "io.confluent.connect.avro.Enum";
/// A parameter with the description of a record.
pub(super) const RECORD_DOC: &str = "io.confluent.connect.avro.record.doc";
/// What begins the parameter with the description of a field.
pub(super) const FIELD_DOC: &str = "io.confluent.connect.avro.field.doc.";
/// What begins the parameter with the description of an enum.
pub(super) const ENUM_DOC: &str = "io.confluent.connect.avro.enum.doc.";
/// What begins the parameter with the default symbol of an enum.
pub(super) const ENUM_DEFAULT: &str = "io.confluent.connect.avro.enum.default.";
/// A parameter with the digits of a decimal, where it says them.
pub(super) const PRECISION: &str = "connect.decimal.precision";
/// The digits of a decimal that does not say them.
pub(super) const PRECISION_DEFAULT: i32 = 64;
/// Parameters that begin so are properties of the Avro schema itself.
pub(super) const AVRO_PROPERTY: &str = "avro";

/// The types without parts, whose names no other type may have.
pub(super) const PRIMITIVES: [&str; 8] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// An Avro type, names resolved. Types that a schema names twice are shared.
#[derive(Debug)]
pub(super) enum Avro {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    /// So many bytes.
    Fixed(usize),
    /// Its symbols.
    Enum(Vec<String>),
    Array(Arc<Avro>),
    /// An array of records of `key` and `value`, in the order in which they stand.
    Entries {
        key: Arc<Avro>,
        value: Arc<Avro>,
        key_first: bool,
    },
    Map(Arc<Avro>),
    /// Names and types of its fields.
    Record(Vec<(String, Arc<Avro>)>),
    /// Its branches.
    Union(Vec<Arc<Avro>>),
}

impl Avro {
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Its name, for a message.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
            Self::Fixed(_) => "fixed",
            Self::Enum(_) => "enum",
            Self::Array(_) | Self::Entries { .. } => "array",
            Self::Map(_) => "map",
            Self::Record(_) => "record",
            Self::Union(_) => "union",
        }
    }

    /// The one branch of a union of null and something, which is no union in the data
    /// model.
    pub(super) fn nullable(branches: &[Arc<Self>]) -> Option<&Arc<Self>> {
        match branches {
            [null, other] | [other, null] if null.is_null() && !other.is_null() => Some(other),
            _ => None,
        }
    }
}

/// An Avro schema with what it is in the data model.
#[derive(Debug, Clone)]
pub struct AvroSchema {
    pub(super) avro: Arc<Avro>,
    /// `None` for `null`.
    pub(super) connect: Option<SchemaRef>,
}

/// A full name's last part.
pub(super) fn simple_name(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}
