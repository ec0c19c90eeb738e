//! Values of any type.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use indexmap::{Equivalent, IndexMap};

use super::schema::{Kind, SchemaRef, same};
use super::{DataError, Decimal};

/// A value with what is known of it. Without a schema it is what its type says, as
/// in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Datum {
    /// What it is.
    pub schema: Option<SchemaRef>,
    /// The value itself.
    pub value: Value,
}

impl Datum {
    /// A value without a schema.
    pub fn plain(value: Value) -> Self {
        Self { schema: None, value }
    }
}

/// Entries in the order in which they came, each key once.
pub type Map = IndexMap<Value, Value>;

/// A value. Two are equal as Java's are: a float by its bits, a decimal with its scale.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// None.
    #[default]
    Null,
    /// `Kind::Boolean`.
    Boolean(bool),
    /// `Kind::Int8`.
    Int8(i8),
    /// `Kind::Int16`.
    Int16(i16),
    /// `Kind::Int32`.
    Int32(i32),
    /// `Kind::Int64`.
    Int64(i64),
    /// `Kind::Float32`.
    Float32(f32),
    /// `Kind::Float64`.
    Float64(f64),
    /// `Kind::String`.
    String(String),
    /// `Kind::Bytes`.
    Bytes(Vec<u8>),
    /// The logical type `Decimal`.
    Decimal(Decimal),
    /// The logical types `Date`, `Time` and `Timestamp`, which only their schema tells
    /// apart: milliseconds since the epoch, as Java's `Date`.
    Instant(i64),
    /// `Kind::Array`.
    Array(Vec<Value>),
    /// `Kind::Map`.
    Map(Map),
    /// `Kind::Struct`.
    Struct(Struct),
}

impl Value {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::String(text.to_owned())
    }

    /// True for null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Its type; null has none, nor have the values of logical types
    /// (`ConnectSchema.schemaType`).
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Null | Self::Decimal(_) | Self::Instant(_) => return None,
            Self::Boolean(_) => Kind::Boolean,
            Self::Int8(_) => Kind::Int8,
            Self::Int16(_) => Kind::Int16,
            Self::Int32(_) => Kind::Int32,
            Self::Int64(_) => Kind::Int64,
            Self::Float32(_) => Kind::Float32,
            Self::Float64(_) => Kind::Float64,
            Self::String(_) => Kind::String,
            Self::Bytes(_) => Kind::Bytes,
            Self::Array(_) => Kind::Array,
            Self::Map(_) => Kind::Map,
            Self::Struct(_) => Kind::Struct,
        })
    }

    /// What it is, for a message; never what it holds.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Int8(_) => "an int8",
            Self::Int16(_) => "an int16",
            Self::Int32(_) => "an int32",
            Self::Int64(_) => "an int64",
            Self::Float32(_) => "a float32",
            Self::Float64(_) => "a float64",
            Self::String(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::Decimal(_) => "a decimal",
            Self::Instant(_) => "a point in time",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Struct(_) => "a struct",
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Boolean(one), Self::Boolean(other)) => one == other,
            (Self::Int8(one), Self::Int8(other)) => one == other,
            (Self::Int16(one), Self::Int16(other)) => one == other,
            (Self::Int32(one), Self::Int32(other)) => one == other,
            (Self::Int64(one), Self::Int64(other)) | (Self::Instant(one), Self::Instant(other)) => {
                one == other
            }
            (Self::Float32(one), Self::Float32(other)) => bits32(*one) == bits32(*other),
            (Self::Float64(one), Self::Float64(other)) => bits64(*one) == bits64(*other),
            (Self::String(one), Self::String(other)) => one == other,
            (Self::Bytes(one), Self::Bytes(other)) => one == other,
            (Self::Decimal(one), Self::Decimal(other)) => one == other,
            (Self::Array(one), Self::Array(other)) => one == other,
            (Self::Map(one), Self::Map(other)) => one == other,
            (Self::Struct(one), Self::Struct(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Null => {}
            Self::Boolean(value) => value.hash(state),
            Self::Int8(value) => value.hash(state),
            Self::Int16(value) => value.hash(state),
            Self::Int32(value) => value.hash(state),
            Self::Int64(value) | Self::Instant(value) => value.hash(state),
            Self::Float32(value) => bits32(*value).hash(state),
            Self::Float64(value) => bits64(*value).hash(state),
            Self::String(value) => value.as_str().hash(state),
            Self::Bytes(value) => value.hash(state),
            Self::Decimal(value) => value.hash(state),
            Self::Array(value) => value.hash(state),
            // Equal maps may differ in their order.
            Self::Map(value) => value.len().hash(state),
            Self::Struct(value) => value.values.hash(state),
        }
    }
}

