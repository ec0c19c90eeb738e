//! What a value is: `org.apache.kafka.connect.data.Schema`.

use std::fmt;
use std::sync::{Arc, LazyLock};

use indexmap::IndexMap;

use super::logical::Logical;
use super::{DataError, Value};

/// A schema, shared by all values that have it.
pub type SchemaRef = Arc<Schema>;

/// The types of values, by Kafka Connect's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A signed number of 8 bits.
    Int8,
    /// A signed number of 16 bits.
    Int16,
    /// A signed number of 32 bits.
    Int32,
    /// A signed number of 64 bits.
    Int64,
    /// IEEE 754, 32 bits.
    Float32,
    /// IEEE 754, 64 bits.
    Float64,
    /// True or false.
    Boolean,
    /// Text.
    String,
    /// Any bytes.
    Bytes,
    /// Elements of one schema.
    Array,
    /// Keys of one schema to values of another.
    Map,
    /// Named fields with a schema each.
    Struct,
}

impl Kind {
    /// The types of values that hold no others.
    pub(super) const PRIMITIVES: [Self; 9] = [
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Float32,
        Self::Float64,
        Self::Boolean,
        Self::String,
        Self::Bytes,
    ];

    /// Kafka Connect's name, in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Array => "ARRAY",
            Self::Map => "MAP",
            Self::Struct => "STRUCT",
        }
    }

    /// The type of that name, in whatever case.
    pub fn named(name: &str) -> Option<Self> {
        let others = [Self::Array, Self::Map, Self::Struct];
        let mut all = Self::PRIMITIVES.into_iter().chain(others);
        all.find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a value is.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Its type.
    pub kind: Kind,
    /// It may be null.
    pub optional: bool,
    /// What a null stands for.
    pub default: Option<Value>,
    /// The schema's name; of a logical type it says which.
    pub name: Option<String>,
    /// The schema's version.
    pub version: Option<i32>,
    /// What it is for.
    pub doc: Option<String>,
    /// More about it, in its own order.
    pub parameters: IndexMap<String, String>,
    /// Of an array's elements or a map's values.
    pub element: Option<SchemaRef>,
    /// Of a map's keys.
    pub key: Option<SchemaRef>,
    /// Of a struct's fields, in their order.
    pub fields: IndexMap<String, SchemaRef>,
}

impl PartialEq for Schema {
    /// The order of a struct's fields counts, that of parameters does not.
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.optional == other.optional
            && self.name == other.name
            && self.version == other.version
            && self.doc == other.doc
            && self.default == other.default
            && self.parameters == other.parameters
            && self.element == other.element
            && self.key == other.key
            && self.fields.iter().eq(other.fields.iter())
    }
}

impl Eq for Schema {}

/// True for one schema, or two that say the same.
pub fn same(one: &SchemaRef, other: &SchemaRef) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

impl Schema {
    /// A required value of this type, with nothing more said.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            optional: false,
            default: None,
            name: None,
            version: None,
            doc: None,
            parameters: IndexMap::new(),
            element: None,
            key: None,
            fields: IndexMap::new(),
        }
    }

    /// An array.
    pub fn array(element: SchemaRef) -> Self {
        Self { element: Some(element), ..Self::new(Kind::Array) }
    }

    /// A map.
    pub fn map(key: SchemaRef, value: SchemaRef) -> Self {
        Self { key: Some(key), element: Some(value), ..Self::new(Kind::Map) }
    }

    /// The same, which may be null.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The same under a name, in its first version.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), version: Some(1), ..self }
    }

    /// The same with another field; one of its name must not be there.
    pub fn field(mut self, name: &str, schema: SchemaRef) -> Result<Self, DataError> {
        if name.is_empty() {
            return Err(DataError::new("a field needs a name"));
        }
        match self.fields.insert(name.to_owned(), schema) {
            None => Ok(self),
            Some(_) => Err(DataError::new(format!("there are two fields `{name}`"))),
        }
    }

    /// The same with a default, which must be such a value.
    pub fn with_default(mut self, default: Value) -> Result<Self, DataError> {
        self.validate(&default, "the default")?;
        self.default = Some(default);
        Ok(self)
    }

    /// Another type under this one's name, version, description and parameters
    /// (`SchemaUtil.copySchemaBasics`).
    pub fn basics(&self, kind: Kind) -> Self {
        Self {
            name: self.name.clone(),
            version: self.version,
            doc: self.doc.clone(),
            parameters: self.parameters.clone(),
            ..Self::new(kind)
        }
    }

    /// Which logical type it is, if it is one.
    pub fn logical(&self) -> Option<Logical> {
        self.name.as_deref().and_then(Logical::named)
    }

    /// True if a struct of the other schema is one of this: they differ in whether it may
    /// be null, and in its default, at the most.
    pub fn describes(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || self.kind == other.kind
                && self.name == other.name
                && self.version == other.version
                && self.fields.iter().eq(other.fields.iter())
    }

    /// Refuses a value that is not what this says (`ConnectSchema.validateValue`).
    pub fn validate(&self, value: &Value, place: &str) -> Result<(), DataError> {
        if value.is_null() {
            return match self.optional {
                true => Ok(()),
                false => Err(DataError::new(format!("{place} is null, but a {self} is required"))),
            };
        }
        let fits = match self.logical() {
            Some(logical) => logical.holds(value),
            None => value.kind() == Some(self.kind),
        };
        if !fits {
            return Err(DataError::new(format!(
                "{place} is {}, which is no {self}",
                value.describe()
            )));
        }
        match value {
            Value::Struct(value) => {
                if !self.describes(value.schema()) {
                    return Err(DataError::new(format!("{place} is a struct of another schema")));
                }
                value.validate(place)
            }
            Value::Array(elements) => {
                let schema = self.element_schema(place)?;
                let place = format!("an element of {place}");
                elements.iter().try_for_each(|element| schema.validate(element, &place))
            }
            Value::Map(entries) => {
                let (keys, values) = (self.key_schema(place)?, self.element_schema(place)?);
                let (key_place, value_place) =
                    (format!("a key of {place}"), format!("a value of {place}"));
                entries.iter().try_for_each(|(key, value)| {
                    keys.validate(key, &key_place)?;
                    values.validate(value, &value_place)
                })
            }
            _ => Ok(()),
        }
    }

    fn element_schema(&self, place: &str) -> Result<&SchemaRef, DataError> {
        let none = || DataError::new(format!("there is no schema for the elements of {place}"));
        self.element.as_ref().ok_or_else(none)
    }

    fn key_schema(&self, place: &str) -> Result<&SchemaRef, DataError> {
        let none = || DataError::new(format!("there is no schema for the keys of {place}"));
        self.key.as_ref().ok_or_else(none)
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} ({name})", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}

/// The schema of a required, or an optional value of a primitive type. Shared: each
/// record of a text topic has the same.
pub fn primitive(kind: Kind, optional: bool) -> SchemaRef {
    static ALL: LazyLock<Vec<(SchemaRef, SchemaRef)>> = LazyLock::new(|| {
        Kind::PRIMITIVES
            .into_iter()
            .map(|kind| (Arc::new(Schema::new(kind)), Arc::new(Schema::new(kind).optional())))
            .collect()
    });
    let at = Kind::PRIMITIVES.iter().position(|known| *known == kind);
    match at {
        Some(at) if optional => ALL[at].1.clone(),
        Some(at) => ALL[at].0.clone(),
        None => Arc::new(Schema { optional, ..Schema::new(kind) }),
    }
}