/// All that are not a number are one.
fn bits32(value: f32) -> u32 {
    if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }
}

fn bits64(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

/// Finds a text among a map's keys without making a value of it.
#[derive(Hash)]
struct TextKey<'a>(&'a str);

impl Equivalent<Value> for TextKey<'_> {
    fn equivalent(&self, key: &Value) -> bool {
        matches!(key, Value::String(text) if text == self.0)
    }
}

/// The entry of a text key.
pub fn entry<'a>(map: &'a Map, key: &str) -> Option<&'a Value> {
    map.get(&TextKey(key))
}

/// Sets the entry of a text key; one that is there keeps its place.
pub fn set_entry(map: &mut Map, key: &str, value: Value) {
    match map.get_mut(&TextKey(key)) {
        Some(place) => *place = value,
        None => {
            map.insert(Value::text(key), value);
        }
    }
}

/// Takes the entry of a text key away; the others keep their order.
pub fn remove_entry(map: &mut Map, key: &str) -> Option<Value> {
    map.shift_remove(&TextKey(key))
}

/// Fields as their schema names them.
#[derive(Debug, Clone)]
pub struct Struct {
    schema: SchemaRef,
    values: Vec<Value>,
}

impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        same(&self.schema, &other.schema) && self.values == other.values
    }
}

impl Eq for Struct {}

impl Struct {
    /// All fields null.
    pub fn new(schema: SchemaRef) -> Self {
        let values = vec![Value::Null; schema.fields.len()];
        Self { schema, values }
    }

    /// What it is.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The fields' values in their order, null where none was set.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// A field's place.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.schema.fields.get_index_of(name)
    }

    /// The value at that place, or its default for a null if asked for.
    pub fn at(&self, index: usize, with_default: bool) -> &Value {
        let value = &self.values[index];
        match &self.schema.fields[index].default {
            Some(default) if with_default && value.is_null() => default,
            _ => value,
        }
    }

    /// A field's value, or its default for a null if asked for; `None` where there is
    /// no such field.
    pub fn get(&self, name: &str, with_default: bool) -> Option<&Value> {
        self.index_of(name).map(|index| self.at(index, with_default))
    }

    /// Sets the field at that place, which must be able to hold the value.
    pub fn put(&mut self, index: usize, value: Value) -> Result<(), DataError> {
        let (name, schema) = self.schema.fields.get_index(index).expect("the field is there");
        match &value {
            // What has this very schema was checked when it was made.
            Value::Struct(inner) if Arc::ptr_eq(&inner.schema, schema) => {}
            value => schema.validate(value, &format!("the field `{name}`"))?,
        }
        self.values[index] = value;
        Ok(())
    }

    /// Sets a field to what another struct has under the same schema: only null can
    /// be wrong.
    pub fn carry(&mut self, index: usize, value: Value) -> Result<(), DataError> {
        let (name, schema) = self.schema.fields.get_index(index).expect("the field is there");
        if value.is_null() && !schema.optional {
            return Err(DataError::new(format!(
                "the field `{name}` is null, but a {schema} is required"
            )));
        }
        self.values[index] = value;
        Ok(())
    }

    /// Sets a field that is read with its defaults: null is what stands for one.
    pub(crate) fn fill(&mut self, index: usize, value: Value) {
        self.values[index] = value;
    }

    pub(super) fn validate(&self, place: &str) -> Result<(), DataError> {
        for ((name, schema), value) in self.schema.fields.iter().zip(&self.values) {
            if value.is_null() && (schema.optional || schema.default.is_some()) {
                continue;
            }
            schema.validate(value, &format!("the field `{name}` of {place}"))?;
        }
        Ok(())
    }
}
